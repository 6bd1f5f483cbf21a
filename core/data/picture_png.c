/* PNG by stb_image_write, compressed by zlib: stb's own compressor is slower, larger,
 * and asserts where there is no memory. Its other settings are left as they are, so
 * that nothing global is ever written. */
#include <stdlib.h>

#include <zlib.h>

#include "data/picture.h"

/* stb loses it when there is no memory for what comes after. */
static __thread unsigned char *compressed;

static unsigned char *compress_rows(unsigned char *data, int size, int *ret_size, int level)
{
	uLongf n = compressBound((uLong)size);
	unsigned char *out = malloc(n);
	if (out && compress2(out, &n, data, (uLong)size, level < 9 ? level : 9) != Z_OK) {
		free(out);
		out = NULL;
	}
	*ret_size = (int)n;
	return compressed = out;
}

static void release(void *p)
{
	if (p == compressed)
		compressed = NULL;
	free(p);
}

#define STBIW_MALLOC(n) malloc(n)
#define STBIW_REALLOC(p, n) realloc(p, n)
#define STBIW_FREE(p) release(p)
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBIW_ZLIB_COMPRESS compress_rows
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

int dcg_picture_png(const struct dcg_picture *p, uint8_t **ret_bytes, size_t *ret_size, struct dcg_error *err)
{
	/* stb counts in int. */
	if (p->width < 1 || p->height < 1 || (p->channels != 1 && p->channels != 3) || !p->pixels ||
	    ((int64_t)p->width * p->channels + 1) * p->height > 1 << 30)
		return dcg_error_set(err, DCG_EINVAL, "PNG: cannot write %dx%d pixels of %d channels", p->width, p->height, p->channels);
	int size;
	compressed = NULL;
	uint8_t *bytes = stbi_write_png_to_mem(p->pixels, 0, p->width, p->height, p->channels, &size);
	if (!bytes) {
		free(compressed);
		return dcg_error_set(err, DCG_ENOMEM, "PNG of %dx%d pixels: out of memory", p->width, p->height);
	}
	*ret_bytes = bytes;
	*ret_size = (size_t)size;
	return 0;
}
