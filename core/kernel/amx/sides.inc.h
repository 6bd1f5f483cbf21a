/* What products are computed from, as tiles of bf16: activations in blocks of 32 images, and
 * weights in panels of 32 columns. A step is the 2 KB of both that 2x2 products need:
 *
 *   ROWS     32 images x 32 channels of one pixel: two tiles of [16 images][32 channels]
 *   PAIRS    two tiles of 16 channels: [16 pairs of images][16 channels][2]
 *   COLUMNS  the same two tiles with rows of 32 images: [16 channels][32 images]
 *
 * Without images up to 32: nobody reads what would be theirs. */
enum { STEP = 2 * TILE, WIDE = 32 /* images a block, channels a step, columns a panel */, HALF = 16 };
enum { GATHERED_MOST = 256 /* taps of a pixel with few channels, side by side as its channels */ };

#if defined DCG_SIDES_PLAIN
typedef struct {
	value v[WIDE];
} line;
static line line_zero(void) { return (line){ 0 }; }
static line line_merge(line l, const value *from, int first, int end)
{
	memcpy(l.v + first, from, (size_t)(end - first) * sizeof *from);
	return l;
}
static void line_store(value *to, line l) { memcpy(to, &l, sizeof l); }
static void line_pairs(value *to, size_t step, line l0, line l1)
{
	for (int i = 0; i < WIDE; i++) {
		value *pair = to + (size_t)(i / HALF) * step + i % HALF * 2;
		pair[0] = l0.v[i], pair[1] = l1.v[i];
	}
}
static void values_store(value *to, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = value_of(from[i]);
}
static void values_stream(value *to, const float *from) { values_store(to, from, WIDE); }
static void streamed(void) { }
static void put_row(value *to, const float *v)
{
	values_store(to, v, HALF);
}
static void put_pairs(value *to, const float *v0, const float *v1)
{
	for (int i = 0; i < HALF; i++)
		to[2 * i] = value_of(v0[i]), to[2 * i + 1] = value_of(v1[i]);
}
#else
typedef __m512i line;
static line line_zero(void) { return _mm512_setzero_si512(); }
static line line_merge(line l, const value *from, int first, int end)
{
	return _mm512_mask_loadu_epi16(l, (__mmask32)(((uint64_t)1 << end) - ((uint64_t)1 << first)), from - first);
}
static void line_store(value *to, line l) { _mm512_storeu_si512(to, l); }
static void line_pairs(value *to, size_t step, line l0, line l1)
{
	panel_weave(to, _mm512_shuffle_i64x2(l0, l1, 0x44));
	panel_weave(to + step, _mm512_shuffle_i64x2(l0, l1, 0xee));
}
static void values_stream(value *to, const float *from)
{
	_mm512_stream_si512((void *)to, (__m512i)_mm512_cvtne2ps_pbh(vload(from + HALF), vload(from)));
}
static void streamed(void) { _mm_sfence(); }
static void put_row(value *to, const float *v) { value_store(to, vload(v)); }
static void put_pairs(value *to, const float *v0, const float *v1) { panel_store_rows(to, vload(v0), vload(v1)); }
#endif

static int ceil_div(int n, int by) { return (n + by - 1) / by; }
static int min_int(int a, int b) { return a < b ? a : b; }
static int max_int(int a, int b) { return a > b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* 16x16 units of 4 bytes: four rounds, each of which exchanges what differs in one bit. */
static void transpose(char *tile)
{
	typedef uint32_t row __attribute__((vector_size(TILE_ROW)));
	row r[TILE_ROWS];
	memcpy(r, tile, TILE);
	_Pragma("GCC unroll 4")
	for (uint32_t bit = 8; bit; bit >>= 1) {
		row low, high; /* from rows without and with that bit */
		for (uint32_t i = 0; i < TILE_ROWS; i++) {
			low[i] = i & bit ? TILE_ROWS + (i ^ bit) : i;
			high[i] = i & bit ? TILE_ROWS + i : i | bit;
		}
		_Pragma("GCC unroll 16")
		for (uint32_t i = 0; i < TILE_ROWS; i++)
			if (!(i & bit)) {
				row a = r[i], b = r[i | bit];
				r[i] = __builtin_shuffle(a, b, low);
				r[i | bit] = __builtin_shuffle(a, b, high);
			}
	}
	memcpy(tile, r, TILE);
}

/* The floats from c of `from`, which has `count`, with zeros up to 16. */
static const float *sixteen_floats(const float *from, int c, int count, float *room)
{
	if (from && c + HALF <= count)
		return from + c;
	memset(room, 0, HALF * sizeof *room);
	if (from && c < count)
		memcpy(room, from + c, (size_t)(count - c) * sizeof *room);
	return room;
}

enum layout { ROWS, PAIRS, COLUMNS };

struct side {
	struct dcg_backend *be;
	const struct dcg_tensor *from;
	const struct dcg_conv_geometry *gather; /* each small pixel's taps; NULL: pixels as they are */
	int h, w, channels, parts;              /* parts of 32 channels */
	size_t stage;                           /* values that gathering needs for one picture, where accumulators rest */
	size_t part_bytes, pixel_bytes, block_bytes;
	char *at;                               /* block `first` */
	int first;
};

static int is_gathered(const struct dcg_conv *cv)
{
	return cv->cs_big == cv->g.c && cv->cs_big < HALF && cv->taps * cv->cs_big <= GATHERED_MOST;
}

/* The convolution that is computed: over gathered taps it has just one. */
static struct dcg_conv_geometry computed(const struct dcg_conv *cv, int gathered)
{
	const struct dcg_conv_geometry *g = &cv->g;
	if (!gathered)
		return *g;
	return (struct dcg_conv_geometry){ cv->taps * g->c, g->p, g->q, g->k, g->p, g->q, 1, 1, 1, 0 };
}

/* Room for the rows of a picture that a row of gathered pixels needs, in values. */
static size_t stage_of(const struct dcg_conv *cv)
{
	return is_gathered(cv) ? (size_t)cv->g.r * (size_t)cv->g.w * (size_t)cv->cs_big : 0;
}

static struct side side_of(const struct dcg_conv *cv, int big, int gathered, enum layout layout)
{
	const struct dcg_conv_geometry g = computed(cv, gathered);
	struct side s = { .gather = big && gathered ? &cv->g : NULL };
	s.h = big ? g.h : g.p;
	s.w = big ? g.w : g.q;
	s.channels = !big ? cv->cs_small : gathered ? g.c : cv->cs_big;
	s.parts = ceil_div(s.channels, WIDE);
	s.stage = stage_of(cv);
	size_t pixels = (size_t)s.h * (size_t)s.w;
	s.part_bytes = layout == ROWS ? STEP : pixels * STEP;
	s.pixel_bytes = layout == ROWS ? (size_t)s.parts * STEP : STEP;
	s.block_bytes = pixels * (size_t)s.parts * STEP;
	return s;
}

/* Values c to c + 31 of the taps of pixel (y, x), zeros outside the picture. */
static inline line gathered_line(const struct dcg_conv_geometry *g, int cs, const struct rows *rows, int y, int x, int c)
{
	const int across = g->s * cs, w0 = x * g->stride - g->pad, h0 = y * g->stride - g->pad;
	const int inside = max_int(-w0, 0) * cs, outside = min_int(g->s, g->w - w0) * cs; /* of a row of taps */
	line l = line_zero();
	int at = -c; /* where row r of taps begins in the line */
	for (int r = 0; r < g->r && at < WIDE; r++, at += across) {
		const int h = h0 + r, first = max_int(at + inside, 0), end = min_int(at + outside, WIDE);
		if (first < end && h >= 0 && h < g->h)
			l = line_merge(l, rows->at + ((ptrdiff_t)(h - rows->first) * g->w + w0) * cs + (first - at), first, end);
	}
	return l;
}

/* What a side's values are before they are laid out; the rest is `pending.act`. */
enum source { AS_IS, GATHERED, ACTIVATED, NORMALISED };

/* Channels c to c + n - 1 of a pixel, zeros beyond. n, source and act are constants for whole lines. */
static inline __attribute__((always_inline)) line pixel_line(const struct side *s, const value *pixel, int c, int n, enum source source, enum dcg_activation act)
{
	const struct dcg_pending *p = &s->from->pending;
	if (source == AS_IS)
		return line_merge(line_zero(), pixel + c, 0, n);
	struct dcg_pending here = { .mean = NULL };
	if (source == NORMALISED)
		here = (struct dcg_pending){ .mean = p->mean + c, .scale = p->scale + c, .bias = p->bias + c };
#if !defined DCG_SIDES_PLAIN
	if (n == WIDE)
		return (line)_mm512_cvtne2ps_pbh(pending_vector(&here, pixel + c + HALF, HALF, act, source == NORMALISED), pending_vector(&here, pixel + c, 0, act, source == NORMALISED));
#endif
	value done[WIDE];
	activate_pixels(&here, pixel + c, done, 1, (size_t)n, act);
	return line_merge(line_zero(), done, 0, n);
}

/* Values c to c + 31 of pixel (y, x) of an image; fetches those of the image `ahead` values further on. */
static inline __attribute__((always_inline)) line line_at(const struct side *s, const struct rows *rows, int y, int x, int c, size_t ahead, enum source source, enum dcg_activation act)
{
	const value *pixel = rows->at + (size_t)x * (size_t)s->from->cs;
	const int n = min_int(s->channels - c, WIDE);
	if (source == GATHERED)
		return gathered_line(s->gather, s->from->cs, rows, y, x, c);
	if (n < WIDE)
		return pixel_line(s, pixel, c, n, source, act);
	__builtin_prefetch(pixel + ahead + c);
	return pixel_line(s, pixel, c, WIDE, source, act);
}

/* A row of one image (ROWS), or of two, side by side: without a second there are zeros. */
static inline __attribute__((always_inline)) void image_rows(const struct side *s, enum layout layout, const struct rows *rows, const struct rows *second, int y, char *row, enum source source, enum dcg_activation act)
{
	const size_t ahead = (layout == ROWS ? 1 : 2) * (size_t)s->from->s.h * (size_t)s->from->s.w * (size_t)s->from->cs;
	for (int x = 0; x < s->w; x++, row += s->pixel_bytes)
		for (int part = 0; part < s->parts; part++) {
			value *to = (value *)(void *)(row + (size_t)part * s->part_bytes);
			const line l = line_at(s, rows, y, x, part * WIDE, ahead, source, act);
			if (layout == ROWS)
				line_store(to, l);
			else
				line_pairs(to, TILE / sizeof *to, l, second ? line_at(s, second, y, x, part * WIDE, ahead, source, act) : line_zero());
		}
}

/* Row y of a block of images. */
static inline __attribute__((always_inline)) void convert(const struct side *s, enum layout layout, int block, int y, char *row, int worker)
{
	const struct dcg_conv_geometry *g = s->gather;
	const int first = block * WIDE, images = min_int(WIDE, s->from->s.n - first);
	const enum source source = g ? GATHERED : !s->from->pending.on ? AS_IS : s->from->pending.mean ? NORMALISED : ACTIVATED;
	const enum dcg_activation act = s->from->pending.act;
	for (int n = 0; n < images; n += layout == ROWS ? 1 : 2) {
		const int both = layout != ROWS && n + 1 < images;
		struct rows rows[2] = { { NULL, 0 }, { NULL, 0 } };
		for (int i = 0; i <= both; i++)
			if (g)
				rows[i] = rows_of_picture(s->from, first + n + i, y * g->stride - g->pad, y * g->stride - g->pad + g->r, (value *)(void *)((struct simd_backend *)s->be)->scratch[worker] + (size_t)i * s->stage);
			else
				rows[i] = (struct rows){ (const value *)s->from->data + (size_t)((first + n + i) * s->h + y) * (size_t)s->w * (size_t)s->from->cs, y };
		char *to = row + (layout == ROWS ? n : n / 2) * TILE_ROW;
		const struct rows *second = both ? &rows[1] : NULL;
		if (source == AS_IS)
			image_rows(s, layout, rows, second, y, to, AS_IS, DCG_LINEAR);
		else if (source == GATHERED)
			image_rows(s, layout, rows, second, y, to, GATHERED, DCG_LINEAR);
		else if (source == NORMALISED && act == DCG_LEAKY_RELU)
			image_rows(s, layout, rows, second, y, to, NORMALISED, DCG_LEAKY_RELU);
		else if (source == NORMALISED && act == DCG_RELU)
			image_rows(s, layout, rows, second, y, to, NORMALISED, DCG_RELU);
		else if (source == NORMALISED)
			image_rows(s, layout, rows, second, y, to, NORMALISED, act);
		else
			image_rows(s, layout, rows, second, y, to, ACTIVATED, act);
	}
	for (int x = 0; layout == COLUMNS && x < s->w; x++)
		for (int half = 0; half < 2 * s->parts; half++)
			transpose(row + (size_t)x * s->pixel_bytes + (size_t)(half / 2) * s->part_bytes + (size_t)(half % 2 * TILE));
}

/* Weights: [panel][tap][step], a step two tiles of [16 pairs of the inner dimension][16 columns][2].
 * Forward the inner dimension is C and columns are K, backward the other way round. */
struct weights {
	struct dcg_conv_geometry g; /* as computed */
	const float *w;             /* [taps][C][K] */
	int backward, taps, steps, panels;
	char *at;
};

static struct weights weights_of(const struct dcg_conv *cv, int backward)
{
	struct weights p = { .g = computed(cv, !backward && is_gathered(cv)), .w = cv->weights->part[DCG_VALUE], .backward = backward };
	p.taps = p.g.r * p.g.s;
	p.steps = ceil_div(backward ? p.g.k : p.g.c, WIDE);
	p.panels = ceil_div(backward ? p.g.c : p.g.k, WIDE);
	return p;
}

static size_t panel_bytes(const struct weights *p)
{
	return (size_t)p->taps * (size_t)p->steps * STEP;
}

static void pack_task(void *ctx, int task, int worker)
{
	const struct weights *p = ctx;
	int c_count = p->g.c, k_count = p->g.k, column0 = task / p->taps * WIDE, tap = task % p->taps;
	const float *w = p->w + (size_t)tap * (size_t)c_count * (size_t)k_count;
	char *to = p->at + (size_t)task * (size_t)p->steps * STEP;
	float room[2][HALF];
	(void)worker;
	for (int t = 0; t < 2 * p->steps; t++, to += TILE) { /* tiles */
		int inner = t / 2 * WIDE, column = column0 + t % 2 * HALF;
		for (int i = 0; i < TILE_ROWS; i++) {
			value *row = (value *)(void *)(to + i * TILE_ROW);
			int c = p->backward ? column + i : inner + 2 * i, k = p->backward ? inner : column;
			const float *w0 = c < c_count ? w + (size_t)c * (size_t)k_count : NULL, *w1 = c + 1 < c_count ? w + (size_t)(c + 1) * (size_t)k_count : NULL;
			if (p->backward)
				put_row(row, sixteen_floats(w0, k, k_count, room[0])), put_row(row + HALF, sixteen_floats(w0, k + HALF, k_count, room[0]));
			else
				put_pairs(row, sixteen_floats(w0, k, k_count, room[0]), sixteen_floats(w1, k, k_count, room[1]));
		}
		if (p->backward)
			transpose(to);
	}
}
