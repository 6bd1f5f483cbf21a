/* PNG, JPEG, WebP with their EXIF: decoding, and fitting what was decoded. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include <png.h>

#include "data/decode.h"
#include "tests/data/images.h"

const int fuzz_pace = 1500;

enum { W = 19, H = 11 };

static struct blob sample(int i)
{
	static const struct png_kind png[] = {
		{ PNG_COLOR_TYPE_RGB, 8, 0, 0 }, { PNG_COLOR_TYPE_RGB_ALPHA, 8, 1, 0 }, { PNG_COLOR_TYPE_PALETTE, 4, 0, 1 },
		{ PNG_COLOR_TYPE_GRAY, 16, 0, 1 }, { PNG_COLOR_TYPE_GRAY, 1, 1, 0 }, { PNG_COLOR_TYPE_GRAY_ALPHA, 16, 1, 0 },
	};
	enum { PNGS = sizeof png / sizeof *png };
	uint8_t pixels[W * H * 4];
	for (int k = 0; k < W * H * 4; k++)
		pixels[k] = (uint8_t)(pattern(k % W, k / W, 0, 255) / 2 + 40);
	if (i < PNGS)
		return make_png(&png[i], W, H, i == 2 ? 5 : 0);
	switch (i - PNGS) {
	case 0: return make_jpeg(pixels, W, H, 1, 0, 7, 0);
	case 1: return make_jpeg(pixels, W, H, 3, 0, 8, 1);
	case 2: return make_jpeg(pixels, W, H, 3, 1, 0, 0);
	case 3: return make_cmyk_jpeg(pixels, W, H, IMAGES_YCCK);
	case 4: return make_cmyk_jpeg(pixels, W, H, IMAGES_ADOBE_CMYK);
	case 5: return make_webp(pixels, W, H, 3, -1, 0);
	case 6: return make_webp(pixels, W, H, 4, -1, 6);
	case 7: return make_webp(pixels, W, H, 4, 60, 0);
	case 8: return make_webp(pixels, W, H, 3, 60, 3);
	default: return (struct blob){ NULL, 0 };
	}
}

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	struct blob b = sample(i);
	*ret_size = b.size;
	return b.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcg_picture p = { .width = -7 };
	struct dcg_error err = { 0 };
	int r = dcg_picture_decode(&p, data, size, &err);
	int turn = dcg_exif_orientation(data, size);
	fuzz_check(turn >= 1 && turn <= 8, "%d", turn);
	if (r) {
		fuzz_check(p.width == -7, "touched on failure");
		fuzz_check(err.code == r && strlen(err.text) > 5, "%d %s", err.code, err.text);
		return 0;
	}
	fuzz_check(p.width > 0 && p.height > 0 && (p.channels == 1 || p.channels == 3), "%dx%dx%d", p.width, p.height, p.channels);
	size_t count = (size_t)p.width * (size_t)p.height * (size_t)p.channels;
	volatile unsigned sum = 0; /* every pixel is there */
	for (size_t i = 0; i < count; i++)
		sum = sum + p.pixels[i];
	uint8_t fitted[8 * 8 * 3];
	r = dcg_picture_fit(&p, 8, count % 2 ? 1 : 3, fitted, &err);
	fuzz_check(r == 0 || err.code == r, "%d", r);
	dcg_picture_done(&p);
	return 0;
}
