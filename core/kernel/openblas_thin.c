/* Convolutions whose big side has few channels (pictures): a product a tap would be only
 * C = 1 or 3 deep. Instead the taps of a run of small pixels are gathered side by side
 * into a panel [(pixel, n)][(r, s, c)], with zeros outside the image, and one product
 * does them all. Weights are [K][(r, s, c)]. Panels are scratch memory of a worker. */
#include "kernel/openblas.h"

#include <cblas.h>
#include <string.h>

enum { PANEL_ROWS = 512, MOST_BANDS = 32, FLOATS_PER_LINE = 16 };

struct job {
	const struct dcg_conv *conv;
	const float *big, *small, *weights;
	float *out;
	float *partial;       /* backward weights: [band][K][(r, s, c)] */
	float *panels;        /* of the workers */
	size_t panel_floats;
};

static int divide_up(int a, int b)
{
	return a / b + (a % b != 0);
}

/* Of all taps, from a run of small pixels. */
static size_t panel_floats(const struct dcg_conv *conv)
{
	const struct dcg_conv_geometry *g = &conv->g;
	size_t count = (size_t)conv->run * (size_t)conv->batch * (size_t)(g->r * g->s) * (size_t)g->c;
	return (count + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
}

static int runs_a_row(const struct dcg_conv *conv)
{
	return divide_up(conv->g.q, conv->run);
}

int dcg_openblas_thin_init(struct dcg_backend *be, struct dcg_conv *conv, struct dcg_error *err)
{
	const struct dcg_conv_geometry *g = &conv->g;
	conv->run = conv->batch >= PANEL_ROWS ? 1 : PANEL_ROWS / conv->batch;
	conv->run = conv->run < g->q ? conv->run : g->q;
	conv->bands = g->p < MOST_BANDS ? g->p : MOST_BANDS;
	size_t panels = panel_floats(conv) * (size_t)dcg_pool_threads(be->pool), partials = conv->weights.count * (size_t)conv->bands;
	return dcg_openblas_scratch(be, panels + partials, err);
}

static struct job job_for(struct dcg_backend *be, const struct dcg_conv *conv)
{
	struct job j = { .conv = conv, .panels = ((struct dcg_openblas *)be)->scratch, .panel_floats = panel_floats(conv) };
	j.partial = j.panels + j.panel_floats * (size_t)dcg_pool_threads(be->pool);
	return j;
}

/* Panel of the small pixels (p, q0) .. (p, q0 + pixels - 1). C is constant after inlining. */
DCG_INLINE void gather(const struct job *j, float *panel, int p, int q0, int pixels, const int C)
{
	const struct dcg_conv_geometry *g = &j->conv->g;
	const int N = j->conv->batch, width = g->r * g->s * C;
	for (int i = 0; i < pixels; i++) {
		float *rows = panel + (size_t)i * N * width;
		const int h0 = p * g->stride - g->pad, w0 = (q0 + i) * g->stride - g->pad;
		for (int r = 0; r < g->r; r++)
			for (int s = 0; s < g->s; s++) {
				const int h = h0 + r, w = w0 + s;
				float *to = rows + (r * g->s + s) * C;
				if (h < 0 || h >= g->h || w < 0 || w >= g->w) {
					for (int n = 0; n < N; n++)
						for (int c = 0; c < C; c++)
							to[(size_t)n * width + c] = 0;
					continue;
				}
				const float *from = j->big + ((size_t)h * g->w + w) * N * C;
				for (int n = 0; n < N; n++)
					for (int c = 0; c < C; c++)
						to[(size_t)n * width + c] = from[n * C + c];
			}
	}
}

static void gather_panel(const struct job *j, float *panel, int p, int q0, int pixels)
{
	switch (j->conv->g.c) {
	case 1: gather(j, panel, p, q0, pixels, 1); break;
	case 3: gather(j, panel, p, q0, pixels, 3); break;
	default: gather(j, panel, p, q0, pixels, j->conv->g.c);
	}
}

/* The i-th run of a row of small pixels. */
static int run_at(const struct dcg_conv *conv, int i, int *pixels)
{
	int q0 = i * conv->run;
	*pixels = conv->g.q - q0 < conv->run ? conv->g.q - q0 : conv->run;
	return q0;
}

/* small [(pixel, n) x K] = panel . weights^T; a task is a run of pixels. */
static void forward_task(void *ctx, int task, int worker)
{
	const struct job *j = ctx;
	const struct dcg_conv_geometry *g = &j->conv->g;
	const int width = g->r * g->s * g->c, p = task / runs_a_row(j->conv);
	int pixels, q0 = run_at(j->conv, task % runs_a_row(j->conv), &pixels);
	float *panel = j->panels + (size_t)worker * j->panel_floats;
	gather_panel(j, panel, p, q0, pixels);
	float *out = j->out + ((size_t)p * g->q + q0) * j->conv->batch * g->k;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, pixels * j->conv->batch, g->k, width, 1, panel, width, j->weights, width, 0, out, g->k);
}

void dcg_openblas_thin_forward(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct job j = job_for(be, conv);
	j.big = big->at;
	j.weights = conv->weights.part[DCG_VALUE];
	j.out = small->at;
	dcg_table_run(be, forward_task, &j, conv->g.p * runs_a_row(conv));
}

/* Add columns [(pixel, n)][(s, c)] of small row p to the pixels of a big row that they belong to. */
DCG_INLINE void scatter(const struct job *j, float *row, const float *columns, int q0, int pixels, const int C)
{
	const struct dcg_conv_geometry *g = &j->conv->g;
	const int N = j->conv->batch, width = g->s * C;
	for (int i = 0; i < pixels; i++)
		for (int s = 0; s < g->s; s++) {
			const int w = (q0 + i) * g->stride - g->pad + s;
			if (w < 0 || w >= g->w)
				continue;
			const float *from = columns + (size_t)i * N * width + s * C;
			float *to = row + (size_t)w * N * C;
			for (int n = 0; n < N; n++)
				for (int c = 0; c < C; c++)
					to[n * C + c] += from[(size_t)n * width + c];
		}
}

/* A task is a big row: for each kernel row r that reaches a small row p,
 * columns = small [(pixel, n) x K] . weights [K x (s, c) of r], added in place. */
static void backward_data_task(void *ctx, int h, int worker)
{
	const struct job *j = ctx;
	const struct dcg_conv_geometry *g = &j->conv->g;
	const int width = g->s * g->c, N = j->conv->batch;
	float *row = j->out + (size_t)h * g->w * N * g->c, *columns = j->panels + (size_t)worker * j->panel_floats;
	memset(row, 0, (size_t)g->w * N * g->c * sizeof *row);
	for (int r = (h + g->pad) % g->stride; r < g->r && r <= h + g->pad; r += g->stride) {
		const int p = (h + g->pad - r) / g->stride;
		if (p >= g->p)
			continue;
		for (int i = 0; i < runs_a_row(j->conv); i++) {
			int pixels, q0 = run_at(j->conv, i, &pixels);
			const float *y = j->small + ((size_t)p * g->q + q0) * N * g->k;
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, pixels * N, width, g->k, 1, y, g->k,
				    j->weights + (size_t)r * width, g->r * width, 0, columns, width);
			switch (g->c) {
			case 1: scatter(j, row, columns, q0, pixels, 1); break;
			case 3: scatter(j, row, columns, q0, pixels, 3); break;
			default: scatter(j, row, columns, q0, pixels, g->c);
			}
		}
	}
}

void dcg_openblas_thin_backward_data(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct job j = job_for(be, conv);
	j.small = small->at;
	j.weights = conv->weights.part[DCG_VALUE];
	j.out = big->at;
	dcg_table_run(be, backward_data_task, &j, conv->g.h);
}

/* A band of small rows: partial [K x (r, s, c)] = sum over its runs of small^T . panel. */
static void backward_weights_task(void *ctx, int band, int worker)
{
	const struct job *j = ctx;
	const struct dcg_conv *conv = j->conv;
	const struct dcg_conv_geometry *g = &conv->g;
	const int width = g->r * g->s * g->c, N = conv->batch;
	float *panel = j->panels + (size_t)worker * j->panel_floats, *partial = j->partial + (size_t)band * conv->weights.count;
	float beta = 0;
	for (int p = band; p < g->p; p += conv->bands)
		for (int i = 0; i < runs_a_row(conv); i++) {
			int pixels, q0 = run_at(conv, i, &pixels);
			gather_panel(j, panel, p, q0, pixels);
			const float *y = j->small + ((size_t)p * g->q + q0) * N * g->k;
			cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, g->k, width, pixels * N, 1, y, g->k, panel, width, beta, partial, width);
			beta = 1;
		}
}

void dcg_openblas_thin_backward_weights(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct job j = job_for(be, conv);
	j.big = big->at;
	j.small = small->at;
	dcg_table_run(be, backward_weights_task, &j, conv->bands);
	float *grad = conv->weights.part[DCG_GRAD];
	const size_t count = conv->weights.count;
	if (!accumulate)
		memset(grad, 0, count * sizeof *grad);
	for (int band = 0; band < conv->bands; band++)
		for (size_t i = 0; i < count; i++)
			grad[i] += j.partial[(size_t)band * count + i];
}
