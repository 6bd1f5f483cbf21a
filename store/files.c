/* Samples and checkpoints: two tables of one shape, so each statement is there twice. */
#include <stdlib.h>

#include "store/internal.h"

#define BOTH(before, after) { [DCG_FILE_SAMPLE] = before "samples" after, [DCG_FILE_CHECKPOINT] = before "checkpoints" after }

static const char *const names[] = { [DCG_FILE_SAMPLE] = "sample", [DCG_FILE_CHECKPOINT] = "checkpoint" };

int dcg_store_file_insert(struct dcg_store_tx *tx, enum dcg_file_kind kind, const struct dcg_file_row *r, int64_t *ret_id)
{
	static const char *const sql[] = {
		[DCG_FILE_SAMPLE] =
			"INSERT INTO samples(job, step, epoch, name, size, sha256, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
			" ON CONFLICT(job, step) DO UPDATE SET epoch=excluded.epoch, name=excluded.name, size=excluded.size,"
			" sha256=excluded.sha256, created_ms=excluded.created_ms RETURNING id",
		[DCG_FILE_CHECKPOINT] =
			"INSERT INTO checkpoints(job, step, epoch, name, size, sha256, created_ms, pinned, score, epoch_end, label)"
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
			" ON CONFLICT(job, step) DO UPDATE SET epoch=excluded.epoch, name=excluded.name, size=excluded.size,"
			" sha256=excluded.sha256, created_ms=excluded.created_ms, score=coalesce(excluded.score, score),"
			" epoch_end=excluded.epoch_end RETURNING id",
	};
	struct dcg_sql *q = tx->sql;
	int64_t id = 0;
	dcg_sql_start(q, sql[kind]);
	dcg_sql_bind_int(q, r->job);
	dcg_sql_bind_int(q, r->step);
	dcg_sql_bind_int(q, r->epoch);
	dcg_sql_bind_array(q, r->name, sizeof r->name);
	dcg_sql_bind_int(q, r->size);
	dcg_sql_bind_array(q, r->sha256, sizeof r->sha256);
	dcg_sql_bind_int(q, r->created_ms);
	if (kind == DCG_FILE_CHECKPOINT) {
		dcg_sql_bind_int(q, r->pinned != 0);
		dcg_sql_bind_real(q, r->score);
		dcg_sql_bind_int(q, r->epoch_end != 0);
		dcg_sql_bind_array(q, r->label, sizeof r->label);
	}
	if (dcg_sql_step(q) > 0)
		id = dcg_sql_int(q);
	dcg_sql_run(q);
	if (!q->error.code)
		*ret_id = id;
	return q->error.code;
}

int dcg_store_file_update(struct dcg_store_tx *tx, enum dcg_file_kind kind, const struct dcg_file_row *r)
{
	struct dcg_sql *q = tx->sql;
	if (kind != DCG_FILE_CHECKPOINT)
		return dcg_sql_fail(q, DCG_EINVAL, "only checkpoints are pinned, named and have a score");
	dcg_sql_start(q, "UPDATE checkpoints SET pinned=?, label=?, score=? WHERE id=?");
	dcg_sql_bind_int(q, r->pinned != 0);
	dcg_sql_bind_array(q, r->label, sizeof r->label);
	dcg_sql_bind_real(q, r->score);
	dcg_sql_bind_int(q, r->id);
	if (dcg_sql_run(q) == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no checkpoint %lld", (long long)r->id);
	return q->error.code;
}

int dcg_store_file_delete(struct dcg_store_tx *tx, enum dcg_file_kind kind, int64_t id)
{
	static const char *const sql[] = BOTH("DELETE FROM ", " WHERE id=?");
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, sql[kind]);
	dcg_sql_bind_int(q, id);
	if (dcg_sql_run(q) == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no %s %lld", names[kind], (long long)id);
	return q->error.code;
}

int dcg_store_files_truncate(struct dcg_store_tx *tx, enum dcg_file_kind kind, int64_t job, int64_t step)
{
	static const char *const sql[] = BOTH("DELETE FROM ", " WHERE job=? AND step>?");
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, sql[kind]);
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, step);
	dcg_sql_run(q);
	return q->error.code;
}

#define COLUMNS "SELECT id, job, step, epoch, name, size, sha256, created_ms, "
#define SELECT(where) { \
	[DCG_FILE_SAMPLE] = COLUMNS "0 AS pinned, NULL, 0, '' FROM samples " where, \
	[DCG_FILE_CHECKPOINT] = COLUMNS "pinned, score, epoch_end, label FROM checkpoints " where }

static void read_row(struct dcg_sql *q, void *row)
{
	struct dcg_file_row *r = row;
	r->id = dcg_sql_int(q);
	r->job = dcg_sql_int(q);
	r->step = dcg_sql_int(q);
	r->epoch = dcg_sql_int(q);
	dcg_sql_array(q, r->name, sizeof r->name);
	r->size = dcg_sql_int(q);
	dcg_sql_array(q, r->sha256, sizeof r->sha256);
	r->created_ms = dcg_sql_int(q);
	r->pinned = dcg_sql_int(q) != 0;
	r->score = dcg_sql_real(q);
	r->epoch_end = dcg_sql_int(q) != 0;
	dcg_sql_array(q, r->label, sizeof r->label);
}

int dcg_store_file_get(struct dcg_store *s, enum dcg_file_kind kind, int64_t id, struct dcg_file_row *ret, struct dcg_error *err)
{
	static const char *const sql[] = SELECT("WHERE id=?");
	struct dcg_sql *q;
	struct dcg_file_row row = { 0 };
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, sql[kind]);
	dcg_sql_bind_int(q, id);
	int found = dcg_sql_step(q);
	if (found > 0)
		read_row(q, &row);
	else if (found == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no %s %lld", names[kind], (long long)id);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = row;
	return r;
}

int dcg_store_file_find(struct dcg_store *s, enum dcg_file_kind kind, int64_t job, enum dcg_file_key key, int64_t value, struct dcg_file_row *ret, struct dcg_error *err)
{
	static const char *const sql[][2] = {
		[DCG_BY_STEP] = SELECT("WHERE job=?1 AND step=?2"),
		[DCG_BY_EPOCH] = SELECT("WHERE job=?1 AND epoch=?2 ORDER BY step DESC LIMIT 1"),
		[DCG_NEWEST] = SELECT("WHERE job=?1 AND ?2 IS NOT NULL ORDER BY step DESC LIMIT 1"),
	};
	static const char *const what[] = { [DCG_BY_STEP] = " at step ", [DCG_BY_EPOCH] = " of epoch " };
	struct dcg_sql *q;
	struct dcg_file_row row = { 0 };
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, sql[key][kind]);
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, value);
	int found = dcg_sql_step(q);
	if (found > 0)
		read_row(q, &row);
	else if (found == 0 && key == DCG_NEWEST)
		dcg_sql_fail(q, DCG_ENOENT, "job %lld has no %s yet", (long long)job, names[kind]);
	else if (found == 0)
		dcg_sql_fail(q, DCG_ENOENT, "job %lld has no %s%s%lld", (long long)job, names[kind], what[key], (long long)value);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = row;
	return r;
}

/* Filters; -1 lets all pass. */
#define WANTED " AND (?3 < 0 OR epoch=?3) AND (?4 < 0 OR pinned=?4) "

int dcg_store_files(struct dcg_store *s, enum dcg_file_kind kind, int64_t job, int64_t after_step, int limit, const struct dcg_file_filter *f, struct dcg_file_row **ret, size_t *ret_count, struct dcg_error *err)
{
	static const char *const of_job[] = SELECT("WHERE job=?5 AND step>?2" WANTED "ORDER BY step LIMIT ?1");
	static const char *const of_all[] = SELECT("WHERE id>?2" WANTED "ORDER BY id LIMIT ?1");
	if (limit < 0)
		return dcg_error_set(err, DCG_EINVAL, "files: limit %d", limit);
	struct dcg_sql *q;
	void *rows = NULL;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, job ? of_job[kind] : of_all[kind]);
	dcg_sql_bind_int(q, limit);
	dcg_sql_bind_int(q, after_step);
	dcg_sql_bind_int(q, f ? f->epoch : -1);
	dcg_sql_bind_int(q, f ? f->pinned : -1);
	if (job)
		dcg_sql_bind_int(q, job);
	dcg_sql_collect(q, sizeof(struct dcg_file_row), read_row, NULL, &rows, ret_count);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = rows;
	return r;
}
