/* Backward-data: the picture from the small side. */

static int is_full(const struct dcg_conv *cv)
{
	return cv->g.p == 1 && cv->g.q == 1 && cv->g.r == cv->g.h && cv->g.s == cv->g.w && cv->g.pad == 0;
}

/* ---- Direct: big pixels of one phase; a unit is one of its rows ------------------------ */

static void make_backward_direct(const struct pass *p, int unit, panel *row, float *stage)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int st = g->stride, ph = p->phase / st, pw = p->phase % st, h = ph + st * (unit % p->tall);
	struct rows in = rows_of_picture(p->in, unit / p->tall, (h + g->pad - g->r + 1) / st - 1, (h + g->pad) / st + 1, stage);
	for (int i = 0; i < p->wide; i++, row += p->pitch) {
		int w = pw + st * i;
		panel *to = row;
		for (int r = first_tap(g, ph); r < g->r; r += st)
			for (int s = first_tap(g, pw); s < g->s; s += st, to += cv->cs_small) {
				int y = (h + g->pad - r) / st, x = (w + g->pad - s) / st;
				if (h + g->pad < r || w + g->pad < s || y >= g->p || x >= g->q)
					panel_zero(to, cv->cs_small);
				else
					panel_copy(to, in.at + ((size_t)(y - in.first) * (size_t)g->q + (size_t)x) * (size_t)cv->cs_small, cv->cs_small);
			}
		panel_zero(to, p->k - (int)(to - row));
	}
}

static void store_backward_direct(const struct pass *p, int j, int row, int rows, const float *c)
{
	const struct dcg_conv *cv = p->cv;
	int st = cv->g.stride, channels = min_int(NB, cv->cs_big - j * NB);
	for (int i = 0; i < rows; i++, c += NB) {
		int unit = (row + i) / p->wide, n = unit / p->tall;
		size_t h = (size_t)(p->phase / st + st * (unit % p->tall)), w = (size_t)(p->phase % st + st * ((row + i) % p->wide));
		memcpy(p->out + (((size_t)n * (size_t)cv->g.h + h) * (size_t)cv->g.w + w) * (size_t)cv->cs_big + j * NB, c, (size_t)channels * sizeof *c);
	}
}

/* ---- A kernel as large as the picture: products are pictures --------------------------- */

static void make_backward_full(const struct pass *p, int unit, panel *row, float *stage)
{
	struct rows in = rows_of_picture(p->in, unit, 0, 1, stage);
	panel_zero(row + p->k - 1, 1);
	panel_copy(row, in.at, p->cv->cs_small);
}

static void store_backward_full(const struct pass *p, int j, int row, int rows, const float *c)
{
	int columns = p->cv->taps * p->cv->cs_big, n = min_int(NB, columns - j * NB);
	for (int i = 0; i < rows; i++)
		memcpy(p->out + (size_t)(row + i) * (size_t)columns + j * NB, c + i * NB, (size_t)n * sizeof *c);
}

/* ---- Winograd: Z = A dY A^T is shared by the four phases ------------------------------- */

ALWAYS void make_backward_wino(int m, const struct pass *p, int unit, panel *row, float *stage)
{
	const struct dcg_conv *cv = p->cv;
	const int points = (m + 1) * (m + 1);
	int ty = unit % p->tall;
	struct rows in = rows_of_picture(p->in, unit / p->tall, m * ty, m * (ty + 1), stage);
	for (int tx = 0; tx < p->wide; tx++, row += p->pitch) {
		const float *src[WINO_MOST * WINO_MOST];
		tile_outputs(m, cv, &in, ty, tx, src);
		for (int k = 0; k < cv->cs_small; k += VW) {
			vf z[WINO_MOST * WINO_MOST];
			output_vectors(m, z, src, k);
			UNROLL
			for (int t = 0; t < points; t++)
				panel_store(row + (size_t)t * p->a_point + k, z[t]);
		}
	}
}

static void make_backward_wino2(const struct pass *p, int unit, panel *row, float *stage) { make_backward_wino(2, p, unit, row, stage); }
static void make_backward_wino4(const struct pass *p, int unit, panel *row, float *stage) { make_backward_wino(4, p, unit, row, stage); }

ALWAYS void store_backward_wino(int m, const struct pass *p, int j, int row, int rows, const float *c)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	const int points = (m + 1) * (m + 1);
	int panels = p->panels / 4, phase = j / panels, c0 = j % panels * NB;
	for (int i = 0; i < rows; i++) {
		int unit = (row + i) / p->wide, ty = unit % p->tall, tx = (row + i) % p->wide;
		float *out = p->out + (size_t)(unit / p->tall) * (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big + c0;
		for (int v = 0; v < NB && c0 + v < cv->cs_big; v += VW) {
			vf in[WINO_MOST * WINO_MOST], d[WINO_MOST * WINO_MOST];
			UNROLL
			for (int t = 0; t < points; t++)
				in[t] = vload(c + (size_t)(t * row_block(m) + i) * NB + v);
			wino_data_adjoint_2d(m, d, in);
			/* Neighbouring tiles share a row and a column of pixels: the first to
			 * come stores, the others add. */
			UNROLL
			for (int y = 0; y <= m; y++)
				UNROLL
				for (int x = 0; x <= m; x++) {
					int h = 2 * (m * ty + y) - 1 + phase / 2, w = 2 * (m * tx + x) - 1 + phase % 2;
					if (h < 0 || h >= g->h || w < 0 || w >= g->w)
						continue;
					float *to = out + ((size_t)h * (size_t)g->w + (size_t)w) * (size_t)cv->cs_big + v;
					int shared = (y == 0 && ty > 0) || (x == 0 && tx > 0);
					vstore(to, shared ? vadd(vload(to), d[y * (m + 1) + x]) : d[y * (m + 1) + x]);
				}
		}
	}
}

static void store_backward_wino2(const struct pass *p, int j, int row, int rows, const float *c) { store_backward_wino(2, p, j, row, rows, c); }
static void store_backward_wino4(const struct pass *p, int j, int row, int rows, const float *c) { store_backward_wino(4, p, j, row, rows, c); }

/* phase: for the direct form. */
static struct pass backward_pass(struct dcg_backend *be, const struct dcg_conv *cv, int phase)
{
	const struct dcg_conv_geometry *g = &cv->g;
	struct pass p = { .cv = cv, .k = round_up(cv->cs_small, UNIT) };
	if (is_wino(cv->backward)) {
		int four = cv->backward == FORM_WINO4;
		p.m = wino_m(cv->backward);
		p.tall = ceil_div(g->p, p.m);
		p.wide = ceil_div(g->q, p.m);
		p.panels = 4 * ceil_div(cv->cs_big, NB);
		p.make = four ? make_backward_wino4 : make_backward_wino2;
		p.pack = four ? pack_backward_wino4 : pack_backward_wino2;
		p.store = four ? store_backward_wino4 : store_backward_wino2;
	} else if (cv->backward == FORM_FULL) {
		p.tall = p.wide = 1;
		p.panels = ceil_div(cv->taps * cv->cs_big, NB);
		p.make = make_backward_full;
		p.pack = pack_backward_taps;
		p.store = store_backward_full;
	} else {
		int st = g->stride, ph = phase / st, pw = phase % st;
		p.phase = phase;
		p.tall = g->h > ph ? (g->h - ph - 1) / st + 1 : 0;
		p.wide = g->w > pw ? (g->w - pw - 1) / st + 1 : 0;
		p.k = phase_k(cv, phase);
		p.panels = ceil_div(cv->cs_big, NB);
		p.make = make_backward_direct;
		p.pack = pack_backward_direct;
		p.store = store_backward_direct;
	}
	if (p.tall > 0 && p.wide > 0)
		plan_pass(&p, be, is_wino(cv->backward));
	return p;
}

/* ---- Scatter: products of a band of small rows for all taps, added into the picture ---- */

struct scatter {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *in;
	float *out;
	struct pass pack;
	int columns, pitch, band; /* small rows at a time */
};

static struct scatter scatter_plan(const struct dcg_conv *cv)
{
	struct scatter s = { .cv = cv, .pack = { .cv = cv, .k = round_up(cv->cs_small, UNIT) } };
	s.columns = round_up(cv->taps * cv->cs_big, NB);
	s.pitch = s.pack.k + PITCH;
	s.band = max_int(1, min_int(ROW_BLOCK / cv->g.q, cv->g.p));
	return s;
}

static size_t scatter_stage(const struct scatter *s)
{
	return (size_t)(s->band * s->cv->g.q) * (size_t)s->cv->cs_small;
}

static size_t scatter_scratch(const struct dcg_conv *cv)
{
	struct scatter s = scatter_plan(cv);
	size_t rows = (size_t)(s.band * cv->g.q);
	return sizeof(float) * (scatter_stage(&s) + rows * (size_t)s.columns) + sizeof(panel) * (rows * (size_t)s.pitch + (size_t)s.columns * (size_t)s.pack.k);
}

static void scatter_task(void *ctx, int task, int worker)
{
	const struct scatter *p = ctx;
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int columns = p->columns, run = g->s * cv->cs_big, k = p->pack.k;
	float *out = p->out + (size_t)task * (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	float *stage = (float *)(void *)scratch_of(p->be, worker), *c = stage + scatter_stage(p);
	panel *a = (panel *)(void *)(c + (size_t)(p->band * g->q) * (size_t)columns), *b = a + (size_t)(p->band * g->q) * (size_t)p->pitch;
	memset(out, 0, (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big * sizeof *out);
	for (int j = 0; j * NB < columns; j++)
		pack_backward_taps(&p->pack, j, 0, k, b + (size_t)j * (size_t)k * NB);
	for (int y0 = 0; y0 < g->p; y0 += p->band) {
		int rows = min_int(p->band, g->p - y0) * g->q;
		struct rows in = rows_of_picture(p->in, task, y0, y0 + p->band, stage);
		for (int i = 0; i < rows; i++) {
			panel *row = a + (size_t)i * (size_t)p->pitch;
			panel_zero(row + k - 1, 1);
			panel_copy(row, in.at + ((size_t)((y0 - in.first) * g->q) + (size_t)i) * (size_t)cv->cs_small, cv->cs_small);
		}
		for (int j = 0; j * NB < columns; j++)
			gemm(rows, k / UNIT, a, p->pitch, UNIT, b + (size_t)j * (size_t)k * NB, c + j * NB, columns, 0);
		for (int i = 0; i < rows; i++) {
			int h0 = (y0 + i / g->q) * g->stride - g->pad, w0 = i % g->q * g->stride - g->pad;
			int s0 = w0 < 0 ? -w0 : 0, s1 = min_int(g->s, g->w - w0);
			for (int r = 0; r < g->r; r++) {
				if (h0 + r < 0 || h0 + r >= g->h)
					continue;
				float *to = out + ((ptrdiff_t)(h0 + r) * g->w + w0) * cv->cs_big;
				const float *from = c + (size_t)i * (size_t)columns + (size_t)(r * run);
				for (int e = s0 * cv->cs_big; e < s1 * cv->cs_big; e++)
					to[e] += from[e];
			}
		}
	}
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	const float *w = cv->weights->part[DCG_VALUE];
	big->pending.on = 0;
	if (cv->backward == FORM_SCATTER) {
		struct scatter s = scatter_plan(cv);
		s.be = be;
		s.in = small;
		s.out = big->data;
		s.pack.w = w;
		dcg_table_run(be, scatter_task, &s, cv->batch);
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
