/* One instruction set's table. The including file defines DCG_TABLE (its name as an
 * identifier), DCG_TABLE_NAME (as a string) and the instruction set for vec.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernel/simd/simd.h"
#include "kernel/simd/vec.h"

#include "kernel/simd/wino.inc.c"
#include "kernel/simd/gemm.inc.c"
#include "kernel/simd/conv.inc.c"
#include "kernel/simd/gradient.inc.c"
#include "kernel/simd/layers.inc.c"
#include "kernel/simd/choose.inc.c"

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	if (batch < 1 || batch > 1 << 20 || g->c < 1 || g->k < 1 || g->r < 1 || g->s < 1 || g->stride < 1 || g->pad < 0 || g->r > 64 || g->s > 64 ||
	    g->h > 8192 || g->w > 8192 || g->c > 1 << 16 || g->k > 1 << 16 || g->r > g->h + 2 * g->pad || g->s > g->w + 2 * g->pad ||
	    g->p != (g->h + 2 * g->pad - g->r) / g->stride + 1 || g->q != (g->w + 2 * g->pad - g->s) / g->stride + 1)
		return dcg_error_set(err, DCG_EINVAL, "convolution %dx%dx%d to %dx%dx%d with %dx%d taps, stride %d, padding %d, batch %d",
			g->c, g->h, g->w, g->k, g->p, g->q, g->r, g->s, g->stride, g->pad, batch);
	struct dcg_conv *cv = calloc(1, sizeof *cv);
	if (!cv)
		return dcg_error_set(err, DCG_ENOMEM, "convolution: out of memory");
	cv->g = *g;
	cv->batch = batch;
	cv->taps = g->r * g->s;
	cv->cs_big = dcg_simd_channel_stride(g->c);
	cv->cs_small = dcg_simd_channel_stride(g->k);
	choose_forms(cv);
	int r = dcg_simd_param_new(&cv->weights, g->k, g->c, cv->taps, err);
	if (!r) {
		size_t own = forward_scratch(cv), n = backward_scratch(cv);
		own = n > own ? n : own;
		n = gradient_scratch(cv);
		own = n > own ? n : own;
		r = dcg_simd_scratch((struct simd_backend *)be, own + 4096, gradient_shared(cv), err);
	}
	if (!r) {
		cv->weights->conv = cv;
		cv->packed_forward = dcg_alloc(packed_forward_count(cv), sizeof(panel));
		cv->packed_backward = dcg_alloc(packed_backward_count(cv), sizeof(panel));
		cv->stale_forward = cv->stale_backward = 1;
		if (!cv->packed_forward || !cv->packed_backward)
			r = dcg_error_set(err, DCG_ENOMEM, "convolution: out of memory");
	}
	if (r) {
		dcg_simd_conv_free(cv);
		return r;
	}
	*ret = cv;
	return 0;
}

const struct dcg_ops DCG_TABLE = {
	.name = DCG_TABLE_NAME,
	.tensor_new = dcg_simd_tensor_new,
	.tensor_free = dcg_simd_tensor_free,
	.tensor_write = dcg_simd_tensor_write,
	.tensor_read = dcg_simd_tensor_read,
	.tensor_from_images = dcg_simd_tensor_from_images,
	.tensor_to_images = dcg_simd_tensor_to_images,
	.conv_new = conv_new,
	.conv_free = dcg_simd_conv_free,
	.conv_weights = dcg_simd_conv_weights,
	.conv_forward = conv_forward,
	.conv_backward_data = conv_backward_data,
	.conv_backward_weights = conv_backward_weights,
	.bn_new = dcg_simd_bn_new,
	.bn_free = dcg_simd_bn_free,
	.bn_gain = dcg_simd_bn_gain,
	.bn_bias = dcg_simd_bn_bias,
	.bn_statistics_read = dcg_simd_bn_statistics_read,
	.bn_statistics_write = dcg_simd_bn_statistics_write,
	.bn_forward = bn_forward,
	.bn_backward = bn_backward,
	.act_forward = act_forward,
	.act_backward = act_backward,
	.bce = dcg_simd_bce,
	.param_count = dcg_simd_param_count,
	.param_read = dcg_simd_param_read,
	.param_write = dcg_simd_param_write,
	.adam = adam,
	.close = dcg_simd_close,
};
