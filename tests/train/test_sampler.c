/* Pictures from a generator: any number, the same each time, with either kind of statistics. */
#include <math.h>
#include <string.h>

#include "tests/train/fixture.h"

enum { PICTURE = 16 * 16 };

/* A checkpoint after a few steps, so that averages and running statistics are no longer what
 * they began as. */
static const char *trained(const struct dcg_train_params *p)
{
	static char path[256];
	struct dcg_dataset *ds = fixture_dataset(24);
	struct run run = run_all(fixture_trainer(p, ds, NULL));
	const struct dcg_event *e = run_last(&run, DCG_EVENT_CHECKPOINT);
	ck_assert_ptr_nonnull(e);
	snprintf(path, sizeof path, "%s", fixture_path(e->u.file.name));
	run_done(&run);
	dcg_dataset_close(ds);
	return path;
}

static struct dcg_sampler *open_sampler(const char *path, int threads)
{
	struct dcg_sampler *s;
	struct dcg_error err;
	ck_assert_msg(!dcg_sampler_open(&s, path, threads, &err), "%s", err.text);
	return s;
}

static uint8_t *draw(struct dcg_sampler *s, const float *z, int n)
{
	uint8_t *out = malloc((size_t)n * PICTURE);
	ck_assert_ptr_nonnull(out);
	dcg_sampler_draw(s, z, n, out);
	return out;
}

static double mean_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += abs(a[i] - b[i]);
	return sum / (double)n;
}

START_TEST(noise_is_fixed_and_of_its_distribution)
{
	struct dcg_train_params p = fixture_params();
	float a[1000 * 8], b[1000 * 8];
	for (int dist = 0; dist < 2; dist++) {
		p.z_dist = dist;
		double sum = 0, square = 0, most = 0;
		dcg_sampler_noise(&p, 7, 1000, a);
		dcg_sampler_noise(&p, 7, 3, b);
		ck_assert_mem_eq(a, b, 3 * 8 * sizeof *a); /* fewer are the first of more */
		for (int i = 0; i < 8000; i++) {
			sum += a[i];
			square += a[i] * a[i];
			most = fmax(most, fabs(a[i]));
		}
		ck_assert(fabs(sum / 8000) < 0.05);
		ck_assert(dist == DCG_Z_UNIFORM ? most <= 1 && fabs(square / 8000 - 1. / 3) < 0.02 : most > 2.5 && fabs(square / 8000 - 1) < 0.06);
		dcg_sampler_noise(&p, 8, 1000, b);
		ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
	}
}
END_TEST

START_TEST(one_and_a_thousand_pictures_from_any_checkpoint)
{
	struct dcg_train_params p = fixture_params();
	float z[1000 * 8];
	p.sample_bn = _i & 1;
	p.ema = _i & 2 ? 0.5 : 0;
	const char *path = trained(&p);
	struct dcg_sampler *s = open_sampler(path, 1), *two = open_sampler(path, 2);
	int batch = dcg_sampler_batch(s);
	ck_assert_int_eq(batch, 32);
	ck_assert_int_eq(dcg_sampler_params(s)->ngf, 2);
	dcg_sampler_noise(&p, 3, 1000, z);
	uint8_t *thousand = draw(s, z, 1000), *same = draw(two, z, 1000), *first = draw(s, z, batch), *one = draw(s, z, 1), *again = draw(two, z, 1);
	ck_assert_int_eq(memcmp(thousand, same, 1000 * PICTURE), 0); /* threads, and another opening */
	ck_assert_int_eq(memcmp(thousand, first, (size_t)batch * PICTURE), 0);
	ck_assert_int_eq(memcmp(one, again, PICTURE), 0);
	for (int i = 1; i < 1000; i++)
		ck_assert_int_ne(memcmp(thousand, thousand + (size_t)i * PICTURE, PICTURE), 0);
	/* One looks as it does among many, in comparison with how pictures differ. */
	double alone = mean_difference(one, thousand, PICTURE), others = mean_difference(thousand, thousand + PICTURE, 999 * PICTURE);
	ck_assert_msg(p.sample_bn ? alone == 0 : alone < others, "%f, between pictures %f", alone, others);
	free(thousand), free(same), free(first), free(one), free(again);
	dcg_sampler_free(two);
	dcg_sampler_free(s);
}
END_TEST

START_TEST(neighbours_matter_only_to_batch_statistics)
{
	struct dcg_train_params p = fixture_params();
	float z[32 * 8], others[32 * 8];
	p.sample_bn = _i;
	struct dcg_sampler *s = open_sampler(trained(&p), 1);
	dcg_sampler_noise(&p, 3, 32, z);
	dcg_sampler_noise(&p, 4, 32, others);
	memcpy(others, z, 8 * sizeof *z);
	uint8_t *a = draw(s, z, 32), *b = draw(s, others, 32);
	ck_assert_int_eq(memcmp(a, b, PICTURE) == 0, p.sample_bn);
	free(a), free(b);
	dcg_sampler_free(s);
}
END_TEST

/* Averaged weights under running statistics must draw what they draw under those of a large
 * batch; with the statistics of the raw weights they would not. */
START_TEST(running_statistics_fit_averaged_weights)
{
	struct dcg_train_params p = fixture_params();
	float z[512 * 8];
	p.ema = 0.9;
	p.lr_g = 0.05;
	p.sample_bn = 1;
	p.batch_size = 64;
	p.epochs = 12;
	const char *path = trained(&p);
	struct dcg_sampler *running = open_sampler(path, 1), *batch, *raw;
	struct dcg_checkpoint *c;
	struct dcg_backend *be;
	struct dcg_error err;
	struct dcg_train_params q = p;
	q.sample_bn = 0;
	q.ema = 0;
	ck_assert_int_eq(dcg_checkpoint_open(&c, path, &err), 0);
	struct dcg_gan *gan = fixture_gan(&q, &be);
	ck_assert_int_eq(dcg_checkpoint_restore_g(c, dcg_gan_g(gan), 1, &err), 0); /* averaged weights, raw statistics */
	ck_assert_int_eq(dcg_sampler_new(&batch, &q, 1, &err), 0);
	dcg_sampler_update(batch, dcg_gan_g(gan));
	q.sample_bn = 1;
	ck_assert_int_eq(dcg_sampler_new(&raw, &q, 1, &err), 0);
	dcg_sampler_update(raw, dcg_gan_g(gan));
	dcg_sampler_noise(&p, 9, 512, z);
	uint8_t *a = draw(running, z, 512), *b = draw(batch, z, 512), *d = draw(raw, z, 512);
	double fit = mean_difference(a, b, 512 * PICTURE), unfit = mean_difference(d, b, 512 * PICTURE);
	ck_assert_msg(fit < 6 && fit < unfit / 2, "%f from batch statistics, %f without measuring", fit, unfit);
	free(a), free(b), free(d);
	dcg_checkpoint_close(c);
	dcg_sampler_free(raw);
	dcg_sampler_free(batch);
	dcg_sampler_free(running);
	fixture_gan_free(gan, be);
}
END_TEST

START_TEST(an_update_draws_as_its_checkpoint_does)
{
	struct dcg_train_params p = fixture_params();
	float z[40 * 8];
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_checkpoint *c;
	struct dcg_sampler *s;
	p.ema = _i & 1 ? 0.5 : 0;
	p.sample_bn = _i >> 1;
	const char *path = trained(&p);
	struct dcg_sampler *opened = open_sampler(path, 1);
	struct dcg_gan *gan = fixture_gan(&p, &be);
	ck_assert_int_eq(dcg_checkpoint_open(&c, path, &err), 0);
	ck_assert_int_eq(dcg_checkpoint_restore(c, gan, 1, &err), 0);
	ck_assert_int_eq(dcg_sampler_new(&s, &p, 1, &err), 0);
	dcg_sampler_update(s, dcg_gan_g(gan));
	dcg_sampler_noise(&p, 3, 40, z);
	uint8_t *a = draw(opened, z, 40), *b = draw(s, z, 40);
	ck_assert_int_eq(memcmp(a, b, 40 * PICTURE), 0);
	/* Drawing leaves nothing behind. */
	free(b);
	b = draw(s, z, 40);
	ck_assert_int_eq(memcmp(a, b, 40 * PICTURE), 0);
	free(a), free(b);
	dcg_checkpoint_close(c);
	dcg_sampler_free(s);
	dcg_sampler_free(opened);
	fixture_gan_free(gan, be);
}
END_TEST

START_TEST(a_kernel_of_another_machine_does_not_matter)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_sampler *s;
	struct dcg_error err;
	snprintf(p.kernel, sizeof p.kernel, "vector-2040");
	ck_assert_msg(!dcg_sampler_new(&s, &p, 1, &err), "%s", err.text);
	dcg_sampler_free(s);
	ck_assert_int_eq(dcg_sampler_open(&s, fixture_path("none"), 1, &err), DCG_ENOENT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sampler");
	TCase *c = tcase_create("sampler");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, noise_is_fixed_and_of_its_distribution);
	tcase_add_loop_test(c, one_and_a_thousand_pictures_from_any_checkpoint, 0, 4);
	tcase_add_loop_test(c, neighbours_matter_only_to_batch_statistics, 0, 2);
	tcase_add_test(c, running_statistics_fit_averaged_weights);
	tcase_add_loop_test(c, an_update_draws_as_its_checkpoint_does, 0, 4);
	tcase_add_test(c, a_kernel_of_another_machine_does_not_matter);
	suite_add_tcase(s, c);
	return tap_run(s);
}
