#include "jobs/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TICK_MS = 250 };

/* --- Starting ------------------------------------------------------------------------------------ */

/* Is it lost for good? Else (too many open files, no memory, not ours to read) it may be sound. */
static int is_lost(int code)
{
	return code == DCG_EFORMAT || code == DCG_ENOENT || code == DCG_EIO;
}

/* The newest checkpoint that is as it was written, into *ret; DCG_ENOENT if there is none. One that
 * only cannot be opened now is not passed over: it would be removed with what was trained since an older one. */
static int newest_sound(struct dcg_run *run, struct dcg_file_row *ret, struct dcg_error *err)
{
	struct dcg_file_row *rows;
	size_t count;
	struct dcg_error why;
	int r = dcg_job_files(run->j, DCG_FILE_CHECKPOINT, run->row.id, -1, &rows, &count, err);
	if (r)
		return r;
	r = DCG_ENOENT;
	while (is_lost(r) && count--) {
		dcg_jobs_moved(run->j);
		r = dcg_job_file_verify(run->j, DCG_FILE_CHECKPOINT, &rows[count], &why);
		if (is_lost(r))
			dcg_run_log(run, "error", "the checkpoint of step %lld cannot be used: %s", (long long)rows[count].step, why.text);
		else if (r)
			*err = why;
		else
			*ret = rows[count];
	}
	free(rows);
	return is_lost(r) ? DCG_ENOENT : r;
}

/* From now on others may send commands; what they wished before is sent now. */
static void open_to_commands(struct dcg_run *run)
{
	struct dcg_jobs *j = run->j;
	pthread_mutex_lock(&j->lock);
	j->current.preparing = 0;
	j->current.trainer = run->trainer;
	if (j->quick || j->current.want == DCG_WANT_CANCEL)
		dcg_trainer_command(run->trainer, DCG_COMMAND_ABORT);
	else if (j->stopping || j->current.want != DCG_WANT_GO)
		dcg_trainer_command(run->trainer, DCG_COMMAND_STOP);
	pthread_mutex_unlock(&j->lock);
}

static void close_to_commands(struct dcg_run *run)
{
	pthread_mutex_lock(&run->j->lock);
	run->j->current.trainer = NULL;
	pthread_mutex_unlock(&run->j->lock);
}

/* Build the trainer, forget what lies past its start, and let it go. */
static int start(struct dcg_run *run, struct dcg_error *err)
{
	struct dcg_jobs *j = run->j;
	struct dcg_file_row from;
	struct dcg_rewind rewind = { 0 };
	char *resume = NULL, *initialise = NULL;
	char *samples = dcg_job_folder(j, run->row.id, DCG_FILE_SAMPLE), *checkpoints = dcg_job_folder(j, run->row.id, DCG_FILE_CHECKPOINT);
	int r = newest_sound(run, &from, err), fresh = r == DCG_ENOENT;
	if (r && !fresh)
		goto done;
	if (!fresh) {
		resume = dcg_jobs_file_path(j, DCG_FILE_CHECKPOINT, &from);
	} else if (run->params.from_checkpoint) {
		r = dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, run->params.from_checkpoint, &from, err);
		if (!r)
			r = dcg_job_checkpoint_need(j, &from, err);
		if (r) {
			dcg_error_prefix(err, r, "from_checkpoint %lld", (long long)run->params.from_checkpoint);
			goto done;
		}
		initialise = dcg_jobs_file_path(j, DCG_FILE_CHECKPOINT, &from);
	}
	if (!samples || !checkpoints || (!fresh && !resume) || (fresh && run->params.from_checkpoint && !initialise)) {
		r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
		goto done;
	}
	const struct dcg_file_row *to = fresh ? NULL : &from;
	struct dcg_trainer_config cfg = { .params = &run->params.train, .dataset = run->dataset, .sample_folder = samples,
		.checkpoint_folder = checkpoints, .resume = resume, .initialise = initialise, .wait_for_room = 1 };
	if ((r = dcg_trainer_new(&run->trainer, &cfg, err)) || (r = dcg_rewind_look(j, &run->row, to, &rewind, err)))
		goto done;
	open_to_commands(run); /* before anybody can read that it runs */
	if ((r = dcg_run_persist(run, &(struct dcg_record){ .start = 1, .rewind = &rewind, .to = to })))
		goto done;
	dcg_rewind_unlink(j, &rewind, run->row.id);
	if (!fresh)
		dcg_run_log(run, "info", "goes on from the checkpoint of step %lld", (long long)from.step);
	else if (initialise)
		dcg_run_log(run, "info", "starts with the weights of checkpoint %lld", (long long)from.id);
	r = dcg_trainer_start(run->trainer, err);
done:
	dcg_rewind_done(&rewind);
	free(resume);
	free(initialise);
	free(samples);
	free(checkpoints);
	return r;
}

/* --- Running -------------------------------------------------------------------------------------- */

static void on_started(struct dcg_run *run, const struct dcg_event *ev)
{
	run->row.steps_total = ev->u.started.steps_total;
	run->row.steps_per_epoch = ev->u.started.steps_per_epoch;
	dcg_run_log(run, "info", "training %lld steps, %lld an epoch: G has %zu parameters, D %zu; kernel %s, threads %d",
		(long long)ev->u.started.steps_total, (long long)ev->u.started.steps_per_epoch, ev->u.started.parameters_g,
		ev->u.started.parameters_d, ev->u.started.kernel, ev->u.started.threads);
}

static void on_file(struct dcg_run *run, enum dcg_file_kind kind, const struct dcg_event *ev)
{
	struct dcg_error err;
	struct dcg_file_row row = { .job = run->row.id, .step = ev->step, .epoch = ev->epoch, .size = (int64_t)ev->u.file.size,
		.created_ms = dcg_store_now_ms(), .score = ev->u.file.score,
		.epoch_end = ev->epoch > 0 && ev->step == ev->epoch * run->row.steps_per_epoch };
	snprintf(row.name, sizeof row.name, "%s", ev->u.file.name);
	snprintf(row.sha256, sizeof row.sha256, "%s", ev->u.file.sha256);
	if (dcg_run_persist(run, &(struct dcg_record){ .file = &row, .kind = kind }) || kind != DCG_FILE_CHECKPOINT)
		return;
	if (dcg_job_retain(run->j, run->row.id, &run->params.train, &err))
		dcg_run_log(run, "warning", "old checkpoints stay for now: %s", err.text);
}

/* Until the trainer's end; how it ended goes into *why. */
static void train(struct dcg_run *run, struct dcg_error *why)
{
	struct dcg_event ev;
	while (!run->abandoned) {
		int64_t due = run->flush_at - dcg_monotonic_ms();
		int wait = !run->count || due > TICK_MS ? TICK_MS : due < 0 ? 0 : (int)due;
		int r = dcg_trainer_next(run->trainer, &ev, wait);
		if (r && r != DCG_ETIMEOUT) {
			dcg_error_set(why, r, "the training ended without a word: %s", dcg_strerror(r));
			return;
		}
		if (!r) {
			dcg_jobs_moved(run->j);
			switch (ev.type) {
			case DCG_EVENT_STARTED: on_started(run, &ev); break;
			case DCG_EVENT_METRIC: dcg_run_metric(run, &ev); break;
			case DCG_EVENT_EPOCH: run->row.epoch = ev.epoch; break;
			case DCG_EVENT_SAMPLE: on_file(run, DCG_FILE_SAMPLE, &ev); break;
			case DCG_EVENT_CHECKPOINT: on_file(run, DCG_FILE_CHECKPOINT, &ev); break;
			case DCG_EVENT_SCORE: dcg_run_persist(run, &(struct dcg_record){ .score = &ev }); break;
			case DCG_EVENT_LOG:
				dcg_run_log(run, "warning", "%s", ev.u.log.text);
				if (dcg_error_is_want(ev.u.log.code))
					dcg_run_file_lost(run, ev.u.log.file, ev.u.log.code);
				break;
			/* For want of room. For people we pause by ending: the memory is the next job's. */
			case DCG_EVENT_PAUSED: dcg_run_paused(run); break;
			case DCG_EVENT_RESUMED: dcg_run_resumed(run); break;
			case DCG_EVENT_END:
				if (ev.u.end.how == DCG_END_FAILED)
					*why = ev.u.end.error;
				else if (ev.u.end.how == DCG_END_STOPPED)
					dcg_error_set(why, DCG_ECANCELLED, "the training stopped, and nobody had asked for it");
				else
					why->code = 0;
				return;
			}
		}
		dcg_run_flush(run);
		dcg_run_room(run);
	}
}

/* --- One job ------------------------------------------------------------------------------------------ */

static void cease(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	j->current.id = 0;
	pthread_mutex_unlock(&j->lock);
}

static void take_settled(void *jobs, int committed)
{
	if (!committed)
		cease(jobs);
}

/* queued -> preparing, and it is the current one. */
static int take(struct dcg_run *run, int64_t id, struct dcg_error *err)
{
	struct dcg_jobs *j = run->j;
	struct dcg_store_tx *tx;
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	r = dcg_store_job_get(j->store, id, &run->row, err);
	if (r == DCG_ENOENT || (!r && run->row.state != DCG_JOB_QUEUED)) /* somebody was quicker */
		r = dcg_error_set(err, DCG_ESTATE, "job %lld is no longer queued", (long long)id);
	if (r) {
		dcg_store_rollback(tx);
		return r;
	}
	pthread_mutex_lock(&j->lock);
	memset(&j->current, 0, sizeof j->current);
	j->current.id = id;
	j->current.preparing = 1;
	j->current.epoch = run->row.epoch;
	pthread_mutex_unlock(&j->lock);
	dcg_store_on_end(tx, take_settled, j);
	return dcg_jobs_commit(j, tx, dcg_job_move(tx, &run->row, DCG_JOB_PREPARING, NULL, -1), err);
}

static int run_job(struct dcg_jobs *j, int64_t id, struct dcg_error *err)
{
	struct dcg_error why = { 0 };
	struct dcg_run run = { .j = j, .capacity = DCG_METRICS_WAITING };
	run.metrics = malloc(run.capacity * sizeof *run.metrics);
	if (!run.metrics)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int r = take(&run, id, err);
	if (r)
		goto done;
	int failed = dcg_run_prepare(&run, &why);
	if (!failed) {
		pthread_mutex_lock(&j->lock);
		j->current.epochs = run.params.train.epochs;
		pthread_mutex_unlock(&j->lock);
		failed = start(&run, &why);
	}
	if (!failed)
		train(&run, &why);
	close_to_commands(&run);
	if (!run.abandoned) {
		dcg_text_hide(why.text, j->state_folder);
		dcg_text_clean(why.text);
		dcg_run_persist(&run, &(struct dcg_record){ .end = &why });
	}
	cease(j);
done:
	if (run.trainer)
		dcg_trainer_free(run.trainer);
	if (run.dataset)
		dcg_dataset_close(run.dataset);
	if (run.source)
		dcg_source_close(run.source);
	dcg_job_row_done(&run.row);
	free(run.metrics);
	return r;
}

void *dcg_worker_main(void *jobs)
{
	struct dcg_jobs *j = jobs;
	struct dcg_error err;
	/* On Linux this is the calling thread's alone, and threads inherit it: those that train do. */
	if (j->nice)
		setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + j->nice);
	/* Two names, for whoever asks what the daemon does so long after a start with many jobs. What
	 * fails here fails again when it matters: when the file is asked for. */
	pthread_setname_np(pthread_self(), "dcg-tidy");
	dcg_jobs_check_ended(j, &err);
	pthread_setname_np(pthread_self(), "dcg-worker");
	pthread_mutex_lock(&j->lock);
	while (!j->stopping) {
		struct dcg_job_row row;
		j->woken = 0;
		j->idle = 0;
		dcg_jobs_moved(j);
		pthread_mutex_unlock(&j->lock);
		int r = dcg_room_go_on(j, &err);
		if (!r)
			r = dcg_store_job_next(j->store, &row, &err);
		if (!r) {
			r = run_job(j, row.id, &err);
			dcg_job_row_done(&row);
		}
		pthread_mutex_lock(&j->lock);
		j->idle = 1;
		if (r == DCG_ENOENT) {
			while (!j->woken && !j->stopping)
				pthread_cond_wait(&j->changed, &j->lock);
		} else if (r && r != DCG_ESTATE) { /* no room, or the store is in trouble: do not spin */
			struct timespec until;
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec++;
			while (!j->stopping && pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0)
				;
		}
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}
