/* The functions of minimal filtering, once for each tile and kernel. */
#define WINO_CODE(name, M, SIZE, STRIDE) \
	static const struct wino name##_filter = { M, SIZE, STRIDE }; \
	static void name##_make_forward(const struct pass *p, int unit, int row, value *stage) { make_forward_wino(name##_filter, p, unit, row, stage); } \
	static void name##_pack_forward(const struct pass *p, int j, int k0, int k1, panel *b) { pack_forward_wino(name##_filter, p, j, k0, k1, b); } \
	static void name##_store_forward(const struct pass *p, int j, int row, int rows, const float *c) { store_forward_wino(name##_filter, p, j, row, rows, c); } \
	static void name##_make_backward(const struct pass *p, int unit, int row, value *stage) { make_backward_wino(name##_filter, p, unit, row, stage); } \
	static void name##_pack_backward(const struct pass *p, int j, int k0, int k1, panel *b) { pack_backward_wino(name##_filter, p, j, k0, k1, b); } \
	static void name##_store_backward(const struct pass *p, int j, int row, int rows, const float *c) { store_backward_wino(name##_filter, p, j, row, rows, c); } \
	static void name##_gradient_rows(void *ctx, int task, int worker) { gradient_wino_rows(name##_filter, ctx, task, worker); } \
	static void name##_gradient_products(void *ctx, int task, int worker) { gradient_products(name##_filter, ctx, task, worker); } \
	static const struct wino_code name = { name##_make_forward, name##_pack_forward, name##_store_forward, \
		name##_make_backward, name##_pack_backward, name##_store_backward, name##_gradient_rows, name##_gradient_products };

WINO_CODE(wino2_4x4, 2, 4, 2)
WINO_CODE(wino4_4x4, 4, 4, 2)
WINO_CODE(wino2_5x5, 2, 5, 2)
WINO_CODE(wino4_5x5, 4, 5, 2)
WINO_CODE(wino2_3x3, 2, 3, 1)
WINO_CODE(wino4_3x3, 4, 3, 1)
WINO_CODE(wino2_3x3s2, 2, 3, 2)
WINO_CODE(wino4_3x3s2, 4, 3, 2)

static const struct wino_code *wino_code(const struct dcg_conv *cv, enum form form)
{
	int four = form == FORM_WINO4;
	if (cv->g.r == 3 && cv->g.stride == 2)
		return four ? &wino4_3x3s2 : &wino2_3x3s2;
	if (cv->g.r == 3)
		return four ? &wino4_3x3 : &wino2_3x3;
	if (cv->g.r == 5)
		return four ? &wino4_5x5 : &wino2_5x5;
	return four ? &wino4_4x4 : &wino2_4x4;
}
