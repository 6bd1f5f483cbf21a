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

/* An unused connection, an open one rather than a new one; -1 for none. */
static int pick(const struct dcg_store *s, int may_open)
{
	int best = -1;
	for (int i = 0; i < DCG_STORE_READERS; i++)
		if (!s->reader[i].used && (s->reader[i].open || may_open) && (best < 0 || s->reader[i].open > s->reader[best].open))
			best = i;
	return best;
}

static int any_open(struct dcg_store *s)
{
	int open = 0;
	pthread_mutex_lock(&s->read_lock);
	for (int i = 0; i < DCG_STORE_READERS; i++)
		open |= s->reader[i].open;
	pthread_mutex_unlock(&s->read_lock);
	return open;
}

static void give_back(struct dcg_store *s, int i, int open)
{
	pthread_mutex_lock(&s->read_lock);
	s->reader[i].used = 0;
	s->reader[i].open = open;
	pthread_cond_broadcast(&s->reader_free); /* not everybody who waits may open a new one */
	pthread_mutex_unlock(&s->read_lock);
}

/* Also the files beside the database that reading needs: they are opened by the first look. */
static int open_reader(struct dcg_store *s, struct dcg_sql *q, struct dcg_error *err)
{
	int r = dcg_sql_open(q, s->path, SQLITE_OPEN_READONLY, err);
	if (r)
		return r;
	dcg_sql_exec(q, "PRAGMA user_version");
	r = dcg_sql_result(q, err);
	if (r)
		dcg_sql_close(q);
	return r;
}

int dcg_store_read_begin(struct dcg_store *s, struct dcg_sql **ret, struct dcg_error *err)
{
	int i, r = 0, may_open = 1, open;
	struct dcg_sql *q;
	for (;;) {
		pthread_mutex_lock(&s->read_lock);
		while ((i = pick(s, may_open)) < 0)
			pthread_cond_wait(&s->reader_free, &s->read_lock);
		s->reader[i].used = 1;
		open = s->reader[i].open;
		pthread_mutex_unlock(&s->read_lock);
		q = &s->reader[i].sql;
		if (open)
			break;
		r = open_reader(s, q, err);
		open = !r;
		if (r != DCG_EMFILE || !any_open(s))
			break;
		/* One that is in use will do, too, in its time. */
		give_back(s, i, 0);
		may_open = r = 0;
	}
	if (!r) {
		dcg_sql_clear(q);
		dcg_sql_start(q, "BEGIN");
		dcg_sql_run(q);
		r = dcg_sql_result(q, err);
	}
	if (r)
		give_back(s, i, open);
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
