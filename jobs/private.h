/* What the files of jobs/ share and nobody else sees.
 *
 * Who owns what:
 * - struct dcg_jobs: constant fields, then groups that one lock guards each.
 * - struct dcg_run: the worker thread's; nobody else has a pointer to it.
 * - a job's row: whoever holds the store's write transaction. While a job prepares or
 *   runs only the worker writes it; others leave a wish in `current` (below).
 *
 * Locks are taken in this order, and `lock` is the innermost:
 *
 *   generate_lock    the store's write transaction -> lock    event_lock (alone)
 *
 * A job becomes `current` and ceases to be it only inside a write transaction, and if that
 * fails, all is as before when its lock is given back. So whoever
 * finds that a job is not current, begins a transaction and reads its row sees it at rest.
 */
#ifndef DCG_JOBS_PRIVATE_H
#define DCG_JOBS_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "data/dataset.h"
#include "jobs/jobs.h"
#include "train/sampler.h"
#include "train/trainer.h"

enum { DCG_PAGE = 200, DCG_METRICS_WAITING = 8192 };

/* Of the daemon during one job, without a new checkpoint in between: then it is not tried again. */
enum { DCG_MAX_DEATHS = 3 };

/* What somebody asked of the current job; it ends soon and then does as asked. */
enum dcg_want { DCG_WANT_GO, DCG_WANT_PAUSE, DCG_WANT_PAUSE_AND_RESUME, DCG_WANT_CANCEL };

struct dcg_jobs {
	/* Constant after dcg_jobs_new. */
	char *state_folder; /* absolute */
	char **roots;       /* NULL-terminated */
	atomic_int max_queued;
	int64_t reserve;    /* bytes; 0: none */
	int nice;
	struct dcg_store *store;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* something below did; CLOCK_MONOTONIC */
	int stopping, quick;    /* asked by dcg_jobs_begin_stop */
	int room_code;          /* why a file could not be made: DCG_ENOSPC or DCG_EMFILE; 0: none failed */
	int64_t room_failed;    /* bytes that were free when one found no room; -1: none did */
	int64_t room_failed_at; /* monotonic */
	int woken;              /* the queue may have something new */
	int idle;               /* the worker waits for a job */
	int working, joining;   /* the thread exists; somebody waits for its end */
	pthread_t thread;
	struct {
		int64_t id; /* 0: none */
		enum dcg_want want;
		struct dcg_trainer *trainer; /* takes commands; NULL while preparing and ending */
		int preparing;
		uint32_t done, count;  /* pictures prepared */
		int64_t epoch, epochs;
		int waiting;           /* for room on the disk (DCG_ENOSPC), files to open (DCG_EMFILE); 0: not */
		char trouble[200];     /* why nothing can be recorded at present; "" */
	} current;

	_Atomic uint64_t moves; /* counts the worker's progress */

	pthread_mutex_t event_lock;
	void (*event_fn)(void *user);
	void *event_user;

	pthread_mutex_t generate_lock;
	struct dcg_sampler *sampler; /* of this file, kept open for the next request */
	char sampler_sha256[DCG_SHA256_HEX];
};

/* --- text.c: words from outside ----------------------------------------------------- */

/* Well-formed UTF-8 without control characters? */
int dcg_text_valid(const char *s);
/* Characters of well-formed UTF-8. */
size_t dcg_text_length(const char *s);
/* Put '?' for what is not, in place (a text that was cut may end within a character). */
void dcg_text_clean(char *s);
/* Take folder's path out of a text for clients, in place. */
void dcg_text_hide(char *text, const char *folder);

/* One more field is wrong; the first word on a pointer is kept. */
void dcg_invalid_at(struct dcg_invalid *inv, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The request as a whole will not do. */
int dcg_invalid_fail(struct dcg_invalid *inv, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Is name the name of an earlier member of object, too? */
int dcg_json_repeated(const cJSON *object, const cJSON *member);
/* The value of a text or whole-number member in range, else a fault; 0 if it was taken. */
int dcg_json_text(const cJSON *member, size_t max, const char **ret, struct dcg_invalid *inv);
int dcg_json_whole(const cJSON *member, double min, double max, int64_t *ret, struct dcg_invalid *inv);

/* --- params.c -------------------------------------------------------------------------- */

/* dcg_job_params_parse without its end: fills *p and inv as far as possible, so that a
 * caller who knows more can list its faults together with these. Fails only for what is
 * no object. */
int dcg_job_params_judge(const cJSON *body, struct dcg_job_params *p, struct dcg_invalid *inv);
/* What only a resolved size and channels allow to judge. */
void dcg_job_params_check(const struct dcg_job_params *p, struct dcg_invalid *inv);

/* --- state.c: moves ------------------------------------------------------------------ */

int dcg_job_may_move(enum dcg_job_state from, enum dcg_job_state to);
int dcg_job_is_final(enum dcg_job_state state);
/* DCG_ESTALE if version > 0 and not the row's; for one who holds the write transaction. */
int dcg_job_unchanged(const struct dcg_job_row *row, int64_t version, struct dcg_error *err);
/* previous and error may be NULL; rewound_to < 0: none. DCG_ENOMEM. */
int dcg_state_event(struct dcg_store_tx *tx, int64_t id, const char *state, const char *previous, const char *error, int64_t rewound_to);
/* Move row to a state and append the event; row changes at once, so give a copy if the
 * commit may fail. error (may be NULL) is stored for failed jobs; rewound_to < 0: none.
 * The store's errors stick to tx; what is returned are our own (DCG_ESTATE, DCG_ENOMEM). */
int dcg_job_move(struct dcg_store_tx *tx, struct dcg_job_row *row, enum dcg_job_state to, const char *error, int64_t rewound_to);

/* --- memory.c -------------------------------------------------------------------------- */

/* About how many bytes training will take, for the networks and for a minibatch. */
int dcg_job_memory(const struct dcg_train_params *p, double *ret_weights, double *ret_batch, struct dcg_error *err);
double dcg_machine_memory(void); /* bytes */

/* --- json.c: events ------------------------------------------------------------------- */

enum { DCG_TIME_TEXT = 32 };
const char *dcg_time_text(int64_t ms, char buf[DCG_TIME_TEXT]);
/* {"job": id, "at": now}, for the caller to add to. */
cJSON *dcg_event_json(int64_t job);
/* Append and delete o; also the events that are too old to be kept. DCG_ENOMEM if it is NULL or cannot be printed. */
int dcg_event_append(struct dcg_store_tx *tx, int64_t job, const char *type, cJSON *o);
/* The CHECKPOINT as it now is. */
int dcg_checkpoint_event(struct dcg_store_tx *tx, const struct dcg_file_row *row);
/* A line into the log, and its event. */
int dcg_job_log(struct dcg_store_tx *tx, int64_t job, const char *level, const char *text);
/* Put item, which is given away, also on failure: DCG_ENOMEM, also for NULL. */
int dcg_json_put(cJSON *o, const char *name, cJSON *item);
int dcg_json_text_or_null(cJSON *o, const char *name, const char *text);
/* Numbers as the API shows them: null when not finite. */
int dcg_json_number(cJSON *o, const char *name, double v);
int dcg_json_time(cJSON *o, const char *name, int64_t ms); /* 0: null */
/* As it is worth showing: six digits. */
double dcg_json_short(double v);

/* --- files.c: the state folder ---------------------------------------------------------- */

/* STATE/jobs/ID/{samples,checkpoints}; malloc'd. */
char *dcg_job_folder(const struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind);
/* Make both. */
int dcg_job_make_folders(const struct dcg_jobs *j, int64_t id, struct dcg_error *err);
/* STATE/datasets/NAME-SIZE-CHANNELS.data; malloc'd. */
char *dcg_prepared_path(const struct dcg_jobs *j, const char *name, int size, int channels);
/* Is it there, of the size and sha256 that its row says? Errors name it by its name. */
int dcg_job_file_verify(const struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row, struct dcg_error *err);
/* The same of a checkpoint that somebody asked for, who is told what to do. */
int dcg_job_checkpoint_need(const struct dcg_jobs *j, const struct dcg_file_row *row, struct dcg_error *err);
/* Verify without reading it; one that cannot be looked at now counts as present. */
int dcg_job_file_present(const struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row);
void dcg_job_file_unlink(const struct dcg_jobs *j, enum dcg_file_kind kind, int64_t job, const char *name);
/* Remove our files in a job's folder whose name is not among the rows, and temporaries. */
void dcg_job_folder_sweep(const struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind, const struct dcg_file_row *rows, size_t count);
/* Remove the whole folder of a job, as far as it holds what we put there. */
void dcg_job_folder_remove(const struct dcg_jobs *j, int64_t id);
/* The mark of dcg_jobs_spare: is it there; remove it. */
int dcg_state_marked(const struct dcg_jobs *j);
void dcg_state_unmark(const struct dcg_jobs *j);
/* Remove temporaries beside the database (of session.key, say); at start, when nobody is writing. */
void dcg_state_sweep(const struct dcg_jobs *j);
/* Remove prepared files: those of data set `name`, or (NULL) those of none in the store. */
void dcg_prepared_sweep(const struct dcg_jobs *j, const char *name);
/* Every row of a job above a step (-1: all), however many. */
int dcg_job_files(const struct dcg_jobs *j, enum dcg_file_kind kind, int64_t job, int64_t after_step,
	struct dcg_file_row **ret, size_t *ret_count, struct dcg_error *err);

/* --- recover.c --------------------------------------------------------------------------- */

/* What must be in order before anything is answered: quick, however many jobs have ended. */
int dcg_jobs_recover(struct dcg_jobs *j, struct dcg_error *err);
/* The rows and files of those that have ended, whose files nobody but an administrator has touched.
 * DCG_ECANCELLED when the worker is to stop. Worker's thread, while it runs no job. */
int dcg_jobs_check_ended(struct dcg_jobs *j, struct dcg_error *err);

/* What a job forgets when it goes back to a checkpoint. */
struct dcg_rewind {
	int64_t step; /* it goes on after this one; -1: from scratch */
	int needed;   /* something was recorded past it */
	struct dcg_file_row *files[2];
	size_t count[2];
};
/* to NULL: from scratch. Look first, then apply within a transaction (which also sets row's
 * progress), and remove the files once that is committed. */
int dcg_rewind_look(struct dcg_jobs *j, const struct dcg_job_row *row, const struct dcg_file_row *to, struct dcg_rewind *ret, struct dcg_error *err);
void dcg_rewind_apply(const struct dcg_rewind *w, struct dcg_store_tx *tx, struct dcg_job_row *row, const struct dcg_file_row *to);
void dcg_rewind_unlink(struct dcg_jobs *j, const struct dcg_rewind *w, int64_t job);
void dcg_rewind_done(struct dcg_rewind *w);

/* --- room.c ------------------------------------------------------------------------------ */

int64_t dcg_room_free(const struct dcg_jobs *j); /* bytes */
/* Less than the reserve? DCG_ENOSPC. */
int dcg_room_is_low(const struct dcg_jobs *j, struct dcg_error *err);
/* A file found no room just now, or could not be opened: nothing goes on before there is more.
 * code: DCG_ENOSPC or DCG_EMFILE. */
void dcg_room_failed(struct dcg_jobs *j, int code);
/* Why a job waits. */
void dcg_room_text(struct dcg_jobs *j, char *buf, size_t size);
/* Between jobs: those that waited for room are queued again. DCG_ENOSPC while there is none,
 * DCG_ENOENT if also nobody waits for it. */
int dcg_room_go_on(struct dcg_jobs *j, struct dcg_error *err);

/* --- retain.c ---------------------------------------------------------------------------- */

/* Remove the checkpoints of a job that its parameters do not keep. */
int dcg_job_retain(struct dcg_jobs *j, int64_t id, const struct dcg_train_params *p, struct dcg_error *err);
/* Is any checkpoint in the array the start of a job that is not over (other than `except`)?
 * *ret_job: that job, or 0. */
int dcg_checkpoints_in_use(struct dcg_jobs *j, const struct dcg_file_row *rows, size_t count, int64_t except, int64_t *ret_job, struct dcg_error *err);

/* --- roots.c and datasets.c ---------------------------------------------------------------------------- */

/* The canonical path of one below a root: DCG_EACCESS when it is not, DCG_ENOENT. */
int dcg_roots_resolve(const struct dcg_jobs *j, const char *path, char ret[PATH_MAX], struct dcg_error *err);
/* An enum dcg_source_format, or DCG_EINVAL. */
int dcg_source_format_from_name(const char *name);
int dcg_datasets_builtin(struct dcg_jobs *j, struct dcg_error *err);
/* Open a registered source; again only if it is below a root (unless built in). */
int dcg_dataset_source(struct dcg_jobs *j, const struct dcg_dataset_row *row, struct dcg_source **ret, struct dcg_error *err);

/* --- jobs.c --------------------------------------------------------------------------------- */

/* Commit, or roll back when own is an error of ours, and tell the listener. */
int dcg_jobs_commit(struct dcg_jobs *j, struct dcg_store_tx *tx, int own, struct dcg_error *err);
void dcg_jobs_wake(struct dcg_jobs *j);
void dcg_jobs_moved(struct dcg_jobs *j);
int64_t dcg_monotonic_ms(void);
/* Visit every job in a state (-1: any), oldest last; stops at the first non-zero answer
 * and returns it. */
int dcg_jobs_each(struct dcg_jobs *j, int state, int (*fn)(void *user, struct dcg_job_row *row, struct dcg_error *err), void *user, struct dcg_error *err);

/* --- worker.c, prepare.c and record.c -------------------------------------------------------------------- */

void *dcg_worker_main(void *jobs);

/* One job at work. Worker thread. */
struct dcg_run {
	struct dcg_jobs *j;
	struct dcg_job_row row; /* as committed, with the newest progress */
	struct dcg_job_params params;
	struct dcg_source *source;
	struct dcg_dataset *dataset;
	struct dcg_trainer *trainer;
	struct dcg_metric_row *metrics; /* not yet in the store; when it is full, training waits */
	size_t count, capacity;
	enum dcg_room { DCG_ROOM_ENOUGH, DCG_ROOM_PAUSING, DCG_ROOM_PAUSED, DCG_ROOM_RESUMING } room;
	int64_t room_at;       /* monotonic: when to look again for room on the disk */
	int lost_checkpoint, lost_sample; /* found no room */
	char waiting[120];     /* why it is paused */
	int64_t flush_at;      /* monotonic: when they are due, if there are any */
	int64_t trouble_since; /* monotonic: when recording began to fail; 0 */
	int64_t told_at;       /* monotonic: last progress of preparing */
	int bad_files;
	int abandoned; /* told to stop while nothing could be recorded: as after a crash */
};

/* What goes into one transaction, besides the metrics that wait. */
struct dcg_record {
	const struct dcg_file_row *file; /* NULL: none */
	enum dcg_file_kind kind;
	const struct dcg_event *score; /* DCG_EVENT_SCORE; NULL: none */
	const char *level, *text;     /* a line of log; text NULL: none */
	cJSON *progress;              /* of preparing; given away, so not for dcg_run_persist */
	const char *pause;            /* running -> paused, for this reason; NULL: no */
	int resume;                   /* and back */
	int start;                    /* preparing -> running, with rewind (and to) applied */
	const struct dcg_rewind *rewind;
	const struct dcg_file_row *to;
	const struct dcg_error *end;  /* the job ends: code 0 finished, DCG_ECANCELLED stopped, else failed */
};

/* Source and data set, told in events; DCG_ECANCELLED when somebody wants the job to end. */
int dcg_run_prepare(struct dcg_run *run, struct dcg_error *err);

void dcg_run_metric(struct dcg_run *run, const struct dcg_event *ev);
/* One transaction; on failure all stays as it was and may be tried again. */
int dcg_run_record(struct dcg_run *run, const struct dcg_record *what, struct dcg_error *err);
/* Tries every second until it works; gives up only when told to stop (run->abandoned). */
int dcg_run_persist(struct dcg_run *run, const struct dcg_record *what);
/* Record what waits, if it is due; never waits for a disk that is full. */
void dcg_run_flush(struct dcg_run *run);
/* Worker: pause for want of room, and go on; call often. */
void dcg_run_room(struct dcg_run *run);
void dcg_run_file_lost(struct dcg_run *run, enum dcg_event_type file, int code);
/* The trainer's answers. */
void dcg_run_paused(struct dcg_run *run);
void dcg_run_resumed(struct dcg_run *run);
/* A line of log; lost if it cannot be recorded. */
void dcg_run_log(struct dcg_run *run, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
