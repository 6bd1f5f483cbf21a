/* Resizing, cropping, grids, against values worked out by hand and by a plain double loop. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "data/picture.h"
#include "tests/tap.h"

static void fit(uint8_t *pixels, int w, int h, int c, int size, int channels, uint8_t *out)
{
	struct dcg_picture p = { .width = w, .height = h, .channels = c, .pixels = pixels };
	struct dcg_error err = { 0 };
	int r = dcg_picture_fit(&p, size, channels, out, &err);
	ck_assert_msg(r == 0, "%s", err.text);
}

#define expect(out, ...) do { \
		uint8_t expected_[] = { __VA_ARGS__ }; \
		for (size_t i_ = 0; i_ < sizeof expected_; i_++) \
			ck_assert_msg(out[i_] == expected_[i_], "value %zu: expected %d, found %d", i_, expected_[i_], out[i_]); \
	} while (0)

START_TEST(by_hand)
{
	uint8_t out[48];
	uint8_t same[] = { 1, 2, 3, 4 }, row6[] = { 0, 40, 80, 120, 160, 200, 0, 40, 80, 120, 160, 200 };
	fit(same, 2, 2, 1, 2, 1, out);
	expect(out, 1, 2, 3, 4);
	fit(same, 2, 2, 1, 1, 1, out); /* 2.5 */
	expect(out, 3);
	fit(row6, 6, 2, 1, 2, 1, out); /* as it is, the middle */
	expect(out, 80, 120, 80, 120);
	fit(row6, 6, 2, 1, 1, 1, out); /* 3 x 1: 20 100 180 */
	expect(out, 100);
	uint8_t thirds[] = { 0, 90, 240, 0, 90, 240, 0, 90, 240 };
	fit(thirds, 3, 3, 1, 2, 1, out); /* (0 + 45) / 1.5, (45 + 240) / 1.5 */
	expect(out, 30, 190, 30, 190);
	uint8_t two[] = { 0, 100, 0, 100 };
	fit(two, 2, 2, 1, 4, 1, out); /* centres at 1/4, 3/4 of the way */
	expect(out, 0, 25, 75, 100, 0, 25, 75, 100);
	uint8_t tall[] = { 10, 20, 30, 40, 50 };
	fit(tall, 1, 5, 1, 1, 1, out);
	expect(out, 30);
	fit(tall, 1, 1, 1, 4, 3, out); /* one pixel fills all */
	for (int i = 0; i < 48; i++)
		ck_assert_uint_eq(out[i], 10);
	uint8_t colour[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255 };
	fit(colour, 2, 2, 3, 2, 1, out); /* 0.299, 0.587, 0.114 */
	expect(out, 76, 150, 29, 255);
	fit(same, 2, 2, 1, 2, 3, out);
	expect(out, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4);
}
END_TEST

/* The definition: the mean over an output pixel's area when shrinking, the value
 * between the two nearest centres when enlarging. One axis. */
static double axis_weight(int stored, int64_t resized, int64_t o, int p)
{
	double scale = (double)stored / (double)resized;
	if (stored >= resized) {
		double lo = fmax((double)o * scale, p), hi = fmin((double)(o + 1) * scale, p + 1);
		return hi > lo ? (hi - lo) / scale : 0;
	}
	double x = fmin(fmax(((double)o + 0.5) * scale - 0.5, 0), stored - 1);
	return fmax(0, 1 - fabs(x - p));
}

static double slow(const uint8_t *pixels, int w, int h, int c, int size, int x, int y, int k)
{
	double shorter = w < h ? w : h, sum = 0;
	int64_t wide = (int64_t)floor(w * size / shorter + 0.5), high = (int64_t)floor(h * size / shorter + 0.5);
	for (int j = 0; j < h; j++) {
		double wy = axis_weight(h, high, (high - size) / 2 + y, j);
		for (int i = 0; wy > 0 && i < w; i++)
			sum += wy * axis_weight(w, wide, (wide - size) / 2 + x, i) * pixels[(j * w + i) * c + k];
	}
	return sum;
}

START_TEST(by_definition)
{
	static const int sizes[][3] = { /* w, h, size */
		{ 28, 28, 32 }, { 28, 28, 16 }, { 33, 47, 16 }, { 47, 33, 16 }, { 100, 7, 28 }, { 7, 100, 28 }, { 64, 65, 64 },
		{ 65, 64, 64 }, { 17, 16, 16 }, { 1, 90, 8 }, { 90, 1, 8 }, { 3, 2, 64 }, { 640, 480, 32 }, { 199, 300, 28 }, { 31, 31, 30 },
	};
	struct dcg_rng rng;
	dcg_rng_init(&rng, 3, 0);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (int c = 1; c <= 3; c += 2) {
			int w = sizes[s][0], h = sizes[s][1], size = sizes[s][2];
			uint8_t *pixels = malloc((size_t)(w * h * c)), *out = malloc((size_t)(size * size * c));
			for (int i = 0; i < w * h * c; i++)
				pixels[i] = (uint8_t)dcg_rng_below(&rng, 256);
			fit(pixels, w, h, c, size, c, out);
			for (int i = 0; i < size * size * c; i += size < 20 ? 1 : 13) {
				double e = slow(pixels, w, h, c, size, i / c % size, i / c / size, i % c);
				ck_assert_msg(fabs(out[i] - e) < 0.51, "%dx%d -> %d, value %d: expected %g, found %d", w, h, size, i, e, out[i]);
			}
			free(pixels);
			free(out);
		}
}
END_TEST

START_TEST(extremes)
{
	struct dcg_error err;
	uint8_t *out = malloc(256 * 256 * 3), *strip = malloc(30000 * 3);
	memset(strip, 77, 30000 * 3);
	fit(strip, 30000, 1, 3, 256, 3, out);
	for (int i = 0; i < 256 * 256 * 3; i++)
		ck_assert_uint_eq(out[i], 77);
	fit(strip, 1, 30000, 3, 5, 1, out);
	for (int i = 0; i < 25; i++)
		ck_assert_uint_eq(out[i], 77);
	struct dcg_picture p = { .width = 4, .height = 4, .channels = 1, .pixels = strip }, none = { 0 };
	ck_assert_int_eq(dcg_picture_fit(&p, 0, 1, out, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_picture_fit(&p, 5000, 1, out, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_picture_fit(&p, 4, 2, out, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_picture_fit(&none, 4, 1, out, &err), DCG_EINVAL);
	free(out);
	free(strip);
}
END_TEST

START_TEST(grid)
{
	struct dcg_picture p;
	struct dcg_error err;
	uint8_t pictures[5 * 2 * 3];
	for (int i = 0; i < 30; i++)
		pictures[i] = (uint8_t)i;
	/* Five of 2 x 3 (height, width): three columns, two rows, one pixel between. */
	ck_assert_int_eq(dcg_picture_grid(&p, pictures, 5, 2, 3, 1, 0, 1, &err), 0);
	ck_assert_int_eq(p.width, 11);
	ck_assert_int_eq(p.height, 5);
	ck_assert_int_eq(p.channels, 1);
	expect(p.pixels,
	       0, 1, 2, 255, 6, 7, 8, 255, 12, 13, 14,
	       3, 4, 5, 255, 9, 10, 11, 255, 15, 16, 17,
	       255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	       18, 19, 20, 255, 24, 25, 26, 255, 255, 255, 255,
	       21, 22, 23, 255, 27, 28, 29, 255, 255, 255, 255);
	dcg_picture_done(&p);
	ck_assert_int_eq(dcg_picture_grid(&p, pictures, 2, 1, 2, 3, 1, 0, &err), 0);
	ck_assert_int_eq(p.width, 2);
	ck_assert_int_eq(p.height, 2);
	expect(p.pixels, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
	dcg_picture_done(&p);
	ck_assert_int_eq(dcg_picture_grid(&p, pictures, 0, 1, 2, 3, 1, 0, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_picture_grid(&p, pictures, 1, 1, 2, 2, 1, 0, &err), DCG_EINVAL);
	ck_assert_int_lt(dcg_picture_grid(&p, pictures, 1, 2, 3, 1, INT32_MAX, INT32_MAX, &err), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fit");
	TCase *t = tcase_create("fit");
	tcase_add_test(t, by_hand);
	tcase_add_test(t, by_definition);
	tcase_add_test(t, extremes);
	tcase_add_test(t, grid);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
