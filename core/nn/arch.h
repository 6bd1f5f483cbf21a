/* The DCGAN architectures (paper, section 3 and figure 1) as lists of layers.
 *
 * Pure functions of the configuration; any thread. Layers follow PyTorch's
 * nn.Sequential so that parameters carry the names of pytorch/examples' state_dict
 * ("main.0.weight"): convolution, then batch norm if any, then activation.
 */
#ifndef DCG_NN_ARCH_H
#define DCG_NN_ARCH_H

#include "base/error.h"
#include "kernel/kernel.h"

enum dcg_arch {
	DCG_ARCH_PAPER,          /* 5x5 kernels, stride 2 */
	DCG_ARCH_PYTORCH,        /* 4x4 kernels, stride 2 */
	DCG_ARCH_PAPER_IMAGENET, /* 3x3 kernels, strides 1 and 2 */
};

struct dcg_arch_config {
	enum dcg_arch arch;
	int size;     /* 16, 28, 32, 64, 128, 256 */
	int channels; /* of the pictures: 1 or 3 */
	int ngf, ndf; /* channels nearest to the pictures in G and D; doubled towards 4x4 */
	int z_dim;
};

struct dcg_layer {
	struct dcg_conv_geometry conv;
	int transposed; /* G: the input is the convolution's small side */
	int batch_norm;
	enum dcg_activation act;
};

enum { DCG_MAX_LAYERS = 16 };

struct dcg_layers {
	int count;
	struct dcg_layer layer[DCG_MAX_LAYERS];
};

/* "paper", "pytorch", "paper-imagenet"; a negative DCG_EINVAL for another name. */
int dcg_arch_from_name(const char *name);
const char *dcg_arch_name(enum dcg_arch arch);

int dcg_arch_generator(const struct dcg_arch_config *cfg, struct dcg_layers *ret, struct dcg_error *err);
/* The last layer gives one logit; its sigmoid is part of the loss. */
int dcg_arch_discriminator(const struct dcg_arch_config *cfg, struct dcg_layers *ret, struct dcg_error *err);

#endif
