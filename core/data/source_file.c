#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "data/source_impl.h"

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || /* overlong, surrogates */
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void dcg_source_show_name(char *to, size_t size, const char *from)
{
	const unsigned char *s = (const unsigned char *)from;
	size_t length = strlen(from), used = 0;
	if (length >= size) { /* the end tells more than the beginning */
		used = (size_t)snprintf(to, size, "...");
		s += length - (size - 1 - used);
		while ((*s & 0xc0) == 0x80)
			s++;
	}
	while (*s && used + 1 < size) {
		size_t n = utf8_length(s);
		if (n == 0 || *s < ' ' || *s == 0x7f) {
			to[used++] = '?';
			s++;
		} else {
			if (used + n >= size)
				break;
			memcpy(to + used, s, n);
			used += n;
			s += n;
		}
	}
	to[used] = '\0';
}

static int refuse(struct dcg_error *err, int errnum, const char *path, const char *doing)
{
	char name[DCG_SOURCE_NAME];
	dcg_source_show_name(name, sizeof name, path);
	if (errnum == ELOOP)
		return dcg_error_set(err, DCG_EACCESS, "%s: symbolic links are not followed", name);
	return dcg_error_sys(err, errnum, "%s: cannot %s", name, doing);
}

int dcg_source_open_file(const struct dcg_source *s, const char *path, int *ret_fd, struct stat *ret_stat, struct dcg_error *err)
{
	int folder = s->folder, fd = -1, e = 0;
	const char *part = path;
	for (;;) {
		char name[256];
		size_t n = strcspn(part, "/");
		int last = part[n] == '\0';
		if (n == 0 || n >= sizeof name || (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')))) {
			e = n >= sizeof name ? ENAMETOOLONG : EACCES;
			break;
		}
		memcpy(name, part, n);
		name[n] = '\0';
		/* O_NONBLOCK: opening a FIFO that nobody writes to must not wait. */
		fd = openat(folder, name, O_NOFOLLOW | O_CLOEXEC | (last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY));
		if (fd < 0)
			e = errno;
		if (folder != s->folder)
			close(folder);
		folder = fd;
		if (fd < 0 || last)
			break;
		part += n + 1;
	}
	if (e) {
		if (fd >= 0 && fd != s->folder)
			close(fd);
		return refuse(err, e, path, "open");
	}
	struct stat st;
	if (fstat(fd, &st) < 0)
		e = errno;
	else if (!S_ISREG(st.st_mode))
		e = EACCES;
	if (e) {
		close(fd);
		return refuse(err, e, path, "read");
	}
	*ret_fd = fd;
	*ret_stat = st;
	return 0;
}

int dcg_source_read_file(const struct dcg_source *s, const char *path, size_t max_bytes, uint8_t **ret, size_t *ret_size, struct dcg_error *err)
{
	struct stat st;
	char name[DCG_SOURCE_NAME];
	int fd, r = dcg_source_open_file(s, path, &fd, &st, err);
	if (r)
		return r;
	dcg_source_show_name(name, sizeof name, path);
	uint8_t *bytes = NULL;
	size_t size = (size_t)st.st_size, done = 0;
	if ((uint64_t)st.st_size > max_bytes) {
		r = dcg_error_set(err, DCG_EUNSUPPORTED, "%s: %lld bytes, at most %zu allowed", name, (long long)st.st_size, max_bytes);
		goto out;
	}
	bytes = malloc(size + 1);
	if (!bytes) {
		r = dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", name);
		goto out;
	}
	while (done < size) {
		ssize_t n = read(fd, bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = dcg_error_sys(err, errno, "%s: cannot read", name);
			goto out;
		}
		if (n == 0) /* it shrank meanwhile: the decoder will say so */
			break;
		done += (size_t)n;
	}
	bytes[done] = '\0';
	*ret = bytes;
	*ret_size = done;
	bytes = NULL;
out:
	free(bytes);
	close(fd);
	return r;
}

int dcg_source_has_file(const struct dcg_source *s, const char *path)
{
	struct stat st;
	return fstatat(s->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

void dcg_source_fingerprint_add(struct dcg_source *s, const char *path, const struct stat *st)
{
	/* A chain of hashes: no memory however many files there are. */
	char text[2 * DCG_SHA256_HEX + 100], name[DCG_SHA256_HEX];
	dcg_sha256(path, strlen(path), name);
	int n = snprintf(text, sizeof text, "%s %s %lld %lld.%09ld", s->info.fingerprint, name, (long long)st->st_size,
	                 (long long)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec);
	dcg_sha256(text, (size_t)n, s->info.fingerprint);
}

int dcg_source_set_classes(struct dcg_source *s, int classes, const char *const *names, struct dcg_error *err)
{
	char (*copy)[DCG_CLASS_NAME] = calloc((size_t)classes + 1, sizeof *copy);
	if (!copy)
		return dcg_error_set(err, DCG_ENOMEM, "class names: out of memory");
	for (int i = 0; i < classes; i++) {
		if (names)
			dcg_source_show_name(copy[i], sizeof *copy, names[i]);
		else
			snprintf(copy[i], sizeof *copy, "%d", i);
	}
	free(s->class_names);
	s->class_names = copy;
	s->info.classes = classes;
	return 0;
}

int dcg_source_read_class_names(struct dcg_source *s, const char *path, struct dcg_error *err)
{
	uint8_t *text;
	size_t size;
	struct stat st;
	const char *names[DCG_MAX_CLASSES];
	int found = 0;
	if (fstatat(s->folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	int r = dcg_source_read_file(s, path, 1 << 20, &text, &size, err);
	if (r)
		return r;
	dcg_source_fingerprint_add(s, path, &st);
	char *rest = (char *)text, *line;
	while (found < s->info.classes && (line = strsep(&rest, "\r\n")))
		if (*line)
			names[found++] = line;
	if (found == s->info.classes)
		r = dcg_source_set_classes(s, found, names, err);
	free(text);
	return r;
}
