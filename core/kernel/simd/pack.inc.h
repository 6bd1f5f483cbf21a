/* Weights to panels [point][k unit][NB][UNIT]: columns of panel j, k from k0 to k1 (multiples
 * of UNIT), for the products of one chunk. */

enum { PACK_AHEAD = 4 }; /* rows of weights */

/* VW lanes of k's row of weights; beyond count zeros. */
static vf weights_load(const float *w, int count)
{
	float tail[VW] = { 0 };
	if (count >= VW)
		return vload(w);
	memcpy(tail, w, (size_t)count * sizeof *tail);
	return vload(tail);
}

/* t[VW][NB] = the transpose of NB rows' VW elements from k on, of which count are there; a
 * row may be NULL: zeros. */
static void transpose_columns(const float *const *rows, int k, int count, float *t)
{
	for (int n = 0; n < NB; n += VW) {
		vf v[VW];
		for (int i = 0; i < VW; i++) {
			v[i] = rows[n + i] ? weights_load(rows[n + i] + k, count) : vzero();
			if (rows[n + i])
				_mm_prefetch((const char *)(rows[n + i] + k + VW), _MM_HINT_T0); /* for the next call */
		}
		vtranspose(v);
		for (int i = 0; i < VW; i++)
			vstore(t + i * NB + n, v[i]);
	}
}

/* ---- Forward: columns k of the small side ---------------------------------------------- */

/* Inner: (tap, c). */
static void pack_forward_direct(const struct pass *p, int j, int k0, int k1, panel *b)
{
	const struct dcg_conv *cv = p->cv;
	int tap = k0 / cv->cs_big, c = k0 % cv->cs_big, count = cv->g.k - j * NB;
	for (int k = k0; k < k1; k += UNIT, b += NB * UNIT) {
		vf row[2][2];
		for (int i = 0; i < UNIT; i++) {
			const float *w = tap < cv->taps && c < cv->g.c ? p->w + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k + j * NB : NULL;
			for (int v = 0; v < 2; v++)
				row[v][i] = w && count > v * VW ? weights_load(w + v * VW, count - v * VW) : vzero();
			if (++c == cv->cs_big)
				c = 0, tap++;
		}
		for (int v = 0; v < 2; v++)
			panel_store_rows(b + v * VW * UNIT, row[v][0], row[v][UNIT - 1]);
	}
}

/* A unit of VW columns' transformed weights to the points of a phase of tall x wide taps. */
ALWAYS void put_points(const struct wino f, int tall, int wide, panel *b, size_t point, const vf (*u)[WINO_MOST * WINO_MOST])
{
	UNROLL
	for (int t = 0; t < of_points(f, tall) * of_points(f, wide); t++) {
		int at = t / of_points(f, wide) * wino_side(f) + t % of_points(f, wide);
		panel_store_rows(b + (size_t)at * point, u[0][t], u[UNIT - 1][t]);
	}
}

/* Channels c to end of one phase; b: their first. */
ALWAYS void pack_forward_phase(const struct wino f, int tall, int wide, const struct pass *p, int phase, int j, int c, int end, panel *b, size_t point)
{
	const struct dcg_conv *cv = p->cv;
	const size_t row = (size_t)cv->g.k;
	const float *w[9];
	for (int t = 0; t < tall * wide; t++)
		w[t] = p->w + (size_t)wino_tap(f, phase, t / wide, t % wide) * (size_t)cv->g.c * row;
	for (; c < end; c += UNIT, b += NB * UNIT)
		for (int v = 0; v < 2; v++) {
			vf u[2][WINO_MOST * WINO_MOST], taps[9];
			int column = j * NB + v * VW, count = cv->g.k - column;
			UNROLL
			for (int i = 0; i < UNIT; i++) {
				size_t at = (size_t)(c + i) * row + (size_t)column;
				int there = c + i < cv->g.c ? count : 0;
				UNROLL
				for (int t = 0; t < tall * wide; t++) {
					taps[t] = there >= VW ? vload(w[t] + at) : there > 0 ? weights_load(w[t] + at, there) : vzero();
					_mm_prefetch((const char *)(w[t] + at + PACK_AHEAD * row), _MM_HINT_T0); /* rows are too far apart for the processor to guess */
				}
				wino_weights_2d(f, tall, wide, u[i], taps);
			}
			put_points(f, tall, wide, b + v * VW * UNIT, point, (const vf (*)[WINO_MOST * WINO_MOST])u);
		}
}

/* Inner: (phase, c). */
ALWAYS void pack_forward_wino(const struct wino f, const struct pass *p, int j, int k0, int k1, panel *b)
{
	int cs = p->cv->cs_big; /* a multiple of UNIT */
	size_t point = b_point(k1 - k0);
	for (int k = k0, n; k < k1; k += n, b += (size_t)n * NB) {
		int phase = wino_phase(f, k / cs), c = k % cs;
		n = min_int(cs - c, k1 - k);
		WINO_BY_TAPS(pack_forward_phase, f, phase, p, phase, j, c, c + n, b, point);
	}
}

/* ---- Backward: columns c of the big side, in the transposed order ---------------------- */

ALWAYS void pack_backward_phase(const struct wino f, int tall, int wide, const struct pass *p, int phase, int c0, int k0, int k1, panel *b)
{
	const struct dcg_conv *cv = p->cv;
	size_t point = b_point(k1 - k0);
	float t[9][VW * NB];
	for (int k = k0; k < k1; k += VW) {
		for (int i = 0; i < tall * wide; i++) {
			const float *rows[NB];
			for (int n = 0; n < NB; n++)
				rows[n] = c0 + n < cv->g.c && k < cv->g.k
					? p->w + ((size_t)wino_tap(f, phase, i / wide, i % wide) * (size_t)cv->g.c + (size_t)(c0 + n)) * (size_t)cv->g.k : NULL;
			transpose_columns(rows, k, cv->g.k - k, t[i]);
		}
		for (int row = 0; row < VW; row += UNIT, b += NB * UNIT)
			for (int v = 0; v < 2; v++) {
				vf u[2][WINO_MOST * WINO_MOST];
				UNROLL
				for (int i = 0; i < UNIT; i++) {
					vf taps[9];
					UNROLL
					for (int tap = 0; tap < tall * wide; tap++)
						taps[tap] = vload(t[tap] + (row + i) * NB + v * VW);
					wino_weights_2d(f, tall, wide, u[i], taps);
				}
				put_points(f, tall, wide, b + v * VW * UNIT, point, (const vf (*)[WINO_MOST * WINO_MOST])u);
			}
	}
}

/* Panel j counts through the phases; inner: k. */
ALWAYS void pack_backward_wino(const struct wino f, const struct pass *p, int j, int k0, int k1, panel *b)
{
	int panels = p->panels / wino_phases(f), phase = j / panels;
	WINO_BY_TAPS(pack_backward_phase, f, phase, p, phase, j % panels * NB, k0, k1, b);
}

/* NB columns, whose rows of weights are given by tap (NULL: no such column), from k on: as
 * many as there are up to end, in whole blocks of VW if cs_small allows. */
static void pack_columns(const struct dcg_conv *cv, const float *const *rows, int k0, int k1, panel *b)
{
	float t[VW * NB];
	for (int k = k0; k < k1; k += VW) {
		int count = min_int(cv->g.k - k, k1 - k);
		if (count > 0)
			transpose_columns(rows, k, count, t);
		else
			memset(t, 0, sizeof t);
		for (int row = 0; row < min_int(VW, k1 - k); row += UNIT, b += NB * UNIT)
			for (int v = 0; v < 2; v++)
				panel_store_rows(b + v * VW * UNIT, vload(t + row * NB + v * VW), vload(t + (row + UNIT - 1) * NB + v * VW));
	}
}

/* Columns (tap, c), cs_big apart; inner: k. For kernels as large as the picture, and thin ones. */
static void pack_backward_taps(const struct pass *p, int j, int k0, int k1, panel *b)
{
	const struct dcg_conv *cv = p->cv;
	const float *rows[NB];
	for (int n = 0; n < NB; n++) {
		int tap = (j * NB + n) / cv->cs_big, c = (j * NB + n) % cv->cs_big;
		rows[n] = tap < cv->taps && c < cv->g.c ? p->w + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k : NULL;
	}
	pack_columns(cv, rows, k0, k1, b);
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

/* Inner: (tap of the phase, k). */
static void pack_backward_direct(const struct pass *p, int j, int k0, int k1, panel *b)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int st = g->stride, across = tap_count(g, p->phase % st, g->s), all = tap_count(g, p->phase / st, g->r) * across;
	for (int k = k0; k < k1;) {
		int i = k / cv->cs_small, inner = k % cv->cs_small, n = min_int(k1 - k, cv->cs_small - inner);
		int tap = i < all ? (first_tap(g, p->phase / st) + i / across * st) * g->s + first_tap(g, p->phase % st) + i % across * st : -1;
		const float *rows[NB];
		for (int c = 0; c < NB; c++)
			rows[c] = tap >= 0 && j * NB + c < g->c ? p->w + ((size_t)tap * (size_t)g->c + (size_t)(j * NB + c)) * (size_t)g->k : NULL;
		if (n % UNIT == 0 && k % UNIT == 0) {
			pack_columns(cv, rows, inner, inner + n, b);
			b += (size_t)n * NB;
			k += n;
			continue;
		}
		/* A tight layout of an odd number of channels: pairs straddle taps. */
		n = 1;
		for (int c = 0; c < NB; c++)
			b[c * UNIT + k % UNIT] = value_of(rows[c] ? rows[c][inner] : 0);
		k++;
		b += k % UNIT ? 0 : NB * UNIT;
	}
}
