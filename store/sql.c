#include "store/sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* errnum: what the last system call that failed left in errno. sqlite3_system_errno would say
 * it too, but not when a COMMIT failed (3.40), so each call below starts with errno at 0. */
static int code_of(int rc, int errnum)
{
	switch (rc) { /* extended codes with a meaning of their own */
	case SQLITE_IOERR_NOMEM: return DCG_ENOMEM;
	case SQLITE_IOERR_CORRUPTFS: return DCG_EDAMAGED;
	case SQLITE_CONSTRAINT_UNIQUE: case SQLITE_CONSTRAINT_PRIMARYKEY: return DCG_EEXIST;
	case SQLITE_CONSTRAINT_FOREIGNKEY: return DCG_ENOENT;
	}
	switch (rc & 0xff) {
	case SQLITE_NOMEM: return DCG_ENOMEM;
	case SQLITE_FULL: return DCG_ENOSPC;
	case SQLITE_BUSY: case SQLITE_LOCKED: case SQLITE_PROTOCOL: return DCG_EBUSY;
	case SQLITE_CORRUPT: case SQLITE_NOTADB: case SQLITE_ERROR: case SQLITE_SCHEMA: return DCG_EDAMAGED;
	case SQLITE_CONSTRAINT: case SQLITE_TOOBIG: case SQLITE_MISMATCH: case SQLITE_RANGE: return DCG_EINVAL;
	case SQLITE_INTERRUPT: case SQLITE_ABORT: return DCG_ECANCELLED;
	}
	switch (errnum) { /* IOERR, CANTOPEN, READONLY: whoever asked has nothing to do with it, so never DCG_EACCESS */
	case ENOSPC: case EDQUOT: case EFBIG: return DCG_ENOSPC;
	case ENOMEM: return DCG_ENOMEM;
	case EMFILE: case ENFILE: return DCG_EMFILE;
	}
	return DCG_EIO;
}

static const char *hint_of(int code)
{
	switch (code) {
	case DCG_EDAMAGED:
		return "; " DCG_STORE_REMEDY;
	case DCG_ENOSPC:
		return "; the disk is full or a quota or file size limit is reached";
	case DCG_EBUSY:
		return "; another program holds its lock";
	}
	return "";
}

static void fail_rc(struct dcg_sql *q, int rc)
{
	int errnum = errno;
	if (q->error.code)
		return;
	/* After a failed fsync the kernel may have dropped what it could not write and will
	 * report success the next time: remember it for good. */
	if (rc == SQLITE_IOERR_FSYNC)
		q->sync_failed = 1;
	int code = code_of(rc, errnum);
	const char *text = q->db ? sqlite3_errmsg(q->db) : sqlite3_errstr(rc), *hint = hint_of(code);
	char why[128];
	if (((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN) && errnum)
		dcg_error_set(&q->error, code, DCG_STORE_FILE ": %s: %s%s", text, strerror_r(errnum, why, sizeof why), hint);
	else
		dcg_error_set(&q->error, code, DCG_STORE_FILE ": %s%s", text, hint);
}

int dcg_sql_open(struct dcg_sql *q, const char *path, int flags, struct dcg_error *err)
{
	*q = (struct dcg_sql){ 0 };
	/* No mutexes inside: one thread at a time is this file's rule. */
	errno = 0;
	int rc = sqlite3_open_v2(path, &q->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	static const struct { int option, value; } config[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
		/* None of ours, so what a file brings is not run. */
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 }, { SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	for (size_t i = 0; !rc && i < sizeof config / sizeof *config; i++)
		rc = sqlite3_db_config(q->db, config[i].option, config[i].value, NULL);
	if (!rc)
		rc = sqlite3_busy_timeout(q->db, 5000);
	if (rc)
		fail_rc(q, rc);
	dcg_sql_exec(q, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0");
	/* Caches stay full for as long as the daemon lives, and the system keeps the file's pages anyway: what a reader
	 * gains from more than the way down to a row is copies. */
	dcg_sql_exec(q, flags & SQLITE_OPEN_READONLY ? "PRAGMA cache_size=-500" : "PRAGMA cache_size=-2000");
	int code = dcg_sql_result(q, err);
	if (code)
		dcg_sql_close(q);
	return code;
}

void dcg_sql_close(struct dcg_sql *q)
{
	for (int i = 0; i < q->cached; i++)
		sqlite3_finalize(q->cache[i].stmt);
	if (q->sync_failed)
		sqlite3_db_config(q->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(q->db);
	*q = (struct dcg_sql){ 0 };
}

void dcg_sql_clear(struct dcg_sql *q)
{
	dcg_sql_end(q);
	q->error = (struct dcg_error){ 0 };
}

int dcg_sql_fail(struct dcg_sql *q, int code, const char *fmt, ...)
{
	if (!q->error.code) {
		char text[sizeof q->error.text];
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(text, sizeof text, fmt, ap);
		va_end(ap);
		dcg_error_set(&q->error, code, "%s", text);
	}
	return q->error.code;
}

int dcg_sql_result(const struct dcg_sql *q, struct dcg_error *err)
{
	if (q->error.code && err)
		*err = q->error;
	return q->error.code;
}

int dcg_sql_exec(struct dcg_sql *q, const char *sql)
{
	if (!q->error.code) {
		errno = 0;
		int rc = sqlite3_exec(q->db, sql, NULL, NULL, NULL);
		if (rc)
			fail_rc(q, rc);
	}
	return q->error.code;
}

int dcg_sql_checkpoint(struct dcg_sql *q, int mode)
{
	if (!q->error.code) {
		errno = 0;
		int rc = sqlite3_wal_checkpoint_v2(q->db, NULL, mode, NULL, NULL);
		if (rc)
			fail_rc(q, rc);
	}
	return q->error.code;
}

void dcg_sql_start(struct dcg_sql *q, const char *sql)
{
	dcg_sql_end(q);
	if (q->error.code)
		return;
	q->param = 1;
	for (int i = 0; i < q->cached; i++)
		if (q->cache[i].sql == sql) {
			q->stmt = q->cache[i].stmt;
			return;
		}
	errno = 0;
	int rc = sqlite3_prepare_v3(q->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
	if (rc) {
		fail_rc(q, rc);
		return;
	}
	int slot = q->cached;
	if (slot < DCG_SQL_CACHE) {
		q->cached++;
	} else {
		slot = q->evict++ % DCG_SQL_CACHE;
		sqlite3_finalize(q->cache[slot].stmt);
	}
	q->cache[slot].sql = sql;
	q->cache[slot].stmt = q->stmt;
}

static void bound(struct dcg_sql *q, int rc)
{
	if (rc)
		fail_rc(q, rc);
	q->param++;
}

void dcg_sql_bind_int(struct dcg_sql *q, int64_t value)
{
	if (!q->error.code)
		bound(q, sqlite3_bind_int64(q->stmt, q->param, value));
}

void dcg_sql_bind_real(struct dcg_sql *q, double value)
{
	if (!q->error.code)
		bound(q, sqlite3_bind_double(q->stmt, q->param, value)); /* SQLite makes NULL of NaN */
}

void dcg_sql_bind_text(struct dcg_sql *q, const char *text)
{
	if (!q->error.code)
		bound(q, sqlite3_bind_text64(q->stmt, q->param, text, text ? strlen(text) : 0, SQLITE_STATIC, SQLITE_UTF8));
}

void dcg_sql_bind_array(struct dcg_sql *q, const char *text, size_t size)
{
	if (text && !memchr(text, '\0', size))
		dcg_sql_fail(q, DCG_EINVAL, "a text of at least %zu bytes, at most %zu allowed", size, size - 1);
	dcg_sql_bind_text(q, text);
}

int dcg_sql_step(struct dcg_sql *q)
{
	if (q->error.code)
		return q->error.code;
	q->column = 0;
	errno = 0;
	int rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		fail_rc(q, rc);
	return q->error.code;
}
