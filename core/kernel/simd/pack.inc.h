/* Weights to panels: [column panel][point][k unit][NB][UNIT]. Done again, by all threads, when
 * a pass finds that the weights have changed. */

struct pack {
	const struct dcg_conv *conv;
	const float *w;
	panel *out;
	int k, points, panels; /* inner dimension (padded), points, column panels of a phase */
};

static panel *pack_at(const struct pack *p, int column_panel, int point, int k, int column)
{
	return p->out + ((((size_t)column_panel * (size_t)p->points + (size_t)point) * (size_t)(p->k / UNIT) + (size_t)(k / UNIT)) * NB + (size_t)column) * UNIT + k % UNIT;
}

/* Forward: columns k, inner (tap, c). */
static void pack_forward_direct(void *ctx, int j, int worker)
{
	const struct pack *p = ctx;
	const struct dcg_conv *cv = p->conv;
	int c_count = cv->g.c, k_count = cv->g.k, columns = min_int(NB, k_count - j * NB);
	(void)worker;
	panel_zero(pack_at(p, j, 0, 0, 0), p->k * NB);
	for (int tap = 0; tap < cv->taps; tap++)
		for (int c = 0; c < c_count; c++) {
			const float *w = p->w + ((size_t)tap * (size_t)c_count + (size_t)c) * (size_t)k_count + j * NB;
			panel *to = pack_at(p, j, 0, tap * cv->cs_big + c, 0);
			for (int n = 0; n < columns; n++)
				to[n * UNIT] = panel_of(w[n]);
		}
}

/* The transformed weights of one phase and channel, lanes along k: [points] vectors. */
ALWAYS void phase_weights(int m, vf *u, const struct dcg_conv *cv, const float *w, int phase, int c, int k)
{
	vf taps[4];
	for (int i = 0; i < 4; i++) {
		int r = phase / 2 + i / 2 * 2, s = phase % 2 + i % 2 * 2;
		const float *from = w + ((size_t)(r * 4 + s) * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k + k;
		if (k + VW <= cv->g.k) {
			taps[i] = vload(from);
		} else {
			float tail[VW] = { 0 };
			memcpy(tail, from, (size_t)(cv->g.k - k) * sizeof *tail);
			taps[i] = vload(tail);
		}
	}
	wino_weights_2d(m, u, taps);
}

ALWAYS void pack_forward_wino(int m, const struct pack *p, int j)
{
	const struct dcg_conv *cv = p->conv;
	int points = (m + 1) * (m + 1);
	for (int t = 0; t < points; t++)
		panel_zero(pack_at(p, j, t, 0, 0), p->k * NB);
	for (int phase = 0; phase < 4; phase++)
		for (int c = 0; c < cv->g.c; c += UNIT)
			for (int v = 0; v < 2 && j * NB + v * VW < cv->g.k; v++) {
				vf u[2][WINO_MOST * WINO_MOST];
				for (int i = 0; i < UNIT; i++) {
					if (c + i < cv->g.c)
						phase_weights(m, u[i], cv, p->w, phase, c + i, j * NB + v * VW);
					else
						for (int t = 0; t < points; t++)
							u[i][t] = vzero();
				}
				for (int t = 0; t < points; t++) {
					panel *to = pack_at(p, j, t, phase * cv->cs_big + c, v * VW);
#if defined DCG_BF16
					panel_store_pairs(to, u[0][t], u[1][t]);
#else
					panel_store(to, u[0][t]);
#endif
				}
			}
}

static void pack_forward_wino2(void *ctx, int j, int worker) { (void)worker; pack_forward_wino(2, ctx, j); }
static void pack_forward_wino4(void *ctx, int j, int worker) { (void)worker; pack_forward_wino(4, ctx, j); }

/* Backward: columns (phase, c), inner k; column panels are counted through the phases. */
ALWAYS void pack_backward_wino(int m, const struct pack *p, int task)
{
	const struct dcg_conv *cv = p->conv;
	int points = (m + 1) * (m + 1), phase = task / p->panels, j = task % p->panels;
	for (int t = 0; t < points; t++)
		panel_zero(pack_at(p, task, t, 0, 0), p->k * NB);
	for (int n = 0; n < NB && j * NB + n < cv->g.c; n++)
		for (int k = 0; k < cv->g.k; k += VW) {
			vf u[WINO_MOST * WINO_MOST];
			float lanes[VW];
			phase_weights(m, u, cv, p->w, phase, j * NB + n, k);
			for (int t = 0; t < points; t++) {
				vstore(lanes, u[t]);
				panel *to = pack_at(p, task, t, k, n);
				for (int i = 0; i < VW && k + i < cv->g.k; i++)
					to[i / UNIT * NB * UNIT + i % UNIT] = panel_of(lanes[i]);
			}
		}
}

static void pack_backward_wino2(void *ctx, int t, int worker) { (void)worker; pack_backward_wino(2, ctx, t); }
static void pack_backward_wino4(void *ctx, int t, int worker) { (void)worker; pack_backward_wino(4, ctx, t); }

/* Backward, scatter: columns (tap, c) with cs_big apart, inner k. */
static void pack_backward_scatter(void *ctx, int j, int worker)
{
	const struct pack *p = ctx;
	const struct dcg_conv *cv = p->conv;
	(void)worker;
	panel_zero(pack_at(p, j, 0, 0, 0), p->k * NB);
	for (int n = 0; n < NB; n++) {
		int tap = (j * NB + n) / cv->cs_big, c = (j * NB + n) % cv->cs_big;
		if (tap >= cv->taps || c >= cv->g.c)
			continue;
		const float *w = p->w + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k;
		for (int k = 0; k < cv->g.k; k++)
			*pack_at(p, j, 0, k, n) = panel_of(w[k]);
	}
}

/* Taps of one dimension that reach big pixels of parity `phase`: r = first, first + stride ... */
static int first_tap(const struct dcg_conv_geometry *g, int phase)
{
	return (phase + g->pad) % g->stride;
}
static int tap_count(const struct dcg_conv_geometry *g, int phase, int size)
{
	int first = first_tap(g, phase);
	return first < size ? (size - 1 - first) / g->stride + 1 : 0;
}
static int phase_k(const struct dcg_conv *cv, int phase)
{
	int st = cv->g.stride;
	return round_up(tap_count(&cv->g, phase / st, cv->g.r) * tap_count(&cv->g, phase % st, cv->g.s) * cv->cs_small, UNIT);
}
/* Where a phase's panels begin, in panel elements. */
static size_t phase_offset(const struct dcg_conv *cv, int phase)
{
	size_t n = 0;
	for (int i = 0; i < phase; i++)
		n += (size_t)phase_k(cv, i) * NB * (size_t)ceil_div(cv->cs_big, NB);
	return n;
}

/* Backward, direct: for each phase columns c, inner (tap of the phase, k). */
static void pack_backward_direct(void *ctx, int task, int worker)
{
	struct pack p = *(const struct pack *)ctx;
	const struct dcg_conv *cv = p.conv;
	const struct dcg_conv_geometry *g = &cv->g;
	int phase = task / p.panels, j = task % p.panels, st = g->stride, inner = 0;
	(void)worker;
	p.out += phase_offset(cv, phase);
	p.k = phase_k(cv, phase);
	panel_zero(pack_at(&p, j, 0, 0, 0), p.k * NB);
	for (int r = first_tap(g, phase / st); r < g->r; r += st)
		for (int s = first_tap(g, phase % st); s < g->s; s += st, inner += cv->cs_small)
			for (int n = 0; n < NB && j * NB + n < g->c; n++) {
				const float *w = p.w + ((size_t)(r * g->s + s) * (size_t)g->c + (size_t)(j * NB + n)) * (size_t)g->k;
				for (int k = 0; k < g->k; k++)
					*pack_at(&p, j, 0, inner + k, n) = panel_of(w[k]);
			}
}

static int forward_k(const struct dcg_conv *cv)
{
	return is_wino(cv->forward) ? 4 * cv->cs_big : round_up(cv->taps * cv->cs_big, UNIT);
}

static size_t packed_forward_count(const struct dcg_conv *cv)
{
	return (size_t)ceil_div(cv->g.k, NB) * NB * (size_t)points_of(cv->forward) * (size_t)forward_k(cv);
}

static size_t packed_backward_count(const struct dcg_conv *cv)
{
	if (cv->backward == FORM_DIRECT)
		return phase_offset(cv, cv->g.stride * cv->g.stride);
	int k = round_up(cv->cs_small, UNIT);
	if (cv->backward == FORM_SCATTER)
		return (size_t)ceil_div(cv->taps * cv->cs_big, NB) * NB * (size_t)k;
	return (size_t)(4 * ceil_div(cv->cs_big, NB)) * NB * (size_t)points_of(cv->backward) * (size_t)k;
}

static const panel *packed_forward(struct dcg_backend *be, struct dcg_conv *cv)
{
	struct pack p = { cv, cv->weights->part[DCG_VALUE], cv->packed_forward, forward_k(cv), points_of(cv->forward), ceil_div(cv->g.k, NB) };
	if (cv->stale_forward)
		dcg_table_run(be, cv->forward == FORM_WINO4 ? pack_forward_wino4 : cv->forward == FORM_WINO2 ? pack_forward_wino2 : pack_forward_direct, &p, p.panels);
	cv->stale_forward = 0;
	return p.out;
}

static const panel *packed_backward(struct dcg_backend *be, struct dcg_conv *cv)
{
	struct pack p = { cv, cv->weights->part[DCG_VALUE], cv->packed_backward, round_up(cv->cs_small, UNIT), points_of(cv->backward), ceil_div(cv->cs_big, NB) };
	if (!cv->stale_backward)
		return p.out;
	cv->stale_backward = 0;
	switch (cv->backward) {
	case FORM_DIRECT: dcg_table_run(be, pack_backward_direct, &p, p.panels * cv->g.stride * cv->g.stride); break;
	case FORM_SCATTER: dcg_table_run(be, pack_backward_scatter, &p, ceil_div(cv->taps * cv->cs_big, NB)); break;
	case FORM_WINO2: dcg_table_run(be, pack_backward_wino2, &p, 4 * p.panels); break;
	case FORM_WINO4: dcg_table_run(be, pack_backward_wino4, &p, 4 * p.panels); break;
	}
	return p.out;
}
