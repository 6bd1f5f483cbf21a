#include "tests/data/images.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

/* Not check's own: fuzz targets make pictures outside of any test. */
#define must(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #condition); \
		abort(); \
	} \
} while (0)

unsigned pattern(int x, int y, int c, unsigned max)
{
	static const unsigned steps[4] = { 0, 1, 2, 3 };
	unsigned v = (unsigned)x * 37 + (unsigned)y * 101 + (unsigned)c * 59 + (unsigned)(x * y) * 7;
	if ((x + y) % 3 == 0)
		return steps[(unsigned)(x + c) % 4] % 2 ? max : 0;
	return max > 255 ? v * 257 * 3 % (max + 1) : v % (max + 1);
}

void palette_entry(int index, uint8_t rgb[3], uint8_t *alpha)
{
	rgb[0] = (uint8_t)(index * 83);
	rgb[1] = (uint8_t)(255 - index * 29);
	rgb[2] = (uint8_t)(index * index);
	*alpha = (uint8_t)(index % 3 == 0 ? 0 : index % 3 == 1 ? 255 : index * 17);
}

static void append(struct blob *b, const void *bytes, size_t size)
{
	b->bytes = realloc(b->bytes, b->size + size + 1);
	must(b->bytes != NULL);
	memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
}

static void append_number(struct blob *b, uint32_t v, int bytes)
{
	for (; bytes--; v >>= 8)
		append(b, &(uint8_t){ (uint8_t)v }, 1);
}

size_t make_exif(uint8_t to[64], int orientation, int big)
{
	/* IFD of two entries: 0x0100 (LONG) and the orientation. */
	static const uint8_t little_tiff[] = {
		'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0, 0x00, 0x01, 4, 0, 1, 0, 0, 0, 5, 0, 0, 0,
		0x12, 0x01, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const uint8_t big_tiff[] = {
		'M', 'M', 0, 42, 0, 0, 0, 8, 0, 2, 0x01, 0x00, 0, 4, 0, 0, 0, 1, 0, 0, 0, 5,
		0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	memcpy(to, big ? big_tiff : little_tiff, sizeof big_tiff);
	to[big ? 31 : 30] = (uint8_t)orientation;
	return sizeof big_tiff;
}

static void png_to_blob(png_structp png, png_bytep bytes, size_t size)
{
	append(png_get_io_ptr(png), bytes, size);
}

static void png_flush_nothing(png_structp png)
{
	(void)png;
}

static void set_palette(png_structp png, png_infop info, const struct png_kind *kind)
{
	png_color colours[256];
	uint8_t alphas[256];
	int n = 1 << kind->bit_depth;
	for (int i = 0; i < n; i++) {
		uint8_t rgb[3];
		palette_entry(i, rgb, &alphas[i]);
		colours[i] = (png_color){ .red = rgb[0], .green = rgb[1], .blue = rgb[2] };
	}
	png_set_PLTE(png, info, colours, n);
	if (kind->transparent)
		png_set_tRNS(png, info, alphas, n, NULL);
}

struct blob make_png(const struct png_kind *kind, int w, int h, int orientation)
{
	struct blob out = { 0 };
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	unsigned max = (1u << kind->bit_depth) - 1;
	png_set_write_fn(png, &out, png_to_blob, png_flush_nothing);
	png_set_IHDR(png, info, (uint32_t)w, (uint32_t)h, kind->bit_depth, kind->color_type, kind->interlaced, 0, 0);
	if (kind->color_type == PNG_COLOR_TYPE_PALETTE) {
		set_palette(png, info, kind);
	} else if (kind->transparent) { /* the sample values at (1, 1) */
		png_color_16 see_through = { .gray = (uint16_t)pattern(1, 1, 0, max), .red = (uint16_t)pattern(1, 1, 0, max),
		                             .green = (uint16_t)pattern(1, 1, 1, max), .blue = (uint16_t)pattern(1, 1, 2, max) };
		png_set_tRNS(png, info, NULL, 0, &see_through);
	}
	if (orientation) {
		uint8_t exif[64];
		size_t n = make_exif(exif, orientation, 1);
		png_set_eXIf_1(png, info, (uint32_t)n, exif);
	}
	png_write_info(png, info);
	int samples = png_get_channels(png, info);
	size_t stride = png_get_rowbytes(png, info);
	uint8_t *rows = calloc((size_t)h, stride);
	for (int y = 0; y < h; y++)
		for (int i = 0; i < w * samples; i++) {
			unsigned v = pattern(i / samples, y, i % samples, max);
			uint8_t *row = rows + (size_t)y * stride;
			if (kind->bit_depth == 16)
				row[2 * i] = (uint8_t)(v >> 8), row[2 * i + 1] = (uint8_t)v;
			else
				row[i * kind->bit_depth / 8] |= (uint8_t)(v << (8 - kind->bit_depth - i * kind->bit_depth % 8));
		}
	int passes = png_set_interlace_handling(png);
	while (passes--)
		for (int y = 0; y < h; y++)
			png_write_row(png, rows + (size_t)y * stride);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	free(rows);
	return out;
}

static struct blob jpeg_to_blob(const uint8_t *pixels, int w, int h, int c, int progressive, int kind, const uint8_t *app1, unsigned app1_size)
{
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct blob out = { 0 };
	unsigned long size = 0;
	jpeg.err = jpeg_std_error(&errors);
	jpeg_create_compress(&jpeg);
	jpeg_mem_dest(&jpeg, &out.bytes, &size);
	jpeg.image_width = (unsigned)w;
	jpeg.image_height = (unsigned)h;
	jpeg.input_components = c;
	jpeg.in_color_space = c == 1 ? JCS_GRAYSCALE : c == 3 ? JCS_RGB : JCS_CMYK;
	jpeg_set_defaults(&jpeg);
	jpeg_set_quality(&jpeg, 100, TRUE);
	if (kind == IMAGES_YCCK)
		jpeg_set_colorspace(&jpeg, JCS_YCCK);
	jpeg.write_Adobe_marker = kind == IMAGES_ADOBE_CMYK || kind == IMAGES_YCCK;
	if (progressive)
		jpeg_simple_progression(&jpeg);
	else if (c > 1)
		jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
	if (kind == IMAGES_YCCK)
		jpeg.comp_info[3].h_samp_factor = jpeg.comp_info[3].v_samp_factor = 1;
	jpeg_start_compress(&jpeg, TRUE);
	if (app1)
		jpeg_write_marker(&jpeg, JPEG_APP0 + 1, app1, app1_size);
	while (jpeg.next_scanline < jpeg.image_height) {
		uint8_t *row = malloc((size_t)w * (size_t)c);
		memcpy(row, pixels + (size_t)jpeg.next_scanline * (size_t)w * (size_t)c, (size_t)w * (size_t)c);
		jpeg_write_scanlines(&jpeg, &row, 1);
		free(row);
	}
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	out.size = size;
	return out;
}

struct blob make_jpeg(const uint8_t *pixels, int w, int h, int c, int progressive, int orientation, int big_endian)
{
	uint8_t app1[70] = "Exif\0";
	size_t n = orientation ? 6 + make_exif(app1 + 6, orientation, big_endian) : 0;
	return jpeg_to_blob(pixels, w, h, c, progressive, 0, orientation ? app1 : NULL, (unsigned)n);
}

struct blob make_cmyk_jpeg(const uint8_t *ink, int w, int h, int kind)
{
	size_t n = (size_t)w * (size_t)h * 4;
	uint8_t *stored = malloc(n);
	for (size_t i = 0; i < n; i++)
		stored[i] = kind == IMAGES_PLAIN_CMYK ? ink[i] : 255 - ink[i];
	struct blob b = jpeg_to_blob(stored, w, h, 4, 0, kind, NULL, 0);
	free(stored);
	return b;
}

static void append_chunk(struct blob *b, const char *name, const uint8_t *bytes, size_t size)
{
	append(b, name, 4);
	append_number(b, (uint32_t)size, 4);
	append(b, bytes, size);
	if (size % 2)
		append(b, "", 1);
}

struct blob make_webp(const uint8_t *pixels, int w, int h, int c, int quality, int orientation)
{
	struct blob b = { 0 };
	b.size = c == 4 ? (quality < 0 ? WebPEncodeLosslessRGBA(pixels, w, h, w * 4, &b.bytes) : WebPEncodeRGBA(pixels, w, h, w * 4, (float)quality, &b.bytes)) :
		quality < 0 ? WebPEncodeLosslessRGB(pixels, w, h, w * 3, &b.bytes) : WebPEncodeRGB(pixels, w, h, w * 3, (float)quality, &b.bytes);
	must(b.size > 12);
	if (!orientation)
		return b;
	/* The extended form: VP8X, the picture, EXIF. */
	struct blob x = { 0 };
	uint8_t exif[64], vp8x[10] = { 0x08 | (c == 4 ? 0x10 : 0), 0, 0, 0, (uint8_t)(w - 1), (uint8_t)((w - 1) >> 8), 0, (uint8_t)(h - 1), (uint8_t)((h - 1) >> 8), 0 };
	append(&x, "RIFF\0\0\0\0WEBP", 12);
	append_chunk(&x, "VP8X", vp8x, sizeof vp8x);
	append(&x, b.bytes + 12, b.size - 12);
	append_chunk(&x, "EXIF", exif, make_exif(exif, orientation, 0));
	for (size_t i = 0; i < 4; i++)
		x.bytes[4 + i] = (uint8_t)((x.size - 8) >> 8 * i);
	WebPFree(b.bytes);
	return x;
}

char *make_folder(void)
{
	char *path = strdup("/tmp/dcgan-test-XXXXXX");
	must(mkdtemp(path) != NULL);
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void drop_folder(char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(folder);
}

const char *in_folder(const char *folder, const char *name)
{
	static char paths[4][1024];
	static int next;
	char *to = paths[next++ % 4];
	snprintf(to, sizeof *paths, "%s/%s", folder, name);
	return to;
}

static void make_folders_to(const char *path)
{
	char copy[1024];
	snprintf(copy, sizeof copy, "%s", path);
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(copy, 0700);
		*p = '/';
	}
}

void write_file(const char *path, const void *bytes, size_t size)
{
	make_folders_to(path);
	FILE *f = fopen(path, "wb");
	must(f != NULL);
	must(fwrite(bytes, 1, size, f) == size);
	must(fclose(f) == 0);
}

void write_gz(const char *path, const void *bytes, size_t size)
{
	make_folders_to(path);
	gzFile f = gzopen(path, "wb");
	must(f != NULL);
	must(gzwrite(f, bytes, (unsigned)size) == (int)size);
	must(gzclose(f) == Z_OK);
}
