#include "kernel/simd/simd.h"

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
	dcg_table_one_blas_thread();
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

/* Memory [taps][c][k]; PyTorch [k][c][taps]. A task has some channels c of all taps: the pages of new
 * weights are first written by the threads that will work on such a part, and few tasks share a line. */
struct transfer {
	const struct dcg_param *p;
	enum dcg_part part;
	float *out;      /* read */
	const float *in; /* write */
};
enum { TRANSFER_CHANNELS = 8 };

static void transfer_task(void *ctx, int task, int worker)
{
	const struct transfer *t = ctx;
	const struct dcg_param *p = t->p;
	const size_t taps = (size_t)p->taps, cs = (size_t)p->c, ks = (size_t)p->k;
	size_t first = (size_t)task * TRANSFER_CHANNELS, end = first + TRANSFER_CHANNELS < cs ? first + TRANSFER_CHANNELS : cs;
	float *part = p->part[t->part];
	(void)worker;
	/* What is written goes in order, in either direction. */
	for (size_t c = first; t->out && c < end; c++)
		for (size_t k = 0; k < ks; k++)
			for (size_t tap = 0; tap < taps; tap++)
				t->out[(k * cs + c) * taps + tap] = part[(tap * cs + c) * ks + k];
	for (size_t tap = 0; t->in && tap < taps; tap++)
		for (size_t c = first; c < end; c++)
			for (size_t k = 0; k < ks; k++)
				part[(tap * cs + c) * ks + k] = t->in[(k * cs + c) * taps + tap];
}

static void transfer(struct dcg_backend *be, struct transfer t)
{
	dcg_table_run(be, transfer_task, &t, (t.p->c + TRANSFER_CHANNELS - 1) / TRANSFER_CHANNELS);
}

void dcg_simd_param_read(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out)
{
	transfer(be, (struct transfer){ p, part, out, NULL });
}

void dcg_simd_param_write(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in)
{
	transfer(be, (struct transfer){ p, part, NULL, in });
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
