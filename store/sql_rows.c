/* Reading columns and rows: the other half of sql.h. */
#include "store/sql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t dcg_sql_int(struct dcg_sql *q)
{
	return q->error.code ? 0 : sqlite3_column_int64(q->stmt, q->column++);
}

double dcg_sql_real(struct dcg_sql *q)
{
	if (q->error.code)
		return 0;
	int c = q->column++;
	return sqlite3_column_type(q->stmt, c) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q->stmt, c);
}

/* The column's text, valid until the next step; NULL for NULL and after an error. */
static const char *text(struct dcg_sql *q)
{
	if (q->error.code)
		return NULL;
	int c = q->column++;
	if (sqlite3_column_type(q->stmt, c) == SQLITE_NULL)
		return NULL;
	const char *s = (const char *)sqlite3_column_text(q->stmt, c);
	if (!s)
		dcg_sql_fail(q, DCG_ENOMEM, "out of memory");
	return s;
}

char *dcg_sql_text(struct dcg_sql *q)
{
	const char *s = text(q);
	char *copy = s ? strdup(s) : NULL;
	if (s && !copy)
		dcg_sql_fail(q, DCG_ENOMEM, "out of memory");
	return copy;
}

void dcg_sql_array(struct dcg_sql *q, char *ret, size_t size)
{
	const char *s = text(q);
	size_t n = s ? strlen(s) : 0;
	if (n >= size)
		dcg_sql_fail(q, DCG_EDAMAGED, DCG_STORE_FILE ": a text of %zu bytes where at most %zu are written; " DCG_STORE_REMEDY, n, size - 1);
	else
		memcpy(ret, s ? s : "", n + 1);
}

void dcg_sql_end(struct dcg_sql *q)
{
	if (!q->stmt)
		return;
	sqlite3_reset(q->stmt); /* what it returns, step has told */
	sqlite3_clear_bindings(q->stmt);
	q->stmt = NULL;
}

int64_t dcg_sql_run(struct dcg_sql *q)
{
	while (dcg_sql_step(q) > 0)
		;
	dcg_sql_end(q);
	return q->error.code ? q->error.code : sqlite3_changes64(q->db);
}

int64_t dcg_sql_value(struct dcg_sql *q, const char *sql)
{
	int64_t value = 0;
	dcg_sql_start(q, sql);
	if (dcg_sql_step(q) > 0)
		value = dcg_sql_int(q);
	dcg_sql_end(q);
	return value;
}

int dcg_sql_grow(struct dcg_sql *q, void **array, size_t *capacity, size_t count, size_t size)
{
	if (q->error.code || count < *capacity)
		return q->error.code;
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *p = reallocarray(*array, wanted, size);
	if (!p)
		return dcg_sql_fail(q, DCG_ENOMEM, "out of memory");
	*array = p;
	*capacity = wanted;
	return 0;
}

int dcg_sql_collect(struct dcg_sql *q, size_t row_size, dcg_sql_read_fn *read, dcg_sql_done_fn *done,
	void **ret, size_t *ret_count)
{
	void *rows = NULL;
	size_t count = 0, capacity = 0;
	while (dcg_sql_step(q) > 0 && !dcg_sql_grow(q, &rows, &capacity, count, row_size)) {
		void *row = (char *)rows + count++ * row_size;
		memset(row, 0, row_size);
		read(q, row);
	}
	dcg_sql_end(q);
	if (q->error.code) {
		for (size_t i = 0; done && i < count; i++)
			done((char *)rows + i * row_size);
		free(rows);
		return q->error.code;
	}
	*ret = rows;
	*ret_count = count;
	return 0;
}
