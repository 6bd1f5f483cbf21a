/* The training thread. Everything a step does follows from the state's counters and the
 * generator of the noise, which are what a checkpoint holds. */
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Events ---------------------------------------------------------------------------- */

static struct dcg_event event(const struct dcg_trainer *t, enum dcg_event_type type)
{
	return (struct dcg_event){ .type = type, .step = t->state.step, .epoch = t->state.epoch };
}

static void tell(struct dcg_trainer *t, enum dcg_event_type type)
{
	struct dcg_event e = event(t, type);
	dcg_queue_push(t->queue, &e);
}

static void tell_started(struct dcg_trainer *t)
{
	struct dcg_event e = event(t, DCG_EVENT_STARTED);
	e.u.started.steps_total = t->steps_total;
	e.u.started.steps_per_epoch = t->steps_per_epoch;
	snprintf(e.u.started.kernel, sizeof e.u.started.kernel, "%s", t->backend->ops->name);
	e.u.started.threads = dcg_pool_threads(t->backend->pool);
	e.u.started.parameters_g = dcg_net_parameter_count(dcg_gan_g(t->gan));
	e.u.started.parameters_d = dcg_net_parameter_count(dcg_gan_d(t->gan));
	dcg_queue_push(t->queue, &e);
	if (!t->resumed || strcmp(t->state.kernel, t->backend->ops->name) == 0)
		return;
	e = event(t, DCG_EVENT_LOG);
	snprintf(e.u.log.text, sizeof e.u.log.text, "the checkpoint was computed by kernel %s, this run goes on with %s: results will differ a little",
		t->state.kernel, t->backend->ops->name);
	dcg_queue_push(t->queue, &e);
}

static void tell_metric(struct dcg_trainer *t, const struct dcg_gan_losses *losses)
{
	struct dcg_event e = event(t, DCG_EVENT_METRIC);
	e.u.metric.losses = *losses;
	e.u.metric.images_per_s = t->meter.images_per_s;
	e.u.metric.eta_s = t->meter.step_s * (double)(t->steps_total - t->state.step);
	dcg_queue_push(t->queue, &e);
}

static void tell_end(struct dcg_trainer *t, enum dcg_end how, const struct dcg_error *error)
{
	struct dcg_event e = event(t, DCG_EVENT_END);
	e.u.end.how = how;
	e.u.end.error = *error;
	dcg_queue_push(t->queue, &e);
}

/* --- Files ------------------------------------------------------------------------------ */

static void draw(struct dcg_trainer *t, int grid, int score)
{
	dcg_background_draw(t->background, t->gan, &t->state, grid, score);
	if (grid)
		t->sample_step = t->state.step;
}

static void checkpoint(struct dcg_trainer *t)
{
	dcg_background_checkpoint(t->background, t->gan, &t->state);
	t->checkpoint_ns = dcg_meter_now();
}

/* The checkpoint that a run ends with is on disk, or error says why not. A failed one of the
 * same step gets another chance. */
static int final_checkpoint(struct dcg_trainer *t, struct dcg_error *error)
{
	dcg_background_wait(t->background, t->backend->pool);
	if (dcg_background_saved(t->background, error) != t->state.step) {
		checkpoint(t);
		dcg_background_wait(t->background, t->backend->pool);
	}
	if (dcg_background_saved(t->background, error) == t->state.step) {
		error->code = 0;
		return 0;
	}
	return error->code ? error->code : dcg_error_set(error, DCG_ECANCELLED, "the last checkpoint was not written");
}

/* --- Steps ------------------------------------------------------------------------------ */

static int check_loss(const struct dcg_trainer *t, const char *name, float loss, struct dcg_error *err)
{
	if (isfinite(loss))
		return 0;
	return dcg_error_set(err, DCG_ENONFINITE, "step %lld: %s is %f", (long long)t->state.step + 1, name, (double)loss);
}

/* One step of the schedule. Every minibatch of an epoch has a number; those that an update
 * of G in the alternate schedule passes by have one, too. */
static int step(struct dcg_trainer *t, struct dcg_gan_losses *losses, struct dcg_error *err)
{
	const struct dcg_train_params *p = &t->params;
	struct dcg_train_state *s = &t->state;
	int alternate = p->schedule == DCG_SCHEDULE_ALTERNATE, r = 0;
	int64_t minibatch = s->epoch_steps * (p->d_steps + (alternate ? p->g_steps : 0));
	for (int i = 0; i < p->d_steps && !r; i++) {
		dcg_feed_pictures(t->feed, s->epoch, minibatch + i, t->backend, dcg_gan_real(t->gan));
		dcg_feed_noise(t->feed, &s->z, t->backend, dcg_gan_z(t->gan));
		dcg_gan_update_d(t->gan, losses);
		r = check_loss(t, "loss_d", losses->loss_d, err);
	}
	for (int i = 0; i < p->g_steps && !r; i++) {
		int fresh = alternate || i > 0;
		if (fresh)
			dcg_feed_noise(t->feed, &s->z, t->backend, dcg_gan_z(t->gan));
		dcg_gan_update_g(t->gan, fresh, losses);
		r = check_loss(t, "loss_g", losses->loss_g, err);
	}
	if (r)
		return r;
	s->updates_d = dcg_gan_updates_d(t->gan);
	s->updates_g = dcg_gan_updates_g(t->gan);
	s->step++;
	if (++s->epoch_steps == t->steps_per_epoch) {
		s->epoch_steps = 0;
		s->epoch++;
	}
	dcg_meter_step(&t->meter, dcg_meter_now(), (int64_t)p->batch_size * p->d_steps);
	return 0;
}

/* What is due after a step. */
static void after_step(struct dcg_trainer *t)
{
	const struct dcg_train_params *p = &t->params;
	int64_t minutes = (dcg_meter_now() - t->checkpoint_ns) / 60000000000, epoch = t->state.epoch;
	int save = p->checkpoint_minutes && minutes >= p->checkpoint_minutes;
	if (t->state.epoch_steps == 0) {
		int last = t->state.step == t->steps_total;
		tell(t, DCG_EVENT_EPOCH);
		save = save || last || (p->checkpoint_every && epoch % p->checkpoint_every == 0);
		draw(t, last || (p->sample_every && epoch % p->sample_every == 0), dcg_train_params_scores(p, t->state.count, epoch));
	}
	if (save)
		checkpoint(t);
}

/* --- Commands --------------------------------------------------------------------------- */

enum verdict { GO_ON, STOP, ABORT };

/* Takes what commands ask for; waits here while paused, and first for that with until_paused. */
static enum verdict obey(struct dcg_trainer *t, int until_paused)
{
	enum verdict v = GO_ON;
	int paused = 0;
	pthread_mutex_lock(&t->lock);
	for (;;) {
		int do_sample = t->want_sample, do_checkpoint = t->want_checkpoint, change = t->want_pause != paused;
		t->want_sample = t->want_checkpoint = 0;
		if (t->want_abort || t->want_stop) {
			v = t->want_abort ? ABORT : STOP;
			break;
		}
		if (do_sample || do_checkpoint || change) {
			paused = t->want_pause;
			until_paused &= !paused;
			pthread_mutex_unlock(&t->lock);
			if (do_sample)
				draw(t, 1, 0);
			if (do_checkpoint)
				checkpoint(t);
			if (change) {
				tell(t, paused ? DCG_EVENT_PAUSED : DCG_EVENT_RESUMED);
				dcg_meter_start(&t->meter, dcg_meter_now());
			}
			pthread_mutex_lock(&t->lock);
			continue;
		}
		if (!paused && !until_paused)
			break;
		pthread_cond_wait(&t->commanded, &t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return v;
}

/* --- The thread ---------------------------------------------------------------------------- */

/* Steps until all are done, a command ends them, or something goes wrong (err's code). */
static enum verdict run(struct dcg_trainer *t, struct dcg_error *err)
{
	enum verdict v = obey(t, 0);
	while (v == GO_ON && t->state.step < t->steps_total) {
		struct dcg_gan_losses losses = { 0 };
		struct dcg_error failure;
		if (step(t, &losses, err))
			break;
		tell_metric(t, &losses);
		after_step(t);
		/* Weights that are not finite show in the next step's losses, unless a
		 * checkpoint finds them first. */
		dcg_background_saved(t->background, &failure);
		if (failure.code == DCG_ENONFINITE) {
			*err = failure;
			break;
		}
		if (t->state.step < t->steps_total) /* after the last it is too late to stop */
			v = obey(t, 0);
	}
	return v;
}

void *dcg_trainer_loop(void *arg)
{
	struct dcg_trainer *t = arg;
	struct dcg_error error = { 0 };
	enum dcg_end how = DCG_END_STOPPED;
	dcg_flush_denormals();
	tell_started(t);
	snprintf(t->state.kernel, sizeof t->state.kernel, "%s", t->backend->ops->name);
	if (!t->resumed && t->params.sample_every)
		draw(t, 1, 0);
	dcg_meter_start(&t->meter, dcg_meter_now());
	enum verdict v = run(t, &error);
	if (v == ABORT) {
		dcg_background_cut(t->background);
	} else if (!error.code) {
		if (v == GO_ON) {
			how = DCG_END_FINISHED;
			if (t->sample_step != t->state.step)
				draw(t, 1, 0);
		}
		/* All that is left to do is to write it: what was trained stays in memory until it is. */
		while (dcg_error_is_want(final_checkpoint(t, &error)) && v == GO_ON && t->wait_for_room)
			v = obey(t, 1);
		if (v == ABORT)
			dcg_background_cut(t->background);
	}
	dcg_background_stop(t->background);
	if (error.code)
		how = DCG_END_FAILED;
	tell_end(t, how, &error);
	return NULL;
}
