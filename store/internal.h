/* What the files of store/ share. Private to store/. */
#ifndef DCG_STORE_INTERNAL_H
#define DCG_STORE_INTERNAL_H

#include <pthread.h>

#include "store/sql.h"
#include "store/store.h"

enum { DCG_STORE_READERS = 4 };

struct dcg_store_tx {
	struct dcg_store *store;
	struct dcg_sql *sql; /* the store's writer; its sticky error is the transaction's */
	void (*on_end)(void *user, int committed); /* NULL: nobody cares */
	void *user;
};

struct dcg_store {
	char *path;  /* of the database file */
	int lock_fd; /* the folder's lock; its file holds our pid */

	pthread_mutex_t write_lock; /* held from begin to commit or rollback; guards: */
	struct dcg_sql writer;      /* every write and every checkpoint goes through it */
	struct dcg_store_tx tx;
	int full_sync;              /* PRAGMA synchronous is FULL, not NORMAL */
	int wal_pages;              /* in the WAL after the last commit */
	int sweep;                  /* deleted_jobs is not empty */
	void (*on_lost)(void *user); /* NULL: was called, or nobody cares */
	void *lost_user;

	pthread_mutex_t read_lock;  /* guards: */
	pthread_cond_t reader_free;
	struct { struct dcg_sql sql; int open, used; } reader[DCG_STORE_READERS];
};

/* A read-only connection with a transaction begun, so that several statements see one state.
 * Waits when all are in use: a thread holds at most one. */
int dcg_store_read_begin(struct dcg_store *s, struct dcg_sql **ret, struct dcg_error *err);
/* Gives it back; the sticky code, with its text in err. */
int dcg_store_read_end(struct dcg_store *s, struct dcg_sql *q, struct dcg_error *err);
int dcg_store_readers_init(struct dcg_store *s);
void dcg_store_readers_done(struct dcg_store *s);

/* Takes the lock file of folder: an open file descriptor or a negative code. */
int dcg_store_lock(const char *folder, struct dcg_error *err);

/* Delete one piece of what deleted jobs left behind; between transactions. */
void dcg_store_sweep(struct dcg_store *s);

#endif
