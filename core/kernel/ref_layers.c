/* The reference table's layers: convolution, batch normalisation, activation.
 * Indices as everywhere: big side [N][C][H][W], small side [N][K][P][Q], taps [R][S]. */
#include "kernel/ref.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* --- convolution -------------------------------------------------------------------- */

static void conv_free(struct dcg_conv *conv)
{
	if (!conv)
		return;
	dcg_ref_param_done(&conv->weights);
	dcg_table_free(conv);
}

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	size_t weights;
	void *p;
	int e = dcg_geometry_check(g, batch, &weights, err);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_conv), "convolution", err);
	if (e)
		return e;
	struct dcg_conv *conv = p;
	*conv = (struct dcg_conv){ .g = *g, .batch = batch };
	e = dcg_ref_param_init(be, &conv->weights, weights, err);
	if (e) {
		conv_free(conv);
		return e;
	}
	*ret = conv;
	return 0;
}

static struct dcg_param *conv_weights(struct dcg_conv *conv)
{
	return &conv->weights;
}

static void check_sides(const struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small)
{
	(void)conv, (void)big, (void)small;
	assert(big->shape.n == conv->batch && big->shape.c == conv->g.c && big->shape.h == conv->g.h && big->shape.w == conv->g.w);
	assert(small->shape.n == conv->batch && small->shape.c == conv->g.k && small->shape.h == conv->g.p && small->shape.w == conv->g.q);
}

/* small[n][k][p][q] = sum over c, r, s of big[n][c][p stride - pad + r][q stride - pad + s] w[k][c][r][s] */
static void conv_forward(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	(void)be;
	check_sides(conv, big, small);
	const struct dcg_conv_geometry g = conv->g;
	const float *weight = conv->weights.part[DCG_VALUE];
	for (int n = 0; n < conv->batch; n++)
		for (int k = 0; k < g.k; k++)
			for (int p = 0; p < g.p; p++)
				for (int q = 0; q < g.q; q++) {
					double sum = 0;
					for (int c = 0; c < g.c; c++)
						for (int r = 0; r < g.r; r++)
							for (int s = 0; s < g.s; s++) {
								int h = p * g.stride - g.pad + r, w = q * g.stride - g.pad + s;
								if (h < 0 || h >= g.h || w < 0 || w >= g.w)
									continue;
								sum += (double)big->at[(((size_t)n * g.c + c) * g.h + h) * g.w + w] *
								       weight[(((size_t)k * g.c + c) * g.r + r) * g.s + s];
							}
					small->at[(((size_t)n * g.k + k) * g.p + p) * g.q + q] = (float)sum;
				}
}

/* big[n][c][h][w] = sum over k and those r, s that reach a small pixel: p stride = h + pad - r, q stride = w + pad - s */
static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	(void)be;
	check_sides(conv, big, small);
	const struct dcg_conv_geometry g = conv->g;
	const float *weight = conv->weights.part[DCG_VALUE];
	for (int n = 0; n < conv->batch; n++)
		for (int c = 0; c < g.c; c++)
			for (int h = 0; h < g.h; h++)
				for (int w = 0; w < g.w; w++) {
					double sum = 0;
					for (int r = 0; r < g.r; r++)
						for (int s = 0; s < g.s; s++) {
							int ph = h + g.pad - r, qw = w + g.pad - s;
							if (ph < 0 || ph % g.stride || ph / g.stride >= g.p || qw < 0 || qw % g.stride || qw / g.stride >= g.q)
								continue;
							for (int k = 0; k < g.k; k++)
								sum += (double)small->at[(((size_t)n * g.k + k) * g.p + ph / g.stride) * g.q + qw / g.stride] *
								       weight[(((size_t)k * g.c + c) * g.r + r) * g.s + s];
						}
					big->at[(((size_t)n * g.c + c) * g.h + h) * g.w + w] = (float)sum;
				}
}

/* dw[k][c][r][s] (+)= sum over n, p, q of small[n][k][p][q] big[n][c][p stride - pad + r][q stride - pad + s] */
static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	(void)be;
	check_sides(conv, big, small);
	const struct dcg_conv_geometry g = conv->g;
	float *grad = conv->weights.part[DCG_GRAD];
	for (int k = 0; k < g.k; k++)
		for (int c = 0; c < g.c; c++)
			for (int r = 0; r < g.r; r++)
				for (int s = 0; s < g.s; s++) {
					float *at = &grad[(((size_t)k * g.c + c) * g.r + r) * g.s + s];
					double sum = accumulate ? *at : 0;
					for (int n = 0; n < conv->batch; n++)
						for (int p = 0; p < g.p; p++)
							for (int q = 0; q < g.q; q++) {
								int h = p * g.stride - g.pad + r, w = q * g.stride - g.pad + s;
								if (h < 0 || h >= g.h || w < 0 || w >= g.w)
									continue;
								sum += (double)small->at[(((size_t)n * g.k + k) * g.p + p) * g.q + q] *
								       big->at[(((size_t)n * g.c + c) * g.h + h) * g.w + w];
							}
					*at = (float)sum;
				}
}

/* --- activation --------------------------------------------------------------------- */

static double activate(double x, enum dcg_activation act)
{
	switch (act) {
	case DCG_RELU: return x > 0 ? x : 0;
	case DCG_LEAKY_RELU: return x > 0 ? x : x * DCG_LEAKY_SLOPE;
	case DCG_TANH: return tanh(x);
	case DCG_LINEAR: break;
	}
	return x;
}

/* d activation / dx at output y. */
static double slope(double y, enum dcg_activation act)
{
	switch (act) {
	case DCG_RELU: return y > 0 ? 1 : 0;
	case DCG_LEAKY_RELU: return y > 0 ? 1 : DCG_LEAKY_SLOPE;
	case DCG_TANH: return 1 - y * y;
	case DCG_LINEAR: break;
	}
	return 1;
}

static void act_forward(struct dcg_backend *be, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act)
{
	(void)be;
	assert(x->count == y->count);
	for (size_t i = 0; i < x->count; i++)
		y->at[i] = (float)activate(x->at[i], act);
}

static void act_backward(struct dcg_backend *be, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act)
{
	(void)be;
	assert(y->count == dy->count && y->count == dx->count);
	for (size_t i = 0; i < y->count; i++)
		dx->at[i] = (float)(dy->at[i] * slope(y->at[i], act));
}

/* --- batch normalisation ------------------------------------------------------------ */

static void bn_free(struct dcg_bn *bn)
{
	if (!bn)
		return;
	dcg_ref_param_done(&bn->gain);
	dcg_ref_param_done(&bn->bias);
	dcg_table_free(bn->running_mean);
	dcg_table_free(bn->running_var);
	dcg_table_free(bn->mean);
	dcg_table_free(bn->inv_std);
	dcg_table_free(bn);
}

static int bn_new(struct dcg_backend *be, struct dcg_bn **ret, struct dcg_shape shape, struct dcg_error *err)
{
	const size_t C = (size_t)shape.c;
	size_t count;
	void *p, *mean, *inv_std;
	int e = dcg_shape_check(shape, &count, err);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_bn), "batch norm", err);
	if (e)
		return e;
	struct dcg_bn *bn = p;
	*bn = (struct dcg_bn){ .shape = shape };
	if ((e = dcg_ref_param_init(be, &bn->gain, C, err)) || (e = dcg_ref_param_init(be, &bn->bias, C, err)) ||
	    (e = dcg_table_floats(be, &bn->running_mean, C, "batch norm", err)) ||
	    (e = dcg_table_floats(be, &bn->running_var, C, "batch norm", err)))
		goto fail;
	e = dcg_table_alloc(be, &mean, C, sizeof *bn->mean, "batch norm", err);
	bn->mean = mean;
	if (e)
		goto fail;
	e = dcg_table_alloc(be, &inv_std, C, sizeof *bn->inv_std, "batch norm", err);
	bn->inv_std = inv_std;
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

static void bn_forward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act, enum dcg_bn_mode mode)
{
	(void)be;
	const int N = bn->shape.n, C = bn->shape.c;
	const size_t HW = (size_t)bn->shape.h * bn->shape.w;
	const double count = (double)N * (double)HW;
	assert(x->count == (size_t)N * C * HW && y->count == x->count);
	bn->mode = mode;
	for (int c = 0; c < C; c++) {
		double mean = bn->running_mean[c], var = bn->running_var[c];
		if (mode != DCG_BN_RUNNING) {
			double sum = 0, squares = 0;
			for (int n = 0; n < N; n++)
				for (size_t i = 0; i < HW; i++)
					sum += x->at[((size_t)n * C + c) * HW + i];
			mean = sum / count;
			for (int n = 0; n < N; n++)
				for (size_t i = 0; i < HW; i++) {
					double d = x->at[((size_t)n * C + c) * HW + i] - mean;
					squares += d * d;
				}
			var = squares / count;
			if (mode == DCG_BN_BATCH) {
				double unbiased = count > 1 ? squares / (count - 1) : var;
				bn->running_mean[c] = (float)(bn->running_mean[c] + DCG_BN_MOMENTUM * (mean - bn->running_mean[c]));
				bn->running_var[c] = (float)(bn->running_var[c] + DCG_BN_MOMENTUM * (unbiased - bn->running_var[c]));
			}
		}
		bn->mean[c] = mean;
		bn->inv_std[c] = 1 / sqrt(var + DCG_BN_EPS);
		double gain = bn->gain.part[DCG_VALUE][c], bias = bn->bias.part[DCG_VALUE][c];
		for (int n = 0; n < N; n++)
			for (size_t i = 0; i < HW; i++) {
				size_t at = ((size_t)n * C + c) * HW + i;
				y->at[at] = (float)activate(gain * (x->at[at] - mean) * bn->inv_std[c] + bias, act);
			}
	}
}

/* With xhat = (x - mean) inv_std and da = dy act'(y):
 * dbias = sum da, dgain = sum da xhat,
 * dx = gain inv_std (da - mean(da) - xhat mean(da xhat)) when mean and variance are x's own,
 * dx = gain inv_std da when they are the running ones. */
static void bn_backward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act, int param_grads)
{
	(void)be;
	const int N = bn->shape.n, C = bn->shape.c;
	const size_t HW = (size_t)bn->shape.h * bn->shape.w;
	const double count = (double)N * (double)HW;
	assert(x->count == (size_t)N * C * HW && y->count == x->count && dy->count == x->count && dx->count == x->count);
	for (int c = 0; c < C; c++) {
		double mean = bn->mean[c], inv_std = bn->inv_std[c], gain = bn->gain.part[DCG_VALUE][c];
		double dbias = 0, dgain = 0;
		for (int n = 0; n < N; n++)
			for (size_t i = 0; i < HW; i++) {
				size_t at = ((size_t)n * C + c) * HW + i;
				double da = dy->at[at] * slope(y->at[at], act);
				dbias += da;
				dgain += da * (x->at[at] - mean) * inv_std;
			}
		int own = bn->mode != DCG_BN_RUNNING;
		for (int n = 0; n < N; n++)
			for (size_t i = 0; i < HW; i++) {
				size_t at = ((size_t)n * C + c) * HW + i;
				double da = dy->at[at] * slope(y->at[at], act), xhat = (x->at[at] - mean) * inv_std;
				dx->at[at] = (float)(gain * inv_std * (own ? da - dbias / count - xhat * dgain / count : da));
			}
		if (param_grads) {
			bn->gain.part[DCG_GRAD][c] = (float)(dgain + (param_grads == 2 ? bn->gain.part[DCG_GRAD][c] : 0));
			bn->bias.part[DCG_GRAD][c] = (float)(dbias + (param_grads == 2 ? bn->bias.part[DCG_GRAD][c] : 0));
		}
	}
}

void dcg_ref_layers(struct dcg_ops *ops)
{
	ops->conv_new = conv_new;
	ops->conv_free = conv_free;
	ops->conv_weights = conv_weights;
	ops->conv_forward = conv_forward;
	ops->conv_backward_data = conv_backward_data;
	ops->conv_backward_weights = conv_backward_weights;
	ops->bn_new = bn_new;
	ops->bn_free = bn_free;
	ops->bn_gain = bn_gain;
	ops->bn_bias = bn_bias;
	ops->bn_statistics_read = bn_statistics_read;
	ops->bn_statistics_write = bn_statistics_write;
	ops->bn_forward = bn_forward;
	ops->bn_backward = bn_backward;
	ops->act_forward = act_forward;
	ops->act_backward = act_backward;
}
