/* The calls of the C library that pass through the shim. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/shim.h"

/* Calls f, the next of this name, unless the point says otherwise. */
#define PASS(type, failure, call_name, kind_expression, symbol, prototype, ...) \
	static type (*next) prototype; \
	if (!next) \
		*(void **)&next = shim_next(symbol); \
	enum shim_action action = shim_point(call_name, kind_expression); \
	if (action == SHIM_FAIL) \
		return failure; \
	type r = next(__VA_ARGS__); \
	if (action == SHIM_KILL_AFTER) \
		shim_kill(); \
	return r

#define OPEN(name, at_argument, at, call_name) \
	int name(at_argument const char *path, int flags, ...) \
	{ \
		va_list ap; \
		va_start(ap, flags); \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; \
		va_end(ap); \
		OPEN_BODY_##name(at, call_name) \
	}
#define OPEN_BODY(symbol, at, call_name, prototype, ...) PASS(int, -1, call_name, shim_path_kind(at, path), symbol, prototype, __VA_ARGS__);
#define OPEN_BODY_open(at, c) OPEN_BODY("open", at, c, (const char *, int, mode_t), path, flags, mode)
#define OPEN_BODY_open64(at, c) OPEN_BODY("open64", at, c, (const char *, int, mode_t), path, flags, mode)
#define OPEN_BODY_openat(at, c) OPEN_BODY("openat", at, c, (int, const char *, int, mode_t), at, path, flags, mode)
OPEN(open, , AT_FDCWD, "open")
OPEN(open64, , AT_FDCWD, "open")
#define AT int at,
OPEN(openat, AT, at, "open")

int mkostemps(char *path, int suffix, int flags)
{
	PASS(int, -1, "create", shim_path_kind(AT_FDCWD, path), "mkostemps", (char *, int, int), path, suffix, flags);
}

/* What is being said to a client. */
static const char *message_kind(const void *data, size_t size)
{
	if (!shim_control || (!shim_control->recording && !shim_control->action))
		return NULL;
	if (size > 12 && memcmp(data, "HTTP/1.1 ", 9) == 0)
		return ((const char *)data)[9] == '2' ? "reply" : "refusal";
	return memmem(data, size < 60 ? size : 60, "event: ", 7) ? "event" : "socket";
}

ssize_t write(int fd, const void *data, size_t size)
{
	PASS(ssize_t, -1, "write", shim_fd_kind(fd), "write", (int, const void *, size_t), fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	PASS(ssize_t, -1, "write", shim_fd_kind(fd), "pwrite", (int, const void *, size_t, off_t), fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	PASS(ssize_t, -1, "write", shim_fd_kind(fd), "pwrite64", (int, const void *, size_t, off64_t), fd, data, size, offset);
}

ssize_t read(int fd, void *data, size_t size)
{
	PASS(ssize_t, -1, "read", shim_fd_kind(fd), "read", (int, void *, size_t), fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	PASS(ssize_t, -1, "read", shim_fd_kind(fd), "pread", (int, void *, size_t, off_t), fd, data, size, offset);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset)
{
	PASS(ssize_t, -1, "read", shim_fd_kind(fd), "pread64", (int, void *, size_t, off64_t), fd, data, size, offset);
}

int fsync(int fd)
{
	PASS(int, -1, "fsync", shim_fd_kind(fd), "fsync", (int), fd);
}

int fdatasync(int fd)
{
	PASS(int, -1, "fsync", shim_fd_kind(fd), "fdatasync", (int), fd);
}

int ftruncate(int fd, off_t size)
{
	PASS(int, -1, "truncate", shim_fd_kind(fd), "ftruncate", (int, off_t), fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	PASS(int, -1, "truncate", shim_fd_kind(fd), "ftruncate64", (int, off64_t), fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	PASS(int, -1, "reserve", shim_fd_kind(fd), "fallocate", (int, int, off_t, off_t), fd, mode, offset, size);
}

off_t lseek(int fd, off_t offset, int whence)
{
	PASS(off_t, -1, "seek", shim_fd_kind(fd), "lseek", (int, off_t, int), fd, offset, whence);
}

int flock(int fd, int what)
{
	PASS(int, -1, "lock", shim_fd_kind(fd), "flock", (int, int), fd, what);
}

int rename(const char *from, const char *to)
{
	PASS(int, -1, "rename", shim_path_kind(AT_FDCWD, to), "rename", (const char *, const char *), from, to);
}

int unlink(const char *path)
{
	PASS(int, -1, "unlink", shim_path_kind(AT_FDCWD, path), "unlink", (const char *), path);
}

int unlinkat(int at, const char *path, int flags)
{
	PASS(int, -1, "unlink", shim_path_kind(at, path), "unlinkat", (int, const char *, int), at, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
	PASS(int, -1, "mkdir", shim_path_kind(AT_FDCWD, path), "mkdir", (const char *, mode_t), path, mode);
}

int rmdir(const char *path)
{
	PASS(int, -1, "rmdir", shim_path_kind(AT_FDCWD, path), "rmdir", (const char *), path);
}

DIR *fdopendir(int fd)
{
	PASS(DIR *, NULL, "list", shim_fd_kind(fd), "fdopendir", (int), fd);
}

DIR *opendir(const char *path)
{
	PASS(DIR *, NULL, "list", shim_path_kind(AT_FDCWD, path), "opendir", (const char *), path);
}

int stat(const char *path, struct stat *ret)
{
	PASS(int, -1, "stat", shim_path_kind(AT_FDCWD, path), "stat", (const char *, struct stat *), path, ret);
}

int lstat(const char *path, struct stat *ret)
{
	PASS(int, -1, "stat", shim_path_kind(AT_FDCWD, path), "lstat", (const char *, struct stat *), path, ret);
}

int fstat(int fd, struct stat *ret)
{
	PASS(int, -1, "stat", shim_fd_kind(fd), "fstat", (int, struct stat *), fd, ret);
}

int fstatat(int at, const char *path, struct stat *ret, int flags)
{
	PASS(int, -1, "stat", shim_path_kind(at, path), "fstatat", (int, const char *, struct stat *, int), at, path, ret, flags);
}

int statvfs(const char *path, struct statvfs *ret)
{
	PASS(int, -1, "statvfs", shim_path_kind(AT_FDCWD, path), "statvfs", (const char *, struct statvfs *), path, ret);
}

char *realpath(const char *path, char *buf)
{
	PASS(char *, NULL, "resolve", shim_path_kind(AT_FDCWD, path), "realpath", (const char *, char *), path, buf);
}

ssize_t getrandom(void *buf, size_t size, unsigned int flags)
{
	PASS(ssize_t, -1, "random", "", "getrandom", (void *, size_t, unsigned int), buf, size, flags);
}

/* It is closed whether it fails or not, as with the kernel's. */
int close(int fd)
{
	static int (*next)(int);
	if (!next)
		*(void **)&next = shim_next("close");
	enum shim_action action = shim_point("close", shim_fd_kind(fd));
	int e = errno, r = next(fd);
	if (action == SHIM_KILL_AFTER)
		shim_kill();
	if (action == SHIM_FAIL)
		errno = e;
	return action == SHIM_FAIL ? -1 : r;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	PASS(void *, (void *)-1, "mmap", fd >= 0 ? shim_fd_kind(fd) : "memory", "mmap", (void *, size_t, int, int, int, off_t), at, size, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
	PASS(void *, (void *)-1, "mmap", fd >= 0 ? shim_fd_kind(fd) : "memory", "mmap64", (void *, size_t, int, int, int, off64_t), at, size, protection, flags, fd, offset);
}

int eventfd(unsigned int value, int flags)
{
	PASS(int, -1, "eventfd", "", "eventfd", (unsigned int, int), value, flags);
}

int pipe2(int fd[2], int flags)
{
	PASS(int, -1, "pipe", "", "pipe2", (int *, int), fd, flags);
}

int epoll_create1(int flags)
{
	PASS(int, -1, "epoll_create", "", "epoll_create1", (int), flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	PASS(int, -1, "epoll_add", op == EPOLL_CTL_ADD ? "" : NULL, "epoll_ctl", (int, int, int, struct epoll_event *), epoll, op, fd, event);
}

int socket(int domain, int type, int protocol)
{
	PASS(int, -1, "socket", "", "socket", (int, int, int), domain, type, protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	PASS(int, -1, "bind", "", "bind", (int, const struct sockaddr *, socklen_t), fd, address, size);
}

int listen(int fd, int backlog)
{
	PASS(int, -1, "listen", "", "listen", (int, int), fd, backlog);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	PASS(int, -1, "accept", "", "accept4", (int, struct sockaddr *, socklen_t *, int), fd, address, size, flags);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	PASS(int, -1, "setsockopt", "", "setsockopt", (int, int, int, const void *, socklen_t), fd, level, name, value, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	PASS(ssize_t, -1, "receive", "", "recv", (int, void *, size_t, int), fd, data, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	PASS(ssize_t, -1, "send", message_kind(data, size), "send", (int, const void *, size_t, int), fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	PASS(ssize_t, -1, "send", m->msg_iovlen ? message_kind(m->msg_iov->iov_base, m->msg_iov->iov_len) : "socket", "sendmsg",
		(int, const struct msghdr *, int), fd, m, flags);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size)
{
	PASS(ssize_t, -1, "send", "file", "sendfile64", (int, int, off64_t *, size_t), to, from, offset, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	if (!next)
		*(void **)&next = shim_next("pthread_create");
	enum shim_action action = shim_point("pthread_create", "");
	return action == SHIM_FAIL ? EAGAIN : next(thread, attr, fn, arg);
}

/* The worker says its name before it does anything. */
int pthread_setname_np(pthread_t thread, const char *name)
{
	static int (*next)(pthread_t, const char *);
	if (!next)
		*(void **)&next = shim_next("pthread_setname_np");
	int r = next(thread, name);
	struct shim_control *c = shim_control;
	while (c && __atomic_load_n(&c->hold, __ATOMIC_ACQUIRE) && strcmp(name, "dcg-worker") == 0) {
		__atomic_store_n(&c->holding, 1, __ATOMIC_RELEASE);
		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
	}
	return r;
}
