/* The three passes of a convolution, each in its form. */

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	small->pending.on = 0;
	if (cv->forward == FORM_THIN) {
		thin_forward(be, cv, big, small);
		return;
	}
	if (cv->forward == FORM_DOT) {
		dot_forward(be, cv, big, small);
		return;
	}
	if (cv->forward == FORM_PROJECTION) {
		projection_forward(be, cv, big, small);
		return;
	}
	struct pass p = forward_pass(be, cv);
	p.in = big;
	p.out = small->data;
	p.w = cv->weights->part[DCG_VALUE];
	run_pass(&p);
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	const float *w = cv->weights->part[DCG_VALUE];
	big->pending.on = 0;
	if (cv->backward == FORM_THIN) {
		thin_backward(be, cv, small, big);
		return;
	}
	if (cv->backward == FORM_DOT) {
		dot_backward(be, cv, small, big);
		return;
	}
	if (cv->backward == FORM_PROJECTION) {
		projection_backward(be, cv, small, big);
		return;
	}
	int phases = cv->backward == FORM_DIRECT ? cv->g.stride * cv->g.stride : 1;
	for (int phase = 0; phase < phases; phase++) {
		struct pass p = backward_pass(be, cv, phase);
		p.in = small;
		p.out = big->data;
		p.w = w;
		if (p.tall > 0 && p.wide > 0)
			run_pass(&p);
	}
}

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	if (cv->gradient == FORM_THIN) {
		thin_gradient(be, cv, big, small, accumulate);
		return;
	}
	if (cv->gradient == FORM_DOT) {
		dot_gradient(be, cv, big, small, accumulate);
		return;
	}
	if (cv->gradient == FORM_PROJECTION) {
		projection_gradient(be, cv, big, small, accumulate);
		return;
	}
	struct gradient g = gradient_plan(cv);
	const struct wino_code *code = g.f.m ? wino_code(cv, cv->gradient) : NULL;
	g.be = be;
	g.big = big;
	g.small = small;
	g.grad = cv->weights->part[DCG_GRAD];
	g.accumulate = accumulate;
	g.a = (panel *)(void *)shared_of(be);
	g.b = g.a + gradient_a(&g);
	g.parts = (float *)(void *)(g.b + gradient_b(&g));
	for (g.first = 0; g.first < g.row_units; g.first += g.count) {
		g.count = min_int(g.chunk_units, g.row_units - g.first);
		g.rows = g.count * g.wide;
		dcg_table_run(be, code ? code->gradient_rows : gradient_direct_rows, &g, ceil_div(g.rows, TASK_ROWS));
		dcg_table_run(be, code ? code->gradient_products : gradient_direct_products, &g,
			g.b_panels * g.groups * g.splits);
	}
	if (g.splits > 1)
		add_parts(be, cv, g.parts, g.splits, accumulate);
}
