/* The pool of read-only connections: opened when first needed, at most DCG_STORE_READERS. */
#include "store/internal.h"

int dcg_store_readers_init(struct dcg_store *s)
{
	if (pthread_mutex_init(&s->read_lock, NULL))
		return DCG_ENOMEM;
	if (!pthread_cond_init(&s->reader_free, NULL))
		return 0;
	pthread_mutex_destroy(&s->read_lock);
	return DCG_ENOMEM;
}

void dcg_store_readers_done(struct dcg_store *s)
{
	for (int i = 0; i < DCG_STORE_READERS; i++)
		if (s->reader[i].open)
			dcg_sql_close(&s->reader[i].sql);
	pthread_cond_destroy(&s->reader_free);
	pthread_mutex_destroy(&s->read_lock);
}

/* An unused connection, an open one rather than a new one, if that may be; -1 for none. */
static int pick(const struct dcg_store *s, int may_open)
{
	int best = -1;
	for (int i = 0; i < DCG_STORE_READERS; i++)
		if (!s->reader[i].used && (may_open || s->reader[i].open) && (best < 0 || s->reader[i].open > s->reader[best].open))
			best = i;
	return best;
}

static int some_open(const struct dcg_store *s)
{
	int n = 0;
	for (int i = 0; i < DCG_STORE_READERS; i++)
		n += s->reader[i].open;
	return n > 0;
}

static void give_back(struct dcg_store *s, int i, int open)
{
	pthread_mutex_lock(&s->read_lock);
	s->reader[i].used = 0;
	s->reader[i].open = open;
	pthread_cond_broadcast(&s->reader_free); /* some wait for an open one */
	pthread_mutex_unlock(&s->read_lock);
}

/* With its log and index, which SQLite opens when something is read. */
static int open_reader(struct dcg_store *s, struct dcg_sql *q, struct dcg_error *err)
{
	int r = dcg_sql_open(q, s->path, SQLITE_OPEN_READONLY, err);
	if (r)
		return r;
	dcg_sql_value(q, "PRAGMA schema_version");
	r = dcg_sql_result(q, err);
	if (r)
		dcg_sql_close(q);
	return r;
}

/* The connection's number, open and ours; may_open: else an open one is waited for. *ret_others: there are
 * such. */
static int take(struct dcg_store *s, int may_open, int *ret_others, struct dcg_error *err)
{
	int i, r = 0;
	pthread_mutex_lock(&s->read_lock);
	while ((i = pick(s, may_open)) < 0)
		pthread_cond_wait(&s->reader_free, &s->read_lock);
	s->reader[i].used = 1;
	int open = s->reader[i].open;
	*ret_others = some_open(s); /* none is closed before the store is */
	pthread_mutex_unlock(&s->read_lock);
	if (open)
		return i;
	if ((r = open_reader(s, &s->reader[i].sql, err))) {
		give_back(s, i, 0);
		return r;
	}
	pthread_mutex_lock(&s->read_lock);
	s->reader[i].open = 1; /* while it is used, too: others may wait for it */
	pthread_mutex_unlock(&s->read_lock);
	return i;
}

int dcg_store_read_begin(struct dcg_store *s, struct dcg_sql **ret, struct dcg_error *err)
{
	int others, i = take(s, 1, &others, err);
	if (i < 0 && others) /* too many open files, say: then one after the other */
		i = take(s, 0, &others, err);
	if (i < 0)
		return i;
	struct dcg_sql *q = &s->reader[i].sql;
	dcg_sql_clear(q);
	dcg_sql_start(q, "BEGIN");
	dcg_sql_run(q);
	int r = dcg_sql_result(q, err);
	if (r)
		give_back(s, i, 1);
	else
		*ret = q;
	return r;
}

int dcg_store_read_end(struct dcg_store *s, struct dcg_sql *q, struct dcg_error *err)
{
	int r = dcg_sql_result(q, err), i = 0;
	dcg_sql_clear(q);
	if (!sqlite3_get_autocommit(q->db)) {
		dcg_sql_start(q, "ROLLBACK"); /* nothing to commit, and it cannot fail */
		dcg_sql_run(q);
	}
	while (&s->reader[i].sql != q)
		i++;
	give_back(s, i, 1);
	return r;
}
