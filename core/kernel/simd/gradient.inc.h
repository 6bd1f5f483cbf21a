/* The gradient of the weights: for each chunk of rows (output pixels, or tiles) both sides
 * are gathered or transformed into shared panels, then every point, block of inputs and
 * panel of outputs adds its product to dM; at the end dM becomes the gradient.
 *
 * Panels: inputs [point][AW columns][rows][AW], outputs [point][NB columns][rows][NB];
 * bf16 keeps pairs of rows side by side. Each element of dM is summed by chunks in order,
 * whichever thread does it. */

enum { CHUNK_BYTES = 6 << 20, CHUNK_ROWS = 512, GROUP = 4 /* A panels a task */ };

struct gradient {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const float *big, *small;
	float *grad;
	int accumulate;
	int points, a_columns, a_panels, b_panels;
	int row_units, unit_rows;  /* all units (image, row of pixels or tiles); rows in one */
	int chunk_units, chunk_rows; /* at most; rows rounded up to UNIT */
	int first, count, rows;    /* the present chunk: units, rows */
	panel *a, *b;
	float *dm;
};

static struct gradient gradient_plan(const struct dcg_conv *cv)
{
	int m = wino_m(cv->gradient), wino = is_wino(cv->gradient);
	struct gradient g = { .cv = cv, .points = points_of(cv->gradient) };
	g.a_columns = (wino ? 4 : cv->taps) * cv->cs_big;
	g.a_panels = ceil_div(g.a_columns, AW);
	g.b_panels = ceil_div(cv->cs_small, NB);
	g.unit_rows = wino ? ceil_div(cv->g.q, m) : cv->g.q;
	g.row_units = cv->batch * (wino ? ceil_div(cv->g.p, m) : cv->g.p);
	size_t row = (size_t)g.points * (size_t)(g.a_panels * AW + g.b_panels * NB) * sizeof(panel);
	int rows = max_int(CHUNK_ROWS, (int)(CHUNK_BYTES / row));
	g.chunk_units = max_int(1, min_int(rows / g.unit_rows, g.row_units));
	g.chunk_rows = round_up(g.chunk_units * g.unit_rows, 2);
	return g;
}

static size_t gradient_a(const struct gradient *g)
{
	return (size_t)g->points * (size_t)(g->a_panels * AW) * (size_t)g->chunk_rows;
}
static size_t gradient_b(const struct gradient *g)
{
	return (size_t)g->points * (size_t)(g->b_panels * NB) * (size_t)g->chunk_rows;
}
static size_t gradient_dm(const struct gradient *g)
{
	return (size_t)g->points * (size_t)(g->a_panels * AW) * (size_t)(g->b_panels * NB);
}
static size_t gradient_shared(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	return (gradient_a(&g) + gradient_b(&g)) * sizeof(panel) + gradient_dm(&g) * sizeof(float);
}
/* A worker's rows before they become panels. */
static size_t gradient_scratch(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	return is_wino(cv->gradient) ? 0 : UNIT * ((size_t)(g.a_panels * AW) + (size_t)(g.b_panels * NB)) * sizeof(float);
}

static panel *a_at(const struct gradient *g, int point, int column, int row)
{
	size_t p = (size_t)point * (size_t)g->a_panels + (size_t)(column / AW);
	return g->a + (p * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT)) * AW + (size_t)(column % AW) * UNIT;
}
static panel *b_at(const struct gradient *g, int point, int column, int row)
{
	size_t p = (size_t)point * (size_t)g->b_panels + (size_t)(column / NB);
	return g->b + (p * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT)) * NB + (size_t)(column % NB) * UNIT;
}

static void put(panel *to, const vf *rows)
{
#if defined DCG_BF16
	panel_store_pairs(to, rows[0], rows[1]);
#else
	panel_store(to, rows[0]);
#endif
}

/* Rows 2t, 2t+1 of a task; a chunk's odd last row is followed by zeros. */
enum { TASK_ROWS = 16 };

static void gather_float(const struct dcg_conv *cv, const float *image, int p, int q, float *out)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int cs = cv->cs_big, w0 = q * g->stride - g->pad, s0 = w0 < 0 ? -w0 : 0, s1 = min_int(g->s, g->w - w0);
	for (int r = 0; r < g->r; r++, out += g->s * cs) {
		int h = p * g->stride - g->pad + r;
		memset(out, 0, (size_t)(g->s * cs) * sizeof *out);
		if (h >= 0 && h < g->h && s0 < s1)
			memcpy(out + s0 * cs, image + ((size_t)h * (size_t)g->w + (size_t)(w0 + s0)) * (size_t)cs, (size_t)((s1 - s0) * cs) * sizeof *out);
	}
}

static void gradient_direct_rows(void *ctx, int task, int worker)
{
	const struct gradient *g = ctx;
	const struct dcg_conv *cv = g->cv;
	int a_width = g->a_panels * AW, b_width = g->b_panels * NB;
	float *a = (float *)(void *)scratch_of(g->be, worker), *b = a + UNIT * a_width;
	memset(a, 0, (size_t)(UNIT * (a_width + b_width)) * sizeof *a);
	for (int row = task * TASK_ROWS; row < min_int((task + 1) * TASK_ROWS, round_up(g->rows, UNIT)); row += UNIT) {
		for (int i = 0; i < UNIT; i++) {
			int unit = g->first + (row + i) / g->unit_rows, q = (row + i) % g->unit_rows, n = unit / cv->g.p, p = unit % cv->g.p;
			if (row + i >= g->rows) {
				memset(a + i * a_width, 0, (size_t)a_width * sizeof *a);
				memset(b + i * b_width, 0, (size_t)b_width * sizeof *b);
				continue;
			}
			gather_float(cv, g->big + (size_t)n * (size_t)cv->g.h * (size_t)cv->g.w * (size_t)cv->cs_big, p, q, a + i * a_width);
			memcpy(b + i * b_width, g->small + ((size_t)unit * (size_t)cv->g.q + (size_t)q) * (size_t)cv->cs_small, (size_t)cv->cs_small * sizeof *b);
		}
		for (int c = 0; c < a_width; c += VW)
			put(a_at(g, 0, c, row), (const vf[]){ vload(a + c), vload(a + (UNIT - 1) * a_width + c) });
		for (int c = 0; c < b_width; c += VW)
			put(b_at(g, 0, c, row), (const vf[]){ vload(b + c), vload(b + (UNIT - 1) * b_width + c) });
	}
}

ALWAYS void gradient_wino_rows(int m, const struct gradient *g, int task)
{
	const struct dcg_conv *cv = g->cv;
	const int points = (m + 1) * (m + 1);
	int tall = ceil_div(cv->g.p, m);
	size_t big = (size_t)cv->g.h * (size_t)cv->g.w * (size_t)cv->cs_big, small = (size_t)cv->g.p * (size_t)cv->g.q * (size_t)cv->cs_small;
	for (int row = task * TASK_ROWS; row < min_int((task + 1) * TASK_ROWS, round_up(g->rows, UNIT)); row += UNIT) {
		const float *src[UNIT][WINO_MOST * WINO_MOST];
		vf v[UNIT][WINO_MOST * WINO_MOST];
		for (int phase = 0; phase < 5; phase++) { /* 4: the small side */
			for (int i = 0; i < UNIT; i++) {
				int unit = g->first + (row + i) / g->unit_rows, tx = (row + i) % g->unit_rows;
				int n = unit / tall, ty = unit % tall;
				if (row + i >= g->rows)
					memset(src[i], 0, sizeof src[i]);
				else if (phase < 4)
					tile_pixels(m, cv, g->big + (size_t)n * big, phase, ty, tx, src[i]);
				else
					tile_outputs(m, cv, g->small + (size_t)n * small, ty, tx, src[i]);
			}
			int width = phase < 4 ? cv->cs_big : cv->cs_small;
			for (int c = 0; c < width; c += VW) {
				for (int i = 0; i < UNIT; i++) {
					if (phase < 4)
						data_vectors(m, v[i], src[i], c);
					else
						output_vectors(m, v[i], src[i], c);
				}
				UNROLL
				for (int t = 0; t < points; t++)
					put(phase < 4 ? a_at(g, t, phase * cv->cs_big + c, row) : b_at(g, t, c, row), (const vf[]){ v[0][t], v[UNIT - 1][t] });
			}
		}
		/* Columns up to a whole panel. */
		for (int t = 0; t < points; t++) {
			for (int c = g->a_columns; c < g->a_panels * AW; c += VW)
				panel_zero(a_at(g, t, c, row), VW * UNIT);
			for (int c = cv->cs_small; c < g->b_panels * NB; c += VW)
				panel_zero(b_at(g, t, c, row), VW * UNIT);
		}
	}
}

static void gradient_wino2_rows(void *ctx, int task, int worker) { (void)worker; gradient_wino_rows(2, ctx, task); }
static void gradient_wino4_rows(void *ctx, int task, int worker) { (void)worker; gradient_wino_rows(4, ctx, task); }

static void gradient_products(void *ctx, int task, int worker)
{
	const struct gradient *g = ctx;
	int groups = ceil_div(g->a_panels, GROUP), point = task / groups, first = task % groups * GROUP;
	int end = min_int(first + GROUP, g->a_panels), ldc = g->b_panels * NB;
	(void)worker;
	for (int j = 0; j < g->b_panels; j++)
		for (int i = first; i < end; i++)
			gemm(AW, ceil_div(g->rows, UNIT), a_at(g, point, i * AW, 0), UNIT, AW * UNIT, b_at(g, point, j * NB, 0),
				g->dm + ((size_t)point * (size_t)(g->a_panels * AW) + (size_t)(i * AW)) * (size_t)ldc + (size_t)(j * NB), ldc, g->first > 0);
}

static void store_gradient(const struct gradient *g, int tap, int c, int k, vf v)
{
	const struct dcg_conv *cv = g->cv;
	float *to = g->grad + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k + k, lanes[VW];
	if (k + VW <= cv->g.k) {
		vstore(to, g->accumulate ? vadd(vload(to), v) : v);
		return;
	}
	vstore(lanes, v);
	for (int i = 0; k + i < cv->g.k; i++)
		to[i] = g->accumulate ? to[i] + lanes[i] : lanes[i];
}

static const float *dm_at(const struct gradient *g, int point, int column, int k)
{
	return g->dm + ((size_t)point * (size_t)(g->a_panels * AW) + (size_t)column) * (size_t)(g->b_panels * NB) + (size_t)k;
}

/* A task is a tap and a range of its channels, or of a phase's. */
enum { FINISH_CHANNELS = 16 };

static void finish_direct(void *ctx, int task, int worker)
{
	const struct gradient *g = ctx;
	const struct dcg_conv *cv = g->cv;
	int parts = ceil_div(cv->g.c, FINISH_CHANNELS), tap = task / parts, c0 = task % parts * FINISH_CHANNELS;
	(void)worker;
	for (int c = c0; c < min_int(c0 + FINISH_CHANNELS, cv->g.c); c++)
		for (int k = 0; k < cv->g.k; k += VW)
			store_gradient(g, tap, c, k, vload(dm_at(g, 0, tap * cv->cs_big + c, k)));
}

ALWAYS void finish_wino(int m, const struct gradient *g, int task)
{
	const struct dcg_conv *cv = g->cv;
	int parts = ceil_div(cv->g.c, FINISH_CHANNELS), phase = task / parts, c0 = task % parts * FINISH_CHANNELS;
	for (int c = c0; c < min_int(c0 + FINISH_CHANNELS, cv->g.c); c++)
		for (int k = 0; k < cv->g.k; k += VW) {
			vf u[WINO_MOST * WINO_MOST], w[4];
			UNROLL
			for (int t = 0; t < (m + 1) * (m + 1); t++)
				u[t] = vload(dm_at(g, t, phase * cv->cs_big + c, k));
			wino_weights_adjoint_2d(m, w, u);
			for (int i = 0; i < 4; i++)
				store_gradient(g, (phase / 2 + i / 2 * 2) * 4 + phase % 2 + i % 2 * 2, c, k, w[i]);
		}
}

static void finish_wino2(void *ctx, int task, int worker) { (void)worker; finish_wino(2, ctx, task); }
static void finish_wino4(void *ctx, int task, int worker) { (void)worker; finish_wino(4, ctx, task); }

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct gradient g = gradient_plan(cv);
	int wino = is_wino(cv->gradient), wino4 = cv->gradient == FORM_WINO4;
	g.be = be;
	g.big = big->data;
	g.small = small->data;
	g.grad = cv->weights->part[DCG_GRAD];
	g.accumulate = accumulate;
	g.dm = (float *)(void *)shared_of(be);
	g.a = (panel *)(void *)(g.dm + gradient_dm(&g));
	g.b = g.a + gradient_a(&g);
	for (g.first = 0; g.first < g.row_units; g.first += g.count) {
		g.count = min_int(g.chunk_units, g.row_units - g.first);
		g.rows = g.count * g.unit_rows;
		dcg_table_run(be, wino4 ? gradient_wino4_rows : wino ? gradient_wino2_rows : gradient_direct_rows, &g, ceil_div(g.rows, TASK_ROWS));
		dcg_table_run(be, gradient_products, &g, g.points * ceil_div(g.a_panels, GROUP));
	}
	dcg_table_run(be, wino4 ? finish_wino4 : wino ? finish_wino2 : finish_direct, &g, (wino ? 4 : cv->taps) * ceil_div(cv->g.c, FINISH_CHANNELS));
}
