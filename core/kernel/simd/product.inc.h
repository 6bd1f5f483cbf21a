/* A pass of a convolution as products, in chunks: all workers make A's rows for the chunk, then
 * each takes blocks of rows and a panel of columns, packs the panel's weights, multiplies,
 * and stores the results. A row's result does not depend on its chunk. */

enum {
	ROW_BLOCK = 256, WINO4_ROW_BLOCK = 128, /* rows whose products a worker holds at a time */
	WINO_K = 128 * UNIT, DIRECT_K = 256 * UNIT, /* of k in a product: its panel stays in L1 */
	PACK_BYTES = 1 << 20,   /* a panel up to that is packed whole, for all rows of a task */
	CHUNK_BYTES = 6 << 20, WORKER_BYTES = 512 << 10, /* of A in a chunk: at most; at least, for each worker */
	LARGE_BATCH = 256,      /* from there on chunks are twice as large, for which weights are packed half as often */
	WORKER_TASKS = 4,       /* of products in a chunk, at least, if there are as many blocks of rows */
};

static int row_block(int m)
{
	return m == 4 ? WINO4_ROW_BLOCK : ROW_BLOCK;
}

struct pass {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *in;
	value *out;
	const float *w;
	struct wino f;         /* its m is 0 in other forms */
	int points;            /* of the transform */
	int phase;             /* direct backward: of the big pixels */
	int tall, wide;        /* a unit is wide rows of one picture, which has tall units */
	int k, pitch, panels;  /* inner dimension; A's pitch; panels of columns */
	int by_phase;          /* panels of columns go by phases, k does not */
	int block, chunk;      /* units in a product's task, and in a chunk, at most */
	int make_units;        /* units in a task that makes rows */
	int straight;          /* rows of products are pixels of the small side, in order, and floats */
	int first, count;      /* the present chunk */
	size_t a_point;        /* panels between A's points */
	panel *a;
	void (*make)(const struct pass *p, int unit, int row, value *stage);
	void (*pack)(const struct pass *p, int j, int k0, int k1, panel *b);
	void (*store)(const struct pass *p, int j, int row, int rows, const float *c);
};

/* Minimal filtering's functions for one tile and kernel: wino_code.inc.h. */
struct wino_code {
	void (*make_forward)(const struct pass *p, int unit, int row, value *stage);
	void (*pack_forward)(const struct pass *p, int j, int k0, int k1, panel *b);
	void (*store_forward)(const struct pass *p, int j, int row, int rows, const float *c);
	void (*make_backward)(const struct pass *p, int unit, int row, value *stage);
	void (*pack_backward)(const struct pass *p, int j, int k0, int k1, panel *b);
	void (*store_backward)(const struct pass *p, int j, int row, int rows, const float *c);
	void (*gradient_rows)(void *ctx, int task, int worker);
	void (*gradient_products)(void *ctx, int task, int worker);
};
static const struct wino_code *wino_code(const struct dcg_conv *cv, enum form form);

static int k_step(const struct pass *p)
{
	return p->f.m ? WINO_K : DIRECT_K;
}

/* k in a packed panel. */
static int k_packed(const struct pass *p)
{
	size_t whole = (size_t)p->points * NB * (size_t)p->k * sizeof(panel);
	return whole <= PACK_BYTES ? p->k : min_int(p->k, k_step(p));
}

/* whole: a task must have whole pictures. What follows from the fields set already. */
static void plan_pass(struct pass *p, struct dcg_backend *be, int whole)
{
	int threads = dcg_pool_threads(be->pool), unit = whole ? p->tall : 1, units = p->cv->batch * p->tall;
	p->be = be;
	p->points = p->f.m ? wino_points(p->f) : 1;
	p->pitch = a_pitch(p->k);
	p->make_units = ceil_div(8, p->wide);
	/* Rows go by the least that a task may have, in which AG rows stay together. */
	int together = 1;
	while (together * unit * p->wide % AG)
		together++;
	int least = max_int(1, row_block(p->f.m) / (p->wide * unit * together)) * together * unit, blocks = ceil_div(units, least);
	size_t bytes = (size_t)p->points * (size_t)p->pitch * sizeof(panel) * (size_t)least * (size_t)p->wide;
	size_t most = (size_t)CHUNK_BYTES * (p->cv->batch >= LARGE_BATCH ? 2 : 1);
	most = (size_t)WORKER_BYTES * (size_t)threads > most ? (size_t)WORKER_BYTES * (size_t)threads : most;
	int fit = bytes * (size_t)blocks <= most ? blocks : max_int(1, (int)(most / bytes));
	fit = ceil_div(blocks, ceil_div(blocks, fit)); /* chunks of about the same size */
	p->chunk = fit * least;
	p->block = max_int(1, fit / ceil_div(WORKER_TASKS * threads, p->panels)) * least;
	p->a_point = (size_t)p->chunk * (size_t)p->wide * (size_t)p->pitch + PITCH * UNIT;
}

static size_t pass_shared(const struct pass *p)
{
	return (size_t)p->points * p->a_point * sizeof(panel);
}

static size_t pass_scratch(const struct pass *p)
{
	int k = k_packed(p);
	return (size_t)p->points * (b_point(k) * sizeof(panel) + c_point(row_block(p->f.m)) * sizeof(float));
}

static void make_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	int end = min_int((task + 1) * p->make_units, p->count);
	for (int u = task * p->make_units; u < end; u++)
		p->make(p, p->first + u, u * p->wide, (value *)(void *)scratch_of(p->be, worker));
}

/* Of k, what panel j has at point t. */
static void inner_range(const struct pass *p, int j, int t, int *from, int *to)
{
	*from = 0, *to = p->k;
	if (!p->f.m || !wino_uneven(p->f))
		return;
	if (p->by_phase) {
		*to = wino_has(p->f, j / (p->panels / wino_phases(p->f)), t) ? p->k : 0;
		return;
	}
	wino_range(p->f, t, from, to);
	*from *= p->cv->cs_big;
	*to *= p->cv->cs_big;
}

static void product_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	int j = task % p->panels, u = task / p->panels * p->block, end = min_int(u + p->block, p->count) * p->wide;
	int step = k_step(p), packed = k_packed(p), most = row_block(p->f.m), straight = p->straight && (j + 1) * NB <= p->cv->cs_small;
	panel *b = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(b + (size_t)p->points * b_point(packed));
	if (packed == p->k)
		p->pack(p, j, 0, p->k, b);
	for (int row = u * p->wide; row < end; row += most) {
		int rows = min_int(most, end - row);
		size_t at = (size_t)(p->first * p->wide + row);
		float *to = straight ? (float *)(void *)(p->out + at * (size_t)p->cv->cs_small + j * NB) : c;
		ptrdiff_t pitch = straight ? p->cv->cs_small : NB;
		if (p->k == 0)
			memset(c, 0, (size_t)rows * NB * sizeof *c);
		for (int k = 0; k < p->k; k += step) {
			int n = min_int(step, p->k - k), from = packed == p->k ? k : 0, width = packed == p->k ? p->k : n;
			if (packed < p->k)
				p->pack(p, j, k, k + n, b);
			for (int t = 0; t < p->points; t++) {
				int first, end_k;
				inner_range(p, j, t, &first, &end_k);
				int lo = max_int(k, first), hi = min_int(k + n, end_k);
				if (lo < hi)
					gemm_rows(rows, (hi - lo) / UNIT, a_inner(a_row(p->a + (size_t)t * p->a_point, p->pitch, row), lo), p->pitch,
						b + (size_t)t * b_point(width) + (size_t)(from + lo - k) * NB, to + (size_t)t * c_point(most), pitch, lo > first);
			}
		}
		if (!straight)
			p->store(p, j, (int)at, rows, c);
	}
}

static void run_pass(struct pass *p)
{
	int units = p->cv->batch * p->tall;
	p->a = (panel *)(void *)shared_of(p->be);
	for (p->first = 0; p->first < units; p->first += p->chunk) {
		p->count = min_int(p->chunk, units - p->first);
		dcg_table_run(p->be, make_task, p, ceil_div(p->count, p->make_units));
		dcg_table_run(p->be, product_task, p, p->panels * ceil_div(p->count, p->block));
	}
}
