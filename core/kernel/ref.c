/* The reference table: the definition of every operation as loops that can be checked
 * by eye against its formula. Sums are in double. Never to be optimised: it is what the
 * other tables are tested against. */
#include "kernel/ref.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int dcg_ref_open(struct dcg_base **ret, struct dcg_error *err)
{
	struct dcg_base *base = calloc(1, sizeof *base);
	if (!base)
		return dcg_error_set(err, DCG_ENOMEM, "kernel ref: out of memory");
	*ret = base;
	return 0;
}

static void ref_close(struct dcg_backend *be)
{
	free(be);
}

/* --- tensors -------------------------------------------------------------------- */

static void tensor_write(struct dcg_backend *be, struct dcg_tensor *t, const float *nchw)
{
	(void)be;
	memcpy(t->at, nchw, t->count * sizeof *nchw);
}

static void tensor_read(struct dcg_backend *be, const struct dcg_tensor *t, float *nchw)
{
	(void)be;
	memcpy(nchw, t->at, t->count * sizeof *nchw);
}

static void tensor_from_images(struct dcg_backend *be, struct dcg_tensor *t, const uint8_t *nhwc, const uint8_t *flip)
{
	(void)be;
	const int N = t->shape.n, C = t->shape.c, H = t->shape.h, W = t->shape.w;
	for (int n = 0; n < N; n++)
		for (int c = 0; c < C; c++)
			for (int h = 0; h < H; h++)
				for (int w = 0; w < W; w++) {
					int from = flip && flip[n] ? W - 1 - w : w;
					uint8_t v = nhwc[(((size_t)n * H + h) * W + from) * C + c];
					t->at[(((size_t)n * C + c) * H + h) * W + w] = (float)(v / 127.5 - 1);
				}
}

static void tensor_to_images(struct dcg_backend *be, const struct dcg_tensor *t, uint8_t *nhwc)
{
	(void)be;
	const int N = t->shape.n, C = t->shape.c, H = t->shape.h, W = t->shape.w;
	for (int n = 0; n < N; n++)
		for (int h = 0; h < H; h++)
			for (int w = 0; w < W; w++)
				for (int c = 0; c < C; c++) {
					double v = round((t->at[(((size_t)n * C + c) * H + h) * W + w] + 1.0) * 127.5);
					v = v > 0 ? v : 0; /* also NaN */
					v = v < 255 ? v : 255;
					nhwc[(((size_t)n * H + h) * W + w) * C + c] = (uint8_t)v;
				}
}

/* --- parameters ------------------------------------------------------------------- */

int dcg_ref_param_init(struct dcg_backend *be, struct dcg_param *p, size_t count, struct dcg_error *err)
{
	*p = (struct dcg_param){ .count = count };
	for (int i = 0; i < DCG_PARTS; i++) {
		int e = dcg_table_floats(be, &p->part[i], count, "parameters", err);
		if (e)
			return e;
	}
	return 0;
}

void dcg_ref_param_done(struct dcg_param *p)
{
	for (int i = 0; i < DCG_PARTS; i++)
		if (i != DCG_GRAD || !p->shares_grad)
			dcg_table_free(p->part[i]);
}

static void param_share_grad(struct dcg_param *p, struct dcg_param *of)
{
	if (!p->shares_grad)
		dcg_table_free(p->part[DCG_GRAD]);
	p->part[DCG_GRAD] = of->part[DCG_GRAD];
	p->shares_grad = 1;
}

static size_t param_count(const struct dcg_param *p)
{
	return p->count;
}

static void param_read(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out)
{
	(void)be;
	memcpy(out, p->part[part], p->count * sizeof *out);
}

static void param_write(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in)
{
	(void)be;
	memcpy(p->part[part], in, p->count * sizeof *in);
}

static void adam(struct dcg_backend *be, struct dcg_param *const *params, int count, const struct dcg_adam *hp)
{
	(void)be;
	const double b1 = hp->beta1, b2 = hp->beta2;
	const double correct1 = 1 - pow(b1, (double)hp->t), correct2 = 1 - pow(b2, (double)hp->t);
	for (int i = 0; i < count; i++) {
		struct dcg_param *p = params[i];
		for (size_t j = 0; j < p->count; j++) {
			double w = p->part[DCG_VALUE][j];
			double g = p->part[DCG_GRAD][j] + hp->weight_decay * w;
			double m = b1 * p->part[DCG_MOMENT1][j] + (1 - b1) * g;
			double v = b2 * p->part[DCG_MOMENT2][j] + (1 - b2) * g * g;
			w -= hp->lr * (m / correct1) / (sqrt(v / correct2) + hp->eps);
			p->part[DCG_MOMENT1][j] = (float)m;
			p->part[DCG_MOMENT2][j] = (float)v;
			p->part[DCG_VALUE][j] = (float)w;
			if (hp->average > 0)
				p->part[DCG_AVERAGE][j] = (float)(hp->average * (double)p->part[DCG_AVERAGE][j] + (1 - (double)hp->average) * w);
		}
	}
}

/* --- loss --------------------------------------------------------------------------- */

static void bce(struct dcg_backend *be, const struct dcg_tensor *logits, float target, struct dcg_tensor *dlogits, struct dcg_bce *ret)
{
	(void)be;
	const int N = logits->shape.n;
	assert(logits->count == (size_t)N);
	double loss = 0, mean = 0;
	for (int n = 0; n < N; n++) {
		double x = logits->at[n], y = target, e = exp(-fabs(x));
		double s = x >= 0 ? 1 / (1 + e) : e / (1 + e);
		loss += fmax(x, 0) - x * y + log1p(e);
		mean += s;
		if (dlogits)
			dlogits->at[n] = (float)((s - y) / N);
	}
	ret->loss = (float)(loss / N);
	ret->mean_output = (float)(mean / N);
}

void dcg_ref_basics(struct dcg_ops *ops)
{
	ops->close = ref_close;
	ops->tensor_new = dcg_plain_tensor_new;
	ops->tensor_view = dcg_plain_tensor_view;
	ops->tensor_free = dcg_plain_tensor_free;
	ops->tensor_write = tensor_write;
	ops->tensor_read = tensor_read;
	ops->tensor_from_images = tensor_from_images;
	ops->tensor_to_images = tensor_to_images;
	ops->param_count = param_count;
	ops->param_read = param_read;
	ops->param_write = param_write;
	ops->param_share_grad = param_share_grad;
	ops->adam = adam;
	ops->bce = bce;
}
