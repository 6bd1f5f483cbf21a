#include <stdlib.h>

#include "store/internal.h"

void dcg_dataset_row_done(struct dcg_dataset_row *r)
{
	free(r->path);
	r->path = NULL;
}

static void row_done(void *row)
{
	dcg_dataset_row_done(row);
}

int dcg_store_dataset_put(struct dcg_store_tx *tx, const struct dcg_dataset_row *r)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q,
		"INSERT INTO datasets(name, path, format, count, width, height, channels, classes, builtin, created_ms)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		" ON CONFLICT(name) DO UPDATE SET path=excluded.path, format=excluded.format, count=excluded.count,"
		" width=excluded.width, height=excluded.height, channels=excluded.channels, classes=excluded.classes,"
		" builtin=excluded.builtin, created_ms=excluded.created_ms");
	dcg_sql_bind_array(q, r->name, sizeof r->name);
	dcg_sql_bind_text(q, r->path);
	dcg_sql_bind_array(q, r->format, sizeof r->format);
	dcg_sql_bind_int(q, r->count);
	dcg_sql_bind_int(q, r->width);
	dcg_sql_bind_int(q, r->height);
	dcg_sql_bind_int(q, r->channels);
	dcg_sql_bind_int(q, r->classes);
	dcg_sql_bind_int(q, r->builtin != 0);
	dcg_sql_bind_int(q, r->created_ms);
	dcg_sql_run(q);
	return q->error.code;
}

int dcg_store_dataset_delete(struct dcg_store_tx *tx, const char *name)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "DELETE FROM datasets WHERE name=?");
	dcg_sql_bind_text(q, name);
	if (dcg_sql_run(q) == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no data set \"%s\"", name);
	return q->error.code;
}

#define COLUMNS "name, path, format, count, width, height, channels, classes, builtin, created_ms"

static void read_row(struct dcg_sql *q, void *row)
{
	struct dcg_dataset_row *r = row;
	dcg_sql_array(q, r->name, sizeof r->name);
	r->path = dcg_sql_text(q);
	dcg_sql_array(q, r->format, sizeof r->format);
	r->count = dcg_sql_int(q);
	r->width = (int)dcg_sql_int(q);
	r->height = (int)dcg_sql_int(q);
	r->channels = (int)dcg_sql_int(q);
	r->classes = (int)dcg_sql_int(q);
	r->builtin = dcg_sql_int(q) != 0;
	r->created_ms = dcg_sql_int(q);
}

int dcg_store_dataset_get(struct dcg_store *s, const char *name, struct dcg_dataset_row *ret, struct dcg_error *err)
{
	struct dcg_sql *q;
	struct dcg_dataset_row row = { 0 };
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT " COLUMNS " FROM datasets WHERE name=?");
	dcg_sql_bind_text(q, name);
	int found = dcg_sql_step(q);
	if (found > 0)
		read_row(q, &row);
	else if (found == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no data set \"%s\"", name);
	r = dcg_store_read_end(s, q, err);
	if (r)
		dcg_dataset_row_done(&row);
	else
		*ret = row;
	return r;
}

int dcg_store_datasets(struct dcg_store *s, const char *after, int limit, const char *format, struct dcg_dataset_row **ret, size_t *ret_count, struct dcg_error *err)
{
	if (limit < 0)
		return dcg_error_set(err, DCG_EINVAL, "data sets: limit %d", limit);
	struct dcg_sql *q;
	void *rows = NULL;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT " COLUMNS " FROM datasets WHERE name>?1 AND (?3 IS NULL OR format=?3) ORDER BY name LIMIT ?2");
	dcg_sql_bind_text(q, after ? after : "");
	dcg_sql_bind_int(q, limit);
	dcg_sql_bind_text(q, format);
	dcg_sql_collect(q, sizeof(struct dcg_dataset_row), read_row, row_done, &rows, ret_count);
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = rows;
	return r;
}

void dcg_store_datasets_free(struct dcg_dataset_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		dcg_dataset_row_done(&rows[i]);
	free(rows);
}
