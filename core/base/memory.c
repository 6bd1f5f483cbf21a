#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_ulong calls;

void *dcg_alloc(size_t count, size_t size)
{
	const size_t huge = (size_t)2 << 20;
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - huge)
		return NULL;
	size_t align = bytes >= 2 * huge ? huge : 64;
	bytes = bytes ? (bytes + align - 1) / align * align : align;
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	void *p = aligned_alloc(align, bytes);
	if (!p)
		return NULL;
#ifdef MADV_HUGEPAGE
	if (align == huge)
		madvise(p, bytes, MADV_HUGEPAGE); /* a hint: failure costs only speed */
#endif
	return memset(p, 0, bytes);
}

void dcg_free(void *p)
{
	free(p);
}

unsigned long dcg_alloc_count(void)
{
	return atomic_load_explicit(&calls, memory_order_relaxed);
}
