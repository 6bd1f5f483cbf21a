/* Files for targets. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <unistd.h>

static char folder[200];

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

void fuzz_remove(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folder(void)
{
	fuzz_remove(folder);
}

const char *fuzz_folder(void)
{
	if (*folder)
		return folder;
	const char *tmp = getenv("TMPDIR");
	/* Without waiting for a disk there are ten times as many inputs a second. */
	if (!tmp)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(folder, sizeof folder, "%s/dcg-fuzz-XXXXXX", tmp);
	fuzz_check(mkdtemp(folder) != NULL, "%s", folder);
	atexit(remove_folder);
	return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, data, size);
	fuzz_check(n == (ssize_t)size, "cannot write %s", path);
	close(fd);
	return path;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);
	fuzz_check(s != NULL, "out of memory");
	if (size)
		memcpy(s, data, size);
	s[size] = 0;
	return s;
}
