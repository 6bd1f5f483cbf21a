#include "jobs/private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const verbs[] = {
	[DCG_ACTION_PAUSE] = "paused", [DCG_ACTION_RESUME] = "resumed", [DCG_ACTION_CANCEL] = "cancelled",
	[DCG_ACTION_SAMPLE] = "asked for a sample", [DCG_ACTION_CHECKPOINT] = "asked for a checkpoint",
};

static int refuse(struct dcg_error *err, int64_t id, const char *is, enum dcg_job_action action)
{
	return dcg_error_set(err, DCG_ESTATE, "job %lld is %s and cannot be %s", (long long)id, is, verbs[action]);
}

/* The job is at work: leave a wish, and make the trainer come to its end. Under lock. */
static int wish(struct dcg_jobs *j, enum dcg_job_action action, struct dcg_error *err)
{
	enum dcg_want *want = &j->current.want;
	struct dcg_trainer *t = j->current.trainer;
	if (*want == DCG_WANT_CANCEL)
		return action == DCG_ACTION_CANCEL ? 0 : refuse(err, j->current.id, "being cancelled", action);
	switch (action) {
	case DCG_ACTION_PAUSE:
		if (*want == DCG_WANT_GO && t)
			dcg_trainer_command(t, DCG_COMMAND_STOP);
		*want = DCG_WANT_PAUSE;
		return 0;
	case DCG_ACTION_RESUME: /* of a job that is still writing its checkpoint */
		if (*want == DCG_WANT_PAUSE)
			*want = DCG_WANT_PAUSE_AND_RESUME;
		return 0;
	case DCG_ACTION_CANCEL:
		if (t)
			dcg_trainer_command(t, DCG_COMMAND_ABORT);
		*want = DCG_WANT_CANCEL;
		return 0;
	case DCG_ACTION_SAMPLE:
	case DCG_ACTION_CHECKPOINT:
		if (*want != DCG_WANT_GO)
			return refuse(err, j->current.id, "being paused", action);
		if (!t)
			return refuse(err, j->current.id, j->current.preparing ? "preparing" : "ending", action);
		dcg_trainer_command(t, action == DCG_ACTION_SAMPLE ? DCG_COMMAND_SAMPLE : DCG_COMMAND_CHECKPOINT);
		return 0;
	}
	return dcg_error_set(err, DCG_EINVAL, "unknown action");
}

/* Is the job at work? Then *ret is what came of the wish. */
static int told(struct dcg_jobs *j, int64_t id, enum dcg_job_action action, int low, int *ret, struct dcg_error *err)
{
	pthread_mutex_lock(&j->lock);
	int at_work = j->current.id == id;
	if (at_work)
		*ret = low ? low : wish(j, action, err);
	pthread_mutex_unlock(&j->lock);
	return at_work;
}

/* The job is at rest, and we hold the write transaction. *ret_to: the state it moves to, or
 * the one it has. */
static int judge(const struct dcg_job_row *row, enum dcg_job_action action, enum dcg_job_state *ret_to, struct dcg_error *err)
{
	enum dcg_job_state to = row->state;
	switch (action) {
	case DCG_ACTION_PAUSE:
		if (row->state != DCG_JOB_PAUSED)
			return refuse(err, row->id, dcg_job_state_name(row->state), action);
		break;
	case DCG_ACTION_RESUME:
		to = DCG_JOB_QUEUED;
		break;
	case DCG_ACTION_CANCEL:
		to = DCG_JOB_CANCELLED;
		break;
	case DCG_ACTION_SAMPLE:
	case DCG_ACTION_CHECKPOINT:
		return refuse(err, row->id, dcg_job_state_name(row->state), action);
	}
	if (to != row->state && !dcg_job_may_move(row->state, to))
		return refuse(err, row->id, dcg_job_state_name(row->state), action);
	*ret_to = to;
	return 0;
}

int dcg_jobs_act(struct dcg_jobs *j, int64_t id, enum dcg_job_action action, int64_t version, struct dcg_error *err)
{
	struct dcg_store_tx *tx;
	struct dcg_job_row row;
	enum dcg_job_state to = DCG_JOB_STATES;
	int r;
	if (id <= 0)
		return dcg_error_set(err, DCG_ENOENT, "there is no job %lld", (long long)id);
	/* The last of the disk is not for files that somebody asks for. */
	int low = action == DCG_ACTION_SAMPLE || action == DCG_ACTION_CHECKPOINT ? dcg_room_is_low(j, err) : 0;
	/* The version stands still only in a transaction. */
	if (version <= 0 && told(j, id, action, low, &r, err))
		return r;

	if ((r = dcg_store_begin(j->store, 1, &tx, err)))
		return r;
	if ((r = dcg_store_job_get(j->store, id, &row, err))) {
		dcg_store_rollback(tx);
		return r;
	}
	r = dcg_job_unchanged(&row, version, err);
	/* The worker may have taken it before we got the transaction; now it cannot. */
	int at_work = !r && told(j, id, action, low, &r, err);
	if (!r && !at_work)
		r = judge(&row, action, &to, err);
	/* Paused for want of room, and now because somebody said so: then it stays paused. */
	int other_reason = row.state == DCG_JOB_PAUSED && row.error;
	if (r || at_work || (to == row.state && !other_reason))
		dcg_store_rollback(tx);
	else if (!(r = dcg_jobs_commit(j, tx, dcg_job_move(tx, &row, to, NULL, -1), err)) && to == DCG_JOB_QUEUED)
		dcg_jobs_wake(j);
	dcg_job_row_done(&row);
	return r;
}

int dcg_jobs_delete(struct dcg_jobs *j, int64_t id, int64_t version, struct dcg_error *err)
{
	struct dcg_store_tx *tx;
	struct dcg_job_row row;
	struct dcg_file_row *files = NULL;
	size_t count;
	int64_t user = 0;
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	if ((r = dcg_store_job_get(j->store, id, &row, err)))
		goto rollback;
	r = dcg_job_unchanged(&row, version, err);
	pthread_mutex_lock(&j->lock);
	int at_work = j->current.id == id;
	pthread_mutex_unlock(&j->lock);
	/* Preparing or running without being current: nothing could be recorded, see worker.c. */
	if (!r && (at_work || row.state == DCG_JOB_PREPARING || row.state == DCG_JOB_RUNNING))
		r = dcg_error_set(err, DCG_ESTATE, "job %lld is %s and cannot be deleted: cancel it first", (long long)id, dcg_job_state_name(row.state));
	if (!r && row.pinned)
		r = dcg_error_set(err, DCG_ESTATE, "job %lld is pinned and cannot be deleted: take its pin away first", (long long)id);
	if (!r && !(r = dcg_job_files(j, DCG_FILE_CHECKPOINT, id, -1, &files, &count, err)))
		r = dcg_checkpoints_in_use(j, files, count, id, &user, err);
	if (!r && user)
		r = dcg_error_set(err, DCG_ESTATE, "job %lld cannot be deleted: job %lld starts from a checkpoint of it", (long long)id, (long long)user);
	if (r) {
		dcg_job_row_done(&row);
		goto rollback;
	}
	dcg_store_job_delete(tx, id);
	r = dcg_jobs_commit(j, tx, dcg_state_event(tx, id, "deleted", dcg_job_state_name(row.state), NULL, -1), err);
	dcg_job_row_done(&row);
	if (!r)
		dcg_job_folder_remove(j, id); /* what a crash leaves, the next start removes */
	free(files);
	return r;
rollback:
	dcg_store_rollback(tx);
	free(files);
	return r;
}
