#include "jobs/private.h"

#include <string.h>
#include <unistd.h>

/* The kernels' scratch, what their chunks of work take at most together with a worker's own,
 * and the program with what rounding to large pages takes. */
static const double scratch = 14e6, scratch_of_worker = 3e6, program = 12e6;

/* Values of a network's weights, of a batch's activations, and of the largest two gradients of
 * neighbouring layers, and of the largest. copies: batch norm keeps what it was given, too. */
static void measure(const struct dcg_layers *l, int batch, int copies, double *weights, double *activations, double *gradients, double *largest)
{
	double before = 0;
	for (int i = 0; i < l->count; i++) {
		const struct dcg_conv_geometry *g = &l->layer[i].conv;
		double big = (double)g->c * g->h * g->w, small = (double)g->k * g->p * g->q, out = batch * (l->layer[i].transposed ? big : small);
		*weights += (double)g->k * g->c * g->r * g->s;
		*activations += copies && l->layer[i].batch_norm ? 2 * out : out;
		if (i + 1 < l->count && before + out > *gradients)
			*gradients = before + out;
		if (i + 1 < l->count && out > *largest)
			*largest = out;
		before = out;
	}
}

int dcg_job_memory(const struct dcg_train_params *p, double *ret_weights, double *ret_batch, struct dcg_error *err)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_layers g, d;
	double of_g = 0, of_d = 0, batch = 0, gradients = 0, largest = 0, pictures = 1.0 * cfg.batch * p->size * p->size * p->channels;
	int copies = strcmp(p->kernel, "ref") == 0 || strcmp(p->kernel, "openblas") == 0;
	int r = dcg_arch_generator(&cfg.arch, &g, err);
	if (!r)
		r = dcg_arch_discriminator(&cfg.arch, &d, err);
	if (r)
		return r;
	measure(&g, cfg.batch, copies, &of_g, &batch, &gradients, &largest);
	measure(&d, cfg.batch, copies, &of_d, &batch, &gradients, &largest);
	batch -= (double)dcg_net_values_inside(&d, cfg.batch, (size_t)largest);
	/* Value and two moments, and a copy of them for checkpoints; of G also what samples are
	 * drawn with, and the average with its copy; the gradient, shared by both. */
	*ret_weights = sizeof(float) * (of_g * (p->ema > 0 ? 9 : 7) + of_d * 6 + (of_g > of_d ? of_g : of_d));
	/* pictures: the real ones. */
	*ret_batch = (double)dcg_kernel_value_bytes(p->kernel, p->precision) * (batch + gradients + pictures) + scratch + scratch_of_worker * (p->threads > 0 ? p->threads : 2) + program;
	return 0;
}

double dcg_machine_memory(void)
{
	return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}
