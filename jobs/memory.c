#include "jobs/private.h"

#include <unistd.h>

/* What is not counted one by one: the kernels' packed copies and scratch. Measured over
 * the three architectures: 1.35 to 1.6. */
static const double unseen = 1.35;

/* Floats of a network's weights, and of a batch's activations. */
static void measure(const struct dcg_layers *l, int batch, double *weights, double *activations)
{
	for (int i = 0; i < l->count; i++) {
		const struct dcg_conv_geometry *g = &l->layer[i].conv;
		double big = (double)g->c * g->h * g->w, small = (double)g->k * g->p * g->q;
		*weights += (double)g->k * g->c * g->r * g->s;
		*activations += batch * (l->layer[i].transposed ? big : small);
	}
}

int dcg_job_memory(const struct dcg_train_params *p, double *ret_weights, double *ret_batch, struct dcg_error *err)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_layers g, d;
	double of_g = 0, of_d = 0, batch = 0;
	int r = dcg_arch_generator(&cfg.arch, &g, err);
	if (!r)
		r = dcg_arch_discriminator(&cfg.arch, &d, err);
	if (r)
		return r;
	measure(&g, cfg.batch, &of_g, &batch);
	measure(&d, cfg.batch, &of_d, &batch);
	/* Value, gradient and two moments, and a copy of all but the gradient for checkpoints;
	 * of G also what samples are drawn with, and the average with its copy. */
	*ret_weights = unseen * sizeof(float) * (of_g * (p->ema > 0 ? 10 : 8) + of_d * 7);
	/* A layer's output, what batch norm keeps of it, and the gradients of both. */
	*ret_batch = unseen * sizeof(float) * batch * 3;
	return 0;
}

double dcg_machine_memory(void)
{
	return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}
