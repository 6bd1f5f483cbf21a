/* Nearly all of the time goes here: products with directions, and sorting. */
#include <math.h>
#include <string.h>

#include "explore/swd_parts.h"

/* A float for each direction of a block; the compiler takes as many registers as that needs. */
typedef float lanes __attribute__((vector_size(DCG_SWD_BLOCK * sizeof(float))));
enum { MOST_ROWS = 8 };

/* columns[k][i] = x[i] . direction k, `rows` of x at a time: as many sums as there are registers.
 * Each runs in the order of d whatever the registers' width, and products are rounded before they
 * are added (-ffp-contract=off), so the result is the same everywhere. */
static inline __attribute__((always_inline)) void project_by(int rows, const float *x, size_t n, int d, const float *directions, float *columns)
{
	for (size_t i = 0; i < n; i += (size_t)rows) {
		lanes sums[MOST_ROWS] = { 0 };
		const float *row[MOST_ROWS];
		int used = n - i < (size_t)rows ? (int)(n - i) : rows;
		for (int r = 0; r < rows; r++) /* the last again where there are no more */
			row[r] = x + (i + (size_t)(r < used ? r : used - 1)) * (size_t)d;
		for (int k = 0; k < d; k++) {
			lanes dir;
			memcpy(&dir, directions + k * DCG_SWD_BLOCK, sizeof dir);
#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				sums[r] += dir * row[r][k];
		}
		for (int r = 0; r < used; r++)
			for (int k = 0; k < DCG_SWD_BLOCK; k++)
				columns[(size_t)k * n + i + (size_t)r] = sums[r][k];
	}
}

static void project(const float *x, size_t n, int d, const float *directions, float *columns)
{
	project_by(2, x, n, d, directions, columns);
}
static int always(void)
{
	return 1;
}

#if defined DCG_X86
__attribute__((target("avx512f"))) static void project_avx512(const float *x, size_t n, int d, const float *directions, float *columns)
{
	project_by(8, x, n, d, directions, columns);
}
static int has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}
__attribute__((target("avx2"))) static void project_avx2(const float *x, size_t n, int d, const float *directions, float *columns)
{
	project_by(4, x, n, d, directions, columns);
}
static int has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#endif

const struct dcg_swd_projector dcg_swd_projectors[] = {
#if defined DCG_X86
	{ "avx512", has_avx512, project_avx512 },
	{ "avx2", has_avx2, project_avx2 },
#endif
	{ "any", always, project },
	{ NULL },
};

/* Radix sort of three digits. As unsigned numbers, floats without their sign are in order;
 * negative ones are turned round. */
enum { DIGIT = 11, BUCKETS = 1 << DIGIT };

static void sort(float *values, uint32_t *temp, size_t n)
{
	size_t at[3][BUCKETS] = { 0 };
	for (size_t i = 0; i < n; i++) {
		uint32_t u;
		memcpy(&u, &values[i], sizeof u);
		u ^= u >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
		memcpy(&values[i], &u, sizeof u);
		for (int pass = 0; pass < 3; pass++)
			at[pass][u >> pass * DIGIT & (BUCKETS - 1)]++;
	}
	for (int pass = 0; pass < 3; pass++) {
		size_t sum = 0;
		for (int b = 0; b < BUCKETS; b++) {
			size_t count = at[pass][b];
			at[pass][b] = sum;
			sum += count;
		}
	}
	unsigned char *from = (unsigned char *)values, *to = (unsigned char *)temp;
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < n; i++) {
			uint32_t u;
			memcpy(&u, from + i * sizeof u, sizeof u);
			memcpy(to + at[pass][u >> pass * DIGIT & (BUCKETS - 1)]++ * sizeof u, &u, sizeof u);
		}
		unsigned char *swap = from;
		from = to, to = swap;
	}
	for (size_t i = 0; i < n; i++) { /* after three passes they are in temp */
		uint32_t u = temp[i];
		u ^= u >> 31 ? UINT32_C(1) << 31 : UINT32_MAX;
		memcpy(&values[i], &u, sizeof u);
	}
}

double dcg_swd_wasserstein(float *a, float *b, size_t n, uint32_t *temp)
{
	double sum = 0;
	sort(a, temp, n);
	sort(b, temp, n);
	for (size_t i = 0; i < n; i++)
		sum += fabs((double)a[i] - (double)b[i]);
	return sum / (double)n;
}

double dcg_swd_block(const float *a, const float *b, size_t n, int d, const float *directions, int used, float *columns, uint32_t *temp)
{
	double sum = 0;
	float *columns_b = columns + DCG_SWD_BLOCK * n;
	const struct dcg_swd_projector *p = dcg_swd_projectors;
	while (!p->usable())
		p++;
	p->project(a, n, d, directions, columns);
	p->project(b, n, d, directions, columns_b);
	for (int k = 0; k < used; k++)
		sum += dcg_swd_wasserstein(columns + (size_t)k * n, columns_b + (size_t)k * n, n, temp);
	return sum;
}
