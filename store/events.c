/* Events and log lines. */
#include <stdlib.h>

#include "store/internal.h"

int dcg_store_event_append(struct dcg_store_tx *tx, int64_t job, const char *type, const char *data_json, int64_t *ret_seq)
{
	struct dcg_sql *q = tx->sql;
	int64_t seq = 0;
	dcg_sql_start(q, "UPDATE event_counter SET newest=newest+1 RETURNING newest");
	if (dcg_sql_step(q) > 0)
		seq = dcg_sql_int(q);
	if (dcg_sql_run(q) == 0)
		return dcg_sql_fail(q, DCG_EDAMAGED, DCG_STORE_FILE ": event_counter is empty; " DCG_STORE_REMEDY);
	dcg_sql_start(q, "INSERT INTO events(seq, job, created_ms, type, data) VALUES (?, ?, ?, ?, ?)");
	dcg_sql_bind_int(q, seq);
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, dcg_store_now_ms());
	dcg_sql_bind_array(q, type, sizeof((struct dcg_event_row *)0)->type);
	dcg_sql_bind_text(q, data_json);
	dcg_sql_run(q);
	if (!q->error.code && ret_seq)
		*ret_seq = seq;
	return q->error.code;
}

static void read_event(struct dcg_sql *q, void *row)
{
	struct dcg_event_row *r = row;
	r->seq = dcg_sql_int(q);
	r->job = dcg_sql_int(q);
	r->created_ms = dcg_sql_int(q);
	dcg_sql_array(q, r->type, sizeof r->type);
	r->data_json = dcg_sql_text(q);
}

static void event_done(void *row)
{
	free(((struct dcg_event_row *)row)->data_json);
}

int dcg_store_events(struct dcg_store *s, int64_t job, int64_t after, int limit, struct dcg_event_row **ret, size_t *ret_count,
	int64_t *ret_oldest, int64_t *ret_newest, struct dcg_error *err)
{
	if (limit < 0)
		return dcg_error_set(err, DCG_EINVAL, "events: limit %d", limit);
	struct dcg_sql *q;
	void *rows = NULL;
	size_t count = 0;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	int64_t newest = dcg_sql_value(q, "SELECT newest FROM event_counter");
	int64_t oldest = dcg_sql_value(q, "SELECT min(seq) FROM events");
	if (job) {
		dcg_sql_start(q, "SELECT seq, job, created_ms, type, data FROM events WHERE job=? AND seq>? ORDER BY seq LIMIT ?");
		dcg_sql_bind_int(q, job);
	} else {
		dcg_sql_start(q, "SELECT seq, job, created_ms, type, data FROM events WHERE seq>? ORDER BY seq LIMIT ?");
	}
	dcg_sql_bind_int(q, after);
	dcg_sql_bind_int(q, limit);
	dcg_sql_collect(q, sizeof(struct dcg_event_row), read_event, event_done, &rows, &count);
	r = dcg_store_read_end(s, q, err);
	if (r)
		return r;
	*ret = rows;
	*ret_count = count;
	*ret_newest = newest;
	*ret_oldest = newest && !oldest ? newest + 1 : oldest;
	return 0;
}

void dcg_store_events_free(struct dcg_event_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		event_done(&rows[i]);
	free(rows);
}

int dcg_store_events_prune(struct dcg_store_tx *tx, int64_t keep, int chunk, int64_t *ret_deleted)
{
	struct dcg_sql *q = tx->sql;
	if (keep < 0 || chunk < 1)
		return dcg_sql_fail(q, DCG_EINVAL, "events: keep %lld, %d at once", (long long)keep, chunk);
	/* There are no gaps, so a range of numbers is a number of rows. */
	dcg_sql_start(q, "DELETE FROM events WHERE seq <= min((SELECT newest FROM event_counter) - ?1,"
		" (SELECT min(seq) FROM events) - 1 + ?2)");
	dcg_sql_bind_int(q, keep);
	dcg_sql_bind_int(q, chunk);
	int64_t deleted = dcg_sql_run(q);
	if (!q->error.code && ret_deleted)
		*ret_deleted = deleted;
	return q->error.code;
}

int dcg_store_log_append(struct dcg_store_tx *tx, int64_t job, const char *level, const char *text)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "INSERT INTO log(job, created_ms, level, text) VALUES (?, ?, ?, ?)");
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, dcg_store_now_ms());
	dcg_sql_bind_array(q, level, sizeof((struct dcg_log_row *)0)->level);
	dcg_sql_bind_text(q, text);
	dcg_sql_run(q);
	return q->error.code;
}

static void read_log(struct dcg_sql *q, void *row)
{
	struct dcg_log_row *r = row;
	r->id = dcg_sql_int(q);
	r->job = dcg_sql_int(q);
	r->created_ms = dcg_sql_int(q);
	dcg_sql_array(q, r->level, sizeof r->level);
	r->text = dcg_sql_text(q);
}

static void log_done(void *row)
{
	free(((struct dcg_log_row *)row)->text);
}

#define SEVERITY(level) "CASE " level " WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END"

int dcg_store_log(struct dcg_store *s, int64_t job, int64_t after, int limit, const char *level, struct dcg_log_row **ret, size_t *ret_count, struct dcg_error *err)
{
	if (limit < 0)
		return dcg_error_set(err, DCG_EINVAL, "log: limit %d", limit);
	struct dcg_sql *q;
	void *rows = NULL;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT id, job, created_ms, level, text FROM log WHERE job=?1 AND id>?2"
		" AND (?4 IS NULL OR " SEVERITY("level") " >= " SEVERITY("?4") ") ORDER BY id LIMIT ?3");
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, after);
	dcg_sql_bind_int(q, limit);
	dcg_sql_bind_text(q, level);
	dcg_sql_collect(q, sizeof(struct dcg_log_row), read_log, log_done, &rows, ret_count);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = rows;
	return r;
}

void dcg_store_log_free(struct dcg_log_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		log_done(&rows[i]);
	free(rows);
}
