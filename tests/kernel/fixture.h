/* What the tests of the kernel tables share. Everything here ends the test on failure. */
#ifndef DCG_TESTS_KERNEL_FIXTURE_H
#define DCG_TESTS_KERNEL_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernel/kernel.h"

/* How far a table may be from exact arithmetic, by its number format, relative to the
 * root mean square of the exact result, once each difference is less by `each` of the exact
 * value: what rounding it may cost where it is stored. */
struct tolerance {
	const char *precision;
	double rms, worst; /* of the differences */
	double each;
};
extern const struct tolerance fp32;
/* Of the products of a table: its number format's. Everything else is computed in fp32 in all. */
const struct tolerance *tolerance_of(const char *kernel);
/* Of a convolution: more, where it may be computed by filtering of three taps. */
const struct tolerance *convolution_tolerance_of(const char *kernel, const struct dcg_conv_geometry *g);
/* Of what is computed in fp32 and then stored in a tensor of the table, to 8 bits in bf16: half
 * a unit in the last place is at most 2^-8 of the value. */
struct tolerance stored(const char *kernel, struct tolerance t);
/* v as a tensor of the table holds it. */
void round_as_stored(const char *kernel, float *v, size_t count);
float nearest_bf16(float x); /* ties to even */

struct dcg_backend *open_backend(const char *kernel, int threads);
struct dcg_tensor *tensor(struct dcg_backend *be, struct dcg_shape shape, const float *nchw);
size_t shape_count(struct dcg_shape s);
/* To be freed by the caller. */
float *read_tensor(struct dcg_backend *be, const struct dcg_tensor *t, struct dcg_shape shape);
float *read_part(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part);
float *normal(struct dcg_rng *rng, size_t count);
float *uniform(struct dcg_rng *rng, size_t count, float lo, float hi);
double *doubles(const float *from, size_t count);

/* Geometry with p and q worked out. */
struct dcg_conv_geometry geometry(int c, int h, int w, int k, int r, int s, int stride, int pad);
struct dcg_shape big_shape(const struct dcg_conv_geometry *g, int batch);
struct dcg_shape small_shape(const struct dcg_conv_geometry *g, int batch);
size_t weight_count(const struct dcg_conv_geometry *g);

/* found is as near to expected as tol says; what names the values on failure. */
void assert_near(const float *found, const float *expected, size_t count, const struct tolerance *tol, const char *what);
void assert_near_double(const float *found, const double *expected, size_t count, const struct tolerance *tol, const char *what);

#endif
