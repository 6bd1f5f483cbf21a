/* The training loop: commands in, events out. Knows nothing of storage or HTTP.
 *
 * dcg_trainer_start runs the loop on a thread of its own, with another that encodes
 * pictures and writes checkpoints, so that training waits for neither. The caller takes
 * events with dcg_trainer_next from one thread until DCG_EVENT_END; the queue is bounded
 * (training waits rather than losing a metric). Commands may come from any thread and
 * take effect between two steps, also while paused; the last of pause and resume holds.
 *
 * At the ends of epochs that dcg_train_params_scores names, pictures are scored, on the second
 * thread; the event comes before that of a checkpoint of the same step.
 *
 * Files appear under the folder given: checkpoints as "step-%010lld.safetensors",
 * samples as "step-%010lld.png", both atomically; an event follows once a file is safe
 * on disk, after the metrics of all steps up to it. A sample is made at step 0, after every
 * sample_every epochs, and at the end; a checkpoint after every checkpoint_every epochs or
 * checkpoint_minutes, when stopped, and at the end. While one is being written, the next of
 * its kind waits, and training with it. A file that cannot be written is told by
 * DCG_EVENT_LOG, and fails the run only if it is the last checkpoint.
 *
 * A loss that is not finite, or weights found so when a checkpoint is made of them, ends the
 * run with DCG_END_FAILED and DCG_ENONFINITE; no file is made of them, so that the newest
 * checkpoint is a good one.
 */
#ifndef DCG_TRAIN_TRAINER_H
#define DCG_TRAIN_TRAINER_H

#include "data/dataset.h"
#include "train/checkpoint.h"
#include "train/score.h"

struct dcg_trainer;

enum dcg_event_type {
	DCG_EVENT_STARTED,    /* first step follows: u.started */
	DCG_EVENT_METRIC,     /* one a step: u.metric */
	DCG_EVENT_EPOCH,      /* an epoch ended */
	DCG_EVENT_SAMPLE,     /* u.file */
	DCG_EVENT_CHECKPOINT, /* u.file */
	DCG_EVENT_SCORE,      /* u.score; some steps later than the step it is of */
	DCG_EVENT_PAUSED,
	DCG_EVENT_RESUMED,
	DCG_EVENT_LOG,        /* u.log: a line for a person (a file that could not be written ...) */
	DCG_EVENT_END,        /* the last: u.end */
};

enum dcg_end { DCG_END_FINISHED, DCG_END_STOPPED, DCG_END_FAILED };

struct dcg_event {
	enum dcg_event_type type;
	int64_t step;  /* steps done */
	int64_t epoch; /* epochs wholly done */
	union {
		struct {
			int64_t steps_total, steps_per_epoch;
			char kernel[DCG_PARAM_TEXT];
			int threads;
			size_t parameters_g, parameters_d;
		} started;
		struct {
			struct dcg_gan_losses losses;
			double images_per_s; /* real pictures, over about the last second */
			double eta_s;
		} metric;
		struct {
			char name[64]; /* in the folder */
			uint64_t size;
			char sha256[DCG_SHA256_HEX];
			double score; /* of a checkpoint at the end of an epoch, lower is better: its swd;
			                 NaN: not measured */
		} file;
		struct dcg_scores score;
		struct {
			char text[256];
			int code; /* DCG_E* of a file that could not be written; 0 */
			enum dcg_event_type file; /* what its event would have been */
		} log;
		struct {
			enum dcg_end how;
			struct dcg_error error; /* DCG_END_FAILED */
		} end;
	} u;
};

enum dcg_command {
	DCG_COMMAND_PAUSE,      /* keep everything in memory, wait */
	DCG_COMMAND_RESUME,
	DCG_COMMAND_STOP,       /* checkpoint, then end */
	DCG_COMMAND_ABORT,      /* end without one */
	DCG_COMMAND_SAMPLE,     /* a sample grid now (none without a folder for it) */
	DCG_COMMAND_CHECKPOINT, /* a checkpoint now */
};

struct dcg_trainer_config {
	const struct dcg_train_params *params; /* resolved and checked; copied */
	const struct dcg_dataset *dataset;     /* kept open by the caller until dcg_trainer_free */
	const char *sample_folder, *checkpoint_folder; /* must exist; copied; sample_folder NULL: none */
	const char *resume;      /* checkpoint to go on from exactly, or NULL: same data, and the same
	                            parameters but for those that only say when to end, what to
	                            write, and with how many threads */
	const char *initialise;  /* checkpoint whose weights a new run starts with, or NULL */
	int wait_for_room;       /* no room for the last checkpoint (told as DCG_EVENT_LOG with DCG_ENOSPC, or DCG_EMFILE
	                            where no file can be opened): do not fail, but wait to be paused and resumed, and try again */
};

/* Builds everything, with all the memory that training takes; errors name what was wrong. */
int dcg_trainer_new(struct dcg_trainer **ret, const struct dcg_trainer_config *cfg, struct dcg_error *err);
int dcg_trainer_start(struct dcg_trainer *t, struct dcg_error *err);
void dcg_trainer_command(struct dcg_trainer *t, enum dcg_command command);
/* The next event; waits up to timeout_ms (-1: for ever). DCG_ETIMEOUT, or DCG_EEND after
 * DCG_EVENT_END was taken. */
int dcg_trainer_next(struct dcg_trainer *t, struct dcg_event *ret, int timeout_ms);
/* Aborts if it still runs, waits for the threads. */
void dcg_trainer_free(struct dcg_trainer *t);

#endif
