/* Every kind of picture file decodes to the pixels it was made from. */
#include <string.h>

#include <png.h>

#include "data/picture.h"
#include "tests/data/images.h"
#include "tests/tap.h"

static int on_white(int v, int alpha)
{
	return (int)((v * alpha + 255.0 * (255 - alpha)) / 255.0 + 0.5);
}

static struct dcg_picture decode(struct blob b)
{
	struct dcg_picture p;
	struct dcg_error err = { 0 };
	int r = dcg_picture_decode(&p, b.bytes, b.size, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	free(b.bytes);
	return p;
}

static void expect_near(const struct dcg_picture *p, const uint8_t *pixels, int w, int h, int c, int tolerance)
{
	ck_assert_int_eq(p->width, w);
	ck_assert_int_eq(p->height, h);
	ck_assert_int_eq(p->channels, c);
	for (int i = 0; i < w * h * c; i++)
		ck_assert_msg(abs(p->pixels[i] - pixels[i]) <= tolerance, "sample %d: expected %d, found %d", i, pixels[i], p->pixels[i]);
}

/* What make_png's picture looks like, by the rules of the PNG specification. */
static void expected_pixel(const struct png_kind *kind, int x, int y, int c, uint8_t *to)
{
	unsigned max = (1u << kind->bit_depth) - 1;
	int alpha_at = kind->color_type == PNG_COLOR_TYPE_GRAY_ALPHA ? 1 : kind->color_type == PNG_COLOR_TYPE_RGB_ALPHA ? 3 : -1, alpha = 255;
	if (kind->color_type == PNG_COLOR_TYPE_PALETTE) {
		uint8_t rgb[3], a;
		palette_entry((int)pattern(x, y, 0, max), rgb, &a);
		*to = (uint8_t)on_white(rgb[c], kind->transparent ? a : 255);
		return;
	}
	if (alpha_at >= 0)
		alpha = (int)(pattern(x, y, alpha_at, max) * 255.0 / max + 0.5);
	if (kind->transparent) {
		int same = 1;
		for (int k = 0; k < (kind->color_type == PNG_COLOR_TYPE_RGB ? 3 : 1); k++)
			same &= pattern(x, y, k, max) == pattern(1, 1, k, max);
		alpha = same ? 0 : 255;
	}
	*to = (uint8_t)on_white((int)(pattern(x, y, c, max) * 255.0 / max + 0.5), alpha);
}

static const struct png_kind png_kinds[] = {
	{ PNG_COLOR_TYPE_GRAY, 1, 0, 0 }, { PNG_COLOR_TYPE_GRAY, 2, 0, 0 }, { PNG_COLOR_TYPE_GRAY, 4, 0, 0 },
	{ PNG_COLOR_TYPE_GRAY, 8, 0, 0 }, { PNG_COLOR_TYPE_GRAY, 16, 0, 0 }, { PNG_COLOR_TYPE_GRAY, 4, 0, 1 },
	{ PNG_COLOR_TYPE_GRAY, 8, 0, 1 }, { PNG_COLOR_TYPE_GRAY, 16, 0, 1 }, { PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0 },
	{ PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0, 0 }, { PNG_COLOR_TYPE_RGB, 8, 0, 0 }, { PNG_COLOR_TYPE_RGB, 16, 0, 0 },
	{ PNG_COLOR_TYPE_RGB, 8, 0, 1 }, { PNG_COLOR_TYPE_RGB, 16, 0, 1 }, { PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0 },
	{ PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, 0 }, { PNG_COLOR_TYPE_PALETTE, 1, 0, 0 }, { PNG_COLOR_TYPE_PALETTE, 2, 0, 0 },
	{ PNG_COLOR_TYPE_PALETTE, 4, 0, 0 }, { PNG_COLOR_TYPE_PALETTE, 8, 0, 0 }, { PNG_COLOR_TYPE_PALETTE, 1, 0, 1 },
	{ PNG_COLOR_TYPE_PALETTE, 4, 0, 1 }, { PNG_COLOR_TYPE_PALETTE, 8, 0, 1 },
};

START_TEST(png_of_every_kind)
{
	struct png_kind kind = png_kinds[_i / 2];
	kind.interlaced = _i % 2;
	int w = 13, h = 9, grey = kind.color_type == PNG_COLOR_TYPE_GRAY || kind.color_type == PNG_COLOR_TYPE_GRAY_ALPHA;
	struct dcg_picture p = decode(make_png(&kind, w, h, 0));
	ck_assert_int_eq(p.channels, grey ? 1 : 3);
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int c = 0; c < p.channels; c++) {
				uint8_t e;
				expected_pixel(&kind, x, y, c, &e);
				ck_assert_msg(p.pixels[(y * w + x) * p.channels + c] == e, "type %d, %d bits, interlaced %d, tRNS %d: (%d, %d, %d): expected %d, found %d",
				              kind.color_type, kind.bit_depth, kind.interlaced, kind.transparent, x, y, c, e, p.pixels[(y * w + x) * p.channels + c]);
			}
	dcg_picture_done(&p);
	ck_assert_ptr_null(p.pixels);
}
END_TEST

/* Soft colours: what JPEG keeps nearly exactly. */
static void soft(uint8_t *to, int w, int h, int c)
{
	for (int i = 0; i < w * h * c; i++)
		to[i] = (uint8_t)(60 + i % c * 40 + (i / c % w) * 2 + i / c / w * 2);
}

START_TEST(jpeg_grey_and_colour)
{
	uint8_t pixels[33 * 17 * 3];
	for (int c = 1; c <= 3; c += 2)
		for (int progressive = 0; progressive < 2; progressive++) {
			soft(pixels, 33, 17, c);
			struct dcg_picture p = decode(make_jpeg(pixels, 33, 17, c, progressive, 0, 0));
			expect_near(&p, pixels, 33, 17, c, progressive && c == 3 ? 6 : 2);
			dcg_picture_done(&p);
		}
}
END_TEST

START_TEST(jpeg_of_four_inks)
{
	uint8_t ink[24 * 10 * 4], light[24 * 10 * 3];
	soft(ink, 24, 10, 4);
	for (int i = 0; i < 24 * 10; i++) {
		ink[4 * i + 3] = (uint8_t)(i % 24 * 4);
		for (int c = 0; c < 3; c++)
			light[3 * i + c] = (uint8_t)((255 - ink[4 * i + c]) * (255 - ink[4 * i + 3]) / 255.0 + 0.5);
	}
	for (int kind = IMAGES_ADOBE_CMYK; kind <= IMAGES_YCCK; kind++) {
		struct dcg_picture p = decode(make_cmyk_jpeg(ink, 24, 10, kind));
		expect_near(&p, light, 24, 10, 3, 3);
		dcg_picture_done(&p);
	}
}
END_TEST

START_TEST(webp_with_and_without_loss_and_alpha)
{
	uint8_t pixels[21 * 11 * 4], opaque[21 * 11 * 3], white[21 * 11 * 3];
	for (int i = 0; i < 21 * 11; i++)
		for (int c = 0; c < 4; c++) {
			pixels[4 * i + c] = (uint8_t)pattern(i % 21, i / 21, c, 255);
			if (c < 3)
				opaque[3 * i + c] = pixels[4 * i + c];
		}
	for (int i = 0; i < 21 * 11 * 3; i++)
		white[i] = (uint8_t)on_white(opaque[i], pixels[i / 3 * 4 + 3]);
	struct dcg_picture p = decode(make_webp(opaque, 21, 11, 3, -1, 0));
	expect_near(&p, opaque, 21, 11, 3, 0);
	dcg_picture_done(&p);
	p = decode(make_webp(pixels, 21, 11, 4, -1, 0));
	expect_near(&p, white, 21, 11, 3, 0);
	dcg_picture_done(&p);
	soft(opaque, 21, 11, 3);
	p = decode(make_webp(opaque, 21, 11, 3, 100, 0));
	expect_near(&p, opaque, 21, 11, 3, 12);
	dcg_picture_done(&p);
}
END_TEST

/* 1 2 3 / 4 5 6 as each of EXIF's eight orientations shows it. */
static const char *const turned[9] = {
	NULL, "123456", "321654", "654321", "456123", "142536", "415263", "635241", "362514",
};

START_TEST(exif_orientation)
{
	enum { BLOCK = 16 };
	uint8_t pixels[2 * BLOCK * 3 * BLOCK * 3];
	for (int i = 0; i < 6 * BLOCK * BLOCK; i++)
		memset(pixels + 3 * i, 30 * (1 + i / (3 * BLOCK) / BLOCK * 3 + i % (3 * BLOCK) / BLOCK), 3);
	struct blob blobs[4] = {
		make_jpeg(pixels, 3 * BLOCK, 2 * BLOCK, 3, 0, _i, 0),
		make_jpeg(pixels, 3 * BLOCK, 2 * BLOCK, 3, 1, _i, 1),
		make_webp(pixels, 3 * BLOCK, 2 * BLOCK, 3, -1, _i),
		make_webp(pixels, 3 * BLOCK, 2 * BLOCK, 3, 100, _i),
	};
	int w = _i < 5 ? 3 : 2, h = _i < 5 ? 2 : 3;
	for (int k = 0; k < 4; k++) {
		struct dcg_picture p = decode(blobs[k]);
		ck_assert_int_eq(p.width, w * BLOCK);
		ck_assert_int_eq(p.height, h * BLOCK);
		for (int y = 0; y < h * BLOCK; y++)
			for (int x = 0; x < w * BLOCK; x++) {
				int e = 30 * (turned[_i][y / BLOCK * w + x / BLOCK] - '0'), f = p.pixels[3 * (y * p.width + x)];
				ck_assert_msg(abs(e - f) <= 12, "orientation %d, file %d at (%d, %d): expected %d, found %d", _i, k, x, y, e, f);
			}
		dcg_picture_done(&p);
	}
}
END_TEST

START_TEST(exif_orientation_in_png)
{
	struct png_kind kind = { PNG_COLOR_TYPE_RGB, 8, 0, 0 };
	struct dcg_picture p = decode(make_png(&kind, 5, 3, 6)); /* a quarter turn clockwise */
	ck_assert_int_eq(p.width, 3);
	ck_assert_int_eq(p.height, 5);
	for (int y = 0; y < 5; y++)
		for (int x = 0; x < 3; x++)
			for (int c = 0; c < 3; c++)
				ck_assert_uint_eq(p.pixels[(y * 3 + x) * 3 + c], pattern(y, 2 - x, c, 255));
	dcg_picture_done(&p);
}
END_TEST

START_TEST(png_written_is_read)
{
	for (int c = 1; c <= 3; c += 2) {
		uint8_t pixels[37 * 19 * 3], *bytes;
		size_t size;
		struct dcg_error err;
		for (int i = 0; i < 37 * 19 * c; i++)
			pixels[i] = (uint8_t)pattern(i % 37, i / 37, 1, 255);
		struct dcg_picture from = { .width = 37, .height = 19, .channels = c, .pixels = pixels };
		ck_assert_int_eq(dcg_picture_png(&from, &bytes, &size, &err), 0);
		struct dcg_picture p = decode((struct blob){ bytes, size });
		expect_near(&p, pixels, 37, 19, c, 0);
		dcg_picture_done(&p);
		from.channels = 2;
		ck_assert_int_eq(dcg_picture_png(&from, &bytes, &size, &err), DCG_EINVAL);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decode");
	TCase *t = tcase_create("pictures");
	tcase_add_loop_test(t, png_of_every_kind, 0, 2 * (int)(sizeof png_kinds / sizeof *png_kinds));
	tcase_add_test(t, jpeg_grey_and_colour);
	tcase_add_test(t, jpeg_of_four_inks);
	tcase_add_test(t, webp_with_and_without_loss_and_alpha);
	tcase_add_loop_test(t, exif_orientation, 1, 9);
	tcase_add_test(t, exif_orientation_in_png);
	tcase_add_test(t, png_written_is_read);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
