/* Activations alone, and the loss. */
#include "kernel/openblas.h"

#include <assert.h>
#include <math.h>

#include "kernel/openblas_slope.h"

struct job {
	const float *y, *x, *dy;
	float *out;
	size_t count;
	enum dcg_activation act;
};

DCG_INLINE void forward_span(const struct job *j, size_t from, size_t to, const enum dcg_activation act)
{
	const float *x = j->x;
	float *y = j->out;
	for (size_t i = from; i < to; i++)
		y[i] = dcg_activate(x[i], act);
}

DCG_INLINE void backward_span(const struct job *j, size_t from, size_t to, const enum dcg_activation act)
{
	const float *y = j->y, *dy = j->dy;
	float *dx = j->out;
	for (size_t i = from; i < to; i++)
		dx[i] = dy[i] * dcg_slope(y[i], act);
}

static size_t span(const struct job *j, int task, size_t *to)
{
	size_t from = (size_t)task * DCG_OPENBLAS_CHUNK;
	*to = from + DCG_OPENBLAS_CHUNK < j->count ? from + DCG_OPENBLAS_CHUNK : j->count;
	return from;
}

static void forward_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	size_t to, from = span(j, task, &to);
	switch (j->act) {
	case DCG_LINEAR: forward_span(j, from, to, DCG_LINEAR); break;
	case DCG_RELU: forward_span(j, from, to, DCG_RELU); break;
	case DCG_LEAKY_RELU: forward_span(j, from, to, DCG_LEAKY_RELU); break;
	case DCG_TANH: forward_span(j, from, to, DCG_TANH); break;
	}
}

static void backward_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	size_t to, from = span(j, task, &to);
	switch (j->act) {
	case DCG_LINEAR: backward_span(j, from, to, DCG_LINEAR); break;
	case DCG_RELU: backward_span(j, from, to, DCG_RELU); break;
	case DCG_LEAKY_RELU: backward_span(j, from, to, DCG_LEAKY_RELU); break;
	case DCG_TANH: backward_span(j, from, to, DCG_TANH); break;
	}
}

static void act_forward(struct dcg_backend *be, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act)
{
	assert(x->count == y->count);
	struct job j = { .x = x->at, .out = y->at, .count = x->count, .act = act };
	dcg_table_run(be, forward_task, &j, dcg_openblas_chunks(j.count));
}

static void act_backward(struct dcg_backend *be, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act)
{
	assert(y->count == dy->count && y->count == dx->count);
	struct job j = { .y = y->at, .dy = dy->at, .out = dx->at, .count = y->count, .act = act };
	dcg_table_run(be, backward_task, &j, dcg_openblas_chunks(j.count));
}

/* A few hundred numbers: one thread. */
static void bce(struct dcg_backend *be, const struct dcg_tensor *logits, float target, struct dcg_tensor *dlogits, struct dcg_bce *ret)
{
	(void)be;
	const int N = logits->shape.n;
	assert(logits->count == (size_t)N);
	double loss = 0, mean = 0;
	for (int n = 0; n < N; n++) {
		double x = logits->at[n], e = exp(-fabs(x)); /* of the smaller side: never overflows */
		double s = (x >= 0 ? 1 : e) / (1 + e);
		loss += (x > 0 ? x : 0) - x * target + log1p(e);
		mean += s;
		if (dlogits)
			dlogits->at[n] = (float)((s - target) / N);
	}
	ret->loss = (float)(loss / N);
	ret->mean_output = (float)(mean / N);
}

void dcg_openblas_activations(struct dcg_ops *ops)
{
	ops->act_forward = act_forward;
	ops->act_backward = act_backward;
	ops->bce = bce;
}
