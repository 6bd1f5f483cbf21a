#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"
#include "store/schema.h"

int64_t dcg_store_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int note_wal_pages(void *store, sqlite3 *db, const char *schema, int pages)
{
	(void)db, (void)schema;
	((struct dcg_store *)store)->wal_pages = pages;
	return SQLITE_OK;
}

/* Write-ahead logging needs shared memory and locks that work: not on network file systems. */
static int set_wal(struct dcg_store *s, struct dcg_error *err)
{
	struct dcg_sql *q = &s->writer;
	char mode[16] = "";
	dcg_sql_start(q, "PRAGMA journal_mode=WAL");
	if (dcg_sql_step(q) > 0)
		dcg_sql_array(q, mode, sizeof mode);
	dcg_sql_end(q);
	if (!q->error.code && sqlite3_stricmp(mode, "wal") != 0)
		dcg_sql_fail(q, DCG_EUNSUPPORTED, "no write-ahead log on this file system (it stays in mode \"%s\"): "
			"the folder must be on a local disk", mode);
	dcg_sql_exec(q, "PRAGMA journal_size_limit=16777216; PRAGMA secure_delete=OFF; PRAGMA synchronous=FULL");
	s->full_sync = 1;
	/* In place of automatic checkpoints: dcg_store_commit makes them. */
	sqlite3_wal_hook(q->db, note_wal_pages, s);
	int r = dcg_sql_result(q, err);
	return r ? dcg_error_prefix(err, r, "%s", s->path) : 0;
}

/* Where a sync failed before the last end, pages of the log may be in the kernel's memory only, and pass for
 * written: what is put behind such a hole is lost with the power, however well it is synced. So all that the log
 * holds is written anew, into the database, and the log begins again. Who is in the way of that, a full disk or
 * a reader from outside, is no reason not to serve. */
static int bring_home(struct dcg_store *s, struct dcg_error *err)
{
	int r = dcg_sql_checkpoint(&s->writer, SQLITE_CHECKPOINT_TRUNCATE);
	if (r == DCG_EBUSY || r == DCG_ENOSPC)
		dcg_sql_clear(&s->writer);
	r = dcg_sql_result(&s->writer, err);
	return r ? dcg_error_prefix(err, r, "%s", s->path) : 0;
}

static int open_writer(struct dcg_store *s, const char *const *steps, struct dcg_error *err)
{
	/* SQLite would create it readable by all; the log and the index take their mode from it. */
	int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), version, r;
	if (fd < 0)
		return dcg_error_sys(err, errno, "%s: cannot open", s->path);
	close(fd);
	r = dcg_sql_open(&s->writer, s->path, SQLITE_OPEN_READWRITE, err);
	if (r)
		return dcg_error_prefix(err, r, "%s", s->path);
	r = dcg_schema_check(&s->writer, s->path, steps, &version, err);
	if (!r)
		r = set_wal(s, err);
	if (!r)
		r = bring_home(s, err);
	if (!r)
		r = dcg_schema_migrate(&s->writer, s->path, steps, version, err);
	if (!r)
		r = dcg_schema_verify(&s->writer, s->path, steps, err);
	if (!r) {
		s->sweep = dcg_sql_value(&s->writer, "SELECT EXISTS (SELECT 1 FROM deleted_jobs)") != 0;
		r = dcg_sql_result(&s->writer, err);
	}
	return r;
}

static int init_locks(struct dcg_store *s)
{
	pthread_mutexattr_t a;
	if (pthread_mutexattr_init(&a))
		return DCG_ENOMEM;
	/* So that a second begin of the same thread is an error and not a deadlock. */
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	int r = pthread_mutex_init(&s->write_lock, &a) ? DCG_ENOMEM : 0;
	pthread_mutexattr_destroy(&a);
	if (!r && dcg_store_readers_init(s)) {
		pthread_mutex_destroy(&s->write_lock);
		r = DCG_ENOMEM;
	}
	return r;
}

int dcg_store_open_steps(struct dcg_store **ret, const char *folder, const char *const *steps, struct dcg_error *err)
{
	if (sqlite3_libversion_number() < 3037000 || !sqlite3_threadsafe())
		return dcg_error_set(err, DCG_EUNSUPPORTED, "SQLite %s%s: 3.37 or newer, with threads, is needed",
			sqlite3_libversion(), sqlite3_threadsafe() ? "" : " without threads");
	struct dcg_store *s = calloc(1, sizeof *s);
	if (!s || init_locks(s)) {
		free(s);
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	}
	s->lock_fd = -1;
	s->tx = (struct dcg_store_tx){ s, &s->writer };
	int r;
	/* Absolute: the daemon may change its folder, and SQLite takes "file:..." for a URI. */
	char *absolute = realpath(folder, NULL);
	if (!absolute) {
		r = dcg_error_sys(err, errno, "%s: cannot open the folder", folder);
	} else if (asprintf(&s->path, "%s/" DCG_STORE_FILE, absolute) < 0) {
		s->path = NULL;
		r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
	} else {
		r = s->lock_fd = dcg_store_lock(absolute, err);
		if (r >= 0) {
			dcg_schema_sweep(absolute);
			r = open_writer(s, steps, err);
		}
	}
	free(absolute);
	if (r)
		dcg_store_close(s);
	else
		*ret = s;
	return r;
}

int dcg_store_open(struct dcg_store **ret, const char *folder, struct dcg_error *err)
{
	return dcg_store_open_steps(ret, folder, dcg_schema_steps, err);
}

void dcg_store_close(struct dcg_store *s)
{
	if (!s)
		return;
	dcg_store_readers_done(s);
	if (s->writer.db && !s->writer.sync_failed) {
		dcg_sql_clear(&s->writer);
		dcg_sql_checkpoint(&s->writer, SQLITE_CHECKPOINT_TRUNCATE);
	}
	dcg_sql_close(&s->writer);
	pthread_mutex_destroy(&s->write_lock);
	if (s->lock_fd >= 0)
		close(s->lock_fd); /* last: now another may open */
	free(s->path);
	free(s);
}
