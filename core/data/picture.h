/* Pictures in memory: decoding, geometry, grids, PNG.
 *
 * Pixels are 8-bit, [H][W][C] interleaved, rows top to bottom, C = 1 (grey) or 3 (sRGB).
 * Any thread; nothing shared. Every byte given to a decoder is hostile: sizes are
 * limited before memory is taken, and a broken file gives DCG_EFORMAT with the reason.
 */
#ifndef DCG_DATA_PICTURE_H
#define DCG_DATA_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct dcg_picture {
	int width, height, channels;
	uint8_t *pixels; /* malloc'd; owned by whoever owns the struct */
};

void dcg_picture_done(struct dcg_picture *p); /* frees pixels, zeroes *p */

/* JPEG, PNG or WebP by their first bytes. Gives C = 1 only for grey files. Alpha is
 * composited on white; palettes, 16 bits, CMYK/YCCK and EXIF orientation are resolved.
 * Files over 100 megapixels or 30,000 pixels a side are DCG_EUNSUPPORTED. */
int dcg_picture_decode(struct dcg_picture *ret, const void *bytes, size_t size, struct dcg_error *err);

/* Paper, section 4.3: resize so that the shorter side is size (area-averaging when
 * shrinking, bilinear when enlarging), then crop the centre: size x size. Converts to
 * channels (grey = 0.299 R + 0.587 G + 0.114 B). out: [size][size][channels]. */
int dcg_picture_fit(const struct dcg_picture *p, int size, int channels, uint8_t *out, struct dcg_error *err);

/* count pictures [h][w][c], one after another, as a grid `columns` wide with `gap`
 * white pixels between them (none around). columns 0: the smallest square-ish. */
int dcg_picture_grid(struct dcg_picture *ret, const uint8_t *pictures, int count, int h, int w, int c, int columns, int gap, struct dcg_error *err);

/* PNG by stb_image_write, in malloc'd memory that the caller frees. */
int dcg_picture_png(const struct dcg_picture *p, uint8_t **ret_bytes, size_t *ret_size, struct dcg_error *err);

#endif
