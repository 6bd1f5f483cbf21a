/* The sliced Wasserstein distance, against values that swd_reference.py works out. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "explore/swd.h"
#include "explore/swd_parts.h"
#include "tests/tap.h"

/* The same formula as in swd_reference.py. */
static void draw(uint8_t *to, int p, int which, int h, int w, int c)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int k = 0; k < c; k++) {
				int v = x * (p % 5 + 1) * 3 + y * (p % 7 + 2) * 2 + k * 40 + (x * y + p * 13) % 11 * 9;
				*to++ = (uint8_t)((v + which * ((x * x + y * 3 + p) % 17) * 4) % 256);
			}
}

static uint8_t *draw_set(int count, int which, int h, int w, int c)
{
	uint8_t *set = malloc((size_t)(count * h * w * c));
	for (int p = 0; p < count; p++)
		draw(set + (size_t)p * (size_t)(h * w * c), p, which, h, w, c);
	return set;
}

struct expected {
	int h, w, c, levels;
	double distance[3];
};

static const struct expected given[] = {
	{ 32, 32, 1, 2, { 163.001528, 173.821046 } },
	{ 28, 28, 1, 1, { 162.744251 } },
	{ 64, 64, 3, 3, { 140.205882, 112.981107, 197.730932 } },
	{ 35, 50, 3, 2, { 157.300749, 146.045308 } },
};

/* Part 1 of the script: places and directions by formula. */
START_TEST(given_places_and_directions)
{
	enum { COUNT = 6, PATCHES = 20, N = COUNT * PATCHES, PROJECTIONS = 24, MOST = 3 * 49 };
	const struct expected *e = &given[_i];
	int d = 49 * e->c, h = e->h, w = e->w;
	uint8_t *sets[2] = { draw_set(COUNT, 0, h, w, e->c), draw_set(COUNT, 1, h, w, e->c) };
	float *scratch = malloc(dcg_swd_scratch(h, w, e->c) * sizeof *scratch), *columns = malloc(2 * DCG_SWD_BLOCK * N * sizeof *columns);
	float *values[2] = { malloc(N * MOST * sizeof(float)), malloc(N * MOST * sizeof(float)) };
	float directions[2][MOST * DCG_SWD_BLOCK] = { 0 };
	uint32_t temp[N];
	for (int k = 0; k < PROJECTIONS; k++) {
		double squares = 0;
		for (int i = 0; i < d; i++)
			squares += pow((i * 29 + k * 17 + i * k * 3) % 23 - 11 + 0.25, 2);
		for (int i = 0; i < d; i++)
			directions[k / DCG_SWD_BLOCK][i * DCG_SWD_BLOCK + k % DCG_SWD_BLOCK] = (float)(((i * 29 + k * 17 + i * k * 3) % 23 - 11 + 0.25) / sqrt(squares));
	}
	for (int level = 0; level < e->levels; level++, h = (h + 1) / 2, w = (w + 1) / 2) {
		for (int set = 0; set < 2; set++) {
			for (int p = 0; p < COUNT; p++) {
				int corners[2 * PATCHES];
				for (int q = 0; q < PATCHES; q++) {
					corners[2 * q] = (p * 5 + q * 3) % (h - 6);
					corners[2 * q + 1] = (p * 11 + q * 7) % (w - 6);
				}
				dcg_swd_describe(sets[set] + p * e->h * e->w * e->c, e->h, e->w, e->c, level, e->levels, corners, PATCHES,
				                 values[set] + p * PATCHES * d, scratch);
			}
			for (int c = 0; c < e->c; c++) {
				double sum = 0, squares = 0, n = N * 49;
				for (int i = c; i < N * d; i += e->c)
					sum += values[set][i];
				for (int i = c; i < N * d; i += e->c)
					squares += pow(values[set][i] - sum / n, 2);
				for (int i = c; i < N * d; i += e->c)
					values[set][i] = (float)((values[set][i] - sum / n) / sqrt(squares / n));
			}
		}
		double sum = dcg_swd_block(values[0], values[1], N, d, directions[0], 16, columns, temp) +
			dcg_swd_block(values[0], values[1], N, d, directions[1], PROJECTIONS - 16, columns, temp);
		ck_assert_double_eq_tol(1000 * sum / PROJECTIONS, e->distance[level], 1e-4 * e->distance[level]);
	}
	free(sets[0]), free(sets[1]), free(values[0]), free(values[1]);
	free(scratch);
	free(columns);
}
END_TEST

/* Part 2: random ones, here by our generator, there by numpy's. */
START_TEST(drawn_places_and_directions)
{
	static const struct expected drawn[] = {
		{ 32, 32, 1, 2, { 45.32, 41.19 } }, /* +- 1.10, 3.29 */
		{ 64, 64, 3, 3, { 27.08, 27.37, 23.35 } }, /* +- 0.47, 0.49, 1.68 */
	};
	for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
		const struct expected *e = &drawn[i];
		uint8_t *a = draw_set(60, 0, e->h, e->w, e->c), *b = draw_set(60, 1, e->h, e->w, e->c);
		double sums[3] = { 0 }, mean = 0;
		for (uint64_t seed = 1; seed <= 2; seed++) {
			struct dcg_swd_how how = { .seed = seed, .projections = 128 };
			struct dcg_swd swd;
			struct dcg_error err;
			ck_assert_int_eq(dcg_swd(&swd, a, b, 60, e->h, e->w, e->c, &how, &err), 0);
			ck_assert_int_eq(swd.levels, e->levels);
			for (int l = 0; l < e->levels; l++) {
				ck_assert_int_eq(swd.height[l], e->h >> l);
				ck_assert_int_eq(swd.width[l], e->w >> l);
				sums[l] += swd.distance[l] / 2;
				mean += swd.distance[l] / e->levels;
			}
			ck_assert_double_eq_tol(swd.mean, mean, 1e-9);
			mean = 0;
		}
		for (int l = 0; l < e->levels; l++)
			ck_assert_double_eq_tol(sums[l], e->distance[l], 0.1 * e->distance[l]);
		free(a);
		free(b);
	}
}
END_TEST

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

START_TEST(wasserstein_in_one_dimension)
{
	uint32_t temp[1000];
	float a[1000], b[1000], a2[1000], b2[1000];
	memcpy(a, (float[]){ 3, 1, 2 }, 12);
	memcpy(b, (float[]){ 1, 2, 3 }, 12);
	ck_assert_double_eq(dcg_swd_wasserstein(a, b, 3, temp), 0);
	memcpy(a, (float[]){ 0, 0 }, 8);
	memcpy(b, (float[]){ 3, -1 }, 8);
	ck_assert_double_eq(dcg_swd_wasserstein(a, b, 2, temp), 2);
	memcpy(a, (float[]){ -5, 1e-40f, -0.0f, 7 }, 16); /* shifted by 2.5 */
	memcpy(b, (float[]){ 9.5f, 2.5f, -2.5f, 2.5f }, 16);
	ck_assert_double_eq_tol(dcg_swd_wasserstein(a, b, 4, temp), 2.5, 1e-12);
	struct dcg_rng rng;
	dcg_rng_init(&rng, 9, 0);
	for (int n = 1; n <= 1000; n += 111) {
		double sum = 0;
		dcg_rng_normal(&rng, a, (size_t)n, 0, 1);
		dcg_rng_normal(&rng, b, (size_t)n, 1, 1000);
		memcpy(a2, a, sizeof a);
		memcpy(b2, b, sizeof b);
		qsort(a2, (size_t)n, sizeof *a2, by_value);
		qsort(b2, (size_t)n, sizeof *b2, by_value);
		for (int i = 0; i < n; i++)
			sum += fabs((double)a2[i] - b2[i]);
		ck_assert_double_eq_tol(dcg_swd_wasserstein(a, b, (size_t)n, temp), sum / n, 1e-9);
		ck_assert_int_eq(memcmp(a, a2, (size_t)n * sizeof *a), 0); /* sorted in place */
	}
}
END_TEST

/* Whatever the registers' width: each sum in the order of d, from rounded products. */
START_TEST(projections_do_not_depend_on_the_processor)
{
	enum { MOST = 37, D = 49 };
	float x[MOST * D], directions[D * DCG_SWD_BLOCK], columns[DCG_SWD_BLOCK * MOST];
	struct dcg_rng rng;
	dcg_rng_init(&rng, 9, 0);
	dcg_rng_normal(&rng, x, MOST * D, 0, 1);
	dcg_rng_normal(&rng, directions, D * DCG_SWD_BLOCK, 0, 1);
	for (const struct dcg_swd_projector *p = dcg_swd_projectors; p->name; p++)
		for (size_t n = 1; p->usable() && n <= MOST; n++) {
			p->project(x, n, D, directions, columns);
			for (size_t k = 0; k < DCG_SWD_BLOCK; k++)
				for (size_t i = 0; i < n; i++) {
					volatile float sum = 0, product; /* rounded at each step */
					for (size_t v = 0; v < D; v++) {
						product = directions[v * DCG_SWD_BLOCK + k] * x[i * D + v];
						sum += product;
					}
					ck_assert_msg(columns[k * n + i] == sum, "%s, n %zu: row %zu, direction %zu", p->name, n, i, k);
				}
		}
}
END_TEST

START_TEST(pyramid)
{
	enum { H = 18, W = 17 };
	uint8_t picture[H * W];
	float in[H * W], out[H * W], temp[2 * H * W + 2 * W], fine[H * W];
	draw(picture, 3, 1, H, W, 1);
	for (int i = 0; i < H * W; i++)
		in[i] = fine[i] = picture[i];
	dcg_swd_halve(in, H, W, 1, out, temp);
	static const double halved[][3] = { { 0, 0, 100.56250 }, { 0, 8, 72.18750 }, { 4, 3, 125.31641 }, { 8, 0, 157.87500 }, { 8, 8, 156.22656 } };
	for (int i = 0; i < 5; i++)
		ck_assert_double_eq_tol(out[(int)halved[i][0] * 9 + (int)halved[i][1]], halved[i][2], 1e-3);
	dcg_swd_detail(fine, out, H, W, 1, temp);
	static const double detail[][3] = {
		{ 0, 0, -48.36572 }, { 0, 16, -71.29834 }, { 9, 4, -147.48193 }, { 17, 0, 84.31738 }, { 17, 16, -6.13672 }, { 8, 9, 86.99243 },
	};
	for (int i = 0; i < 6; i++)
		ck_assert_double_eq_tol(fine[(int)detail[i][0] * W + (int)detail[i][1]], detail[i][2], 1e-3);
	for (int i = 0; i < H * W; i++) /* nothing is lost where there is nothing fine */
		in[i] = fine[i] = 42;
	dcg_swd_halve(in, H, W, 1, out, temp);
	dcg_swd_detail(fine, out, H, W, 1, temp);
	for (int i = 0; i < 9 * 9; i++)
		ck_assert_float_eq(out[i], 42);
	for (int i = 0; i < H * W; i++)
		ck_assert_float_eq(fine[i], 0);
}
END_TEST

static struct dcg_swd measure(const uint8_t *a, const uint8_t *b, int count, struct dcg_swd_how how)
{
	struct dcg_swd swd;
	struct dcg_error err;
	how.patches = how.patches ? how.patches : 32;
	how.projections = how.projections ? how.projections : 70;
	ck_assert_int_eq(dcg_swd(&swd, a, b, count, 32, 32, 3, &how, &err), 0);
	return swd;
}

START_TEST(itself_noise_and_symmetry)
{
	enum { COUNT = 24, SIZE = COUNT * 32 * 32 * 3 };
	uint8_t *a = draw_set(COUNT, 0, 32, 32, 3), *b = malloc(SIZE);
	struct dcg_swd_how how = { .seed = 7 };
	struct dcg_rng rng;
	struct dcg_swd swd = measure(a, a, COUNT, how);
	ck_assert_double_eq(swd.mean, 0);
	double last = 0;
	for (int noise = 8; noise <= 128; noise *= 2) {
		dcg_rng_init(&rng, 1, 0);
		for (int i = 0; i < SIZE; i++) {
			int v = a[i] + (int)dcg_rng_below(&rng, 2 * (uint32_t)noise + 1) - noise;
			b[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
		swd = measure(a, b, COUNT, how);
		ck_assert_double_gt(swd.distance[0], 1.2 * last);
		last = swd.distance[0];
		struct dcg_swd back = measure(b, a, COUNT, how);
		ck_assert_int_eq(memcmp(&swd, &back, sizeof swd), 0);
	}
	/* Brightness and contrast of a whole set do not count. */
	for (int i = 0; i < SIZE; i++) {
		a[i] /= 2;
		b[i] = (uint8_t)(a[i] + 100);
	}
	ck_assert_double_lt(measure(a, b, COUNT, how).mean, 1e-3);
	memset(b, 9, SIZE); /* no contrast at all: a number still */
	swd = measure(a, b, COUNT, how);
	ck_assert(isfinite(swd.mean) && swd.mean > 100);
	free(a);
	free(b);
}
END_TEST

START_TEST(any_number_of_threads)
{
	uint8_t *a = draw_set(24, 0, 32, 32, 3), *b = draw_set(24, 1, 32, 32, 3);
	struct dcg_swd_how how = { .seed = 3 };
	struct dcg_swd alone = measure(a, b, 24, how), again = measure(a, b, 24, how);
	ck_assert_int_eq(memcmp(&alone, &again, sizeof alone), 0);
	for (int threads = 1; threads <= 5; threads += 2) {
		struct dcg_error err;
		ck_assert_int_eq(dcg_pool_new(&how.pool, threads, &err), 0);
		again = measure(a, b, 24, how);
		ck_assert_int_eq(memcmp(&alone, &again, sizeof alone), 0);
		dcg_pool_free(how.pool);
	}
	how = (struct dcg_swd_how){ .seed = 4 };
	again = measure(a, b, 24, how);
	ck_assert_double_ne(again.mean, alone.mean);
	ck_assert_double_eq_tol(again.mean, alone.mean, 0.3 * alone.mean);
	free(a);
	free(b);
}
END_TEST

static int cancel_at(void *user)
{
	return --*(int *)user < 0;
}

START_TEST(cancelled_and_refused)
{
	uint8_t *a = draw_set(4, 0, 32, 32, 3);
	struct dcg_swd swd = { .levels = -1 };
	struct dcg_error err;
	int left = 0;
	struct dcg_swd_how how = { .patches = 8, .projections = 64, .cancelled = cancel_at, .user = &left };
	for (int n = 0; n < 8; n++) { /* four times a level, two levels */
		left = n;
		ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 32, 3, &how, &err), DCG_ECANCELLED);
		ck_assert_int_eq(swd.levels, -1);
	}
	left = 8;
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 32, 3, &how, &err), 0);
	ck_assert_int_eq(swd.levels, 2);
	how = (struct dcg_swd_how){ 0 };
	ck_assert_int_eq(dcg_swd(&swd, a, a, 0, 32, 32, 3, &how, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_swd(&swd, a, a, 65537, 32, 32, 3, &how, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 15, 32, 3, &how, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 5000, 3, &how, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 32, 2, &how, &err), DCG_EINVAL);
	how.patches = 1025;
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 32, 3, &how, &err), DCG_EINVAL);
	how.patches = 1, how.projections = -1;
	ck_assert_int_eq(dcg_swd(&swd, a, a, 4, 32, 32, 3, &how, &err), DCG_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "projections"));
	free(a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("swd");
	TCase *t = tcase_create("swd");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, given_places_and_directions, 0, (int)(sizeof given / sizeof *given));
	tcase_add_test(t, drawn_places_and_directions);
	tcase_add_test(t, wasserstein_in_one_dimension);
	tcase_add_test(t, projections_do_not_depend_on_the_processor);
	tcase_add_test(t, pyramid);
	tcase_add_test(t, itself_noise_and_symmetry);
	tcase_add_test(t, any_number_of_threads);
	tcase_add_test(t, cancelled_and_refused);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
