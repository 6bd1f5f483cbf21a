/* Broken, cut and malicious pictures: an error and its reason, never a crash, and no
 * memory for pixels that cannot be there. Most worth running with --with-sanitizer. */
#include <string.h>
#include <sys/resource.h>

#include <png.h>
#include <zlib.h>

#include "base/rng.h"
#include "data/decode.h"
#include "tests/data/images.h"
#include "tests/tap.h"

enum { W = 19, H = 11, KINDS = 12, MUTATIONS = 400 };

static struct blob sample(int kind)
{
	uint8_t pixels[W * H * 4];
	for (int i = 0; i < W * H * 4; i++)
		pixels[i] = (uint8_t)(pattern(i % W, i / W, 0, 255) / 2 + 40);
	struct png_kind png[] = {
		{ PNG_COLOR_TYPE_RGB_ALPHA, 8, 1, 0 }, { PNG_COLOR_TYPE_PALETTE, 4, 0, 1 }, { PNG_COLOR_TYPE_GRAY, 16, 0, 1 },
		{ PNG_COLOR_TYPE_GRAY, 1, 1, 0 },
	};
	switch (kind) {
	case 0: case 1: case 2: case 3: return make_png(&png[kind], W, H, kind == 1 ? 5 : 0);
	case 4: return make_jpeg(pixels, W, H, 1, 0, 7, 0);
	case 5: return make_jpeg(pixels, W, H, 3, 0, 8, 1);
	case 6: return make_jpeg(pixels, W, H, 3, 1, 0, 0);
	case 7: return make_cmyk_jpeg(pixels, W, H, IMAGES_YCCK);
	case 8: return make_webp(pixels, W, H, 3, -1, 0);
	case 9: return make_webp(pixels, W, H, 4, -1, 6);
	case 10: return make_webp(pixels, W, H, 4, 60, 0);
	default: return make_webp(pixels, W, H, 3, 60, 3);
	}
}

/* Decodes from memory that ends where the file does, so that a sanitizer sees a byte too many. */
static int decode(const uint8_t *bytes, size_t size, struct dcg_error *err)
{
	struct dcg_picture p = { .width = -7 };
	uint8_t *copy = malloc(size ? size : 1);
	memcpy(copy, bytes, size);
	*err = (struct dcg_error){ 0 };
	int r = dcg_picture_decode(&p, copy, size, err);
	free(copy);
	if (r == 0) {
		ck_assert(p.width > 0 && p.height > 0 && (p.channels == 1 || p.channels == 3));
		volatile unsigned sum = 0; /* a sanitizer sees whether every pixel is there */
		for (size_t i = 0; i < (size_t)p.width * (size_t)p.height * (size_t)p.channels; i++)
			sum = sum + p.pixels[i];
		dcg_picture_done(&p);
	} else {
		ck_assert_int_eq(p.width, -7); /* untouched */
		ck_assert_int_eq(err->code, r);
		ck_assert_uint_gt(strlen(err->text), 5);
	}
	return r;
}

START_TEST(every_truncation_is_refused)
{
	struct dcg_error err;
	struct blob b = sample(_i);
	ck_assert_int_eq(decode(b.bytes, b.size, &err), 0);
	for (size_t n = 0; n < b.size; n++) {
		int r = decode(b.bytes, n, &err);
		ck_assert_msg(r == DCG_EFORMAT, "%zu of %zu bytes: %d, %s", n, b.size, r, err.text);
	}
	free(b.bytes);
}
END_TEST

START_TEST(mutations_never_crash)
{
	struct dcg_error err;
	struct dcg_rng rng;
	struct blob b = sample(_i);
	uint8_t *bytes = malloc(b.size);
	int refused = 0;
	dcg_rng_init(&rng, 1, (uint64_t)_i);
	for (int m = 0; m < MUTATIONS; m++) {
		memcpy(bytes, b.bytes, b.size);
		for (uint32_t k = 1 + dcg_rng_below(&rng, 4); k; k--) {
			uint32_t at = dcg_rng_below(&rng, (uint32_t)b.size);
			switch (dcg_rng_below(&rng, 3)) {
			case 0: bytes[at] ^= (uint8_t)(1 << dcg_rng_below(&rng, 8)); break;
			case 1: bytes[at] = (uint8_t)dcg_rng_below(&rng, 256); break;
			default: bytes[at] = (uint8_t)(dcg_rng_below(&rng, 2) * 255);
			}
		}
		if (_i < 4) /* libpng looks no further than a wrong checksum: make them right */
			for (size_t at = 8; at + 12 <= b.size;) {
				size_t n = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
				if (n > b.size - at - 12)
					break;
				uint32_t crc = (uint32_t)crc32(0, bytes + at + 4, (unsigned)n + 4);
				for (int k = 0; k < 4; k++)
					bytes[at + 8 + n + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
				at += 12 + n;
			}
		int r = decode(bytes, b.size, &err);
		ck_assert_msg(r == 0 || r == DCG_EFORMAT || r == DCG_EUNSUPPORTED, "mutation %d: %d, %s", m, r, err.text);
		refused += r != 0;
	}
	ck_assert_int_gt(refused, MUTATIONS / 20);
	free(bytes);
	free(b.bytes);
}
END_TEST

static void set_png_size(struct blob *b, uint32_t w, uint32_t h)
{
	uint8_t *p = b->bytes + 16;
	for (int k = 0; k < 4; k++) {
		p[k] = (uint8_t)(w >> (24 - 8 * k));
		p[4 + k] = (uint8_t)(h >> (24 - 8 * k));
	}
	uint32_t crc = (uint32_t)crc32(0, b->bytes + 12, 17);
	for (int k = 0; k < 4; k++)
		b->bytes[29 + k] = (uint8_t)(crc >> (24 - 8 * k));
}

static void set_jpeg_size(struct blob *b, unsigned w, unsigned h)
{
	for (size_t i = 0; i + 9 < b->size; i++)
		if (b->bytes[i] == 0xff && (b->bytes[i + 1] == 0xc0 || b->bytes[i + 1] == 0xc2)) {
			uint8_t size[4] = { (uint8_t)(h >> 8), (uint8_t)h, (uint8_t)(w >> 8), (uint8_t)w };
			memcpy(b->bytes + i + 5, size, 4);
			return;
		}
	ck_abort_msg("no SOF");
}

static long peak_kib(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

START_TEST(sizes_are_limited_before_memory_is_taken)
{
	struct dcg_error err;
	struct blob png = sample(1), jpeg = sample(5), progressive = sample(6);
	static const struct {
		uint32_t w, h;
		int png, jpeg;
	} cases[] = {
		{ 30001, 1, DCG_EUNSUPPORTED, DCG_EUNSUPPORTED }, { 1, 30001, DCG_EUNSUPPORTED, DCG_EUNSUPPORTED },
		{ 20000, 20000, DCG_EUNSUPPORTED, DCG_EUNSUPPORTED }, { 60000, 60000, DCG_EUNSUPPORTED, DCG_EUNSUPPORTED },
		{ 0, 5, DCG_EFORMAT, DCG_EFORMAT }, { 30000, 3333, DCG_EFORMAT, DCG_EFORMAT }, { 3333, 30000, DCG_EFORMAT, DCG_EFORMAT },
	};
	long before = peak_kib();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		set_png_size(&png, cases[i].w, cases[i].h);
		ck_assert_int_eq(decode(png.bytes, png.size, &err), cases[i].png);
		set_jpeg_size(&jpeg, cases[i].w, cases[i].h);
		ck_assert_int_eq(decode(jpeg.bytes, jpeg.size, &err), cases[i].jpeg);
		set_jpeg_size(&progressive, cases[i].w, cases[i].h);
		ck_assert_int_eq(decode(progressive.bytes, progressive.size, &err), cases[i].jpeg);
	}
	set_png_size(&png, UINT32_MAX / 2, UINT32_MAX / 2);
	ck_assert_int_eq(decode(png.bytes, png.size, &err), DCG_EUNSUPPORTED);
	ck_assert_int_lt(peak_kib() - before, 32 << 10);
	/* WebP's own limit is 16383 a side: 14 bits after VP8L's signature byte. */
	static const uint8_t webp[] = "RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0/\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0\0\0";
	ck_assert_int_eq(decode(webp, sizeof webp - 1, &err), DCG_EUNSUPPORTED);
	free(png.bytes);
	free(jpeg.bytes);
	free(progressive.bytes);
}
END_TEST

/* A scan costs a file a dozen bytes and a decoder a pass over the whole picture. */
START_TEST(endless_scans_are_refused)
{
	enum { SIDE = 64, SCANS = 2000 };
	uint8_t *pixels = calloc(3, SIDE * SIDE);
	struct dcg_error err;
	struct blob b = make_jpeg(pixels, SIDE, SIDE, 3, 1, 0, 0);
	/* The last scan (an AC refinement) again and again. */
	size_t sos = b.size;
	while (b.bytes[--sos] != 0xff || b.bytes[sos + 1] != 0xda)
		;
	size_t scan = b.size - 2 - sos;
	uint8_t *bytes = malloc(sos + scan * SCANS + 2);
	memcpy(bytes, b.bytes, sos);
	for (size_t i = 0; i < SCANS; i++)
		memcpy(bytes + sos + i * scan, b.bytes + sos, scan);
	memcpy(bytes + sos + SCANS * scan, "\xff\xd9", 2);
	ck_assert_int_eq(decode(bytes, sos + scan * 2, &err), DCG_EFORMAT); /* no end */
	ck_assert_int_eq(decode(bytes, sos + scan * SCANS + 2, &err), DCG_EUNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.text, "scans"));
	free(bytes);
	free(b.bytes);
	free(pixels);
}
END_TEST

START_TEST(exif_is_read_within_its_bounds)
{
	for (int big = 0; big < 2; big++)
		for (int orientation = 0; orientation < 12; orientation++) {
			uint8_t exif[64];
			size_t size = make_exif(exif, orientation, big);
			int expected = orientation >= 1 && orientation <= 8 ? orientation : 1;
			ck_assert_int_eq(dcg_exif_orientation(exif, size), expected);
			for (size_t n = 0; n <= size; n++) { /* cut, in memory that ends there */
				uint8_t *cut = malloc(n ? n : 1);
				memcpy(cut, exif, n);
				ck_assert_int_eq(dcg_exif_orientation(cut, n), n < 34 ? 1 : expected);
				free(cut);
			}
			for (size_t i = 0; i < 10; i++) { /* wild offsets and counts */
				uint8_t was = exif[i];
				exif[i] = 0xff;
				int r = dcg_exif_orientation(exif, size);
				ck_assert(r == 1 || r == expected);
				exif[i] = was;
			}
		}
}
END_TEST

START_TEST(other_files_are_no_pictures)
{
	struct dcg_error err;
	static const char *const texts[] = { "", "G", "GIF89a", "\xff\xd8", "\x89PNG", "RIFF....WAVE....", "%PDF-1.4", "RIFF....WEBP" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		ck_assert_int_eq(decode((const uint8_t *)texts[i], strlen(texts[i]), &err), DCG_EFORMAT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *t = tcase_create("hostile");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, every_truncation_is_refused, 0, KINDS);
	tcase_add_loop_test(t, mutations_never_crash, 0, KINDS);
	tcase_add_test(t, sizes_are_limited_before_memory_is_taken);
	tcase_add_test(t, endless_scans_are_refused);
	tcase_add_test(t, exif_is_read_within_its_bounds);
	tcase_add_test(t, other_files_are_no_pictures);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
