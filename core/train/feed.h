/* What each update is fed with: real pictures in the epoch's random order, some mirrored,
 * and noise.
 *
 * The pictures of a minibatch follow from the seed, the epoch and the minibatch's number
 * alone, and the noise from the state of its generator, so that training can go on from any
 * step as if it had never stopped. A data set smaller than a minibatch is gone through again
 * from its beginning. One thread at a time; nothing is allocated after dcg_feed_new.
 */
#ifndef DCG_TRAIN_FEED_H
#define DCG_TRAIN_FEED_H

#include "train/params.h"

struct dcg_feed;

/* The data set must outlive the feed, and have the parameters' size and channels. */
int dcg_feed_new(struct dcg_feed **ret, const struct dcg_train_params *p, const struct dcg_dataset *ds, struct dcg_error *err);
void dcg_feed_free(struct dcg_feed *f);
/* Minibatch (from 0) of an epoch (from 0) into a tensor [batch][channels][size][size]. */
void dcg_feed_pictures(struct dcg_feed *f, int64_t epoch, int64_t minibatch, struct dcg_backend *be, struct dcg_tensor *real);
/* The generator's next vectors into a tensor [batch][z_dim][1][1]. */
void dcg_feed_noise(struct dcg_feed *f, struct dcg_rng *rng, struct dcg_backend *be, struct dcg_tensor *z);

/* count values of the parameters' distribution of z. */
void dcg_feed_fill_noise(const struct dcg_train_params *p, struct dcg_rng *rng, float *out, size_t count);

#endif
