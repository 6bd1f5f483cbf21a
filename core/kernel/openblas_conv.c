/* Convolutions as a product a tap and output pixel, for layers with enough channels. */
#include "kernel/openblas.h"

#include <assert.h>
#include <cblas.h>
#include <string.h>

/* An operation's output is outputs matrices [rows x cols], each cut into pieces so that
 * there are enough tasks for many threads even where a layer has few pixels. Depends on
 * the geometry alone. Columns are cut first: a product keeps its speed longer when it
 * becomes narrow than when it becomes flat. */
struct cut {
	int rows, cols;               /* of a matrix */
	int piece_rows, piece_cols;
	int down, across;             /* pieces a matrix */
};
struct piece {
	int output, row, col, rows, cols;
};
enum { ENOUGH_TASKS = 32, LEAST_COLS = 128, LEAST_ROWS = 32 };

static int divide_up(int a, int b)
{
	return a / b + (a % b != 0);
}

static struct cut cut_for(int outputs, int rows, int cols)
{
	struct cut c = { .rows = rows, .cols = cols, .piece_rows = rows, .piece_cols = cols, .down = 1, .across = 1 };
	while ((long long)outputs * c.down * c.across < ENOUGH_TASKS) {
		if (c.piece_cols >= 2 * LEAST_COLS)
			c.piece_cols = divide_up(c.piece_cols, 2);
		else if (c.piece_rows >= 2 * LEAST_ROWS)
			c.piece_rows = divide_up(c.piece_rows, 2);
		else
			break;
		c.down = divide_up(rows, c.piece_rows);
		c.across = divide_up(cols, c.piece_cols);
	}
	return c;
}

static struct piece piece_of(const struct cut *c, int task)
{
	struct piece p;
	p.col = task % c->across * c->piece_cols;
	task /= c->across;
	p.row = task % c->down * c->piece_rows;
	p.output = task / c->down;
	p.rows = c->rows - p.row < c->piece_rows ? c->rows - p.row : c->piece_rows;
	p.cols = c->cols - p.col < c->piece_cols ? c->cols - p.col : c->piece_cols;
	return p;
}

struct job {
	const struct dcg_conv *conv;
	const float *big, *small, *weights;
	float *out;
	struct cut cut;
	int accumulate;
};

static void clear(float *at, int rows, int cols, size_t step)
{
	for (int i = 0; i < rows; i++)
		memset(at + (size_t)i * step, 0, (size_t)cols * sizeof *at);
}

/* small[p,q] [N x K] = sum over taps of big[h,w] [N x C] . weights[tap]^T [C x K] */
static void forward_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const struct dcg_conv_geometry *g = &j->conv->g;
	const struct piece at = piece_of(&j->cut, task);
	const size_t N = (size_t)j->conv->batch, C = (size_t)g->c, K = (size_t)g->k;
	const int h0 = at.output / g->q * g->stride - g->pad, w0 = at.output % g->q * g->stride - g->pad;
	float *out = j->out + ((size_t)at.output * N + (size_t)at.row) * K + at.col;
	float beta = 0;
	for (int r = 0; r < g->r; r++) {
		if (h0 + r < 0 || h0 + r >= g->h)
			continue;
		for (int s = 0; s < g->s; s++) {
			if (w0 + s < 0 || w0 + s >= g->w)
				continue;
			const float *x = j->big + (((size_t)(h0 + r) * (size_t)g->w + (size_t)(w0 + s)) * N + (size_t)at.row) * C;
			const float *w = j->weights + ((size_t)(r * g->s + s) * K + (size_t)at.col) * C;
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, at.rows, at.cols, g->c, 1, x, g->c, w, g->c, beta, out, g->k);
			beta = 1;
		}
	}
	if (beta == 0)
		clear(out, at.rows, at.cols, K);
}

/* big[h,w] [N x C] = sum over the taps that reach a small pixel of small[p,q] [N x K] . weights[tap] [K x C] */
static void backward_data_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const struct dcg_conv_geometry *g = &j->conv->g;
	const struct piece at = piece_of(&j->cut, task);
	const size_t N = (size_t)j->conv->batch, C = (size_t)g->c, K = (size_t)g->k;
	const int h = at.output / g->w + g->pad, w = at.output % g->w + g->pad;
	float *out = j->out + ((size_t)at.output * N + (size_t)at.row) * C + at.col;
	float beta = 0;
	for (int r = h % g->stride; r < g->r && r <= h; r += g->stride) {
		int p = (h - r) / g->stride;
		if (p >= g->p)
			continue;
		for (int s = w % g->stride; s < g->s && s <= w; s += g->stride) {
			int q = (w - s) / g->stride;
			if (q >= g->q)
				continue;
			const float *y = j->small + (((size_t)p * (size_t)g->q + (size_t)q) * N + (size_t)at.row) * K;
			const float *wt = j->weights + (size_t)(r * g->s + s) * K * C + at.col;
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, at.rows, at.cols, g->k, 1, y, g->k, wt, g->c, beta, out, g->c);
			beta = 1;
		}
	}
	if (beta == 0)
		clear(out, at.rows, at.cols, C);
}

/* dweights[tap] [K x C] (+)= sum over pixels of small[p,q]^T [K x N] . big[h,w] [N x C] */
static void backward_weights_task(void *ctx, int task, int worker)
{
	(void)worker;
	const struct job *j = ctx;
	const struct dcg_conv_geometry *g = &j->conv->g;
	const struct piece at = piece_of(&j->cut, task);
	const size_t N = (size_t)j->conv->batch, C = (size_t)g->c, K = (size_t)g->k;
	const int r = at.output / g->s, s = at.output % g->s;
	float *out = j->out + ((size_t)at.output * K + (size_t)at.row) * C + at.col;
	float beta = j->accumulate ? 1 : 0;
	for (int p = 0; p < g->p; p++) {
		int h = p * g->stride - g->pad + r;
		if (h < 0 || h >= g->h)
			continue;
		for (int q = 0; q < g->q; q++) {
			int w = q * g->stride - g->pad + s;
			if (w < 0 || w >= g->w)
				continue;
			const float *y = j->small + ((size_t)p * (size_t)g->q + (size_t)q) * N * K + at.row;
			const float *x = j->big + ((size_t)h * (size_t)g->w + (size_t)w) * N * C + at.col;
			cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, at.rows, at.cols, j->conv->batch, 1, y, g->k, x, g->c, beta, out, g->c);
			beta = 1;
		}
	}
	if (beta == 0)
		clear(out, at.rows, at.cols, C);
}

static void check_sides(const struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small)
{
	(void)conv, (void)big, (void)small;
	assert(big->shape.n == conv->batch && big->shape.c == conv->g.c && big->shape.h == conv->g.h && big->shape.w == conv->g.w);
	assert(small->shape.n == conv->batch && small->shape.c == conv->g.k && small->shape.h == conv->g.p && small->shape.w == conv->g.q);
}

static void run(struct dcg_backend *be, dcg_pool_fn *fn, struct job *j, int outputs, int rows, int cols)
{
	j->cut = cut_for(outputs, rows, cols);
	dcg_table_run(be, fn, j, outputs * j->cut.down * j->cut.across);
}

static void conv_forward(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	check_sides(conv, big, small);
	if (conv->thin) {
		dcg_openblas_thin_forward(be, conv, big, small);
		return;
	}
	struct job j = { .conv = conv, .big = big->at, .weights = conv->weights.part[DCG_VALUE], .out = small->at };
	run(be, forward_task, &j, conv->g.p * conv->g.q, conv->batch, conv->g.k);
}

static void conv_backward_data(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	check_sides(conv, big, small);
	if (conv->thin) {
		dcg_openblas_thin_backward_data(be, conv, small, big);
		return;
	}
	struct job j = { .conv = conv, .small = small->at, .weights = conv->weights.part[DCG_VALUE], .out = big->at };
	run(be, backward_data_task, &j, conv->g.h * conv->g.w, conv->batch, conv->g.c);
}

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	check_sides(conv, big, small);
	if (conv->thin) {
		dcg_openblas_thin_backward_weights(be, conv, big, small, accumulate);
		return;
	}
	struct job j = { .conv = conv, .big = big->at, .small = small->at, .out = conv->weights.part[DCG_GRAD], .accumulate = accumulate };
	run(be, backward_weights_task, &j, conv->g.r * conv->g.s, conv->g.k, conv->g.c);
}

static void conv_free(struct dcg_conv *conv)
{
	if (!conv)
		return;
	dcg_openblas_param_done(&conv->weights);
	dcg_table_free(conv);
}

static int conv_new(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err)
{
	size_t weights;
	void *p;
	int e = dcg_geometry_check(g, batch, &weights, err);
	if (!e)
		e = dcg_table_alloc(be, &p, 1, sizeof(struct dcg_conv), "convolution", err);
	if (e)
		return e;
	struct dcg_conv *conv = p;
	*conv = (struct dcg_conv){ .g = *g, .batch = batch, .thin = g->c < DCG_OPENBLAS_THIN && g->r * g->s > 1 };
	e = dcg_openblas_param_init(be, &conv->weights, g->k, g->c, g->r * g->s, conv->thin, err);
	if (!e && conv->thin)
		e = dcg_openblas_thin_init(be, conv, err);
	if (e) {
		conv_free(conv);
		return e;
	}
	*ret = conv;
	return 0;
}

static struct dcg_param *conv_weights(struct dcg_conv *conv)
{
	return &conv->weights;
}

void dcg_openblas_convs(struct dcg_ops *ops)
{
	ops->conv_new = conv_new;
	ops->conv_free = conv_free;
	ops->conv_weights = conv_weights;
	ops->conv_forward = conv_forward;
	ops->conv_backward_data = conv_backward_data;
	ops->conv_backward_weights = conv_backward_weights;
}
