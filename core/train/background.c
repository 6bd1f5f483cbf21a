#include "train/background.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/picture.h"
#include "train/score.h"

enum { GRID_GAP = 2 };
enum work { NOTHING, CHECKPOINT, DRAW };

struct dcg_background {
	struct dcg_train_params params; /* const, as are the next lines */
	struct dcg_queue *queue;
	char *sample_folder, *checkpoint_folder;
	float *noise;                 /* [sample_count][z_dim], the same for every grid */
	struct dcg_score *score;      /* background's; NULL: no scores */

	/* Whoever owns the work owns these: the training thread fills them while the kind is
	 * not asked for, the background's until it is done with them. */
	struct dcg_snapshot *snapshot;
	struct dcg_sampler *sampler;  /* NULL: neither grids nor scores */
	struct dcg_train_state draw_state, checkpoint_state;
	int want_grid, want_score;
	uint8_t *pictures;            /* [sample_count][size][size][channels]; background's */
	struct dcg_scores scores;     /* of score_step; background's */
	int64_t score_step;           /* -1: none yet */

	pthread_t thread;
	int started;                  /* owner's, then training thread's */
	pthread_mutex_t lock;         /* guards what follows */
	pthread_cond_t asked, done;
	enum work first, second;      /* first is being done, or next */
	int cut, stop;
	struct dcg_pool *lent;        /* the training thread's, while it waits; NULL: at work */
	int64_t saved_step;
	struct dcg_error failure;     /* of the last checkpoint, code 0: none */
};

/* --- Making ---------------------------------------------------------------------------- */

int dcg_background_new(struct dcg_background **ret, const struct dcg_background_config *cfg, struct dcg_error *err)
{
	const struct dcg_train_params *p = cfg->params;
	size_t count = (size_t)p->sample_count, picture = (size_t)p->size * (size_t)p->size * (size_t)p->channels;
	struct dcg_background *b = calloc(1, sizeof *b);
	if (!b)
		return dcg_error_set(err, DCG_ENOMEM, "background: out of memory");
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->asked, NULL);
	pthread_cond_init(&b->done, NULL);
	b->params = *p;
	b->queue = cfg->queue;
	b->saved_step = b->score_step = -1;
	int r = dcg_snapshot_new(&b->snapshot, cfg->gan, p->ema > 0, err);
	if (!r && (cfg->sample_folder || p->swd_images))
		r = dcg_sampler_new(&b->sampler, p, 1, err);
	if (!r && p->swd_images)
		r = dcg_score_new(&b->score, p, cfg->dataset, err);
	if (r)
		goto fail;
	b->noise = dcg_alloc(count * (size_t)p->z_dim, sizeof *b->noise);
	b->pictures = dcg_alloc(count, picture);
	b->checkpoint_folder = strdup(cfg->checkpoint_folder);
	b->sample_folder = cfg->sample_folder ? strdup(cfg->sample_folder) : NULL;
	if (!b->noise || !b->pictures || !b->checkpoint_folder || (cfg->sample_folder && !b->sample_folder)) {
		r = dcg_error_set(err, DCG_ENOMEM, "background: out of memory");
		goto fail;
	}
	dcg_sampler_noise(p, (uint64_t)p->seed, p->sample_count, b->noise);
	*ret = b;
	return 0;
fail:
	dcg_background_free(b);
	return r;
}

void dcg_background_free(struct dcg_background *b)
{
	if (!b)
		return;
	if (b->started) {
		dcg_background_cut(b);
		dcg_background_stop(b);
	}
	dcg_snapshot_free(b->snapshot);
	dcg_score_free(b->score);
	dcg_sampler_free(b->sampler);
	dcg_free(b->noise);
	dcg_free(b->pictures);
	free(b->checkpoint_folder);
	free(b->sample_folder);
	pthread_cond_destroy(&b->done);
	pthread_cond_destroy(&b->asked);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* --- The thread's work --------------------------------------------------------------------- */

static int is_cut(void *arg)
{
	struct dcg_background *b = arg;
	pthread_mutex_lock(&b->lock);
	int cut = b->cut;
	pthread_mutex_unlock(&b->lock);
	return cut;
}

static void file_name(char name[64], const struct dcg_train_state *state, const char *ending)
{
	snprintf(name, 64, "step-%010lld.%s", (long long)state->step, ending);
}

static char *file_path(const char *folder, const char *name, struct dcg_error *err)
{
	char *path;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		dcg_error_set(err, DCG_ENOMEM, "out of memory");
		return NULL;
	}
	return path;
}

static void tell_failure(struct dcg_background *b, enum dcg_event_type file, const char *what, const char *done, const char *folder, const struct dcg_train_state *state, const struct dcg_error *err)
{
	struct dcg_event e = { .type = DCG_EVENT_LOG, .step = state->step, .epoch = state->epoch };
	size_t n = strlen(folder);
	/* Where the folder is concerns nobody who reads this. */
	const char *why = n && strncmp(err->text, folder, n) == 0 && err->text[n] == '/' ? err->text + n + 1 : err->text;
	e.u.log.code = err->code;
	e.u.log.file = file;
	snprintf(e.u.log.text, sizeof e.u.log.text, "the %s of step %lld could not be %s: %.180s", what, (long long)state->step, done, why);
	dcg_queue_push(b->queue, &e);
}

static void write_checkpoint(struct dcg_background *b)
{
	const struct dcg_train_state *state = &b->checkpoint_state;
	struct dcg_event e = { .type = DCG_EVENT_CHECKPOINT, .step = state->step, .epoch = state->epoch };
	struct dcg_error err = { 0 };
	file_name(e.u.file.name, state, "safetensors");
	e.u.file.score = b->score_step == state->step ? b->scores.swd : NAN;
	char *path = file_path(b->checkpoint_folder, e.u.file.name, &err);
	int r = path ? dcg_snapshot_write(b->snapshot, path, &e.u.file.size, e.u.file.sha256, &err) : DCG_ENOMEM;
	free(path);
	if (r)
		tell_failure(b, DCG_EVENT_CHECKPOINT, "checkpoint", "written", b->checkpoint_folder, state, &err);
	else
		dcg_queue_push(b->queue, &e);
	pthread_mutex_lock(&b->lock);
	b->failure = err;
	if (r)
		b->failure.code = r;
	else
		b->saved_step = state->step;
	pthread_mutex_unlock(&b->lock);
}

static int encode(struct dcg_background *b, const char *path, struct dcg_event *e, struct dcg_error *err)
{
	const struct dcg_train_params *p = &b->params;
	struct dcg_picture grid = { 0 };
	uint8_t *png = NULL;
	size_t size;
	int r = dcg_picture_grid(&grid, b->pictures, p->sample_count, p->size, p->size, p->channels, 0, GRID_GAP, err);
	if (!r)
		r = dcg_picture_png(&grid, &png, &size, err);
	if (!r)
		r = dcg_file_write_atomic(path, png, size, err);
	if (!r) {
		dcg_sha256(png, size, e->u.file.sha256);
		e->u.file.size = size;
	}
	free(png);
	dcg_picture_done(&grid);
	return r;
}

static void write_grid(struct dcg_background *b)
{
	const struct dcg_train_params *p = &b->params;
	const struct dcg_train_state *state = &b->draw_state;
	struct dcg_event e = { .type = DCG_EVENT_SAMPLE, .step = state->step, .epoch = state->epoch };
	struct dcg_error err = { 0 };
	size_t picture = (size_t)p->size * (size_t)p->size * (size_t)p->channels;
	int batch = dcg_sampler_batch(b->sampler);
	for (int i = 0; i < p->sample_count; i += batch) { /* as the sampler would, but may be cut */
		if (is_cut(b))
			return;
		dcg_sampler_draw(b->sampler, b->noise + (size_t)i * (size_t)p->z_dim,
			p->sample_count - i < batch ? p->sample_count - i : batch, b->pictures + (size_t)i * picture);
	}
	file_name(e.u.file.name, state, "png");
	char *path = file_path(b->sample_folder, e.u.file.name, &err);
	e.u.file.score = NAN;
	if (!path || encode(b, path, &e, &err))
		tell_failure(b, DCG_EVENT_SAMPLE, "sample", "written", b->sample_folder, state, &err);
	else
		dcg_queue_push(b->queue, &e);
	free(path);
}

static void measure_score(struct dcg_background *b)
{
	const struct dcg_train_state *state = &b->draw_state;
	struct dcg_event e = { .type = DCG_EVENT_SCORE, .step = state->step, .epoch = state->epoch };
	struct dcg_error err;
	int r = dcg_score_draw(b->score, b->sampler, is_cut, b, &err);
	pthread_mutex_lock(&b->lock);
	struct dcg_pool *pool = b->lent;
	pthread_mutex_unlock(&b->lock);
	if (!r)
		r = dcg_score_measure(b->score, pool, is_cut, b, &e.u.score, &err);
	if (r && r != DCG_ECANCELLED)
		tell_failure(b, DCG_EVENT_LOG, "score", "measured", "", state, &err);
	if (!r) {
		b->scores = e.u.score;
		b->score_step = state->step;
		dcg_queue_push(b->queue, &e);
	}
}

static void *background_main(void *arg)
{
	struct dcg_background *b = arg;
	dcg_flush_denormals();
	pthread_mutex_lock(&b->lock);
	for (;;) {
		while (b->first == NOTHING && !b->stop)
			pthread_cond_wait(&b->asked, &b->lock);
		if (b->first == NOTHING)
			break;
		enum work work = b->first;
		int cut = b->cut;
		pthread_mutex_unlock(&b->lock);
		if (!cut && work == CHECKPOINT)
			write_checkpoint(b);
		if (!cut && work == DRAW && b->want_grid)
			write_grid(b);
		if (!cut && work == DRAW && b->want_score)
			measure_score(b);
		pthread_mutex_lock(&b->lock);
		b->first = b->second;
		b->second = NOTHING;
		pthread_cond_broadcast(&b->done);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

int dcg_background_start(struct dcg_background *b, struct dcg_error *err)
{
	sigset_t all, before;
	/* Signals are the program's; a file over its size limit is an error here, not SIGXFSZ. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int e = pthread_create(&b->thread, NULL, background_main, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e)
		return dcg_error_set(err, DCG_ETHREAD, "the background thread could not be started (error %d)", e);
	pthread_setname_np(b->thread, "dcg-files");
	b->started = 1;
	return 0;
}

/* --- Requests ------------------------------------------------------------------------------ */

/* Waits until that kind of work is not under way; 0 when nothing more is to be done. */
static int claim(struct dcg_background *b, enum work work)
{
	pthread_mutex_lock(&b->lock);
	while ((b->first == work || b->second == work) && !b->cut)
		pthread_cond_wait(&b->done, &b->lock);
	int ok = !b->cut;
	pthread_mutex_unlock(&b->lock);
	return ok;
}

static void ask(struct dcg_background *b, enum work work)
{
	pthread_mutex_lock(&b->lock);
	*(b->first == NOTHING ? &b->first : &b->second) = work;
	pthread_cond_signal(&b->asked);
	pthread_mutex_unlock(&b->lock);
}

void dcg_background_checkpoint(struct dcg_background *b, struct dcg_gan *gan, const struct dcg_train_state *state)
{
	if (!claim(b, CHECKPOINT))
		return;
	b->checkpoint_state = *state;
	dcg_snapshot_take(b->snapshot, gan, &b->params, state);
	ask(b, CHECKPOINT);
}

void dcg_background_draw(struct dcg_background *b, struct dcg_gan *gan, const struct dcg_train_state *state, int grid, int score)
{
	grid = grid && b->sample_folder;
	score = score && b->score;
	if ((!grid && !score) || !claim(b, DRAW))
		return;
	b->draw_state = *state;
	b->want_grid = grid;
	b->want_score = score;
	dcg_sampler_update(b->sampler, dcg_gan_g(gan));
	ask(b, DRAW);
}

int64_t dcg_background_saved(struct dcg_background *b, struct dcg_error *err)
{
	pthread_mutex_lock(&b->lock);
	int64_t step = b->saved_step;
	*err = b->failure;
	pthread_mutex_unlock(&b->lock);
	return step;
}

void dcg_background_wait(struct dcg_background *b, struct dcg_pool *pool)
{
	pthread_mutex_lock(&b->lock);
	b->lent = pool;
	while (b->first != NOTHING)
		pthread_cond_wait(&b->done, &b->lock);
	b->lent = NULL;
	pthread_mutex_unlock(&b->lock);
}

void dcg_background_cut(struct dcg_background *b)
{
	pthread_mutex_lock(&b->lock);
	b->cut = 1;
	pthread_cond_broadcast(&b->done);
	pthread_mutex_unlock(&b->lock);
}

void dcg_background_stop(struct dcg_background *b)
{
	pthread_mutex_lock(&b->lock);
	b->stop = 1;
	pthread_cond_signal(&b->asked);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	b->started = 0;
}
