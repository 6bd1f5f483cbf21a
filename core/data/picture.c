#include "data/picture.h"

#include <stdlib.h>
#include <string.h>

#include "data/decode.h"

void dcg_picture_done(struct dcg_picture *p)
{
	free(p->pixels);
	*p = (struct dcg_picture){ 0 };
}

int dcg_decode_check_size(uint64_t width, uint64_t height, struct dcg_error *err)
{
	if (width == 0 || height == 0)
		return dcg_error_set(err, DCG_EFORMAT, "%llux%llu pixels: empty", (unsigned long long)width, (unsigned long long)height);
	if (width > DCG_DECODE_MAX_SIDE || height > DCG_DECODE_MAX_SIDE || width * height > DCG_DECODE_MAX_PIXELS)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "%llux%llu pixels: at most %d a side and %d in all",
		                     (unsigned long long)width, (unsigned long long)height, DCG_DECODE_MAX_SIDE, DCG_DECODE_MAX_PIXELS);
	return 0;
}

int dcg_decode_alloc(struct dcg_picture *p, int width, int height, int samples, struct dcg_error *err)
{
	uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)samples);
	if (!pixels)
		return dcg_error_set(err, DCG_ENOMEM, "%dx%d pixels: out of memory", width, height);
	*p = (struct dcg_picture){ .width = width, .height = height, .channels = samples, .pixels = pixels };
	return 0;
}

void dcg_decode_on_white(struct dcg_picture *p)
{
	size_t pixels = (size_t)p->width * (size_t)p->height;
	int channels = --p->channels;
	const uint8_t *from = p->pixels;
	uint8_t *to = p->pixels; /* never ahead of from */
	for (size_t i = 0; i < pixels; i++) {
		int alpha = from[channels];
		for (int c = 0; c < channels; c++)
			*to++ = (uint8_t)((*from++ * alpha + 255 * (255 - alpha) + 127) / 255);
		from++;
	}
	uint8_t *smaller = realloc(p->pixels, pixels * (size_t)channels);
	if (smaller)
		p->pixels = smaller;
}

/* Where the pixel at (x, y) of the turned picture lies in the stored one: EXIF names
 * the sides on which the stored first row and first column are to be shown. */
static void stored_at(int orientation, int w, int h, int x, int y, int *sx, int *sy)
{
	switch (orientation) {
	case 2: *sx = w - 1 - x, *sy = y; break;
	case 3: *sx = w - 1 - x, *sy = h - 1 - y; break;
	case 4: *sx = x, *sy = h - 1 - y; break;
	case 5: *sx = y, *sy = x; break;
	case 6: *sx = y, *sy = h - 1 - x; break;
	case 7: *sx = w - 1 - y, *sy = h - 1 - x; break;
	case 8: *sx = w - 1 - y, *sy = x; break;
	default: *sx = x, *sy = y;
	}
}

int dcg_picture_orient(struct dcg_picture *p, int orientation, struct dcg_error *err)
{
	if (orientation < 2 || orientation > 8)
		return 0;
	int turned = orientation >= 5, w = p->width, h = p->height;
	struct dcg_picture q;
	int r = dcg_decode_alloc(&q, turned ? h : w, turned ? w : h, p->channels, err);
	if (r)
		return r;
	size_t channels = (size_t)p->channels;
	uint8_t *to = q.pixels;
	for (int y = 0; y < q.height; y++) {
		for (int x = 0; x < q.width; x++, to += channels) {
			int sx, sy;
			stored_at(orientation, w, h, x, y, &sx, &sy);
			memcpy(to, p->pixels + ((size_t)sy * (size_t)w + (size_t)sx) * channels, channels);
		}
	}
	dcg_picture_done(p);
	*p = q;
	return 0;
}

int dcg_picture_decode(struct dcg_picture *ret, const void *bytes, size_t size, struct dcg_error *err)
{
	static const uint8_t png[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	const uint8_t *b = bytes;
	struct dcg_picture p = { 0 };
	int orientation = 1, r;
	if (size >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff)
		r = dcg_decode_jpeg(&p, &orientation, b, size, err);
	else if (size >= sizeof png && memcmp(b, png, sizeof png) == 0)
		r = dcg_decode_png(&p, &orientation, b, size, err);
	else if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
		r = dcg_decode_webp(&p, &orientation, b, size, err);
	else
		r = dcg_error_set(err, DCG_EFORMAT, "neither JPEG nor PNG nor WebP");
	if (r == 0)
		r = dcg_picture_orient(&p, orientation, err);
	if (r) {
		dcg_picture_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}
