/* G's projection in fp32, by OpenBLAS: a kernel as large as the picture. With X [N][taps c] the
 * pictures, Y [N][k] the outputs and W [taps c][k] the weights, all in the order in which they lie:
 * Y = X W, X = Y W^T, dW = X^T Y. A panel of W would be packed for one block of rows, which
 * costs about half as much as its products; in bf16 panels are faster all the same.
 *
 * A task takes columns of X, which are rows of W. */

enum { BLAS_COLUMNS = 512 };

struct blas {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big;
	float *x, *w, *y, *parts; /* y [N][cs_small]; parts [tasks][N][k] of its sum */
	int accumulate;
};

static int is_blas(const struct dcg_conv *cv)
{
	return sizeof(value) == sizeof(float) && is_full(cv);
}

/* Columns of X, and the rows of W that they belong to; with padded channels the columns of one tap. */
struct blas_piece {
	int column, row, count;
};

static int blas_tasks(const struct dcg_conv *cv)
{
	return cv->cs_big == cv->g.c ? ceil_div(cv->taps * cv->g.c, BLAS_COLUMNS) : cv->taps;
}
static struct blas_piece blas_piece(const struct dcg_conv *cv, int task)
{
	if (cv->cs_big != cv->g.c)
		return (struct blas_piece){ task * cv->cs_big, task * cv->g.c, cv->g.c };
	int at = task * BLAS_COLUMNS;
	return (struct blas_piece){ at, at, min_int(BLAS_COLUMNS, cv->taps * cv->g.c - at) };
}
static int blas_width(const struct dcg_conv *cv) { return cv->taps * cv->cs_big; }

/* A worker's piece of X, if something is pending; what all share, y and the parts. */
static size_t blas_scratch(const struct dcg_conv *cv)
{
	return (size_t)cv->batch * (size_t)max_int(BLAS_COLUMNS, cv->cs_big) * sizeof(float);
}
static size_t blas_y(const struct dcg_conv *cv) { return (size_t)cv->batch * (size_t)cv->cs_small; }
static size_t blas_shared(const struct dcg_conv *cv)
{
	return (blas_y(cv) + (size_t)blas_tasks(cv) * (size_t)cv->batch * (size_t)cv->g.k) * sizeof(float);
}

/* Of one picture from channel c on, what is pending done. */
static void blas_activate(const struct dcg_pending *p, int channels, const float *from, int c, int count, float *to)
{
	for (int i = 0; i < count; i++, c = c + 1 < channels ? c + 1 : 0)
		to[i] = activate(p->mean ? (from[i] - p->mean[c]) * p->scale[c] + p->bias[c] : from[i], p->act);
}

/* A piece of X, its rows ld apart. */
static const float *blas_big(const struct blas *b, struct blas_piece at, int worker, int *ld)
{
	const struct dcg_conv *cv = b->cv;
	const float *x = (const float *)b->big->data + at.column;
	*ld = blas_width(cv);
	if (!b->big->pending.on)
		return x;
	float *stage = (float *)(void *)scratch_of(b->be, worker);
	for (int n = 0; n < cv->batch; n++)
		blas_activate(&b->big->pending, cv->cs_big, x + (size_t)n * (size_t)*ld, at.column % cv->cs_big, at.count, stage + (size_t)n * (size_t)at.count);
	*ld = at.count;
	return stage;
}

static float *blas_small(const struct blas *b, const struct dcg_tensor *small)
{
	float *data = small->data;
	if (!small->pending.on)
		return data;
	for (int n = 0; n < b->cv->batch; n++) {
		size_t at = (size_t)n * (size_t)b->cv->cs_small;
		blas_activate(&small->pending, b->cv->cs_small, data + at, 0, b->cv->cs_small, b->y + at);
	}
	return b->y;
}

static struct blas blas_of(struct dcg_backend *be, const struct dcg_conv *cv)
{
	struct blas b = { .be = be, .cv = cv, .w = cv->weights->part[DCG_VALUE], .y = (float *)(void *)shared_of(be) };
	b.parts = b.y + blas_y(cv);
	return b;
}

static void blas_forward_task(void *ctx, int task, int worker)
{
	const struct blas *b = ctx;
	const struct dcg_conv *cv = b->cv;
	struct blas_piece at = blas_piece(cv, task);
	int ld, k = cv->g.k;
	const float *x = blas_big(b, at, worker, &ld);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, cv->batch, k, at.count, 1, x, ld, b->w + (size_t)at.row * (size_t)k, k, 0,
		b->parts + (size_t)task * (size_t)cv->batch * (size_t)k, k);
}

static void blas_sum_task(void *ctx, int n, int worker)
{
	const struct blas *b = ctx;
	const int tasks = blas_tasks(b->cv), k = b->cv->g.k;
	float *y = b->y + (size_t)n * (size_t)b->cv->cs_small;
	(void)worker;
	memset(y, 0, (size_t)b->cv->cs_small * sizeof *y);
	for (int task = 0; task < tasks; task++) {
		const float *part = b->parts + ((size_t)task * (size_t)b->cv->batch + (size_t)n) * (size_t)k;
		for (int i = 0; i < k; i++)
			y[i] += part[i];
	}
}

static void blas_backward_task(void *ctx, int task, int worker)
{
	const struct blas *b = ctx;
	const struct dcg_conv *cv = b->cv;
	struct blas_piece at = blas_piece(cv, task);
	const int k = cv->g.k, width = blas_width(cv), zeros = cv->cs_big - cv->g.c;
	float *x = b->x + at.column;
	(void)worker;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, cv->batch, at.count, k, 1, b->y, cv->cs_small, b->w + (size_t)at.row * (size_t)k, k, 0, x, width);
	for (int n = 0; n < cv->batch && zeros; n++, x += width)
		memset(x + at.count, 0, (size_t)zeros * sizeof *x);
}

static void blas_gradient_task(void *ctx, int task, int worker)
{
	const struct blas *b = ctx;
	const struct dcg_conv *cv = b->cv;
	struct blas_piece at = blas_piece(cv, task);
	int ld, k = cv->g.k;
	const float *x = blas_big(b, at, worker, &ld);
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, at.count, k, cv->batch, 1, x, ld, b->y, cv->cs_small, b->accumulate ? 1 : 0,
		b->w + (size_t)at.row * (size_t)k, k);
}

static void blas_forward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct blas b = blas_of(be, cv);
	b.big = big;
	b.y = small->data;
	dcg_table_run(be, blas_forward_task, &b, blas_tasks(cv));
	dcg_table_run(be, blas_sum_task, &b, cv->batch);
}

static void blas_backward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct blas b = blas_of(be, cv);
	b.y = blas_small(&b, small);
	b.x = big->data;
	dcg_table_run(be, blas_backward_task, &b, blas_tasks(cv));
}

static void blas_gradient(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct blas b = blas_of(be, cv);
	b.y = blas_small(&b, small);
	b.big = big;
	b.w = cv->weights->part[DCG_GRAD];
	b.accumulate = accumulate;
	dcg_table_run(be, blas_gradient_task, &b, blas_tasks(cv));
}
