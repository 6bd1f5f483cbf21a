/* What the passes of a convolution share: sizes, and A's rows gathered or transformed. */

static int wino_m(enum form f) { return f == FORM_WINO4 ? 4 : 2; }
static int is_wino(enum form f) { return f == FORM_WINO2 || f == FORM_WINO4; }
static int round_up(int n, int to) { return (n + to - 1) / to * to; }
static int ceil_div(int n, int by) { return (n + by - 1) / by; }
static int min_int(int a, int b) { return a < b ? a : b; }
static int max_int(int a, int b) { return a > b ? a : b; }
/* Minimal filtering of a convolution's kernel; m = 0: another form. */
static struct wino wino_of(const struct dcg_conv *cv, enum form form)
{
	return (struct wino){ is_wino(form) ? wino_m(form) : 0, cv->g.r, cv->g.stride };
}
/* Rows of the big side that a row of tiles, or of outputs, needs. */
static int big_rows(const struct dcg_conv *cv, enum form form)
{
	return is_wino(form) ? cv->g.stride * (wino_m(form) - 1) + cv->g.r : cv->g.r;
}
static char *scratch_of(struct dcg_backend *be, int worker) { return ((struct simd_backend *)be)->scratch[worker]; }
static char *shared_of(struct dcg_backend *be) { return ((struct simd_backend *)be)->shared; }

#if defined DCG_AVX512
static __mmask32 line_words(int n)
{
	return (__mmask32)(((uint64_t)1 << n * (int)(sizeof(panel) / 2)) - 1);
}
#endif

/* At most a line in AVX-512, where a call for a few bytes would cost more than they do. */
static inline void line_copy(panel *to, const value *from, int n)
{
#if defined DCG_AVX512
	const __mmask32 words = line_words(n);
	_mm512_mask_storeu_epi16(to, words, _mm512_maskz_loadu_epi16(words, from));
#else
	memcpy(to, from, (size_t)n * sizeof *to);
#endif
}

static inline void line_zero(panel *to, int n)
{
#if defined DCG_AVX512
	_mm512_mask_storeu_epi16(to, line_words(n), _mm512_setzero_si512());
#else
	memset(to, 0, (size_t)n * sizeof *to);
#endif
}

/* n elements of a row of A from k on. */
static void row_copy(panel *row, int k, const value *src, int n)
{
	for (int end = k + n, m; k < end; k += m, src += m) {
		m = AG == 1 ? n : min_int(end - k, LINE - k % LINE);
		line_copy(a_inner(row, k), src, m);
	}
}

static void row_zero(panel *row, int k, int n)
{
	for (int end = k + n, m; k < end; k += m) {
		m = AG == 1 ? n : min_int(end - k, LINE - k % LINE);
		line_zero(a_inner(row, k), m);
	}
}

/* ---- Gathering and transforming rows of A ------------------------------------------- */

/* The taps of one output pixel, [r][s][cs_big]. */
static void gather_taps(const struct dcg_conv *cv, const struct rows *in, int p, int q, panel *row)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int cs = cv->cs_big, w0 = q * g->stride - g->pad, s0 = w0 < 0 ? -w0 : 0, s1 = min_int(g->s, g->w - w0);
	for (int r = 0, k = 0; r < g->r; r++, k += g->s * cs) {
		int h = p * g->stride - g->pad + r;
		if (h < 0 || h >= g->h || s0 >= s1) {
			row_zero(row, k, g->s * cs);
			continue;
		}
		row_zero(row, k, s0 * cs);
		row_copy(row, k + s0 * cs, in->at + ((size_t)(h - in->first) * (size_t)g->w + (size_t)(w0 + s0)) * (size_t)cs, (s1 - s0) * cs);
		row_zero(row, k + s1 * cs, (g->s - s1) * cs);
	}
}

/* The number in its picture of the pixel of the big side that is (i, j) of tile (ty, tx) in a phase; -1 outside. */
ALWAYS int tile_pixel(const struct wino f, const struct dcg_conv *cv, int phase, int ty, int tx, int i, int j)
{
	int h = f.stride * (f.m * ty + i) - cv->g.pad + phase / 2, w = f.stride * (f.m * tx + j) - cv->g.pad + phase % 2;
	return h < 0 || h >= cv->g.h || w < 0 || w >= cv->g.w ? -1 : h * cv->g.w + w;
}

/* Pixels of the big side under tile (ty, tx) in a phase of tall x wide taps; NULL outside. */
ALWAYS void tile_pixels(const struct wino f, int tall, int wide, const struct dcg_conv *cv, const struct rows *in, int phase, int ty, int tx, const value **src)
{
	for (int i = 0; i < of_points(f, tall); i++)
		for (int j = 0; j < of_points(f, wide); j++) {
			int pixel = tile_pixel(f, cv, phase, ty, tx, i, j);
			src[i * of_points(f, wide) + j] = pixel < 0 ? NULL : in->at + (size_t)(pixel - in->first * cv->g.w) * (size_t)cv->cs_big;
		}
}

/* The same of the small side, which has no phases. */
ALWAYS int tile_output(int m, const struct dcg_conv *cv, int ty, int tx, int i, int j)
{
	int y = m * ty + i, x = m * tx + j;
	return y >= cv->g.p || x >= cv->g.q ? -1 : y * cv->g.q + x;
}

/* Pixels of the small side in tile (ty, tx); NULL outside. */
ALWAYS void tile_outputs(int m, const struct dcg_conv *cv, const struct rows *in, int ty, int tx, const value **src)
{
	for (int i = 0; i < m * m; i++) {
		int pixel = tile_output(m, cv, ty, tx, i / m, i % m);
		src[i] = pixel < 0 ? NULL : in->at + (size_t)(pixel - in->first * cv->g.q) * (size_t)cv->cs_small;
	}
}

/* What the next tile's results go to is fetched while this one's are worked out. */
ALWAYS void fetch_targets(int count, value *const *to)
{
	for (int t = 0; t < count; t++)
		for (size_t line = 0; to[t] && line < NB * sizeof(value); line += 64)
			__builtin_prefetch((const char *)to[t] + line, 1);
}

ALWAYS void data_vectors(const struct wino f, int tall, int wide, vf *v, const value *const *src, int c)
{
	vf d[WINO_MOST * WINO_MOST];
	UNROLL
	for (int i = 0; i < of_points(f, tall) * of_points(f, wide); i++)
		d[i] = src[i] ? value_load(src[i] + c) : vzero();
	wino_data_2d(f, tall, wide, v, d);
}

ALWAYS void output_vectors(const struct wino f, vf *z, const value *const *src, int k)
{
	vf y[WINO_MOST * WINO_MOST];
	UNROLL
	for (int i = 0; i < f.m * f.m; i++)
		y[i] = src[i] ? value_load(src[i] + k) : vzero();
	wino_out_adjoint_2d(f, wino_most(f), wino_most(f), z, y);
}
