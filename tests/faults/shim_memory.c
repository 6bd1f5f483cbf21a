/* Memory that is refused, and memory that is not given back. */
#include <errno.h>
#include <stdlib.h>

#include "tests/faults/shim.h"

/* The C library's own, under the names that it keeps for programs that bring others. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static void *given(void *p, void *caller)
{
	shim_given(p, caller);
	return p;
}

void *malloc(size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : given(__libc_malloc(size), __builtin_return_address(0));
}

void *calloc(size_t count, size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : given(__libc_calloc(count, size), __builtin_return_address(0));
}

void *realloc(void *p, size_t size)
{
	if (shim_site() == SHIM_FAIL)
		return NULL;
	void *q = __libc_realloc(p, size);
	if (q || !size)
		shim_returned(p);
	return given(q, __builtin_return_address(0));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return shim_site() == SHIM_FAIL ? NULL : given(__libc_memalign(alignment, size), __builtin_return_address(0));
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = shim_site() == SHIM_FAIL ? NULL : given(__libc_memalign(alignment, size), __builtin_return_address(0));
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void free(void *p)
{
	shim_returned(p);
	__libc_free(p);
}
