/* What the hand-written tables (avx2, avx512, avx512-bf16) share: data layouts and the
 * plan of a convolution. Included only by the files in this folder and in kernel/amx/.
 *
 * Tensors are [N][H][W][cs]: channels innermost, padded with zeros to a multiple of
 * 16, or tight (cs = C) below 8 channels: pictures. Their values are fp32, or, in tables that
 * multiply in bf16, bf16: what is computed is rounded, to the nearest even, where it is stored.
 * Weights are fp32 [R][S][C][K] in every part; PyTorch's order exists only in param_read and
 * param_write.
 *
 * A product is rows x K times K x columns: A is gathered or transformed, chunk by chunk, into
 * memory that all workers share; B is weights that a worker packs or transforms, panel by
 * panel, into its own cache, for the chunk at hand. Neither is kept. */
#ifndef DCG_KERNEL_SIMD_SIMD_H
#define DCG_KERNEL_SIMD_SIMD_H

#include <string.h>

#include "kernel/table.h"

/* What is still to be done to a tensor's values when they are read: batch norm's and the
 * activation's function, y = act((x - mean) * scale + bias). So neither costs a pass over
 * memory or a copy of the tensor. */
struct dcg_pending {
	int on;
	enum dcg_activation act;
	const float *mean, *scale, *bias; /* [cs], the batch norm's; NULL: y = act(x) */
};

struct dcg_tensor {
	struct dcg_shape s;
	int cs;
	int bf16; /* data's format: uint16_t; else float */
	void *data;
	size_t count; /* values in data */
	int is_view;  /* data belongs to another */
	struct dcg_pending pending;
};

struct dcg_param {
	size_t count;
	float *part[DCG_PARTS]; /* one allocation, at part[0], but for a gradient that is another's */
	int k, c, taps;         /* order [taps][c][k]; vectors: k = count, c = taps = 1 */
};

/* How a pass of a convolution is computed. */
enum form {
	FORM_DIRECT,  /* rows of gathered taps */
	FORM_THIN,    /* few channels on the big side: thin.inc.h */
	FORM_DOT,     /* one output: dot.inc.h */
	FORM_FULL,    /* backward-data of kernels as large as the picture: products for all taps
	                 at once are the picture */
	FORM_PROJECTION, /* the same, all passes in fp32: projection.inc.h */
	FORM_WINO2,   /* minimal filtering, tiles of 2x2 outputs; stride 2 by parity phases */
	FORM_WINO4,   /* tiles of 4x4 */
};

struct dcg_conv {
	struct dcg_conv_geometry g;
	int batch, cs_big, cs_small, taps;
	struct dcg_param *weights;
	enum form forward, backward, gradient;
};

struct dcg_bn {
	struct dcg_shape s;
	int cs;
	struct dcg_param *gain, *bias;
	float *running_mean, *running_var; /* [cs] */
	float *mean, *scale;               /* [cs]: of the last forward; scale = 1 / sqrt(var + eps) */
	float *slope, *shift;              /* [cs]: act((x - mean) * slope + shift) */
	int frozen_statistics;             /* the last forward used running statistics */
};

/* Rows in a block of a reduction: fixed, so that sums do not depend on the threads. */
enum { DCG_SIMD_BLOCK_ROWS = 256 };

struct simd_backend {
	struct dcg_base base; /* first */
	int bf16;             /* of its tensors */
	size_t scratch_bytes, shared_bytes; /* a worker's; common */
	char **scratch;                     /* [threads] */
	char *shared;
	double *reduce;                     /* partial sums of batch norm */
	size_t reduce_count;
};

/* Not vector code: kernel/simd/simd.c, tensors.c. */
void dcg_simd_close(struct dcg_backend *be);
int dcg_simd_scratch(struct dcg_backend *be, size_t scratch_bytes, size_t shared_bytes, struct dcg_error *err);
int dcg_simd_tensor_new(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_error *err);
int dcg_simd_tensor_view(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err);
void dcg_simd_tensor_free(struct dcg_tensor *t);
void dcg_simd_tensor_write(struct dcg_backend *be, struct dcg_tensor *t, const float *nchw);
void dcg_simd_tensor_read(struct dcg_backend *be, const struct dcg_tensor *t, float *nchw);
void dcg_simd_tensor_from_images(struct dcg_backend *be, struct dcg_tensor *t, const uint8_t *nhwc, const uint8_t *flip);
void dcg_simd_tensor_to_images(struct dcg_backend *be, const struct dcg_tensor *t, uint8_t *nhwc);
int dcg_simd_param_new(struct dcg_backend *be, struct dcg_param **ret, int k, int c, int taps, struct dcg_error *err);
void dcg_simd_param_free(struct dcg_param *p);
size_t dcg_simd_param_count(const struct dcg_param *p);
void dcg_simd_param_share_grad(struct dcg_param *p, struct dcg_param *of);
void dcg_simd_param_read(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out);
void dcg_simd_param_write(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in);
struct dcg_param *dcg_simd_conv_weights(struct dcg_conv *conv);
void dcg_simd_conv_free(struct dcg_conv *conv);
int dcg_simd_bn_new(struct dcg_backend *be, struct dcg_bn **ret, struct dcg_shape shape, struct dcg_error *err);
void dcg_simd_bn_free(struct dcg_bn *bn);
struct dcg_param *dcg_simd_bn_gain(struct dcg_bn *bn);
struct dcg_param *dcg_simd_bn_bias(struct dcg_bn *bn);
void dcg_simd_bn_statistics_read(struct dcg_backend *be, const struct dcg_bn *bn, float *mean, float *var);
void dcg_simd_bn_statistics_write(struct dcg_backend *be, struct dcg_bn *bn, const float *mean, const float *var);
void dcg_simd_bce(struct dcg_backend *be, const struct dcg_tensor *logits, float target, struct dcg_tensor *dlogits, struct dcg_bce *ret);

static inline int dcg_simd_channel_stride(int c)
{
	return c < 8 ? c : (c + 15) / 16 * 16;
}

static inline float dcg_simd_float_of(uint16_t bf16)
{
	uint32_t u = (uint32_t)bf16 << 16;
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* Without branches, so that loops around it become vector code. */
static inline uint16_t dcg_simd_bf16_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	uint32_t nearest = (u + 0x7fff + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40;
	return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? quiet : nearest); /* a NaN stays one */
}

#endif
