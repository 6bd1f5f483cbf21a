/* One adversarial update (paper, sections 2 and 4): losses, gradients, Adam.
 *
 * D minimises bce(D(x), 1 - label_smoothing) + bce(D(G(z)), 0), real and fake batches
 * through D separately; G minimises bce(D(G(z)), 1), the non-saturating loss.
 *
 * Owned by the caller; one thread at a time. The caller fills dcg_gan_real and
 * dcg_gan_z through the backend, then calls the updates.
 */
#ifndef DCG_NN_GAN_H
#define DCG_NN_GAN_H

#include "nn/net.h"

struct dcg_gan_config {
	struct dcg_arch_config arch;
	int batch;
	float lr_g, lr_d, beta1, beta2, weight_decay; /* Adam's eps is 1e-8 */
	float label_smoothing;
	float average; /* decay of G's averaged weights, 0 = off */
};

struct dcg_gan_losses {
	float loss_d, loss_g;
	float d_real, d_fake; /* mean D(x), D(G(z)) seen by D's update */
	float d_fake_after;   /* mean D(G(z)) seen by G's update */
};

struct dcg_gan;

int dcg_gan_new(struct dcg_gan **ret, struct dcg_backend *be, const struct dcg_gan_config *cfg, struct dcg_error *err);
void dcg_gan_free(struct dcg_gan *gan);
struct dcg_net *dcg_gan_g(struct dcg_gan *gan);
struct dcg_net *dcg_gan_d(struct dcg_gan *gan);
struct dcg_tensor *dcg_gan_real(struct dcg_gan *gan); /* [batch][channels][size][size], in [-1,1] */
struct dcg_tensor *dcg_gan_z(struct dcg_gan *gan);    /* [batch][z_dim][1][1] */

int dcg_gan_init(struct dcg_gan *gan, uint64_t seed, struct dcg_error *err);

/* Numbers of Adam updates done so far, for checkpoints. */
int64_t dcg_gan_updates_g(const struct dcg_gan *gan);
int64_t dcg_gan_updates_d(const struct dcg_gan *gan);
void dcg_gan_set_updates(struct dcg_gan *gan, int64_t g, int64_t d);

/* Runs G on z, then updates D. Fills loss_d, d_real, d_fake. */
void dcg_gan_update_d(struct dcg_gan *gan, struct dcg_gan_losses *losses);
/* Updates G. Fills loss_g, d_fake_after. fresh: run G on z first; 0 takes the pictures of
 * the update_d just before (as pytorch/examples does). */
void dcg_gan_update_g(struct dcg_gan *gan, int fresh, struct dcg_gan_losses *losses);

#endif
