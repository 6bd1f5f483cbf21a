/* Pictures for tests, encoded by the libraries themselves. Every function gives malloc'd
 * bytes in a struct blob; failures end the test. */
#ifndef DCG_TESTS_DATA_IMAGES_H
#define DCG_TESTS_DATA_IMAGES_H

#include <stddef.h>
#include <stdint.h>

struct blob {
	uint8_t *bytes;
	size_t size;
};

enum { IMAGES_ADOBE_CMYK = 100, IMAGES_PLAIN_CMYK, IMAGES_YCCK };

struct png_kind {
	int color_type, bit_depth; /* libpng's */
	int interlaced, transparent; /* transparent: a tRNS chunk (palette, grey, RGB) */
};

/* Sample c of the test pattern at (x, y): 0 .. max, from tiny to full contrast. */
unsigned pattern(int x, int y, int c, unsigned max);

/* The pattern, whose samples are packed as the kind says. A palette's index is channel 0's
 * value; its colours are palette_entry(). */
struct blob make_png(const struct png_kind *kind, int w, int h, int orientation);
void palette_entry(int index, uint8_t rgb[3], uint8_t *alpha);
/* From pixels [h][w][c]; quality 100 without subsampling unless progressive; orientation 0: no EXIF. */
struct blob make_jpeg(const uint8_t *pixels, int w, int h, int c, int progressive, int orientation, int big_endian);
/* ink: [h][w][4], 0 = none, 255 = full. kind: IMAGES_*. */
struct blob make_cmyk_jpeg(const uint8_t *ink, int w, int h, int kind);
/* [h][w][3 or 4]; quality < 0: lossless. orientation > 0: an EXIF chunk. */
struct blob make_webp(const uint8_t *pixels, int w, int h, int c, int quality, int orientation);

/* A TIFF block with one tag of decoration and the orientation. */
size_t make_exif(uint8_t to[64], int orientation, int big_endian);

/* Files. A folder under the system's temporary one, removed with all in it by drop. */
char *make_folder(void);
void drop_folder(char *folder);
/* Static storage, four at a time: folder/name. */
const char *in_folder(const char *folder, const char *name);
/* Makes the folders on the way. */
void write_file(const char *path, const void *bytes, size_t size);
void write_gz(const char *path, const void *bytes, size_t size);

#endif
