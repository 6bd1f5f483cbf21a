/* The gradient of the weights: for a tap, [channels of the big side] x [those of the small]
 * summed over pixels and images, 32 images of a pixel a step. A result of 32x32 lies in the
 * gradient as it is, so products are loaded from there and stored there.
 *
 * A unit is 32 small channels and one row of taps. For 16 pixels its small side, 32 KB,
 * stays in the first cache while every tap of the row and every 32 big channels use it; the
 * big side is streamed: the same 32 bytes a cycle from the second cache as in the other
 * passes, and 8 for the gradient, of which a task holds 512 KB at most. Which units a
 * task takes does not matter to any sum: they all go by images, then pixels, in order. */
enum {
	UNITS_BYTES = 512 << 10,
	SHARED_BYTES = 8 << 20, /* activations at a time, at least one block of images */
};

struct gradient {
	struct dcg_conv_geometry g; /* as computed */
	struct side big, small;
	float *grad;
	int accumulate;
	int blocks, chunk, count;   /* of images: in all, at most at a time, at present */
	int units, task_units;
};

static struct gradient gradient_of(const struct dcg_conv *cv, int threads)
{
	int gathered = is_gathered(cv);
	struct gradient d = { .g = computed(cv, gathered), .big = side_of(cv, 1, gathered, COLUMNS), .small = side_of(cv, 0, gathered, PAIRS) };
	size_t unit = (size_t)d.g.s * (size_t)d.g.c * WIDE * sizeof *d.grad;
	d.blocks = ceil_div(cv->batch, WIDE);
	d.chunk = max_int(1, min_int(d.blocks, (int)(SHARED_BYTES / (d.big.block_bytes + d.small.block_bytes))));
	d.units = d.small.parts * d.g.r;
	d.task_units = max_int(1, min_int(ceil_div(d.units, 2 * threads), (int)(UNITS_BYTES / unit)));
	return d;
}

static size_t gradient_shared(const struct dcg_conv *cv)
{
	const struct gradient d = gradient_of(cv, 1);
	return (size_t)d.chunk * (d.big.block_bytes + d.small.block_bytes);
}

/* Of small pixels from `first` on, those whose tap (r, s) lies inside the big side. */
static int pixel_runs(const struct gradient *d, struct run *runs, const char *a, const char *b, int first, int end, int r, int s)
{
	const struct dcg_conv_geometry *g = &d->g;
	int count = 0;
	for (int i = first; i < end; i++) {
		int h = i / g->q * g->stride - g->pad + r, w = i % g->q * g->stride - g->pad + s;
		if (h >= 0 && h < g->h && w >= 0 && w < g->w)
			runs[count++] = (struct run){ a + (size_t)(h * g->w + w) * STEP, b + (size_t)i * STEP, 1 };
	}
	return count;
}

/* Some pixels of a block of images for one unit. */
static void unit_products(const struct gradient *d, int block, int first, int unit)
{
	const struct dcg_conv_geometry *g = &d->g;
	int part = unit / g->r, r = unit % g->r, columns = min_int(WIDE, g->k - part * WIDE), set = 0;
	int pairs = ceil_div(min_int(WIDE, d->small.from->s.n - (d->small.first + block) * WIDE), 2);
	int fresh = !d->accumulate && d->small.first + block == 0 && first == 0;
	const char *a = d->big.at + (size_t)block * d->big.block_bytes, *b = d->small.at + (size_t)block * d->small.block_bytes + (size_t)part * d->small.part_bytes;
	for (int s = 0; s < g->s; s++) {
		struct run runs[CHUNK];
		int count = pixel_runs(d, runs, a, b, first, min_int(first + CHUNK, g->p * g->q), r, s);
		for (int c = 0; c < g->c && (count || fresh); c += WIDE) {
			int rows = min_int(WIDE, g->c - c);
			float *to = d->grad + ((size_t)(r * g->s + s) * (size_t)g->c + (size_t)c) * (size_t)g->k + part * WIDE;
			if (rows != set)
				set_shapes(rows, columns, pairs);
			set = rows;
			product(rows, columns, runs, count, fresh ? NULL : to, (size_t)g->k, to, (size_t)g->k);
			for (int i = 0; i < count; i++)
				runs[i].a += d->big.part_bytes;
		}
	}
}

static void gradient_task(void *ctx, int task, int worker)
{
	const struct gradient *d = ctx;
	int end = min_int((task + 1) * d->task_units, d->units);
	(void)worker;
	for (int block = 0; block < d->count; block++)
		for (int first = 0; first < d->g.p * d->g.q; first += CHUNK)
			for (int unit = task * d->task_units; unit < end; unit++)
				unit_products(d, block, first, unit);
	tile_release();
}

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct gradient d = gradient_of(cv, dcg_pool_threads(be->pool));
	d.big.be = d.small.be = be;
	d.big.from = big;
	d.small.from = small;
	d.grad = cv->weights->part[DCG_GRAD];
	d.accumulate = accumulate;
	d.big.at = ((struct simd_backend *)be)->shared;
	d.small.at = d.big.at + (size_t)d.chunk * d.big.block_bytes;
	for (int first = 0; first < d.blocks; first += d.count) {
		d.count = min_int(d.chunk, d.blocks - first);
		d.big.first = d.small.first = first;
		dcg_table_run(be, columns_task, &d.big, d.count * d.big.h);
		dcg_table_run(be, pairs_task, &d.small, d.count * d.small.h);
		dcg_table_run(be, gradient_task, &d, ceil_div(d.units, d.task_units));
	}
}
