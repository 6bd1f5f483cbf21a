#include "jobs/private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLUSH_MS = 250,     /* between transactions, so that metrics come together */
	RETRY_MS = 1000,    /* when the store could not take something */
	METRICS_AN_EVENT = 500,
	LAST_TRIES = 3,     /* after being told to stop */
};

/* --- What becomes of events ---------------------------------------------------------------- */

void dcg_run_metric(struct dcg_run *run, const struct dcg_event *ev)
{
	const struct dcg_gan_losses *l = &ev->u.metric.losses;
	run->metrics[run->count++] = (struct dcg_metric_row){ .step = ev->step, .value = {
		[DCG_SERIES_LOSS_D] = l->loss_d, [DCG_SERIES_LOSS_G] = l->loss_g, [DCG_SERIES_D_REAL] = l->d_real,
		[DCG_SERIES_D_FAKE] = l->d_fake, [DCG_SERIES_D_FAKE_AFTER] = l->d_fake_after,
		[DCG_SERIES_IMAGES_PER_S] = ev->u.metric.images_per_s,
		[DCG_SERIES_SWD] = NAN, [DCG_SERIES_MS_SSIM] = NAN,
	} };
	run->row.step = ev->step;
	run->row.epoch = ev->epoch;
	run->row.images_per_s = ev->u.metric.images_per_s;
	run->row.eta_s = ev->u.metric.eta_s;
	run->row.loss_d = l->loss_d;
	run->row.loss_g = l->loss_g;
	run->row.d_real = l->d_real;
	run->row.d_fake = l->d_fake;
}

/* {"steps": [...], "series": {"loss_d": [...], ...}} */
static cJSON *metric_json(int64_t job, const struct dcg_metric_row *rows, size_t count)
{
	cJSON *o = dcg_event_json(job), *steps = NULL, *series = NULL, *list, *v;
	int ok = o && (steps = cJSON_AddArrayToObject(o, "steps")) && (series = cJSON_AddObjectToObject(o, "series"));
	for (size_t i = 0; ok && i < count; i++)
		ok = (v = cJSON_CreateNumber((double)rows[i].step)) && cJSON_AddItemToArray(steps, v);
	for (int s = 0; ok && s < DCG_SERIES_OF_STEPS; s++) {
		ok = (list = cJSON_AddArrayToObject(series, dcg_series_name(s))) != NULL;
		for (size_t i = 0; ok && i < count; i++) {
			double x = dcg_json_short(rows[i].value[s]);
			ok = (v = isfinite(x) ? cJSON_CreateNumber(x) : cJSON_CreateNull()) && cJSON_AddItemToArray(list, v);
		}
	}
	if (ok)
		return o;
	cJSON_Delete(o);
	return NULL;
}

static cJSON *progress_json(const struct dcg_job_row *r)
{
	cJSON *o = dcg_event_json(r->id);
	if (o && cJSON_AddStringToObject(o, "stage", "training") && !dcg_json_number(o, "epoch", (double)r->epoch) &&
	    !dcg_json_number(o, "step", (double)r->step) && !dcg_json_number(o, "steps_per_epoch", (double)r->steps_per_epoch) &&
	    !dcg_json_number(o, "steps_total", (double)r->steps_total) && !dcg_json_number(o, "images_per_s", dcg_json_short(r->images_per_s)) &&
	    !dcg_json_number(o, "eta_s", dcg_json_short(r->eta_s)) && !dcg_json_number(o, "loss_d", dcg_json_short(r->loss_d)) &&
	    !dcg_json_number(o, "loss_g", dcg_json_short(r->loss_g)) && !dcg_json_number(o, "d_real", dcg_json_short(r->d_real)) &&
	    !dcg_json_number(o, "d_fake", dcg_json_short(r->d_fake)))
		return o;
	cJSON_Delete(o);
	return NULL;
}

static cJSON *sample_json(const struct dcg_file_row *f)
{
	char url[96];
	cJSON *o = dcg_event_json(f->job);
	snprintf(url, sizeof url, "/jobs/%lld/samples/%lld.png", (long long)f->job, (long long)f->epoch);
	if (o && !dcg_json_number(o, "epoch", (double)f->epoch) && !dcg_json_number(o, "step", (double)f->step) && cJSON_AddStringToObject(o, "url", url))
		return o;
	cJSON_Delete(o);
	return NULL;
}

static int record_metrics(struct dcg_store_tx *tx, const struct dcg_run *run)
{
	int own = 0;
	dcg_store_metrics_append(tx, run->row.id, run->metrics, run->count);
	for (size_t i = 0; !own && i < run->count; i += METRICS_AN_EVENT) {
		size_t n = run->count - i < METRICS_AN_EVENT ? run->count - i : METRICS_AN_EVENT;
		own = dcg_event_append(tx, run->row.id, "metric", metric_json(run->row.id, run->metrics + i, n));
	}
	return own ? own : dcg_event_append(tx, run->row.id, "progress", progress_json(&run->row));
}

/* {"epoch": 3, "step": 1404, "swd": 31.2, "ms_ssim": 0.31} */
static cJSON *score_json(int64_t job, const struct dcg_event *ev)
{
	cJSON *o = dcg_event_json(job);
	if (o && !dcg_json_number(o, "epoch", (double)ev->epoch) && !dcg_json_number(o, "step", (double)ev->step) &&
	    !dcg_json_number(o, "swd", dcg_json_short(ev->u.score.swd)) && !dcg_json_number(o, "ms_ssim", dcg_json_short(ev->u.score.ms_ssim)))
		return o;
	cJSON_Delete(o);
	return NULL;
}

static int record_score(struct dcg_store_tx *tx, int64_t job, const struct dcg_event *ev)
{
	struct dcg_metric_row row = { .step = ev->step };
	for (int s = 0; s < DCG_SERIES_COUNT; s++)
		row.value[s] = NAN;
	row.value[DCG_SERIES_SWD] = ev->u.score.swd;
	row.value[DCG_SERIES_MS_SSIM] = ev->u.score.ms_ssim;
	dcg_store_metrics_append(tx, job, &row, 1);
	return dcg_event_append(tx, job, "score", score_json(job, ev));
}

static int record_file(struct dcg_store_tx *tx, enum dcg_file_kind kind, const struct dcg_file_row *file)
{
	struct dcg_file_row row = *file;
	dcg_store_file_insert(tx, kind, &row, &row.id);
	if (kind == DCG_FILE_SAMPLE)
		return dcg_event_append(tx, row.job, "sample", sample_json(&row));
	return dcg_checkpoint_event(tx, &row);
}

/* It is still at work if its end was not recorded. */
static void end_settled(void *user, int committed)
{
	struct dcg_run *run = user;
	if (committed)
		return;
	pthread_mutex_lock(&run->j->lock);
	run->j->current.id = run->row.id;
	pthread_mutex_unlock(&run->j->lock);
}

/* The job ceases to be current, here within the transaction (see private.h), and moves to
 * where its end and the wishes of others say. */
static int record_end(struct dcg_run *run, struct dcg_store_tx *tx, struct dcg_job_row *row, const struct dcg_error *why)
{
	struct dcg_jobs *j = run->j;
	pthread_mutex_lock(&j->lock);
	enum dcg_want want = j->current.want;
	int stopping = j->stopping;
	j->current.id = 0;
	pthread_mutex_unlock(&j->lock);
	dcg_store_on_end(tx, end_settled, run);
	int own = 0;
	if (row->state == DCG_JOB_PAUSED) /* for want of room; what follows is said of one that runs */
		own = dcg_job_move(tx, row, DCG_JOB_RUNNING, NULL, -1);
	if (own)
		return own;
	/* The checkpoint that a stop makes could not be written: it goes on from an older one. */
	int for_want = dcg_error_is_want(why->code) || why->code == DCG_ENOMEM || why->code == DCG_EIO || why->code == DCG_EACCESS;
	int stopped = why->code == DCG_ECANCELLED || (for_want && (stopping || want != DCG_WANT_GO));
	if (!why->code)
		return dcg_job_move(tx, row, DCG_JOB_SUCCEEDED, NULL, -1);
	if (stopped && want == DCG_WANT_CANCEL)
		return dcg_job_move(tx, row, DCG_JOB_CANCELLED, NULL, -1);
	if (stopped && want != DCG_WANT_GO) {
		own = dcg_job_move(tx, row, DCG_JOB_PAUSED, NULL, -1);
		return own || want != DCG_WANT_PAUSE_AND_RESUME ? own : dcg_job_move(tx, row, DCG_JOB_QUEUED, NULL, -1);
	}
	if (stopped && stopping)
		return dcg_job_move(tx, row, DCG_JOB_QUEUED, NULL, -1);
	if (dcg_error_is_want(why->code)) {
		/* The last checkpoint, or the prepared data: it begins again where it can. */
		char text[sizeof run->waiting];
		dcg_room_failed(j, why->code);
		dcg_room_text(j, text, sizeof text);
		return dcg_job_move(tx, row, DCG_JOB_PAUSED, text, -1);
	}
	return dcg_job_move(tx, row, DCG_JOB_FAILED, why->text, -1);
}

/* --- One transaction --------------------------------------------------------------------------- */

int dcg_run_record(struct dcg_run *run, const struct dcg_record *what, struct dcg_error *err)
{
	struct dcg_jobs *j = run->j;
	struct dcg_store_tx *tx;
	struct dcg_job_row row = run->row; /* its error is NULL as long as it is at work, so a copy may get one */
	int own = 0, durable = what->file || what->start || what->end || what->pause || what->resume;
	int r = dcg_store_begin(j->store, durable, &tx, err);
	if (r) {
		cJSON_Delete(what->progress);
		return r;
	}
	if (run->count)
		own = record_metrics(tx, run);
	if (what->progress && dcg_event_append(tx, row.id, "progress", what->progress))
		own = DCG_ENOMEM;
	if (!own && what->text)
		own = dcg_job_log(tx, row.id, what->level, what->text);
	if (!own && what->score)
		own = record_score(tx, row.id, what->score);
	if (!own && what->file)
		own = record_file(tx, what->kind, what->file);
	if (!own && what->start) {
		dcg_rewind_apply(what->rewind, tx, &row, what->to);
		own = dcg_job_move(tx, &row, DCG_JOB_RUNNING, NULL, what->rewind->needed ? row.step : -1);
	} else if (!own && what->end) {
		own = record_end(run, tx, &row, what->end);
	} else if (!own && (what->pause || what->resume)) {
		own = dcg_job_move(tx, &row, what->pause ? DCG_JOB_PAUSED : DCG_JOB_RUNNING, what->pause, -1);
	} else if (!own && run->count) {
		dcg_store_job_update(tx, &row, row.state);
	}

	r = dcg_jobs_commit(j, tx, own, err);
	if (r) {
		free(row.error);
		return r;
	}
	pthread_mutex_lock(&j->lock);
	j->current.epoch = row.epoch;
	pthread_mutex_unlock(&j->lock);
	if (what->pause) { /* the next move gives it another */
		free(row.error);
		row.error = NULL;
	}
	run->row = row;
	run->count = 0;
	run->flush_at = dcg_monotonic_ms() + FLUSH_MS;
	return 0;
}

/* --- When that fails --------------------------------------------------------------------------- */

static void trouble_begins(struct dcg_run *run, struct dcg_error *why)
{
	if (!run->trouble_since)
		run->trouble_since = dcg_monotonic_ms();
	dcg_jobs_moved(run->j); /* waiting for a disk is no standstill: a restart would not help */
	dcg_text_hide(why->text, run->j->state_folder);
	pthread_mutex_lock(&run->j->lock);
	snprintf(run->j->current.trouble, sizeof run->j->current.trouble, "%.199s", why->text);
	pthread_mutex_unlock(&run->j->lock);
}

static void trouble_ends(struct dcg_run *run)
{
	char trouble[200];
	if (!run->trouble_since)
		return;
	int64_t ms = dcg_monotonic_ms() - run->trouble_since;
	run->trouble_since = 0;
	pthread_mutex_lock(&run->j->lock);
	memcpy(trouble, run->j->current.trouble, sizeof trouble);
	run->j->current.trouble[0] = '\0';
	pthread_mutex_unlock(&run->j->lock);
	if (!run->row.finished_ms)
		dcg_run_log(run, "warning", "for %lld s nothing could be recorded: %s", (long long)(ms + 999) / 1000, trouble);
}

/* Waits for the next attempt; 0 when there shall be none. */
static int may_retry(struct dcg_jobs *j, int *tries)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_MS / 1000;
	pthread_mutex_lock(&j->lock);
	int go = !j->quick && !(j->stopping && ++*tries >= LAST_TRIES);
	while (go && !j->quick && pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0)
		;
	pthread_mutex_unlock(&j->lock);
	return go;
}

int dcg_run_persist(struct dcg_run *run, const struct dcg_record *what)
{
	struct dcg_error err;
	int r, tries = 0;
	while ((r = dcg_run_record(run, what, &err))) {
		trouble_begins(run, &err);
		/* Not the disk but the row itself: no other attempt will do better. */
		if (r == DCG_ENOENT || r == DCG_ESTATE || !may_retry(run->j, &tries)) {
			run->abandoned = 1;
			return r;
		}
	}
	trouble_ends(run);
	return 0;
}

void dcg_run_flush(struct dcg_run *run)
{
	static const struct dcg_record nothing_else;
	struct dcg_error err;
	if (!run->count || (run->count < run->capacity && dcg_monotonic_ms() < run->flush_at))
		return;
	if (run->count == run->capacity) {
		dcg_run_persist(run, &nothing_else);
		return;
	}
	if (!dcg_run_record(run, &nothing_else, &err)) {
		trouble_ends(run);
		return;
	}
	trouble_begins(run, &err);
	run->flush_at = dcg_monotonic_ms() + RETRY_MS;
}

void dcg_run_log(struct dcg_run *run, const char *level, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	dcg_text_hide(text, run->j->state_folder);
	dcg_text_clean(text);
	dcg_run_record(run, &(struct dcg_record){ .level = level, .text = text }, NULL);
}

