/* The first part of a job's work: its pictures, decoded once into a file. */
#include "jobs/private.h"

#include <stdlib.h>

#include "base/pool.h"

enum { TOLD_EVERY_MS = 250, BAD_FILES_NAMED = 20 };

/* What a thread may take to decode a picture of 100 megapixels, the largest, from a large file. */
static const double decoding = 1e9;

/* Somebody wants the job to end, or the daemon to. */
static int is_over(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	int r = j->stopping || j->current.want != DCG_WANT_GO;
	pthread_mutex_unlock(&j->lock);
	return r;
}

static void on_progress(void *user, uint32_t done, uint32_t count)
{
	struct dcg_run *run = user;
	struct dcg_jobs *j = run->j;
	dcg_jobs_moved(j);
	pthread_mutex_lock(&j->lock);
	j->current.done = done;
	j->current.count = count;
	pthread_mutex_unlock(&j->lock);
	int64_t now = dcg_monotonic_ms();
	if (now < run->told_at + TOLD_EVERY_MS)
		return;
	run->told_at = now;
	cJSON *o = dcg_event_json(run->row.id);
	if (o && cJSON_AddStringToObject(o, "stage", "preparing") && !dcg_json_number(o, "done", done) && !dcg_json_number(o, "count", count))
		dcg_run_record(run, &(struct dcg_record){ .progress = o }, NULL);
	else
		cJSON_Delete(o);
}

static int on_cancelled(void *user)
{
	struct dcg_jobs *j = ((struct dcg_run *)user)->j;
	dcg_jobs_moved(j); /* asked between pictures */
	return is_over(j);
}

static void on_bad_file(void *user, const struct dcg_error *why)
{
	struct dcg_run *run = user;
	if (run->bad_files++ < BAD_FILES_NAMED)
		dcg_run_log(run, "warning", "skipped: %s", why->text);
}

/* Half the machine's memory may go to decoding. */
static int threads_for(const struct dcg_train_params *p)
{
	int threads = p->threads ? p->threads : dcg_processors();
	double most = dcg_machine_memory() / 2 / decoding;
	return most < 1 ? 1 : most < threads ? (int)most : threads;
}

int dcg_run_prepare(struct dcg_run *run, struct dcg_error *err)
{
	struct dcg_dataset_row row;
	const struct dcg_train_params *p = &run->params.train;
	int r = dcg_job_params_load(run->row.params_json, &run->params, err);
	if (!r)
		r = dcg_job_make_folders(run->j, run->row.id, err);
	if (r)
		return r;
	if ((r = dcg_store_dataset_get(run->j->store, run->params.dataset, &row, err)))
		return r == DCG_ENOENT ? dcg_error_set(err, r, "the data set \"%s\" is no longer registered", run->params.dataset) : r;
	r = dcg_dataset_source(run->j, &row, &run->source, err);
	dcg_dataset_row_done(&row);
	if (r)
		return r;
	struct dcg_prepare how = { .size = p->size, .channels = p->channels, .on_error = (enum dcg_on_error)p->on_error, .threads = threads_for(p),
		.progress = on_progress, .cancelled = on_cancelled, .bad_file = on_bad_file, .user = run };
	char *path = dcg_prepared_path(run->j, run->params.dataset, p->size, p->channels);
	r = path ? dcg_dataset_load(&run->dataset, path, run->source, &how, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	free(path);
	if (!r && run->bad_files > BAD_FILES_NAMED)
		dcg_run_log(run, "warning", "skipped %d pictures in all that cannot be read", run->bad_files);
	if (!r && is_over(run->j))
		r = dcg_error_set(err, DCG_ECANCELLED, "asked to stop");
	return r;
}
