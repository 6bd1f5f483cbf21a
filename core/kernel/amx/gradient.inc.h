/* The gradient of the weights: for a tap, [channels of the big side] x [those of the small]
 * summed over pixels and images, 32 images of a pixel a step. A result of 32x32 lies in the
 * gradient as it is, so products are loaded from there and stored there.
 *
 * A unit is 32 small channels and one row of taps. For 16 pixels its small side, 32 KB,
 * stays in the first cache while every tap of the row and every 32 big channels use it; the
 * big side is streamed: the same 32 bytes a cycle from the second cache as in the other
 * passes, and 8 for the gradient, of which a task holds 512 KB at most.
 *
 * Gradients of that size or less are summed by pieces: bands of small rows, whose sides a task lays out in its
 * own memory and multiplies at once, into a gradient of the piece. The pieces follow from the shape, and are added in
 * order. Larger ones are cut into tasks by units, and both sides laid out before for all: which units a task
 * takes does not matter to any sum, they all go by images, then pixels, in order. */
enum {
	UNITS_BYTES = 512 << 10,
	PIECES = 32, PIECES_BYTES = 8 << 20, /* as many where there are so many small rows, and of their gradients */
	SHARED_BYTES = 8 << 20, /* activations at a time, at least one block of images */
};

struct gradient {
	struct dcg_conv_geometry g; /* as computed */
	struct side big, small;
	float *grad;
	size_t weights;             /* in it */
	int accumulate;
	int blocks, units;
	int chunk, count, task_units;   /* blocks at most at a time, at present; all at once */
	int pieces, band, bands;        /* 0: all at once; small rows at a time, and how often in a block */
	int slots;                      /* rows of the big side that those need */
	size_t resting, big_bytes;      /* of a worker's memory, before the big side; of that */
	float *partial;                 /* [pieces][weights] */
};

static void big_rows(const struct gradient *d, int p0, int p1, int *first, int *end)
{
	*first = max_int(p0 * d->g.stride - d->g.pad, 0);
	*end = min_int((p1 - 1) * d->g.stride - d->g.pad + d->g.r, d->g.h);
}

static struct gradient gradient_of(const struct dcg_conv *cv, int threads)
{
	int gathered = is_gathered(cv);
	struct gradient d = { .g = computed(cv, gathered), .big = side_of(cv, 1, gathered, COLUMNS), .small = side_of(cv, 0, gathered, PAIRS) };
	const struct dcg_conv_geometry *g = &d.g;
	d.weights = (size_t)(g->r * g->s) * (size_t)g->c * (size_t)g->k;
	d.blocks = ceil_div(cv->batch, WIDE);
	d.units = d.small.parts * g->r;
	d.resting = resting_bytes(cv);
	if (d.weights * sizeof *d.grad > UNITS_BYTES) {
		size_t unit = (size_t)g->s * (size_t)g->c * WIDE * sizeof *d.grad;
		d.chunk = max_int(1, min_int(d.blocks, (int)(SHARED_BYTES / (d.big.block_bytes + d.small.block_bytes))));
		d.task_units = max_int(1, min_int(ceil_div(d.units, 2 * threads), (int)(UNITS_BYTES / unit)));
		return d;
	}
	const size_t big_row = d.big.block_bytes / (size_t)g->h, small_row = d.small.block_bytes / (size_t)g->p;
	size_t each = (size_t)g->stride * big_row + small_row, always = (size_t)max_int(g->r - g->stride, 0) * big_row;
	d.band = always + each < BAND_BYTES ? (int)((BAND_BYTES - always) / each) : 1;
	d.band = min_int(d.band, max_int(1, (int)((long long)d.blocks * g->p / PIECES)));
	d.bands = ceil_div(g->p, d.band);
	for (int i = 0; i < d.bands; i++) {
		int first, end;
		big_rows(&d, i * d.band, min_int((i + 1) * d.band, g->p), &first, &end);
		d.slots = max_int(d.slots, end - first);
	}
	d.slots = max_int(d.slots, 1);
	d.big_bytes = (size_t)d.slots * big_row;
	d.big.part_bytes = (size_t)(d.slots * g->w) * STEP;
	d.small.part_bytes = (size_t)(d.band * g->q) * STEP;
	d.pieces = min_int(d.blocks * d.bands, min_int(PIECES, (int)(PIECES_BYTES / (d.weights * sizeof *d.grad))));
	return d;
}

static size_t gradient_shared(const struct dcg_conv *cv)
{
	const struct gradient d = gradient_of(cv, 1);
	return d.pieces ? (size_t)d.pieces * d.weights * sizeof *d.grad : (size_t)d.chunk * (d.big.block_bytes + d.small.block_bytes);
}

static size_t gradient_scratch(const struct dcg_conv *cv)
{
	const struct gradient d = gradient_of(cv, 1);
	return d.pieces ? d.resting + d.big_bytes + (size_t)d.band * (d.small.block_bytes / (size_t)d.g.p) : 0;
}

/* A block's sides: row h of the big one is in slot h % slots, the small one begins with pixel `first`. */
struct sides {
	const char *big, *small;
	int slots, first;
	int pairs; /* of images */
};

/* Of small pixels from `first` on, those whose tap (r, s) lies inside the big side. */
static int pixel_runs(const struct gradient *d, const struct sides *at, struct run *runs, int part, int first, int end, int r, int s)
{
	const struct dcg_conv_geometry *g = &d->g;
	const char *small = at->small + (size_t)part * d->small.part_bytes - (size_t)at->first * STEP;
	int count = 0;
	for (int p = first / g->q, i = first; i < end; p++) {
		const int h = p * g->stride - g->pad + r, after = min_int((p + 1) * g->q, end);
		if (h < 0 || h >= g->h) {
			i = after;
			continue;
		}
		const char *big = at->big + (size_t)(h % at->slots * g->w) * STEP;
		for (int w = (i - p * g->q) * g->stride - g->pad + s; i < after; i++, w += g->stride)
			if (w >= 0 && w < g->w)
				runs[count++] = (struct run){ big + (size_t)w * STEP, small + (size_t)i * STEP, 1 };
	}
	return count;
}

/* At most CHUNK pixels of a block of images for one unit, added to grad; fresh: in place of what is there. */
static void unit_products(const struct gradient *d, const struct sides *at, int first, int end, int unit, float *grad, int fresh)
{
	const struct dcg_conv_geometry *g = &d->g;
	int part = unit / g->r, r = unit % g->r, columns = min_int(WIDE, g->k - part * WIDE), set = 0;
	for (int s = 0; s < g->s; s++) {
		struct run runs[CHUNK];
		int count = pixel_runs(d, at, runs, part, first, end, r, s);
		for (int c = 0; c < g->c && (count || fresh); c += WIDE) {
			int rows = min_int(WIDE, g->c - c);
			float *to = grad + ((size_t)(r * g->s + s) * (size_t)g->c + (size_t)c) * (size_t)g->k + part * WIDE;
			if (rows != set)
				set_shapes(rows, columns, at->pairs);
			set = rows;
			product(rows, columns, runs, count, fresh ? NULL : to, (size_t)g->k, to, (size_t)g->k);
			for (int i = 0; i < count; i++)
				runs[i].a += d->big.part_bytes;
		}
	}
}

static int pairs_of(const struct gradient *d, int block)
{
	return ceil_div(min_int(WIDE, d->small.from->s.n - block * WIDE), 2);
}

/* --- All at once ------------------------------------------------------------------------ */

static char *row_of(const struct side *s, int task, int *y)
{
	*y = task % s->h;
	return s->at + (size_t)(task / s->h) * s->block_bytes + (size_t)(*y * s->w) * s->pixel_bytes;
}

static void pairs_task(void *ctx, int task, int worker)
{
	const struct side *s = ctx;
	int y;
	char *row = row_of(s, task, &y);
	convert(s, PAIRS, s->first + task / s->h, y, row, worker);
}

static void columns_task(void *ctx, int task, int worker)
{
	const struct side *s = ctx;
	int y;
	char *row = row_of(s, task, &y);
	convert(s, COLUMNS, s->first + task / s->h, y, row, worker);
}

static void units_task(void *ctx, int task, int worker)
{
	const struct gradient *d = ctx;
	const int end = min_int((task + 1) * d->task_units, d->units), pixels = d->g.p * d->g.q;
	(void)worker;
	for (int block = 0; block < d->count; block++) {
		const struct sides at = { .big = d->big.at + (size_t)block * d->big.block_bytes, .small = d->small.at + (size_t)block * d->small.block_bytes,
			.slots = d->g.h, .pairs = pairs_of(d, d->small.first + block) };
		for (int first = 0; first < pixels; first += CHUNK)
			for (int unit = task * d->task_units; unit < end; unit++)
				unit_products(d, &at, first, min_int(first + CHUNK, pixels), unit, d->grad, !d->accumulate && d->small.first + block == 0 && first == 0);
	}
	tile_release();
}

static void gradient_at_once(struct dcg_backend *be, struct gradient *d)
{
	d->big.at = ((struct simd_backend *)be)->shared;
	d->small.at = d->big.at + (size_t)d->chunk * d->big.block_bytes;
	for (int first = 0; first < d->blocks; first += d->count) {
		d->count = min_int(d->chunk, d->blocks - first);
		d->big.first = d->small.first = first;
		dcg_table_run(be, columns_task, &d->big, d->count * d->big.h);
		dcg_table_run(be, pairs_task, &d->small, d->count * d->small.h);
		dcg_table_run(be, units_task, d, ceil_div(d->units, d->task_units));
	}
}

/* --- By pieces ---------------------------------------------------------------------------- */

static void piece_task(void *ctx, int piece, int worker)
{
	const struct gradient *d = ctx;
	char *big = ((struct simd_backend *)d->big.be)->scratch[worker] + d->resting, *small = big + d->big_bytes;
	const long long all = (long long)d->blocks * d->bands;
	const int begin = (int)(all * piece / d->pieces), end = (int)(all * (piece + 1) / d->pieces);
	int done = 0; /* rows of the big side before this one are there, or no longer needed */
	for (int i = begin; i < end; i++) {
		const int block = i / d->bands, p0 = i % d->bands * d->band, p1 = min_int(p0 + d->band, d->g.p);
		const struct sides at = { .big = big, .small = small, .slots = d->slots, .first = p0 * d->g.q, .pairs = pairs_of(d, block) };
		int first, after;
		if (p0 == 0)
			done = 0;
		big_rows(d, p0, p1, &first, &after);
		for (int y = max_int(first, done); y < after; y++)
			convert(&d->big, COLUMNS, block, y, big + (size_t)(y % d->slots * d->g.w) * STEP, worker);
		done = max_int(done, after);
		for (int y = p0; y < p1; y++)
			convert(&d->small, PAIRS, block, y, small + (size_t)((y - p0) * d->g.q) * STEP, worker);
		for (int pixel = p0 * d->g.q; pixel < p1 * d->g.q; pixel += CHUNK)
			for (int unit = 0; unit < d->units; unit++)
				unit_products(d, &at, pixel, min_int(pixel + CHUNK, p1 * d->g.q), unit, d->partial + (size_t)piece * d->weights, i == begin && pixel == p0 * d->g.q);
	}
	tile_release();
}

enum { ADDED = 4096 }; /* weights a task */

static void add_task(void *ctx, int task, int worker)
{
	const struct gradient *d = ctx;
	const size_t first = (size_t)task * ADDED, end = first + ADDED < d->weights ? first + ADDED : d->weights;
	(void)worker;
	if (!d->accumulate)
		memset(d->grad + first, 0, (end - first) * sizeof *d->grad);
	for (int piece = 0; piece < d->pieces; piece++) {
		const float *from = d->partial + (size_t)piece * d->weights;
		for (size_t i = first; i < end; i++)
			d->grad[i] += from[i];
	}
}

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct gradient d = gradient_of(cv, dcg_pool_threads(be->pool));
	d.big.be = d.small.be = be;
	d.big.from = big;
	d.small.from = small;
	d.grad = cv->weights->part[DCG_GRAD];
	d.accumulate = accumulate;
	if (!d.pieces) {
		gradient_at_once(be, &d);
		return;
	}
	d.partial = (float *)(void *)((struct simd_backend *)be)->shared;
	dcg_table_run(be, piece_task, &d, d.pieces);
	dcg_table_run(be, add_task, &d, (int)((d.weights + ADDED - 1) / ADDED));
}
