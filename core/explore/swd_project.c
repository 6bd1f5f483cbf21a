/* Nearly all of the time goes here: products with directions, and sorting. */
#include <math.h>
#include <string.h>

#include "explore/swd_parts.h"

/* Four floats: a register on every processor we know of. */
typedef float lanes __attribute__((vector_size(16)));
enum { LANES = 4, PARTS = DCG_SWD_BLOCK / LANES, ROWS = 2 };

/* columns[k][i] = x[i] . direction k. Sums run in the order of d whatever the registers'
 * width, so the result is the same everywhere. */
static void project(const float *x, size_t n, int d, const float *directions, float *columns)
{
	for (size_t i = 0; i < n; i += ROWS, x += ROWS * d) {
		lanes sums[ROWS][PARTS] = { 0 };
		size_t rows = n - i < ROWS ? n - i : ROWS;
		const float *second = rows > 1 ? x + d : x;
		for (int k = 0; k < d; k++) {
			lanes dir[PARTS];
			memcpy(dir, directions + k * DCG_SWD_BLOCK, sizeof dir);
			for (int p = 0; p < PARTS; p++) {
				sums[0][p] += dir[p] * x[k];
				sums[1][p] += dir[p] * second[k];
			}
		}
		for (size_t r = 0; r < rows; r++)
			for (int k = 0; k < DCG_SWD_BLOCK; k++)
				columns[(size_t)k * n + i + r] = sums[r][k / LANES][k % LANES];
	}
}

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
	project(a, n, d, directions, columns);
	project(b, n, d, directions, columns_b);
	for (int k = 0; k < used; k++)
		sum += dcg_swd_wasserstein(columns + (size_t)k * n, columns_b + (size_t)k * n, n, temp);
	return sum;
}
