/* One instruction set's table. The including file defines DCG_TABLE (the overlay's name) and
 * the instruction set for vec.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/simd/simd.h"
#include "kernel/simd/vec.h"

#include "kernel/simd/wino.inc.h"
#include "kernel/simd/gemm.inc.h"
#include "kernel/simd/rows.inc.h"
#include "kernel/simd/pack.inc.h"
#include "kernel/simd/forward.inc.h"
#include "kernel/simd/backward.inc.h"
#include "kernel/simd/gradient.inc.h"
#include "kernel/simd/layers.inc.h"
#include "kernel/simd/choose.inc.h"

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	size_t weights;
	void *packed;
	int r = dcg_geometry_check(g, batch, &weights, err);
	if (r)
		return r;
	struct dcg_conv *cv = calloc(1, sizeof *cv);
	if (!cv)
		return dcg_error_set(err, DCG_ENOMEM, "convolution: out of memory");
	cv->g = *g;
	cv->batch = batch;
	cv->taps = g->r * g->s;
	cv->cs_big = dcg_simd_channel_stride(g->c);
	cv->cs_small = dcg_simd_channel_stride(g->k);
	cv->stale_forward = cv->stale_backward = 1;
	choose_forms(cv);
	size_t own = forward_scratch(cv), n = backward_scratch(cv);
	own = n > own ? n : own;
	n = gradient_scratch(cv);
	own = n > own ? n : own;
	if ((r = dcg_simd_param_new(be, &cv->weights, g->k, g->c, cv->taps, err)) ||
	    (r = dcg_simd_scratch(be, own, gradient_shared(cv), err)))
		goto fail;
	cv->weights->conv = cv;
	if ((r = dcg_table_alloc(be, &packed, packed_forward_count(cv), sizeof(panel), "packed weights", err)))
		goto fail;
	cv->packed_forward = packed;
	if ((r = dcg_table_alloc(be, &packed, packed_backward_count(cv), sizeof(panel), "packed weights", err)))
		goto fail;
	cv->packed_backward = packed;
	*ret = cv;
	return 0;
fail:
	dcg_simd_conv_free(cv);
	return r;
}

void DCG_TABLE(struct dcg_ops *ops)
{
	*ops = (struct dcg_ops){
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
}
