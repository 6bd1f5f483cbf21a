/* Reproducible: the same bits whatever the number of threads, and whether or not the run was
 * interrupted. Whole checkpoint files are compared, so that parameters, weights, moments,
 * averages, statistics and generators all count. */
#include <string.h>

#include "tests/train/fixture.h"

static const struct variant {
	int schedule, d_steps, g_steps;
	double ema;
	int pictures, flip, z_dist;
	const char *precision; /* auto may be bf16 */
} variants[] = {
	{ DCG_SCHEDULE_TOGETHER, 1, 1, 0, 24, 0, DCG_Z_NORMAL, "fp32" },
	{ DCG_SCHEDULE_TOGETHER, 2, 3, 0.9, 57, 1, DCG_Z_UNIFORM, "auto" },
	{ DCG_SCHEDULE_ALTERNATE, 1, 1, 0.5, 50, 1, DCG_Z_NORMAL, "fp32" },
	{ DCG_SCHEDULE_ALTERNATE, 2, 1, 0, 73, 0, DCG_Z_UNIFORM, "auto" },
	{ DCG_SCHEDULE_TOGETHER, 1, 1, 0.5, 3, 1, DCG_Z_NORMAL, "fp32" }, /* fewer pictures than a minibatch */
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static struct dcg_train_params params_of(const struct variant *v)
{
	struct dcg_train_params p = fixture_params();
	p.schedule = v->schedule;
	p.d_steps = v->d_steps;
	p.g_steps = v->g_steps;
	p.ema = v->ema;
	p.flip = v->flip;
	p.z_dist = v->z_dist;
	snprintf(p.precision, sizeof p.precision, "%s", v->precision);
	p.sample_every = 0;
	p.checkpoint_every = 0;
	p.lr_g = p.lr_d = 0.002;
	p.epochs = v->pictures < 4 ? 9 : 2;
	return p;
}

static void losses_of(const struct run *run, struct dcg_gan_losses *ret, int most)
{
	for (int i = 0; i < run->count; i++)
		if (run->event[i].type == DCG_EVENT_METRIC) {
			ck_assert_int_le(run->event[i].step, most);
			ret[run->event[i].step - 1] = run->event[i].u.metric.losses;
		}
}

/* The sha256 of the run's last checkpoint. */
static const char *last_sum(const struct run *run)
{
	ck_assert_int_eq(run_last(run, DCG_EVENT_END)->u.end.how, DCG_END_FINISHED);
	return run_last(run, DCG_EVENT_CHECKPOINT)->u.file.sha256;
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
	struct dcg_train_params p = params_of(&variants[_i]);
	struct dcg_dataset *ds = fixture_dataset(variants[_i].pictures);
	struct dcg_gan_losses losses[3][64];
	size_t n[3];
	float *weights[3];
	memset(losses, 0, sizeof losses);
	for (int i = 0; i < 3; i++) { /* the file tells the number of threads: compare what is in it */
		struct dcg_checkpoint *c;
		struct dcg_backend *be;
		struct dcg_error err;
		p.threads = i + 1;
		struct run run = run_all(fixture_trainer(&p, ds, NULL));
		ck_assert_int_eq(run.event[0].u.started.threads, i + 1);
		losses_of(&run, losses[i], 64);
		const char *path = fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name);
		ck_assert_int_eq(dcg_checkpoint_open(&c, path, &err), 0);
		struct dcg_gan *gan = fixture_gan(&p, &be);
		ck_assert_int_eq(dcg_checkpoint_restore(c, gan, 1, &err), 0);
		weights[i] = fixture_weights(gan, &n[i]);
		fixture_gan_free(gan, be);
		dcg_checkpoint_close(c);
		run_done(&run);
	}
	for (int i = 1; i < 3; i++) {
		ck_assert_int_eq(memcmp(losses[0], losses[i], sizeof losses[0]), 0);
		ck_assert_int_eq(memcmp(weights[0], weights[i], n[0] * sizeof *weights[0]), 0);
	}
	for (int i = 0; i < 3; i++)
		free(weights[i]);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(a_continuation_equals_an_uninterrupted_run)
{
	struct dcg_train_params p = params_of(&variants[_i]);
	struct dcg_dataset *ds = fixture_dataset(variants[_i].pictures);
	struct dcg_gan_losses straight[64], pieces[64];
	memset(straight, 0, sizeof straight);
	memset(pieces, 0, sizeof pieces);
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	char sum[DCG_SHA256_HEX];
	int total = (int)run.event[0].u.started.steps_total;
	snprintf(sum, sizeof sum, "%s", last_sum(&run));
	losses_of(&run, straight, 64);
	run_done(&run);
	ck_assert_int_ge(total, 8);
	/* After every step: in the middle of an epoch, at its end, at the very end. */
	for (int stop = 1; stop <= total; stop += 2) {
		p.max_steps = stop;
		run = run_all(fixture_trainer(&p, ds, NULL));
		losses_of(&run, pieces, 64);
		const struct dcg_event *e = run_last(&run, DCG_EVENT_CHECKPOINT);
		ck_assert_int_eq(e->step, stop);
		char path[256];
		snprintf(path, sizeof path, "%s", fixture_path(e->u.file.name));
		run_done(&run);
		p.max_steps = 0;
		run = run_all(fixture_trainer(&p, ds, path));
		ck_assert_int_eq(run.event[0].step, stop);
		ck_assert_int_eq(run.event[0].u.started.steps_total, total);
		ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), total - stop);
		ck_assert_str_eq(last_sum(&run), sum);
		losses_of(&run, pieces, 64);
		ck_assert_int_eq(memcmp(straight, pieces, sizeof straight), 0);
		run_done(&run);
	}
	dcg_dataset_close(ds);
}
END_TEST

/* Stopped by command, and cut off without a checkpoint after one was made, again and again. */
START_TEST(interruptions_leave_no_trace)
{
	struct dcg_train_params p = params_of(&variants[1]);
	struct dcg_dataset *ds = fixture_dataset(variants[1].pictures);
	struct dcg_error err;
	char sum[DCG_SHA256_HEX], path[256] = "";
	p.epochs = 20;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	snprintf(sum, sizeof sum, "%s", last_sum(&run));
	run_done(&run);
	for (int i = 0; i < 4; i++) {
		struct dcg_trainer *t = fixture_trainer(&p, ds, path[0] ? path : NULL);
		struct run piece = { 0 };
		dcg_trainer_command(t, DCG_COMMAND_PAUSE); /* so that commands come at a known step */
		ck_assert_int_eq(dcg_trainer_start(t, &err), 0);
		run_until(&piece, t, DCG_EVENT_PAUSED, -1);
		dcg_trainer_command(t, DCG_COMMAND_RESUME);
		run_until(&piece, t, DCG_EVENT_METRIC, -1);
		dcg_trainer_command(t, i % 2 ? DCG_COMMAND_STOP : DCG_COMMAND_CHECKPOINT);
		snprintf(path, sizeof path, "%s", fixture_path(run_until(&piece, t, DCG_EVENT_CHECKPOINT, -1)->u.file.name));
		dcg_trainer_free(t); /* aborts */
		run_done(&piece);
	}
	run = run_all(fixture_trainer(&p, ds, path));
	ck_assert_str_eq(last_sum(&run), sum);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(a_seed_makes_a_run)
{
	struct dcg_train_params p = params_of(&variants[0]);
	struct dcg_dataset *ds = fixture_dataset(24);
	struct dcg_gan_losses a[64], b[64];
	memset(a, 0, sizeof a);
	memset(b, 0, sizeof b);
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	losses_of(&run, a, 64);
	run_done(&run);
	p.seed = 2;
	run = run_all(fixture_trainer(&p, ds, NULL));
	losses_of(&run, b, 64);
	run_done(&run);
	ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
	dcg_dataset_close(ds);
}
END_TEST

static int try_new(const struct dcg_train_params *p, const struct dcg_dataset *ds, const char *resume, const char *initialise, struct dcg_error *err)
{
	struct dcg_trainer *t;
	struct dcg_trainer_config cfg = { .params = p, .dataset = ds, .checkpoint_folder = fixture_folder(), .resume = resume, .initialise = initialise };
	int r = dcg_trainer_new(&t, &cfg, err);
	if (!r)
		dcg_trainer_free(t);
	return r;
}

START_TEST(only_the_same_run_goes_on)
{
	struct dcg_train_params p = params_of(&variants[0]), q;
	struct dcg_dataset *ds = fixture_dataset(24), *other = fixture_dataset(25);
	struct dcg_error err;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	const char *path = fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name);
	run_done(&run);
	ck_assert_int_eq(try_new(&p, ds, path, NULL, &err), 0);
	ck_assert_int_eq(try_new(&p, other, path, NULL, &err), DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "on other data (24 pictures, this one has 25)") != NULL, "%s", err.text);
	ck_assert_int_eq(try_new(&p, other, NULL, path, &err), 0);
	ck_assert_int_eq(try_new(&p, ds, path, path, &err), DCG_EINVAL);
	ck_assert_int_eq(try_new(&p, ds, fixture_path("none"), NULL, &err), DCG_ENOENT);
	q = p, q.seed = 5;
	ck_assert_int_eq(try_new(&q, ds, path, NULL, &err), DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "had another seed") != NULL, "%s", err.text);
	ck_assert_int_eq(try_new(&q, ds, NULL, path, &err), 0);
	q = p, q.batch_size = 5;
	ck_assert_int_eq(try_new(&q, ds, path, NULL, &err), DCG_EINVAL);
	ck_assert_int_eq(try_new(&q, ds, NULL, path, &err), 0);
	q = p, q.lr_g *= 2;
	ck_assert_int_eq(try_new(&q, ds, path, NULL, &err), DCG_EINVAL);
	q = p, q.ngf = 3;
	ck_assert_int_eq(try_new(&q, ds, NULL, path, &err), DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "had another ngf") != NULL, "%s", err.text);
	q = p, q.epochs = 99, q.threads = 2, q.sample_count = 1, q.checkpoint_every = 4;
	ck_assert_int_eq(try_new(&q, ds, path, NULL, &err), 0);
	q = p, q.size = 32;
	ck_assert_int_eq(try_new(&q, ds, NULL, NULL, &err), DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "prepared at size 16") != NULL, "%s", err.text);
	dcg_dataset_close(other);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(old_weights_begin_a_new_run)
{
	struct dcg_train_params p = params_of(&variants[0]);
	struct dcg_dataset *ds = fixture_dataset(24);
	struct dcg_error err;
	struct dcg_trainer *t;
	struct run run = run_all(fixture_trainer(&p, ds, NULL)), fresh;
	struct dcg_trainer_config cfg = { .params = &p, .dataset = ds, .checkpoint_folder = fixture_folder() };
	char path[256];
	snprintf(path, sizeof path, "%s", fixture_path("kept"));
	ck_assert_int_eq(rename(fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name), path), 0);
	cfg.initialise = path;
	ck_assert_int_eq(dcg_trainer_new(&t, &cfg, &err), 0);
	fresh = run_all(t);
	ck_assert_int_eq(fresh.event[0].step, 0);
	ck_assert_int_eq(run_count(&fresh, DCG_EVENT_METRIC), run_count(&run, DCG_EVENT_METRIC));
	ck_assert_int_eq(run_count(&fresh, DCG_EVENT_SAMPLE), 0); /* no folder for them */
	struct dcg_gan_losses a[64], b[64];
	memset(a, 0, sizeof a);
	memset(b, 0, sizeof b);
	losses_of(&run, a, 64);
	losses_of(&fresh, b, 64);
	ck_assert(memcmp(&a[0], &b[0], sizeof *a) != 0); /* same minibatch and noise, other weights */
	run_done(&run);
	run_done(&fresh);
	dcg_dataset_close(ds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resume");
	TCase *c = tcase_create("resume");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, any_number_of_threads_gives_the_same_bits, 0, VARIANTS);
	tcase_add_loop_test(c, a_continuation_equals_an_uninterrupted_run, 0, VARIANTS);
	tcase_add_test(c, interruptions_leave_no_trace);
	tcase_add_test(c, a_seed_makes_a_run);
	tcase_add_test(c, only_the_same_run_goes_on);
	tcase_add_test(c, old_weights_begin_a_new_run);
	suite_add_tcase(s, c);
	return tap_run(s);
}
