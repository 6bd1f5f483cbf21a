/* Tensors in fp32 or bf16: memory, transfers, pictures, and the loss, which reads a few values. */
#include "kernel/simd/simd.h"

#include <math.h>
#include <stdlib.h>

static int new_tensor(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err)
{
	struct dcg_shape padded = shape;
	int bf16 = ((struct simd_backend *)be)->bf16;
	size_t count, bytes = bf16 ? sizeof(uint16_t) : sizeof(float);
	size_t begin = after ? (size_t)((char *)after->data - (char *)storage->data) / bytes + after->count : 0;
	int r = dcg_shape_check(shape, &count, err);
	if (r)
		return r;
	padded.c = dcg_simd_channel_stride(shape.c);
	r = dcg_shape_check(padded, &count, err);
	if (r)
		return r;
	struct dcg_tensor *t = calloc(1, sizeof *t);
	if (!t)
		return dcg_error_set(err, DCG_ENOMEM, "tensor: out of memory");
	t->s = shape;
	t->cs = padded.c;
	t->bf16 = bf16;
	t->count = count;
	t->is_view = storage != NULL;
	if (!storage)
		r = dcg_table_alloc(be, &t->data, count, bytes, "activations", err);
	else if (count > storage->count - begin)
		r = dcg_error_set(err, DCG_EINVAL, "tensor: expected at most %zu values in the memory of another, found %zu", storage->count - begin, count);
	else
		t->data = (char *)storage->data + begin * bytes;
	if (r) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

int dcg_simd_tensor_new(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_error *err)
{
	return new_tensor(be, ret, shape, NULL, NULL, err);
}

int dcg_simd_tensor_view(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err)
{
	return new_tensor(be, ret, shape, storage, after, err);
}

void dcg_simd_tensor_free(struct dcg_tensor *t)
{
	if (!t)
		return;
	if (!t->is_view)
		dcg_table_free(t->data);
	free(t);
}

static float get(const struct dcg_tensor *t, size_t i)
{
	return t->bf16 ? dcg_simd_float_of(((const uint16_t *)t->data)[i]) : ((const float *)t->data)[i];
}

static void put(struct dcg_tensor *t, size_t i, float v)
{
	if (t->bf16)
		((uint16_t *)t->data)[i] = dcg_simd_bf16_of(v);
	else
		((float *)t->data)[i] = v;
}

/* Element i, of channel c, with what is pending: as convolutions see it. */
static float value_at(const struct dcg_tensor *t, size_t i, size_t c)
{
	const struct dcg_pending *p = &t->pending;
	float v = get(t, i);
	if (!p->on)
		return v;
	if (p->mean)
		v = (v - p->mean[c]) * p->scale[c] + p->bias[c];
	if (!(v > 0) && p->act != DCG_LINEAR)
		v = p->act == DCG_RELU ? 0 : v * DCG_LEAKY_SLOPE;
	return t->bf16 ? dcg_simd_float_of(dcg_simd_bf16_of(v)) : v;
}

static size_t plane(const struct dcg_tensor *t)
{
	return (size_t)t->s.h * (size_t)t->s.w;
}

void dcg_simd_tensor_write(struct dcg_backend *be, struct dcg_tensor *t, const float *nchw)
{
	size_t cs = (size_t)t->cs, channels = (size_t)t->s.c, pixels = plane(t);
	(void)be;
	t->pending.on = 0;
	for (size_t n = 0; n < (size_t)t->s.n; n++)
		for (size_t c = 0; c < channels; c++)
			for (size_t i = 0; i < pixels; i++)
				put(t, (n * pixels + i) * cs + c, nchw[(n * channels + c) * pixels + i]);
}

void dcg_simd_tensor_read(struct dcg_backend *be, const struct dcg_tensor *t, float *nchw)
{
	size_t cs = (size_t)t->cs, channels = (size_t)t->s.c, pixels = plane(t);
	(void)be;
	for (size_t n = 0; n < (size_t)t->s.n; n++)
		for (size_t c = 0; c < channels; c++)
			for (size_t i = 0; i < pixels; i++)
				nchw[(n * channels + c) * pixels + i] = value_at(t, (n * pixels + i) * cs + c, c);
}

/* Pictures go by tasks of one each: they are large, and in the way of every step. */
struct picture_pass {
	struct dcg_tensor *t;
	const struct dcg_tensor *from;
	const uint8_t *in, *flip;
	uint8_t *out;
	float value_of[256];
};

static void picture_in(void *ctx, int n, int worker)
{
	const struct picture_pass *p = ctx;
	size_t cs = (size_t)p->t->cs, channels = (size_t)p->t->s.c, w = (size_t)p->t->s.w, first = (size_t)n * (size_t)p->t->s.h;
	int mirrored = p->flip && p->flip[n];
	(void)worker;
	for (size_t r = first; r < first + (size_t)p->t->s.h; r++)
		for (size_t x = 0; x < w; x++)
			for (size_t c = 0; c < channels; c++)
				put(p->t, (r * w + x) * cs + c, p->value_of[p->in[(r * w + (mirrored ? w - 1 - x : x)) * channels + c]]);
}

void dcg_simd_tensor_from_images(struct dcg_backend *be, struct dcg_tensor *t, const uint8_t *nhwc, const uint8_t *flip)
{
	struct picture_pass p = { .t = t, .in = nhwc, .flip = flip };
	for (int v = 0; v < 256; v++)
		p.value_of[v] = (float)(v / 127.5 - 1);
	t->pending.on = 0;
	dcg_table_run(be, picture_in, &p, t->s.n);
}

static void picture_out(void *ctx, int n, int worker)
{
	const struct picture_pass *p = ctx;
	size_t cs = (size_t)p->from->cs, channels = (size_t)p->from->s.c, pixels = plane(p->from), first = (size_t)n * pixels;
	(void)worker;
	for (size_t i = first; i < first + pixels; i++)
		for (size_t c = 0; c < channels; c++) {
			double v = ((double)value_at(p->from, i * cs + c, c) + 1) * 127.5 + 0.5;
			p->out[i * channels + c] = (uint8_t)(v > 0 ? v < 255 ? v : 255 : 0); /* NaN: 0 */
		}
}

void dcg_simd_tensor_to_images(struct dcg_backend *be, const struct dcg_tensor *t, uint8_t *nhwc)
{
	struct picture_pass p = { .from = t, .out = nhwc };
	dcg_table_run(be, picture_out, &p, t->s.n);
}

void dcg_simd_bce(struct dcg_backend *be, const struct dcg_tensor *logits, float target, struct dcg_tensor *dlogits, struct dcg_bce *ret)
{
	double loss = 0, output = 0, y = (double)target;
	int n = logits->s.n;
	(void)be;
	for (int i = 0; i < n; i++) {
		double x = (double)get(logits, (size_t)i * (size_t)logits->cs), e = exp(-fabs(x)), s = x >= 0 ? 1 / (1 + e) : e / (1 + e);
		loss += (x > 0 ? x : 0) - x * y + log1p(e);
		output += s;
		if (dlogits)
			put(dlogits, (size_t)i * (size_t)dlogits->cs, (float)((s - y) / n));
	}
	ret->loss = (float)(loss / n);
	ret->mean_output = (float)(output / n);
}
