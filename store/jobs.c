#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static const char *const state_names[DCG_JOB_STATES] = {
	[DCG_JOB_QUEUED] = "queued", [DCG_JOB_PREPARING] = "preparing", [DCG_JOB_RUNNING] = "running",
	[DCG_JOB_PAUSED] = "paused", [DCG_JOB_SUCCEEDED] = "succeeded", [DCG_JOB_FAILED] = "failed",
	[DCG_JOB_CANCELLED] = "cancelled",
};

const char *dcg_job_state_name(enum dcg_job_state state)
{
	return (unsigned)state < DCG_JOB_STATES ? state_names[state] : "unknown";
}

int dcg_job_state_from_name(const char *name)
{
	for (int i = 0; name && i < DCG_JOB_STATES; i++)
		if (strcmp(name, state_names[i]) == 0)
			return i;
	return DCG_EINVAL;
}

void dcg_job_row_done(struct dcg_job_row *r)
{
	free(r->name);
	free(r->dataset);
	free(r->params_json);
	free(r->error);
	free(r->note);
	free(r->tags_json);
	r->name = r->dataset = r->params_json = r->error = r->note = r->tags_json = NULL;
}

static void row_done(void *row)
{
	dcg_job_row_done(row);
}

static void bind_state(struct dcg_sql *q, int state)
{
	if ((unsigned)state >= DCG_JOB_STATES)
		dcg_sql_fail(q, DCG_EINVAL, "%d is no state of a job", state);
	dcg_sql_bind_text(q, dcg_job_state_name((enum dcg_job_state)state));
}

int dcg_store_job_insert(struct dcg_store_tx *tx, const struct dcg_job_row *r, int64_t *ret_id)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q,
		"INSERT INTO jobs(state, name, dataset, priority, params, created_ms, queue_ms, note, tags, version,"
		" epoch, step, steps_total, steps_per_epoch, started_ms, finished_ms)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, 0, 0, 0, 0)");
	bind_state(q, (int)r->state);
	dcg_sql_bind_text(q, r->name);
	dcg_sql_bind_text(q, r->dataset);
	dcg_sql_bind_int(q, r->priority);
	dcg_sql_bind_text(q, r->params_json);
	dcg_sql_bind_int(q, r->created_ms);
	dcg_sql_bind_int(q, r->queue_ms);
	dcg_sql_bind_text(q, r->note ? r->note : "");
	dcg_sql_bind_text(q, r->tags_json ? r->tags_json : "[]");
	dcg_sql_run(q);
	if (!q->error.code)
		*ret_id = sqlite3_last_insert_rowid(q->db);
	return q->error.code;
}

static int no_job(struct dcg_sql *q, int64_t id)
{
	return dcg_sql_fail(q, DCG_ENOENT, "there is no job %lld", (long long)id);
}

/* Why a change of one job changed nothing. */
static int explain(struct dcg_sql *q, int64_t id, enum dcg_job_state from)
{
	char state[16] = "";
	dcg_sql_start(q, "SELECT state FROM jobs WHERE id=?");
	dcg_sql_bind_int(q, id);
	int row = dcg_sql_step(q);
	if (row > 0)
		dcg_sql_array(q, state, sizeof state);
	dcg_sql_end(q);
	if (row == 0)
		return no_job(q, id);
	return dcg_sql_fail(q, DCG_ESTATE, "job %lld is %s, not %s", (long long)id, state, dcg_job_state_name(from));
}

int dcg_store_job_update(struct dcg_store_tx *tx, const struct dcg_job_row *r, enum dcg_job_state from)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q,
		"UPDATE jobs SET version=version+1, state=?, params=?, error=?,"
		" epoch=?, step=?, steps_total=?, steps_per_epoch=?, images_per_s=?, eta_s=?,"
		" loss_d=?, loss_g=?, d_real=?, d_fake=?, started_ms=?, finished_ms=?, queue_ms=?, deaths=?, death_step=?"
		" WHERE id=? AND state=?");
	bind_state(q, (int)r->state);
	dcg_sql_bind_text(q, r->params_json);
	dcg_sql_bind_text(q, r->error);
	dcg_sql_bind_int(q, r->epoch);
	dcg_sql_bind_int(q, r->step);
	dcg_sql_bind_int(q, r->steps_total);
	dcg_sql_bind_int(q, r->steps_per_epoch);
	dcg_sql_bind_real(q, r->images_per_s);
	dcg_sql_bind_real(q, r->eta_s);
	dcg_sql_bind_real(q, r->loss_d);
	dcg_sql_bind_real(q, r->loss_g);
	dcg_sql_bind_real(q, r->d_real);
	dcg_sql_bind_real(q, r->d_fake);
	dcg_sql_bind_int(q, r->started_ms);
	dcg_sql_bind_int(q, r->finished_ms);
	dcg_sql_bind_int(q, r->queue_ms);
	dcg_sql_bind_int(q, r->deaths);
	dcg_sql_bind_int(q, r->death_step);
	dcg_sql_bind_int(q, r->id);
	bind_state(q, (int)from);
	return dcg_sql_run(q) == 0 ? explain(q, r->id, from) : q->error.code;
}

int dcg_store_job_describe(struct dcg_store_tx *tx, const struct dcg_job_row *r)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "UPDATE jobs SET version=version+1, name=?, note=?, tags=?, priority=?, pinned=? WHERE id=?");
	dcg_sql_bind_text(q, r->name);
	dcg_sql_bind_text(q, r->note);
	dcg_sql_bind_text(q, r->tags_json);
	dcg_sql_bind_int(q, r->priority);
	dcg_sql_bind_int(q, r->pinned != 0);
	dcg_sql_bind_int(q, r->id);
	return dcg_sql_run(q) == 0 ? no_job(q, r->id) : q->error.code;
}

int dcg_store_job_delete(struct dcg_store_tx *tx, int64_t id)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "DELETE FROM jobs WHERE id=?");
	dcg_sql_bind_int(q, id);
	if (dcg_sql_run(q) == 0)
		return no_job(q, id);
	/* Its points can be millions: the sweep deletes them a piece a commit. */
	dcg_sql_start(q, "INSERT INTO deleted_jobs(id) VALUES (?)");
	dcg_sql_bind_int(q, id);
	dcg_sql_run(q);
	tx->store->sweep = 1; /* harmless if rolled back */
	return q->error.code;
}

#define COLUMNS \
	"id, state, name, dataset, priority, params, error, version, epoch, step, steps_total, steps_per_epoch," \
	" images_per_s, eta_s, loss_d, loss_g, d_real, d_fake, created_ms, started_ms, finished_ms, queue_ms, note, tags," \
	" deaths, death_step, pinned"

static void read_row(struct dcg_sql *q, void *row)
{
	struct dcg_job_row *r = row;
	char state[16];
	r->id = dcg_sql_int(q);
	dcg_sql_array(q, state, sizeof state);
	int known = q->error.code ? 0 : dcg_job_state_from_name(state);
	if (known < 0)
		dcg_sql_fail(q, DCG_EDAMAGED, DCG_STORE_FILE ": job %lld is in an unknown state \"%s\"; " DCG_STORE_REMEDY, (long long)r->id, state);
	else
		r->state = (enum dcg_job_state)known;
	r->name = dcg_sql_text(q);
	r->dataset = dcg_sql_text(q);
	r->priority = (int)dcg_sql_int(q);
	r->params_json = dcg_sql_text(q);
	r->error = dcg_sql_text(q);
	r->version = dcg_sql_int(q);
	r->epoch = dcg_sql_int(q);
	r->step = dcg_sql_int(q);
	r->steps_total = dcg_sql_int(q);
	r->steps_per_epoch = dcg_sql_int(q);
	r->images_per_s = dcg_sql_real(q);
	r->eta_s = dcg_sql_real(q);
	r->loss_d = dcg_sql_real(q);
	r->loss_g = dcg_sql_real(q);
	r->d_real = dcg_sql_real(q);
	r->d_fake = dcg_sql_real(q);
	r->created_ms = dcg_sql_int(q);
	r->started_ms = dcg_sql_int(q);
	r->finished_ms = dcg_sql_int(q);
	r->queue_ms = dcg_sql_int(q);
	r->note = dcg_sql_text(q);
	r->tags_json = dcg_sql_text(q);
	r->deaths = (int)dcg_sql_int(q);
	r->death_step = dcg_sql_int(q);
	r->pinned = dcg_sql_int(q) != 0;
}

static void read_id(struct dcg_sql *q, void *id)
{
	*(int64_t *)id = dcg_sql_int(q);
}

/* The only row of the statement begun on q, and the end of the read. */
static int read_one(struct dcg_store *s, struct dcg_sql *q, const char *none, int64_t id, struct dcg_job_row *ret, struct dcg_error *err)
{
	struct dcg_job_row row = { 0 };
	int found = dcg_sql_step(q);
	if (found > 0)
		read_row(q, &row);
	else if (found == 0)
		dcg_sql_fail(q, DCG_ENOENT, none, (long long)id);
	int r = dcg_store_read_end(s, q, err);
	if (r)
		dcg_job_row_done(&row);
	else
		*ret = row;
	return r;
}

int dcg_store_job_get(struct dcg_store *s, int64_t id, struct dcg_job_row *ret, struct dcg_error *err)
{
	struct dcg_sql *q;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT " COLUMNS " FROM jobs WHERE id=?");
	dcg_sql_bind_int(q, id);
	return read_one(s, q, "there is no job %lld", id, ret, err);
}

int dcg_store_job_next(struct dcg_store *s, struct dcg_job_row *ret, struct dcg_error *err)
{
	struct dcg_sql *q;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT " COLUMNS " FROM jobs WHERE state='queued' ORDER BY priority DESC, queue_ms, id LIMIT 1");
	return read_one(s, q, "no job is queued", 0, ret, err);
}

/* Filters; NULL and -1 let all pass. */
#define WANTED \
	"(?2 IS NULL OR dataset = ?2) AND (?3 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?3))" \
	" AND (?4 < 0 OR pinned = ?4)"

int dcg_store_jobs(struct dcg_store *s, const struct dcg_job_filter *f, struct dcg_job_row **ret, size_t *ret_count, struct dcg_error *err)
{
	if (f->limit < 0 || f->state < -1 || f->state >= DCG_JOB_STATES)
		return dcg_error_set(err, DCG_EINVAL, "jobs: limit %d, state %d", f->limit, f->state);
	struct dcg_sql *q;
	void *rows = NULL;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	/* Those of a state are few among many: by the index, then each row. By itself SQLite would
	 * go through all rows for the sake of their order. */
	dcg_sql_start(q, f->state < 0 ?
		"SELECT " COLUMNS " FROM jobs WHERE id < ?1 AND " WANTED " ORDER BY id DESC LIMIT ?5" :
		"SELECT " COLUMNS " FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = ?6 AND id < ?1"
		" ORDER BY id DESC LIMIT iif(?2 IS NULL AND ?3 IS NULL AND ?4 < 0, ?5, -1)) AND " WANTED " ORDER BY id DESC LIMIT ?5");
	dcg_sql_bind_int(q, f->before_id > 0 ? f->before_id : INT64_MAX);
	dcg_sql_bind_text(q, f->dataset);
	dcg_sql_bind_text(q, f->tag);
	dcg_sql_bind_int(q, f->pinned);
	dcg_sql_bind_int(q, f->limit);
	if (f->state >= 0)
		dcg_sql_bind_text(q, dcg_job_state_name((enum dcg_job_state)f->state));
	dcg_sql_collect(q, sizeof(struct dcg_job_row), read_row, row_done, &rows, ret_count);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = rows;
	return r;
}

int dcg_store_job_ids(struct dcg_store *s, int64_t **ret, size_t *ret_count, struct dcg_error *err)
{
	struct dcg_sql *q;
	void *ids = NULL;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	/* From an index: the rows themselves are a hundred times as long. */
	dcg_sql_start(q, "SELECT id FROM jobs ORDER BY +id");
	dcg_sql_collect(q, sizeof **ret, read_id, NULL, &ids, ret_count);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = ids;
	return r;
}

void dcg_store_jobs_free(struct dcg_job_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		dcg_job_row_done(&rows[i]);
	free(rows);
}
