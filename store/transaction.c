/* Transactions, and the checkpoints that follow them. */
#include "store/internal.h"

enum {
	/* Pages of 4 KiB. From CHECKPOINT on, what readers do not need is copied into the
	 * database after each commit. Should readers overlap without end, the log cannot start
	 * again at its beginning; from TRUNCATE on we wait for them. */
	CHECKPOINT_PAGES = 1000,
	TRUNCATE_PAGES = 16000,
};

static int sync_lost(struct dcg_store *s, struct dcg_error *err)
{
	return dcg_error_set(err, DCG_EIO, "%s: an earlier sync to disk failed, what was written since may be lost: "
		"look at the disk, then restart dcgand", s->path);
}

/* A sync may have failed. Under write_lock. */
static void tell_lost(struct dcg_store *s)
{
	if (!s->writer.sync_failed || !s->on_lost)
		return;
	void (*fn)(void *) = s->on_lost;
	s->on_lost = NULL;
	fn(s->lost_user);
}

void dcg_store_on_lost(struct dcg_store *s, void (*fn)(void *user), void *user)
{
	pthread_mutex_lock(&s->write_lock);
	s->on_lost = fn;
	s->lost_user = user;
	tell_lost(s);
	pthread_mutex_unlock(&s->write_lock);
}

int dcg_store_begin(struct dcg_store *s, int durable, struct dcg_store_tx **ret, struct dcg_error *err)
{
	struct dcg_sql *q = &s->writer;
	if (pthread_mutex_lock(&s->write_lock))
		return dcg_error_set(err, DCG_ESTATE, "this thread already has a transaction");
	dcg_sql_clear(q);
	int r = q->sync_failed ? sync_lost(s, err) : 0;
	if (!r) {
		if (s->full_sync != !!durable && !dcg_sql_exec(q, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"))
			s->full_sync = !!durable;
		dcg_sql_start(q, "BEGIN IMMEDIATE");
		dcg_sql_run(q);
		r = dcg_sql_result(q, err);
	}
	if (r) {
		tell_lost(s);
		pthread_mutex_unlock(&s->write_lock);
		return r;
	}
	s->tx.on_end = NULL;
	*ret = &s->tx;
	return 0;
}

void dcg_store_on_end(struct dcg_store_tx *tx, void (*fn)(void *user, int committed), void *user)
{
	tx->on_end = fn;
	tx->user = user;
}

static void tell_end(struct dcg_store_tx *tx, int committed)
{
	if (tx->on_end)
		tx->on_end(tx->user, committed);
}

static void roll_back(struct dcg_sql *q)
{
	dcg_sql_end(q);
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(q->db))
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
}

/* The commit is safe in the log whether this works or not; it is tried again after the next. */
static void checkpoint(struct dcg_store *s)
{
	if (s->wal_pages < CHECKPOINT_PAGES)
		return;
	int mode = s->wal_pages < TRUNCATE_PAGES ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE;
	dcg_sql_checkpoint(&s->writer, mode);
	dcg_sql_clear(&s->writer);
}

int dcg_store_commit(struct dcg_store_tx *tx, struct dcg_error *err)
{
	struct dcg_store *s = tx->store;
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "COMMIT");
	dcg_sql_run(q);
	int r = dcg_sql_result(q, err);
	if (r)
		roll_back(q);
	tell_end(tx, !r);
	if (!r) {
		if (s->sweep)
			dcg_store_sweep(s);
		checkpoint(s);
	}
	tell_lost(s);
	pthread_mutex_unlock(&s->write_lock);
	return r;
}

void dcg_store_rollback(struct dcg_store_tx *tx)
{
	if (!tx)
		return;
	roll_back(tx->sql);
	tell_end(tx, 0);
	tell_lost(tx->store); /* what is too much for the cache goes into the log before the commit, and a sync before it */
	pthread_mutex_unlock(&tx->store->write_lock);
}
