/* Multi-scale structural similarity, against values that ms_ssim_reference.py works out and
 * cases that can be told without it. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "explore/ms_ssim.h"
#include "tests/tap.h"

/* The same formulas as in ms_ssim_reference.py. */
static int value(int p, int which, int y, int x, int k)
{
	int v = x * (p % 5 + 1) * 3 + y * (p % 7 + 2) * 2 + k * 40 + (x * y + p * 13) % 11 * 9;
	return (v + which * ((x * x + y * 3 + p) % 17) * 4) % 256;
}

static void blend(uint8_t *to, int p, int q, int share, int h, int w, int c)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int k = 0; k < c; k++)
				*to++ = (uint8_t)(((100 - share) * value(p, 0, y, x, k) + share * value(q, 1, y, x, k)) / 100);
}

static double measure(const uint8_t *pictures, int count, int h, int w, int c)
{
	double found = -1;
	struct dcg_error err;
	ck_assert_int_eq(dcg_ms_ssim(&found, pictures, count, h, w, c, NULL, NULL, &err), 0);
	return found;
}

static const struct {
	int h, w, c;
	double expected[3];
} given[] = {
	{ 16, 16, 1, { 0.989322196, 0.934809298, 0.519458400 } },
	{ 28, 28, 1, { 0.964187256, 0.895677755, 0.398063309 } },
	{ 32, 32, 3, { 0.970169442, 0.891852563, 0.397444957 } },
	{ 64, 64, 3, { 0.985943374, 0.938123497, 0.669216944 } },
	{ 35, 50, 3, { 0.981162702, 0.901963650, 0.415166812 } },
	{ 200, 180, 1, { 0.986822233, 0.932676612, 0.692761850 } },
};

START_TEST(pairs_as_worked_out)
{
	static const int which[3][2] = { { 0, 10 }, { 3, 25 }, { 5, 50 } };
	int h = given[_i].h, w = given[_i].w, c = given[_i].c, size = h * w * c;
	uint8_t *pair = malloc(2 * (size_t)size), *turned = malloc(2 * (size_t)size);
	for (int i = 0; i < 3; i++) {
		int p = which[i][0];
		blend(pair, p, p, 0, h, w, c);
		blend(pair + size, p, p + 1, which[i][1], h, w, c);
		double found = measure(pair, 2, h, w, c);
		ck_assert_double_eq_tol(found, given[_i].expected[i], 1e-8);
		memcpy(turned, pair + size, (size_t)size);
		memcpy(turned + size, pair, (size_t)size);
		ck_assert_double_eq_tol(measure(turned, 2, h, w, c), found, 1e-12);
		memcpy(turned, pair + size, (size_t)size);
		memcpy(turned + size, pair + size, (size_t)size);
		ck_assert_double_eq_tol(measure(turned, 2, h, w, c), 1, 1e-12);
	}
	free(pair);
	free(turned);
}
END_TEST

START_TEST(mean_over_neighbours)
{
	enum { SIZE = 64 * 64 * 3 };
	static const int which[5] = { 0, 1, 0, 4, 0 };
	uint8_t *set = malloc(5 * SIZE);
	for (int i = 0; i < 5; i++)
		blend(set + i * SIZE, which[i], which[i] + 2, 20, 64, 64, 3);
	ck_assert_double_eq_tol(measure(set, 5, 64, 64, 3), 0.211469806, 1e-8);
	free(set);
}
END_TEST

START_TEST(flat_and_opposite)
{
	enum { SIZE = 64 * 64 };
	uint8_t set[2 * SIZE];
	double c1 = 0.01 * 255 * 0.01 * 255;
	memset(set, 100, SIZE);
	memset(set + SIZE, 130, SIZE);
	/* Only the means differ, and those count at the last scale alone. */
	ck_assert_double_eq_tol(measure(set, 2, 64, 64, 1), pow((2 * 100 * 130 + c1) / (100 * 100 + 130 * 130 + c1), 0.1333), 1e-12);
	for (int i = 0; i < SIZE; i++) {
		set[i] = (uint8_t)(i / 64 + i % 64);
		set[SIZE + i] = (uint8_t)(126 - set[i]);
	}
	ck_assert_double_eq(measure(set, 2, 64, 64, 1), 0); /* never a root of something negative */
}
END_TEST

START_TEST(falls_with_noise)
{
	enum { SIZE = 64 * 64 * 3 };
	uint8_t *set = malloc(2 * SIZE);
	struct dcg_rng rng;
	double last = 1;
	blend(set, 1, 1, 0, 64, 64, 3);
	for (int noise = 4; noise <= 128; noise *= 2) {
		dcg_rng_init(&rng, 5, 0);
		for (int i = 0; i < SIZE; i++) {
			int v = set[i] + (int)dcg_rng_below(&rng, 2 * (uint32_t)noise + 1) - noise;
			set[SIZE + i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
		double found = measure(set, 2, 64, 64, 3);
		ck_assert_double_lt(found, last);
		last = found;
	}
	ck_assert_double_gt(last, 0);
	free(set);
}
END_TEST

static int cancel_at(void *user)
{
	return --*(int *)user < 0;
}

START_TEST(cancelled_and_refused)
{
	static uint8_t set[4 * 32 * 32 * 3];
	struct dcg_error err;
	double found = -5;
	int left;
	for (int n = 0; n < 4; n++) {
		left = n;
		ck_assert_int_eq(dcg_ms_ssim(&found, set, 4, 32, 32, 3, cancel_at, &left, &err), DCG_ECANCELLED);
		ck_assert(found == -5);
	}
	left = 4;
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 4, 32, 32, 3, cancel_at, &left, &err), 0);
	ck_assert_double_eq_tol(found, 1, 1e-12);
	found = -5;
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 1, 32, 32, 3, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 65537, 32, 32, 3, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 4, 15, 32, 3, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 4, 32, 4097, 3, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_ms_ssim(&found, set, 4, 32, 32, 2, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "channels"));
	ck_assert(found == -5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ms_ssim");
	TCase *t = tcase_create("ms_ssim");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, pairs_as_worked_out, 0, (int)(sizeof given / sizeof *given));
	tcase_add_test(t, mean_over_neighbours);
	tcase_add_test(t, flat_and_opposite);
	tcase_add_test(t, falls_with_noise);
	tcase_add_test(t, cancelled_and_refused);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
