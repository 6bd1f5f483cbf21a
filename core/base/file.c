#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_memory(struct dcg_error *err, const char *path)
{
	return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", path);
}

/* The folder of path in malloc'd memory, "." when it names none. */
static char *folder_of(const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return NULL;
	char *dir = strdup(dirname(copy));
	free(copy);
	return dir;
}

int dcg_file_begin(struct dcg_file *f, const char *path, uint64_t reserve_bytes, struct dcg_error *err)
{
	*f = (struct dcg_file){ .fd = -1 };
	char *dir = folder_of(path);
	const char *slash = strrchr(path, '/');
	if (!dir || !(f->path = strdup(path)) ||
	    asprintf(&f->temporary, "%s/.%s.XXXXXX.tmp", dir, slash ? slash + 1 : path) < 0) {
		f->temporary = NULL;
		free(dir);
		dcg_file_abort(f);
		return no_memory(err, path);
	}
	free(dir);
	f->fd = mkostemps(f->temporary, 4, O_CLOEXEC);
	if (f->fd < 0) {
		int e = errno;
		free(f->temporary); /* nothing to unlink */
		f->temporary = NULL;
		dcg_file_abort(f);
		return dcg_error_sys(err, e, "%s: cannot create", path);
	}
	/* Not every file system can reserve: only "no room" is an answer. */
	if (reserve_bytes && fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)reserve_bytes) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT)) {
		int e = errno;
		dcg_file_abort(f);
		return dcg_error_sys(err, e, "%s: cannot reserve %llu bytes", path, (unsigned long long)reserve_bytes);
	}
	return 0;
}

static int sync_folder(const char *path, struct dcg_error *err)
{
	char *dir = folder_of(path);
	if (!dir)
		return no_memory(err, path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = fd < 0 || fsync(fd) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	free(dir);
	return e ? dcg_error_sys(err, e, "%s: cannot sync its folder", path) : 0;
}

int dcg_file_commit(struct dcg_file *f, struct dcg_error *err)
{
	int e = 0;
	const char *doing = "sync";
	if (fsync(f->fd) < 0)
		e = errno;
	if (close(f->fd) < 0 && !e)
		e = errno, doing = "close";
	f->fd = -1;
	if (!e && rename(f->temporary, f->path) < 0)
		e = errno, doing = "rename";
	if (e) {
		int code = dcg_error_sys(err, e, "%s: cannot %s", f->path, doing);
		dcg_file_abort(f);
		return code;
	}
	free(f->temporary); /* it has become path */
	f->temporary = NULL;
	int code = sync_folder(f->path, err);
	dcg_file_abort(f);
	return code;
}

void dcg_file_abort(struct dcg_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->temporary)
		unlink(f->temporary);
	free(f->temporary);
	free(f->path);
	*f = (struct dcg_file){ .fd = -1 };
}

int dcg_file_write_all(int fd, const void *data, size_t size, struct dcg_error *err)
{
	const char *p = data;
	while (size) {
		ssize_t n = write(fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dcg_error_sys(err, errno, "cannot write");
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int dcg_file_write_atomic(const char *path, const void *data, size_t size, struct dcg_error *err)
{
	struct dcg_file f;
	int r = dcg_file_begin(&f, path, size, err);
	if (r)
		return r;
	r = dcg_file_write_all(f.fd, data, size, err);
	if (r) {
		dcg_file_abort(&f);
		return dcg_error_prefix(err, r, "%s", path);
	}
	return dcg_file_commit(&f, err);
}

int dcg_file_read_fd(int fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_size, struct dcg_error *err)
{
	struct stat st;
	size_t size = 0;
	if (fstat(fd, &st) < 0)
		return dcg_error_sys(err, errno, "%s: cannot stat", path);
	if (!S_ISREG(st.st_mode))
		return dcg_error_set(err, DCG_EINVAL, "%s: not a regular file", path);
	if ((uint64_t)st.st_size > max_bytes)
		return dcg_error_set(err, DCG_EINVAL, "%s: %lld bytes, at most %zu allowed", path, (long long)st.st_size, max_bytes);
	char *data = malloc((size_t)st.st_size + 1);
	if (!data)
		return no_memory(err, path);
	while (size < (size_t)st.st_size) {
		ssize_t n = read(fd, data + size, (size_t)st.st_size - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int e = errno;
			free(data);
			return dcg_error_sys(err, e, "%s: cannot read", path);
		}
		if (n == 0) /* it shrank meanwhile */
			break;
		size += (size_t)n;
	}
	data[size] = '\0';
	*ret_data = data;
	*ret_size = size;
	return 0;
}

int dcg_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_size, struct dcg_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not stop us */
	if (fd < 0)
		return dcg_error_sys(err, errno, "%s: cannot open", path);
	int r = dcg_file_read_fd(fd, path, max_bytes, ret_data, ret_size, err);
	close(fd);
	return r;
}

int dcg_file_is_temporary(const char *name)
{
	size_t n = strlen(name);
	return name[0] == '.' && n > 12 && name[n - 11] == '.' && strcmp(name + n - 4, ".tmp") == 0;
}

/* With its entry on disk, or not at all, so that the next attempt syncs it. */
static int make_one(const char *path, struct dcg_error *err)
{
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : dcg_error_sys(err, errno, "%s: cannot create folder", path);
	int r = sync_folder(path, err);
	if (r)
		rmdir(path);
	return r;
}

int dcg_file_make_folder(const char *path, struct dcg_error *err)
{
	char *copy = strdup(path);
	if (!copy)
		return no_memory(err, path);
	int r = 0;
	for (char *p = copy + 1; !r; p++) {
		if (*p && *p != '/')
			continue;
		char was = *p;
		*p = '\0';
		r = make_one(copy, err);
		*p = was;
		if (!was)
			break;
	}
	struct stat st;
	if (!r && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = dcg_error_set(err, DCG_EINVAL, "%s: not a folder", path);
	free(copy);
	return r;
}
