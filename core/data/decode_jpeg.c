/* JPEG by libjpeg-turbo. Its errors leave by longjmp, so everything that must survive
 * one lives in struct reader, and nothing is freed between setjmp and its return. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "data/decode.h"

/* A progressive file may revisit every block in each scan: more of them than any
 * encoder writes is an attack on our time. */
enum { MAX_SCANS = 200 };

struct reader {
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf jump;
	struct dcg_picture picture;
	uint8_t *cmyk; /* a row of a four-colour picture */
	struct dcg_error *err;
	int code;
};

static _Noreturn void fail(struct reader *r, int code, const char *why)
{
	r->code = dcg_error_set(r->err, code, "JPEG: %s", why);
	longjmp(r->jump, 1);
}

static void on_error(j_common_ptr jpeg)
{
	char text[JMSG_LENGTH_MAX];
	int code = DCG_EFORMAT;
	jpeg->err->format_message(jpeg, text);
	switch (jpeg->err->msg_code) {
	case JERR_OUT_OF_MEMORY:
		code = DCG_ENOMEM;
		break;
	case JERR_ARITH_NOTIMPL: case JERR_BAD_PRECISION: case JERR_CONVERSION_NOTIMPL:
	case JERR_IMAGE_TOO_BIG: case JERR_SOF_UNSUPPORTED:
		code = DCG_EUNSUPPORTED;
	}
	fail(jpeg->client_data, code, text);
}

/* libjpeg goes on after these with invented pixels; a broken picture is not one to learn from. */
static void on_message(j_common_ptr jpeg, int level)
{
	if (level >= 0)
		return;
	switch (jpeg->err->msg_code) {
	case JWRN_ARITH_BAD_CODE: case JWRN_HIT_MARKER: case JWRN_HUFF_BAD_CODE:
	case JWRN_JPEG_EOF: case JWRN_MUST_RESYNC:
		on_error(jpeg);
	}
}

static void on_output(j_common_ptr jpeg)
{
	(void)jpeg;
}

static void on_progress(j_common_ptr common)
{
	struct reader *r = common->client_data;
	if (r->jpeg.input_scan_number > MAX_SCANS)
		fail(r, DCG_EUNSUPPORTED, "too many scans");
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Huffman coding spends at least one bit on each block of 8x8 samples. */
static int fits_in(const struct jpeg_decompress_struct *jpeg, size_t size)
{
	uint64_t blocks = 0;
	if (jpeg->arith_code)
		return 1;
	for (int i = 0; i < jpeg->num_components; i++) {
		const jpeg_component_info *c = &jpeg->comp_info[i];
		blocks += ceil_div((uint64_t)jpeg->image_width * (unsigned)c->h_samp_factor, 8 * (unsigned)jpeg->max_h_samp_factor) *
		          ceil_div((uint64_t)jpeg->image_height * (unsigned)c->v_samp_factor, 8 * (unsigned)jpeg->max_v_samp_factor);
	}
	return blocks / 8 <= size;
}

static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
	for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
		if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0)
			return dcg_exif_orientation(m->data + 6, m->data_length - 6);
	return 1;
}

/* Ink to light. Adobe's programs store ink inverted and say so by their marker. */
static void cmyk_to_rgb(uint8_t *to, const uint8_t *from, int pixels, int inverted)
{
	for (int i = 0; i < pixels; i++, to += 3, from += 4) {
		int k = inverted ? from[3] : 255 - from[3];
		for (int c = 0; c < 3; c++)
			to[c] = (uint8_t)(((inverted ? from[c] : 255 - from[c]) * k + 127) / 255);
	}
}

static int read_picture(struct reader *r, int *ret_orientation, const uint8_t *bytes, size_t size)
{
	struct jpeg_decompress_struct *jpeg = &r->jpeg;
	if (setjmp(r->jump))
		return r->code;
	jpeg_create_decompress(jpeg);
	jpeg->progress = &r->progress;
	jpeg_mem_src(jpeg, bytes, (unsigned long)size);
	jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(jpeg, TRUE);

	if ((r->code = dcg_decode_check_size(jpeg->image_width, jpeg->image_height, r->err)))
		return r->code;
	if (!fits_in(jpeg, size))
		fail(r, DCG_EFORMAT, "the file is too short for its number of pixels");
	int four = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
	int grey = jpeg->jpeg_color_space == JCS_GRAYSCALE;
	jpeg->out_color_space = four ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_start_decompress(jpeg);
	int w = (int)jpeg->output_width;
	size_t stride = (size_t)w * (grey ? 1 : 3);
	if ((r->code = dcg_decode_alloc(&r->picture, w, (int)jpeg->output_height, grey ? 1 : 3, r->err)))
		return r->code;
	if (four && !(r->cmyk = malloc((size_t)w * 4)))
		fail(r, DCG_ENOMEM, "out of memory");
	while (jpeg->output_scanline < jpeg->output_height) {
		uint8_t *to = r->picture.pixels + jpeg->output_scanline * stride;
		uint8_t *row = four ? r->cmyk : to;
		if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
			fail(r, DCG_EFORMAT, "the file ends early");
		if (four)
			cmyk_to_rgb(to, r->cmyk, w, jpeg->saw_Adobe_marker);
	}
	*ret_orientation = orientation_of(jpeg);
	jpeg_finish_decompress(jpeg);
	return 0;
}

int dcg_decode_jpeg(struct dcg_picture *ret, int *ret_orientation, const uint8_t *bytes, size_t size, struct dcg_error *err)
{
	struct reader r = { .err = err };
	int orientation = 1;
	r.jpeg.err = jpeg_std_error(&r.errors);
	r.jpeg.client_data = &r;
	r.errors.error_exit = on_error;
	r.errors.emit_message = on_message;
	r.errors.output_message = on_output;
	r.progress.progress_monitor = on_progress;
	int code = read_picture(&r, &orientation, bytes, size);
	jpeg_destroy_decompress(&r.jpeg);
	free(r.cmyk);
	if (code) {
		dcg_picture_done(&r.picture);
		return code;
	}
	*ret = r.picture;
	*ret_orientation = orientation;
	return 0;
}
