/* Batch normalisation in the direct layout: rows (pixel, n) of C channels.
 *
 * Sums are made in blocks of BLOCK rows in float, those of a task in double, and those of
 * the tasks in double in order. Forward statistics of a block are taken about its first
 * row, so that a mean far from zero costs no precision, and one pass over memory is enough. */
#include "kernel/openblas.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/openblas_slope.h"

enum { BLOCK = 64, CHANNELS = 128, MOST_TASKS = 64 };

struct dcg_bn {
	struct dcg_shape shape;
	size_t rows, task_rows;
	int tasks;
	struct dcg_param gain, bias;       /* [C] */
	float *running_mean, *running_var; /* [C] */
	float *mean, *inv_std;             /* [C], those of the last forward */
	double *sums;                      /* [task][2][C] */
	enum dcg_bn_mode mode;             /* of the last forward */
	/* Backward: dx = scale (da - offset - slope (x - mean)) [C] each */
	float *scale, *offset, *tilt;
};

struct job {
	struct dcg_bn *bn;
	const float *x, *y, *dy;
	float *out;
	enum dcg_activation act;
};

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- statistics ---------------------------------------------------------------------- */

/* Merge the mean and squared deviations of n more rows into those of `before` rows (Chan,
 * Golub, LeVeque 1979). sum, squares: of the block's differences from pivot. */
static void merge_block(double *mean, double *m2, size_t before, size_t n, const float *pivot, const float *sum, const float *squares, size_t channels)
{
	const double share = (double)n / (double)(before + n), weight = (double)before * share, one = 1 / (double)n;
	for (size_t c = 0; c < channels; c++) {
		double shift = sum[c] * one, d = pivot[c] + shift - mean[c];
		mean[c] += d * share;
		m2[c] += squares[c] - sum[c] * shift + d * d * weight;
	}
}

static void statistics_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const struct dcg_bn *bn = j->bn;
	const size_t C = (size_t)bn->shape.c, first = (size_t)task * bn->task_rows, end = min_size(first + bn->task_rows, bn->rows);
	double *mean = bn->sums + (size_t)task * 2 * C, *m2 = mean + C;
	memset(mean, 0, 2 * C * sizeof *mean);
	for (size_t row = first; row < end; row += BLOCK) {
		const size_t n = min_size(BLOCK, end - row);
		for (size_t c0 = 0; c0 < C; c0 += CHANNELS) {
			const size_t channels = min_size(CHANNELS, C - c0);
			const float *pivot = j->x + row * C + c0;
			float sum[CHANNELS] = { 0 }, squares[CHANNELS] = { 0 };
			for (size_t i = 1; i < n; i++)
				for (size_t c = 0; c < channels; c++) {
					float d = pivot[i * C + c] - pivot[c];
					sum[c] += d;
					squares[c] += d * d;
				}
			merge_block(mean + c0, m2 + c0, row - first, n, pivot, sum, squares, channels);
		}
	}
}

static void finish_statistics(struct dcg_bn *bn)
{
	const size_t C = (size_t)bn->shape.c;
	const double count = (double)bn->rows;
	for (size_t c = 0; c < C; c++) {
		double mean = 0, m2 = 0, before = 0;
		for (int t = 0; t < bn->tasks; t++) {
			double n = (double)min_size(bn->task_rows, bn->rows - (size_t)t * bn->task_rows);
			double d = bn->sums[(size_t)t * 2 * C + c] - mean;
			mean += d * n / (before + n);
			m2 += bn->sums[((size_t)t * 2 + 1) * C + c] + d * d * before * n / (before + n);
			before += n;
		}
		bn->mean[c] = (float)mean;
		bn->inv_std[c] = (float)(1 / sqrt(m2 / count + DCG_BN_EPS));
		if (bn->mode == DCG_BN_BATCH) {
			double var = m2 / (bn->rows > 1 ? count - 1 : 1);
			bn->running_mean[c] = (float)(bn->running_mean[c] + DCG_BN_MOMENTUM * (mean - bn->running_mean[c]));
			bn->running_var[c] = (float)(bn->running_var[c] + DCG_BN_MOMENTUM * (var - bn->running_var[c]));
		}
	}
}

/* --- forward -------------------------------------------------------------------------- */

DCG_INLINE void forward_rows(const struct job *j, size_t from, size_t to, const enum dcg_activation act)
{
	const size_t C = (size_t)j->bn->shape.c;
	const float *mean = j->bn->mean, *scale = j->bn->scale, *bias = j->bn->bias.part[DCG_VALUE];
	for (size_t row = from; row < to; row++) {
		const float *x = j->x + row * C;
		float *y = j->out + row * C;
		for (size_t c = 0; c < C; c++)
			y[c] = dcg_activate((x[c] - mean[c]) * scale[c] + bias[c], act);
	}
}

static void forward_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const size_t from = (size_t)task * j->bn->task_rows, to = min_size(from + j->bn->task_rows, j->bn->rows);
	switch (j->act) {
	case DCG_LINEAR: forward_rows(j, from, to, DCG_LINEAR); break;
	case DCG_RELU: forward_rows(j, from, to, DCG_RELU); break;
	case DCG_LEAKY_RELU: forward_rows(j, from, to, DCG_LEAKY_RELU); break;
	case DCG_TANH: forward_rows(j, from, to, DCG_TANH); break;
	}
}

static void bn_forward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act, enum dcg_bn_mode mode)
{
	const size_t C = (size_t)bn->shape.c;
	assert(x->count == bn->rows * C && y->count == x->count);
	struct job j = { .bn = bn, .x = x->at, .out = y->at, .act = act };
	bn->mode = mode;
	if (mode == DCG_BN_RUNNING) {
		for (size_t c = 0; c < C; c++) {
			bn->mean[c] = bn->running_mean[c];
			bn->inv_std[c] = (float)(1 / sqrt((double)bn->running_var[c] + DCG_BN_EPS));
		}
	} else {
		dcg_table_run(be, statistics_task, &j, bn->tasks);
		finish_statistics(bn);
	}
	for (size_t c = 0; c < C; c++)
		bn->scale[c] = bn->gain.part[DCG_VALUE][c] * bn->inv_std[c];
	dcg_table_run(be, forward_task, &j, bn->tasks);
}

/* --- backward ------------------------------------------------------------------------- */

/* Of da = dy act'(y): sum da, sum da (x - mean). */
DCG_INLINE void backward_sums(const struct job *j, int task, const enum dcg_activation act)
{
	const struct dcg_bn *bn = j->bn;
	const size_t C = (size_t)bn->shape.c, first = (size_t)task * bn->task_rows, end = min_size(first + bn->task_rows, bn->rows);
	double *sums = bn->sums + (size_t)task * 2 * C;
	memset(sums, 0, 2 * C * sizeof *sums);
	for (size_t row = first; row < end; row += BLOCK)
		for (size_t c0 = 0; c0 < C; c0 += CHANNELS) {
			const size_t channels = min_size(CHANNELS, C - c0), n = min_size(BLOCK, end - row), at = row * C + c0;
			const float *mean = bn->mean + c0;
			float da_sum[CHANNELS] = { 0 }, xda_sum[CHANNELS] = { 0 };
			for (size_t i = 0; i < n; i++) {
				const float *x = j->x + at + i * C, *y = j->y + at + i * C, *dy = j->dy + at + i * C;
				for (size_t c = 0; c < channels; c++) {
					float da = dy[c] * dcg_slope(y[c], act);
					da_sum[c] += da;
					xda_sum[c] += da * (x[c] - mean[c]);
				}
			}
			for (size_t c = 0; c < channels; c++) {
				sums[c0 + c] += da_sum[c];
				sums[C + c0 + c] += xda_sum[c];
			}
		}
}

static void backward_sums_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	switch (j->act) {
	case DCG_LINEAR: backward_sums(j, task, DCG_LINEAR); break;
	case DCG_RELU: backward_sums(j, task, DCG_RELU); break;
	case DCG_LEAKY_RELU: backward_sums(j, task, DCG_LEAKY_RELU); break;
	case DCG_TANH: backward_sums(j, task, DCG_TANH); break;
	}
}

DCG_INLINE void backward_rows(const struct job *j, size_t from, size_t to, const enum dcg_activation act)
{
	const struct dcg_bn *bn = j->bn;
	const size_t C = (size_t)bn->shape.c;
	const float *mean = bn->mean, *scale = bn->scale, *offset = bn->offset, *tilt = bn->tilt;
	for (size_t row = from; row < to; row++) {
		const float *x = j->x + row * C, *y = j->y + row * C, *dy = j->dy + row * C;
		float *dx = j->out + row * C;
		for (size_t c = 0; c < C; c++)
			dx[c] = scale[c] * (dy[c] * dcg_slope(y[c], act) - offset[c] - tilt[c] * (x[c] - mean[c]));
	}
}

static void backward_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const size_t from = (size_t)task * j->bn->task_rows, to = min_size(from + j->bn->task_rows, j->bn->rows);
	switch (j->act) {
	case DCG_LINEAR: backward_rows(j, from, to, DCG_LINEAR); break;
	case DCG_RELU: backward_rows(j, from, to, DCG_RELU); break;
	case DCG_LEAKY_RELU: backward_rows(j, from, to, DCG_LEAKY_RELU); break;
	case DCG_TANH: backward_rows(j, from, to, DCG_TANH); break;
	}
}

static void bn_backward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act, int param_grads)
{
	const size_t C = (size_t)bn->shape.c;
	const double count = (double)bn->rows;
	const int own = bn->mode != DCG_BN_RUNNING; /* running statistics do not depend on x */
	assert(x->count == bn->rows * C && y->count == x->count && dy->count == x->count && dx->count == x->count);
	struct job j = { .bn = bn, .x = x->at, .y = y->at, .dy = dy->at, .out = dx->at, .act = act };
	dcg_table_run(be, backward_sums_task, &j, bn->tasks);
	for (size_t c = 0; c < C; c++) {
		double da = 0, xda = 0, inv_std = bn->inv_std[c];
		for (int t = 0; t < bn->tasks; t++) {
			da += bn->sums[(size_t)t * 2 * C + c];
			xda += bn->sums[((size_t)t * 2 + 1) * C + c];
		}
		bn->scale[c] = bn->gain.part[DCG_VALUE][c] * bn->inv_std[c];
		bn->offset[c] = own ? (float)(da / count) : 0;
		bn->tilt[c] = own ? (float)(xda * inv_std * inv_std / count) : 0;
		if (param_grads) {
			bn->gain.part[DCG_GRAD][c] = (float)(xda * inv_std + (param_grads == 2 ? bn->gain.part[DCG_GRAD][c] : 0));
			bn->bias.part[DCG_GRAD][c] = (float)(da + (param_grads == 2 ? bn->bias.part[DCG_GRAD][c] : 0));
		}
	}
	dcg_table_run(be, backward_task, &j, bn->tasks);
}

/* --- objects --------------------------------------------------------------------------- */

static void bn_free(struct dcg_bn *bn)
{
	if (!bn)
		return;
	dcg_openblas_param_done(&bn->gain);
	dcg_openblas_param_done(&bn->bias);
	float *const arrays[] = { bn->running_mean, bn->running_var, bn->mean, bn->inv_std, bn->scale, bn->offset, bn->tilt };
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
		dcg_table_free(arrays[i]);
	dcg_table_free(bn->sums);
	dcg_table_free(bn);
}

static int bn_new(struct dcg_backend *be, struct dcg_bn **ret, struct dcg_shape shape, struct dcg_error *err)
{
	size_t count;
	void *p;
	int e = dcg_shape_check(shape, &count, err);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_bn), "batch norm", err);
	if (e)
		return e;
	struct dcg_bn *bn = p;
	const size_t C = (size_t)shape.c;
	*bn = (struct dcg_bn){ .shape = shape, .rows = count / C };
	bn->task_rows = ((bn->rows + MOST_TASKS - 1) / MOST_TASKS + BLOCK - 1) / BLOCK * BLOCK;
	bn->tasks = (int)((bn->rows + bn->task_rows - 1) / bn->task_rows);
	if ((e = dcg_openblas_param_init(be, &bn->gain, 1, shape.c, 1, 0, err)) || (e = dcg_openblas_param_init(be, &bn->bias, 1, shape.c, 1, 0, err)))
		goto fail;
	float **const arrays[] = { &bn->running_mean, &bn->running_var, &bn->mean, &bn->inv_std, &bn->scale, &bn->offset, &bn->tilt };
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
		e = dcg_table_floats(be, arrays[i], C, "batch norm", err);
		if (e)
			goto fail;
	}
	e = dcg_table_alloc(be, &p, (size_t)bn->tasks * 2 * C, sizeof *bn->sums, "batch norm", err);
	bn->sums = p;
	if (e)
		goto fail;
	for (size_t c = 0; c < C; c++)
		bn->gain.part[DCG_VALUE][c] = bn->running_var[c] = 1;
	*ret = bn;
	return 0;
fail:
	bn_free(bn);
	return e;
}

static struct dcg_param *bn_gain(struct dcg_bn *bn)
{
	return &bn->gain;
}

static struct dcg_param *bn_bias(struct dcg_bn *bn)
{
	return &bn->bias;
}

static void bn_statistics_read(struct dcg_backend *be, const struct dcg_bn *bn, float *mean, float *var)
{
	(void)be;
	memcpy(mean, bn->running_mean, (size_t)bn->shape.c * sizeof *mean);
	memcpy(var, bn->running_var, (size_t)bn->shape.c * sizeof *var);
}

static void bn_statistics_write(struct dcg_backend *be, struct dcg_bn *bn, const float *mean, const float *var)
{
	(void)be;
	memcpy(bn->running_mean, mean, (size_t)bn->shape.c * sizeof *mean);
	memcpy(bn->running_var, var, (size_t)bn->shape.c * sizeof *var);
}

void dcg_openblas_norms(struct dcg_ops *ops)
{
	ops->bn_new = bn_new;
	ops->bn_free = bn_free;
	ops->bn_gain = bn_gain;
	ops->bn_bias = bn_bias;
	ops->bn_statistics_read = bn_statistics_read;
	ops->bn_statistics_write = bn_statistics_write;
	ops->bn_forward = bn_forward;
	ops->bn_backward = bn_backward;
}
