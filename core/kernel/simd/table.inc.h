/* One instruction set's table. The including file defines DCG_TABLE (the overlay's name) and
 * the instruction set for vec.h. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/simd/simd.h"
#include "kernel/simd/vec.h"

#include "kernel/simd/wino.inc.h"
#include "kernel/simd/wino3.inc.h"
#include "kernel/simd/wino_2d.inc.h"
#include "kernel/simd/gemm.inc.h"
#include "kernel/simd/pending.inc.h"
#include "kernel/simd/rows.inc.h"
#include "kernel/simd/product.inc.h"
#include "kernel/simd/pack.inc.h"
#include "kernel/simd/forward.inc.h"
#include "kernel/simd/backward.inc.h"
#include "kernel/simd/gradient.inc.h"
#include "kernel/simd/thin.inc.h"
#include "kernel/simd/thin_backward.inc.h"
#include "kernel/simd/thin_gradient.inc.h"
#include "kernel/simd/projection.inc.h"
#include "kernel/simd/dot.inc.h"
#include "kernel/simd/passes.inc.h"
#include "kernel/simd/wino_code.inc.h"
#include "kernel/simd/layers.inc.h"
#include "kernel/simd/choose.inc.h"

static size_t largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What a convolution's passes need: a worker's, and what all share. */
static void measure(struct dcg_backend *be, const struct dcg_conv *cv, size_t *own, size_t *shared)
{
	const struct dcg_conv_geometry *g = &cv->g;
	*own = *shared = 0;
	if (cv->forward == FORM_THIN) {
		*own = thin_scratch(cv);
		*shared = thin_shared(cv);
		return;
	}
	if (cv->forward == FORM_DOT) {
		*own = DOT_PICTURES * dot_values(cv) * sizeof(value);
		return;
	}
	if (cv->forward == FORM_PROJECTION) {
		*own = projection_scratch(cv);
		*shared = projection_shared(cv);
		return;
	}
	struct pass p = forward_pass(be, cv);
	int forward_rows = big_rows(cv, cv->forward), backward_rows = is_wino(cv->backward) ? wino_m(cv->backward) : g->r / g->stride + 4;
	size_t big = (size_t)forward_rows * (size_t)g->w * (size_t)cv->cs_big, small = (size_t)backward_rows * (size_t)g->q * (size_t)cv->cs_small;
	*own = largest(largest(big, small) * sizeof(value), largest(pass_scratch(&p), gradient_scratch(cv)));
	*shared = largest(pass_shared(&p), gradient_shared(cv));
	for (int phase = 0; phase < (cv->backward == FORM_DIRECT ? g->stride * g->stride : 1); phase++) {
		p = backward_pass(be, cv, phase);
		*own = largest(*own, pass_scratch(&p));
		*shared = largest(*shared, pass_shared(&p));
	}
}

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	size_t weights, own, shared;
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
	choose_forms(cv);
	r = dcg_simd_param_new(be, &cv->weights, g->k, g->c, cv->taps, err);
	if (!r) {
		measure(be, cv, &own, &shared);
		r = dcg_simd_scratch(be, own, shared, err);
	}
	if (r) {
		dcg_simd_conv_free(cv);
		return r;
	}
	*ret = cv;
	return 0;
}

void DCG_TABLE(struct dcg_ops *ops)
{
	*ops = (struct dcg_ops){
		.tensor_new = dcg_simd_tensor_new,
		.in_place = 1,
		.tensor_view = dcg_simd_tensor_view,
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
		.param_share_grad = dcg_simd_param_share_grad,
		.adam = adam,
		.close = dcg_simd_close,
	};
}
