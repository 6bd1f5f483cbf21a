#include "train/params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const arches[] = { "paper", "pytorch", "paper-imagenet", NULL };
static const char *const sizes[] = { "0", "16", "28", "32", "64", "128", "256", NULL };
static const char *const channel_counts[] = { "0", "1", "3", NULL };
static const char *const z_dists[] = { "normal", "uniform", NULL };
static const char *const schedules[] = { "together", "alternate", NULL };
static const char *const sample_bns[] = { "batch", "running", NULL };
static const char *const precisions[] = { "auto", "fp32", "bf16", NULL };
static const char *const on_errors[] = { "skip", "fail", NULL };
static const char *const preset_names[] = { "pytorch", "paper", "paper-imagenet", "quality", NULL };

#define AT(field) offsetof(struct dcg_train_params, field)
#define INT(f, lo, hi, def, help) { #f, DCG_TYPE_INT, AT(f), lo, hi, def, NULL, help }
#define NUM(f, lo, hi, def, help) { #f, DCG_TYPE_NUMBER, AT(f), lo, hi, def, NULL, help }
#define CHOICE(f, list, def, help) { #f, DCG_TYPE_CHOICE, AT(f), 0, 0, def, list, help }
#define TEXT(f, list, def, help) { #f, DCG_TYPE_TEXT, AT(f), 1, DCG_PARAM_TEXT - 1, def, list, help }

const struct dcg_param_row dcg_train_rows[] = {
	TEXT(preset, preset_names, "pytorch", "Named settings that fill in everything not given."),
	{ "seed", DCG_TYPE_INT64, AT(seed), 0, 9007199254740991.0, "1", NULL, "Seed of all random numbers: the same seed and kernel give the same weights." },
	CHOICE(arch, arches, "pytorch", "Architecture: the paper's (5x5 kernels), pytorch/examples' (4x4), or the paper's for ImageNet (3x3)."),
	{ "size", DCG_TYPE_INT, AT(size), 0, 256, "0", sizes, "Height and width of the pictures in pixels; 0 takes what fits the data set, at most 64." },
	{ "channels", DCG_TYPE_INT, AT(channels), 0, 3, "0", channel_counts, "1 for grey, 3 for colour, 0 for what the data set has." },
	INT(ngf, 1, 1024, "64", "Width of G: channels of its layer nearest to the picture, doubled towards z."),
	INT(ndf, 1, 1024, "64", "Width of D: channels of its first layer, doubled towards the output."),
	INT(z_dim, 1, 4096, "100", "Length of the noise vector z."),
	CHOICE(z_dist, z_dists, "normal", "Distribution of z: normal(0,1) or uniform(-1,1)."),
	INT(epochs, 1, 1000000, "25", "Passes over the data set."),
	{ "max_steps", DCG_TYPE_INT64, AT(max_steps), 0, 9007199254740991.0, "0", NULL, "Stop after so many steps, whatever the epochs; 0 for no such limit." },
	INT(batch_size, 2, 4096, "128", "Pictures in a minibatch."),
	CHOICE(schedule, schedules, "together", "together: a step updates D and then G on the same z; alternate: every update has its own minibatch, as the authors' code."),
	INT(d_steps, 1, 100, "1", "Updates of D in a step."),
	INT(g_steps, 1, 100, "1", "Updates of G in a step."),
	NUM(lr_g, 0, 1, "0.0002", "Adam's learning rate for G."),
	NUM(lr_d, 0, 1, "0.0002", "Adam's learning rate for D."),
	NUM(beta1, 0, 0.999999, "0.5", "Adam's decay of the first moment."),
	NUM(beta2, 0, 0.999999, "0.999", "Adam's decay of the second moment."),
	NUM(weight_decay, 0, 1, "0", "L2 penalty added to the gradients (the authors' code: 1e-5 on faces, 2.5e-5 on MNIST)."),
	NUM(label_smoothing, 0, 0.5, "0", "D's target for real pictures is 1 minus this."),
	NUM(ema, 0, 0.999999, "0", "Decay of the moving average of G's weights that samples are drawn with; 0 for off."),
	CHOICE(sample_bn, sample_bns, "batch", "Batch-norm statistics when sampling: of the batch, as the paper, or the running ones."),
	{ "flip", DCG_TYPE_BOOL, AT(flip), 0, 0, "false", NULL, "Mirror half of the real pictures left-right." },
	INT(threads, 0, 256, "0", "Threads that compute; 0 for one per processor."),
	TEXT(precision, precisions, "auto", "Number format of activations and products: fp32, or bf16 with fp32 weights and sums where a kernel has it; auto takes what is fastest on this processor."),
	TEXT(kernel, NULL, "auto", "Kernel table: auto, or one of those the daemon's /version lists."),
	INT(sample_every, 0, 1000000, "1", "Epochs between sample grids; 0 for only one at the end."),
	INT(sample_count, 1, 1024, "64", "Pictures in a sample grid."),
	INT(checkpoint_every, 0, 1000000, "1", "Epochs between checkpoints; 0 for only one at the end."),
	INT(checkpoint_minutes, 0, 100000, "10", "Also make a checkpoint after so many minutes; 0 for never."),
	INT(swd_images, 0, 8192, "256", "Pictures that are drawn at an epoch's end to measure swd (distance to as many real ones) and ms_ssim (how alike they are); 0 for neither."),
	INT(keep_last, 1, 100000, "3", "Newest checkpoints that are kept."),
	INT(keep_every, 0, 1000000, "0", "Also keep the checkpoint of every so many epochs; 0 for none."),
	CHOICE(on_error, on_errors, "skip", "What a picture that cannot be read does: it is skipped and counted, or fails the job."),
	{ NULL },
};

static const char *const preset_pytorch[] = { NULL };
static const char *const preset_paper[] = {
	"arch", "paper", "ngf", "128", "ndf", "128", "z_dist", "uniform", "schedule", "alternate", NULL,
};
static const char *const preset_paper_imagenet[] = {
	"arch", "paper-imagenet", "size", "32", "ngf", "128", "ndf", "128", "z_dim", "256", "z_dist", "uniform",
	"schedule", "alternate", NULL,
};
/* docs/quality.md tells how these were found. */
static const char *const preset_quality[] = {
	"ngf", "32", "ndf", "32", "batch_size", "16", "lr_g", "0.001", "lr_d", "0.0005", "label_smoothing", "0.1", "ema", "0.999", NULL,
};
const struct dcg_preset dcg_presets[] = {
	{ "pytorch", "The layout and settings of pytorch/examples' dcgan.", preset_pytorch },
	{ "paper", "The paper's section 4 with the authors' update schedule.", preset_paper },
	{ "paper-imagenet", "The paper's network for 32x32 ImageNet (section 5.1).", preset_paper_imagenet },
	{ "quality", "Good pictures within minutes: narrow networks, many small steps, averaged weights.", preset_quality },
	{ NULL },
};

const struct dcg_param_row *dcg_param_find(const struct dcg_param_row *rows, const char *name)
{
	for (; rows->name; rows++)
		if (strcmp(rows->name, name) == 0)
			return rows;
	return NULL;
}

static int index_in(const char *const *list, const char *text)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(list[i], text) == 0)
			return i;
	return -1;
}

const char *dcg_param_expected(const struct dcg_param_row *row, char *buf, size_t size)
{
	if (row->choices) {
		size_t n = (size_t)snprintf(buf, size, "one of");
		for (int i = 0; row->choices[i] && n < size; i++)
			n += (size_t)snprintf(buf + n, size - n, "%s %s", i ? "," : "", row->choices[i]);
	} else if (row->type == DCG_TYPE_INT || row->type == DCG_TYPE_INT64) {
		snprintf(buf, size, "a whole number from %.0f to %.0f", row->min, row->max);
	} else if (row->type == DCG_TYPE_NUMBER) {
		snprintf(buf, size, "a number from %g to %g", row->min, row->max);
	} else if (row->type == DCG_TYPE_BOOL) {
		snprintf(buf, size, "true or false");
	} else {
		snprintf(buf, size, "a text of %.0f to %.0f bytes", row->min, row->max);
	}
	return buf;
}

int dcg_param_set(const struct dcg_param_row *row, void *base, const char *text, struct dcg_error *err)
{
	char expected[256], *end;
	void *at = (char *)base + row->offset;
	int in_list = row->choices ? index_in(row->choices, text) : 0;
	if (in_list < 0)
		goto bad;
	errno = 0;
	switch (row->type) {
	case DCG_TYPE_INT:
	case DCG_TYPE_INT64: {
		long long v = strtoll(text, &end, 10);
		if (errno || end == text || *end || (double)v < row->min || (double)v > row->max)
			goto bad;
		if (row->type == DCG_TYPE_INT)
			*(int *)at = (int)v;
		else
			*(int64_t *)at = v;
		return 0;
	}
	case DCG_TYPE_NUMBER: {
		double v = strtod(text, &end);
		if (errno == ERANGE && fabs(v) > 1)
			goto bad;
		if (end == text || *end || !(v >= row->min && v <= row->max))
			goto bad;
		*(double *)at = v;
		return 0;
	}
	case DCG_TYPE_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			goto bad;
		*(int *)at = text[0] == 't';
		return 0;
	case DCG_TYPE_CHOICE:
		*(int *)at = in_list;
		return 0;
	case DCG_TYPE_TEXT: {
		size_t n = strlen(text);
		if ((double)n < row->min || (double)n > row->max || n >= DCG_PARAM_TEXT)
			goto bad;
		memcpy(at, text, n + 1);
		return 0;
	}
	}
bad:
	return dcg_error_set(err, DCG_EINVAL, "expected %s, found \"%.100s\"", dcg_param_expected(row, expected, sizeof expected), text);
}

void dcg_param_defaults(const struct dcg_param_row *rows, void *base)
{
	for (; rows->name; rows++)
		dcg_param_set(rows, base, rows->fallback, NULL);
}

int dcg_train_params_init(struct dcg_train_params *p, const char *preset, struct dcg_error *err)
{
	const struct dcg_preset *ps = dcg_presets;
	while (ps->name && strcmp(ps->name, preset) != 0)
		ps++;
	if (!ps->name)
		return dcg_param_set(dcg_param_find(dcg_train_rows, "preset"), p, preset, err);
	memset(p, 0, sizeof *p);
	dcg_param_defaults(dcg_train_rows, p);
	snprintf(p->preset, sizeof p->preset, "%s", ps->name);
	for (const char *const *s = ps->settings; s[0]; s += 2) {
		int r = dcg_param_set(dcg_param_find(dcg_train_rows, s[0]), p, s[1], err);
		if (r)
			return r;
	}
	return 0;
}

void dcg_train_params_resolve(struct dcg_train_params *p, const struct dcg_source_info *info)
{
	if (!p->channels)
		p->channels = info->channels == 1 ? 1 : 3;
	if (!p->size) {
		int side = info->width < info->height ? info->width : info->height;
		p->size = side >= 64 ? 64 : side >= 32 ? 32 : side >= 28 ? 28 : 16;
	}
}

int dcg_train_params_check(const struct dcg_train_params *p, const char **ret_field, struct dcg_error *err)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_layers layers;
	const char *field = "size";
	int r = dcg_arch_generator(&cfg.arch, &layers, err);
	if (!r)
		r = dcg_arch_discriminator(&cfg.arch, &layers, err);
	if (!r && (r = dcg_kernel_check(p->kernel, p->precision, err)))
		field = strcmp(p->kernel, "auto") == 0 || dcg_kernel_check(p->kernel, "auto", NULL) == 0 ? "precision" : "kernel";
	if (r && ret_field)
		*ret_field = field;
	return r;
}

struct dcg_gan_config dcg_train_params_gan(const struct dcg_train_params *p)
{
	return (struct dcg_gan_config){
		.arch = { .arch = (enum dcg_arch)p->arch, .size = p->size, .channels = p->channels,
			.ngf = p->ngf, .ndf = p->ndf, .z_dim = p->z_dim },
		.batch = p->batch_size,
		.lr_g = (float)p->lr_g, .lr_d = (float)p->lr_d, .beta1 = (float)p->beta1, .beta2 = (float)p->beta2,
		.weight_decay = (float)p->weight_decay, .label_smoothing = (float)p->label_smoothing, .average = (float)p->ema,
	};
}

int64_t dcg_train_params_steps_per_epoch(const struct dcg_train_params *p, uint32_t count)
{
	/* Minibatches a step consumes: D's updates need real pictures, and with the
	 * alternate schedule G's pass theirs by. */
	int64_t a_step = p->d_steps + (p->schedule == DCG_SCHEDULE_ALTERNATE ? p->g_steps : 0);
	int64_t steps = count / (p->batch_size * a_step);
	return steps > 0 ? steps : 1;
}

int dcg_train_params_scores(const struct dcg_train_params *p, uint32_t count, int64_t epoch)
{
	int64_t every = (int64_t)p->swd_images * DCG_SWD_EVERY;
	return every && epoch > 0 && epoch * count / every > (epoch - 1) * count / every;
}
