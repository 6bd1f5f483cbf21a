/* The training loop from outside: events, commands, files, and what goes wrong. */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/train/fixture.h"
#include "train/loop.h"
#include "train/score.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void start(struct dcg_trainer *t)
{
	struct dcg_error err;
	ck_assert_msg(!dcg_trainer_start(t, &err), "%s", err.text);
}

static int count_of(const struct run *run, enum dcg_event_type type, int64_t step)
{
	int n = 0;
	for (int i = 0; i < run->count; i++)
		n += run->event[i].type == type && run->event[i].step == step;
	return n;
}

/* The file that an event told of is there, whole. */
static void check_file(const struct dcg_event *e, const char *format)
{
	char name[64], sum[DCG_SHA256_HEX], *bytes;
	struct dcg_error err;
	size_t size;
	snprintf(name, sizeof name, format, (long long)e->step);
	ck_assert_str_eq(e->u.file.name, name);
	ck_assert_msg(!dcg_file_read(fixture_path(name), 1 << 24, &bytes, &size, &err), "%s", err.text);
	ck_assert_uint_eq(size, e->u.file.size);
	dcg_sha256(bytes, size, sum);
	ck_assert_str_eq(sum, e->u.file.sha256);
	free(bytes);
}

START_TEST(a_run_tells_everything_in_order)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	p.epochs = 5;
	p.sample_every = 2;
	p.checkpoint_every = 3;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	const struct dcg_event *e = &run.event[0];
	ck_assert_int_eq(e->u.started.steps_per_epoch, 6);
	ck_assert_int_eq(e->u.started.steps_total, 30);
	ck_assert_int_eq(e->u.started.threads, 1);
	ck_assert_uint_gt(e->u.started.parameters_g, 100);
	ck_assert_uint_gt(e->u.started.parameters_d, 100);
	ck_assert_uint_gt(strlen(e->u.started.kernel), 2);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 30);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_EPOCH), 5);
	for (int i = 0; i < run.count; i++) {
		e = &run.event[i];
		if (e->type == DCG_EVENT_METRIC) {
			ck_assert(isfinite(e->u.metric.losses.loss_d) && isfinite(e->u.metric.losses.loss_g));
			ck_assert(e->u.metric.losses.d_real > 0 && e->u.metric.losses.d_real < 1);
			ck_assert(e->u.metric.losses.d_fake > 0 && e->u.metric.losses.d_fake_after < 1);
			ck_assert(e->u.metric.images_per_s > 0 && e->u.metric.eta_s >= 0);
			ck_assert_int_eq(e->epoch, e->step / 6);
		} else if (e->type == DCG_EVENT_EPOCH) {
			ck_assert_int_eq(e->step, 6 * e->epoch);
			ck_assert_int_eq(run.event[i - 1].type == DCG_EVENT_METRIC || run.event[i - 1].step < e->step, 1);
		} else if (e->type == DCG_EVENT_SAMPLE) {
			check_file(e, "step-%010lld.png");
			ck_assert_int_eq(e->epoch, e->step / 6);
		} else if (e->type == DCG_EVENT_CHECKPOINT) {
			check_file(e, "step-%010lld.safetensors");
		}
	}
	/* Before training, after epochs 2 and 4, at the end. */
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SAMPLE), 4);
	ck_assert(count_of(&run, DCG_EVENT_SAMPLE, 0) && count_of(&run, DCG_EVENT_SAMPLE, 12) && count_of(&run, DCG_EVENT_SAMPLE, 24) &&
		count_of(&run, DCG_EVENT_SAMPLE, 30));
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 2);
	ck_assert(count_of(&run, DCG_EVENT_CHECKPOINT, 18) && count_of(&run, DCG_EVENT_CHECKPOINT, 30));
	ck_assert_int_eq(run_last(&run, DCG_EVENT_END)->u.end.how, DCG_END_FINISHED);
	ck_assert_ptr_null(run_last(&run, DCG_EVENT_LOG));
	ck_assert(run_last(&run, DCG_EVENT_METRIC)->u.metric.eta_s == 0);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(the_end_alone_leaves_one_of_each)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	p.sample_every = p.checkpoint_every = 0;
	p.max_steps = 7; /* in the middle of the second epoch */
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 7);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_EPOCH), 1);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SAMPLE), 1);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 1);
	ck_assert_int_eq(run_last(&run, DCG_EVENT_CHECKPOINT)->step, 7);
	ck_assert_int_eq(run_last(&run, DCG_EVENT_CHECKPOINT)->epoch, 1);
	run_done(&run);
	/* Epoch ends that coincide with the end make nothing twice. */
	p = fixture_params();
	run = run_all(fixture_trainer(&p, ds, NULL));
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SAMPLE), 3);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 2);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(minutes_bring_a_checkpoint)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	p.checkpoint_every = 0;
	p.checkpoint_minutes = 10;
	for (int late = 0; late < 2; late++) {
		struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
		t->checkpoint_ns -= INT64_C(1000000000) * (late ? 601 : 500);
		struct run run = run_all(t);
		ck_assert_int_eq(count_of(&run, DCG_EVENT_CHECKPOINT, 1), late);
		ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 1 + late);
		run_done(&run);
	}
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(another_kernel_is_told)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	char path[256];
	snprintf(p.kernel, sizeof p.kernel, "ref");
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	ck_assert_str_eq(run.event[0].u.started.kernel, "ref");
	snprintf(path, sizeof path, "%s", fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name));
	run_done(&run);
	p.epochs = 3;
	for (const char *const *k = dcg_kernel_names(); *k; k++) {
		snprintf(p.kernel, sizeof p.kernel, "%s", *k);
		run = run_all(fixture_trainer(&p, ds, path));
		ck_assert_int_eq(run_count(&run, DCG_EVENT_LOG), strcmp(*k, "ref") != 0);
		ck_assert_int_eq(run_last(&run, DCG_EVENT_END)->u.end.how, DCG_END_FINISHED);
		ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 6);
		run_done(&run);
	}
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(the_meter_looks_back_a_second)
{
	struct dcg_meter m = { 0 };
	int64_t t = INT64_C(5000000000);
	dcg_meter_start(&m, t);
	for (int i = 0; i < 300; i++) /* 10 pictures every 10 ms */
		dcg_meter_step(&m, t += 10000000, 10);
	ck_assert(fabs(m.images_per_s - 1000) < 1 && fabs(m.step_s - 0.01) < 1e-6);
	for (int i = 0; i < 120; i++) /* half as fast: after a second or so, that is all that counts */
		dcg_meter_step(&m, t += 20000000, 10);
	ck_assert(fabs(m.images_per_s - 500) < 5);
	ck_assert(m.step_s > 0.0105 && m.step_s < 0.015); /* slower to change */
	dcg_meter_start(&m, t += INT64_C(3600000000000)); /* a pause counts for nothing */
	dcg_meter_step(&m, t += 20000000, 10);
	ck_assert(fabs(m.images_per_s - 500) < 5 && m.step_s < 0.015);
	for (int i = 0; i < 30; i++) /* steps longer than the window */
		dcg_meter_step(&m, t += INT64_C(4000000000), 10);
	ck_assert(fabs(m.images_per_s - 2.5) < 0.01 && m.step_s > 3.5);
	dcg_meter_step(&m, t, 10); /* no time at all */
	ck_assert(isfinite(m.images_per_s));
}
END_TEST

START_TEST(samples_are_the_pictures_of_the_checkpoint)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_picture grid, want;
	struct dcg_sampler *s;
	struct dcg_error err;
	char *bytes;
	size_t size;
	float z[70 * 8];
	uint8_t pictures[70 * 256];
	p.sample_count = 70; /* more than a batch of the sampler */
	p.ema = _i ? 0.5 : 0;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	ck_assert_int_eq(dcg_file_read(fixture_path(run_last(&run, DCG_EVENT_SAMPLE)->u.file.name), 1 << 20, &bytes, &size, &err), 0);
	ck_assert_msg(!dcg_picture_decode(&grid, bytes, size, &err), "%s", err.text);
	ck_assert_int_eq(dcg_sampler_open(&s, fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name), 2, &err), 0);
	dcg_sampler_noise(&p, (uint64_t)p.seed, 70, z);
	dcg_sampler_draw(s, z, 70, pictures);
	ck_assert_int_eq(dcg_picture_grid(&want, pictures, 70, 16, 16, 1, 0, 2, &err), 0);
	ck_assert_int_eq(grid.width, want.width);
	ck_assert_int_eq(grid.height, want.height);
	ck_assert_int_eq(grid.channels, 1);
	ck_assert_int_eq(memcmp(grid.pixels, want.pixels, (size_t)grid.width * (size_t)grid.height), 0);
	dcg_picture_done(&want);
	dcg_picture_done(&grid);
	dcg_sampler_free(s);
	free(bytes);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

/* Scores come with the checkpoints of epochs that have one, and are those of the generator in
 * the file. */
START_TEST(checkpoints_are_scored)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_sampler *g;
	struct dcg_score *s;
	struct dcg_error err;
	int scored = 0;
	struct dcg_scores told = { 0 }, again;
	int64_t told_step = -1;
	struct dcg_pool *pool;
	ck_assert_int_eq(dcg_pool_new(&pool, 3, &err), 0);
	double best = INFINITY, worst = 0;
	p.swd_images = 8; /* 512 pictures: every 19 or 20 epochs */
	p.sample_every = _i ? 0 : 3;
	p.ema = _i ? 0.9 : 0;
	p.lr_g = p.lr_d = 0.005;
	p.epochs = 100;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 100);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_LOG), 0);
	ck_assert_int_eq(dcg_score_new(&s, &p, ds, &err), 0);
	for (int i = 0; i < run.count; i++) {
		const struct dcg_event *e = &run.event[i];
		if (e->type == DCG_EVENT_SCORE) {
			ck_assert_int_gt(e->step, told_step);
			ck_assert_int_eq(e->step, e->epoch * 6); /* 26 pictures by 4 */
			told = e->u.score;
			told_step = e->step;
		}
		if (e->type != DCG_EVENT_CHECKPOINT)
			continue;
		ck_assert_int_eq(isnan(e->u.file.score) == 0, dcg_train_params_scores(&p, 26, e->epoch));
		if (isnan(e->u.file.score))
			continue;
		scored++;
		ck_assert(e->u.file.score > 0 && isfinite(e->u.file.score));
		best = fmin(best, e->u.file.score);
		worst = fmax(worst, e->u.file.score);
		ck_assert_int_eq(dcg_sampler_open(&g, fixture_path(e->u.file.name), 2, &err), 0);
		ck_assert_int_eq(dcg_score_draw(s, g, NULL, NULL, &err), 0);
		ck_assert_int_eq(dcg_score_measure(s, scored % 2 ? pool : NULL, NULL, NULL, &again, &err), 0);
		ck_assert(again.swd == e->u.file.score);
		ck_assert_int_eq(told_step, e->step);
		ck_assert(told.swd == again.swd && told.ms_ssim == again.ms_ssim);
		ck_assert(told.ms_ssim > 0 && told.ms_ssim < 1);
		dcg_sampler_free(g);
	}
	ck_assert_int_eq(scored, 5);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SCORE), 5);
	ck_assert(worst > best);
	dcg_score_free(s);
	dcg_pool_free(pool);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

static int always(void *user)
{
	return user == NULL;
}

START_TEST(scoring_can_be_cancelled)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_sampler *g;
	struct dcg_score *s;
	struct dcg_error err;
	struct dcg_scores value = { -5, -5 };
	ck_assert_int_eq(dcg_sampler_new(&g, &p, 1, &err), 0);
	ck_assert_int_eq(dcg_score_new(&s, &p, ds, &err), 0); /* more are wanted than there are */
	ck_assert_int_eq(dcg_score_draw(s, g, always, NULL, &err), DCG_ECANCELLED);
	ck_assert_int_eq(dcg_score_draw(s, g, always, &p, &err), 0);
	ck_assert_int_eq(dcg_score_measure(s, NULL, always, NULL, &value, &err), DCG_ECANCELLED);
	ck_assert(value.swd == -5 && value.ms_ssim == -5);
	ck_assert_int_eq(dcg_score_measure(s, NULL, always, &p, &value, &err), 0);
	ck_assert(value.swd > 0); /* grey pictures are not discs */
	dcg_score_free(s);
	dcg_sampler_free(g);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(commands_are_obeyed_between_steps)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_event none;
	struct run run = { 0 };
	p.epochs = 100000;
	p.sample_every = p.checkpoint_every = 0;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	dcg_trainer_command(t, DCG_COMMAND_PAUSE);
	start(t);
	ck_assert_int_eq(run_until(&run, t, DCG_EVENT_PAUSED, 0)->step, 0);
	ck_assert_int_eq(dcg_trainer_next(t, &none, 100), DCG_ETIMEOUT);
	dcg_trainer_command(t, DCG_COMMAND_PAUSE); /* again is nothing new */
	ck_assert_int_eq(dcg_trainer_next(t, &none, 50), DCG_ETIMEOUT);
	dcg_trainer_command(t, DCG_COMMAND_SAMPLE);
	check_file(run_until(&run, t, DCG_EVENT_SAMPLE, 0), "step-%010lld.png");
	dcg_trainer_command(t, DCG_COMMAND_CHECKPOINT);
	check_file(run_until(&run, t, DCG_EVENT_CHECKPOINT, 0), "step-%010lld.safetensors");
	ck_assert_int_eq(dcg_trainer_next(t, &none, 50), DCG_ETIMEOUT);
	dcg_trainer_command(t, DCG_COMMAND_RESUME);
	run_until(&run, t, DCG_EVENT_RESUMED, 0);
	run_until(&run, t, DCG_EVENT_METRIC, 3);
	dcg_trainer_command(t, DCG_COMMAND_RESUME); /* nothing to resume */
	dcg_trainer_command(t, DCG_COMMAND_CHECKPOINT);
	int64_t at = run_until(&run, t, DCG_EVENT_CHECKPOINT, -1)->step;
	ck_assert_int_ge(at, 3);
	dcg_trainer_command(t, DCG_COMMAND_PAUSE);
	run_until(&run, t, DCG_EVENT_PAUSED, -1);
	ck_assert_int_eq(dcg_trainer_next(t, &none, 50), DCG_ETIMEOUT);
	dcg_trainer_command(t, DCG_COMMAND_RESUME);
	run_until(&run, t, DCG_EVENT_METRIC, -1);
	dcg_trainer_command(t, DCG_COMMAND_STOP);
	const struct dcg_event *end = run_until(&run, t, DCG_EVENT_END, -1);
	ck_assert_int_eq(end->u.end.how, DCG_END_STOPPED);
	ck_assert_int_eq(run_last(&run, DCG_EVENT_CHECKPOINT)->step, end->step);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_PAUSED), 2);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_RESUMED), 2);
	ck_assert_int_eq(dcg_trainer_next(t, &none, -1), DCG_EEND);
	dcg_trainer_command(t, DCG_COMMAND_STOP); /* too late is no error */
	run_check_order(&run, 0);
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(a_pause_can_end_in_a_stop)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct run run = { 0 };
	enum dcg_command how = _i ? DCG_COMMAND_ABORT : DCG_COMMAND_STOP;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	dcg_trainer_command(t, DCG_COMMAND_PAUSE);
	start(t);
	run_until(&run, t, DCG_EVENT_PAUSED, 0);
	dcg_trainer_command(t, how);
	ck_assert_int_eq(run_until(&run, t, DCG_EVENT_END, 0)->u.end.how, DCG_END_STOPPED);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), how == DCG_COMMAND_STOP);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 0);
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(an_abort_leaves_no_checkpoint)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct run run = { 0 };
	p.epochs = 100000;
	p.sample_every = p.checkpoint_every = 0;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	start(t);
	run_until(&run, t, DCG_EVENT_METRIC, 2);
	dcg_trainer_command(t, DCG_COMMAND_ABORT);
	ck_assert_int_eq(run_until(&run, t, DCG_EVENT_END, -1)->u.end.how, DCG_END_STOPPED);
	ck_assert_ptr_null(run_last(&run, DCG_EVENT_CHECKPOINT));
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(nobody_has_to_listen_to_the_end)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct timespec while_the_queue_fills = { 0, 300000000 };
	p.epochs = 1000000;
	dcg_trainer_free(fixture_trainer(&p, ds, NULL)); /* never started */
	for (int i = 0; i < 2; i++) {
		struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
		start(t);
		if (i)
			nanosleep(&while_the_queue_fills, NULL);
		double before = now();
		dcg_trainer_free(t);
		ck_assert(now() - before < 5);
	}
	dcg_dataset_close(ds);
}
END_TEST

/* A queue that is full holds training up, and loses nothing. */
START_TEST(a_slow_listener_misses_nothing)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct timespec while_the_queue_fills = { 0, 400000000 };
	struct run run = { 0 };
	p.epochs = 100; /* 600 steps */
	p.sample_every = 50;
	p.checkpoint_every = 30;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	start(t);
	nanosleep(&while_the_queue_fills, NULL);
	run_until(&run, t, DCG_EVENT_END, 600);
	run_check_order(&run, 0);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 600);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 4);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SAMPLE), 3);
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

/* A checkpoint of the run, with D's first weights beyond what a sum can hold. */
static void poison(const struct dcg_train_params *p, const char *from, const char *to)
{
	struct dcg_checkpoint *c;
	struct dcg_snapshot *s;
	struct dcg_backend *be;
	struct dcg_error err;
	struct dcg_gan *gan = fixture_gan(p, &be);
	ck_assert_int_eq(dcg_checkpoint_open(&c, from, &err), 0);
	ck_assert_int_eq(dcg_checkpoint_restore(c, gan, 1, &err), 0);
	size_t n = dcg_net_array(dcg_gan_d(gan), 0)->count;
	float *v = malloc(n * sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = i % 2 ? 3e38f : 2e38f;
	dcg_net_array_write(dcg_gan_d(gan), 0, DCG_VALUE, v);
	free(v);
	ck_assert_int_eq(dcg_snapshot_new(&s, gan, 0, &err), 0);
	dcg_snapshot_take(s, gan, p, dcg_checkpoint_state(c));
	ck_assert_msg(!dcg_snapshot_write(s, to, NULL, NULL, &err), "%s", err.text);
	dcg_snapshot_free(s);
	dcg_checkpoint_close(c);
	fixture_gan_free(gan, be);
}

START_TEST(a_loss_that_is_not_finite_ends_the_run)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	p.max_steps = 5;
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	poison(&p, fixture_path(run_last(&run, DCG_EVENT_CHECKPOINT)->u.file.name), fixture_path("poisoned"));
	run_done(&run);
	p.max_steps = 0;
	run = run_all(fixture_trainer(&p, ds, fixture_path("poisoned")));
	const struct dcg_event *end = run_last(&run, DCG_EVENT_END);
	ck_assert_int_eq(end->u.end.how, DCG_END_FAILED);
	ck_assert_int_eq(end->u.end.error.code, DCG_ENONFINITE);
	ck_assert_msg(strncmp(end->u.end.error.text, "step 6: loss_d is ", 18) == 0, "%s", end->u.end.error.text);
	ck_assert_int_eq(end->step, 5); /* the last that was good */
	ck_assert_ptr_null(run_last(&run, DCG_EVENT_CHECKPOINT));
	ck_assert_ptr_null(run_last(&run, DCG_EVENT_METRIC));
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(a_full_disk_is_told_and_fails_only_at_the_end)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 4096; /* enough for a picture */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	struct run run = run_all(fixture_trainer(&p, ds, NULL));
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	const struct dcg_event *end = run_last(&run, DCG_EVENT_END);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_METRIC), 12); /* training went on */
	ck_assert_int_eq(run_count(&run, DCG_EVENT_SAMPLE), 3);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 0);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_LOG), 3); /* two epochs, and the last once more */
	ck_assert_int_eq(end->u.end.how, DCG_END_FAILED);
	ck_assert(end->u.end.error.code == DCG_ENOSPC || end->u.end.error.code == DCG_EIO);
	const char *text = run_last(&run, DCG_EVENT_LOG)->u.log.text;
	ck_assert_msg(strncmp(text, "the checkpoint of step 12 could not be written: ", 48) == 0 && !strstr(text, fixture_folder()), "%s", text);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

START_TEST(a_folder_that_comes_back_is_enough)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_error err;
	struct dcg_trainer *t;
	struct run run = { 0 };
	char folder[256];
	snprintf(folder, sizeof folder, "%s", fixture_path("files"));
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	struct dcg_trainer_config cfg = { .params = &p, .dataset = ds, .sample_folder = folder, .checkpoint_folder = folder };
	p.sample_every = 0;
	ck_assert_msg(!dcg_trainer_new(&t, &cfg, &err), "%s", err.text);
	dcg_trainer_command(t, DCG_COMMAND_PAUSE);
	start(t);
	run_until(&run, t, DCG_EVENT_PAUSED, 0);
	ck_assert_int_eq(rmdir(folder), 0);
	dcg_trainer_command(t, DCG_COMMAND_CHECKPOINT);
	ck_assert_ptr_nonnull(strstr(run_until(&run, t, DCG_EVENT_LOG, 0)->u.log.text, "the checkpoint of step 0 could not be written"));
	dcg_trainer_command(t, DCG_COMMAND_SAMPLE);
	ck_assert_ptr_nonnull(strstr(run_until(&run, t, DCG_EVENT_LOG, 0)->u.log.text, "the sample of step 0 could not be written"));
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	dcg_trainer_command(t, DCG_COMMAND_RESUME);
	ck_assert_int_eq(run_until(&run, t, DCG_EVENT_END, -1)->u.end.how, DCG_END_FINISHED);
	ck_assert_int_eq(run_count(&run, DCG_EVENT_CHECKPOINT), 2);
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

static void *send_commands(void *arg)
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, 5, (uint64_t)(uintptr_t)pthread_self());
	for (int i = 0; i < 200; i++)
		dcg_trainer_command(arg, (enum dcg_command[]){ DCG_COMMAND_PAUSE, DCG_COMMAND_RESUME, DCG_COMMAND_RESUME, DCG_COMMAND_SAMPLE,
			DCG_COMMAND_CHECKPOINT }[dcg_rng_below(&rng, 5)]);
	dcg_trainer_command(arg, DCG_COMMAND_RESUME); /* the last of all, whoever it is from: all may come before the first step */
	return NULL;
}

START_TEST(commands_come_from_any_thread)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	pthread_t thread[3];
	struct run run = { 0 };
	p.epochs = 100000;
	p.sample_every = p.checkpoint_every = 0;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	start(t);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, send_commands, t), 0);
	run_until(&run, t, DCG_EVENT_METRIC, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	dcg_trainer_command(t, DCG_COMMAND_STOP);
	const struct dcg_event *end = run_until(&run, t, DCG_EVENT_END, -1);
	ck_assert_int_eq(end->u.end.how, DCG_END_STOPPED);
	ck_assert_int_eq(run_last(&run, DCG_EVENT_CHECKPOINT)->step, end->step);
	run_check_order(&run, 0);
	dcg_trainer_free(t);
	run_done(&run);
	dcg_dataset_close(ds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trainer");
	TCase *c = tcase_create("trainer");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, a_run_tells_everything_in_order);
	tcase_add_test(c, the_end_alone_leaves_one_of_each);
	tcase_add_test(c, minutes_bring_a_checkpoint);
	tcase_add_test(c, another_kernel_is_told);
	tcase_add_test(c, the_meter_looks_back_a_second);
	tcase_add_loop_test(c, samples_are_the_pictures_of_the_checkpoint, 0, 2);
	tcase_add_loop_test(c, checkpoints_are_scored, 0, 2);
	tcase_add_test(c, scoring_can_be_cancelled);
	tcase_add_test(c, commands_are_obeyed_between_steps);
	tcase_add_loop_test(c, a_pause_can_end_in_a_stop, 0, 2);
	tcase_add_test(c, an_abort_leaves_no_checkpoint);
	tcase_add_test(c, nobody_has_to_listen_to_the_end);
	tcase_add_test(c, a_slow_listener_misses_nothing);
	tcase_add_test(c, a_loss_that_is_not_finite_ends_the_run);
	tcase_add_test(c, a_full_disk_is_told_and_fails_only_at_the_end);
	tcase_add_test(c, a_folder_that_comes_back_is_enough);
	tcase_add_test(c, commands_come_from_any_thread);
	suite_add_tcase(s, c);
	return tap_run(s);
}
