/* How good a generator is, in numbers: how far the pictures it draws are from as many real ones,
 * and how much they differ among themselves.
 *
 * The noise, the real pictures and the random directions are the same each time, so that the
 * scores of one run compare; those of runs with other data, sizes or numbers of pictures do
 * not. One thread at a time.
 */
#ifndef DCG_TRAIN_SCORE_H
#define DCG_TRAIN_SCORE_H

#include "train/sampler.h"

struct dcg_score;

struct dcg_scores {
	double swd;     /* sliced Wasserstein distance (explore/swd.h): lower is better */
	double ms_ssim; /* mean similarity of drawn pictures (explore/ms_ssim.h), 0 to 1: good near that of
	                   real ones; NaN: only one was drawn */
};

/* swd_images pictures, or all there are, evenly spread over the data set. */
int dcg_score_new(struct dcg_score **ret, const struct dcg_train_params *p, const struct dcg_dataset *ds, struct dcg_error *err);
void dcg_score_free(struct dcg_score *s);
/* First the pictures, then what they are worth; pool (may be NULL) helps with the latter. cancelled (may
 * be NULL) is asked now and then: DCG_ECANCELLED. Measuring takes memory while it works. */
int dcg_score_draw(struct dcg_score *s, struct dcg_sampler *g, int (*cancelled)(void *user), void *user, struct dcg_error *err);
int dcg_score_measure(struct dcg_score *s, struct dcg_pool *pool, int (*cancelled)(void *user), void *user, struct dcg_scores *ret, struct dcg_error *err);

#endif
