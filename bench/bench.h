/* The measuring program's parts. Each prints one JSON object a line on standard output. */
#ifndef DCG_BENCH_BENCH_H
#define DCG_BENCH_BENCH_H

#include "nn/gan.h"

struct bench {
	const char *kernel, *arch;
	int size, channels, nf, batch, threads;
	double seconds; /* of each measurement, at least */
};

double bench_now(void);
/* Median of count values; sorts them. */
double bench_median(double *v, int count);
struct dcg_backend *bench_backend(const struct bench *b);
struct dcg_arch_config bench_arch(const struct bench *b);
/* Networks, a batch and noise, all from one seed. Exits with a message when it cannot. */
struct dcg_gan *bench_gan(const struct bench *b, struct dcg_backend *be);

int bench_ceilings(const struct bench *b);
/* Every convolution of G and D in each of its passes. */
int bench_layers(const struct bench *b);
/* A training step, again for every line on standard input until it ends. */
int bench_step(const struct bench *b);
/* One training step inside the function bench_counted_step, for an instruction counter. */
int bench_count(const struct bench *b);

#endif
