/* The trainer's second thread: it writes checkpoints, draws and encodes sample grids, measures
 * scores, and tells of each in the queue, so that training waits for none of it.
 *
 * There is one copy of the networks for a checkpoint and one generator to draw with. Who
 * asks for the next while the one before is still being worked on waits for it: a disk
 * slower than the checkpoints asked of it slows training down instead of filling memory.
 * Requests are served in order, so that a sample asked for before a checkpoint of the same
 * step is on disk before it.
 *
 * dcg_background_new, _start and _free belong to the trainer's owner, _cut to any thread,
 * everything else to the training thread.
 */
#ifndef DCG_TRAIN_BACKGROUND_H
#define DCG_TRAIN_BACKGROUND_H

#include "train/queue.h"

struct dcg_background;

struct dcg_background_config {
	const struct dcg_train_params *params;
	const struct dcg_dataset *dataset; /* kept open by the caller */
	const char *sample_folder, *checkpoint_folder; /* sample_folder NULL: no grids */
	struct dcg_gan *gan;
	struct dcg_queue *queue;
};

/* Takes all the memory that requests will need. */
int dcg_background_new(struct dcg_background **ret, const struct dcg_background_config *cfg, struct dcg_error *err);
int dcg_background_start(struct dcg_background *b, struct dcg_error *err);
void dcg_background_free(struct dcg_background *b);

/* A copy is taken before these return; allocate nothing. A score belongs to the checkpoint of
 * the same step that is asked for after it. */
void dcg_background_checkpoint(struct dcg_background *b, struct dcg_gan *gan, const struct dcg_train_state *state);
void dcg_background_draw(struct dcg_background *b, struct dcg_gan *gan, const struct dcg_train_state *state, int grid, int score);
/* What became of the checkpoints: the newest step that is safe on disk (-1: none). A failure
 * since then is in err, code 0 if there was none. */
int64_t dcg_background_saved(struct dcg_background *b, struct dcg_error *err);
/* Until all that was asked for is done. pool: of the waiting thread, for what has many parts. */
void dcg_background_wait(struct dcg_background *b, struct dcg_pool *pool);
/* Do no more: forget what waits, end a grid early, finish at most the file being written. */
void dcg_background_cut(struct dcg_background *b);
/* Waits, then ends the thread. Nothing may be asked for afterwards. */
void dcg_background_stop(struct dcg_background *b);

#endif
