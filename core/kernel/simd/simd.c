#include "kernel/simd/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct dcg_error *err, const char *what)
{
	return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", what);
}

static int open_with(struct dcg_base **ret, int bf16, struct dcg_error *err)
{
	struct simd_backend *sb = calloc(1, sizeof *sb);
	if (!sb)
		return no_memory(err, "backend");
	sb->bf16 = bf16;
	*ret = &sb->base;
	return 0;
}

int dcg_simd_open(struct dcg_base **ret, struct dcg_error *err)
{
	return open_with(ret, 0, err);
}

int dcg_simd_open_bf16(struct dcg_base **ret, struct dcg_error *err)
{
	return open_with(ret, 1, err);
}

void dcg_simd_close(struct dcg_backend *be)
{
	struct simd_backend *sb = (struct simd_backend *)be;
	for (int i = 0; sb->scratch && i < dcg_pool_threads(be->pool); i++)
		dcg_table_free(sb->scratch[i]);
	free(sb->scratch);
	dcg_table_free(sb->shared);
	dcg_table_free(sb->reduce);
	free(sb);
}

static int grow(struct dcg_backend *be, char **p, size_t bytes, struct dcg_error *err)
{
	void *bigger;
	int r = dcg_table_alloc(be, &bigger, bytes, 1, "scratch memory", err);
	if (r)
		return r;
	dcg_table_free(*p);
	*p = bigger;
	return 0;
}

int dcg_simd_scratch(struct dcg_backend *be, size_t scratch_bytes, size_t shared_bytes, struct dcg_error *err)
{
	struct simd_backend *sb = (struct simd_backend *)be;
	int r = 0, threads = dcg_pool_threads(be->pool);
	if (!sb->scratch && !(sb->scratch = calloc((size_t)threads, sizeof *sb->scratch)))
		return no_memory(err, "scratch memory");
	for (int i = 0; scratch_bytes > sb->scratch_bytes && i < threads; i++)
		if ((r = grow(be, &sb->scratch[i], scratch_bytes, err)))
			return r;
	if (scratch_bytes > sb->scratch_bytes)
		sb->scratch_bytes = scratch_bytes;
	if (shared_bytes > sb->shared_bytes) {
		if ((r = grow(be, &sb->shared, shared_bytes, err)))
			return r;
		sb->shared_bytes = shared_bytes;
	}
	return 0;
}

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
		return no_memory(err, "tensor");
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

int dcg_simd_param_new(struct dcg_backend *be, struct dcg_param **ret, int k, int c, int taps, struct dcg_error *err)
{
	struct dcg_param *p = calloc(1, sizeof *p);
	if (!p)
		return no_memory(err, "weights");
	p->count = (size_t)k * (size_t)c * (size_t)taps;
	p->k = k, p->c = c, p->taps = taps;
	size_t pitch = (p->count + 15) / 16 * 16;
	int r = dcg_table_floats(be, &p->part[0], pitch * DCG_PARTS, "weights", err);
	if (r) {
		free(p);
		return r;
	}
	/* What may never be written comes last: it takes no pages then. */
	static const enum dcg_part order[DCG_PARTS] = { DCG_VALUE, DCG_MOMENT1, DCG_MOMENT2, DCG_GRAD, DCG_AVERAGE };
	for (size_t i = 1; i < DCG_PARTS; i++)
		p->part[order[i]] = p->part[DCG_VALUE] + i * pitch;
	*ret = p;
	return 0;
}

void dcg_simd_param_free(struct dcg_param *p)
{
	if (!p)
		return;
	dcg_table_free(p->part[0]);
	free(p);
}

size_t dcg_simd_param_count(const struct dcg_param *p)
{
	return p->count;
}

void dcg_simd_param_share_grad(struct dcg_param *p, struct dcg_param *of)
{
	p->part[DCG_GRAD] = of->part[DCG_GRAD];
}

/* Memory [taps][c][k]; PyTorch [k][c][taps]. */
void dcg_simd_param_read(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out)
{
	(void)be;
	for (int tap = 0; tap < p->taps; tap++)
		for (int c = 0; c < p->c; c++) {
			const float *from = p->part[part] + ((size_t)tap * (size_t)p->c + (size_t)c) * (size_t)p->k;
			for (int k = 0; k < p->k; k++)
				out[((size_t)k * (size_t)p->c + (size_t)c) * (size_t)p->taps + (size_t)tap] = from[k];
		}
}

void dcg_simd_param_write(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in)
{
	(void)be;
	for (int tap = 0; tap < p->taps; tap++)
		for (int c = 0; c < p->c; c++) {
			float *to = p->part[part] + ((size_t)tap * (size_t)p->c + (size_t)c) * (size_t)p->k;
			for (int k = 0; k < p->k; k++)
				to[k] = in[((size_t)k * (size_t)p->c + (size_t)c) * (size_t)p->taps + (size_t)tap];
		}
}

struct dcg_param *dcg_simd_conv_weights(struct dcg_conv *conv)
{
	return conv->weights;
}

void dcg_simd_conv_free(struct dcg_conv *conv)
{
	if (!conv)
		return;
	dcg_simd_param_free(conv->weights);
	free(conv);
}

/* ---- Batch norm: memory and statistics ------------------------------------------------ */

int dcg_simd_bn_new(struct dcg_backend *be, struct dcg_bn **ret, struct dcg_shape shape, struct dcg_error *err)
{
	struct simd_backend *sb = (struct simd_backend *)be;
	size_t count;
	int r = dcg_shape_check(shape, &count, err);
	if (r)
		return r;
	const size_t cs = (size_t)dcg_simd_channel_stride(shape.c);
	struct dcg_bn *bn = calloc(1, sizeof *bn);
	if (!bn)
		return no_memory(err, "batch norm");
	bn->s = shape;
	bn->cs = (int)cs;
	/* Two sums for each channel of each block, and two rows of coefficients. */
	size_t rows = (size_t)shape.n * (size_t)shape.h * (size_t)shape.w;
	size_t reduce = ((rows + DCG_SIMD_BLOCK_ROWS - 1) / DCG_SIMD_BLOCK_ROWS + 1) * 2 * cs;
	if (reduce > sb->reduce_count) {
		void *bigger;
		if ((r = dcg_table_alloc(be, &bigger, reduce, sizeof *sb->reduce, "batch norm", err)))
			goto fail;
		dcg_table_free(sb->reduce);
		sb->reduce = bigger;
		sb->reduce_count = reduce;
	}
	if ((r = dcg_simd_param_new(be, &bn->gain, shape.c, 1, 1, err)) || (r = dcg_simd_param_new(be, &bn->bias, shape.c, 1, 1, err)) ||
	    (r = dcg_table_floats(be, &bn->running_mean, 6 * cs, "batch norm", err)))
		goto fail;
	bn->running_var = bn->running_mean + cs;
	bn->mean = bn->running_var + cs;
	bn->scale = bn->mean + cs;
	bn->slope = bn->scale + cs;
	bn->shift = bn->slope + cs;
	for (int c = 0; c < shape.c; c++)
		bn->running_var[c] = bn->gain->part[DCG_VALUE][c] = 1;
	*ret = bn;
	return 0;
fail:
	dcg_simd_bn_free(bn);
	return r;
}

void dcg_simd_bn_free(struct dcg_bn *bn)
{
	if (!bn)
		return;
	dcg_simd_param_free(bn->gain);
	dcg_simd_param_free(bn->bias);
	dcg_table_free(bn->running_mean);
	free(bn);
}

struct dcg_param *dcg_simd_bn_gain(struct dcg_bn *bn)
{
	return bn->gain;
}

struct dcg_param *dcg_simd_bn_bias(struct dcg_bn *bn)
{
	return bn->bias;
}

void dcg_simd_bn_statistics_read(struct dcg_backend *be, const struct dcg_bn *bn, float *mean, float *var)
{
	(void)be;
	memcpy(mean, bn->running_mean, (size_t)bn->s.c * sizeof *mean);
	memcpy(var, bn->running_var, (size_t)bn->s.c * sizeof *var);
}

void dcg_simd_bn_statistics_write(struct dcg_backend *be, struct dcg_bn *bn, const float *mean, const float *var)
{
	(void)be;
	memmove(bn->running_mean, mean, (size_t)bn->s.c * sizeof *mean);
	memmove(bn->running_var, var, (size_t)bn->s.c * sizeof *var);
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
