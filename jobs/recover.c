#include "jobs/private.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Going back to a checkpoint -------------------------------------------------------- */

/* The picture of the untrained network is the same however often it begins from scratch. */
static int64_t last_kept(const struct dcg_rewind *w, int kind)
{
	return kind == DCG_FILE_SAMPLE && w->step < 0 ? 0 : w->step;
}

int dcg_rewind_look(struct dcg_jobs *j, const struct dcg_job_row *row, const struct dcg_file_row *to, struct dcg_rewind *ret, struct dcg_error *err)
{
	struct dcg_rewind w = { .step = to ? to->step : -1 };
	for (int kind = 0; kind < 2; kind++) {
		int r = dcg_job_files(j, kind, row->id, last_kept(&w, kind), &w.files[kind], &w.count[kind], err);
		if (r) {
			dcg_rewind_done(&w);
			return r;
		}
		w.needed |= w.count[kind] > 0;
	}
	w.needed |= row->step > (to ? to->step : 0);
	*ret = w;
	return 0;
}

void dcg_rewind_apply(const struct dcg_rewind *w, struct dcg_store_tx *tx, struct dcg_job_row *row, const struct dcg_file_row *to)
{
	row->step = to ? to->step : 0;
	row->epoch = to ? to->epoch : 0;
	row->eta_s = NAN;
	if (!w->needed)
		return;
	row->images_per_s = row->loss_d = row->loss_g = row->d_real = row->d_fake = NAN;
	dcg_store_metrics_truncate(tx, row->id, w->step);
	for (int kind = 0; kind < 2; kind++)
		dcg_store_files_truncate(tx, kind, row->id, last_kept(w, kind));
}

void dcg_rewind_unlink(struct dcg_jobs *j, const struct dcg_rewind *w, int64_t job)
{
	for (int kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < w->count[kind]; i++)
			dcg_job_file_unlink(j, kind, job, w->files[kind][i].name);
}

void dcg_rewind_done(struct dcg_rewind *w)
{
	for (int kind = 0; kind < 2; kind++)
		free(w->files[kind]);
	*w = (struct dcg_rewind){ .step = -1 };
}

/* --- At start ---------------------------------------------------------------------------- */

/* Rows whose files are gone go too, with a word in the log; files without a row go. */
static int reconcile(struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind, struct dcg_error *err)
{
	struct dcg_file_row *rows;
	size_t count, lost = 0;
	int r = dcg_job_files(j, kind, id, -1, &rows, &count, err);
	if (r)
		return r;
	dcg_job_folder_sweep(j, id, kind, rows, count);
	for (size_t i = 0; i < count; i++)
		if (!dcg_job_file_present(j, kind, &rows[i]))
			rows[lost++] = rows[i];
	struct dcg_store_tx *tx;
	if (lost && !(r = dcg_store_begin(j->store, 1, &tx, err))) {
		struct dcg_job_row row;
		int own = dcg_store_job_get(j->store, id, &row, NULL);
		if (!own)
			dcg_job_row_done(&row);
		for (size_t i = 0; !own && i < lost; i++) {
			char text[160];
			snprintf(text, sizeof text, "the %s of step %lld is lost: %s is not there, or not of its size",
				kind == DCG_FILE_SAMPLE ? "sample" : "checkpoint", (long long)rows[i].step, rows[i].name);
			dcg_store_file_delete(tx, kind, rows[i].id);
			own = dcg_job_log(tx, id, "error", text);
		}
		r = dcg_jobs_commit(j, tx, own, err);
		for (size_t i = 0; !r && i < lost; i++)
			dcg_job_file_unlink(j, kind, id, rows[i].name);
	}
	free(rows);
	return r;
}

/* One more death of the daemon while this job was at work; those before a newer checkpoint do not
 * count. Returns whether it may try again. */
static int count_death(struct dcg_job_row *row, const struct dcg_file_row *newest)
{
	int64_t step = newest ? newest->step : -1;
	row->deaths = step > row->death_step ? 1 : row->deaths + 1;
	row->death_step = step;
	return row->deaths < DCG_MAX_DEATHS;
}

static void death_text(const struct dcg_job_row *row, const struct dcg_file_row *newest, char *buf, size_t size)
{
	int n = snprintf(buf, size, "the daemon died %d times while this job was at work, without a new checkpoint in between: "
		"see the system's log for the cause (a crash, too little memory), then submit the job again", row->deaths);
	if (newest && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, "; from_checkpoint %lld begins with the weights it had", (long long)newest->id);
}

/* How it is told, in the job's log and, if it is not tried again, as its error. */
static void death_told(const struct dcg_job_row *row, const struct dcg_file_row *newest, int spared, int again, char *buf, size_t size)
{
	if (spared)
		snprintf(buf, size, "the daemon ended while this job was at work, because a sync of its database to disk had failed: the job has nothing to do with that");
	else if (again)
		snprintf(buf, size, "the daemon died while this job was at work (%d of %d times without a new checkpoint)", row->deaths, DCG_MAX_DEATHS);
	else
		death_text(row, newest, buf, size);
}

/* A job that was at work when the process ended is queued again, at its newest checkpoint. Whether
 * that file is sound is seen when it is opened. One that may itself be what ends the process is
 * not tried for ever. spared: this end was not the job's fault. */
static int requeue(struct dcg_jobs *j, int spared, struct dcg_job_row *row, struct dcg_error *err)
{
	struct dcg_file_row newest;
	struct dcg_rewind w;
	struct dcg_store_tx *tx;
	char text[400];
	int r = dcg_store_file_find(j->store, DCG_FILE_CHECKPOINT, row->id, DCG_NEWEST, 0, &newest, err);
	if (r && r != DCG_ENOENT)
		return r;
	const struct dcg_file_row *to = r ? NULL : &newest;
	int again = spared || count_death(row, to);
	if ((r = dcg_rewind_look(j, row, to, &w, err)))
		return r;
	if (!(r = dcg_store_begin(j->store, 1, &tx, err))) {
		dcg_rewind_apply(&w, tx, row, to);
		death_told(row, to, spared, again, text, sizeof text);
		int own = dcg_job_log(tx, row->id, again ? "warning" : "error", text);
		if (!own)
			own = dcg_job_move(tx, row, again ? DCG_JOB_QUEUED : DCG_JOB_FAILED, again ? NULL : text, w.needed ? row->step : -1);
		r = dcg_jobs_commit(j, tx, own, err);
	}
	if (!r)
		dcg_rewind_unlink(j, &w, row->id);
	dcg_rewind_done(&w);
	return r;
}

static int reconcile_both(struct dcg_jobs *j, int64_t id, struct dcg_error *err)
{
	int r = 0;
	for (int kind = 0; !r && kind < 2; kind++)
		r = reconcile(j, id, kind, err);
	return r;
}

struct recovery {
	struct dcg_jobs *j;
	int spared;
};

static int recover_job(void *recovery, struct dcg_job_row *row, struct dcg_error *err)
{
	struct recovery *v = recovery;
	int r = reconcile_both(v->j, row->id, err);
	if (!r && (row->state == DCG_JOB_PREPARING || row->state == DCG_JOB_RUNNING))
		r = requeue(v->j, v->spared, row, err);
	return r;
}

static int by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Folders whose job is no more: it was deleted, and then we died. */
static int sweep_jobs(struct dcg_jobs *j, struct dcg_error *err)
{
	char *path, *end;
	int64_t *ids;
	size_t count;
	int r = dcg_store_job_ids(j->store, &ids, &count, err);
	if (r)
		return r;
	DIR *dir = NULL;
	if (asprintf(&path, "%s/jobs", j->state_folder) >= 0) {
		dir = opendir(path);
		free(path);
	}
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || strlen(e->d_name) > 18)
			continue;
		int64_t id = strtoll(e->d_name, &end, 10);
		if (!*end && (!count || !bsearch(&id, ids, count, sizeof *ids, by_id)))
			dcg_job_folder_remove(j, id);
	}
	if (dir)
		closedir(dir);
	free(ids);
	return 0;
}

int dcg_jobs_recover(struct dcg_jobs *j, struct dcg_error *err)
{
	/* Those that a crash can have left in disorder, or that will run. */
	static const enum dcg_job_state live[] = { DCG_JOB_PREPARING, DCG_JOB_RUNNING, DCG_JOB_QUEUED, DCG_JOB_PAUSED };
	struct recovery v = { j, dcg_state_marked(j) };
	dcg_state_sweep(j);
	dcg_prepared_sweep(j, NULL);
	int r = sweep_jobs(j, err);
	for (size_t i = 0; !r && i < sizeof live / sizeof *live; i++)
		r = dcg_jobs_each(j, live[i], recover_job, &v, err);
	if (!r && v.spared) /* only now: until it is recorded that nobody is at work, the next start must know, too */
		dcg_state_unmark(j);
	return r;
}

/* --- Later ------------------------------------------------------------------------------------ */

static int check_job(void *jobs, struct dcg_job_row *row, struct dcg_error *err)
{
	struct dcg_jobs *j = jobs;
	dcg_jobs_moved(j);
	pthread_mutex_lock(&j->lock);
	int stopping = j->stopping;
	pthread_mutex_unlock(&j->lock);
	if (stopping)
		return dcg_error_set(err, DCG_ECANCELLED, "the daemon stops");
	int r = reconcile_both(j, row->id, err);
	/* Deleted meanwhile: then there is nothing to put right. */
	return r == DCG_ENOENT ? 0 : r;
}

int dcg_jobs_check_ended(struct dcg_jobs *j, struct dcg_error *err)
{
	static const enum dcg_job_state ended[] = { DCG_JOB_SUCCEEDED, DCG_JOB_FAILED, DCG_JOB_CANCELLED };
	int r = 0;
	for (size_t i = 0; !r && i < sizeof ended / sizeof *ended; i++)
		r = dcg_jobs_each(j, ended[i], check_job, j, err);
	return r;
}
