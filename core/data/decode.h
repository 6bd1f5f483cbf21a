/* What the decoders share; only for core/data, not installed.
 *
 * A decoder gives an upright-as-stored picture in malloc'd pixels and the orientation
 * that the file's EXIF asks for; dcg_picture_decode turns it. Limits are checked from
 * the header, and a header that promises more pixels than the file's length can hold
 * is refused, before the pixels' memory is taken.
 */
#ifndef DCG_DATA_DECODE_H
#define DCG_DATA_DECODE_H

#include "data/picture.h"

#pragma GCC visibility push(hidden)

enum { DCG_DECODE_MAX_SIDE = 30000, DCG_DECODE_MAX_PIXELS = 100000000 };

/* 0, or DCG_EUNSUPPORTED naming the size; DCG_EFORMAT for a size of 0. */
int dcg_decode_check_size(uint64_t width, uint64_t height, struct dcg_error *err);
/* Size already checked; samples 1 .. 4 a pixel. Not zeroed. */
int dcg_decode_alloc(struct dcg_picture *p, int width, int height, int samples, struct dcg_error *err);
/* p has one channel more than it should, the last being alpha: composites on white in
 * place and gives back what memory is left over. */
void dcg_decode_on_white(struct dcg_picture *p);

/* 1 .. 8 from a TIFF block (what follows "Exif\0\0" in a JPEG); 1 when it has no
 * orientation, or is broken: a picture is not refused for its metadata. */
int dcg_exif_orientation(const uint8_t *tiff, size_t size);
/* Turns *p as orientation 1 .. 8 asks. */
int dcg_picture_orient(struct dcg_picture *p, int orientation, struct dcg_error *err);

int dcg_decode_jpeg(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err);
int dcg_decode_png(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err);
int dcg_decode_webp(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err);

#pragma GCC visibility pop

#endif
