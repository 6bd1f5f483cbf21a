/* Geometry: min-resize with centre crop, and grids.
 *
 * Resizing is separable. For each axis a table says which stored pixels an output pixel
 * sees and with what weight; each stored row that matters is reduced across once and
 * added to the output rows that see it, so memory is one output picture in float
 * whatever the input's size. Plain float sums in a fixed order: the same everywhere. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/decode.h"

enum { MAX_SIZE = 4096 }; /* of a fitted picture */

struct axis {
	int *first, *count; /* [size]: stored pixels first .. first + count - 1 */
	float *weights;     /* [size][most] */
	int most;
};

static void axis_done(struct axis *a)
{
	free(a->first);
	free(a->count);
	free(a->weights);
}

/* The stored axis is `stored` pixels long and becomes `resized`, of which the middle
 * `size` are wanted. */
static int axis_init(struct axis *a, int stored, int64_t resized, int size)
{
	int64_t crop = (resized - size) / 2;
	double scale = (double)stored / (double)resized;
	*a = (struct axis){ .most = scale > 1 ? (int)ceil(scale) + 1 : 2 };
	a->first = malloc((size_t)size * sizeof *a->first);
	a->count = malloc((size_t)size * sizeof *a->count);
	a->weights = calloc((size_t)size * (size_t)a->most, sizeof *a->weights);
	if (!a->first || !a->count || !a->weights)
		return DCG_ENOMEM;
	for (int i = 0; i < size; i++) {
		float *w = a->weights + (size_t)i * (size_t)a->most;
		if (stored >= resized) { /* the share of each stored pixel in the area, exactly */
			int64_t from = (crop + i) * stored, to = from + stored;
			int64_t first = from / resized, end = (to + resized - 1) / resized;
			a->first[i] = (int)first;
			a->count[i] = (int)(end - first);
			for (int64_t p = first; p < end; p++) {
				int64_t lo = p * resized > from ? p * resized : from;
				int64_t hi = (p + 1) * resized < to ? (p + 1) * resized : to;
				w[p - first] = (float)((double)(hi - lo) / stored);
			}
		} else { /* between the centres of two stored pixels */
			double x = ((double)(crop + i) + 0.5) * scale - 0.5;
			x = x < 0 ? 0 : x > stored - 1 ? stored - 1 : x;
			int first = (int)x < stored - 1 ? (int)x : stored > 1 ? stored - 2 : 0;
			a->first[i] = first;
			a->count[i] = stored > 1 ? 2 : 1;
			w[0] = stored > 1 ? (float)(1 - (x - first)) : 1;
			w[1] = (float)(x - first);
		}
	}
	return 0;
}

/* pixels of a stored row as `channels` floats each. */
static void convert_row(float *to, const uint8_t *from, int pixels, int stored_channels, int channels)
{
	if (stored_channels == channels) {
		for (int i = 0; i < pixels * channels; i++)
			to[i] = from[i];
	} else if (channels == 1) {
		for (int i = 0; i < pixels; i++, from += 3)
			to[i] = 0.299f * (float)from[0] + 0.587f * (float)from[1] + 0.114f * (float)from[2];
	} else {
		for (int i = 0; i < pixels; i++)
			to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = from[i];
	}
}

/* base: the stored pixel that row starts with. channels is a constant. */
static inline __attribute__((always_inline)) void reduce_channels(float *to, const float *row, const struct axis *a, int base, int size, int channels)
{
	for (int i = 0; i < size; i++, to += channels) {
		const float *w = a->weights + (size_t)i * (size_t)a->most;
		const float *from = row + (size_t)(a->first[i] - base) * (size_t)channels;
		float sum[3] = { 0, 0, 0 };
		for (int p = 0; p < a->count[i]; p++)
			for (int c = 0; c < channels; c++)
				sum[c] += w[p] * *from++;
		for (int c = 0; c < channels; c++)
			to[c] = sum[c];
	}
}

static void reduce_row(float *to, const float *row, const struct axis *a, int base, int size, int channels)
{
	if (channels == 1)
		reduce_channels(to, row, a, base, size, 1);
	else
		reduce_channels(to, row, a, base, size, 3);
}

int dcg_picture_fit(const struct dcg_picture *p, int size, int channels, uint8_t *out, struct dcg_error *err)
{
	if (size < 1 || size > MAX_SIZE || (channels != 1 && channels != 3))
		return dcg_error_set(err, DCG_EINVAL, "picture: expected a size of 1 to %d and 1 or 3 channels, found %d and %d", MAX_SIZE, size, channels);
	if (p->width < 1 || p->height < 1 || (p->channels != 1 && p->channels != 3) || !p->pixels)
		return dcg_error_set(err, DCG_EINVAL, "picture: %dx%d pixels of %d channels cannot be resized", p->width, p->height, p->channels);
	if (p->width == size && p->height == size && p->channels == channels) {
		memcpy(out, p->pixels, (size_t)size * (size_t)size * (size_t)channels);
		return 0;
	}
	int64_t shorter = p->width < p->height ? p->width : p->height;
	int64_t wide = ((int64_t)p->width * size + shorter / 2) / shorter;
	int64_t high = ((int64_t)p->height * size + shorter / 2) / shorter;
	struct axis across = { 0 }, down = { 0 };
	float *row = NULL, *reduced = NULL, *sums = NULL;
	size_t line = (size_t)size * (size_t)channels;
	int r = axis_init(&across, p->width, wide, size);
	if (!r)
		r = axis_init(&down, p->height, high, size);
	if (r)
		goto done;
	int left = across.first[0], right = across.first[size - 1] + across.count[size - 1];
	int bottom = down.first[size - 1] + down.count[size - 1];
	row = malloc((size_t)(right - left) * (size_t)channels * sizeof *row);
	reduced = malloc(line * sizeof *reduced);
	sums = calloc((size_t)size * line, sizeof *sums);
	if (!row || !reduced || !sums) {
		r = DCG_ENOMEM;
		goto done;
	}
	int begin = 0; /* first output row that still waits for stored rows */
	for (int y = down.first[0]; y < bottom; y++) {
		const uint8_t *stored = p->pixels + ((size_t)y * (size_t)p->width + (size_t)left) * (size_t)p->channels;
		convert_row(row, stored, right - left, p->channels, channels);
		reduce_row(reduced, row, &across, left, size, channels);
		while (down.first[begin] + down.count[begin] <= y)
			begin++;
		for (int o = begin; o < size && down.first[o] <= y; o++) {
			float w = down.weights[(size_t)o * (size_t)down.most + (size_t)(y - down.first[o])];
			float *sum = sums + (size_t)o * line;
			for (size_t i = 0; i < line; i++)
				sum[i] += w * reduced[i];
		}
	}
	for (size_t i = 0; i < (size_t)size * line; i++)
		out[i] = (uint8_t)(sums[i] < 0 ? 0 : sums[i] > 255 ? 255 : sums[i] + 0.5f);
done:
	axis_done(&across);
	axis_done(&down);
	free(row);
	free(reduced);
	free(sums);
	return r ? dcg_error_set(err, r, "picture: out of memory") : 0;
}

int dcg_picture_grid(struct dcg_picture *ret, const uint8_t *pictures, int count, int h, int w, int c, int columns, int gap, struct dcg_error *err)
{
	if (count < 1 || h < 1 || w < 1 || (c != 1 && c != 3) || columns < 0 || gap < 0)
		return dcg_error_set(err, DCG_EINVAL, "grid: %d pictures of %dx%dx%d in %d columns with a gap of %d", count, h, w, c, columns, gap);
	if (columns == 0)
		while ((int64_t)columns * columns < count)
			columns++;
	int rows = (int)(((int64_t)count + columns - 1) / columns);
	int64_t width = (int64_t)columns * ((int64_t)w + gap) - gap, height = (int64_t)rows * ((int64_t)h + gap) - gap;
	struct dcg_picture p;
	int r = dcg_decode_check_size((uint64_t)width, (uint64_t)height, err);
	if (r)
		return dcg_error_prefix(err, r, "grid");
	r = dcg_decode_alloc(&p, (int)width, (int)height, c, err);
	if (r)
		return r;
	size_t line = (size_t)w * (size_t)c, stride = (size_t)width * (size_t)c;
	memset(p.pixels, 255, (size_t)height * stride);
	for (int i = 0; i < count; i++) {
		uint8_t *to = p.pixels + (size_t)(i / columns) * (size_t)(h + gap) * stride + (size_t)(i % columns) * (size_t)(w + gap) * (size_t)c;
		for (int y = 0; y < h; y++, pictures += line)
			memcpy(to + (size_t)y * stride, pictures, line);
	}
	*ret = p;
	return 0;
}
