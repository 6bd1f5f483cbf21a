/* Convolutions: planning, packing of weights, forward and backward-data. The gradient of
 * the weights is in gradient.inc.h. */

enum {
	AW = VW == 16 ? 16 : 24, /* columns of A's panels in the gradient: a multiple of MR and VW */
	BLOCK_BYTES = 600 << 10, /* of a worker's A: stays in L2 */
	PITCH = 16,              /* added to A's rows: powers of two would share cache sets */
};

static int wino_m(enum form f) { return f == FORM_WINO4 ? 4 : 2; }
static int is_wino(enum form f) { return f == FORM_WINO2 || f == FORM_WINO4; }
static int round_up(int n, int to) { return (n + to - 1) / to * to; }
static int ceil_div(int n, int by) { return (n + by - 1) / by; }
static int points_of(enum form f) { return is_wino(f) ? (wino_m(f) + 1) * (wino_m(f) + 1) : 1; }
static int min_int(int a, int b) { return a < b ? a : b; }
static int max_int(int a, int b) { return a > b ? a : b; }
static char *scratch_of(struct dcg_backend *be, int worker) { return ((struct simd_backend *)be)->scratch[worker]; }
static char *shared_of(struct dcg_backend *be) { return ((struct simd_backend *)be)->shared; }

static void panel_copy(panel *dst, const float *src, int n)
{
#if defined DCG_BF16
	int i = 0;
	for (; i + VW <= n; i += VW)
		panel_store(dst + i, vload(src + i));
	for (; i < n; i++)
		dst[i] = panel_of(src[i]);
#else
	memcpy(dst, src, (size_t)n * sizeof *dst);
#endif
}

static void panel_zero(panel *dst, int n)
{
	memset(dst, 0, (size_t)n * sizeof *dst);
}

/* ---- Weights to panels: [column panel][point][k unit][NB][UNIT] ---------------------- */

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

/* ---- Gathering and transforming rows of A ------------------------------------------- */

/* The taps of one output pixel, [r][s][cs_big] floats' worth. */
static void gather_taps(const struct dcg_conv *cv, const float *image, int p, int q, panel *out)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int cs = cv->cs_big, w0 = q * g->stride - g->pad, s0 = w0 < 0 ? -w0 : 0, s1 = min_int(g->s, g->w - w0);
	for (int r = 0; r < g->r; r++, out += g->s * cs) {
		int h = p * g->stride - g->pad + r;
		if (h < 0 || h >= g->h || s0 >= s1) {
			panel_zero(out, g->s * cs);
			continue;
		}
		panel_zero(out, s0 * cs);
		panel_copy(out + s0 * cs, image + ((size_t)h * (size_t)g->w + (size_t)(w0 + s0)) * (size_t)cs, (s1 - s0) * cs);
		panel_zero(out + s1 * cs, (g->s - s1) * cs);
	}
}

/* Pixels of the big side under tile (ty, tx) in a phase; NULL outside. */
ALWAYS void tile_pixels(int m, const struct dcg_conv *cv, const float *image, int phase, int ty, int tx, const float **src)
{
	for (int i = 0; i <= m; i++)
		for (int j = 0; j <= m; j++) {
			int h = 2 * (m * ty + i) - 1 + phase / 2, w = 2 * (m * tx + j) - 1 + phase % 2;
			src[i * (m + 1) + j] = h < 0 || h >= cv->g.h || w < 0 || w >= cv->g.w ? NULL
				: image + ((size_t)h * (size_t)cv->g.w + (size_t)w) * (size_t)cv->cs_big;
		}
}

/* Pixels of the small side in tile (ty, tx); NULL outside. */
ALWAYS void tile_outputs(int m, const struct dcg_conv *cv, const float *image, int ty, int tx, const float **src)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < m; j++)
			src[i * m + j] = m * ty + i >= cv->g.p || m * tx + j >= cv->g.q ? NULL
				: image + ((size_t)(m * ty + i) * (size_t)cv->g.q + (size_t)(m * tx + j)) * (size_t)cv->cs_small;
}

ALWAYS void data_vectors(int m, vf *v, const float *const *src, int c)
{
	vf d[WINO_MOST * WINO_MOST];
	UNROLL
	for (int i = 0; i < (m + 1) * (m + 1); i++)
		d[i] = src[i] ? vload(src[i] + c) : vzero();
	wino_data_2d(m, v, d);
}

ALWAYS void output_vectors(int m, vf *z, const float *const *src, int k)
{
	vf y[WINO_MOST * WINO_MOST];
	UNROLL
	for (int i = 0; i < m * m; i++)
		y[i] = src[i] ? vload(src[i] + k) : vzero();
	wino_out_adjoint_2d(m, z, y);
}

/* ---- Forward -------------------------------------------------------------------------- */

struct conv_pass {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const float *in;
	float *out;
	const panel *packed;
	int units, a_task, rows; /* work in all and a task; rows a unit */
	int k, pitch;            /* inner dimension, A's row length in memory */
};

/* Units a task, so that its A fits the worker's block. */
static int units_per_task(int units, int rows, int points, int pitch)
{
	size_t bytes = (size_t)rows * (size_t)points * (size_t)pitch * sizeof(panel);
	int fit = (int)(BLOCK_BYTES / bytes), want = ceil_div(64, rows);
	return max_int(1, min_int(min_int(fit, 4 * want), units));
}

static struct conv_pass forward_plan(const struct dcg_conv *cv)
{
	int m = wino_m(cv->forward), wino = is_wino(cv->forward);
	struct conv_pass p = { .cv = cv };
	p.rows = wino ? ceil_div(cv->g.q, m) : cv->g.q;
	p.units = cv->batch * (wino ? ceil_div(cv->g.p, m) : cv->g.p);
	p.k = forward_k(cv);
	p.pitch = p.k + PITCH;
	p.a_task = units_per_task(p.units, p.rows, points_of(cv->forward), p.pitch);
	return p;
}

static size_t forward_scratch(const struct dcg_conv *cv)
{
	struct conv_pass p = forward_plan(cv);
	size_t rows = (size_t)(p.a_task * p.rows), points = (size_t)points_of(cv->forward);
	return rows * points * ((size_t)p.pitch * sizeof(panel) + NB * sizeof(float));
}

static void store_row(float *to, const float *from, int channels)
{
	memcpy(to, from, (size_t)channels * sizeof *to);
}

static void forward_direct_task(void *ctx, int task, int worker)
{
	const struct conv_pass *p = ctx;
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int first = task * p->a_task, count = min_int(p->a_task, p->units - first), rows = count * g->q;
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)rows * (size_t)p->pitch);
	for (int u = 0; u < count; u++)
		for (int q = 0; q < g->q; q++) {
			panel *row = a + (size_t)(u * g->q + q) * (size_t)p->pitch;
			gather_taps(cv, p->in + (size_t)((first + u) / g->p) * image, (first + u) % g->p, q, row);
			panel_zero(row + cv->taps * cv->cs_big, p->k - cv->taps * cv->cs_big);
		}
	float *out = p->out + (size_t)first * (size_t)g->q * (size_t)cv->cs_small;
	for (int j = 0; j * NB < cv->cs_small; j++) {
		const panel *b = p->packed + (size_t)j * (size_t)p->k * NB;
		int channels = min_int(NB, cv->cs_small - j * NB);
		if (channels == NB) {
			gemm(rows, p->k / UNIT, a, p->pitch, UNIT, b, out + j * NB, cv->cs_small, 0);
			continue;
		}
		gemm(rows, p->k / UNIT, a, p->pitch, UNIT, b, c, NB, 0);
		for (int i = 0; i < rows; i++)
			store_row(out + (size_t)i * (size_t)cv->cs_small + j * NB, c + (size_t)i * NB, channels);
	}
}

ALWAYS void forward_wino(int m, const struct conv_pass *p, int task, int worker)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	const int points = (m + 1) * (m + 1);
	int first = task * p->a_task, count = min_int(p->a_task, p->units - first), rows = count * p->rows, tall = ceil_div(g->p, m);
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big, a_point = (size_t)rows * (size_t)p->pitch, c_point = (size_t)rows * NB;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)points * a_point);
	for (int i = 0; i < rows; i++) {
		int n = (first + i / p->rows) / tall, ty = (first + i / p->rows) % tall, tx = i % p->rows;
		for (int phase = 0; phase < 4; phase++) {
			const float *src[WINO_MOST * WINO_MOST];
			panel *to = a + (size_t)i * (size_t)p->pitch + (size_t)(phase * cv->cs_big);
			tile_pixels(m, cv, p->in + (size_t)n * image, phase, ty, tx, src);
			for (int ch = 0; ch < cv->cs_big; ch += VW) {
				vf v[WINO_MOST * WINO_MOST];
				data_vectors(m, v, src, ch);
				UNROLL
				for (int t = 0; t < points; t++)
					panel_store(to + (size_t)t * a_point + ch, v[t]);
			}
		}
	}
	for (int j = 0; j * NB < cv->cs_small; j++) {
		for (int t = 0; t < points; t++)
			gemm(rows, p->k / UNIT, a + (size_t)t * a_point, p->pitch, UNIT,
				p->packed + ((size_t)j * (size_t)points + (size_t)t) * (size_t)p->k * NB, c + (size_t)t * c_point, NB, 0);
		for (int i = 0; i < rows; i++) {
			int n = (first + i / p->rows) / tall, ty = (first + i / p->rows) % tall, tx = i % p->rows;
			for (int v = 0; v < NB && j * NB + v < cv->cs_small; v += VW) {
				vf in[WINO_MOST * WINO_MOST], y[WINO_MOST * WINO_MOST];
				UNROLL
				for (int t = 0; t < points; t++)
					in[t] = vload(c + (size_t)t * c_point + (size_t)i * NB + v);
				wino_out_2d(m, y, in);
				UNROLL
				for (int k = 0; k < m * m; k++) {
					int py = m * ty + k / m, px = m * tx + k % m;
					if (py < g->p && px < g->q)
						vstore(p->out + (((size_t)n * (size_t)g->p + (size_t)py) * (size_t)g->q + (size_t)px) * (size_t)cv->cs_small + j * NB + v, y[k]);
				}
			}
		}
	}
}

static void forward_wino2_task(void *ctx, int task, int worker) { forward_wino(2, ctx, task, worker); }
static void forward_wino4_task(void *ctx, int task, int worker) { forward_wino(4, ctx, task, worker); }

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct conv_pass p = forward_plan(cv);
	p.be = be;
	p.in = big->data;
	p.out = small->data;
	p.packed = packed_forward(be, cv);
	dcg_table_run(be, cv->forward == FORM_WINO4 ? forward_wino4_task : cv->forward == FORM_WINO2 ? forward_wino2_task : forward_direct_task,
		&p, ceil_div(p.units, p.a_task));
}

/* ---- Backward-data -------------------------------------------------------------------- */

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
