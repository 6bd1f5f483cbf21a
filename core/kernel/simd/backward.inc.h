/* Backward-data: the picture from the small side. */

static int is_full(const struct dcg_conv *cv)
{
	return cv->g.p == 1 && cv->g.q == 1 && cv->g.r == cv->g.h && cv->g.s == cv->g.w && cv->g.pad == 0;
}

/* ---- Direct: big pixels of one phase; a unit is one of its rows ------------------------ */

static void make_backward_direct(const struct pass *p, int unit, int row, value *stage)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int st = g->stride, ph = p->phase / st, pw = p->phase % st, h = ph + st * (unit % p->tall);
	struct rows in = rows_of_picture(p->in, unit / p->tall, (h + g->pad - g->r + 1) / st - 1, (h + g->pad) / st + 1, stage);
	for (int i = 0; i < p->wide; i++) {
		int w = pw + st * i, k = 0;
		panel *to = a_row(p->a, p->pitch, row + i);
		for (int r = first_tap(g, ph); r < g->r; r += st)
			for (int s = first_tap(g, pw); s < g->s; s += st, k += cv->cs_small) {
				int y = (h + g->pad - r) / st, x = (w + g->pad - s) / st;
				if (h + g->pad < r || w + g->pad < s || y >= g->p || x >= g->q)
					row_zero(to, k, cv->cs_small);
				else
					row_copy(to, k, in.at + ((size_t)(y - in.first) * (size_t)g->q + (size_t)x) * (size_t)cv->cs_small, cv->cs_small);
			}
		row_zero(to, k, p->k - k);
	}
}

static void store_backward_direct(const struct pass *p, int j, int row, int rows, const float *c)
{
	const struct dcg_conv *cv = p->cv;
	int st = cv->g.stride, channels = min_int(NB, cv->cs_big - j * NB);
	for (int i = 0; i < rows; i++, c += NB) {
		int unit = (row + i) / p->wide, n = unit / p->tall;
		size_t h = (size_t)(p->phase / st + st * (unit % p->tall)), w = (size_t)(p->phase % st + st * ((row + i) % p->wide));
		values_store(p->out + (((size_t)n * (size_t)cv->g.h + h) * (size_t)cv->g.w + w) * (size_t)cv->cs_big + j * NB, c, (size_t)channels);
	}
}

/* ---- A kernel as large as the picture: products are pictures --------------------------- */

static void make_backward_full(const struct pass *p, int unit, int row, value *stage)
{
	panel *to = a_row(p->a, p->pitch, row);
	struct rows in = rows_of_picture(p->in, unit, 0, 1, stage);
	row_zero(to, p->k - 1, 1);
	row_copy(to, 0, in.at, p->cv->cs_small);
}

static void store_backward_full(const struct pass *p, int j, int row, int rows, const float *c)
{
	int columns = p->cv->taps * p->cv->cs_big, n = min_int(NB, columns - j * NB);
	for (int i = 0; i < rows; i++)
		values_store(p->out + (size_t)(row + i) * (size_t)columns + j * NB, c + i * NB, (size_t)n);
}

/* ---- Winograd: Z = A dY A^T is shared by the phases ----------------------------------- */

ALWAYS void make_backward_wino(const struct wino f, const struct pass *p, int unit, int row, value *stage)
{
	const struct dcg_conv *cv = p->cv;
	const int m = f.m, points = wino_points(f);
	const size_t a_point = p->a_point;
	int ty = unit % p->tall;
	struct rows in = rows_of_picture(p->in, unit / p->tall, m * ty, m * (ty + 1), stage);
	for (int tx = 0; tx < p->wide; tx++) {
		panel *to = a_row(p->a, p->pitch, row + tx);
		const value *src[WINO_MOST * WINO_MOST];
		tile_outputs(m, cv, &in, ty, tx, src);
		for (int k = 0; k < cv->cs_small; k += VW) {
			vf z[WINO_MOST * WINO_MOST];
			output_vectors(f, z, src, k);
			panel *point = a_inner(to, k);
			UNROLL
			for (int t = 0; t < points; t++)
				value_store(point + (size_t)t * a_point, z[t]);
		}
	}
}

/* Where a tile's pixels of one phase go, channels from c0 on; NULL outside. */
ALWAYS void tile_targets(const struct wino f, int tall, int wide, const struct pass *p, int phase, int c0, int row, value **to)
{
	const struct dcg_conv *cv = p->cv;
	int unit = row / p->wide, ty = unit % p->tall, tx = row % p->wide;
	value *out = p->out + (size_t)(unit / p->tall) * (size_t)cv->g.h * (size_t)cv->g.w * (size_t)cv->cs_big + c0;
	for (int y = 0; y < of_points(f, tall); y++)
		for (int x = 0; x < of_points(f, wide); x++) {
			int pixel = tile_pixel(f, cv, phase, ty, tx, y, x);
			to[y * of_points(f, wide) + x] = pixel < 0 ? NULL : out + (size_t)pixel * (size_t)cv->cs_big;
		}
}

/* Neighbouring tiles share tall - 1 rows and wide - 1 columns of pixels: the first to come
 * stores, the others add. */
ALWAYS void store_backward_phase(const struct wino f, int tall, int wide, const struct pass *p, int phase, int c0, int row, int rows, const float *c)
{
	const int across = of_points(f, wide), points = of_points(f, tall) * across;
	value *two[2][WINO_MOST * WINO_MOST];
	tile_targets(f, tall, wide, p, phase, c0, row, two[0]);
	for (int i = 0; i < rows; i++) {
		int below = (row + i) / p->wide % p->tall > 0, right = (row + i) % p->wide > 0;
		value **to = two[i % 2], **next = two[(i + 1) % 2];
		if (i + 1 < rows) {
			tile_targets(f, tall, wide, p, phase, c0, row + i + 1, next);
			fetch_targets(points, next);
		}
		for (int v = 0; v < NB && c0 + v < p->cv->cs_big; v += VW) {
			vf in[WINO_MOST * WINO_MOST], d[WINO_MOST * WINO_MOST];
			UNROLL
			for (int t = 0; t < points; t++)
				in[t] = vload(c + (size_t)(t / across * wino_side(f) + t % across) * c_point(row_block(f.m)) + i * NB + v);
			wino_data_adjoint_2d(f, tall, wide, d, in);
			UNROLL
			for (int t = 0; t < points; t++) {
				int shared = (t / across < tall - 1 && below) || (t % across < wide - 1 && right);
				if (to[t])
					value_store(to[t] + v, shared ? vadd(value_load(to[t] + v), d[t]) : d[t]);
			}
		}
	}
}

ALWAYS void store_backward_wino(const struct wino f, const struct pass *p, int j, int row, int rows, const float *c)
{
	int panels = p->panels / wino_phases(f), phase = j / panels;
	WINO_BY_TAPS(store_backward_phase, f, phase, p, phase, j % panels * NB, row, rows, c);
}

/* phase: for the direct form. */
static struct pass backward_pass(struct dcg_backend *be, const struct dcg_conv *cv, int phase)
{
	const struct dcg_conv_geometry *g = &cv->g;
	struct pass p = { .cv = cv, .k = round_up(cv->cs_small, UNIT) };
	if (is_wino(cv->backward)) {
		const struct wino_code *code = wino_code(cv, cv->backward);
		p.f = wino_of(cv, cv->backward);
		p.tall = ceil_div(g->p, p.f.m);
		p.wide = ceil_div(g->q, p.f.m);
		p.panels = wino_phases(p.f) * ceil_div(cv->cs_big, NB);
		p.by_phase = 1;
		p.make = code->make_backward;
		p.pack = code->pack_backward;
		p.store = code->store_backward;
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
