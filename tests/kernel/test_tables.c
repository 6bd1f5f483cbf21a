/* Every table but ref, operation by operation, against ref. */
#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/kernel/fixture.h"
#include "tests/tap.h"

static const struct conv_case {
	int c, h, w, k, r, s, stride, pad, batch;
} conv_cases[] = {
	{ 3, 16, 16, 17, 4, 4, 2, 1, 7 }, { 1, 16, 16, 64, 4, 4, 2, 1, 3 }, { 64, 8, 8, 64, 4, 4, 2, 1, 16 },
	{ 17, 8, 6, 5, 4, 4, 2, 1, 2 }, { 5, 7, 9, 17, 4, 4, 2, 1, 1 }, { 64, 7, 7, 17, 4, 4, 2, 1, 3 },
	{ 64, 8, 8, 17, 5, 5, 2, 2, 7 }, { 3, 16, 12, 64, 5, 5, 2, 2, 2 }, { 1, 28, 28, 17, 5, 5, 2, 2, 1 }, { 17, 7, 5, 64, 5, 5, 2, 2, 16 },
	{ 17, 6, 5, 64, 3, 3, 1, 1, 7 }, { 3, 8, 8, 17, 3, 3, 1, 1, 16 }, { 64, 5, 5, 64, 3, 3, 1, 1, 1 },
	{ 64, 8, 8, 64, 3, 3, 2, 1, 2 }, { 3, 9, 7, 5, 3, 3, 2, 1, 3 }, { 17, 9, 9, 17, 3, 3, 2, 1, 7 },
	{ 64, 4, 4, 1, 4, 4, 1, 0, 16 }, { 64, 4, 4, 100, 4, 4, 1, 0, 3 }, { 5, 4, 4, 1, 4, 4, 1, 0, 7 }, { 256, 2, 2, 300, 2, 2, 1, 0, 70 },
	{ 17, 7, 7, 1, 7, 7, 1, 0, 3 }, { 64, 7, 7, 17, 7, 7, 1, 0, 2 }, { 1, 7, 7, 5, 7, 7, 1, 0, 1 },
	{ 3, 5, 5, 5, 1, 1, 1, 0, 2 }, { 64, 1, 1, 17, 1, 1, 1, 0, 7 },
	{ 17, 8, 8, 5, 2, 2, 3, 0, 3 }, { 2, 8, 7, 5, 2, 2, 3, 0, 3 },  /* some big pixels in no small one */
	{ 17, 3, 3, 5, 2, 2, 1, 3, 3 }, { 2, 3, 3, 5, 2, 2, 1, 3, 3 },  /* some small pixels wholly outside */
	{ 3, 4, 8, 5, 4, 4, 2, 1, 600 },                                /* a batch beyond a panel */
	{ 3, 80, 2, 5, 4, 2, 2, 1, 2 },                                 /* more rows than bands */
	{ 17, 16, 16, 33, 4, 4, 2, 1, 17 }, { 40, 24, 8, 17, 4, 4, 2, 1, 23 }, /* tiles of 4x4 and of 2x2 */
	{ 17, 16, 16, 33, 5, 5, 2, 2, 17 }, { 40, 24, 8, 17, 5, 5, 2, 2, 23 }, { 64, 12, 12, 20, 5, 5, 2, 2, 3 },
	{ 17, 28, 28, 20, 5, 5, 2, 2, 5 }, { 33, 13, 15, 17, 5, 5, 2, 2, 17 }, { 64, 9, 23, 70, 5, 5, 2, 2, 13 }, /* tiles cut at the edge */
	{ 17, 8, 16, 33, 3, 3, 1, 1, 17 }, { 33, 7, 10, 17, 3, 3, 1, 1, 23 }, { 48, 6, 5, 20, 3, 3, 1, 1, 3 },
	{ 17, 16, 16, 33, 3, 3, 2, 1, 17 }, { 64, 8, 8, 64, 3, 3, 2, 1, 19 }, { 64, 12, 12, 20, 3, 3, 2, 1, 3 }, { 64, 9, 23, 70, 3, 3, 2, 1, 13 },
	{ 17, 28, 28, 20, 4, 4, 2, 1, 5 }, { 20, 12, 20, 17, 4, 4, 2, 1, 3 },   /* 14 and 10 outputs: no whole tiles of 4x4 */
	/* pictures to whole blocks of channels: odd sides, pixels in no small one and outside, several bands, all widths of a step */
	{ 3, 13, 11, 64, 4, 4, 2, 1, 5 }, { 1, 9, 15, 20, 5, 5, 2, 2, 70 }, { 3, 7, 9, 32, 3, 3, 1, 1, 3 }, { 2, 8, 7, 32, 2, 2, 3, 0, 3 },
	{ 2, 3, 3, 32, 2, 2, 1, 3, 3 }, { 4, 10, 12, 64, 4, 4, 2, 1, 3 }, { 7, 6, 6, 32, 3, 3, 1, 1, 2 }, { 3, 4, 64, 32, 4, 4, 2, 1, 2 },
	{ 1, 100, 12, 32, 4, 4, 2, 1, 2 }, { 1, 8, 8, 32, 8, 8, 1, 4, 2 }, { 1, 12, 12, 32, 9, 9, 1, 4, 2 }, { 3, 17, 5, 160, 5, 5, 2, 2, 2 },
	{ 16, 3, 3, 1, 3, 3, 1, 0, 5 }, { 32, 4, 4, 1, 4, 4, 1, 0, 70 }, { 48, 2, 2, 1, 2, 2, 1, 0, 37 }, { 16, 1, 1, 1, 1, 1, 1, 0, 19 },
	/* padded channels in several pieces of a tap */
	{ 300, 2, 2, 33, 2, 2, 1, 0, 37 }, { 520, 2, 1, 17, 2, 1, 1, 0, 33 },
};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases };

static const struct bn_case {
	struct dcg_shape shape;
	float mean; /* of x: statistics must not lose precision far from zero */
} bn_cases[] = {
	{ { 1, 1, 1, 1 }, 0 }, { { 1, 5, 3, 3 }, 1 }, { { 2, 17, 4, 4 }, 0 }, { { 3, 64, 5, 5 }, 3 },
	{ { 16, 130, 8, 8 }, -2 }, { { 7, 64, 16, 16 }, 100 }, { { 128, 3, 8, 9 }, 0 },
};
enum { BN_CASES = sizeof bn_cases / sizeof *bn_cases };

static const char *table; /* that the running test is about */
static struct dcg_backend *ref, *be;
static struct dcg_rng rng;

static int tables(void)
{
	int n = 0;
	for (const char *const *name = dcg_kernel_names(); *name; name++)
		n += strcmp(*name, "ref") != 0;
	return n;
}

/* Each test is a loop over tables and its own cases: start on loop number i, return the case. */
static int begin(int i, int cases)
{
	const char *const *name = dcg_kernel_names();
	for (int left = i / cases;; name++) {
		ck_assert_ptr_nonnull(*name);
		if (strcmp(*name, "ref") != 0 && left-- == 0)
			break;
	}
	table = *name;
	ref = open_backend("ref", 1);
	be = open_backend(table, 2);
	dcg_rng_init(&rng, 2, 0);
	return i % cases;
}

static void end(void)
{
	dcg_backend_close(ref);
	dcg_backend_close(be);
}

/* --- each operation against ref -------------------------------------------------------- */

struct conv_results {
	float *small, *big, *grad, *twice;
};

static struct conv_results run_conv(struct dcg_backend *on, const struct dcg_conv_geometry *g, int batch, const float *x, const float *y, const float *w)
{
	const struct dcg_ops *ops = on->ops;
	struct conv_results ret;
	struct dcg_conv *conv;
	ck_assert_int_eq(ops->conv_new(on, &conv, g, batch, NULL), 0);
	struct dcg_param *p = ops->conv_weights(conv);
	ops->param_write(on, p, DCG_VALUE, w);
	struct dcg_tensor *big = tensor(on, big_shape(g, batch), x), *small = tensor(on, small_shape(g, batch), y);
	struct dcg_tensor *dbig = tensor(on, big_shape(g, batch), x), *out = tensor(on, small_shape(g, batch), y);
	ops->conv_forward(on, conv, big, out);
	ops->conv_backward_data(on, conv, small, dbig);
	ops->param_write(on, p, DCG_GRAD, w); /* must be overwritten */
	ops->conv_backward_weights(on, conv, big, small, 0);
	ret.grad = read_part(on, p, DCG_GRAD);
	ops->conv_backward_weights(on, conv, big, small, 1);
	ret.twice = read_part(on, p, DCG_GRAD);
	ret.small = read_tensor(on, out, small_shape(g, batch));
	ret.big = read_tensor(on, dbig, big_shape(g, batch));
	ops->tensor_free(big), ops->tensor_free(small), ops->tensor_free(dbig), ops->tensor_free(out);
	ops->conv_free(conv);
	return ret;
}

START_TEST(convolutions)
{
	const int which = begin(_i, CONV_CASES);
	const struct conv_case *v = &conv_cases[which];
	const struct dcg_conv_geometry g = geometry(v->c, v->h, v->w, v->k, v->r, v->s, v->stride, v->pad);
	const size_t bc = shape_count(big_shape(&g, v->batch)), sc = shape_count(small_shape(&g, v->batch)), wc = weight_count(&g);
	const struct tolerance *tol = convolution_tolerance_of(table, &g);
	float *x = normal(&rng, bc), *y = normal(&rng, sc), *w = normal(&rng, wc);
	round_as_stored(table, x, bc), round_as_stored(table, y, sc);
	struct conv_results a = run_conv(be, &g, v->batch, x, y, w), b = run_conv(ref, &g, v->batch, x, y, w);
	assert_near(a.small, b.small, sc, tol, "forward");
	assert_near(a.big, b.big, bc, tol, "backward data");
	assert_near(a.grad, b.grad, wc, tol, "backward weights");
	assert_near(a.twice, b.twice, wc, tol, "backward weights, accumulated");
	free(a.small), free(a.big), free(a.grad), free(a.twice), free(b.small), free(b.big), free(b.grad), free(b.twice);
	free(x), free(y), free(w);
	end();
}
END_TEST

static double dot(const float *a, const float *b, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static double norm(const float *a, size_t count)
{
	return sqrt(dot(a, a, count));
}

/* Taps of small pixel i in one direction that lie inside the picture; small pixels that reach big pixel i;
 * small pixels whose tap i lies inside. */
static int taps_inside(const struct dcg_conv_geometry *g, int p, int h, int r)
{
	int count = 0;
	for (int i = 0; i < g->p; i++)
		for (int t = 0; t < g->r; t++) {
			int at = i * g->stride - g->pad + t;
			count += at >= 0 && at < g->h && (p < 0 || p == i) && (h < 0 || h == at) && (r < 0 || r == t);
		}
	return count;
}

/* Sizes too large for ref: the three passes are derivatives of one trilinear form, and
 * ones through ones count the taps inside the picture. */
START_TEST(large_convolutions)
{
	static const struct dcg_conv_geometry geometries[] = {
		{ 64, 16, 16, 128, 8, 8, 4, 4, 2, 1 }, { 64, 16, 16, 128, 8, 8, 5, 5, 2, 2 }, { 64, 8, 8, 128, 8, 8, 3, 3, 1, 1 },
		{ 64, 16, 16, 128, 8, 8, 3, 3, 2, 1 },
	};
	const struct dcg_conv_geometry g = geometries[begin(_i, 4)];
	const struct tolerance *tol = convolution_tolerance_of(table, &g);
	enum { BATCH = 33 };
	const size_t bc = shape_count(big_shape(&g, BATCH)), sc = shape_count(small_shape(&g, BATCH)), wc = weight_count(&g);
	float *x = normal(&rng, bc), *y = normal(&rng, sc), *w = normal(&rng, wc);
	round_as_stored(table, x, bc), round_as_stored(table, y, sc);
	struct conv_results a = run_conv(be, &g, BATCH, x, y, w);
	double form = dot(y, a.small, sc), scale = norm(y, sc) * norm(a.small, sc);
	ck_assert_double_eq_tol(dot(x, a.big, bc) / scale, form / scale, tol->rms / 2);
	ck_assert_double_eq_tol(dot(w, a.grad, wc) / scale, form / scale, tol->rms / 2);
	free(a.small), free(a.big), free(a.grad), free(a.twice);
	for (size_t i = 0; i < bc; i++)
		x[i] = 1;
	for (size_t i = 0; i < sc; i++)
		y[i] = 1;
	for (size_t i = 0; i < wc; i++)
		w[i] = 1;
	a = run_conv(be, &g, BATCH, x, y, w);
	size_t wrong = 0;
	const float near = fmaxf((float)tol->rms, 5e-5F); /* less than one of the terms; backward has at most nine, whose errors are alike */
	const float near_big = tol->rms > fp32.rms ? (float)tol->worst : near;
	for (size_t i = 0; i < sc; i++) {
		float expected = (float)(64 * taps_inside(&g, (int)i / g.q % g.p, -1, -1) * taps_inside(&g, (int)i % g.q, -1, -1));
		wrong += !(fabsf(a.small[i] - expected) <= near * expected);
	}
	for (size_t i = 0; i < bc; i++) {
		float expected = (float)(128 * taps_inside(&g, -1, (int)i / g.w % g.h, -1) * taps_inside(&g, -1, (int)i % g.w, -1));
		wrong += !(fabsf(a.big[i] - expected) <= near_big * expected);
	}
	for (size_t i = 0; i < wc; i++) {
		float expected = (float)(BATCH * taps_inside(&g, -1, -1, (int)i / g.s % g.r) * taps_inside(&g, -1, -1, (int)i % g.s));
		wrong += !(fabsf(a.grad[i] - expected) <= near * expected);
	}
	ck_assert_uint_eq(wrong, 0);
	free(a.small), free(a.big), free(a.grad), free(a.twice), free(x), free(y), free(w);
	end();
}
END_TEST

/* tanh's slope 1 - y^2, of a y that is off by up to 2^-8 of itself for each time that it was stored
 * (twice, after batch norm): off by 2 y^2 2^-7 at most, a sixth of that in the mean, where slopes'
 * root mean square may be as little as an eighth, and dy several times its own. */
static struct tolerance slope_from_stored(struct tolerance t)
{
	if (stored(table, t).each > t.each)
		t.rms += 0x1p-5, t.worst += 0x1p-3;
	return t;
}

struct bn_results {
	float *y, *dx, *dgain, *dbias;
	float mean[256], var[256];
};

static struct bn_results run_bn(struct dcg_backend *on, struct dcg_shape shape, const float *x, const float *dy, const float *gain, const float *bias, enum dcg_activation act, enum dcg_bn_mode mode, int in_place)
{
	const struct dcg_ops *ops = on->ops;
	struct bn_results ret;
	struct dcg_bn *bn;
	ck_assert_int_eq(ops->bn_new(on, &bn, shape, NULL), 0);
	float *value = read_part(on, ops->bn_gain(bn), DCG_VALUE);
	ck_assert(value[0] == 1);
	free(value);
	ops->param_write(on, ops->bn_gain(bn), DCG_VALUE, gain);
	ops->param_write(on, ops->bn_bias(bn), DCG_VALUE, bias);
	ops->bn_statistics_write(on, bn, bias, gain);
	struct dcg_tensor *tx = tensor(on, shape, x), *ty = in_place ? tx : tensor(on, shape, NULL), *td = tensor(on, shape, dy);
	ops->bn_forward(on, bn, tx, ty, act, mode);
	ops->param_write(on, ops->bn_gain(bn), DCG_GRAD, gain);
	ops->param_write(on, ops->bn_bias(bn), DCG_GRAD, bias);
	ops->bn_backward(on, bn, tx, ty, td, td, act, 2);
	ret.y = read_tensor(on, ty, shape);
	ret.dx = read_tensor(on, td, shape);
	ret.dgain = read_part(on, ops->bn_gain(bn), DCG_GRAD);
	ret.dbias = read_part(on, ops->bn_bias(bn), DCG_GRAD);
	ops->bn_statistics_read(on, bn, ret.mean, ret.var);
	ops->tensor_free(tx), ops->tensor_free(td);
	if (!in_place)
		ops->tensor_free(ty);
	ops->bn_free(bn);
	return ret;
}

START_TEST(batch_norms)
{
	const int which = begin(_i, 12 * BN_CASES);
	const struct bn_case *v = &bn_cases[which / 12];
	const enum dcg_activation act = (enum dcg_activation)(which % 4);
	const enum dcg_bn_mode mode = (enum dcg_bn_mode)(which / 4 % 3);
	const size_t count = shape_count(v->shape), C = (size_t)v->shape.c;
	/* A mean far from zero costs what it does in the float x itself. */
	const struct tolerance tol = { "fp32", fp32.rms * (1 + fabsf(v->mean)), fp32.worst * (1 + fabsf(v->mean)), 0 };
	const struct tolerance in_y = stored(table, act == DCG_TANH ? stored(table, tol) : tol); /* tanh: of what was stored */
	const struct tolerance in_slope = act == DCG_TANH ? slope_from_stored(tol) : tol, in_dx = stored(table, in_slope);
	float *x = normal(&rng, count), *dy = normal(&rng, count), *gain = uniform(&rng, C, 0.5F, 2), *bias = normal(&rng, C);
	for (size_t i = 0; i < count; i++)
		x[i] += v->mean;
	round_as_stored(table, x, count), round_as_stored(table, dy, count);
	struct bn_results a = run_bn(be, v->shape, x, dy, gain, bias, act, mode, 0), b = run_bn(ref, v->shape, x, dy, gain, bias, act, mode, 0);
	if (be->ops->in_place && act != DCG_TANH) {
		struct bn_results same = run_bn(be, v->shape, x, dy, gain, bias, act, mode, 1);
		ck_assert_mem_eq(same.y, a.y, count * sizeof *a.y);
		ck_assert_mem_eq(same.dx, a.dx, count * sizeof *a.dx);
		ck_assert_mem_eq(same.dgain, a.dgain, C * sizeof *a.dgain);
		free(same.y), free(same.dx), free(same.dgain), free(same.dbias);
	}
	if (count / C > 1 || mode == DCG_BN_RUNNING) /* dx of one value a channel is 0 but for rounding */
		assert_near(a.dx, b.dx, count, &in_dx, "dx");
	assert_near(a.y, b.y, count, &in_y, "y");
	assert_near(a.dgain, b.dgain, C, &in_slope, "dgain");
	assert_near(a.dbias, b.dbias, C, &in_slope, "dbias");
	assert_near(a.mean, b.mean, C, &tol, "running mean");
	assert_near(a.var, b.var, C, &tol, "running variance");
	free(a.y), free(a.dx), free(a.dgain), free(a.dbias), free(b.y), free(b.dx), free(b.dgain), free(b.dbias);
	free(x), free(dy), free(gain), free(bias);
	end();
}
END_TEST

/* The variance of large numbers, by a double loop here. */
START_TEST(statistics_are_accurate)
{
	begin(_i, 1);
	const struct dcg_shape shape = { 64, 5, 16, 16 };
	const size_t count = shape_count(shape), HW = 16 * 16;
	float *x = normal(&rng, count), mean[5], var[5];
	for (size_t i = 0; i < count; i++)
		x[i] = 1000 + (float)(i / HW % 5) * x[i];
	round_as_stored(table, x, count);
	struct dcg_bn *bn;
	ck_assert_int_eq(be->ops->bn_new(be, &bn, shape, NULL), 0);
	struct dcg_tensor *t = tensor(be, shape, x);
	be->ops->bn_forward(be, bn, t, t, DCG_RELU, DCG_BN_BATCH);
	be->ops->bn_statistics_read(be, bn, mean, var);
	for (size_t c = 0; c < 5; c++) {
		double sum = 0, squares = 0, n = 64. * HW;
		for (size_t i = 0; i < count; i++)
			sum += i / HW % 5 == c ? x[i] - 1000 : 0;
		for (size_t i = 0; i < count; i++)
			squares += i / HW % 5 == c ? pow(x[i] - 1000 - sum / n, 2) : 0;
		ck_assert_double_eq_tol(mean[c], 0.1 * (1000 + sum / n), 1e-5 * 100);
		ck_assert_double_eq_tol(var[c], 0.9 + 0.1 * squares / (n - 1), 1e-6 * (1 + squares / n));
	}
	be->ops->tensor_free(t);
	be->ops->bn_free(bn);
	free(x);
	end();
}
END_TEST

START_TEST(activations)
{
	const int which = begin(_i, 4);
	const struct dcg_shape shape = { 3, 17, 31, 33 };
	const enum dcg_activation act = (enum dcg_activation)which;
	const size_t count = shape_count(shape);
	float *x = normal(&rng, count), *dy = normal(&rng, count), *y[2], *dx[2];
	x[0] = 0, x[1] = -0.F, x[2] = 100, x[3] = -100;
	round_as_stored(table, x, count), round_as_stored(table, dy, count);
	const struct tolerance tol = stored(table, fp32), in_dx = act == DCG_TANH ? slope_from_stored(tol) : tol;
	for (int i = 0; i < 2; i++) {
		struct dcg_backend *on = i ? ref : be;
		struct dcg_tensor *t = tensor(on, shape, x), *d = tensor(on, shape, dy);
		on->ops->act_forward(on, t, t, act);
		y[i] = read_tensor(on, t, shape);
		on->ops->act_backward(on, t, d, d, act);
		dx[i] = read_tensor(on, d, shape);
		on->ops->tensor_free(t), on->ops->tensor_free(d);
	}
	assert_near(y[0], y[1], count, &tol, "y");
	assert_near(dx[0], dx[1], count, &in_dx, "dx");
	free(x), free(dy), free(y[0]), free(y[1]), free(dx[0]), free(dx[1]);
	end();
}
END_TEST

START_TEST(losses)
{
	begin(_i, 1);
	for (int n = 1; n < 200; n += 66) {
		const struct dcg_shape shape = { n, 1, 1, 1 };
		float *x = uniform(&rng, (size_t)n, -3, 3), *d[2];
		struct dcg_bce b[2];
		x[0] = n == 67 ? 120 : n == 133 ? -120 : x[0]; /* exp overflows a float */
		round_as_stored(table, x, (size_t)n);
		const struct tolerance tol = stored(table, fp32);
		for (int i = 0; i < 2; i++) {
			struct dcg_backend *on = i ? ref : be;
			struct dcg_tensor *t = tensor(on, shape, x), *dt = tensor(on, shape, NULL);
			on->ops->bce(on, t, 0.9F, dt, &b[i]);
			d[i] = read_tensor(on, dt, shape);
			on->ops->tensor_free(t), on->ops->tensor_free(dt);
		}
		assert_near(d[0], d[1], (size_t)n, &tol, "dlogits");
		assert_near(&b[0].loss, &b[1].loss, 1, &fp32, "loss");
		assert_near(&b[0].mean_output, &b[1].mean_output, 1, &fp32, "mean output");
		free(x), free(d[0]), free(d[1]);
	}
	end();
}
END_TEST

/* Several steps on several parameters at once, in the orders that convolutions keep. */
START_TEST(adam)
{
	begin(_i, 1);
	const struct dcg_conv_geometry g[2] = { geometry(3, 8, 8, 17, 4, 4, 2, 1), geometry(64, 4, 4, 65, 3, 3, 1, 1) };
	struct dcg_conv *conv[2][2];
	struct dcg_param *p[2][2];
	for (int i = 0; i < 4; i++) {
		struct dcg_backend *on = i / 2 ? ref : be;
		ck_assert_int_eq(on->ops->conv_new(on, &conv[i / 2][i % 2], &g[i % 2], 1, NULL), 0);
		p[i / 2][i % 2] = on->ops->conv_weights(conv[i / 2][i % 2]);
	}
	for (int t = 0; t <= 3; t++) {
		for (int i = 0; i < 2; i++) {
			float *v = normal(&rng, weight_count(&g[i]));
			for (int on = 0; on < 2; on++)
				(on ? ref : be)->ops->param_write(on ? ref : be, p[on][i], t ? DCG_GRAD : DCG_VALUE, v);
			free(v);
		}
		const struct dcg_adam hp = { 0.01F, 0.5F, 0.999F, 1e-8F, 1e-3F, t, t < 3 ? 0.99F : 0 };
		if (t)
			be->ops->adam(be, p[0], 2, &hp), ref->ops->adam(ref, p[1], 2, &hp);
	}
	for (int i = 0; i < 2; i++) {
		for (int part = 0; part < DCG_PARTS; part++) {
			float *a = read_part(be, p[0][i], (enum dcg_part)part), *b = read_part(ref, p[1][i], (enum dcg_part)part);
			assert_near(a, b, weight_count(&g[i]), &fp32, "part");
			free(a), free(b);
		}
		be->ops->conv_free(conv[0][i]), ref->ops->conv_free(conv[1][i]);
	}
	end();
}
END_TEST

/* A gradient in another's memory, which outlives it. */
START_TEST(shared_gradients)
{
	begin(_i, 1);
	const struct dcg_conv_geometry g[2] = { geometry(64, 8, 8, 33, 4, 4, 2, 1), geometry(3, 8, 8, 33, 4, 4, 2, 1) };
	struct dcg_conv *conv[2];
	struct dcg_param *p[2];
	float *v[2];
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(be->ops->conv_new(be, &conv[i], &g[i], 1, NULL), 0);
		p[i] = be->ops->conv_weights(conv[i]);
		v[i] = normal(&rng, weight_count(&g[i]));
	}
	be->ops->param_share_grad(p[1], p[0]);
	for (int last = 0; last < 2; last++) {
		be->ops->param_write(be, p[!last], DCG_GRAD, v[!last]);
		be->ops->param_write(be, p[last], DCG_GRAD, v[last]);
		for (int i = 0; i < 2; i++) {
			float *found = read_part(be, p[i], DCG_GRAD);
			ck_assert((memcmp(found, v[i], weight_count(&g[i]) * sizeof *found) == 0) == (i == last));
			free(found);
		}
	}
	be->ops->conv_free(conv[1]);
	be->ops->param_write(be, p[0], DCG_GRAD, v[0]);
	float *found = read_part(be, p[0], DCG_GRAD);
	ck_assert_mem_eq(found, v[0], weight_count(&g[0]) * sizeof *found);
	be->ops->conv_free(conv[0]);
	free(found), free(v[0]), free(v[1]);
	end();
}
END_TEST

START_TEST(transfers)
{
	const int which = begin(_i, 4);
	static const struct dcg_shape shapes[] = { { 5, 3, 7, 6 }, { 4, 1, 5, 9 }, { 2, 5, 3, 3 }, { 7, 100, 1, 1 } };
	const struct dcg_shape shape = shapes[which];
	const size_t count = shape_count(shape);
	uint8_t *pictures = malloc(count), *back[2] = { malloc(count), malloc(count) };
	const uint8_t flip[] = { 0, 1, 1, 0, 1, 0, 1 };
	for (size_t i = 0; i < count; i++)
		pictures[i] = (uint8_t)dcg_rng_u64(&rng);
	float *x = uniform(&rng, count, -1.2F, 1.2F), *v[2];
	for (int i = 0; i < 2; i++) {
		struct dcg_backend *on = i ? ref : be;
		struct dcg_tensor *t = tensor(on, shape, x);
		float *nearest = read_tensor(on, t, shape);
		round_as_stored(table, x, count);
		ck_assert(on == ref || memcmp(nearest, x, count * sizeof *x) == 0);
		free(nearest);
		on->ops->tensor_free(t);
		t = tensor(on, shape, NULL);
		float *zeros = read_tensor(on, t, shape);
		for (size_t j = 0; j < count; j++)
			if (zeros[j] != 0)
				ck_abort_msg("a new tensor holds %g", (double)zeros[j]);
		free(zeros);
		on->ops->tensor_from_images(on, t, pictures, NULL);
		on->ops->tensor_to_images(on, t, back[i]);
		ck_assert_mem_eq(back[i], pictures, count);
		on->ops->tensor_from_images(on, t, pictures, flip);
		v[i] = read_tensor(on, t, shape);
		on->ops->tensor_write(on, t, x);
		float *same = read_tensor(on, t, shape);
		ck_assert_mem_eq(same, x, count * sizeof *x);
		free(same);
		on->ops->tensor_to_images(on, t, back[i]);
		on->ops->tensor_free(t);
	}
	round_as_stored(table, v[1], count);
	ck_assert_mem_eq(v[0], v[1], count * sizeof *v[0]);
	ck_assert_mem_eq(back[0], back[1], count);
	free(pictures), free(back[0]), free(back[1]), free(x), free(v[0]), free(v[1]);
	end();
}
END_TEST

/* --- threads and memory ---------------------------------------------------------------- */

static uint64_t digest(uint64_t h, const float *v, size_t count)
{
	const unsigned char *at = (const unsigned char *)v;
	for (size_t i = 0; i < count * sizeof *v; i++)
		h = (h ^ at[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* All operations once, on values of size scale; allocations is the number of dcg_alloc
 * calls by the operations. */
static uint64_t run_all(struct dcg_backend *on, float scale, unsigned long *allocations)
{
	const struct dcg_ops *ops = on->ops;
	static const struct {
		int c, taps, pad;
	} cases[] = { { 3, 4, 1 }, { 33, 4, 1 }, { 130, 4, 1 }, { 64, 5, 2 } };
	enum { BATCH = 21 };
	uint64_t h = 0;
	*allocations = 0;
	dcg_rng_init(&rng, 3, 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct dcg_conv_geometry g = geometry(cases[i].c, 10, 10, 40, cases[i].taps, cases[i].taps, 2, cases[i].pad);
		const struct dcg_shape bs = big_shape(&g, BATCH), ss = small_shape(&g, BATCH), ls = { BATCH, 1, 1, 1 };
		float *x = normal(&rng, shape_count(bs)), *w = normal(&rng, weight_count(&g));
		for (size_t j = 0; j < shape_count(bs); j++)
			x[j] *= scale;
		for (size_t j = 0; j < weight_count(&g); j++)
			w[j] *= scale;
		struct dcg_conv *conv;
		struct dcg_bn *bn;
		ck_assert_int_eq(ops->conv_new(on, &conv, &g, BATCH, NULL), 0);
		ck_assert_int_eq(ops->bn_new(on, &bn, ss, NULL), 0);
		struct dcg_tensor *big = tensor(on, bs, NULL), *small = tensor(on, ss, NULL), *y = tensor(on, ss, NULL), *dy = tensor(on, ss, NULL);
		struct dcg_tensor *logits = tensor(on, ls, x), *dlogits = tensor(on, ls, NULL);
		struct dcg_param *p[3] = { ops->conv_weights(conv), ops->bn_gain(bn), ops->bn_bias(bn) };
		uint8_t *pictures = malloc(shape_count(bs));
		struct dcg_bce b;

		unsigned long before = dcg_alloc_count();
		ops->tensor_write(on, big, x);
		ops->param_write(on, p[0], DCG_VALUE, w);
		ops->conv_forward(on, conv, big, small);
		ops->bn_forward(on, bn, small, y, DCG_TANH, DCG_BN_FROZEN);
		ops->bn_forward(on, bn, small, y, DCG_RELU, DCG_BN_RUNNING);
		ops->bn_forward(on, bn, small, y, DCG_LEAKY_RELU, DCG_BN_BATCH);
		ops->act_forward(on, y, dy, DCG_TANH);
		ops->act_backward(on, y, dy, dy, DCG_RELU);
		ops->bn_backward(on, bn, small, y, dy, dy, DCG_LEAKY_RELU, 1);
		ops->conv_backward_weights(on, conv, big, dy, 0);
		ops->conv_backward_weights(on, conv, big, small, 1);
		ops->conv_backward_data(on, conv, dy, big);
		ops->bce(on, logits, 1, dlogits, &b);
		ops->adam(on, p, 3, &(struct dcg_adam){ 0.01F, 0.5F, 0.999F, 1e-8F, 0, 1, 0.9F });
		ops->tensor_to_images(on, big, pictures);
		ops->tensor_from_images(on, big, pictures, NULL);
		ops->tensor_read(on, big, x);
		*allocations += dcg_alloc_count() - before;

		h = digest(h, x, shape_count(bs));
		h = digest(h, &b.loss, 1);
		ops->tensor_write(on, big, x);
		ops->conv_backward_data(on, conv, dy, big);
		struct {
			struct dcg_tensor *t;
			struct dcg_shape shape;
		} outputs[] = { { big, bs }, { small, ss }, { y, ss }, { dy, ss }, { dlogits, ls } };
		for (size_t j = 0; j < sizeof outputs / sizeof *outputs; j++) {
			float *v = read_tensor(on, outputs[j].t, outputs[j].shape);
			h = digest(h, v, shape_count(outputs[j].shape));
			free(v);
			ops->tensor_free(outputs[j].t);
		}
		ops->tensor_free(logits);
		for (int j = 0; j < 3 * DCG_PARTS; j++) {
			float *v = read_part(on, p[j % 3], (enum dcg_part)(j / 3));
			h = digest(h, v, ops->param_count(p[j % 3]));
			free(v);
		}
		ops->conv_free(conv);
		ops->bn_free(bn);
		free(x), free(w), free(pictures);
	}
	return h;
}

/* At the smaller scale most products are denormal: then it matters whether every thread flushes them. */
START_TEST(any_number_of_threads_gives_the_same_bits)
{
	const int which = begin(_i, 2);
	const float scale = which ? 1e-19F : 0.5F;
	unsigned long allocations;
	uint64_t one = 0;
	static const int threads[] = { 1, 2, 3, 5, 2 };
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		struct dcg_backend *on = open_backend(table, threads[i]);
		uint64_t h = run_all(on, scale, &allocations);
		if (i == 0)
			one = h;
		ck_assert_msg(h == one, "%d threads differ from 1", threads[i]);
		ck_assert_uint_eq(allocations, 0);
		dcg_backend_close(on);
	}
	end();
}
END_TEST

/* Tables flush denormals on the caller's thread while they work, and only then. */
START_TEST(the_callers_arithmetic_stays_as_it_was)
{
	begin(_i, 1);
	unsigned long allocations;
	run_all(be, 1, &allocations);
	volatile float tiny = 1e-39F;
	ck_assert(tiny * 0.5F > 0);
	ck_assert_int_eq(fegetround(), FE_TONEAREST);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tables");
	TCase *t = tcase_create("tables");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, convolutions, 0, tables() * CONV_CASES);
	tcase_add_loop_test(t, large_convolutions, 0, tables() * 4);
	tcase_add_loop_test(t, batch_norms, 0, tables() * 12 * BN_CASES);
	tcase_add_loop_test(t, statistics_are_accurate, 0, tables());
	tcase_add_loop_test(t, activations, 0, tables() * 4);
	tcase_add_loop_test(t, losses, 0, tables());
	tcase_add_loop_test(t, adam, 0, tables());
	tcase_add_loop_test(t, shared_gradients, 0, tables());
	tcase_add_loop_test(t, transfers, 0, tables() * 4);
	tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, tables() * 2);
	tcase_add_loop_test(t, the_callers_arithmetic_stays_as_it_was, 0, tables());
	suite_add_tcase(s, t);
	return tap_run(s);
}
