/* Checkpoints: one safetensors file each, holding all that an exact continuation needs.
 *
 * Tensors: "G.main.0.weight", "D.main.3.running_mean" ... under the names of
 * pytorch/examples (a prefix for each network), each trained one also with ".adam_m",
 * ".adam_v" and, for G with ema on, ".ema"; "num_batches_tracked" as int64.
 * Metadata (the format's "__metadata__", strings): "format" = "dcgand-checkpoint",
 * "version", "params" (JSON), "state" (JSON: step, epoch, position, updates, generator).
 *
 * A file is hostile until checked: header length, JSON, offsets, overlaps, shapes and
 * sizes against what the parameters imply, before anything is used.
 */
#ifndef DCG_TRAIN_CHECKPOINT_H
#define DCG_TRAIN_CHECKPOINT_H

#include "base/rng.h"
#include "base/sha256.h"
#include "train/params.h"

struct dcg_train_state {
	int64_t step;        /* steps done */
	int64_t epoch;       /* epochs wholly done */
	int64_t epoch_steps; /* steps done in the present epoch */
	int64_t updates_g, updates_d;
	struct dcg_rng z;    /* generator of the training noise */
	uint32_t count;      /* pictures in the data set, and its fingerprint: a continuation */
	char fingerprint[65]; /* on other data is refused */
	char kernel[DCG_PARAM_TEXT]; /* table that computed it */
};

/* A copy of everything, in host memory of its own: taken on the training thread,
 * written by another. */
struct dcg_snapshot;

/* with_average: whether ema is on in the parameters that take will be given. */
int dcg_snapshot_new(struct dcg_snapshot **ret, struct dcg_gan *gan, int with_average, struct dcg_error *err);
void dcg_snapshot_free(struct dcg_snapshot *s);
/* Allocates nothing. */
void dcg_snapshot_take(struct dcg_snapshot *s, struct dcg_gan *gan, const struct dcg_train_params *p, const struct dcg_train_state *state);
/* Atomic; DCG_ENONFINITE naming the first array that holds NaN or infinity, with nothing
 * written: such a file must not take a good one's place. *ret_size and hex (both may be NULL) tell the file's size and sha256. */
int dcg_snapshot_write(const struct dcg_snapshot *s, const char *path, uint64_t *ret_size, char hex[DCG_SHA256_HEX], struct dcg_error *err);

struct dcg_checkpoint;

/* Verifies all but the arrays' values, which restore looks at. */
int dcg_checkpoint_open(struct dcg_checkpoint **ret, const char *path, struct dcg_error *err);
void dcg_checkpoint_close(struct dcg_checkpoint *c);
const struct dcg_train_params *dcg_checkpoint_params(const struct dcg_checkpoint *c);
const struct dcg_train_state *dcg_checkpoint_state(const struct dcg_checkpoint *c);
int dcg_checkpoint_has_average(const struct dcg_checkpoint *c);
/* Everything into gan; DCG_EFORMAT naming the first array whose shape differs. optimiser 0
 * leaves Adam's moments and update counts alone (starting a new job from old weights). An
 * array with values that cannot be (NaN, a negative variance) or a reading error is told
 * when others are in gan already: after a failure, initialise or free it. */
int dcg_checkpoint_restore(const struct dcg_checkpoint *c, struct dcg_gan *gan, int optimiser, struct dcg_error *err);
/* G alone (its average where there is one and average is set). */
int dcg_checkpoint_restore_g(const struct dcg_checkpoint *c, struct dcg_net *g, int average, struct dcg_error *err);

#endif
