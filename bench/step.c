/* The whole training step: D on real and on fake, Adam, G through D, Adam. Each operation of
 * the table is timed on the way by a table of the same operations with a clock around. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/bench.h"

enum component { FORWARD, DATA, WEIGHTS, NORM, NORM_BACK, ACTIVATION, LOSS, ADAM, COMPONENTS };
static const char *const names[] = { "conv_forward", "conv_backward_data", "conv_backward_weights", "batch_norm", "batch_norm_backward", "activation", "loss", "adam" };

static struct dcg_ops plain, timed;
static double spent[COMPONENTS];

#define TIMED(component, call) \
	double t = bench_now(); \
	call; \
	spent[component] += bench_now() - t
static void forward(struct dcg_backend *be, struct dcg_conv *c, const struct dcg_tensor *x, struct dcg_tensor *y) { TIMED(FORWARD, plain.conv_forward(be, c, x, y)); }
static void data(struct dcg_backend *be, struct dcg_conv *c, const struct dcg_tensor *x, struct dcg_tensor *y) { TIMED(DATA, plain.conv_backward_data(be, c, x, y)); }
static void weights(struct dcg_backend *be, struct dcg_conv *c, const struct dcg_tensor *x, const struct dcg_tensor *y, int a) { TIMED(WEIGHTS, plain.conv_backward_weights(be, c, x, y, a)); }
static void norm(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation a, enum dcg_bn_mode m) { TIMED(NORM, plain.bn_forward(be, bn, x, y, a, m)); }
static void norm_back(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation a, int p) { TIMED(NORM_BACK, plain.bn_backward(be, bn, x, y, dy, dx, a, p)); }
static void activation(struct dcg_backend *be, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation a) { TIMED(ACTIVATION, plain.act_forward(be, x, y, a)); }
static void activation_back(struct dcg_backend *be, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation a) { TIMED(ACTIVATION, plain.act_backward(be, y, dy, dx, a)); }
static void loss(struct dcg_backend *be, const struct dcg_tensor *l, float y, struct dcg_tensor *d, struct dcg_bce *r) { TIMED(LOSS, plain.bce(be, l, y, d, r)); }
static void adam(struct dcg_backend *be, struct dcg_param *const *p, int n, const struct dcg_adam *hp) { TIMED(ADAM, plain.adam(be, p, n, hp)); }

static void put_clocks(struct dcg_backend *be)
{
	plain = timed = *be->ops;
	timed.conv_forward = forward;
	timed.conv_backward_data = data;
	timed.conv_backward_weights = weights;
	timed.bn_forward = norm;
	timed.bn_backward = norm_back;
	timed.act_forward = activation;
	timed.act_backward = activation_back;
	timed.bce = loss;
	timed.adam = adam;
	be->ops = &timed;
}

/* Nominal: all taps of the products that a step needs; D's weight gradients in G's pass and
 * the gradient with respect to pictures and z are not needed where nothing uses them. */
static double gflop_of(const struct bench *b)
{
	struct dcg_arch_config cfg = bench_arch(b);
	struct dcg_layers g, d;
	double sum = 0;
	dcg_arch_generator(&cfg, &g, NULL);
	dcg_arch_discriminator(&cfg, &d, NULL);
	for (int i = 0; i < g.count + d.count; i++) {
		int of_d = i >= g.count, first = i == 0 || i == g.count;
		const struct dcg_conv_geometry *c = of_d ? &d.layer[i - g.count].conv : &g.layer[i].conv;
		double one = 2e-9 * b->batch * c->c * c->k * c->p * c->q * c->r * c->s;
		/* D: 3 forward, 2 weights, 3 data (first layer: 1); G: forward, weights, data. */
		sum += one * (of_d ? 3 + 2 + (first ? 1 : 3) : 1 + 1 + (first ? 0 : 1));
	}
	return sum;
}

int bench_step(const struct bench *b)
{
	struct dcg_backend *be = bench_backend(b);
	put_clocks(be);
	struct dcg_gan *gan = bench_gan(b, be);
	struct dcg_gan_losses l;
	dcg_gan_update_d(gan, &l);
	dcg_gan_update_g(gan, 0, &l);
	printf("{\"ready\":\"%s\",\"threads\":%d,\"gflop\":%.3f}\n", be->ops->name, dcg_pool_threads(be->pool), gflop_of(b));
	fflush(stdout);
	for (int c; (c = getchar()) != EOF;) {
		if (c != '\n')
			continue;
		int steps = 0;
		double first = bench_now(), t;
		memset(spent, 0, sizeof spent);
		do {
			dcg_gan_update_d(gan, &l);
			dcg_gan_update_g(gan, 0, &l);
			steps++;
			t = bench_now() - first;
		} while (t < b->seconds);
		struct rusage usage;
		getrusage(RUSAGE_SELF, &usage);
		printf("{\"step_ms\":%.3f,\"images_per_s\":%.2f,\"steps\":%d,\"peak_mb\":%.1f,\"components_ms\":{", t / steps * 1e3, b->batch * steps / t, steps, (double)usage.ru_maxrss / 1024);
		for (int i = 0; i < COMPONENTS; i++)
			printf("%s\"%s\":%.3f", i ? "," : "", names[i], spent[i] / steps * 1e3);
		puts("}}");
		fflush(stdout);
	}
	dcg_gan_free(gan);
	dcg_backend_close(be);
	return 0;
}
