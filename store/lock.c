/* One daemon a state folder: an flock, which the kernel drops however its holder ends. The
 * file itself stays: removing it would let two hold a lock on different files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/internal.h"

static int busy(int fd, const char *path, struct dcg_error *err)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;
	if (pid > 0)
		return dcg_error_set(err, DCG_EBUSY, "%s: held by process %ld: another dcgand uses this folder; stop it, or choose another --state-dir", path, pid);
	return dcg_error_set(err, DCG_EBUSY, "%s: held by a process that is just starting: another dcgand uses this folder; stop it, or choose another --state-dir", path);
}

int dcg_store_lock(const char *folder, struct dcg_error *err)
{
	char *path, pid[24];
	int r = 0;
	if (asprintf(&path, "%s/dcgand.lock", folder) < 0)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = dcg_error_sys(err, errno, "%s: cannot open", path);
		goto done;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? busy(fd, path, err) : dcg_error_sys(err, errno, "%s: cannot lock", path);
		goto done;
	}
	int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		r = dcg_error_sys(err, errno, "%s: cannot write", path);
done:
	free(path);
	if (r && fd >= 0)
		close(fd);
	return r ? r : fd;
}
