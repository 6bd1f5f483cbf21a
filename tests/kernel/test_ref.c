/* The reference table against oracles that share nothing with it: other formulations
 * in double, finite differences, values worked out by hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernel/fixture.h"
#include "tests/tap.h"

/* What finite differences of a double function leave of its derivative. */
static const struct tolerance differences = { "double", 1e-5, 1e-4 };

static struct dcg_backend *be;
static const struct dcg_ops *ops;
static struct dcg_rng rng;

static void setup(void)
{
	be = open_backend("ref", 1);
	ops = be->ops;
	dcg_rng_init(&rng, 1, 0);
}

static void teardown(void)
{
	dcg_backend_close(be);
}

/* --- convolution ----------------------------------------------------------------- */

static const int conv_cases[][8] = { /* c, h, w, k, r, s, stride, pad */
	{ 2, 6, 6, 3, 4, 4, 2, 1 }, { 1, 6, 4, 2, 5, 5, 2, 2 }, { 2, 4, 5, 2, 3, 3, 1, 1 }, { 3, 5, 5, 2, 3, 3, 2, 1 },
	{ 2, 4, 4, 3, 4, 4, 1, 0 }, { 2, 7, 5, 2, 4, 3, 2, 1 }, { 1, 8, 7, 2, 2, 2, 3, 0 }, { 2, 3, 3, 2, 2, 2, 1, 3 }, { 2, 1, 1, 3, 1, 1, 1, 0 },
};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases, BATCH = 2 };

static struct dcg_conv_geometry conv_case(int i)
{
	const int *v = conv_cases[i];
	return geometry(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]);
}

/* Each big pixel is sent through each tap to the small pixel where it counts, if any:
 * the other way round than in ref. */
static void send(const struct dcg_conv_geometry *g, const double *big, const double *weight, double *small)
{
	memset(small, 0, shape_count(small_shape(g, BATCH)) * sizeof *small);
	for (int n = 0; n < BATCH; n++)
		for (int c = 0; c < g->c; c++)
			for (int h = 0; h < g->h; h++)
				for (int w = 0; w < g->w; w++)
					for (int r = 0; r < g->r; r++)
						for (int s = 0; s < g->s; s++) {
							div_t p = div(h + g->pad - r, g->stride), q = div(w + g->pad - s, g->stride);
							if (p.rem || q.rem || p.quot < 0 || q.quot < 0 || p.quot >= g->p || q.quot >= g->q)
								continue;
							for (int k = 0; k < g->k; k++)
								small[((n * g->k + k) * g->p + p.quot) * g->q + q.quot] +=
									big[((n * g->c + c) * g->h + h) * g->w + w] * weight[((k * g->c + c) * g->r + r) * g->s + s];
						}
}

/* sum of y . small(big, weight) */
static double objective(const struct dcg_conv_geometry *g, const double *big, const double *weight, const double *y, double *small)
{
	send(g, big, weight, small);
	double sum = 0;
	for (size_t i = 0; i < shape_count(small_shape(g, BATCH)); i++)
		sum += y[i] * small[i];
	return sum;
}

START_TEST(convolutions)
{
	const struct dcg_conv_geometry g = conv_case(_i);
	const struct dcg_shape bs = big_shape(&g, BATCH), ss = small_shape(&g, BATCH);
	const size_t bc = shape_count(bs), sc = shape_count(ss), wc = weight_count(&g);
	float *x = normal(&rng, bc), *y = normal(&rng, sc), *w = normal(&rng, wc);
	double *xd = doubles(x, bc), *yd = doubles(y, sc), *wd = doubles(w, wc), *small = calloc(sc, sizeof *small);
	double *dx = calloc(bc, sizeof *dx), *dw = calloc(wc, sizeof *dw);
	struct dcg_conv *conv;
	ck_assert_int_eq(ops->conv_new(be, &conv, &g, BATCH, NULL), 0);
	struct dcg_param *p = ops->conv_weights(conv);
	ck_assert_uint_eq(ops->param_count(p), wc);
	ops->param_write(be, p, DCG_VALUE, w);
	struct dcg_tensor *big = tensor(be, bs, x), *out = tensor(be, ss, NULL), *in = tensor(be, ss, y), *dbig = tensor(be, bs, x);

	ops->conv_forward(be, conv, big, out);
	send(&g, xd, wd, small);
	float *found = read_tensor(be, out, ss);
	assert_near_double(found, small, sc, &fp32, "forward");
	free(found);

	const double step = 0.5; /* the objective is linear in each argument: any step is exact */
	for (size_t i = 0; i < bc; i++) {
		double keep = xd[i];
		xd[i] = keep + step;
		dx[i] = objective(&g, xd, wd, yd, small);
		xd[i] = keep - step;
		dx[i] = (dx[i] - objective(&g, xd, wd, yd, small)) / (2 * step);
		xd[i] = keep;
	}
	ops->conv_backward_data(be, conv, in, dbig);
	found = read_tensor(be, dbig, bs);
	assert_near_double(found, dx, bc, &fp32, "backward data");
	free(found);

	for (size_t i = 0; i < wc; i++) {
		double keep = wd[i];
		wd[i] = keep + step;
		dw[i] = objective(&g, xd, wd, yd, small);
		wd[i] = keep - step;
		dw[i] = (dw[i] - objective(&g, xd, wd, yd, small)) / (2 * step);
		wd[i] = keep;
	}
	ops->conv_backward_weights(be, conv, big, in, 0);
	ops->conv_backward_weights(be, conv, big, in, 0);
	found = read_part(be, p, DCG_GRAD);
	assert_near_double(found, dw, wc, &fp32, "backward weights");
	free(found);
	ops->conv_backward_weights(be, conv, big, in, 1);
	found = read_part(be, p, DCG_GRAD);
	for (size_t i = 0; i < wc; i++)
		dw[i] *= 2;
	assert_near_double(found, dw, wc, &fp32, "backward weights, accumulated");
	free(found);

	ops->tensor_free(big), ops->tensor_free(out), ops->tensor_free(in), ops->tensor_free(dbig);
	ops->conv_free(conv);
	free(x), free(y), free(w), free(xd), free(yd), free(wd), free(small), free(dx), free(dw);
}
END_TEST

/* 1 2 3        4x4 by hand: the kernel [1 2; 3 4] over a 3x3 picture, stride 2, pad 1
 * 4 5 6   ->   sees the corners only. */
START_TEST(convolution_by_hand)
{
	const struct dcg_conv_geometry g = geometry(1, 3, 3, 1, 2, 2, 2, 1);
	struct dcg_conv *conv;
	ck_assert_int_eq(ops->conv_new(be, &conv, &g, 1, NULL), 0);
	ops->param_write(be, ops->conv_weights(conv), DCG_VALUE, (float[]){ 1, 2, 3, 4 });
	struct dcg_tensor *big = tensor(be, big_shape(&g, 1), (float[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9 });
	struct dcg_tensor *small = tensor(be, small_shape(&g, 1), NULL);
	ops->conv_forward(be, conv, big, small);
	float out[9];
	ops->tensor_read(be, small, out);
	/* 4*1; 3*2 + 4*3; 2*4 + 4*7; 1*5 + 2*6 + 3*8 + 4*9 */
	ck_assert_mem_eq(out, ((float[]){ 4, 18, 36, 77 }), 4 * sizeof *out);
	ops->tensor_write(be, small, (float[]){ 1, 10, 100, 1000 });
	ops->conv_backward_data(be, conv, small, big);
	ops->tensor_read(be, big, out);
	ck_assert_mem_eq(out, ((float[]){ 4, 30, 40, 200, 1000, 2000, 400, 3000, 4000 }), sizeof out);
	ops->tensor_free(big), ops->tensor_free(small);
	ops->conv_free(conv);
}
END_TEST

/* --- batch normalisation ------------------------------------------------------------ */

enum { N = 3, C = 2, HW = 4, ALL = N * C * HW };
static const struct dcg_shape bn_shape = { N, C, 2, 2 };

struct norm {
	double x[ALL], gain[C], bias[C];
	double mean[C], var[C]; /* running ones, where they are used */
	enum dcg_bn_mode mode;
	enum dcg_activation act;
};

static double activation(double v, enum dcg_activation act)
{
	return act == DCG_TANH ? tanh(v) : v > 0 || act == DCG_LINEAR ? v : act == DCG_RELU ? 0 : 0.2 * v;
}

/* Statistics by the textbook's sums of x and x^2. */
static double norm_objective(const struct norm *m, const double *weight, double *y)
{
	double total = 0;
	for (int c = 0; c < C; c++) {
		double sum = 0, squares = 0, count = N * HW;
		for (int i = 0; i < ALL; i++)
			if (i / HW % C == c)
				sum += m->x[i], squares += m->x[i] * m->x[i];
		double mean = m->mode == DCG_BN_RUNNING ? m->mean[c] : sum / count;
		double var = m->mode == DCG_BN_RUNNING ? m->var[c] : squares / count - mean * mean;
		for (int i = 0; i < ALL; i++)
			if (i / HW % C == c) {
				y[i] = activation((m->x[i] - mean) / sqrt(var + DCG_BN_EPS) * m->gain[c] + m->bias[c], m->act);
				total += weight[i] * y[i];
			}
	}
	return total;
}

static double derivative(struct norm *m, const double *weight, double *of)
{
	const double step = 1e-5, keep = *of;
	double y[ALL];
	*of = keep + step;
	double d = norm_objective(m, weight, y);
	*of = keep - step;
	d -= norm_objective(m, weight, y);
	*of = keep;
	return d / (2 * step);
}

static void copy(double *to, const float *from, int count)
{
	for (int i = 0; i < count; i++)
		to[i] = from[i];
}

START_TEST(batch_norms)
{
	struct norm m = { .mode = (enum dcg_bn_mode)(_i / 4), .act = (enum dcg_activation)(_i % 4) };
	float *x = normal(&rng, ALL), *dy = normal(&rng, ALL), *gain = normal(&rng, C), *bias = normal(&rng, C);
	float *mean = normal(&rng, C), *var = uniform(&rng, C, 0.5F, 2);
	double weight[ALL], y[ALL], dx[ALL], dgain[C], dbias[C];
	copy(m.x, x, ALL), copy(weight, dy, ALL), copy(m.gain, gain, C), copy(m.bias, bias, C), copy(m.mean, mean, C), copy(m.var, var, C);

	struct dcg_bn *bn;
	ck_assert_int_eq(ops->bn_new(be, &bn, bn_shape, NULL), 0);
	ops->param_write(be, ops->bn_gain(bn), DCG_VALUE, gain);
	ops->param_write(be, ops->bn_bias(bn), DCG_VALUE, bias);
	ops->bn_statistics_write(be, bn, mean, var);
	struct dcg_tensor *tx = tensor(be, bn_shape, x), *ty = tensor(be, bn_shape, NULL), *tdy = tensor(be, bn_shape, dy);

	ops->bn_forward(be, bn, tx, ty, m.act, m.mode);
	norm_objective(&m, weight, y);
	float *found = read_tensor(be, ty, bn_shape);
	assert_near_double(found, y, ALL, &fp32, "forward");
	free(found);

	for (int i = 0; i < ALL; i++)
		dx[i] = derivative(&m, weight, &m.x[i]);
	for (int c = 0; c < C; c++) {
		dgain[c] = derivative(&m, weight, &m.gain[c]);
		dbias[c] = derivative(&m, weight, &m.bias[c]);
	}
	for (int grads = 1; grads >= 0; grads--) { /* 0 leaves the gradients of 1; dx may be dy */
		ops->bn_backward(be, bn, tx, ty, tdy, tdy, m.act, grads);
		found = read_tensor(be, tdy, bn_shape);
		assert_near_double(found, dx, ALL, &differences, "dx");
		free(found);
		found = read_part(be, ops->bn_gain(bn), DCG_GRAD);
		assert_near_double(found, dgain, C, &differences, "dgain");
		free(found);
		found = read_part(be, ops->bn_bias(bn), DCG_GRAD);
		assert_near_double(found, dbias, C, &differences, "dbias");
		free(found);
		ops->tensor_write(be, tdy, dy);
	}
	ops->bn_backward(be, bn, tx, ty, tdy, tdy, m.act, 2);
	found = read_part(be, ops->bn_gain(bn), DCG_GRAD);
	for (int c = 0; c < C; c++)
		dgain[c] *= 2;
	assert_near_double(found, dgain, C, &differences, "dgain, accumulated");
	free(found);

	ops->tensor_free(tx), ops->tensor_free(ty), ops->tensor_free(tdy);
	ops->bn_free(bn);
	free(x), free(dy), free(gain), free(bias), free(mean), free(var);
}
END_TEST

START_TEST(running_statistics_by_hand)
{
	struct dcg_bn *bn;
	struct dcg_shape shape = { 4, 1, 1, 1 };
	float mean, var;
	ck_assert_int_eq(ops->bn_new(be, &bn, shape, NULL), 0);
	ops->bn_statistics_read(be, bn, &mean, &var);
	ck_assert(mean == 0 && var == 1);
	struct dcg_tensor *x = tensor(be, shape, (float[]){ 1, 2, 3, 4 });
	ops->bn_forward(be, bn, x, x, DCG_LINEAR, DCG_BN_FROZEN);
	ops->bn_statistics_read(be, bn, &mean, &var);
	ck_assert(mean == 0 && var == 1);
	ops->tensor_write(be, x, (float[]){ 1, 2, 3, 4 });
	ops->bn_forward(be, bn, x, x, DCG_LINEAR, DCG_BN_BATCH);
	ops->bn_statistics_read(be, bn, &mean, &var);
	ck_assert_float_eq_tol(mean, 0.25F, 1e-6); /* 0.1 * 2.5 */
	ck_assert_float_eq_tol(var, 0.9F + 0.1F * 5 / 3, 1e-6);
	float y[4];
	ops->tensor_read(be, x, y);
	ck_assert_float_eq_tol(y[3], 1.5F / sqrtf(1.25F + 1e-5F), 1e-6);
	ops->tensor_free(x);
	ops->bn_free(bn);
}
END_TEST

/* --- the rest ------------------------------------------------------------------------- */

START_TEST(activations_by_hand)
{
	struct dcg_shape shape = { 1, 5, 1, 1 };
	struct dcg_tensor *x = tensor(be, shape, (float[]){ -2, -0.5F, 0, 0.5F, 3 });
	struct dcg_tensor *y = tensor(be, shape, NULL), *d = tensor(be, shape, NULL);
	static const struct {
		enum dcg_activation act;
		float y[5], slope[5];
	} cases[] = {
		{ DCG_LINEAR, { -2, -0.5F, 0, 0.5F, 3 }, { 1, 1, 1, 1, 1 } },
		{ DCG_RELU, { 0, 0, 0, 0.5F, 3 }, { 0, 0, 0, 1, 1 } },
		{ DCG_LEAKY_RELU, { -0.4F, -0.1F, 0, 0.5F, 3 }, { 0.2F, 0.2F, 0.2F, 1, 1 } },
		{ DCG_TANH, { -0.96402758F, -0.46211716F, 0, 0.46211716F, 0.99505475F }, { 0.07065082F, 0.78644773F, 1, 0.78644773F, 0.00986604F } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		float out[5];
		ops->act_forward(be, x, y, cases[i].act);
		ops->tensor_read(be, y, out);
		assert_near(out, cases[i].y, 5, &fp32, "activation");
		ops->tensor_write(be, d, (float[]){ 2, 2, 2, 2, 2 });
		ops->act_backward(be, y, d, d, cases[i].act);
		ops->tensor_read(be, d, out);
		for (int j = 0; j < 5; j++)
			ck_assert_float_eq_tol(out[j], 2 * cases[i].slope[j], 2e-6);
	}
	ops->tensor_free(x), ops->tensor_free(y), ops->tensor_free(d);
}
END_TEST

START_TEST(loss_by_hand)
{
	struct dcg_shape shape = { 4, 1, 1, 1 };
	struct dcg_tensor *x = tensor(be, shape, (float[]){ 0, 2, -1000, 1000 }), *d = tensor(be, shape, NULL);
	struct dcg_bce b;
	float g[4];
	ops->bce(be, x, 0.9F, d, &b);
	ops->tensor_read(be, d, g);
	/* ln 2; 2 + log1p(e^-2) - 1.8; 900; 100 */
	ck_assert_float_eq_tol(b.loss, (0.6931472F + 0.3269280F + 900 + 100) / 4, 1e-4);
	ck_assert_float_eq_tol(b.mean_output, (0.5F + 0.8807971F + 0 + 1) / 4, 1e-6);
	ck_assert_float_eq_tol(g[0], -0.1F, 1e-6);
	ck_assert_float_eq_tol(g[1], (0.8807971F - 0.9F) / 4, 1e-6);
	ck_assert_float_eq_tol(g[2], -0.225F, 1e-6);
	ck_assert_float_eq_tol(g[3], 0.025F, 1e-6);
	ops->bce(be, x, 0, NULL, &b);
	ck_assert_float_eq_tol(b.loss, (0.6931472F + 2.1269280F + 0 + 1000) / 4, 1e-4);
	ops->tensor_free(x), ops->tensor_free(d);
}
END_TEST

/* Moments written out as sums over all gradients so far. */
START_TEST(adam_in_closed_form)
{
	enum { COUNT = 7, STEPS = 6 };
	const double b1 = 0.5F, b2 = 0.999F, lr = 0.01F, eps = 1e-8F, decay = _i ? 0.03F : 0, keep = 0.9F;
	struct dcg_bn *bn; /* whose gain is a plain array */
	ck_assert_int_eq(ops->bn_new(be, &bn, (struct dcg_shape){ 1, COUNT, 1, 1 }, NULL), 0);
	struct dcg_param *p = ops->bn_gain(bn);
	double w[COUNT], average[COUNT], g[STEPS][COUNT], m[COUNT], v[COUNT];
	for (int i = 0; i < COUNT; i++)
		w[i] = 1, average[i] = 0;
	for (int t = 1; t <= STEPS; t++) {
		float *grad = normal(&rng, COUNT);
		ops->param_write(be, p, DCG_GRAD, grad);
		ops->adam(be, &p, 1, &(struct dcg_adam){ (float)lr, (float)b1, (float)b2, (float)eps, (float)decay, t, (float)keep });
		for (int i = 0; i < COUNT; i++) {
			g[t - 1][i] = grad[i] + decay * w[i];
			m[i] = v[i] = 0;
			for (int s = 1; s <= t; s++) {
				m[i] += (1 - b1) * pow(b1, t - s) * g[s - 1][i];
				v[i] += (1 - b2) * pow(b2, t - s) * g[s - 1][i] * g[s - 1][i];
			}
			w[i] -= lr * (m[i] / (1 - pow(b1, t))) / (sqrt(v[i] / (1 - pow(b2, t))) + eps);
			average[i] = keep * average[i] + (1 - keep) * w[i];
		}
		free(grad);
	}
	const double *expected[DCG_PARTS] = { [DCG_VALUE] = w, [DCG_MOMENT1] = m, [DCG_MOMENT2] = v, [DCG_AVERAGE] = average };
	for (int part = 0; part < DCG_PARTS; part++) {
		if (!expected[part])
			continue;
		float *found = read_part(be, p, (enum dcg_part)part);
		assert_near_double(found, expected[part], COUNT, &fp32, "part");
		free(found);
	}
	ops->bn_free(bn);
}
END_TEST

START_TEST(pictures_by_hand)
{
	struct dcg_shape shape = { 2, 3, 1, 2 };
	struct dcg_tensor *t = tensor(be, shape, NULL);
	const uint8_t in[12] = { 0, 51, 255, 1, 2, 3, 10, 20, 30, 40, 50, 60 };
	float out[12];
	uint8_t back[12];
	ops->tensor_from_images(be, t, in, (uint8_t[]){ 0, 1 });
	ops->tensor_read(be, t, out);
	ck_assert(out[0] == -1 && out[4] == 1); /* NCHW: red of pixel 0, blue of pixel 0 */
	ck_assert_float_eq_tol(out[2], -0.6F, 1e-6);
	ck_assert_float_eq_tol(out[6], (float)(40 / 127.5 - 1), 1e-6); /* mirrored */
	ops->tensor_to_images(be, t, back);
	ck_assert_mem_eq(back, ((uint8_t[]){ 0, 51, 255, 1, 2, 3, 40, 50, 60, 10, 20, 30 }), sizeof back);
	ops->tensor_write(be, t, (float[]){ -2, 7, NAN, INFINITY, -INFINITY, 0, 1.F / 256, 0, 0, 0, 0, 0 });
	ops->tensor_to_images(be, t, back);
	ck_assert_mem_eq(back, ((uint8_t[]){ 0, 0, 0, 255, 255, 128, 128, 128, 128, 128, 128, 128 }), sizeof back);
	ops->tensor_free(t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ref");
	TCase *t = tcase_create("ref");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, convolutions, 0, CONV_CASES);
	tcase_add_test(t, convolution_by_hand);
	tcase_add_loop_test(t, batch_norms, 0, 3 * 4);
	tcase_add_test(t, running_statistics_by_hand);
	tcase_add_test(t, activations_by_hand);
	tcase_add_test(t, loss_by_hand);
	tcase_add_loop_test(t, adam_in_closed_form, 0, 2);
	tcase_add_test(t, pictures_by_hand);
	suite_add_tcase(s, t);
	return tap_run(s);
}
