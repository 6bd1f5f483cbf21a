/* Which form each pass of a convolution takes: the one place that decides. */
static void choose_forms(struct dcg_conv *cv)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int halving = g->r == 4 && g->s == 4 && g->stride == 2 && g->pad == 1 && g->h % 2 == 0 && g->w % 2 == 0;
	int wide = cv->cs_big % 16 == 0 && cv->cs_small % 16 == 0;
	cv->forward = cv->backward = cv->gradient = FORM_DIRECT;
	if (!wide || is_full(cv))
		cv->backward = is_full(cv) || cv->cs_big < 16 ? FORM_SCATTER : FORM_DIRECT;
	if (!halving || !wide)
		return;
	cv->forward = cv->backward = cv->gradient = FORM_WINO2;
	const char *f = getenv("DCG_FORMS");
	if (f && f[0] && f[1] && f[2]) {
		cv->forward = f[0] == '4' ? FORM_WINO4 : f[0] == '2' ? FORM_WINO2 : FORM_DIRECT;
		cv->backward = f[1] == '4' ? FORM_WINO4 : f[1] == '2' ? FORM_WINO2 : FORM_DIRECT;
		cv->gradient = f[2] == '4' ? FORM_WINO4 : f[2] == '2' ? FORM_WINO2 : FORM_DIRECT;
	}
}
