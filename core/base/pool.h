/* A pool of threads for data-parallel loops.
 *
 * dcg_pool_run(pool, fn, ctx, tasks) calls fn(ctx, task, worker) once for every task
 * in 0 .. tasks-1, on the calling thread (worker 0) and on threads-1 others, and
 * returns when all are done. Neighbouring tasks tend to go to one worker, the same in each
 * loop, but which worker runs a task is not fixed: results must depend on the task alone
 * (reductions by task, never by worker), so that they are
 * bit-identical for any number of threads. worker < threads indexes scratch memory.
 *
 * One thread uses a pool at a time; fn must not call dcg_pool_run on the same pool.
 */
#ifndef DCG_BASE_POOL_H
#define DCG_BASE_POOL_H

#include "base/error.h"

struct dcg_pool;
typedef void dcg_pool_fn(void *ctx, int task, int worker);

/* That this process may run on; at most 256. */
int dcg_processors(void);

/* threads: 1 .. 256, or 0 for dcg_processors(). */
int dcg_pool_new(struct dcg_pool **ret, int threads, struct dcg_error *err);
void dcg_pool_free(struct dcg_pool *pool);
int dcg_pool_threads(const struct dcg_pool *pool);
void dcg_pool_run(struct dcg_pool *pool, dcg_pool_fn *fn, void *ctx, int tasks);

/* Make the calling thread treat denormal floats as zero, as the pool's own threads
 * do (vanishing gradients would otherwise run up to 100 times slower). */
void dcg_flush_denormals(void);

#endif
