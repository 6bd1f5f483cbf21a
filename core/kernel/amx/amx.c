/* Convolutions on AMX's tiles, in bf16 with fp32 sums, for the bf16 tensors and the parameters
 * of kernel/simd/: an overlay over its table for bf16, which brings everything else. All shapes
 * take the direct form: a tile's product is so cheap that Winograd's transforms, done in
 * vectors, would cost more than the multiplications they save. */
#include <stdlib.h>
#include <string.h>

#include "kernel/simd/simd.h"
#if defined DCG_SIDES_PLAIN
typedef uint16_t value;
static inline float float_of(value v) { return dcg_simd_float_of(v); }
static inline value value_of(float x) { return dcg_simd_bf16_of(x); }
#else
#define DCG_AVX512
#define DCG_BF16
#include "kernel/simd/vec.h"
#endif
#include "kernel/amx/tiles.h"
#include "kernel/simd/pending.inc.h"

#include "kernel/amx/sides.inc.h"
#include "kernel/amx/product.inc.h"
#include "kernel/amx/gradient.inc.h"

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	size_t weights;
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
	r = dcg_simd_param_new(be, &cv->weights, g->k, g->c, cv->taps, err);
	if (!r)
		r = dcg_simd_scratch(be, larger(gradient_scratch(cv), larger(pass_scratch(cv, 0), pass_scratch(cv, 1))), larger(gradient_shared(cv), larger(weights_bytes(cv, 0), weights_bytes(cv, 1))), err);
	if (r) {
		dcg_simd_conv_free(cv);
		return r;
	}
	*ret = cv;
	return 0;
}

#if defined DCG_TILES_PLAIN /* in a test, beside the other */
#define dcg_amx dcg_amx_plain
dcg_table_overlay dcg_amx_plain;
#elif defined DCG_TILES_LOADS /* in bench/, likewise */
#define dcg_amx dcg_amx_loads
dcg_table_overlay dcg_amx_loads;
#endif

void dcg_amx(struct dcg_ops *ops)
{
	ops->conv_new = conv_new;
	ops->conv_free = dcg_simd_conv_free;
	ops->conv_weights = dcg_simd_conv_weights;
	ops->conv_forward = conv_forward;
	ops->conv_backward_data = conv_backward_data;
	ops->conv_backward_weights = conv_backward_weights;
}
