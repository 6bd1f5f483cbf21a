/* Jobs: the queue, the state machine, the worker; joins core and store.
 *
 * One worker thread runs one job at a time: it prepares the data set, trains, and
 * records what the trainer tells (metrics in one transaction every 250 ms, files and
 * states durably). Everything here may be called from any thread and returns quickly,
 * except dcg_jobs_generate and dcg_jobs_dataset_* (which read files and compute):
 * call those from a thread that may wait.
 *
 * States and the moves between them stand in one table (jobs/state.c):
 *
 *   queued -> preparing, cancelled            preparing -> running, queued (interrupted),
 *   running -> paused, succeeded, failed,                  paused, failed, cancelled
 *              cancelled, queued (interrupted)
 *   paused -> queued (resume), cancelled, running (there is room again)
 *
 * Pause writes a checkpoint and lets the next job run; resume queues the job again, first
 * among its equals, and it goes on from there exactly. An interrupted job (shutdown, crash)
 * goes back to the head of the queue.
 *
 * When the disk has less room than the reserve, or a file found none, the job is paused where it is,
 * in memory, with the reason as its error, and goes on by itself when there is room; until
 * then nothing new is taken or begun. So it is when no more files can be opened, but that
 * new jobs are taken into the queue.
 *
 * Files: STATE/dcgand.db, STATE/jobs/<id>/samples/, STATE/jobs/<id>/checkpoints/,
 * STATE/datasets/<name>-<size>-<channels>.data, STATE/dcgand.unsynced (dcg_jobs_spare).
 */
#ifndef DCG_JOBS_JOBS_H
#define DCG_JOBS_JOBS_H

#include <cjson/cJSON.h>

#include "jobs/params.h"
#include "store/store.h"

struct dcg_jobs;

struct dcg_jobs_config {
	const char *state_folder;
	const char *const *dataset_roots; /* NULL-terminated: folders below which data sets may be registered */
	int max_queued; /* 0: 1000 */
	int64_t disk_reserve; /* bytes of the disk that are left free; 0: 256 MB; < 0: none */
	int nice;             /* 0 .. 19: added to that of the worker and of all threads that train */
};

/* Opens the store, recovers (removes temporaries and files without a row, drops rows whose
 * file is lost and says so in the job's log, puts interrupted jobs back into the queue, rewinds
 * them to their newest checkpoint), registers the built-in data sets. No thread runs yet. The
 * files of jobs that have ended are compared with their rows later, by the worker before its
 * first job, so that the time this takes does not grow with what was ever done. */
int dcg_jobs_new(struct dcg_jobs **ret, const struct dcg_jobs_config *cfg, struct dcg_error *err);
int dcg_jobs_start(struct dcg_jobs *j, struct dcg_error *err);
/* Asks the running job to write a checkpoint at its next step and the worker to end, and ends what
 * is drawn on request; waits for none of it. quick: without the checkpoint; once asked for, that holds. */
void dcg_jobs_begin_stop(struct dcg_jobs *j, int quick);
/* The same, and waits until the job is marked interrupted and the worker has ended. */
void dcg_jobs_stop(struct dcg_jobs *j, int quick);
void dcg_jobs_free(struct dcg_jobs *j);
/* The store has lost what it wrote, so this process ends and nothing can be recorded: leaves an empty file, if
 * that is possible, by which the next dcg_jobs_new knows that it is no fault of the job at work. */
void dcg_jobs_spare(struct dcg_jobs *j);

struct dcg_store *dcg_jobs_store(struct dcg_jobs *j); /* for reading */

/* Called after a commit that added events, from the thread that committed; must not block. */
void dcg_jobs_on_event(struct dcg_jobs *j, void (*fn)(void *user), void *user);

/* Something wrong with a request, for a 4xx answer: overall text and a list of fields. */
struct dcg_invalid {
	int code;       /* DCG_EINVAL (422), DCG_ENOENT (404), DCG_ESTATE (409), DCG_EBUSY (queue
	                   full: 503), DCG_ECANCELLED (stopping: 503), DCG_EMFILE (503), DCG_ENOSPC (507), DCG_EACCESS (outside the roots: 403),
	                   others: 500 */
	char text[480];
	int count;
	struct {
		char pointer[96];  /* JSON pointer: "/batch_size" */
		char detail[300];  /* "expected ..., found ..." */
	} field[32];
};
void dcg_invalid_init(struct dcg_invalid *inv);
/* The member of that name, which may hold anything, is wrong; the first word on it is kept. */
void dcg_invalid_member(struct dcg_invalid *inv, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 0 if no field was wrong, else DCG_EINVAL with the overall text. */
int dcg_invalid_close(struct dcg_invalid *inv);

/* POST /jobs. body: the parsed object. */
int dcg_jobs_submit(struct dcg_jobs *j, const cJSON *body, int64_t *ret_id, struct dcg_invalid *inv);
/* The same, once: a request with the key and sha256 of one of the last 24 hours makes nothing
 * and gives its job's id. DCG_EINVAL for a key of another request, DCG_ESTATE when the job
 * was deleted since. key: 1 to 255 bytes; NULL: as dcg_jobs_submit. */
int dcg_jobs_submit_once(struct dcg_jobs *j, const cJSON *body, const char *key, const char *request_sha256, int64_t *ret_id, struct dcg_invalid *inv);

enum { DCG_NOTE_MAX = 4000, DCG_TAGS_MAX = 16, DCG_TAG_MAX = 40 }; /* characters, tags, characters */
/* PATCH /jobs/{id}: any of name, note, tags and priority, in whatever state. version > 0, here
 * and below: only while it is the job's (else DCG_ESTALE). */
int dcg_jobs_edit(struct dcg_jobs *j, int64_t id, const cJSON *body, int64_t version, struct dcg_invalid *inv);
/* PATCH /checkpoints/{id}: pinned, name. only, if not NULL: only while they and the file are as in that row (else DCG_ESTALE). */
int dcg_jobs_checkpoint_edit(struct dcg_jobs *j, int64_t id, const cJSON *body, const struct dcg_file_row *only, struct dcg_invalid *inv);

enum dcg_job_action { DCG_ACTION_PAUSE, DCG_ACTION_RESUME, DCG_ACTION_CANCEL, DCG_ACTION_SAMPLE, DCG_ACTION_CHECKPOINT };
/* Idempotent: pausing what is paused (or being paused) is no error. DCG_ENOENT, DCG_ESTATE. */
int dcg_jobs_act(struct dcg_jobs *j, int64_t id, enum dcg_job_action action, int64_t version, struct dcg_error *err);
/* The job with its rows and files. Only in a final state, paused or queued: else DCG_ESTATE. */
int dcg_jobs_delete(struct dcg_jobs *j, int64_t id, int64_t version, struct dcg_error *err);

/* Absolute path of a sample or checkpoint file, malloc'd; caller frees. */
char *dcg_jobs_file_path(struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row);

/* The JSON object of a job as the API shows it: id state epoch epochs step steps_total
 * steps_per_epoch images_per_s eta_s losses error params created_at started_at finished_at
 * version name note tags dataset priority. NULL when out of memory. */
cJSON *dcg_job_json(const struct dcg_job_row *r);
/* The same of a checkpoint. */
cJSON *dcg_checkpoint_json(const struct dcg_file_row *r);

/* POST /checkpoints/{id}/generate. body: {"n":64,"seed":7} or {"z":[[...], ...]}, and
 * optionally "columns". Ends early with DCG_ECANCELLED once dcg_jobs_begin_stop was called. */
struct dcg_generated {
	int n, size, channels, z_dim;
	float *z;           /* [n][z_dim] */
	uint8_t *pictures;  /* [n][size][size][channels] */
	int columns;
};
/* The most JSON values that such a body has, with 1024 vectors of the length that this checkpoint wants. */
int dcg_jobs_generate_values(struct dcg_jobs *j, int64_t checkpoint, size_t *ret, struct dcg_invalid *inv);
int dcg_jobs_generate(struct dcg_jobs *j, int64_t checkpoint, const cJSON *body, struct dcg_generated *ret, struct dcg_invalid *inv);
void dcg_generated_done(struct dcg_generated *g);

/* POST /datasets: {"name": ..., "path": ..., "format": ...}. The path is absolute or below
 * a root, and opened with openat2(RESOLVE_BENEATH). */
int dcg_jobs_dataset_register(struct dcg_jobs *j, const cJSON *body, char ret_name[64], struct dcg_invalid *inv);
int dcg_jobs_dataset_delete(struct dcg_jobs *j, const char *name, struct dcg_error *err); /* DCG_ESTATE while a live job uses it */
/* JSON as the API shows it; details adds the names of the classes. */
cJSON *dcg_jobs_dataset_json(struct dcg_jobs *j, const struct dcg_dataset_row *r, int details);
/* A grid of its first 64 pictures at 64 pixels or less, PNG in malloc'd memory. DCG_ENOENT:
 * no such data set; DCG_ESTATE: its source has gone, or leads somewhere else. */
int dcg_jobs_dataset_preview(struct dcg_jobs *j, const char *name, uint8_t **ret_png, size_t *ret_size, struct dcg_error *err);

/* Change the limit while working. */
void dcg_jobs_adjust(struct dcg_jobs *j, int max_queued);
/* For a watchdog: has the worker moved since the call that set *seen (0 at first)? One without
 * a job counts as moving. Progress is a picture prepared, an event of the trainer, an
 * attempt to record: no time passing by itself. */
int dcg_jobs_moving(struct dcg_jobs *j, uint64_t *seen);
/* Bytes free on the disk, and how many of them are kept. */
void dcg_jobs_room(struct dcg_jobs *j, int64_t *ret_free, int64_t *ret_reserve);

/* Progress in one line for systemd's STATUS: "job 42: epoch 7/25, 3 queued". */
void dcg_jobs_status(struct dcg_jobs *j, char *buf, size_t size);

#endif
