/* Pictures from a generator, any number at a time, from any checkpoint.
 *
 * A sampler owns a backend and a G for batches of a fixed size; requests are cut into
 * such batches, and the last is filled up with fixed noise (DCG_STREAM_PAD), so that one
 * picture under batch statistics (paper) looks like one of many. With running statistics
 * and averaged weights (ema), which none were recorded for, they are measured over a few
 * batches of noise first. One thread at a time.
 */
#ifndef DCG_TRAIN_SAMPLER_H
#define DCG_TRAIN_SAMPLER_H

#include "train/checkpoint.h"

struct dcg_sampler;

/* Batches: large enough for batch statistics to mean something, small enough to be quick. */
enum { DCG_SAMPLER_LEAST = 32, DCG_SAMPLER_MOST = 64 };

/* threads: as dcg_pool_new. A kernel in the parameters that is not to be had here becomes
 * "auto". The pictures are those of zero weights until dcg_sampler_update. */
int dcg_sampler_new(struct dcg_sampler **ret, const struct dcg_train_params *p, int threads, struct dcg_error *err);
int dcg_sampler_open(struct dcg_sampler **ret, const char *checkpoint_path, int threads, struct dcg_error *err);
void dcg_sampler_free(struct dcg_sampler *s);
const struct dcg_train_params *dcg_sampler_params(const struct dcg_sampler *s);
/* Pictures that are computed at a time: the run's batch size within those bounds. */
int dcg_sampler_batch(const struct dcg_sampler *s);
/* Take G's present parameters (averaged ones when ema is on). Training thread. */
void dcg_sampler_update(struct dcg_sampler *s, struct dcg_net *g);

/* n vectors z [n][z_dim] of the run's distribution, from seed. */
void dcg_sampler_noise(const struct dcg_train_params *p, uint64_t seed, int n, float *z);
/* n pictures [n][size][size][channels] from z [n][z_dim]. Allocates nothing. */
void dcg_sampler_draw(struct dcg_sampler *s, const float *z, int n, uint8_t *pictures);

#endif
