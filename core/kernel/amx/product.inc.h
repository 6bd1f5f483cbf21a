/* Products of tiles, and the two passes that are sums over taps: forward and backward-data.
 *
 * The direct form: an output pixel of 32 images is the sum, over the taps that fall inside the
 * picture, of [32 images x channels] . [channels x 32 columns]. A step of 32 channels is four
 * dots of 16 cycles into four accumulators, for which 2 KB of activations and 2 KB of weights
 * are loaded: 512 + 512 bytes a dot. Weights are taken in chunks of 16 steps, 32 KB, which
 * stay in the first cache while all pixels of a range use them; activations, streamed past
 * it, come from the second, 32 bytes a cycle, about half of what that gives. Between
 * chunks accumulators rest in a worker's memory: 8 KB a 64 dots, 8 bytes a cycle more.
 * A range is 32 pixels (128 KB of accumulators, and mostly under 1 MB of activations), for
 * a group of panels of 512 KB: with those a task stays in a second cache of 2 MB. */
enum {
	CHUNK = 16,              /* steps */
	RANGE = 32,              /* pixels */
	RESTING = WIDE * WIDE,   /* floats of a pixel's accumulators */
	GROUP_BYTES = 512 << 10, /* weights of a task */
	SHARED_BYTES = 8 << 20,  /* activations at a time, at least one block of images */
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
	int blocks, chunk, count;   /* of images: in all, at most at a time, at present */
	int group, groups, ranges;  /* panels a task, and how many such */
};

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
	p.chunk = max_int(1, min_int(p.blocks, (int)(SHARED_BYTES / p.in.block_bytes)));
	p.group = max_int(1, (int)(GROUP_BYTES / panel_bytes(&p.b)));
	p.groups = ceil_div(p.b.panels, p.group);
	p.ranges = ceil_div(p.tall * p.wide, RANGE);
	return p;
}

static size_t pass_shared(const struct dcg_conv *cv, int backward)
{
	const struct pass p = pass_of(cv, backward);
	return (size_t)p.b.panels * panel_bytes(&p.b) + (size_t)p.chunk * p.in.block_bytes;
}

/* The input pixel under tap (r, s) of output pixel (y, x); 0: outside. */
static int under(const struct pass *p, int y, int x, int r, int s, size_t *pixel)
{
	const struct dcg_conv_geometry *g = &p->g;
	int h = p->backward ? y + g->pad - r : y * g->stride - g->pad + r, w = p->backward ? x + g->pad - s : x * g->stride - g->pad + s;
	if (h < 0 || w < 0)
		return 0;
	if (p->backward)
		h /= g->stride, w /= g->stride;
	*pixel = (size_t)h * (size_t)p->in.w + (size_t)w;
	return h < p->in.h && w < p->in.w;
}

/* Steps first .. first + CHUNK - 1 of an output pixel: of the taps r0, r0 + stride ... */
static int runs_of(const struct pass *p, struct run *runs, const char *a, const char *b, int y, int x, int r0, int s0, int across, int first, int end)
{
	int count = 0, steps = p->b.steps;
	for (int tap = first / steps; tap * steps < end; tap++) {
		int r = r0 + tap / across * p->stride, s = s0 + tap % across * p->stride, begin = max_int(first - tap * steps, 0);
		size_t pixel;
		if (!under(p, y, x, r, s, &pixel))
			continue;
		runs[count].a = a + pixel * p->in.pixel_bytes + (size_t)begin * STEP;
		runs[count].b = b + ((size_t)(r * p->g.s + s) * (size_t)steps + (size_t)begin) * STEP;
		runs[count++].steps = min_int(end - tap * steps, steps) - begin;
	}
	return count;
}

/* One panel, one phase of the outputs. */
static void phase_products(const struct pass *p, int block, int range, int column_panel, int phase, float *resting)
{
	const struct dcg_tensor *out = p->out;
	int image = (p->in.first + block) * WIDE, images = min_int(WIDE, out->s.n - image), columns = min_int(WIDE, p->cs_out - column_panel * WIDE);
	int py = phase / p->stride, px = phase % p->stride, r0 = (py + p->g.pad) % p->stride, s0 = (px + p->g.pad) % p->stride;
	int down = r0 < p->g.r ? ceil_div(p->g.r - r0, p->stride) : 0, across = s0 < p->g.s ? ceil_div(p->g.s - s0, p->stride) : 0;
	int steps = down * across * p->b.steps, first = 0;
	const char *a = p->in.at + (size_t)block * p->in.block_bytes, *b = p->b.at + (size_t)column_panel * panel_bytes(&p->b);
	const size_t picture = (size_t)out->s.h * (size_t)out->s.w * (size_t)out->cs;
	do {
		int end = min_int(first + CHUNK, steps);
		for (int i = range * RANGE; i < min_int((range + 1) * RANGE, p->tall * p->wide); i++) {
			int y = i / p->wide * p->stride + py, x = i % p->wide * p->stride + px;
			struct run runs[CHUNK];
			if (y >= out->s.h || x >= out->s.w)
				continue;
			int count = runs_of(p, runs, a, b, y, x, r0, s0, across, first, end);
			float *rest = resting + (size_t)(i % RANGE) * RESTING;
			product(images, columns, runs, count, first ? rest : NULL, WIDE, rest, WIDE);
			value *pixels = (value *)out->data + (size_t)image * picture + ((size_t)y * (size_t)out->s.w + (size_t)x) * (size_t)out->cs + column_panel * WIDE;
			for (int n = 0; end >= steps && n < images; n++)
				values_store(pixels + (size_t)n * picture, rest + n * WIDE, (size_t)columns);
		}
		first = end;
	} while (first < steps);
}

static void product_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	int range = task % p->ranges, block = task / p->ranges % p->count, group = task / p->ranges / p->count;
	int images = min_int(WIDE, p->out->s.n - (p->in.first + block) * WIDE);
	float *resting = (float *)(void *)((struct simd_backend *)p->be)->scratch[worker];
	for (int column_panel = group * p->group; column_panel < min_int((group + 1) * p->group, p->b.panels); column_panel++) {
		set_shapes(images, min_int(WIDE, p->cs_out - column_panel * WIDE), TILE_ROWS);
		for (int phase = 0; phase < p->stride * p->stride; phase++)
			phase_products(p, block, range, column_panel, phase, resting);
	}
	tile_release();
}

static void run_pass(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *in, struct dcg_tensor *out, int backward)
{
	struct pass p = pass_of(cv, backward);
	p.be = p.in.be = be;
	p.in.from = in;
	out->pending.on = 0;
	p.out = out;
	p.b.at = ((struct simd_backend *)be)->shared;
	p.in.at = p.b.at + (size_t)p.b.panels * panel_bytes(&p.b);
	dcg_table_run(be, pack_task, &p.b, p.b.panels * p.b.taps);
	for (p.in.first = 0; p.in.first < p.blocks; p.in.first += p.count) {
		p.count = min_int(p.chunk, p.blocks - p.in.first);
		dcg_table_run(be, rows_task, &p.in, p.count * p.in.h);
		dcg_table_run(be, product_task, &p, p.groups * p.count * p.ranges);
	}
}

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	run_pass(be, cv, big, small, 0);
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	run_pass(be, cv, small, big, 1);
}
