/* 8-bit pictures [N][H][W][C] to and from the direct layout. A task is a row of pixels
 * of all pictures. */
#include "kernel/openblas.h"

struct pictures {
	struct dcg_shape shape;
	float *direct;
	const float *direct_in;
	const uint8_t *in, *flip;
	uint8_t *out;
	const float *value_of; /* [256] */
};

DCG_INLINE void import_row(const struct pictures *j, int h, int C)
{
	const int N = j->shape.n, W = j->shape.w;
	for (int n = 0; n < N; n++) {
		const uint8_t *row = j->in + ((size_t)n * j->shape.h + h) * W * C;
		int mirrored = j->flip && j->flip[n];
		for (int w = 0; w < W; w++) {
			const uint8_t *pixel = row + (size_t)(mirrored ? W - 1 - w : w) * C;
			float *to = j->direct + (((size_t)h * W + w) * N + n) * C;
			for (int c = 0; c < C; c++)
				to[c] = j->value_of[pixel[c]];
		}
	}
}

static void import_task(void *ctx, int h, int worker)
{
	(void)worker;
	const struct pictures *j = ctx;
	switch (j->shape.c) {
	case 1: import_row(j, h, 1); break;
	case 3: import_row(j, h, 3); break;
	default: import_row(j, h, j->shape.c);
	}
}

/* In double, so that every table rounds the same way. NaN becomes 0. */
DCG_INLINE uint8_t level(float x)
{
	double v = (x + 1.0) * 127.5;
	v = v > 0 ? v : 0;
	v = v < 255 ? v : 255;
	return (uint8_t)(int)(v + 0.5);
}

DCG_INLINE void export_row(const struct pictures *j, int h, int C)
{
	const int N = j->shape.n, W = j->shape.w;
	for (int n = 0; n < N; n++) {
		uint8_t *row = j->out + ((size_t)n * j->shape.h + h) * W * C;
		for (int w = 0; w < W; w++) {
			const float *from = j->direct_in + (((size_t)h * W + w) * N + n) * C;
			for (int c = 0; c < C; c++)
				row[w * C + c] = level(from[c]);
		}
	}
}

static void export_task(void *ctx, int h, int worker)
{
	(void)worker;
	const struct pictures *j = ctx;
	switch (j->shape.c) {
	case 1: export_row(j, h, 1); break;
	case 3: export_row(j, h, 3); break;
	default: export_row(j, h, j->shape.c);
	}
}

static void tensor_from_images(struct dcg_backend *be, struct dcg_tensor *t, const uint8_t *nhwc, const uint8_t *flip)
{
	float value_of[256];
	for (int v = 0; v < 256; v++)
		value_of[v] = (float)(v / 127.5 - 1);
	struct pictures j = { .shape = t->shape, .direct = t->at, .in = nhwc, .flip = flip, .value_of = value_of };
	dcg_table_run(be, import_task, &j, t->shape.h);
}

static void tensor_to_images(struct dcg_backend *be, const struct dcg_tensor *t, uint8_t *nhwc)
{
	struct pictures j = { .shape = t->shape, .direct_in = t->at, .out = nhwc };
	dcg_table_run(be, export_task, &j, t->shape.h);
}

void dcg_openblas_pictures(struct dcg_ops *ops)
{
	ops->tensor_from_images = tensor_from_images;
	ops->tensor_to_images = tensor_to_images;
}
