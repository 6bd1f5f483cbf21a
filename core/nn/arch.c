#include "nn/arch.h"

#include <string.h>

/* The square kernels that halve a picture's side, or keep it. */
struct kernel {
	int size, stride, pad;
};

static const struct {
	const char *name;
	struct kernel halve, keep; /* keep.size 0: stages have no layer that keeps the side */
} arches[] = {
	[DCG_ARCH_PAPER] = { "paper", { 5, 2, 2 }, { 0, 0, 0 } },
	[DCG_ARCH_PYTORCH] = { "pytorch", { 4, 2, 1 }, { 0, 0, 0 } },
	[DCG_ARCH_PAPER_IMAGENET] = { "paper-imagenet", { 3, 2, 1 }, { 3, 1, 1 } },
};
enum { ARCHES = sizeof arches / sizeof *arches };

int dcg_arch_from_name(const char *name)
{
	for (int i = 0; i < ARCHES; i++)
		if (strcmp(arches[i].name, name) == 0)
			return i;
	return DCG_EINVAL;
}

const char *dcg_arch_name(enum dcg_arch arch)
{
	return arches[arch].name;
}

/* Sides are base << stages: 4 doubled, or for 28 pixels 7 -> 14 -> 28. */
static int plan(const struct dcg_arch_config *cfg, int width, int *ret_base, int *ret_stages, struct dcg_error *err)
{
	if ((unsigned)cfg->arch >= ARCHES)
		return dcg_error_set(err, DCG_EINVAL, "architecture %d does not exist", (int)cfg->arch);
	if (cfg->channels != 1 && cfg->channels != 3)
		return dcg_error_set(err, DCG_EINVAL, "channels: expected 1 or 3, found %d", cfg->channels);
	if (width < 1 || width > 4096 || cfg->z_dim < 1 || cfg->z_dim > 65536)
		return dcg_error_set(err, DCG_EINVAL, "width %d or z_dim %d is out of range", width, cfg->z_dim);
	int base = cfg->size == 28 ? 7 : 4, stages = 0;
	while (base << stages < cfg->size)
		stages++;
	if (base << stages != cfg->size || stages < 2 || stages > 6)
		return dcg_error_set(err, DCG_EINVAL, "size: expected 16, 28, 32, 64, 128 or 256, found %d", cfg->size);
	*ret_base = base;
	*ret_stages = stages;
	return 0;
}

/* A layer between `outer` channels on the side towards the picture, of side pixels, and
 * `inner` channels on the side towards z or the logit. */
static void add(struct dcg_layers *l, struct kernel k, int outer, int side, int inner, int transposed, int batch_norm, enum dcg_activation act)
{
	int small = (side + 2 * k.pad - k.size) / k.stride + 1;
	l->layer[l->count++] = (struct dcg_layer){
		.conv = { .c = outer, .h = side, .w = side, .k = inner, .p = small, .q = small,
			.r = k.size, .s = k.size, .stride = k.stride, .pad = k.pad },
		.transposed = transposed, .batch_norm = batch_norm, .act = act,
	};
}

int dcg_arch_generator(const struct dcg_arch_config *cfg, struct dcg_layers *ret, struct dcg_error *err)
{
	int base, stages, r = plan(cfg, cfg->ngf, &base, &stages, err);
	if (r)
		return r;
	struct dcg_layers l = { 0 };
	const struct kernel halve = arches[cfg->arch].halve, keep = arches[cfg->arch].keep;
	/* z is projected and reshaped: a transposed convolution over one pixel. */
	add(&l, (struct kernel){ base, 1, 0 }, cfg->ngf << (stages - 1), base, cfg->z_dim, 1, 1, DCG_RELU);
	for (int i = stages - 1; i >= 0; i--) {
		int inner = cfg->ngf << i, outer = i ? cfg->ngf << (i - 1) : cfg->channels, side = cfg->size >> i;
		if (keep.size)
			add(&l, halve, inner, side, inner, 1, 1, DCG_RELU);
		add(&l, keep.size ? keep : halve, outer, side, inner, 1, i > 0, i ? DCG_RELU : DCG_TANH);
	}
	*ret = l;
	return 0;
}

int dcg_arch_discriminator(const struct dcg_arch_config *cfg, struct dcg_layers *ret, struct dcg_error *err)
{
	int base, stages, r = plan(cfg, cfg->ndf, &base, &stages, err);
	if (r)
		return r;
	struct dcg_layers l = { 0 };
	const struct kernel halve = arches[cfg->arch].halve, keep = arches[cfg->arch].keep;
	for (int i = 0; i < stages; i++) {
		int inner = cfg->ndf << i, outer = i ? cfg->ndf << (i - 1) : cfg->channels, side = cfg->size >> i;
		add(&l, keep.size ? keep : halve, outer, side, inner, 0, i > 0, DCG_LEAKY_RELU);
		if (keep.size)
			add(&l, halve, inner, side, inner, 0, 1, DCG_LEAKY_RELU);
	}
	/* Flattened into one unit: a convolution as large as what is left. */
	add(&l, (struct kernel){ base, 1, 0 }, cfg->ndf << (stages - 1), base, 1, 0, 0, DCG_LINEAR);
	*ret = l;
	return 0;
}
