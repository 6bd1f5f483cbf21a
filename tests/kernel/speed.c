/* How fast a table is: each pass of the large layers, and the operations over elements,
 * beside a large product of OpenBLAS in the same run.
 *
 *     make tests/kernel/speed && tests/kernel/speed [table [threads [batch]]]
 *
 * Not a test: it decides nothing. The layers are D's of `pytorch`, 64x64, nf 64; G's are
 * the same in the other direction. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "kernel/kernel.h"

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best of at least three, and of half a second. */
#define BEST_S(best, statement) \
	do { \
		const double begun_s = now_s(); \
		best = 1e30; \
		for (int round = 0; round < 3 || now_s() - begun_s < 0.5; round++) { \
			double took_s = now_s(); \
			statement; \
			took_s = now_s() - took_s; \
			best = took_s < best ? took_s : best; \
		} \
	} while (0)

static struct dcg_backend *be;
static double peak; /* flop/s of all threads in sgemm */

enum { SIDE = 1024 };

static void product(void *ctx, int task, int worker)
{
	(void)worker;
	float *const *m = ctx;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, m[0], SIDE, m[1], SIDE, 0, m[2 + task], SIDE);
}

static void measure_peak(void)
{
	const int threads = dcg_pool_threads(be->pool);
	float **m = calloc((size_t)threads + 2, sizeof *m);
	for (int i = 0; i < threads + 2; i++) {
		m[i] = dcg_alloc((size_t)SIDE * SIDE, sizeof **m);
		for (int j = 0; j < SIDE * SIDE; j++)
			m[i][j] = (float)(j % 7) - 3;
	}
	double best;
	BEST_S(best, dcg_pool_run(be->pool, product, m, threads));
	peak = 2. * SIDE * SIDE * SIDE * threads / best;
	printf("%s, %d threads; sgemm %d^3: %.0f GFLOP/s\n", be->ops->name, threads, SIDE, peak * 1e-9);
	for (int i = 0; i < threads + 2; i++)
		dcg_free(m[i]);
	free(m);
}

static struct dcg_tensor *tensor(struct dcg_shape s)
{
	struct dcg_tensor *t;
	struct dcg_error err;
	if (be->ops->tensor_new(be, &t, s, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	size_t count = (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
	float *v = malloc(count * sizeof *v);
	for (size_t i = 0; i < count; i++)
		v[i] = (float)(i * 2654435761U % 1000) / 500 - 1;
	be->ops->tensor_write(be, t, v);
	free(v);
	return t;
}

static void convolution(struct dcg_conv_geometry g, int batch)
{
	const struct dcg_ops *ops = be->ops;
	struct dcg_conv *conv;
	struct dcg_error err;
	if (ops->conv_new(be, &conv, &g, batch, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	struct dcg_param *w = ops->conv_weights(conv);
	float *v = calloc(ops->param_count(w), sizeof *v);
	for (size_t i = 0; i < ops->param_count(w); i++)
		v[i] = (float)(i % 11) / 100;
	ops->param_write(be, w, DCG_VALUE, v);
	free(v);
	struct dcg_tensor *big = tensor((struct dcg_shape){ batch, g.c, g.h, g.w }), *small = tensor((struct dcg_shape){ batch, g.k, g.p, g.q });
	/* nominal: all taps count, also those outside the picture */
	double flop = 2. * batch * g.p * g.q * g.k * g.c * g.r * g.s, s[3];
	BEST_S(s[0], ops->conv_forward(be, conv, big, small));
	BEST_S(s[1], ops->conv_backward_data(be, conv, small, big));
	BEST_S(s[2], ops->conv_backward_weights(be, conv, big, small, 0));
	printf("%3dx%dx%d -> %3dx%dx%d", g.c, g.h, g.w, g.k, g.p, g.q);
	for (int i = 0; i < 3; i++)
		printf("  %8.2f ms %5.0f GFLOP/s %3.0f%%", s[i] * 1e3, flop / s[i] * 1e-9, 100 * flop / s[i] / peak);
	putchar('\n');
	ops->tensor_free(big), ops->tensor_free(small);
	ops->conv_free(conv);
}

static void elements(int batch)
{
	const struct dcg_ops *ops = be->ops;
	const struct dcg_shape s = { batch, 128, 16, 16 };
	struct dcg_tensor *x = tensor(s), *y = tensor(s), *dy = tensor(s);
	struct dcg_bn *bn;
	struct dcg_conv *conv;
	struct dcg_conv_geometry g = { 256, 8, 8, 512, 4, 4, 4, 4, 2, 1 };
	if (ops->bn_new(be, &bn, s, NULL) != 0 || ops->conv_new(be, &conv, &g, 1, NULL) != 0)
		exit(1);
	double t[6], mb = 4e-6 * batch * 128 * 256;
	struct dcg_param *p = ops->conv_weights(conv);
	BEST_S(t[0], ops->bn_forward(be, bn, x, y, DCG_LEAKY_RELU, DCG_BN_BATCH));
	BEST_S(t[1], ops->bn_backward(be, bn, x, y, dy, dy, DCG_LEAKY_RELU, 1));
	BEST_S(t[2], ops->act_forward(be, x, y, DCG_LEAKY_RELU));
	BEST_S(t[3], ops->act_backward(be, y, dy, dy, DCG_LEAKY_RELU));
	BEST_S(t[4], ops->act_forward(be, x, y, DCG_TANH));
	BEST_S(t[5], ops->adam(be, &p, 1, &(struct dcg_adam){ 1e-3F, 0.5F, 0.999F, 1e-8F, 0, 1, 0 }));
	printf("%dx128x16x16 (%.0f MB): bn forward %.2f ms, backward %.2f, leaky %.2f, its backward %.2f, tanh %.2f; adam of %.1f M %.2f\n",
	       batch, mb, t[0] * 1e3, t[1] * 1e3, t[2] * 1e3, t[3] * 1e3, t[4] * 1e3, (double)ops->param_count(p) * 1e-6, t[5] * 1e3);
	ops->bn_free(bn);
	ops->conv_free(conv);
	ops->tensor_free(x), ops->tensor_free(y), ops->tensor_free(dy);
}

int main(int argc, char **argv)
{
	const int threads = argc > 2 ? atoi(argv[2]) : 0, batch = argc > 3 ? atoi(argv[3]) : 128;
	struct dcg_error err;
	if (dcg_backend_open(&be, argc > 1 ? argv[1] : "auto", "auto", threads, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	measure_peak();
	printf("%-26s  %-28s  %-28s  %s\n", "", "forward", "backward data", "backward weights");
	static const struct dcg_conv_geometry layers[] = {
		{ 64, 32, 32, 128, 16, 16, 4, 4, 2, 1 }, { 128, 16, 16, 256, 8, 8, 4, 4, 2, 1 }, { 256, 8, 8, 512, 4, 4, 4, 4, 2, 1 },
		{ 3, 64, 64, 64, 32, 32, 4, 4, 2, 1 }, { 512, 4, 4, 1, 1, 1, 4, 4, 1, 0 }, { 512, 4, 4, 100, 1, 1, 4, 4, 1, 0 },
	};
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		convolution(layers[i], batch);
	elements(batch);
	dcg_backend_close(be);
	return 0;
}
