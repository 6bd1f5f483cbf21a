/* PNG by libpng. Its errors leave by longjmp, so everything that must survive one lives
 * in struct reader, and nothing is freed between setjmp and its return. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "data/decode.h"

/* No deflate stream grows by more: 258 bytes from two bits. */
enum { MAX_INFLATION = 1032 };

struct reader {
	png_structp png;
	png_infop info;
	const uint8_t *bytes;
	size_t size, at;
	jmp_buf jump;
	struct dcg_picture picture;
	struct dcg_error *err;
	int code;
};

static _Noreturn void fail(struct reader *r, int code, const char *why)
{
	r->code = dcg_error_set(r->err, code, "PNG: %s", why);
	longjmp(r->jump, 1);
}

static _Noreturn void on_error(png_structp png, png_const_charp text)
{
	fail(png_get_error_ptr(png), DCG_EFORMAT, text);
}

static void on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
	struct reader *r = png_get_io_ptr(png);
	if (size > r->size - r->at)
		fail(r, DCG_EFORMAT, "the file ends early");
	memcpy(to, r->bytes + r->at, size);
	r->at += size;
}

static int read_picture(struct reader *r, int *ret_orientation)
{
	/* Large, compressed and of no use here. */
	static const png_byte unread[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0hIST";
	png_structp png = r->png;
	if (setjmp(r->jump))
		return r->code;
	png_set_read_fn(png, r, on_read);
	png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are told apart from damage */
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unread, sizeof unread / 5);
	png_read_info(png, r->info);

	uint32_t w = png_get_image_width(png, r->info), h = png_get_image_height(png, r->info);
	if ((r->code = dcg_decode_check_size(w, h, r->err)))
		return r->code;
	if (((uint64_t)png_get_rowbytes(png, r->info) + 1) * h / MAX_INFLATION > r->size)
		fail(r, DCG_EFORMAT, "the file is too short for its number of pixels");
	png_set_expand(png);
	png_set_scale_16(png);
	int passes = png_set_interlace_handling(png);
	png_read_update_info(png, r->info);
	int samples = png_get_channels(png, r->info);
	size_t stride = (size_t)w * (size_t)samples;
	if (png_get_bit_depth(png, r->info) != 8 || png_get_rowbytes(png, r->info) != stride)
		fail(r, DCG_EUNSUPPORTED, "pixel format");
	if ((r->code = dcg_decode_alloc(&r->picture, (int)w, (int)h, samples, r->err)))
		return r->code;
	for (int pass = 0; pass < passes; pass++)
		for (uint32_t y = 0; y < h; y++)
			png_read_row(png, r->picture.pixels + y * stride, NULL);
	png_read_end(png, r->info);

	png_bytep exif;
	png_uint_32 exif_size;
	if (png_get_eXIf_1(png, r->info, &exif_size, &exif))
		*ret_orientation = dcg_exif_orientation(exif, exif_size);
	return 0;
}

int dcg_decode_png(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err)
{
	struct reader r = { .bytes = bytes, .size = size, .err = err };
	int orientation = 1, code;
	r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
	r.info = r.png ? png_create_info_struct(r.png) : NULL;
	code = r.info ? read_picture(&r, &orientation) : dcg_error_set(err, DCG_ENOMEM, "PNG: out of memory");
	png_destroy_read_struct(&r.png, &r.info, NULL);
	if (code) {
		dcg_picture_done(&r.picture);
		return code;
	}
	if (r.picture.channels == 2 || r.picture.channels == 4)
		dcg_decode_on_white(&r.picture);
	*ret = r.picture;
	*ret_orientation = orientation;
	return 0;
}
