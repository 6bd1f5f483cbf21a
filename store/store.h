/* Everything the service remembers, in one SQLite file. The only user of sqlite3.h.
 *
 * Times are milliseconds since 1970 UTC. Texts named *_json are JSON written by the
 * caller and returned as they were. Strings in returned rows are owned by the row
 * (dcg_*_row_done), strings in arguments are copied.
 *
 * Threads: every function may be called from any thread. Writes go through one
 * connection, one transaction at a time (dcg_store_begin waits for the other); reads use
 * read-only connections, see what was committed when they began, and never wait for
 * writers. A transaction belongs to the thread that began it (a second one of the same
 * thread: DCG_ESTATE).
 *
 * Transactions carry a sticky error: after one call failed the others do nothing and
 * return it too, and dcg_store_commit rolls back and tells; so check once, at the end.
 *
 * Errors beside those named below: DCG_ENOSPC (disk full: nothing is lost, try again when
 * there is room), DCG_EIO, DCG_EMFILE, DCG_EDAMAGED (the file is), DCG_EBUSY (a program from
 * outside holds a lock), DCG_EINVAL (a text too long or missing, a negative limit). After a
 * failed sync to disk every later transaction is refused with DCG_EIO: what the kernel
 * dropped it will not report again, so only opening anew, which writes the WAL's pages once
 * more, makes what is there safe.
 */
#ifndef DCG_STORE_STORE_H
#define DCG_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"

struct dcg_store;
struct dcg_store_tx;

/* Opens or creates "dcgand.db" in folder (which must exist), takes the folder's lock
 * (DCG_EBUSY, naming the holder's pid, if another daemon has it), checks application_id,
 * integrity of the schema and version (a newer one: DCG_EVERSION), writes what the WAL holds
 * into the database and syncs it, in case an earlier sync failed (left out if the disk is full
 * or a program from outside reads), and migrates after a backup. */
int dcg_store_open(struct dcg_store **ret, const char *folder, struct dcg_error *err);
void dcg_store_close(struct dcg_store *s); /* checkpoints the WAL */

/* Have fn called, once and from any thread, when a sync failed as said above. It may not use the store. */
void dcg_store_on_lost(struct dcg_store *s, void (*fn)(void *user), void *user);

int64_t dcg_store_now_ms(void);

/* durable: the commit is synced to disk (job states, samples, checkpoints); else it is
 * only safe against a crash of the process (metrics). */
int dcg_store_begin(struct dcg_store *s, int durable, struct dcg_store_tx **ret, struct dcg_error *err);
int dcg_store_commit(struct dcg_store_tx *tx, struct dcg_error *err);
void dcg_store_rollback(struct dcg_store_tx *tx);
/* Have fn called when the transaction is over, and before the next can begin, for what must change
 * together with the rows. It may not use the store. The last one given counts. */
void dcg_store_on_end(struct dcg_store_tx *tx, void (*fn)(void *user, int committed), void *user);

/* --- Jobs ------------------------------------------------------------------------ */

enum dcg_job_state {
	DCG_JOB_QUEUED, DCG_JOB_PREPARING, DCG_JOB_RUNNING, DCG_JOB_PAUSED,
	DCG_JOB_SUCCEEDED, DCG_JOB_FAILED, DCG_JOB_CANCELLED, DCG_JOB_STATES,
};
const char *dcg_job_state_name(enum dcg_job_state state); /* "queued" ... */
int dcg_job_state_from_name(const char *name);            /* DCG_EINVAL for another */

struct dcg_job_row {
	int64_t id;
	enum dcg_job_state state;
	char *name, *dataset; /* name may be "" */
	char *note, *tags_json; /* "" and "[]" when none; tags_json: an array of texts */
	int priority;         /* higher runs first */
	int pinned;           /* not to be deleted */
	char *params_json;    /* complete */
	char *error;          /* why it failed; NULL */
	int64_t version;      /* raised by every change of this row */
	int64_t epoch, step, steps_total, steps_per_epoch;
	double images_per_s, eta_s;             /* NaN: not known */
	double loss_d, loss_g, d_real, d_fake;  /* newest; NaN: not known */
	int64_t created_ms, started_ms, finished_ms; /* 0: not yet */
	int64_t queue_ms;     /* place in the queue among equal priorities: smaller first */
	int deaths;           /* of the daemon while this job was at work, without a newer checkpoint in between */
	int64_t death_step;   /* of the newest checkpoint at the last of them; -1: none */
};
void dcg_job_row_done(struct dcg_job_row *r);

/* r: state, name, dataset, priority, params_json, created_ms, queue_ms are stored, and note and
 * tags_json where not NULL. */
int dcg_store_job_insert(struct dcg_store_tx *tx, const struct dcg_job_row *r, int64_t *ret_id);
/* What a job does to itself (state, error, params_json, progress, times, deaths) where the row's state
 * is still `from`; DCG_ESTATE if it is not, DCG_ENOENT if there is none. */
int dcg_store_job_update(struct dcg_store_tx *tx, const struct dcg_job_row *r, enum dcg_job_state from);
/* What people say of a job, in whatever state: name, note, tags_json, priority, pinned. Apart from the
 * above, so that neither overwrites the other with what it read earlier. */
int dcg_store_job_describe(struct dcg_store_tx *tx, const struct dcg_job_row *r);
/* The job and all its rows. Its events stay until they are pruned. Its points vanish at once
 * but leave the file piece by piece, one after each later commit. */
int dcg_store_job_delete(struct dcg_store_tx *tx, int64_t id);
int dcg_store_job_get(struct dcg_store *s, int64_t id, struct dcg_job_row *ret, struct dcg_error *err);
/* The queued job to run next: highest priority, then smallest queue_ms, then id; DCG_ENOENT if none. */
int dcg_store_job_next(struct dcg_store *s, struct dcg_job_row *ret, struct dcg_error *err);

struct dcg_job_filter {
	int64_t before_id;      /* only ids below this; 0: from the newest */
	int state;              /* -1: any */
	const char *dataset;    /* NULL: any */
	const char *tag;        /* one of tags_json is this; NULL: any */
	int pinned;             /* 0 or 1; -1: any */
	int limit;
};
/* Newest first. *ret is a malloc'd array: free with dcg_store_jobs_free. */
int dcg_store_jobs(struct dcg_store *s, const struct dcg_job_filter *f, struct dcg_job_row **ret, size_t *ret_count, struct dcg_error *err);
void dcg_store_jobs_free(struct dcg_job_row *rows, size_t count);
/* The ids of all, ascending; malloc'd (NULL for none): caller frees. */
int dcg_store_job_ids(struct dcg_store *s, int64_t **ret, size_t *ret_count, struct dcg_error *err);

struct dcg_store_stats {
	int64_t jobs[DCG_JOB_STATES];
	int64_t newest_event; /* number of the newest event ever; 0: none */
	int64_t bytes;        /* of the files on disk */
};
int dcg_store_stats(struct dcg_store *s, struct dcg_store_stats *ret, struct dcg_error *err);

/* --- Keys of requests ------------------------------------------------------------ */

/* A request that made a job, so that the same one sent again is told from a new one. */
struct dcg_key_row {
	char key[256];
	char request[DCG_SHA256_HEX]; /* sha256 of what was asked */
	int64_t job;
	int64_t created_ms;
};
/* DCG_EEXIST if there is such a key (forget the old ones first). */
int dcg_store_key_insert(struct dcg_store_tx *tx, const struct dcg_key_row *r);
/* Those made before a time. */
int dcg_store_keys_forget(struct dcg_store_tx *tx, int64_t before_ms);
/* DCG_ENOENT: not there, or made before since_ms. */
int dcg_store_key_get(struct dcg_store *s, const char *key, int64_t since_ms, struct dcg_key_row *ret, struct dcg_error *err);

/* --- Metrics --------------------------------------------------------------------- */

enum dcg_series {
	DCG_SERIES_LOSS_D, DCG_SERIES_LOSS_G, DCG_SERIES_D_REAL, DCG_SERIES_D_FAKE,
	DCG_SERIES_D_FAKE_AFTER, DCG_SERIES_IMAGES_PER_S,
	DCG_SERIES_OF_STEPS, /* those before have a point for every step, those from here on for ends of epochs */
	DCG_SERIES_SWD = DCG_SERIES_OF_STEPS, DCG_SERIES_MS_SSIM, DCG_SERIES_COUNT,
};
const char *dcg_series_name(enum dcg_series s);
int dcg_series_from_name(const char *name);

struct dcg_metric_row {
	int64_t step;
	double value[DCG_SERIES_COUNT]; /* NaN: no point in that series */
};
/* Steps 0 .. 2^53, quickest in ascending order. A point already there is replaced. DCG_ENOENT
 * without such a job. */
int dcg_store_metrics_append(struct dcg_store_tx *tx, int64_t job, const struct dcg_metric_row *rows, size_t count);
/* Points of steps above `step` go: a job went back to a checkpoint. */
int dcg_store_metrics_truncate(struct dcg_store_tx *tx, int64_t job, int64_t step);

struct dcg_metric_bucket {
	int64_t first_step, last_step, count;
	int64_t min_step, max_step; /* where the extremes are */
	double min, max, last;
};
/* Points of one series with from <= step <= to in at most max_points buckets of equal
 * width in steps; the first and the last point are always ends of buckets. *ret_total:
 * points in the range. Buckets hold at least one point. Of equal extremes the first is
 * named. A job that does not exist has no points. Buckets malloc'd: caller frees. */
int dcg_store_metrics_read(struct dcg_store *s, int64_t job, enum dcg_series series, int64_t from, int64_t to, int max_points,
	struct dcg_metric_bucket **ret, size_t *ret_count, int64_t *ret_total, struct dcg_error *err);

/* --- Files: samples and checkpoints ------------------------------------------------ */

struct dcg_file_row {
	int64_t id;
	int64_t job, step, epoch;
	char name[64]; /* in the job's folder */
	int64_t size;
	char sha256[DCG_SHA256_HEX];
	int64_t created_ms;
	/* checkpoints only */
	char label[128]; /* what people call it; "" */
	int pinned;
	double score;  /* lower is better; NaN: not measured */
	int epoch_end; /* made at the end of an epoch */
};
enum dcg_file_kind { DCG_FILE_SAMPLE, DCG_FILE_CHECKPOINT };

/* A row of the same job and step is replaced; it keeps its id, pin and label, and its score when
 * r has none. */
int dcg_store_file_insert(struct dcg_store_tx *tx, enum dcg_file_kind kind, const struct dcg_file_row *r, int64_t *ret_id);
int dcg_store_file_update(struct dcg_store_tx *tx, enum dcg_file_kind kind, const struct dcg_file_row *r); /* pinned, label, score */
int dcg_store_file_delete(struct dcg_store_tx *tx, enum dcg_file_kind kind, int64_t id);
int dcg_store_files_truncate(struct dcg_store_tx *tx, enum dcg_file_kind kind, int64_t job, int64_t step);
int dcg_store_file_get(struct dcg_store *s, enum dcg_file_kind kind, int64_t id, struct dcg_file_row *ret, struct dcg_error *err);
enum dcg_file_key { DCG_BY_STEP, DCG_BY_EPOCH /* the newest of that epoch */, DCG_NEWEST };
int dcg_store_file_find(struct dcg_store *s, enum dcg_file_kind kind, int64_t job, enum dcg_file_key key, int64_t value, struct dcg_file_row *ret, struct dcg_error *err);
struct dcg_file_filter {
	int64_t epoch; /* -1: any */
	int pinned;    /* 0 or 1; -1: any */
};
/* In order of step, steps above after_step (-1: all), at most limit, those of f (NULL: all);
 * malloc'd array. job 0: all jobs, in order of id, and after_step is an id. */
int dcg_store_files(struct dcg_store *s, enum dcg_file_kind kind, int64_t job, int64_t after_step, int limit, const struct dcg_file_filter *f, struct dcg_file_row **ret, size_t *ret_count, struct dcg_error *err);

/* --- Events and log -------------------------------------------------------------- */

struct dcg_event_row {
	int64_t seq; /* monotonic over all jobs, without gaps */
	int64_t job;
	int64_t created_ms;
	char type[16];
	char *data_json;
};
/* Appends; the number becomes visible with the commit. ret_seq may be NULL. */
int dcg_store_event_append(struct dcg_store_tx *tx, int64_t job, const char *type, const char *data_json, int64_t *ret_seq);
/* Events after seq, of one job (0: all), at most limit, in order. *ret_oldest: the smallest
 * seq still kept of any job (*ret_newest + 1 when all are pruned), *ret_newest the largest
 * given out (both 0: none ever was). */
int dcg_store_events(struct dcg_store *s, int64_t job, int64_t after, int limit, struct dcg_event_row **ret, size_t *ret_count,
	int64_t *ret_oldest, int64_t *ret_newest, struct dcg_error *err);
void dcg_store_events_free(struct dcg_event_row *rows, size_t count);
/* Keep the newest `keep` events. At most `chunk` rows a call; *ret_deleted (may be NULL) tells. */
int dcg_store_events_prune(struct dcg_store_tx *tx, int64_t keep, int chunk, int64_t *ret_deleted);

struct dcg_log_row {
	int64_t id, job, created_ms;
	char level[8]; /* "info", "warning", "error" */
	char *text;
};
int dcg_store_log_append(struct dcg_store_tx *tx, int64_t job, const char *level, const char *text);
/* Lines after id of this level or worse (NULL: all), at most limit, in order. */
int dcg_store_log(struct dcg_store *s, int64_t job, int64_t after, int limit, const char *level, struct dcg_log_row **ret, size_t *ret_count, struct dcg_error *err);
void dcg_store_log_free(struct dcg_log_row *rows, size_t count);

/* --- Data sets -------------------------------------------------------------------- */

struct dcg_dataset_row {
	char name[64];   /* the id: [a-z0-9][a-z0-9._-]* */
	char *path;      /* absolute, never shown to clients */
	char format[16]; /* "idx", "cifar10", "cifar100", "folder" */
	int64_t count;
	int width, height, channels, classes;
	int builtin;     /* found by the daemon itself; cannot be deleted */
	int64_t created_ms;
};
void dcg_dataset_row_done(struct dcg_dataset_row *r);
int dcg_store_dataset_put(struct dcg_store_tx *tx, const struct dcg_dataset_row *r); /* insert or replace by name */
int dcg_store_dataset_delete(struct dcg_store_tx *tx, const char *name);
int dcg_store_dataset_get(struct dcg_store *s, const char *name, struct dcg_dataset_row *ret, struct dcg_error *err);
/* By name, names above after (NULL: all), of this format (NULL: any). */
int dcg_store_datasets(struct dcg_store *s, const char *after, int limit, const char *format, struct dcg_dataset_row **ret, size_t *ret_count, struct dcg_error *err);
void dcg_store_datasets_free(struct dcg_dataset_row *rows, size_t count);

#endif
