#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct dcg_feed {
	const struct dcg_dataset *ds;
	struct dcg_train_params params;
	uint32_t count;     /* pictures in the data set */
	size_t picture;     /* bytes of one */
	int64_t epoch;      /* whose order is in order; -1: none */
	uint32_t *order;    /* [count] */
	uint8_t *pictures;  /* [batch][size][size][channels] */
	uint8_t *mirrored;  /* [batch] */
	float *noise;       /* [batch][z_dim] */
};

int dcg_feed_new(struct dcg_feed **ret, const struct dcg_train_params *p, const struct dcg_dataset *ds, struct dcg_error *err)
{
	const struct dcg_dataset_info *info = dcg_dataset_info(ds);
	if (info->count == 0)
		return dcg_error_set(err, DCG_EINVAL, "the data set has no pictures");
	if (info->size != p->size || info->channels != p->channels)
		return dcg_error_set(err, DCG_EINVAL, "the data set was prepared at size %d with %d channels, expected size %d with %d",
			info->size, info->channels, p->size, p->channels);
	struct dcg_feed *f = calloc(1, sizeof *f);
	if (!f)
		return dcg_error_set(err, DCG_ENOMEM, "minibatches: out of memory");
	size_t batch = (size_t)p->batch_size;
	f->ds = ds;
	f->params = *p;
	f->count = info->count;
	f->picture = (size_t)p->size * (size_t)p->size * (size_t)p->channels;
	f->epoch = -1;
	f->order = dcg_alloc(f->count, sizeof *f->order);
	f->pictures = dcg_alloc(batch, f->picture);
	f->mirrored = dcg_alloc(batch, 1);
	f->noise = dcg_alloc(batch * (size_t)p->z_dim, sizeof *f->noise);
	if (!f->order || !f->pictures || !f->mirrored || !f->noise) {
		dcg_feed_free(f);
		return dcg_error_set(err, DCG_ENOMEM, "minibatches: out of memory");
	}
	*ret = f;
	return 0;
}

void dcg_feed_free(struct dcg_feed *f)
{
	if (!f)
		return;
	dcg_free(f->order);
	dcg_free(f->pictures);
	dcg_free(f->mirrored);
	dcg_free(f->noise);
	free(f);
}

static void shuffle(struct dcg_feed *f, int64_t epoch)
{
	struct dcg_rng rng;
	if (f->epoch == epoch)
		return;
	dcg_rng_init(&rng, (uint64_t)f->params.seed, DCG_STREAM_ORDER + (uint64_t)epoch);
	dcg_rng_permutation(&rng, f->order, f->count);
	f->epoch = epoch;
}

/* A bit for each picture of the minibatch, which has blocks of its own in the stream. */
static void toss(struct dcg_feed *f, int64_t epoch, int64_t minibatch)
{
	struct dcg_rng rng;
	uint64_t bits = 0;
	dcg_rng_init(&rng, (uint64_t)f->params.seed, DCG_STREAM_FLIP + (uint64_t)epoch);
	rng.counter = (uint64_t)minibatch * (((uint64_t)f->params.batch_size + 63) / 64);
	for (int i = 0; i < f->params.batch_size; i++, bits >>= 1) {
		if (i % 64 == 0)
			bits = dcg_rng_u64(&rng);
		f->mirrored[i] = bits & 1;
	}
}

void dcg_feed_pictures(struct dcg_feed *f, int64_t epoch, int64_t minibatch, struct dcg_backend *be, struct dcg_tensor *real)
{
	uint64_t batch = (uint64_t)f->params.batch_size, first = (uint64_t)minibatch * batch;
	shuffle(f, epoch);
	for (uint64_t i = 0; i < batch; i++)
		memcpy(f->pictures + i * f->picture, dcg_dataset_picture(f->ds, f->order[(first + i) % f->count]), f->picture);
	if (f->params.flip)
		toss(f, epoch, minibatch);
	be->ops->tensor_from_images(be, real, f->pictures, f->params.flip ? f->mirrored : NULL);
}

void dcg_feed_fill_noise(const struct dcg_train_params *p, struct dcg_rng *rng, float *out, size_t count)
{
	if (p->z_dist == DCG_Z_UNIFORM)
		dcg_rng_uniform(rng, out, count, -1, 1);
	else
		dcg_rng_normal(rng, out, count, 0, 1);
}

void dcg_feed_noise(struct dcg_feed *f, struct dcg_rng *rng, struct dcg_backend *be, struct dcg_tensor *z)
{
	dcg_feed_fill_noise(&f->params, rng, f->noise, (size_t)f->params.batch_size * (size_t)f->params.z_dim);
	be->ops->tensor_write(be, z, f->noise);
}
