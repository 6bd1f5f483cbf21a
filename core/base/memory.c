#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_ulong calls;

enum { ALIGN = 64 };

/* In the 64 bytes before what is handed out. */
struct header {
	void *map; /* NULL: from malloc */
	size_t bytes;
};

/* Straight from the system: zeros without writing them, so that a page takes memory when
 * its first user writes to it, near the processor that does (NUMA), or never. */
static void *map(size_t bytes)
{
	const size_t huge = (size_t)2 << 20;
	size_t all = (bytes + huge - 1) / huge * huge + huge; /* the header's page, and to align */
	char *at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	char *p = at + (huge - (uintptr_t)at % huge);
#ifdef MADV_HUGEPAGE
	madvise(p, (size_t)(at + all - p) / huge * huge, MADV_HUGEPAGE); /* a hint: failure costs only speed */
#endif
	*(struct header *)(void *)(p - ALIGN) = (struct header){ at, all };
	return p;
}

void *dcg_alloc(size_t count, size_t size)
{
	const size_t huge = (size_t)2 << 20;
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 3 * huge)
		return NULL;
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	if (bytes >= 2 * huge)
		return map(bytes);
	bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN + ALIGN;
	char *p = aligned_alloc(ALIGN, bytes);
	if (!p)
		return NULL;
	memset(p, 0, bytes);
	return p + ALIGN;
}

void dcg_free(void *p)
{
	if (!p)
		return;
	struct header *h = (struct header *)(void *)((char *)p - ALIGN), was = *h;
	if (was.map)
		munmap(was.map, was.bytes);
	else
		free(h);
}

unsigned long dcg_alloc_count(void)
{
	return atomic_load_explicit(&calls, memory_order_relaxed);
}
