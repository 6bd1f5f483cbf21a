/* Memory that is refused. */
#include <errno.h>
#include <stdlib.h>

#include "tests/faults/shim.h"

/* The C library's own, under the names that it keeps for programs that bring others. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = shim_site() == SHIM_FAIL ? NULL : __libc_memalign(alignment, size);
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
