/* Parameters and Adam. All five parts of a parameter lie in the order in which the
 * weights' gradient is made, so that Adam is one linear pass; PyTorch's order exists
 * only at param_read and param_write. */
#include "kernel/openblas.h"

#include <math.h>

int dcg_openblas_param_init(struct dcg_backend *be, struct dcg_param *p, int k, int c, int t, int thin, struct dcg_error *err)
{
	const size_t K = (size_t)k, C = (size_t)c, T = (size_t)t;
	*p = (struct dcg_param){ .k = k, .c = c, .t = t, .count = K * C * T, .step_k = C, .step_c = 1, .step_t = K * C };
	if (thin) /* [K][T][C] instead of [T][K][C] */
		p->step_k = T * C, p->step_t = C;
	for (int i = 0; i < DCG_PARTS; i++) {
		int e = dcg_table_floats(be, &p->part[i], p->count, "parameters", err);
		if (e)
			return e;
	}
	return 0;
}

void dcg_openblas_param_done(struct dcg_param *p)
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

struct transfer {
	const struct dcg_param *p;
	float *packed, *out;
	const float *in; /* to write from, or NULL to read into out */
};

static void transfer_task(void *ctx, int k, int worker)
{
	(void)worker;
	const struct transfer *j = ctx;
	const struct dcg_param *p = j->p;
	size_t plain = (size_t)k * (size_t)p->c * (size_t)p->t;
	for (int c = 0; c < p->c; c++)
		for (int t = 0; t < p->t; t++, plain++) {
			size_t packed = (size_t)k * p->step_k + (size_t)c * p->step_c + (size_t)t * p->step_t;
			if (j->in)
				j->packed[packed] = j->in[plain];
			else
				j->out[plain] = j->packed[packed];
		}
}

static void param_read(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out)
{
	struct transfer j = { p, p->part[part], out, NULL };
	dcg_table_run(be, transfer_task, &j, p->k);
}

static void param_write(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in)
{
	struct transfer j = { p, p->part[part], NULL, in };
	dcg_table_run(be, transfer_task, &j, p->k);
}

/* Adam's constants, worked out once an update. */
struct adam {
	struct dcg_param *const *params;
	float b1, rest1, b2, rest2; /* rest = 1 - beta */
	float step;                 /* lr / (1 - beta1^t) */
	float root;                 /* 1 / sqrt(1 - beta2^t) */
	float eps, decay, average, rest_average;
};

static void adam_span(const struct adam *a, size_t count, float *restrict value, const float *restrict grad,
		      float *restrict moment1, float *restrict moment2)
{
	const float b1 = a->b1, rest1 = a->rest1, b2 = a->b2, rest2 = a->rest2;
	const float step = a->step, root = a->root, eps = a->eps, decay = a->decay;
	for (size_t i = 0; i < count; i++) {
		float g = grad[i] + decay * value[i];
		float m = b1 * moment1[i] + rest1 * g;
		float v = b2 * moment2[i] + rest2 * (g * g);
		moment1[i] = m;
		moment2[i] = v;
		value[i] -= step * m / (sqrtf(v) * root + eps);
	}
}

static void average_span(const struct adam *a, size_t count, float *restrict average, const float *restrict value)
{
	const float keep = a->average, rest = a->rest_average;
	for (size_t i = 0; i < count; i++)
		average[i] = keep * average[i] + rest * value[i];
}

static void adam_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct adam *a = ctx;
	struct dcg_param *const *p = a->params;
	for (; task >= dcg_openblas_chunks((*p)->count); p++)
		task -= dcg_openblas_chunks((*p)->count);
	float *const *part = (*p)->part;
	size_t from = (size_t)task * DCG_OPENBLAS_CHUNK, count = (*p)->count - from;
	count = count < DCG_OPENBLAS_CHUNK ? count : DCG_OPENBLAS_CHUNK;
	adam_span(a, count, part[DCG_VALUE] + from, part[DCG_GRAD] + from, part[DCG_MOMENT1] + from, part[DCG_MOMENT2] + from);
	if (a->average > 0)
		average_span(a, count, part[DCG_AVERAGE] + from, part[DCG_VALUE] + from);
}

static void adam(struct dcg_backend *be, struct dcg_param *const *params, int count, const struct dcg_adam *hp)
{
	const double b1 = hp->beta1, b2 = hp->beta2, t = (double)hp->t;
	struct adam a = {
		.params = params,
		.b1 = hp->beta1, .rest1 = (float)(1 - b1), .b2 = hp->beta2, .rest2 = (float)(1 - b2),
		.step = (float)(hp->lr / (1 - pow(b1, t))), .root = (float)(1 / sqrt(1 - pow(b2, t))),
		.eps = hp->eps, .decay = hp->weight_decay,
		.average = hp->average, .rest_average = (float)(1 - (double)hp->average),
	};
	int tasks = 0;
	for (int i = 0; i < count; i++)
		tasks += dcg_openblas_chunks(params[i]->count);
	dcg_table_run(be, adam_task, &a, tasks);
}

void dcg_openblas_params(struct dcg_ops *ops)
{
	ops->param_count = param_count;
	ops->param_read = param_read;
	ops->param_write = param_write;
	ops->param_share_grad = param_share_grad;
	ops->adam = adam;
}
