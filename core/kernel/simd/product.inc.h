/* A pass of a convolution as products, in chunks: all workers make A's rows for the chunk, then
 * each takes blocks of rows and a panel of columns, packs the panel's weights, multiplies,
 * and stores the results. A row's result does not depend on its chunk. */

enum {
	ROW_BLOCK = 128,        /* rows whose products a worker holds at a time */
	WINO_K = 128 * UNIT,    /* of k in a packed panel: a point's in L1, all points' in L2 */
	DIRECT_K = 256 * UNIT,
	CHUNK_BYTES = 512 << 10, /* of A, for each worker; but at least so many rows that packing
	                            does not matter, unless that is very large */
	CHUNK_ROWS = 256, CHUNK_MOST = 14 << 20,
};

struct pass {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *in;
	float *out;
	const float *w;
	int m, points;         /* Winograd's m, or 0; points of the transform */
	int phase;             /* direct backward: of the big pixels */
	int tall, wide;        /* a unit is wide rows of one picture, which has tall units */
	int k, pitch, panels;  /* inner dimension; A's row length; panels of columns */
	int block, chunk;      /* units in a product's task, and in a chunk, at most */
	int make_units;        /* units in a task that makes rows */
	int first, count;      /* the present chunk */
	size_t a_point;        /* panels between A's points */
	panel *a;
	void (*make)(const struct pass *p, int unit, panel *row, float *stage);
	void (*pack)(const struct pass *p, int j, int k0, int k1, panel *b);
	void (*store)(const struct pass *p, int j, int row, int rows, const float *c);
};

static int k_step(const struct pass *p)
{
	return p->m ? WINO_K : DIRECT_K;
}

/* whole: a task must have whole pictures. What follows from the fields set already. */
static void plan_pass(struct pass *p, struct dcg_backend *be, int whole)
{
	int units = p->cv->batch * p->tall, unit = whole ? p->tall : 1;
	p->be = be;
	p->points = p->m ? (p->m + 1) * (p->m + 1) : 1;
	p->pitch = p->k + PITCH;
	p->block = max_int(1, ROW_BLOCK / (p->wide * unit)) * unit;
	p->make_units = ceil_div(8, p->wide);
	size_t row = (size_t)p->points * (size_t)p->pitch * sizeof(panel), share = (size_t)CHUNK_BYTES * (size_t)dcg_pool_threads(be->pool);
	size_t least = (size_t)CHUNK_ROWS * row < CHUNK_MOST ? CHUNK_ROWS : CHUNK_MOST / row, rows = share / row > least ? share / row : least;
	size_t blocks = rows / ((size_t)p->wide * (size_t)p->block), most = (size_t)ceil_div(units, p->block);
	blocks = blocks < 1 ? 1 : blocks < most ? blocks : most;
	p->chunk = (int)blocks * p->block;
	p->a_point = (size_t)p->chunk * (size_t)p->wide * (size_t)p->pitch;
}

static size_t pass_shared(const struct pass *p)
{
	return (size_t)p->points * p->a_point * sizeof(panel);
}

static size_t pass_scratch(const struct pass *p)
{
	int k = min_int(p->k, k_step(p));
	return (size_t)p->points * NB * ((size_t)k * sizeof(panel) + ROW_BLOCK * sizeof(float));
}

static void make_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	int end = min_int((task + 1) * p->make_units, p->count);
	for (int u = task * p->make_units; u < end; u++)
		p->make(p, p->first + u, p->a + (size_t)u * (size_t)p->wide * (size_t)p->pitch, (float *)(void *)scratch_of(p->be, worker));
}

static void product_task(void *ctx, int task, int worker)
{
	const struct pass *p = ctx;
	int j = task % p->panels, u = task / p->panels * p->block, end = min_int(u + p->block, p->count) * p->wide, step = k_step(p);
	panel *b = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(b + (size_t)p->points * NB * (size_t)min_int(p->k, step));
	for (int row = u * p->wide; row < end; row += ROW_BLOCK) {
		int rows = min_int(ROW_BLOCK, end - row);
		if (p->k == 0)
			memset(c, 0, (size_t)rows * NB * sizeof *c);
		for (int k = 0; k < p->k; k += step) {
			int n = min_int(step, p->k - k);
			p->pack(p, j, k, k + n, b);
			for (int t = 0; t < p->points; t++)
				gemm(rows, n / UNIT, p->a + (size_t)t * p->a_point + (size_t)row * (size_t)p->pitch + k, p->pitch, UNIT,
					b + (size_t)t * NB * (size_t)n, c + (size_t)t * ROW_BLOCK * NB, NB, k > 0);
		}
		p->store(p, j, p->first * p->wide + row, rows, c);
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
