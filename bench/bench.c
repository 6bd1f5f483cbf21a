/* dcgan-bench ceilings|layers|step|count [--kernel K] [--arch A] [--size S] [--channels C] [--nf N]
 *             [--batch B] [--threads T] [--seconds S]
 * See bench/README.md for the fields it prints. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/table.h"

double bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double bench_median(double *v, int count)
{
	qsort(v, (size_t)count, sizeof *v, compare);
	return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

#if defined DCG_X86
/* The table amx-bf16 with tiles that are loaded and stored, but not multiplied. */
dcg_table_overlay dcg_amx_loads;
static int open_loads(struct dcg_backend **ret, int threads, struct dcg_error *err)
{
	dcg_table_overlay *const overlays[DCG_TABLE_OVERLAYS] = { dcg_simd_avx512_bf16, dcg_amx_loads };
	const char *const *name = dcg_kernel_names();
	while (*name && strcmp(*name, "avx512-bf16") != 0)
		name++;
	if (!*name)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "amx-loads: this processor has no AVX512-BF16");
	return dcg_table_backend(ret, "amx-loads", dcg_simd_open_bf16, overlays, threads, err);
}
#else
static int open_loads(struct dcg_backend **ret, int threads, struct dcg_error *err)
{
	(void)ret, (void)threads;
	return dcg_error_set(err, DCG_EUNSUPPORTED, "amx-loads: built without the x86-64 tables");
}
#endif

struct dcg_backend *bench_backend(const struct bench *b)
{
	struct dcg_backend *be;
	struct dcg_error err;
	const int loads = strcmp(b->kernel, "amx-loads") == 0;
	if (loads ? open_loads(&be, b->threads, &err) : dcg_backend_open(&be, b->kernel, "auto", b->threads, &err)) {
		fprintf(stderr, "dcgan-bench: %s\n", err.text);
		exit(2);
	}
	return be;
}

struct dcg_arch_config bench_arch(const struct bench *b)
{
	int arch = dcg_arch_from_name(b->arch);
	if (arch < 0) {
		fprintf(stderr, "dcgan-bench: no architecture \"%s\"\n", b->arch);
		exit(2);
	}
	return (struct dcg_arch_config){ (enum dcg_arch)arch, b->size, b->channels, b->nf, b->nf, 100 };
}

struct dcg_gan *bench_gan(const struct bench *b, struct dcg_backend *be)
{
	struct dcg_gan_config cfg = { .arch = bench_arch(b), .batch = b->batch, .lr_g = 2e-4F, .lr_d = 2e-4F, .beta1 = 0.5F, .beta2 = 0.999F };
	struct dcg_gan *gan;
	struct dcg_error err;
	size_t pixels = (size_t)b->batch * (size_t)(b->channels * b->size * b->size), noise = (size_t)b->batch * 100;
	float *v = malloc((pixels > noise ? pixels : noise) * sizeof *v);
	if (!v || dcg_gan_new(&gan, be, &cfg, &err) || dcg_gan_init(gan, 1, &err)) {
		fprintf(stderr, "dcgan-bench: %s\n", v ? err.text : "out of memory");
		exit(2);
	}
	struct dcg_rng rng;
	dcg_rng_init(&rng, 1, 0);
	dcg_rng_uniform(&rng, v, pixels, -1, 1);
	be->ops->tensor_write(be, dcg_gan_real(gan), v);
	dcg_rng_normal(&rng, v, noise, 0, 1);
	be->ops->tensor_write(be, dcg_gan_z(gan), v);
	free(v);
	return gan;
}

int main(int argc, char **argv)
{
	struct bench b = { "auto", "pytorch", 64, 3, 64, 128, 0, 1 };
	const struct {
		const char *name;
		int *number;
	} numbers[] = {
		{ "--size", &b.size }, { "--channels", &b.channels }, { "--nf", &b.nf }, { "--batch", &b.batch }, { "--threads", &b.threads },
	};
	static const struct {
		const char *name;
		int (*run)(const struct bench *);
	} commands[] = { { "ceilings", bench_ceilings }, { "layers", bench_layers }, { "step", bench_step }, { "count", bench_count } };
	for (int i = 2; i + 1 < argc; i += 2) {
		int known = 0;
		if (strcmp(argv[i], "--kernel") == 0)
			b.kernel = argv[i + 1], known = 1;
		else if (strcmp(argv[i], "--arch") == 0)
			b.arch = argv[i + 1], known = 1;
		else if (strcmp(argv[i], "--seconds") == 0)
			b.seconds = atof(argv[i + 1]), known = 1;
		for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
			if (strcmp(argv[i], numbers[k].name) == 0)
				*numbers[k].number = atoi(argv[i + 1]), known = 1;
		if (!known) {
			fprintf(stderr, "dcgan-bench: no option \"%s\"\n", argv[i]);
			return 2;
		}
	}
	for (size_t k = 0; argc > 1 && k < sizeof commands / sizeof *commands; k++)
		if (strcmp(argv[1], commands[k].name) == 0)
			return commands[k].run(&b);
	fprintf(stderr, "usage: dcgan-bench ceilings|layers|step|count [--option value ...]\n");
	return 2;
}
