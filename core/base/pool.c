/* Workers spin for a few microseconds between loops, then sleep: a training step is
 * a chain of short loops, and a sleep between each would cost more than some of them.
 *
 * Each worker has a share of the tasks, a run of neighbours, and takes those of others
 * when its own are done. So loops over the same data give a worker the same part of it,
 * in its caches and in pages near its processor, since it was the first to write there. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/memory.h"

enum { MAX_THREADS = 256, SPINS = 4000 };

/* What threads write while others read something else lies in cache lines of its own. */
#define OWN_LINE _Alignas(64)

struct worker {
	OWN_LINE atomic_int next; /* the first task of its share that nobody has taken */
	int end;
	struct dcg_pool *pool;
	pthread_t thread;
	int index;
};

struct dcg_pool {
	int threads; /* const after dcg_pool_new */
	struct worker *workers;
	/* The loop in progress: written by the caller before `round` is raised. */
	dcg_pool_fn *fn;
	void *ctx;
	OWN_LINE atomic_int running; /* workers that have not finished this round */
	OWN_LINE atomic_uint round;
	atomic_int stop;
	pthread_mutex_t lock; /* guards sleeping on wake */
	pthread_cond_t wake;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

void dcg_flush_denormals(void)
{
#if defined(__SSE2__)
	__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040); /* FTZ | DAZ */
#elif defined(__aarch64__)
	unsigned long fpcr;
	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	__asm__ volatile("msr fpcr, %0" : : "r"(fpcr | 1UL << 24));
#endif
}

static void take_share(struct dcg_pool *p, struct worker *of, int worker)
{
	/* Looking first spares the owner's line a write for each who finds nothing. */
	while (atomic_load_explicit(&of->next, memory_order_relaxed) < of->end) {
		int task = atomic_fetch_add_explicit(&of->next, 1, memory_order_relaxed);
		if (task < of->end)
			p->fn(p->ctx, task, worker);
	}
}

static void take_tasks(struct dcg_pool *p, int worker)
{
	for (int i = 0; i < p->threads; i++)
		take_share(p, &p->workers[(worker + i) % p->threads], worker);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct dcg_pool *p = w->pool;
	unsigned seen = 0;
	dcg_flush_denormals();
	for (;;) {
		for (int i = 0; i < SPINS && atomic_load_explicit(&p->round, memory_order_acquire) == seen; i++)
			relax();
		if (atomic_load_explicit(&p->round, memory_order_acquire) == seen) {
			pthread_mutex_lock(&p->lock);
			while (atomic_load_explicit(&p->round, memory_order_acquire) == seen)
				pthread_cond_wait(&p->wake, &p->lock);
			pthread_mutex_unlock(&p->lock);
		}
		seen++;
		if (atomic_load_explicit(&p->stop, memory_order_acquire))
			return NULL;
		take_tasks(p, w->index);
		atomic_fetch_sub_explicit(&p->running, 1, memory_order_release);
	}
}

static void start_round(struct dcg_pool *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

int dcg_processors(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set) < MAX_THREADS ? CPU_COUNT(&set) : MAX_THREADS;
	return 1;
}

int dcg_pool_new(struct dcg_pool **ret, int threads, struct dcg_error *err)
{
	if (threads < 0 || threads > MAX_THREADS)
		return dcg_error_set(err, DCG_EINVAL, "threads: expected 0 to %d, found %d", MAX_THREADS, threads);
	struct dcg_pool *p = dcg_alloc(1, sizeof *p);
	if (!p)
		return dcg_error_set(err, DCG_ENOMEM, "thread pool: out of memory");
	int wanted = threads ? threads : dcg_processors();
	p->threads = 1; /* grows as workers start, so that dcg_pool_free undoes what is done */
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->workers = dcg_alloc((size_t)wanted, sizeof *p->workers);
	if (!p->workers) {
		dcg_pool_free(p);
		return dcg_error_set(err, DCG_ENOMEM, "thread pool: out of memory");
	}
	for (int i = 1; i < wanted; i++) {
		p->workers[i].pool = p;
		p->workers[i].index = i;
		int e = pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]);
		if (e) {
			dcg_pool_free(p);
			return dcg_error_set(err, DCG_ETHREAD, "thread %d of %d could not be started (error %d)", i + 1, wanted, e);
		}
		p->threads = i + 1;
	}
	*ret = p;
	return 0;
}

void dcg_pool_free(struct dcg_pool *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, 1);
	start_round(p);
	for (int i = 1; i < p->threads; i++)
		pthread_join(p->workers[i].thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	dcg_free(p->workers);
	dcg_free(p);
}

int dcg_pool_threads(const struct dcg_pool *p)
{
	return p->threads;
}

void dcg_pool_run(struct dcg_pool *p, dcg_pool_fn *fn, void *ctx, int tasks)
{
	if (p->threads == 1 || tasks <= 1) {
		for (int i = 0; i < tasks; i++)
			fn(ctx, i, 0);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	for (int i = 0; i < p->threads; i++) {
		atomic_store_explicit(&p->workers[i].next, (int)((long long)tasks * i / p->threads), memory_order_relaxed);
		p->workers[i].end = (int)((long long)tasks * (i + 1) / p->threads);
	}
	atomic_store_explicit(&p->running, p->threads - 1, memory_order_relaxed);
	start_round(p);
	take_tasks(p, 0);
	for (int i = 0; atomic_load_explicit(&p->running, memory_order_acquire) > 0; i++) {
		relax();
		if (i > SPINS) /* a worker lost its processor to another process */
			sched_yield();
	}
}
