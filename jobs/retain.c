#include "jobs/private.h"

#include <math.h>
#include <stdlib.h>

struct sources {
	const struct dcg_file_row *rows;
	char *used; /* a flag a row */
	size_t count;
	int64_t except, first_job;
};

/* Mark the checkpoint that a job which is not over starts from. */
static int mark(void *user, struct dcg_job_row *row, struct dcg_error *err)
{
	struct sources *s = user;
	struct dcg_job_params p;
	(void)err;
	if (dcg_job_is_final(row->state) || row->id == s->except || dcg_job_params_load(row->params_json, &p, NULL) || !p.from_checkpoint)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		if (s->rows[i].id != p.from_checkpoint)
			continue;
		s->used[i] = 1;
		if (!s->first_job)
			s->first_job = row->id;
	}
	return 0;
}

static int find_sources(struct dcg_jobs *j, struct sources *s, struct dcg_error *err)
{
	static const enum dcg_job_state live[] = { DCG_JOB_QUEUED, DCG_JOB_PREPARING, DCG_JOB_RUNNING, DCG_JOB_PAUSED };
	int r = 0;
	for (size_t i = 0; !r && i < sizeof live / sizeof *live; i++)
		r = dcg_jobs_each(j, live[i], mark, s, err);
	return r;
}

int dcg_checkpoints_in_use(struct dcg_jobs *j, const struct dcg_file_row *rows, size_t count, int64_t except, int64_t *ret_job, struct dcg_error *err)
{
	struct sources s = { .rows = rows, .count = count, .except = except, .used = calloc(count + 1, 1) };
	if (!s.used)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int r = find_sources(j, &s, err);
	free(s.used);
	if (!r)
		*ret_job = s.first_job;
	return r;
}

int dcg_job_retain(struct dcg_jobs *j, int64_t id, const struct dcg_train_params *p, struct dcg_error *err)
{
	struct dcg_file_row *rows = NULL;
	struct dcg_store_tx *tx;
	struct sources s = { 0 };
	size_t count, best = 0, gone = 0;
	/* All within the transaction: a job that starts from one of them, or a pin, comes
	 * before it or after. */
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	r = dcg_job_files(j, DCG_FILE_CHECKPOINT, id, -1, &rows, &count, err);
	if (r || count <= (size_t)p->keep_last)
		goto nothing;
	s = (struct sources){ .rows = rows, .count = count, .used = calloc(count, 1) };
	r = s.used ? find_sources(j, &s, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	if (r)
		goto nothing;
	for (size_t i = 1; i < count; i++)
		if (!isnan(rows[i].score) && !(rows[i].score >= rows[best].score))
			best = i;
	for (size_t i = 0; i < count; i++) {
		int keep = i + (size_t)p->keep_last >= count || rows[i].pinned || s.used[i] || (i == best && !isnan(rows[i].score)) ||
			(p->keep_every && rows[i].epoch_end && rows[i].epoch % p->keep_every == 0);
		if (keep)
			continue;
		dcg_store_file_delete(tx, DCG_FILE_CHECKPOINT, rows[i].id);
		rows[gone++] = rows[i];
	}
	if (!gone)
		goto nothing;
	r = dcg_jobs_commit(j, tx, 0, err);
	for (size_t i = 0; !r && i < gone; i++)
		dcg_job_file_unlink(j, DCG_FILE_CHECKPOINT, id, rows[i].name);
	goto done;
nothing:
	dcg_store_rollback(tx);
done:
	free(s.used);
	free(rows);
	return r;
}
