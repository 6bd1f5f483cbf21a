#include "train/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explore/ms_ssim.h"
#include "explore/swd.h"
#include "train/feed.h"

struct dcg_score {
	struct dcg_train_params params;
	int count;        /* pictures of each kind */
	size_t picture;   /* bytes of one */
	uint8_t *real;    /* [count][size][size][channels] */
	uint8_t *drawn;   /* likewise */
	float *noise;     /* [DCG_SAMPLER_MOST][z_dim] */
};

int dcg_score_new(struct dcg_score **ret, const struct dcg_train_params *p, const struct dcg_dataset *ds, struct dcg_error *err)
{
	uint32_t there = dcg_dataset_info(ds)->count;
	struct dcg_score *s = calloc(1, sizeof *s);
	if (!s)
		return dcg_error_set(err, DCG_ENOMEM, "score: out of memory");
	s->params = *p;
	s->count = there < (uint32_t)p->swd_images ? (int)there : p->swd_images;
	s->picture = (size_t)p->size * (size_t)p->size * (size_t)p->channels;
	s->real = dcg_alloc((size_t)s->count, s->picture);
	s->drawn = dcg_alloc((size_t)s->count, s->picture);
	s->noise = dcg_alloc((size_t)DCG_SAMPLER_MOST * (size_t)p->z_dim, sizeof *s->noise);
	if (!s->real || !s->drawn || !s->noise) {
		dcg_score_free(s);
		return dcg_error_set(err, DCG_ENOMEM, "score: out of memory");
	}
	for (int i = 0; i < s->count; i++)
		memcpy(s->real + (size_t)i * s->picture, dcg_dataset_picture(ds, (uint32_t)((uint64_t)i * there / (uint64_t)s->count)), s->picture);
	*ret = s;
	return 0;
}

void dcg_score_free(struct dcg_score *s)
{
	if (!s)
		return;
	dcg_free(s->real);
	dcg_free(s->drawn);
	dcg_free(s->noise);
	free(s);
}

int dcg_score_draw(struct dcg_score *s, struct dcg_sampler *g, int (*cancelled)(void *user), void *user, struct dcg_error *err)
{
	const struct dcg_train_params *p = &s->params;
	struct dcg_rng rng;
	int batch = dcg_sampler_batch(g);
	/* Other noise than the grid's: a generator is not judged by the pictures on show. */
	dcg_rng_init(&rng, (uint64_t)p->seed, DCG_STREAM_SAMPLE + 1);
	for (int i = 0; i < s->count; i += batch) {
		int n = s->count - i < batch ? s->count - i : batch;
		if (cancelled && cancelled(user))
			return dcg_error_set(err, DCG_ECANCELLED, "score: cancelled");
		dcg_feed_fill_noise(p, &rng, s->noise, (size_t)n * (size_t)p->z_dim);
		dcg_sampler_draw(g, s->noise, n, s->drawn + (size_t)i * s->picture);
	}
	return 0;
}

int dcg_score_measure(struct dcg_score *s, struct dcg_pool *pool, int (*cancelled)(void *user), void *user, struct dcg_scores *ret, struct dcg_error *err)
{
	const struct dcg_train_params *p = &s->params;
	struct dcg_swd_how how = { .seed = (uint64_t)p->seed, .pool = pool, .cancelled = cancelled, .user = user };
	struct dcg_scores found = { .ms_ssim = NAN };
	struct dcg_swd swd;
	int r = dcg_swd(&swd, s->drawn, s->real, s->count, p->size, p->size, p->channels, &how, err);
	if (!r && s->count > 1)
		r = dcg_ms_ssim(&found.ms_ssim, s->drawn, s->count, p->size, p->size, p->channels, cancelled, user, err);
	if (r)
		return r;
	found.swd = swd.mean;
	*ret = found;
	return 0;
}
