/* Which form each pass of a convolution takes: the one place that decides.
 *
 * F(4x4,2x2) needs 2.56 times fewer products than the direct form, F(2x2,2x2) 1.78 times, but
 * their transformed weights are 25/16 and 9/16 times the weights, for every phase: worth it
 * when enough tiles share them. On Zen 4 with 128 pictures F4 was 1.1 to 1.5 times as fast as
 * F2 in every pass of every layer from 8x8x256 to 32x32x64; with 32 it lost in the deepest.
 * In bf16 F4's rounding (1.5 % of the output) is too much; F2's is twice the direct form's. */
enum { WINO4_TILES = 64, WINO2_TILES = 16 };

static enum form wino_form(const struct dcg_conv *cv)
{
	int tiles4 = cv->batch * ceil_div(cv->g.p, 4) * ceil_div(cv->g.q, 4), tiles2 = cv->batch * ceil_div(cv->g.p, 2) * ceil_div(cv->g.q, 2);
	if (UNIT == 1 && tiles4 >= WINO4_TILES && cv->g.p % 4 == 0 && cv->g.q % 4 == 0)
		return FORM_WINO4;
	return tiles2 >= WINO2_TILES ? FORM_WINO2 : FORM_DIRECT;
}

static void choose_forms(struct dcg_conv *cv)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int halving = g->r == 4 && g->s == 4 && g->stride == 2 && g->pad == 1 && g->h % 2 == 0 && g->w % 2 == 0;
	int wide = cv->cs_big % 16 == 0 && cv->cs_small % 16 == 0; /* transforms go by whole vectors */
	cv->forward = cv->backward = cv->gradient = halving && wide ? wino_form(cv) : FORM_DIRECT;
	if (is_full(cv))
		cv->backward = FORM_FULL;
	else if (cv->cs_big < 16)
		cv->backward = FORM_SCATTER;
}
