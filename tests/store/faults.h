/* Makes the calls SQLite does for files fail on demand: this program's own functions come
 * before the C library's. Syncs that do not fail do nothing, since no test cuts the power
 * and there are thousands. Only one file of a program may include this. */
#ifndef DCG_TESTS_STORE_FAULTS_H
#define DCG_TESTS_STORE_FAULTS_H

#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
	int first;   /* the number of the call to fail, counted from 1; 0: none */
	int forever; /* and all after it */
	int syncs;   /* count and fail syncs only */
	int error;   /* errno */
	int calls, hits;
} fault;

static int fault_now(int is_sync)
{
	if (!fault.first || (fault.syncs && !is_sync))
		return 0;
	int n = ++fault.calls;
	if (n != fault.first && !(fault.forever && n > fault.first))
		return 0;
	fault.hits++;
	errno = fault.error;
	return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
int ftruncate64(int fd, off64_t size);
int fdatasync(int fd);

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pwrite64");
	return fault_now(0) ? -1 : next(fd, data, size, offset);
}

int ftruncate64(int fd, off64_t size)
{
	static int (*next)(int, off64_t);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ftruncate64");
	return fault_now(0) ? -1 : next(fd, size);
}

int fdatasync(int fd)
{
	(void)fd;
	return fault_now(1) ? -1 : 0;
}

int fsync(int fd)
{
	(void)fd;
	return 0;
}

#endif
