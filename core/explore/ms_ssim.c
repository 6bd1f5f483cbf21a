#include "explore/ms_ssim.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"

enum { WINDOW = 11, MAX_COUNT = 65536 };
enum map { MEAN_A, MEAN_B, SQUARES_A, SQUARES_B, PRODUCTS, MAPS };

static const double weights[DCG_MS_SSIM_SCALES] = { 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 };
static const double c1 = 0.01 * 255 * (0.01 * 255), c2 = 0.03 * 255 * (0.03 * 255);

struct work {
	float *pair[2];  /* [c][h][w] at the present scale */
	double *columns; /* [MAPS][w]: under the window along y, for one line of results */
};

/* Sums over the maps of one scale. */
struct terms {
	double ssim, contrast; /* contrast: of contrast and structure, without the means */
};

/* The window is the product of two such, along y and along x. */
static void make_window(double *weight, int size)
{
	double deviation = 1.5 * size / WINDOW, sum = 0;
	for (int i = 0; i < size; i++) {
		double x = (i - (size - 1) / 2.0) / deviation;
		weight[i] = exp(-x * x / 2);
		sum += weight[i];
	}
	for (int i = 0; i < size; i++)
		weight[i] /= sum;
}

/* The window's `size` lines from a and b on, each column by itself. */
static void weigh_columns(double *columns, const float *a, const float *b, int w, const double *weight, int size)
{
	memset(columns, 0, MAPS * (size_t)w * sizeof *columns);
	for (int i = 0; i < size; i++, a += w, b += w)
		for (int x = 0; x < w; x++) {
			double va = (double)a[x], vb = (double)b[x];
			columns[MEAN_A * w + x] += weight[i] * va;
			columns[MEAN_B * w + x] += weight[i] * vb;
			columns[SQUARES_A * w + x] += weight[i] * va * va;
			columns[SQUARES_B * w + x] += weight[i] * vb * vb;
			columns[PRODUCTS * w + x] += weight[i] * va * vb;
		}
}

static void add_place(struct terms *t, const double *columns, int w, const double *weight, int size)
{
	double m[MAPS];
	for (int map = 0; map < MAPS; map++, columns += w) {
		m[map] = 0;
		for (int i = 0; i < size; i++)
			m[map] += weight[i] * columns[i];
	}
	double aa = m[MEAN_A] * m[MEAN_A], bb = m[MEAN_B] * m[MEAN_B], ab = m[MEAN_A] * m[MEAN_B];
	double contrast = (2 * (m[PRODUCTS] - ab) + c2) / (m[SQUARES_A] - aa + m[SQUARES_B] - bb + c2);
	t->contrast += contrast;
	t->ssim += contrast * (2 * ab + c1) / (aa + bb + c1);
}

/* The means of both terms over all places of all planes. */
static struct terms compare(const struct work *k, int h, int w, int c)
{
	int size = WINDOW;
	double weight[WINDOW];
	struct terms t = { 0 };
	if (size > h)
		size = h;
	if (size > w)
		size = w;
	make_window(weight, size);
	int rows = h - size + 1, places = w - size + 1;
	for (int plane = 0; plane < c; plane++)
		for (int y = 0; y < rows; y++) {
			size_t at = ((size_t)plane * (size_t)h + (size_t)y) * (size_t)w;
			weigh_columns(k->columns, k->pair[0] + at, k->pair[1] + at, w, weight, size);
			for (int x = 0; x < places; x++)
				add_place(&t, k->columns + x, w, weight, size);
		}
	double n = (double)c * rows * places;
	return (struct terms){ t.ssim / n, t.contrast / n };
}

/* In place: means of 2x2; beyond an odd edge the edge again. */
static void halve(float *v, int h, int w, int c)
{
	int h2 = (h + 1) / 2, w2 = (w + 1) / 2;
	for (int plane = 0; plane < c; plane++)
		for (int y = 0; y < h2; y++)
			for (int x = 0; x < w2; x++) {
				const float *from = v + (size_t)plane * (size_t)h * (size_t)w;
				size_t upper = (size_t)(2 * y) * (size_t)w, lower = 2 * y + 1 < h ? upper + (size_t)w : upper;
				size_t left = (size_t)(2 * x), right = 2 * x + 1 < w ? left + 1 : left;
				float mean = (from[upper + left] + from[upper + right] + from[lower + left] + from[lower + right]) / 4;
				v[((size_t)plane * (size_t)h2 + (size_t)y) * (size_t)w2 + (size_t)x] = mean;
			}
}

static void load(float *to, const uint8_t *picture, int h, int w, int c)
{
	size_t pixels = (size_t)h * (size_t)w;
	for (int plane = 0; plane < c; plane++)
		for (size_t i = 0; i < pixels; i++)
			*to++ = picture[i * (size_t)c + (size_t)plane];
}

static double similarity(const struct work *k, const uint8_t *a, const uint8_t *b, int h, int w, int c)
{
	double product = 1;
	load(k->pair[0], a, h, w, c);
	load(k->pair[1], b, h, w, c);
	for (int scale = 0; scale < DCG_MS_SSIM_SCALES; scale++) {
		if (scale) {
			halve(k->pair[0], h, w, c);
			halve(k->pair[1], h, w, c);
			h = (h + 1) / 2, w = (w + 1) / 2;
		}
		struct terms t = compare(k, h, w, c);
		product *= pow(fmax(scale == DCG_MS_SSIM_SCALES - 1 ? t.ssim : t.contrast, 0), weights[scale]);
	}
	return product;
}

int dcg_ms_ssim(double *ret, const uint8_t *pictures, int count, int h, int w, int c, int (*cancelled)(void *user), void *user, struct dcg_error *err)
{
	if (count < 2 || count > MAX_COUNT || h < DCG_MS_SSIM_SMALLEST || h > DCG_MS_SSIM_LARGEST || w < DCG_MS_SSIM_SMALLEST ||
	    w > DCG_MS_SSIM_LARGEST || (c != 1 && c != 3))
		return dcg_error_set(err, DCG_EINVAL, "structural similarity: expected 2 to %d pictures of %d to %d pixels and 1 or 3 channels, found %d of %d x %d and %d",
			MAX_COUNT, DCG_MS_SSIM_SMALLEST, DCG_MS_SSIM_LARGEST, count, w, h, c);
	size_t picture = (size_t)h * (size_t)w * (size_t)c;
	struct work k = { { dcg_alloc(picture, sizeof(float)), dcg_alloc(picture, sizeof(float)) }, dcg_alloc(MAPS * (size_t)w, sizeof(double)) };
	double sum = 0;
	int r = 0;
	if (!k.pair[0] || !k.pair[1] || !k.columns)
		r = dcg_error_set(err, DCG_ENOMEM, "structural similarity: out of memory");
	/* Of two pictures there is but one pair. */
	int pairs = count == 2 ? 1 : count;
	for (int i = 0; !r && i < pairs; i++) {
		if (cancelled && cancelled(user))
			r = dcg_error_set(err, DCG_ECANCELLED, "structural similarity: cancelled");
		else
			sum += similarity(&k, pictures + (size_t)i * picture, pictures + (size_t)((i + 1) % count) * picture, h, w, c);
	}
	dcg_free(k.pair[0]);
	dcg_free(k.pair[1]);
	dcg_free(k.columns);
	if (!r)
		*ret = sum / pairs;
	return r;
}
