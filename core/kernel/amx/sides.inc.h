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

#if defined DCG_TILES_PLAIN
static void values_store(value *to, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = value_of(from[i]);
}
static void put_row(value *to, const float *v)
{
	values_store(to, v, HALF);
}
static void put_pairs(value *to, const float *v0, const float *v1)
{
	for (int i = 0; i < HALF; i++)
		to[2 * i] = value_of(v0[i]), to[2 * i + 1] = value_of(v1[i]);
}
static void copy_pairs(value *to, const value *v0, const value *v1)
{
	for (int i = 0; i < HALF; i++)
		to[2 * i] = v0[i], to[2 * i + 1] = v1[i];
}
#else
static void put_row(value *to, const float *v) { value_store(to, vload(v)); }
static void put_pairs(value *to, const float *v0, const float *v1) { panel_store_rows(to, vload(v0), vload(v1)); }
static void copy_pairs(value *to, const value *v0, const value *v1) { panel_copy_rows(to, v0, v1); }
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

/* The channels from c of `from`, which has `count`, with zeros up to 16; of `size` bytes each. */
static const void *sixteen(const void *from, int c, int count, void *room, size_t size)
{
	const char *at = from ? (const char *)from + (size_t)c * size : NULL;
	if (from && c + HALF <= count)
		return at;
	memset(room, 0, HALF * size);
	if (from && c < count)
		memcpy(room, at, (size_t)(count - c) * size);
	return room;
}

static const float *sixteen_floats(const float *from, int c, int count, float *room)
{
	return sixteen(from, c, count, room, sizeof *room);
}

static const value *sixteen_values(const value *from, int c, int count, value *room)
{
	return sixteen(from, c, count, room, sizeof *room);
}

enum layout { ROWS, PAIRS, COLUMNS };

struct side {
	struct dcg_backend *be;
	const struct dcg_tensor *from;
	const struct dcg_conv_geometry *gather; /* each small pixel's taps; NULL: pixels as they are */
	int h, w, channels, parts;              /* parts of 32 channels */
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

static struct side side_of(const struct dcg_conv *cv, int big, int gathered, enum layout layout)
{
	const struct dcg_conv_geometry g = computed(cv, gathered);
	struct side s = { .gather = big && gathered ? &cv->g : NULL };
	s.h = big ? g.h : g.p;
	s.w = big ? g.w : g.q;
	s.channels = !big ? cv->cs_small : gathered ? g.c : cv->cs_big;
	s.parts = ceil_div(s.channels, WIDE);
	size_t pixels = (size_t)s.h * (size_t)s.w;
	s.part_bytes = layout == ROWS ? STEP : pixels * STEP;
	s.pixel_bytes = layout == ROWS ? (size_t)s.parts * STEP : STEP;
	s.block_bytes = pixels * (size_t)s.parts * STEP;
	return s;
}

/* The rows of picture n that the pixels' row y needs. */
static struct rows rows_of(const struct side *s, int n, int y, value *stage)
{
	const struct dcg_conv_geometry *g = s->gather;
	int first = g ? y * g->stride - g->pad : y;
	return rows_of_picture(s->from, n, first, first + (g ? g->r : 1), stage);
}

/* Room for those, in values. */
static size_t stage_of(const struct dcg_conv *cv)
{
	size_t big = (size_t)(is_gathered(cv) ? cv->g.r : 1) * (size_t)cv->g.w * (size_t)cv->cs_big;
	return larger(big, (size_t)cv->g.q * (size_t)cv->cs_small);
}

static const value *values_of(const struct side *s, const struct rows *rows, int y, int x, value *room)
{
	const struct dcg_conv_geometry *g = s->gather;
	const size_t cs = (size_t)s->from->cs, wide = (size_t)s->from->s.w;
	if (!g)
		return rows->at + ((size_t)(y - rows->first) * wide + (size_t)x) * cs;
	value *to = room;
	for (int r = 0; r < g->r; r++)
		for (int i = 0; i < g->s; i++, to += cs) {
			int h = y * g->stride - g->pad + r, w = x * g->stride - g->pad + i;
			if (h < 0 || h >= g->h || w < 0 || w >= g->w)
				memset(to, 0, cs * sizeof *to);
			else
				memcpy(to, rows->at + ((size_t)(h - rows->first) * wide + (size_t)w) * cs, cs * sizeof *to);
		}
	return room;
}

static inline __attribute__((always_inline)) void convert(const struct side *s, enum layout layout, int task, int worker)
{
	int block = task / s->h, y = task % s->h, first = (s->first + block) * WIDE, images = min_int(WIDE, s->from->s.n - first);
	char *row = s->at + (size_t)block * s->block_bytes + (size_t)(y * s->w) * s->pixel_bytes;
	value gathered[2][GATHERED_MOST], room[2][HALF], *stage = (value *)(void *)((struct simd_backend *)s->be)->scratch[worker];
	const size_t half_stage = ((struct simd_backend *)s->be)->scratch_bytes / (2 * sizeof *stage);
	for (int n = 0; n < images; n += layout == ROWS ? 1 : 2) {
		const int both = layout != ROWS && n + 1 < images;
		const struct rows r0 = rows_of(s, first + n, y, stage), r1 = both ? rows_of(s, first + n + 1, y, stage + half_stage) : r0;
		for (int x = 0; x < s->w; x++) {
			const value *v0 = values_of(s, &r0, y, x, gathered[0]), *v1 = both ? values_of(s, &r1, y, x, gathered[1]) : NULL;
			for (int c = 0; c < s->parts * WIDE; c += HALF) {
				char *to = row + (size_t)x * s->pixel_bytes + (size_t)(c / WIDE) * s->part_bytes;
				const value *v = sixteen_values(v0, c, s->channels, room[0]);
				if (layout == ROWS)
					memcpy(to + n * TILE_ROW + c % WIDE * 2, v, HALF * sizeof *v);
				else
					copy_pairs((value *)(void *)(to + c % WIDE / HALF * TILE + n / 2 * TILE_ROW), v, sixteen_values(v1, c, s->channels, room[1]));
			}
		}
	}
	for (int x = 0; layout == COLUMNS && x < s->w; x++)
		for (int half = 0; half < 2 * s->parts; half++)
			transpose(row + (size_t)x * s->pixel_bytes + (size_t)(half / 2) * s->part_bytes + (size_t)(half % 2 * TILE));
}

static void rows_task(void *ctx, int task, int worker) { convert(ctx, ROWS, task, worker); }
static void pairs_task(void *ctx, int task, int worker) { convert(ctx, PAIRS, task, worker); }
static void columns_task(void *ctx, int task, int worker) { convert(ctx, COLUMNS, task, worker); }

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
