/* How good a generator is, as a number: the sliced Wasserstein distance (explore/swd.h)
 * between pictures it draws and as many real ones. Lower is better.
 *
 * The noise, the real pictures and the random directions are the same each time, so that the
 * scores of one run compare; those of runs with other data, sizes or numbers of pictures do
 * not. One thread at a time.
 */
#ifndef DCG_TRAIN_SCORE_H
#define DCG_TRAIN_SCORE_H

#include "train/sampler.h"

struct dcg_score;

/* swd_images pictures, or all there are, evenly spread over the data set. */
int dcg_score_new(struct dcg_score **ret, const struct dcg_train_params *p, const struct dcg_dataset *ds, struct dcg_error *err);
void dcg_score_free(struct dcg_score *s);
/* cancelled (may be NULL) is asked now and then: DCG_ECANCELLED. Takes memory while it works. */
int dcg_score_measure(struct dcg_score *s, struct dcg_sampler *g, int (*cancelled)(void *user), void *user, double *ret, struct dcg_error *err);

#endif
