/* Aligned memory for tensors and tables. Any thread; free(NULL) is legal. */
#ifndef DCG_BASE_MEMORY_H
#define DCG_BASE_MEMORY_H

#include <stddef.h>

/* Zeroed, aligned to 64 bytes (to 2 MiB with transparent huge pages asked for, when
 * size is at least 4 MiB; then pages take memory only
 * when they are first written, by the thread that does). NULL when there is no memory or count * size overflows. */
void *dcg_alloc(size_t count, size_t size);
void dcg_free(void *p);

/* Number of dcg_alloc calls so far in this process: lets a test assert that
 * steady-state training allocates nothing. */
unsigned long dcg_alloc_count(void);

#endif
