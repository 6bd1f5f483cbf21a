/* Each convolution on its own, in each of its three passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"

struct fixture {
	struct dcg_backend *be;
	struct dcg_conv *conv;
	struct dcg_tensor *big, *small;
};

static void forward(struct fixture *f)
{
	f->be->ops->conv_forward(f->be, f->conv, f->big, f->small);
}
static void backward_data(struct fixture *f)
{
	f->be->ops->conv_backward_data(f->be, f->conv, f->small, f->big);
}
static void backward_weights(struct fixture *f)
{
	f->be->ops->conv_backward_weights(f->be, f->conv, f->big, f->small, 0);
}

static struct dcg_tensor *noise(struct dcg_backend *be, struct dcg_shape s)
{
	struct dcg_tensor *t;
	size_t n = (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
	float *v = malloc(n * sizeof *v);
	struct dcg_rng rng;
	if (!v || be->ops->tensor_new(be, &t, s, NULL)) {
		fprintf(stderr, "dcgan-bench: out of memory\n");
		exit(2);
	}
	dcg_rng_init(&rng, 1, (uint64_t)n);
	dcg_rng_normal(&rng, v, n, 0, 1);
	be->ops->tensor_write(be, t, v);
	free(v);
	return t;
}

static double measure(struct fixture *f, void (*pass)(struct fixture *), double seconds)
{
	double times[1000], end = bench_now() + seconds;
	int n = 0;
	pass(f);
	do {
		double t = bench_now();
		pass(f);
		times[n++] = bench_now() - t;
	} while (n < 1000 && (n < 5 || bench_now() < end));
	return bench_median(times, n);
}

static const struct dcg_conv_geometry *find(const struct dcg_layers *l, const struct dcg_conv_geometry *g)
{
	for (int i = 0; i < l->count; i++)
		if (memcmp(&l->layer[i].conv, g, sizeof *g) == 0)
			return &l->layer[i].conv;
	return NULL;
}

int bench_layers(const struct bench *b)
{
	static const struct {
		const char *name;
		void (*run)(struct fixture *);
	} passes[] = { { "forward", forward }, { "backward-data", backward_data }, { "backward-weights", backward_weights } };
	struct dcg_arch_config cfg = bench_arch(b);
	struct dcg_layers nets[2];
	struct dcg_error err;
	struct fixture f = { .be = bench_backend(b) };
	if (dcg_arch_generator(&cfg, &nets[0], &err) || dcg_arch_discriminator(&cfg, &nets[1], &err)) {
		fprintf(stderr, "dcgan-bench: %s\n", err.text);
		return 2;
	}
	/* OpenBLAS' own thread, which has nothing to do here, looks for work in a busy loop for some
	 * 100 ms before it sleeps. */
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	for (int i = 0; i < nets[0].count + nets[1].count; i++) {
		int of_d = i >= nets[0].count;
		const struct dcg_conv_geometry *g = of_d ? &nets[1].layer[i - nets[0].count].conv : &nets[0].layer[i].conv;
		const char *network = of_d ? "D" : find(&nets[1], g) ? "G,D" : "G";
		if (of_d && find(&nets[0], g))
			continue; /* G's layers are D's in reverse */
		if (f.be->ops->conv_new(f.be, &f.conv, g, b->batch, &err)) {
			fprintf(stderr, "dcgan-bench: %s\n", err.text);
			return 2;
		}
		f.big = noise(f.be, (struct dcg_shape){ b->batch, g->c, g->h, g->w });
		f.small = noise(f.be, (struct dcg_shape){ b->batch, g->k, g->p, g->q });
		/* All taps counted, those on the padding too. */
		double gflop = 2e-9 * b->batch * g->c * g->k * g->p * g->q * g->r * g->s;
		for (size_t p = 0; p < sizeof passes / sizeof *passes; p++) {
			double t = measure(&f, passes[p].run, b->seconds / 10);
			printf("{\"kernel\":\"%s\",\"network\":\"%s\",\"shape\":\"%dx%dx%d-%dx%dx%d\",\"taps\":\"%dx%d/%d\",\"pass\":\"%s\",\"ms\":%.3f,\"gflops\":%.1f}\n",
				f.be->ops->name, network, g->h, g->w, g->c, g->p, g->q, g->k, g->r, g->s, g->stride, passes[p].name, t * 1e3, gflop / t);
		}
		f.be->ops->tensor_free(f.big);
		f.be->ops->tensor_free(f.small);
		f.be->ops->conv_free(f.conv);
	}
	dcg_backend_close(f.be);
	return 0;
}
