#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/feed.h"

/* Batches of noise whose statistics are averaged for weights that have none of their own. */
enum { CALIBRATION_BATCHES = 8 };

struct dcg_sampler {
	struct dcg_train_params params;
	struct dcg_backend *be;
	struct dcg_net *g;
	struct dcg_tensor *z;
	int batch;
	int stale;           /* the running statistics are not those of the weights */
	float *pad;          /* [batch][z_dim]: noise that fills up a batch */
	float *noise;        /* [batch][z_dim] */
	float *temporary;    /* [largest array of G] */
	float *mean, *var;   /* [widest batch norm of G] */
	double *sum;         /* [2][all channels]: means, then variances, batch norm by batch norm */
	int channels;        /* of all batch norms together */
	uint8_t *pictures;   /* [batch][size][size][channels] */
};

void dcg_sampler_noise(const struct dcg_train_params *p, uint64_t seed, int n, float *z)
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, seed, DCG_STREAM_SAMPLE);
	dcg_feed_fill_noise(p, &rng, z, (size_t)n * (size_t)p->z_dim);
}

/* --- Running statistics ------------------------------------------------------------------ */

/* Every running statistic becomes scale times its sum. */
static void write_statistics(struct dcg_sampler *s, double scale)
{
	const double *mean = s->sum, *var = s->sum + s->channels;
	for (int i = 0; i < dcg_net_array_count(s->g); i++) {
		const struct dcg_net_array *a = dcg_net_array(s->g, i);
		if (!a->is_variance)
			continue;
		for (size_t c = 0; c < a->count; c++) {
			s->mean[c] = (float)(*mean++ * scale);
			s->var[c] = (float)(*var++ * scale);
		}
		s->be->ops->bn_statistics_write(s->be, a->bn, s->mean, s->var);
	}
}

static void add_statistics(struct dcg_sampler *s, double scale)
{
	double *mean = s->sum, *var = s->sum + s->channels;
	for (int i = 0; i < dcg_net_array_count(s->g); i++) {
		const struct dcg_net_array *a = dcg_net_array(s->g, i);
		if (!a->is_variance)
			continue;
		s->be->ops->bn_statistics_read(s->be, a->bn, s->mean, s->var);
		for (size_t c = 0; c < a->count; c++) {
			*mean++ += s->mean[c] * scale;
			*var++ += s->var[c] * scale;
		}
	}
}

/* The averaged weights (ema) never saw a batch, so that the running statistics, which
 * followed the raw ones, do not fit them: measure them anew, as the mean over a few batches
 * of noise. From zeros, one forward pass leaves momentum times the batch's own in them. */
static void calibrate(struct dcg_sampler *s)
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, (uint64_t)s->params.seed, DCG_STREAM_PAD + 1);
	memset(s->sum, 0, 2 * (size_t)s->channels * sizeof *s->sum);
	for (int batch = 0; batch < CALIBRATION_BATCHES; batch++) {
		write_statistics(s, 0);
		dcg_feed_fill_noise(&s->params, &rng, s->noise, (size_t)s->batch * (size_t)s->params.z_dim);
		s->be->ops->tensor_write(s->be, s->z, s->noise);
		dcg_net_forward(s->g, s->z, DCG_BN_BATCH);
		add_statistics(s, 1 / (double)DCG_BN_MOMENTUM);
	}
	write_statistics(s, 1. / CALIBRATION_BATCHES);
}

/* --- Making and feeding --------------------------------------------------------------- */

static int allocate(struct dcg_sampler *s, struct dcg_error *err)
{
	size_t largest = dcg_net_largest_array(s->g), z = (size_t)s->batch * (size_t)s->params.z_dim;
	size_t picture = (size_t)s->params.size * (size_t)s->params.size * (size_t)s->params.channels;
	size_t widest = 0;
	for (int i = 0; i < dcg_net_array_count(s->g); i++) {
		const struct dcg_net_array *a = dcg_net_array(s->g, i);
		if (!a->is_variance)
			continue;
		s->channels += (int)a->count;
		widest = a->count > widest ? a->count : widest;
	}
	s->pad = dcg_alloc(z, sizeof *s->pad);
	s->noise = dcg_alloc(z, sizeof *s->noise);
	s->temporary = dcg_alloc(largest, sizeof *s->temporary);
	s->mean = dcg_alloc(widest, sizeof *s->mean);
	s->var = dcg_alloc(widest, sizeof *s->var);
	s->sum = dcg_alloc(2 * (size_t)s->channels, sizeof *s->sum);
	s->pictures = dcg_alloc((size_t)s->batch, picture);
	if (!s->pad || !s->noise || !s->temporary || !s->mean || !s->var || !s->sum || !s->pictures)
		return dcg_error_set(err, DCG_ENOMEM, "sampler: out of memory");
	return 0;
}

int dcg_sampler_new(struct dcg_sampler **ret, const struct dcg_train_params *p, int threads, struct dcg_error *err)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_layers layers;
	struct dcg_rng rng;
	struct dcg_sampler *s = calloc(1, sizeof *s);
	if (!s)
		return dcg_error_set(err, DCG_ENOMEM, "sampler: out of memory");
	s->params = *p;
	s->batch = p->batch_size < DCG_SAMPLER_LEAST ? DCG_SAMPLER_LEAST : p->batch_size > DCG_SAMPLER_MOST ? DCG_SAMPLER_MOST : p->batch_size;
	int r = dcg_arch_generator(&cfg.arch, &layers, err);
	/* A checkpoint may come from a machine with other kernels than ours. */
	if (!r && dcg_kernel_check(p->kernel, p->precision, NULL) == 0)
		r = dcg_backend_open(&s->be, p->kernel, p->precision, threads, err);
	else if (!r)
		r = dcg_backend_open(&s->be, "auto", "auto", threads, err);
	if (!r)
		r = dcg_net_new(&s->g, s->be, &layers, s->batch, DCG_NET_SAMPLE, NULL, err);
	if (!r)
		r = s->be->ops->tensor_new(s->be, &s->z, (struct dcg_shape){ s->batch, p->z_dim, 1, 1 }, err);
	if (!r)
		r = allocate(s, err);
	if (r) {
		dcg_sampler_free(s);
		return r;
	}
	dcg_rng_init(&rng, (uint64_t)p->seed, DCG_STREAM_PAD);
	dcg_feed_fill_noise(p, &rng, s->pad, (size_t)s->batch * (size_t)p->z_dim);
	*ret = s;
	return 0;
}

int dcg_sampler_open(struct dcg_sampler **ret, const char *checkpoint_path, int threads, struct dcg_error *err)
{
	struct dcg_checkpoint *c;
	struct dcg_sampler *s = NULL;
	int r = dcg_checkpoint_open(&c, checkpoint_path, err);
	if (r)
		return r;
	r = dcg_sampler_new(&s, dcg_checkpoint_params(c), threads, err);
	if (!r)
		r = dcg_checkpoint_restore_g(c, s->g, 1, err);
	if (!r)
		s->stale = dcg_checkpoint_has_average(c);
	dcg_checkpoint_close(c);
	if (r) {
		dcg_sampler_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void dcg_sampler_free(struct dcg_sampler *s)
{
	if (!s)
		return;
	if (s->be) {
		s->be->ops->tensor_free(s->z);
		dcg_net_free(s->g);
		dcg_backend_close(s->be);
	}
	dcg_free(s->pad);
	dcg_free(s->noise);
	dcg_free(s->temporary);
	dcg_free(s->mean);
	dcg_free(s->var);
	dcg_free(s->sum);
	dcg_free(s->pictures);
	free(s);
}

const struct dcg_train_params *dcg_sampler_params(const struct dcg_sampler *s)
{
	return &s->params;
}

int dcg_sampler_batch(const struct dcg_sampler *s)
{
	return s->batch;
}

void dcg_sampler_update(struct dcg_sampler *s, struct dcg_net *g)
{
	int average = s->params.ema > 0;
	dcg_net_copy(s->g, g, average ? DCG_AVERAGE : DCG_VALUE, s->temporary);
	s->stale = average;
}

/* --- Drawing ----------------------------------------------------------------------------- */

void dcg_sampler_draw(struct dcg_sampler *s, const float *z, int n, uint8_t *pictures)
{
	const struct dcg_ops *ops = s->be->ops;
	size_t z_dim = (size_t)s->params.z_dim;
	size_t picture = (size_t)s->params.size * (size_t)s->params.size * (size_t)s->params.channels;
	int running = s->params.sample_bn;
	if (running && s->stale) {
		calibrate(s);
		s->stale = 0;
	}
	for (int done = 0; done < n; done += s->batch) {
		int m = n - done < s->batch ? n - done : s->batch;
		memcpy(s->noise, z + (size_t)done * z_dim, (size_t)m * z_dim * sizeof *z);
		memcpy(s->noise + (size_t)m * z_dim, s->pad + (size_t)m * z_dim, (size_t)(s->batch - m) * z_dim * sizeof *z);
		ops->tensor_write(s->be, s->z, s->noise);
		ops->tensor_to_images(s->be, dcg_net_forward(s->g, s->z, running ? DCG_BN_RUNNING : DCG_BN_FROZEN), s->pictures);
		memcpy(pictures + (size_t)done * picture, s->pictures, (size_t)m * picture);
	}
}
