/* Backward-data: the picture from the small side. */

/* Direct: big pixels of one phase of one image at a time, in bands of its rows. */
static int direct_band(const struct dcg_conv *cv, int k)
{
	int wide = ceil_div(cv->g.w, cv->g.stride), tall = ceil_div(cv->g.h, cv->g.stride);
	return units_per_task(tall, wide, 1, k + PITCH);
}

static void backward_direct_task(void *ctx, int task, int worker)
{
	const struct conv_pass *p = ctx;
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int st = g->stride, phase = task % (st * st), ph = phase / st, pw = phase % st;
	size_t n = (size_t)(task / (st * st));
	int k = phase_k(cv, phase), pitch = k + PITCH, band = direct_band(cv, k);
	int tall = g->h > ph ? (g->h - ph - 1) / st + 1 : 0, wide = g->w > pw ? (g->w - pw - 1) / st + 1 : 0;
	const float *in = p->in + n * (size_t)g->p * (size_t)g->q * (size_t)cv->cs_small;
	float *out = p->out + n * (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)(band * wide) * (size_t)pitch);
	const panel *packed = p->packed + phase_offset(cv, phase);
	for (int y0 = 0; y0 < tall; y0 += band) {
		int rows = min_int(band, tall - y0) * wide;
		for (int i = 0; i < rows; i++) {
			int h = ph + st * (y0 + i / wide), w = pw + st * (i % wide);
			panel *row = a + (size_t)i * (size_t)pitch, *to = row;
			for (int r = first_tap(g, ph); r < g->r; r += st)
				for (int s = first_tap(g, pw); s < g->s; s += st, to += cv->cs_small) {
					int y = (h + g->pad - r) / st, x = (w + g->pad - s) / st;
					if (h + g->pad < r || w + g->pad < s || y >= g->p || x >= g->q)
						panel_zero(to, cv->cs_small);
					else
						panel_copy(to, in + ((size_t)y * (size_t)g->q + (size_t)x) * (size_t)cv->cs_small, cv->cs_small);
				}
			panel_zero(to, k - (int)(to - row));
		}
		for (int j = 0; j * NB < cv->cs_big; j++) {
			gemm(rows, k / UNIT, a, pitch, UNIT, packed + (size_t)j * (size_t)k * NB, c, NB, 0);
			for (int i = 0; i < rows; i++) {
				size_t h = (size_t)(ph + st * (y0 + i / wide)), w = (size_t)(pw + st * (i % wide));
				store_row(out + (h * (size_t)g->w + w) * (size_t)cv->cs_big + j * NB, c + (size_t)i * NB, min_int(NB, cv->cs_big - j * NB));
			}
		}
	}
}

/* Scatter of a kernel as large as the picture: its products are the picture. */
enum { FULL_COLUMNS = 8 };

static void backward_full_task(void *ctx, int task, int worker)
{
	const struct conv_pass *p = ctx;
	const struct dcg_conv *cv = p->cv;
	int columns = cv->taps * cv->cs_big, end = min_int((task + 1) * FULL_COLUMNS, ceil_div(columns, NB));
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)cv->batch * (size_t)p->pitch);
	for (int n = 0; n < cv->batch; n++) {
		panel_zero(a + (size_t)n * (size_t)p->pitch + p->k - 1, 1);
		panel_copy(a + (size_t)n * (size_t)p->pitch, p->in + (size_t)n * (size_t)cv->cs_small, cv->cs_small);
	}
	for (int j = task * FULL_COLUMNS; j < end; j++) {
		gemm(cv->batch, p->k / UNIT, a, p->pitch, UNIT, p->packed + (size_t)j * (size_t)p->k * NB, c, NB, 0);
		for (int n = 0; n < cv->batch; n++)
			store_row(p->out + (size_t)n * (size_t)columns + j * NB, c + (size_t)n * NB, min_int(NB, columns - j * NB));
	}
}

/* Scatter: products of a band of small rows for all taps, added into the picture. */
static void backward_scatter_task(void *ctx, int task, int worker)
{
	const struct conv_pass *p = ctx;
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int columns = round_up(cv->taps * cv->cs_big, NB), run = g->s * cv->cs_big;
	const float *in = p->in + (size_t)task * (size_t)g->p * (size_t)g->q * (size_t)cv->cs_small;
	float *out = p->out + (size_t)task * (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)(p->a_task * g->q) * (size_t)p->pitch);
	memset(out, 0, (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big * sizeof *out);
	for (int y0 = 0; y0 < g->p; y0 += p->a_task) {
		int rows = min_int(p->a_task, g->p - y0) * g->q;
		for (int i = 0; i < rows; i++) {
			panel *row = a + (size_t)i * (size_t)p->pitch;
			panel_zero(row + p->k - 1, 1);
			panel_copy(row, in + ((size_t)(y0 * g->q) + (size_t)i) * (size_t)cv->cs_small, cv->cs_small);
		}
		for (int j = 0; j * NB < columns; j++)
			gemm(rows, p->k / UNIT, a, p->pitch, UNIT, p->packed + (size_t)j * (size_t)p->k * NB, c + j * NB, columns, 0);
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

ALWAYS void backward_wino(int m, const struct conv_pass *p, int task, int worker)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	const int points = (m + 1) * (m + 1);
	int tall = ceil_div(g->p, m), wide = ceil_div(g->q, m), first = task * p->a_task;
	int rows = min_int(p->a_task, cv->batch - first) * tall * wide, panels = ceil_div(cv->cs_big, NB);
	size_t small = (size_t)g->p * (size_t)g->q * (size_t)cv->cs_small, big = (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	size_t a_point = (size_t)rows * (size_t)p->pitch, c_point = (size_t)rows * NB;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)points * a_point);
	for (int i = 0; i < rows; i++) {
		const float *src[WINO_MOST * WINO_MOST];
		tile_outputs(m, cv, p->in + (size_t)(first + i / (tall * wide)) * small, i / wide % tall, i % wide, src);
		for (int k = 0; k < cv->cs_small; k += VW) {
			vf z[WINO_MOST * WINO_MOST];
			output_vectors(m, z, src, k);
			UNROLL
			for (int t = 0; t < points; t++)
				panel_store(a + (size_t)t * a_point + (size_t)i * (size_t)p->pitch + k, z[t]);
		}
	}
	for (int column = 0; column < 4 * panels; column++) {
		int phase = column / panels, c0 = column % panels * NB;
		for (int t = 0; t < points; t++)
			gemm(rows, p->k / UNIT, a + (size_t)t * a_point, p->pitch, UNIT,
				p->packed + ((size_t)column * (size_t)points + (size_t)t) * (size_t)p->k * NB, c + (size_t)t * c_point, NB, 0);
		for (int i = 0; i < rows; i++) {
			int ty = i / wide % tall, tx = i % wide;
			float *out = p->out + (size_t)(first + i / (tall * wide)) * big + c0;
			for (int v = 0; v < NB && c0 + v < cv->cs_big; v += VW) {
				vf in[WINO_MOST * WINO_MOST], d[WINO_MOST * WINO_MOST];
				UNROLL
				for (int t = 0; t < points; t++)
					in[t] = vload(c + (size_t)t * c_point + (size_t)i * NB + v);
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
}

static void backward_wino2_task(void *ctx, int task, int worker) { backward_wino(2, ctx, task, worker); }
static void backward_wino4_task(void *ctx, int task, int worker) { backward_wino(4, ctx, task, worker); }

static int is_full(const struct dcg_conv *cv)
{
	return cv->g.p == 1 && cv->g.q == 1 && cv->g.r == cv->g.h && cv->g.s == cv->g.w && cv->g.pad == 0;
}

static struct conv_pass backward_plan(const struct dcg_conv *cv)
{
	struct conv_pass p = { .cv = cv, .k = round_up(cv->cs_small, UNIT) };
	int m = wino_m(cv->backward);
	p.pitch = p.k + PITCH;
	if (is_wino(cv->backward)) {
		p.units = cv->batch;
		p.rows = ceil_div(cv->g.p, m) * ceil_div(cv->g.q, m);
		p.a_task = units_per_task(p.units, p.rows, points_of(cv->backward), p.pitch);
	} else {
		p.units = cv->g.p;
		p.rows = cv->g.q;
		p.a_task = units_per_task(p.units, p.rows, 1, p.pitch + round_up(cv->taps * cv->cs_big, NB));
	}
	return p;
}

static size_t backward_scratch(const struct dcg_conv *cv)
{
	struct conv_pass p = backward_plan(cv);
	size_t rows = (size_t)(p.a_task * p.rows), pitch = (size_t)p.pitch * sizeof(panel), most = 0;
	if (is_wino(cv->backward))
		return rows * (size_t)points_of(cv->backward) * (pitch + NB * sizeof(float));
	if (cv->backward == FORM_SCATTER && is_full(cv))
		return (size_t)cv->batch * (pitch + NB * sizeof(float));
	if (cv->backward == FORM_SCATTER)
		return rows * (pitch + (size_t)round_up(cv->taps * cv->cs_big, NB) * sizeof(float));
	for (int phase = 0; phase < cv->g.stride * cv->g.stride; phase++) {
		int k = phase_k(cv, phase), wide = ceil_div(cv->g.w, cv->g.stride);
		size_t n = (size_t)(direct_band(cv, k) * wide) * ((size_t)(k + PITCH) * sizeof(panel) + NB * sizeof(float));
		most = n > most ? n : most;
	}
	return most;
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct conv_pass p = backward_plan(cv);
	p.be = be;
	p.in = small->data;
	p.out = big->data;
	p.packed = packed_backward(be, cv);
	if (cv->backward == FORM_DIRECT)
		dcg_table_run(be, backward_direct_task, &p, cv->batch * cv->g.stride * cv->g.stride);
	else if (cv->backward == FORM_SCATTER && is_full(cv))
		dcg_table_run(be, backward_full_task, &p, ceil_div(ceil_div(cv->taps * cv->cs_big, NB), FULL_COLUMNS));
	else if (cv->backward == FORM_SCATTER)
		dcg_table_run(be, backward_scatter_task, &p, cv->batch);
	else
		dcg_table_run(be, cv->backward == FORM_WINO4 ? backward_wino4_task : backward_wino2_task, &p, ceil_div(cv->batch, p.a_task));
}
