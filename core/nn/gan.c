#include "nn/gan.h"

#include <stdlib.h>

enum { STREAMS_G = 0, STREAMS_D = 1000 }; /* of dcg_net_init */

struct dcg_gan {
	struct dcg_backend *be;
	struct dcg_gan_config cfg;
	struct dcg_net *g, *d;
	struct dcg_tensor *real, *z;
	struct dcg_net_gradients gradients; /* of both: one goes through after the other */
	struct dcg_tensor *dfake;   /* [batch][channels][size][size] */
	struct dcg_tensor *dlogits; /* [batch][1][1][1] */
	struct dcg_tensor *fake;    /* G's last output; owned by g */
	int64_t updates_g, updates_d;
};

/* Adam uses up one network's gradients before the other's come, so the weights of one have theirs
 * in the other's memory: each where it fits best. */
static void share_gradients(struct dcg_gan *gan)
{
	int d_lends = dcg_net_parameter_count(gan->d) > dcg_net_parameter_count(gan->g);
	struct dcg_net *from = d_lends ? gan->d : gan->g, *to = d_lends ? gan->g : gan->d;
	int lent[DCG_NET_ARRAYS] = { 0 };
	for (int i = 0; i < dcg_net_array_count(to); i++) {
		const struct dcg_net_array *a = dcg_net_array(to, i);
		int best = -1;
		for (int j = 0; j < dcg_net_array_count(from); j++) {
			const struct dcg_net_array *b = dcg_net_array(from, j);
			if (b->param && !lent[j] && b->count >= a->count && (best < 0 || b->count < dcg_net_array(from, best)->count))
				best = j;
		}
		if (!a->param || best < 0)
			continue;
		gan->be->ops->param_share_grad(a->param, dcg_net_array(from, best)->param);
		lent[best] = 1;
	}
}

int dcg_gan_new(struct dcg_gan **ret, struct dcg_backend *be, const struct dcg_gan_config *cfg, struct dcg_error *err)
{
	struct dcg_layers lg, ld;
	const struct dcg_layers *const both[] = { &lg, &ld };
	struct dcg_shape picture = { cfg->batch, cfg->arch.channels, cfg->arch.size, cfg->arch.size };
	struct dcg_gan *gan = calloc(1, sizeof *gan);
	if (!gan)
		return dcg_error_set(err, DCG_ENOMEM, "networks: out of memory");
	gan->be = be;
	gan->cfg = *cfg;
	struct dcg_tensor *between;
	int r;
	if ((r = dcg_arch_generator(&cfg->arch, &lg, err)) || (r = dcg_arch_discriminator(&cfg->arch, &ld, err)) ||
	    (r = dcg_net_gradients_new(&gan->gradients, be, both, 2, cfg->batch, err)) ||
	    (r = dcg_net_new(&gan->g, be, &lg, cfg->batch, DCG_NET_TRAIN, &gan->gradients, err)) ||
	    (r = dcg_net_new(&gan->d, be, &ld, cfg->batch, DCG_NET_TRAIN_AT_ONCE, &gan->gradients, err)) ||
	    (r = be->ops->tensor_new(be, &gan->real, picture, err)) ||
	    (r = be->ops->tensor_new(be, &gan->z, (struct dcg_shape){ cfg->batch, cfg->arch.z_dim, 1, 1 }, err)) ||
	    (r = be->ops->tensor_new(be, &gan->dlogits, (struct dcg_shape){ cfg->batch, 1, 1, 1 }, err))) {
		dcg_gan_free(gan);
		return r;
	}
	between = dcg_net_gradients_between(&gan->gradients, &lg, &ld);
	if (!between || be->ops->tensor_view(be, &gan->dfake, picture, between, NULL, NULL)) /* smaller, with few and small layers */
		r = be->ops->tensor_new(be, &gan->dfake, picture, err);
	if (r) {
		dcg_gan_free(gan);
		return r;
	}
	share_gradients(gan);
	*ret = gan;
	return 0;
}

void dcg_gan_free(struct dcg_gan *gan)
{
	if (!gan)
		return;
	const struct dcg_ops *ops = gan->be->ops;
	ops->tensor_free(gan->dlogits);
	ops->tensor_free(gan->z);
	ops->tensor_free(gan->dfake);
	ops->tensor_free(gan->real);
	dcg_net_free(gan->d);
	dcg_net_free(gan->g);
	dcg_net_gradients_free(&gan->gradients, gan->be);
	free(gan);
}

struct dcg_net *dcg_gan_g(struct dcg_gan *gan)
{
	return gan->g;
}

struct dcg_net *dcg_gan_d(struct dcg_gan *gan)
{
	return gan->d;
}

struct dcg_tensor *dcg_gan_real(struct dcg_gan *gan)
{
	return gan->real;
}

struct dcg_tensor *dcg_gan_z(struct dcg_gan *gan)
{
	return gan->z;
}

int dcg_gan_init(struct dcg_gan *gan, uint64_t seed, struct dcg_error *err)
{
	gan->updates_g = gan->updates_d = 0;
	if (dcg_net_init(gan->g, seed, STREAMS_G, gan->cfg.average > 0) || dcg_net_init(gan->d, seed, STREAMS_D, 0))
		return dcg_error_set(err, DCG_ENOMEM, "initial weights: out of memory");
	return 0;
}

int64_t dcg_gan_updates_g(const struct dcg_gan *gan)
{
	return gan->updates_g;
}

int64_t dcg_gan_updates_d(const struct dcg_gan *gan)
{
	return gan->updates_d;
}

void dcg_gan_set_updates(struct dcg_gan *gan, int64_t g, int64_t d)
{
	gan->updates_g = g;
	gan->updates_d = d;
}

static struct dcg_adam adam(const struct dcg_gan *gan, float lr, int64_t t)
{
	const struct dcg_gan_config *c = &gan->cfg;
	return (struct dcg_adam){ .lr = lr, .beta1 = c->beta1, .beta2 = c->beta2, .eps = 1e-8f, .weight_decay = c->weight_decay, .t = t };
}

/* D on pictures: loss against the target, gradients of D's parameters (grads) and of the
 * pictures (dpictures, may be NULL). */
static struct dcg_bce through_d(struct dcg_gan *gan, const struct dcg_tensor *pictures, float target, struct dcg_tensor *dpictures, int grads)
{
	struct dcg_bce bce;
	struct dcg_tensor *logits = dcg_net_forward(gan->d, pictures, DCG_BN_BATCH);
	gan->be->ops->bce(gan->be, logits, target, gan->dlogits, &bce);
	dcg_net_backward(gan->d, pictures, gan->dlogits, dpictures, grads);
	return bce;
}

void dcg_gan_update_d(struct dcg_gan *gan, struct dcg_gan_losses *losses)
{
	gan->fake = dcg_net_forward(gan->g, gan->z, DCG_BN_BATCH);
	struct dcg_bce real = through_d(gan, gan->real, 1 - gan->cfg.label_smoothing, NULL, DCG_GRADS_SET);
	struct dcg_bce fake = through_d(gan, gan->fake, 0, NULL, DCG_GRADS_ADD);
	struct dcg_adam hp = adam(gan, gan->cfg.lr_d, ++gan->updates_d);
	dcg_net_adam(gan->d, &hp);
	losses->loss_d = real.loss + fake.loss;
	losses->d_real = real.mean_output;
	losses->d_fake = fake.mean_output;
}

void dcg_gan_update_g(struct dcg_gan *gan, int fresh, struct dcg_gan_losses *losses)
{
	if (fresh || !gan->fake)
		gan->fake = dcg_net_forward(gan->g, gan->z, DCG_BN_BATCH);
	struct dcg_bce bce = through_d(gan, gan->fake, 1, gan->dfake, DCG_GRADS_NONE);
	dcg_net_backward(gan->g, gan->z, gan->dfake, NULL, DCG_GRADS_SET);
	struct dcg_adam hp = adam(gan, gan->cfg.lr_g, ++gan->updates_g);
	hp.average = gan->cfg.average;
	dcg_net_adam(gan->g, &hp);
	losses->loss_g = bce.loss;
	losses->d_fake_after = bce.mean_output;
}
