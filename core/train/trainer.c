#include "train/trainer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/loop.h"

enum { QUEUED_EVENTS = 256 };

/* --- Going on from a checkpoint ------------------------------------------------------------ */

/* May differ in a continuation: they change when it ends and what it leaves, not the weights
 * on the way. */
static const char *const free_params[] = {
	"preset", "epochs", "max_steps", "sample_bn", "threads", "kernel", "sample_every", "sample_count",
	"checkpoint_every", "checkpoint_minutes", "swd_images", "keep_last", "keep_every", "on_error", NULL,
};
/* Must be the same for old weights to fit into a new run. */
static const char *const shape_params[] = { "arch", "size", "channels", "ngf", "ndf", "z_dim", NULL };

static int listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return 1;
	return 0;
}

static int same_value(const struct dcg_param_row *row, const struct dcg_train_params *a, const struct dcg_train_params *b)
{
	const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
	switch (row->type) {
	case DCG_TYPE_INT64: return *(const int64_t *)(const void *)x == *(const int64_t *)(const void *)y;
	case DCG_TYPE_NUMBER: return *(const double *)(const void *)x == *(const double *)(const void *)y;
	case DCG_TYPE_TEXT: return strcmp(x, y) == 0;
	default: return *(const int *)(const void *)x == *(const int *)(const void *)y;
	}
}

static int check_same(const struct dcg_train_params *ours, const struct dcg_train_params *theirs, int resume, struct dcg_error *err)
{
	for (const struct dcg_param_row *row = dcg_train_rows; row->name; row++) {
		int matters = resume ? !listed(free_params, row->name) : listed(shape_params, row->name);
		if (matters && !same_value(row, ours, theirs))
			return dcg_error_set(err, DCG_EINVAL, "its run had another %s than this one", row->name);
	}
	return 0;
}

static int check_state(const struct dcg_trainer *t, const struct dcg_train_state *s, struct dcg_error *err)
{
	int64_t steps;
	if (s->count != t->state.count || strcmp(s->fingerprint, t->state.fingerprint) != 0)
		return dcg_error_set(err, DCG_EINVAL, "its run was on other data (%u pictures, this one has %u)", s->count, t->state.count);
	if (__builtin_mul_overflow(s->epoch, t->steps_per_epoch, &steps) || s->epoch_steps >= t->steps_per_epoch ||
	    s->step - s->epoch_steps != steps)
		return dcg_error_set(err, DCG_EFORMAT, "step %lld is not step %lld of epoch %lld at %lld steps an epoch", (long long)s->step,
			(long long)s->epoch_steps, (long long)s->epoch + 1, (long long)t->steps_per_epoch);
	return 0;
}

static int load(struct dcg_trainer *t, const char *path, int resume, struct dcg_error *err)
{
	struct dcg_checkpoint *c;
	int r = dcg_checkpoint_open(&c, path, err);
	if (r)
		return r;
	r = check_same(&t->params, dcg_checkpoint_params(c), resume, err);
	if (!r && resume)
		r = check_state(t, dcg_checkpoint_state(c), err);
	if (r)
		dcg_error_prefix(err, r, "%s", path);
	else
		r = dcg_checkpoint_restore(c, t->gan, resume, err);
	if (!r && resume) {
		t->state = *dcg_checkpoint_state(c);
		t->resumed = 1;
	}
	dcg_checkpoint_close(c);
	return r;
}

/* --- Making ---------------------------------------------------------------------------- */

static int prepare(struct dcg_trainer *t, const struct dcg_trainer_config *cfg, struct dcg_error *err)
{
	const struct dcg_train_params *p = &t->params;
	const struct dcg_dataset_info *info = dcg_dataset_info(cfg->dataset);
	struct dcg_gan_config gan = dcg_train_params_gan(p);
	int r;
	if (cfg->resume && cfg->initialise)
		return dcg_error_set(err, DCG_EINVAL, "a run either goes on or begins from a checkpoint, not both");
	if ((r = dcg_train_params_check(p, NULL, err)) || (r = dcg_feed_new(&t->feed, p, cfg->dataset, err)) ||
	    (r = dcg_queue_new(&t->queue, QUEUED_EVENTS, err)) ||
	    (r = dcg_backend_open(&t->backend, p->kernel, p->precision, p->threads, err)) ||
	    (r = dcg_gan_new(&t->gan, t->backend, &gan, err)) || (r = dcg_gan_init(t->gan, (uint64_t)p->seed, err)))
		return r;
	t->steps_per_epoch = dcg_train_params_steps_per_epoch(p, info->count);
	t->steps_total = t->steps_per_epoch * p->epochs;
	if (p->max_steps && p->max_steps < t->steps_total)
		t->steps_total = p->max_steps;
	t->sample_step = -1;
	t->checkpoint_ns = dcg_meter_now();
	t->state.count = info->count;
	snprintf(t->state.fingerprint, sizeof t->state.fingerprint, "%s", info->fingerprint);
	dcg_rng_init(&t->state.z, (uint64_t)p->seed, DCG_STREAM_Z);
	if (cfg->resume || cfg->initialise)
		r = load(t, cfg->resume ? cfg->resume : cfg->initialise, cfg->resume != NULL, err);
	struct dcg_background_config background = { .params = p, .dataset = cfg->dataset, .sample_folder = cfg->sample_folder,
		.checkpoint_folder = cfg->checkpoint_folder, .gan = t->gan, .queue = t->queue };
	if (!r)
		r = dcg_background_new(&t->background, &background, err);
	return r;
}

int dcg_trainer_new(struct dcg_trainer **ret, const struct dcg_trainer_config *cfg, struct dcg_error *err)
{
	struct dcg_trainer *t = calloc(1, sizeof *t);
	if (!t)
		return dcg_error_set(err, DCG_ENOMEM, "trainer: out of memory");
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->commanded, NULL);
	t->params = *cfg->params;
	t->wait_for_room = cfg->wait_for_room;
	int r = prepare(t, cfg, err);
	if (r) {
		dcg_trainer_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

int dcg_trainer_start(struct dcg_trainer *t, struct dcg_error *err)
{
	sigset_t all, before;
	if (t->started)
		return dcg_error_set(err, DCG_ESTATE, "the trainer was started before");
	int r = dcg_background_start(t->background, err);
	if (r)
		return r;
	sigfillset(&all); /* signals are the program's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int e = pthread_create(&t->thread, NULL, dcg_trainer_loop, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e) {
		dcg_background_stop(t->background);
		return dcg_error_set(err, DCG_ETHREAD, "the training thread could not be started (error %d)", e);
	}
	pthread_setname_np(t->thread, "dcg-train");
	t->started = 1;
	return 0;
}

/* --- Use ------------------------------------------------------------------------------- */

void dcg_trainer_command(struct dcg_trainer *t, enum dcg_command command)
{
	pthread_mutex_lock(&t->lock);
	switch (command) {
	case DCG_COMMAND_PAUSE: t->want_pause = 1; break;
	case DCG_COMMAND_RESUME: t->want_pause = 0; break;
	case DCG_COMMAND_STOP: t->want_stop = 1; break;
	case DCG_COMMAND_ABORT: t->want_abort = 1; break;
	case DCG_COMMAND_SAMPLE: t->want_sample = 1; break;
	case DCG_COMMAND_CHECKPOINT: t->want_checkpoint = 1; break;
	}
	pthread_cond_signal(&t->commanded);
	pthread_mutex_unlock(&t->lock);
}

int dcg_trainer_next(struct dcg_trainer *t, struct dcg_event *ret, int timeout_ms)
{
	return t->started ? dcg_queue_take(t->queue, ret, timeout_ms) : DCG_ESTATE;
}

void dcg_trainer_free(struct dcg_trainer *t)
{
	if (!t)
		return;
	if (t->started) {
		dcg_trainer_command(t, DCG_COMMAND_ABORT);
		dcg_queue_close(t->queue);
		dcg_background_cut(t->background);
		pthread_join(t->thread, NULL);
	}
	dcg_background_free(t->background);
	dcg_queue_free(t->queue);
	dcg_feed_free(t->feed);
	dcg_gan_free(t->gan);
	dcg_backend_close(t->backend);
	pthread_cond_destroy(&t->commanded);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
