#include "tests/kernel/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tap.h"

const struct tolerance fp32 = { "fp32", 2e-6, 2e-5, 0 };
static const struct tolerance bf16 = { "bf16", 1.1e-2, 8e-2, 0 };
/* Filtering of three taps multiplies what rounding costs by 4.8 (by the norms of its matrices), that of two
 * by 4.0; at a picture's edge, where pixels are missing and what is rounded is not, by more. */
static const struct tolerance bf16_three_taps = { "bf16", 1.4e-2, 1e-1, 0 };

const struct tolerance *tolerance_of(const char *kernel)
{
	return strstr(kernel, "bf16") ? &bf16 : &fp32;
}

const struct tolerance *convolution_tolerance_of(const char *kernel, const struct dcg_conv_geometry *g)
{
	int three = (g->r == 3 && g->stride == 1) || (g->r == 5 && g->stride == 2);
	return three && tolerance_of(kernel) == &bf16 ? &bf16_three_taps : tolerance_of(kernel);
}

struct tolerance stored(const char *kernel, struct tolerance t)
{
	if (tolerance_of(kernel) == &bf16)
		t.precision = bf16.precision, t.each += 0x1p-8;
	return t;
}

float nearest_bf16(float x)
{
	int exponent;
	float m = frexpf(x, &exponent); /* by arithmetic, not by the bits */
	return ldexpf(rintf(ldexpf(m, 8)), exponent - 8);
}

void round_as_stored(const char *kernel, float *v, size_t count)
{
	for (size_t i = 0; tolerance_of(kernel) == &bf16 && i < count; i++)
		v[i] = nearest_bf16(v[i]);
}

struct dcg_backend *open_backend(const char *kernel, int threads)
{
	struct dcg_backend *be;
	struct dcg_error err = { 0 };
	ck_assert_msg(dcg_backend_open(&be, kernel, "auto", threads, &err) == 0, "%s: %s", kernel, err.text);
	ck_assert_str_eq(be->ops->name, kernel);
	return be;
}

size_t shape_count(struct dcg_shape s)
{
	return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

struct dcg_tensor *tensor(struct dcg_backend *be, struct dcg_shape shape, const float *nchw)
{
	struct dcg_tensor *t;
	struct dcg_error err = { 0 };
	ck_assert_msg(be->ops->tensor_new(be, &t, shape, &err) == 0, "%s", err.text);
	if (nchw)
		be->ops->tensor_write(be, t, nchw);
	return t;
}

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

float *read_tensor(struct dcg_backend *be, const struct dcg_tensor *t, struct dcg_shape shape)
{
	float *v = must(malloc(shape_count(shape) * sizeof *v));
	be->ops->tensor_read(be, t, v);
	return v;
}

float *read_part(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part)
{
	float *v = must(malloc(be->ops->param_count(p) * sizeof *v));
	be->ops->param_read(be, p, part, v);
	return v;
}

float *normal(struct dcg_rng *rng, size_t count)
{
	float *v = must(malloc(count * sizeof *v));
	dcg_rng_normal(rng, v, count, 0, 1);
	return v;
}

float *uniform(struct dcg_rng *rng, size_t count, float lo, float hi)
{
	float *v = must(malloc(count * sizeof *v));
	dcg_rng_uniform(rng, v, count, lo, hi);
	return v;
}

double *doubles(const float *from, size_t count)
{
	double *v = must(malloc(count * sizeof *v));
	for (size_t i = 0; i < count; i++)
		v[i] = from[i];
	return v;
}

struct dcg_conv_geometry geometry(int c, int h, int w, int k, int r, int s, int stride, int pad)
{
	return (struct dcg_conv_geometry){ .c = c, .h = h, .w = w, .k = k, .r = r, .s = s, .stride = stride, .pad = pad,
		.p = (h + 2 * pad - r) / stride + 1, .q = (w + 2 * pad - s) / stride + 1 };
}

struct dcg_shape big_shape(const struct dcg_conv_geometry *g, int batch)
{
	return (struct dcg_shape){ batch, g->c, g->h, g->w };
}

struct dcg_shape small_shape(const struct dcg_conv_geometry *g, int batch)
{
	return (struct dcg_shape){ batch, g->k, g->p, g->q };
}

size_t weight_count(const struct dcg_conv_geometry *g)
{
	return (size_t)g->k * (size_t)g->c * (size_t)g->r * (size_t)g->s;
}

void assert_near_double(const float *found, const double *expected, size_t count, const struct tolerance *tol, const char *what)
{
	double square = 0, error = 0, worst = 0;
	size_t where = 0;
	for (size_t i = 0; i < count; i++) {
		double d = fabs(found[i] - expected[i]);
		if (!isfinite(d)) /* an assertion in such a loop would cost more than the operation */
			ck_abort_msg("%s[%zu]: found %g, expected %g", what, i, (double)found[i], expected[i]);
		d = fmax(d - tol->each * fabs(expected[i]), 0);
		square += expected[i] * expected[i];
		error += d * d;
		if (d > worst)
			worst = d, where = i;
	}
	double rms = sqrt(square / (double)count);
	ck_assert_msg(sqrt(error / (double)count) <= tol->rms * rms && worst <= tol->worst * rms,
		      "%s: off by %.3g rms of %.3g; [%zu] of %zu: found %.9g, expected %.9g", what, sqrt(error / (double)count), rms,
		      where, count, (double)found[where], expected[where]);
}

void assert_near(const float *found, const float *expected, size_t count, const struct tolerance *tol, const char *what)
{
	double *exact = doubles(expected, count);
	assert_near_double(found, exact, count, tol, what);
	free(exact);
}
