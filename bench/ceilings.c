/* What the processor can do at most: multiply-adds between registers, and memory. Twelve
 * independent chains hide the latency; nothing is loaded or stored. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench/bench.h"

enum { CHAINS = 12, TURNS = 1 << 20, TILE_TURNS = 8 /* fewer by that */ };

static float sink; /* so that results are needed */

#if defined __x86_64__
/* One asm, so that the chains stay in registers whatever the compiler makes of the rest. */
#define STEP(op, c) op " %13, %12, %" #c "\n\t"
#define RATE(name, isa, bytes, op) \
	__attribute__((target(isa), noinline)) static void name(void *ctx, int task, int worker) \
	{ \
		typedef float vec __attribute__((vector_size(bytes))); \
		vec x = (vec){ 0 } + 1.0001F, y = (vec){ 0 } + 0.9999F, a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x; \
		(void)ctx, (void)task, (void)worker; \
		for (int turn = 0; turn < TURNS; turn++) \
			__asm__ volatile(STEP(op, 0) STEP(op, 1) STEP(op, 2) STEP(op, 3) STEP(op, 4) STEP(op, 5) STEP(op, 6) STEP(op, 7) STEP(op, 8) STEP(op, 9) STEP(op, 10) STEP(op, 11) \
				: "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l) : "v"(x), "v"(y)); \
		sink += (a + b + c + d + e + f + g + h + i + j + k + l)[0]; \
	}
RATE(fma_ymm, "avx2,fma", 32, "vfmadd231ps")
RATE(fma_zmm, "avx512f", 64, "vfmadd231ps")
RATE(dot_zmm, "avx512f,avx512bf16", 64, "vdpbf16ps")
#endif

#if defined DCG_AMX
/* Six accumulators of [16][16], twice a turn; tdpbf16ps takes tile 6 as a and 7 as b. */
__attribute__((target("amx-tile,amx-bf16"), noinline)) static void dot_tile(void *ctx, int task, int worker)
{
	struct {
		unsigned char palette, zeros[15];
		unsigned short row_bytes[16];
		unsigned char rows[16];
	} shapes = { .palette = 1 };
	(void)ctx, (void)task, (void)worker;
	for (int t = 0; t < 8; t++)
		shapes.row_bytes[t] = 64, shapes.rows[t] = 16;
	__asm__ volatile("ldtilecfg %0" : : "m"(shapes)); /* all tiles zero: the rate does not depend on values */
	for (int i = 0; i < TURNS / TILE_TURNS; i++)
		for (int twice = 0; twice < CHAINS / 6; twice++)
			__asm__ volatile("tdpbf16ps %tmm7, %tmm6, %tmm0\n\ttdpbf16ps %tmm7, %tmm6, %tmm1\n\ttdpbf16ps %tmm7, %tmm6, %tmm2\n\t"
					 "tdpbf16ps %tmm7, %tmm6, %tmm3\n\ttdpbf16ps %tmm7, %tmm6, %tmm4\n\ttdpbf16ps %tmm7, %tmm6, %tmm5");
	__asm__ volatile("tilerelease");
}

/* The table of that name is there only where the processor has tiles and the system lets us use them. */
static int has_tiles(void)
{
	const char *const *name = dcg_kernel_names();
	while (*name && strcmp(*name, "amx-bf16") != 0)
		name++;
	return *name != NULL;
}
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
#if defined DCG_AMX
		{ "bf16_tile_gflops", has_tiles(), dot_tile, 2.0 * 16 * 16 * 32 / TILE_TURNS },
#endif
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
