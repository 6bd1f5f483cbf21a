/* Which form each pass of a convolution takes: the one place that decides.
 *
 * By products, F4 (tiles of 4x4 outputs) needs 2.56 times fewer than the direct form for 4x4 kernels,
 * 3.31 for 5x5, 4 for 3x3 of stride 1, 1.78 for 3x3 of stride 2; F2 1.78, 2.04, 2.25, 1.44 times. But
 * F4's transformed weights are 6.25, 4.84, 4 and 9 times the weights, F2's 2.25, 1.96, 1.78 and 2.78:
 * worth it when enough tiles share them, and are whole. On Zen 4 with 128 pictures F4 was 1.1 to 1.5
 * (4x4) and 1.1 to 1.9 times (5x5) as fast as F2 in every pass of every layer from 4x4 to 16x16
 * outputs; with 32 it lost for 4x4 in the deepest. F2 was 1.7 to 3.4 times as fast as the direct form
 * for 5x5, F4 1.6 to 4.2 times for 3x3 of stride 1, 1.1 to 2.0 of stride 2.
 *
 * In bf16 F4 rounds to 1.0 (4x4) to 1.3 % of the output (rms against ref), F2 to 0.5 %, the direct
 * form to 0.25 %. tests/train/test_precision sees no difference in training: bf16 stays nearer to
 * fp32 than a quarter of what seeds differ by. */
enum { WINO4_TILES = 64, WINO2_TILES = 16 };

/* Products of all phases for one channel of each side. */
static int wino_products(const struct dcg_conv *cv, int m)
{
	const struct wino f = { m, cv->g.r, cv->g.stride };
	int products = 0, tiles = ceil_div(cv->g.p, m) * ceil_div(cv->g.q, m);
	for (int phase = 0; phase < wino_phases(f); phase++)
		products += of_points(f, wino_taps(f, phase / 2)) * of_points(f, wino_taps(f, phase % 2));
	return products * tiles;
}

static enum form wino_form(const struct dcg_conv *cv)
{
	int tiles4 = cv->batch * ceil_div(cv->g.p, 4) * ceil_div(cv->g.q, 4), tiles2 = cv->batch * ceil_div(cv->g.p, 2) * ceil_div(cv->g.q, 2);
	if (tiles4 >= WINO4_TILES && wino_products(cv, 4) < wino_products(cv, 2) * 0.9)
		return FORM_WINO4;
	return tiles2 >= WINO2_TILES ? FORM_WINO2 : FORM_DIRECT;
}

static int has_wino(const struct dcg_conv *cv)
{
	const struct dcg_conv_geometry *g = &cv->g;
	if (g->r != g->s || cv->cs_big % 16 || cv->cs_small % 16) /* transforms go by whole vectors */
		return 0;
	if (g->r == 3 && g->stride == 1)
		return g->pad == 1;
	if (g->r == 4)
		return g->stride == 2 && g->pad == 1 && g->h % 2 == 0 && g->w % 2 == 0;
	/* Products of some phases alone begin at a line. */
	return (g->r == 3 || g->r == 5) && g->stride == 2 && g->pad == g->r / 2 && cv->cs_big % LINE == 0;
}

static void choose_forms(struct dcg_conv *cv)
{
	cv->forward = cv->backward = cv->gradient = is_thin(cv) ? FORM_THIN : is_dot(cv) ? FORM_DOT : is_projection(cv) ? FORM_PROJECTION : has_wino(cv) ? wino_form(cv) : FORM_DIRECT;
	if (is_full(cv) && cv->backward == FORM_DIRECT)
		cv->backward = FORM_FULL;
}
