/* What the processor can do at most: multiply-adds between registers, and memory. Twelve
 * independent chains hide the latency; nothing is loaded or stored. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bench/bench.h"

enum { CHAINS = 12, TURNS = 1 << 20 };

static float sink; /* so that results are needed */

#if defined __x86_64__
#define RATE(name, isa, bytes, step) \
	__attribute__((target(isa), noinline)) static void name(void *ctx, int task, int worker) \
	{ \
		typedef float vec __attribute__((vector_size(bytes))); \
		vec acc[CHAINS], x, y; \
		(void)ctx, (void)task, (void)worker; \
		for (unsigned i = 0; i < sizeof x / sizeof(float); i++) \
			x[i] = 1.0001F, y[i] = 0.9999F; \
		for (int c = 0; c < CHAINS; c++) \
			acc[c] = x; \
		for (int i = 0; i < TURNS; i++) { \
			_Pragma("GCC unroll 12") \
			for (int c = 0; c < CHAINS; c++) \
				step; \
			__asm__ volatile("" : "+v"(x), "+v"(y)); \
		} \
		for (int c = 0; c < CHAINS; c++) \
			sink += acc[c][0]; \
	}
RATE(fma_ymm, "avx2,fma", 32, __asm__("vfmadd231ps %1, %2, %0" : "+v"(acc[c]) : "v"(x), "v"(y)))
RATE(fma_zmm, "avx512f", 64, __asm__("vfmadd231ps %1, %2, %0" : "+v"(acc[c]) : "v"(x), "v"(y)))
RATE(dot_zmm, "avx512f,avx512bf16", 64, __asm__("vdpbf16ps %1, %2, %0" : "+v"(acc[c]) : "v"(x), "v"(y)))
#endif

static void copy(void *ctx, int task, int worker)
{
	const size_t piece = (size_t)4 << 20;
	char *memory = ctx;
	(void)worker;
	__builtin_memcpy(memory + (size_t)(2 * task) * piece, memory + (size_t)(2 * task + 1) * piece, piece);
}

/* Best of several: interruptions only ever make it slower. */
static double best_seconds(struct dcg_pool *pool, dcg_pool_fn *fn, void *ctx, int tasks, double seconds)
{
	double best = 1e9, end = bench_now() + seconds;
	while (bench_now() < end) {
		double t = bench_now();
		dcg_pool_run(pool, fn, ctx, tasks);
		t = bench_now() - t;
		best = t < best ? t : best;
	}
	return best;
}

int bench_ceilings(const struct bench *b)
{
	struct dcg_pool *pool;
	struct dcg_error err;
	if (dcg_pool_new(&pool, b->threads, &err)) {
		fprintf(stderr, "dcgan-bench: %s\n", err.text);
		return 2;
	}
	int threads = dcg_pool_threads(pool);
	printf("{\"threads\":%d", threads);
#if defined __x86_64__
	const struct {
		const char *name;
		int available;
		dcg_pool_fn *fn;
		double flops; /* a turn of a chain */
	} rates[] = {
		{ "fp32_ymm_gflops", __builtin_cpu_supports("avx2"), fma_ymm, 16 },
		{ "fp32_zmm_gflops", __builtin_cpu_supports("avx512f"), fma_zmm, 32 },
		{ "bf16_zmm_gflops", __builtin_cpu_supports("avx512bf16"), dot_zmm, 64 },
	};
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		if (rates[i].available)
			printf(",\"%s\":%.1f", rates[i].name, rates[i].flops * CHAINS * TURNS * threads / best_seconds(pool, rates[i].fn, NULL, threads, b->seconds) / 1e9);
#endif
	const int pieces = 32; /* 256 MB: beyond any cache */
	char *memory = dcg_alloc((size_t)pieces * 2, (size_t)4 << 20);
	if (memory)
		printf(",\"memory_copy_gb_s\":%.1f", 2.0 * pieces * (4 << 20) / best_seconds(pool, copy, memory, pieces, b->seconds) / 1e9);
	puts("}");
	dcg_free(memory);
	dcg_pool_free(pool);
	return 0;
}
