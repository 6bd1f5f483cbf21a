/* Products of tiles, and the two passes that are sums over taps: forward and backward-data.
 *
 * The direct form: an output pixel of 32 images is the sum, over the taps that fall inside the
 * picture, of [32 images x channels] . [channels x 32 columns]. A step of 32 channels is four
 * dots of 16 cycles into four accumulators, for which 2 KB of activations and 2 KB of weights
 * are loaded: 512 + 512 bytes a dot. Weights are taken in chunks of 16 steps, 32 KB, which
 * stay in the first cache while all pixels of a range use them; activations, streamed past
 * it, come from the second, 32 bytes a cycle, about half of what that gives. Between
 * chunks accumulators rest in a worker's memory: 8 KB a 64 dots, 8 bytes a cycle more.
 *
 * A task is some bands of a block of images, each some rows of outputs. The rows of the input that a band needs are laid out
 * in the worker's own memory, a ring, so that they go from the tensor into the second cache and no further; the next
 * band finds most of them there. A ring has 1 MB, or what a single row of outputs needs if that is more. With accumulators
 * of 32 pixels (128 KB) it stays in a second cache of 2 MB; the weights, packed once for all tasks, come from the
 * third, 32 KB for as many times 1024 cycles as a band has pixels. */
enum {
	CHUNK = 16,              /* steps */
	RANGE = 32,              /* pixels whose accumulators rest */
	RESTING = WIDE * WIDE,   /* floats of a pixel's accumulators */
	BAND_BYTES = 1 << 20,    /* rows of the input that a task has at a time */
	TASKS = 4,               /* of each thread, at least, where there is so much to do */
};

struct run { /* of consecutive steps */
	const char *a, *b;
	int steps;
};

/* Tiles 0 to 3: c [2][2]; 4 and 5: a; 6 and 7: b. */
static void set_shapes(int m, int n, int pairs)
{
	struct tile_shapes t = { .palette = 1 };
	const int rows[2] = { min_int(m, HALF), max_int(m - HALF, 0) }, columns[2] = { min_int(n, HALF), max_int(n - HALF, 0) };
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2 && rows[i] && columns[j]; j++)
			t.rows[2 * i + j] = (uint8_t)rows[i], t.row_bytes[2 * i + j] = (uint16_t)(4 * columns[j]);
		if (rows[i])
			t.rows[4 + i] = (uint8_t)rows[i], t.row_bytes[4 + i] = (uint16_t)(4 * pairs);
		if (columns[i])
			t.rows[6 + i] = (uint8_t)pairs, t.row_bytes[6 + i] = (uint16_t)(4 * columns[i]);
	}
	tile_configure(&t);
}

/* to = from + the runs' products; from NULL: 0. Rows are a step of floats apart. */
static inline __attribute__((always_inline)) void product_of(int both_a, int both_b, const struct run *runs, int count, const float *from, size_t from_step, float *to, size_t to_step)
{
	from_step *= sizeof *from, to_step *= sizeof *to;
	const char *from_below = (const char *)from + HALF * from_step;
	char *to_below = (char *)to + HALF * to_step;
	if (from) {
		tile_load(0, from, from_step);
		if (both_b)
			tile_load(1, from + HALF, from_step);
		if (both_a)
			tile_load(2, from_below, from_step);
		if (both_a && both_b)
			tile_load(3, from_below + TILE_ROW, from_step);
	} else {
		tile_zero(0);
		if (both_b)
			tile_zero(1);
		if (both_a)
			tile_zero(2);
		if (both_a && both_b)
			tile_zero(3);
	}
	for (const struct run *r = runs; r < runs + count; r++) {
		const char *a = r->a, *b = r->b;
		for (int i = 0; i < r->steps; i++, a += STEP, b += STEP) {
			tile_load(6, b, TILE_ROW);
			tile_stream(4, a, TILE_ROW);
			tile_dot(0, 4, 6);
			if (both_b) {
				tile_load(7, b + TILE, TILE_ROW);
				tile_dot(1, 4, 7);
			}
			if (both_a) {
				tile_stream(5, a + TILE, TILE_ROW);
				tile_dot(2, 5, 6);
			}
			if (both_a && both_b)
				tile_dot(3, 5, 7);
		}
	}
	tile_store(0, to, to_step);
	if (both_b)
		tile_store(1, to + HALF, to_step);
	if (both_a)
		tile_store(2, to_below, to_step);
	if (both_a && both_b)
		tile_store(3, to_below + TILE_ROW, to_step);
}

/* [m][n], shapes set. */
static void product(int m, int n, const struct run *runs, int count, const float *from, size_t from_step, float *to, size_t to_step)
{
	if (m > HALF && n > HALF)
		product_of(1, 1, runs, count, from, from_step, to, to_step);
	else if (m > HALF)
		product_of(1, 0, runs, count, from, from_step, to, to_step);
	else if (n > HALF)
		product_of(0, 1, runs, count, from, from_step, to, to_step);
	else
		product_of(0, 0, runs, count, from, from_step, to, to_step);
}

struct pass {
	struct dcg_backend *be;
	struct dcg_conv_geometry g; /* as computed */
	int backward;
	struct side in;
	struct weights b;
	struct dcg_tensor *out;
	int cs_out;
	int stride, tall, wide;     /* of the outputs' grid: backward each of stride x stride phases */
	int blocks;                 /* of images */
	int band, bands;            /* rows of the grid at a time, and how often */
	int slots;                  /* rows of the input that those need */
	int segments, groups;       /* what a block is cut into: of bands; of panels */
	size_t resting;             /* bytes of a worker's memory before the rows of the input */
};

/* Rows of the input under rows t0 to t1 - 1 of the grid. */
static void rows_under(const struct pass *p, int t0, int t1, int *first, int *end)
{
	const struct dcg_conv_geometry *g = &p->g;
	*first = p->backward ? t0 - (g->r - 1 - g->pad) / g->stride : t0 * g->stride - g->pad;
	*end = p->backward ? (t1 * g->stride - 1 + g->pad) / g->stride + 1 : (t1 - 1) * g->stride - g->pad + g->r;
	*first = max_int(*first, 0);
	*end = min_int(*end, p->in.h);
}

static struct pass pass_of(const struct dcg_conv *cv, int backward)
{
	int gathered = !backward && is_gathered(cv);
	struct pass p = { .backward = backward, .g = computed(cv, gathered), .b = weights_of(cv, backward) };
	p.in = side_of(cv, !backward, gathered, ROWS);
	p.cs_out = backward ? cv->cs_big : cv->cs_small;
	p.stride = backward ? p.g.stride : 1;
	p.tall = ceil_div(backward ? p.g.h : p.g.p, p.stride);
	p.wide = ceil_div(backward ? p.g.w : p.g.q, p.stride);
	p.blocks = ceil_div(cv->batch, WIDE);
	int more = backward ? 1 : p.g.stride, always = (backward ? (p.g.r - 1) / p.g.stride + 1 : p.g.r) - more; /* rows of the input */
	int most = (int)(BAND_BYTES / ((size_t)p.in.w * p.in.pixel_bytes));
	int band = p.in.h <= most ? p.tall : max_int(1, (most - always) / more);
	p.bands = ceil_div(p.tall, min_int(band, max_int(1, RANGE / p.wide)));
	p.band = ceil_div(p.tall, p.bands);
	p.bands = ceil_div(p.tall, p.band);
	p.slots = 1;
	for (int i = 0; i < p.bands; i++) {
		int first, end;
		rows_under(&p, i * p.band, min_int((i + 1) * p.band, p.tall), &first, &end);
		p.slots = max_int(p.slots, end - first);
	}
	return p;
}

static size_t weights_bytes(const struct dcg_conv *cv, int backward)
{
	const struct weights b = weights_of(cv, backward);
	return (size_t)b.panels * panel_bytes(&b);
}

/* A worker's memory: accumulators between chunks or what gathering needs, then rows of the input. */
static size_t resting_bytes(const struct dcg_conv *cv)
{
	return larger(RANGE * RESTING * sizeof(float), (2 * stage_of(cv) * sizeof(value) + TILE_ROW - 1) / TILE_ROW * TILE_ROW);
}

static size_t pass_scratch(const struct dcg_conv *cv, int backward)
{
	const struct pass p = pass_of(cv, backward);
	return resting_bytes(cv) + (size_t)p.slots * (size_t)p.in.w * p.in.pixel_bytes;
}

/* A band of a block: rows first to end - 1 of the input lie in a ring. */
struct band {
	const struct pass *p;
	const char *ring;
	float *resting;
	int block, t0, t1;
	int first, end, slot; /* of row `first` */
};

/* Pixel (h, w) of the input; NULL: outside. */
static const char *pixel_at(const struct band *b, int h, int w)
{
	const struct pass *p = b->p;
	if (h < 0 || h >= p->in.h || w < 0 || w >= p->in.w)
		return NULL;
	int slot = b->slot + h - b->first;
	return b->ring + ((size_t)(slot < p->slots ? slot : slot - p->slots) * (size_t)p->in.w + (size_t)w) * p->in.pixel_bytes;
}

struct phase { /* of the outputs: those whose taps begin with (r0, s0), down x across of them */
	int y, x, r0, s0, down, across;
};

static struct phase phase_of(const struct pass *p, int i)
{
	const struct dcg_conv_geometry *g = &p->g;
	struct phase f = { .y = i / p->stride, .x = i % p->stride };
	f.r0 = (f.y + g->pad) % p->stride, f.s0 = (f.x + g->pad) % p->stride;
	f.down = f.r0 < g->r ? ceil_div(g->r - f.r0, p->stride) : 0;
	f.across = f.s0 < g->s ? ceil_div(g->s - f.s0, p->stride) : 0;
	return f;
}

/* Steps first to end - 1, at most CHUNK, of the output pixel (t, u) of the phase's grid. */
static int runs_of(const struct band *b, const struct phase *f, struct run *runs, const char *weights, int t, int u, int first, int end)
{
	const struct pass *p = b->p;
	const struct dcg_conv_geometry *g = &p->g;
	const int steps = p->b.steps, forth = p->backward ? -1 : 1; /* from tap to tap */
	const int h0 = p->backward ? t + (f->y + g->pad - f->r0) / g->stride : t * g->stride - g->pad;
	const int w0 = p->backward ? u + (f->x + g->pad - f->s0) / g->stride : u * g->stride - g->pad;
	int count = 0, begin = first % steps, i = 0, j = first / steps;
	for (; j && j >= f->across; i++)
		j -= f->across;
	for (int left = end - first; left > 0; begin = 0) {
		const int now = min_int(left, steps - begin);
		const char *a = pixel_at(b, h0 + forth * i, w0 + forth * j);
		if (a) {
			runs[count].a = a + (size_t)begin * STEP;
			runs[count].b = weights + ((size_t)((f->r0 + i * p->stride) * g->s + f->s0 + j * p->stride) * (size_t)steps + (size_t)begin) * STEP;
			runs[count++].steps = now;
		}
		left -= now;
		if (++j == f->across)
			j = 0, i++;
	}
	return count;
}

/* One pixel of the images; whole lines pass the caches, which are for what is still to be read here. */
static void pixels_store(value *to, size_t picture, const float *from, int images, int columns)
{
	if (columns == WIDE && (uintptr_t)to % TILE_ROW == 0 && picture % WIDE == 0)
		for (int n = 0; n < images; n++)
			values_stream(to + (size_t)n * picture, from + n * WIDE);
	else
		for (int n = 0; n < images; n++)
			values_store(to + (size_t)n * picture, from + n * WIDE, (size_t)columns);
}

/* Pixels i0 to i1 - 1 of the band, at most RANGE, of one phase and panel. */
static void range_products(const struct band *b, const struct phase *f, int column_panel, int i0, int i1)
{
	const struct pass *p = b->p;
	const struct dcg_tensor *out = p->out;
	const int image = b->block * WIDE, images = min_int(WIDE, out->s.n - image), columns = min_int(WIDE, p->cs_out - column_panel * WIDE);
	const int steps = f->down * f->across * p->b.steps;
	const char *weights = p->b.at + (size_t)column_panel * panel_bytes(&p->b);
	const size_t picture = (size_t)out->s.h * (size_t)out->s.w * (size_t)out->cs;
	int first = 0;
	do {
		const int end = min_int(first + CHUNK, steps);
		for (int i = i0, t = b->t0 + i0 / p->wide, u = i0 % p->wide; i < i1; i++) {
			const int y = t * p->stride + f->y, x = u * p->stride + f->x;
			if (y < out->s.h && x < out->s.w) {
				struct run runs[CHUNK];
				int count = runs_of(b, f, runs, weights, t, u, first, end);
				float *rest = b->resting + (size_t)(i - i0) * RESTING;
				product(images, columns, runs, count, first ? rest : NULL, WIDE, rest, WIDE);
				value *pixels = (value *)out->data + (size_t)image * picture + ((size_t)y * (size_t)out->s.w + (size_t)x) * (size_t)out->cs + column_panel * WIDE;
				if (end >= steps)
					pixels_store(pixels, picture, rest, images, columns);
			}
			if (++u == p->wide)
				u = 0, t++;
		}
		first = end;
	} while (first < steps);
}

static void band_products(const struct band *b, int column_panel)
{
	const struct pass *p = b->p;
	const int pixels = (b->t1 - b->t0) * p->wide;
	set_shapes(min_int(WIDE, p->out->s.n - b->block * WIDE), min_int(WIDE, p->cs_out - column_panel * WIDE), TILE_ROWS);
	for (int i = 0; i < p->stride * p->stride; i++) {
		const struct phase f = phase_of(p, i);
		for (int i0 = 0; i0 < pixels; i0 += RANGE)
			range_products(b, &f, column_panel, i0, min_int(i0 + RANGE, pixels));
	}
}

static void pass_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	char *own = ((struct simd_backend *)p->be)->scratch[worker], *ring = own + p->resting;
	const int group = task % p->groups, segment = task / p->groups % p->segments, block = task / p->groups / p->segments;
	struct band b = { .p = p, .ring = ring, .resting = (float *)(void *)own, .block = block };
	int done = 0; /* rows of the input before this one are there, or no longer needed */
	for (int at = segment * p->bands / p->segments; at < (segment + 1) * p->bands / p->segments; at++) {
		b.t0 = at * p->band, b.t1 = min_int(b.t0 + p->band, p->tall);
		rows_under(p, b.t0, b.t1, &b.first, &b.end);
		for (int y = max_int(b.first, done); y < b.end; y++)
			convert(&p->in, ROWS, block, y, ring + (size_t)(y % p->slots * p->in.w) * p->in.pixel_bytes, worker);
		done = max_int(done, b.end);
		b.slot = b.first % p->slots;
		for (int i = group * p->b.panels / p->groups; i < (group + 1) * p->b.panels / p->groups; i++)
			band_products(&b, i);
	}
	tile_release();
	streamed();
}

static void run_pass(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *in, struct dcg_tensor *out, int backward)
{
	struct pass p = pass_of(cv, backward);
	const int enough = TASKS * dcg_pool_threads(be->pool);
	p.be = p.in.be = be;
	p.in.from = in;
	out->pending.on = 0;
	p.out = out;
	p.b.at = ((struct simd_backend *)be)->shared;
	p.resting = resting_bytes(cv);
	p.segments = min_int(p.bands, ceil_div(enough, p.blocks));
	p.groups = min_int(p.b.panels, ceil_div(dcg_pool_threads(be->pool), p.blocks * p.segments)); /* each lays out its rows anew */
	dcg_table_run(be, pack_task, &p.b, p.b.panels * p.b.taps);
	dcg_table_run(be, pass_task, &p, p.blocks * p.segments * p.groups);
}

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	run_pass(be, cv, big, small, 0);
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	run_pass(be, cv, small, big, 1);
}
