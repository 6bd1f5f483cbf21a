/* One SQLite connection and the statements it has prepared. Private to store/.
 *
 * A statement goes: dcg_sql_start; binds, in the order of its parameters; dcg_sql_step
 * while it returns 1, and after each the columns in their order; dcg_sql_end. One
 * statement at a time. Errors stick: after one call failed the others do nothing (columns
 * give 0 and NULL) until dcg_sql_clear, so that callers look once, at the end.
 *
 * NaN and NULL are the same number here, both ways. One thread at a time.
 */
#ifndef DCG_STORE_SQL_H
#define DCG_STORE_SQL_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DCG_STORE_FILE "dcgand.db"
/* Against damage. A log that stayed would be put on top of the backup. */
#define DCG_STORE_REMEDY \
	"stop dcgand and put a backup (" DCG_STORE_FILE ".v*.backup or your own) in its place, or move it away, and remove " \
	DCG_STORE_FILE "-wal and -shm"

enum { DCG_SQL_CACHE = 64 }; /* more than there are statements in store/ */

struct dcg_sql {
	sqlite3 *db;
	struct dcg_error error; /* sticky; code 0: none */
	int sync_failed;        /* an fsync failed: nothing written since can be trusted */
	sqlite3_stmt *stmt;     /* in progress */
	int param, column;      /* next to bind, next to read */
	struct { const char *sql; sqlite3_stmt *stmt; } cache[DCG_SQL_CACHE];
	int cached, evict;
};

/* flags: SQLITE_OPEN_*. path is not kept. */
int dcg_sql_open(struct dcg_sql *q, const char *path, int flags, struct dcg_error *err);
void dcg_sql_close(struct dcg_sql *q); /* legal on zeroed memory and after a failed open */

void dcg_sql_clear(struct dcg_sql *q); /* forget the error, end the statement */
int dcg_sql_fail(struct dcg_sql *q, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The sticky code, with its text copied to err. */
int dcg_sql_result(const struct dcg_sql *q, struct dcg_error *err);

/* Statements without results or parameters, not cached; several separated by ";". */
int dcg_sql_exec(struct dcg_sql *q, const char *sql);
/* sql must be a literal: prepared statements are found again by its address. */
void dcg_sql_start(struct dcg_sql *q, const char *sql);
void dcg_sql_bind_int(struct dcg_sql *q, int64_t value);
void dcg_sql_bind_real(struct dcg_sql *q, double value);
void dcg_sql_bind_text(struct dcg_sql *q, const char *text); /* NULL legal; must live until dcg_sql_end */
/* From a fixed array of a caller's struct: it must end within size. */
void dcg_sql_bind_array(struct dcg_sql *q, const char *text, size_t size);
int dcg_sql_step(struct dcg_sql *q); /* 1: a row; 0: no more; or the sticky code */
int64_t dcg_sql_int(struct dcg_sql *q);
double dcg_sql_real(struct dcg_sql *q);
char *dcg_sql_text(struct dcg_sql *q); /* malloc'd; NULL for NULL */
void dcg_sql_array(struct dcg_sql *q, char *ret, size_t size);
void dcg_sql_end(struct dcg_sql *q);

/* Bring the log into the database; mode: SQLITE_CHECKPOINT_*. */
int dcg_sql_checkpoint(struct dcg_sql *q, int mode);

/* Step to the end and end; the number of rows changed, or the sticky code. */
int64_t dcg_sql_run(struct dcg_sql *q);
/* The first column of the only row of a query without parameters; 0 for no row. */
int64_t dcg_sql_value(struct dcg_sql *q, const char *sql);

/* Reads one row into row, which is zeroed before. done (may be NULL) frees what it owns. */
typedef void dcg_sql_read_fn(struct dcg_sql *q, void *row);
typedef void dcg_sql_done_fn(void *row);
/* All rows of the statement as a malloc'd array (NULL for none), and end. On failure nothing
 * is left behind and the out-parameters are untouched. */
int dcg_sql_collect(struct dcg_sql *q, size_t row_size, dcg_sql_read_fn *read, dcg_sql_done_fn *done,
	void **ret, size_t *ret_count);
/* Room for one more element in a growing malloc'd array; sticky DCG_ENOMEM. */
int dcg_sql_grow(struct dcg_sql *q, void **array, size_t *capacity, size_t count, size_t size);

#endif
