/* bf16 trains like fp32: over a short run the losses of both lie no further apart than
 * those of two seeds. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "tests/train/fixture.h"

enum { SEEDS = 3, STEPS = 160, WINDOW = 40, WINDOWS = STEPS / WINDOW };

/* Means over windows of steps, for single steps say little. */
struct curves {
	double loss_d[WINDOWS], loss_g[WINDOWS], swd;
};

/* Small networks of an architecture, large enough for the forms that round most (kernel/simd/choose.inc.h). */
struct setting {
	enum dcg_arch arch;
	int nf, batch;
};
enum { PICTURES = 128 };

static struct curves train(const struct dcg_dataset *ds, const struct setting *of, const char *precision, int seed)
{
	struct dcg_train_params p = fixture_params();
	struct curves c = { .swd = NAN };
	snprintf(p.precision, sizeof p.precision, "%s", precision);
	p.arch = of->arch;
	p.seed = seed;
	p.ngf = p.ndf = of->nf;
	p.batch_size = of->batch;
	p.epochs = STEPS / (PICTURES / of->batch);
	p.lr_g = p.lr_d = 0.0005;
	p.sample_every = 0;
	p.checkpoint_every = 0;
	p.swd_images = STEPS * of->batch / 64; /* every so many pictures: at the end */
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	for (int i = 0; i < run.count; i++) {
		const struct dcg_event *e = &run.event[i];
		if (e->type == DCG_EVENT_METRIC) {
			int w = (int)((e->step - 1) / WINDOW);
			c.loss_d[w] += (double)e->u.metric.losses.loss_d / WINDOW;
			c.loss_g[w] += (double)e->u.metric.losses.loss_g / WINDOW;
		}
		if (e->type == DCG_EVENT_SCORE)
			c.swd = e->u.score.swd;
	}
	ck_assert_int_eq(run_last(&run, DCG_EVENT_METRIC)->step, STEPS);
	run_done(&run);
	return c;
}

/* How far the same seed's values are apart in the two precisions, and how far those of two seeds
 * in fp32, both as means over `values` values, next to each other in curves. */
static void compare(const char *what, const struct curves *fp32, const struct curves *bf16, size_t offset, int values)
{
	double between = 0, apart = 0, mean = 0;
	for (int i = 0; i < SEEDS; i++) {
		const double *a = (const double *)(const void *)((const char *)&fp32[i] + offset);
		const double *b = (const double *)(const void *)((const char *)&bf16[i] + offset);
		for (int v = 0; v < values; v++) {
			ck_assert_msg(isfinite(a[v]) && isfinite(b[v]), "%s: %g in fp32, %g in bf16", what, a[v], b[v]);
			apart += fabs(b[v] - a[v]) / (SEEDS * values);
			mean += (b[v] - a[v]) / (SEEDS * values);
			for (int k = 0; k < i; k++) {
				const double *other = (const double *)(const void *)((const char *)&fp32[k] + offset);
				between += fabs(a[v] - other[v]) / (SEEDS * (SEEDS - 1) / 2 * values);
			}
		}
	}
	printf("# %s: seeds %.4g apart in fp32; bf16 %.4g from fp32 (%.4g in the mean)\n", what, between, apart, mean);
	ck_assert_msg(apart > 0 && apart <= between && fabs(mean) <= between / 2,
		"%s: seeds are %g apart, bf16 is %g from fp32, %g in the mean", what, between, apart, mean);
}

START_TEST(bf16_stays_beside_fp32)
{
	static const struct setting settings[] = { { DCG_ARCH_PYTORCH, 16, 16 }, { DCG_ARCH_PAPER, 32, 64 } };
	struct dcg_dataset *ds = fixture_dataset(PICTURES);
	struct curves fp32[SEEDS], bf16[SEEDS];
	for (int s = 0; s < SEEDS; s++) {
		fp32[s] = train(ds, &settings[_i], "fp32", s + 1);
		bf16[s] = train(ds, &settings[_i], "bf16", s + 1);
	}
	compare("loss_d", fp32, bf16, offsetof(struct curves, loss_d), WINDOWS);
	compare("loss_g", fp32, bf16, offsetof(struct curves, loss_g), WINDOWS);
	compare("swd", fp32, bf16, offsetof(struct curves, swd), 1);
	dcg_dataset_close(ds);
}
END_TEST

int main(void)
{
	struct dcg_error err;
	if (dcg_kernel_check("auto", "bf16", &err)) {
		printf("1..0 # SKIP %s\n", err.text);
		return 0;
	}
	Suite *suite = suite_create("precision");
	TCase *t = tcase_create("precision");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, bf16_stays_beside_fp32, 0, getenv("DCG_LONG") && getenv("DCG_LONG")[0] ? 2 : 1);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
