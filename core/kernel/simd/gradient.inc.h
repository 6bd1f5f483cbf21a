/* The gradient of the weights: for each chunk of rows (output pixels, or tiles) both sides
 * are gathered or transformed into shared panels; then a task takes a block of inputs and a
 * panel of outputs, multiplies every point's, and adds what that is in weights.
 *
 * Panels: inputs [point][AW columns][rows][AW], outputs [point][NB columns][rows][NB];
 * bf16 keeps pairs of rows side by side. The gradient is summed by chunks in order, and
 * chunks depend on the shape alone. Where there are few weights, a chunk's rows are split
 * among several tasks, which sum into parts that are added at the end, in order. */

enum {
	GRADIENT_BYTES = 8 << 20, GRADIENT_ROWS = 64, /* a chunk: about that much, at least so many rows */
	SPLIT_ROWS = 512,                              /* of a product, at most */
	GROUP = VW == 16 ? 4 : 2,                      /* A panels a task */
	SPLIT_TASKS = 16,                              /* split rows for fewer tasks than that */
};

struct gradient {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big, *small;
	float *grad;
	int accumulate;
	int points, a_columns, a_panels, b_panels, groups;
	int tall, wide, row_units;   /* a unit: wide rows of one picture, which has tall; units in all */
	int chunk_units, chunk_rows; /* at most; rows rounded up to UNIT */
	int splits, split_rows;
	int first, count, rows;      /* the present chunk: units, rows */
	panel *a, *b;
	float *parts;                /* [splits][weights] if splits > 1 */
};

static struct gradient gradient_plan(const struct dcg_conv *cv)
{
	int m = wino_m(cv->gradient), wino = is_wino(cv->gradient);
	struct gradient g = { .cv = cv, .points = points_of(cv->gradient) };
	g.a_columns = (wino ? 4 : cv->taps) * cv->cs_big;
	g.a_panels = ceil_div(g.a_columns, AW);
	g.b_panels = ceil_div(cv->cs_small, NB);
	g.groups = ceil_div(g.a_panels, GROUP);
	g.tall = wino ? ceil_div(cv->g.p, m) : cv->g.p;
	g.wide = wino ? ceil_div(cv->g.q, m) : cv->g.q;
	g.row_units = cv->batch * g.tall;
	int tasks = g.groups * g.b_panels;
	g.splits = tasks < SPLIT_TASKS ? ceil_div(SPLIT_TASKS, tasks) : 1;
	size_t row = (size_t)g.points * (size_t)(g.a_panels * AW + g.b_panels * NB) * sizeof(panel);
	int rows = max_int(GRADIENT_ROWS, min_int(g.splits * SPLIT_ROWS, (int)(GRADIENT_BYTES / row)));
	g.chunk_units = max_int(1, min_int(rows / g.wide, g.row_units));
	g.chunk_rows = round_up(g.chunk_units * g.wide, 2);
	g.split_rows = round_up(ceil_div(g.chunk_rows, g.splits), 2);
	return g;
}

static size_t gradient_a(const struct gradient *g)
{
	return (size_t)g->points * (size_t)(g->a_panels * AW) * (size_t)g->chunk_rows;
}
static size_t gradient_b(const struct gradient *g)
{
	return (size_t)g->points * (size_t)(g->b_panels * NB) * (size_t)g->chunk_rows;
}
static size_t gradient_shared(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	return (gradient_a(&g) + gradient_b(&g)) * sizeof(panel) + (g.splits > 1 ? (size_t)g.splits * cv->weights->count * sizeof(float) : 0);
}

/* What a worker has activated of two consecutive units. */
static size_t gradient_stage(const struct dcg_conv *cv)
{
	int m = wino_m(cv->gradient), wino = is_wino(cv->gradient);
	size_t big = (size_t)(wino ? 2 * m + 2 : cv->g.r) * (size_t)cv->g.w * (size_t)cv->cs_big;
	return big + (size_t)(wino ? m : 1) * (size_t)cv->g.q * (size_t)cv->cs_small;
}
/* And its rows before they become panels; then a task's products. */
static size_t gradient_scratch(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	size_t rows = is_wino(cv->gradient) ? 0 : UNIT * ((size_t)(g.a_panels * AW) + (size_t)(g.b_panels * NB));
	size_t products = (size_t)(g.points * GROUP * AW * NB);
	rows = sizeof(value) * (rows + 2 * gradient_stage(cv)), products *= sizeof(float);
	return rows > products ? rows : products;
}

static panel *a_at(const struct gradient *g, int point, int column, int row)
{
	size_t p = (size_t)point * (size_t)g->a_panels + (size_t)(column / AW);
	return g->a + (p * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT)) * AW + (size_t)(column % AW) * UNIT;
}
static panel *b_at(const struct gradient *g, int point, int column, int row)
{
	size_t p = (size_t)point * (size_t)g->b_panels + (size_t)(column / NB);
	return g->b + (p * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT)) * NB + (size_t)(column % NB) * UNIT;
}

/* The rows of both sides that a unit needs. */
struct unit {
	int number; /* -1: none yet */
	value *stage;
	struct rows big, small;
};

static const struct unit *unit_of(const struct gradient *g, struct unit *two, int number)
{
	const struct dcg_conv *cv = g->cv;
	struct unit *u = &two[number & 1];
	int n = number / g->tall, y = number % g->tall, m = wino_m(cv->gradient), wino = is_wino(cv->gradient);
	if (u->number == number)
		return u;
	int h0 = wino ? 2 * m * y - 1 : y * cv->g.stride - cv->g.pad, tall = wino ? 2 * m + 2 : cv->g.r, k = wino ? m : 1;
	u->number = number;
	u->big = rows_of_picture(g->big, n, h0, h0 + tall, u->stage);
	u->small = rows_of_picture(g->small, n, y * k, (y + 1) * k, u->stage + (size_t)tall * (size_t)cv->g.w * (size_t)cv->cs_big);
	return u;
}

static value *two_units(const struct gradient *g, struct unit *two, int worker)
{
	value *stage = (value *)(void *)scratch_of(g->be, worker);
	for (int i = 0; i < 2; i++)
		two[i] = (struct unit){ .number = -1, .stage = stage + (size_t)i * gradient_stage(g->cv) };
	return stage + 2 * gradient_stage(g->cv);
}

/* Rows 2t, 2t+1 of a task; a chunk's odd last row is followed by zeros. */
enum { TASK_ROWS = 16 };

static void gather_values(const struct dcg_conv *cv, const struct rows *in, int p, int q, value *out)
{
	const struct dcg_conv_geometry *g = &cv->g;
	int cs = cv->cs_big, w0 = q * g->stride - g->pad, s0 = w0 < 0 ? -w0 : 0, s1 = min_int(g->s, g->w - w0);
	for (int r = 0; r < g->r; r++, out += g->s * cs) {
		int h = p * g->stride - g->pad + r;
		memset(out, 0, (size_t)(g->s * cs) * sizeof *out);
		if (h >= 0 && h < g->h && s0 < s1)
			memcpy(out + s0 * cs, in->at + ((size_t)(h - in->first) * (size_t)g->w + (size_t)(w0 + s0)) * (size_t)cs, (size_t)((s1 - s0) * cs) * sizeof *out);
	}
}

static void gradient_direct_rows(void *ctx, int task, int worker)
{
	const struct gradient *g = ctx;
	const struct dcg_conv *cv = g->cv;
	int a_width = g->a_panels * AW, b_width = g->b_panels * NB;
	struct unit two[2];
	value *a = two_units(g, two, worker), *b = a + UNIT * a_width;
	memset(a, 0, (size_t)(UNIT * (a_width + b_width)) * sizeof *a);
	for (int row = task * TASK_ROWS; row < min_int((task + 1) * TASK_ROWS, round_up(g->rows, UNIT)); row += UNIT) {
		for (int i = 0; i < UNIT; i++) {
			int unit = g->first + (row + i) / g->wide, q = (row + i) % g->wide;
			if (row + i >= g->rows) {
				memset(a + i * a_width, 0, (size_t)a_width * sizeof *a);
				memset(b + i * b_width, 0, (size_t)b_width * sizeof *b);
				continue;
			}
			const struct unit *u = unit_of(g, two, unit);
			gather_values(cv, &u->big, unit % g->tall, q, a + i * a_width);
			memcpy(b + i * b_width, u->small.at + ((size_t)(unit % g->tall - u->small.first) * (size_t)cv->g.q + (size_t)q) * (size_t)cv->cs_small,
				(size_t)cv->cs_small * sizeof *b);
		}
		for (int c = 0; c < a_width; c += VW)
			panel_copy_rows(a_at(g, 0, c, row), a + c, a + (UNIT - 1) * a_width + c);
		for (int c = 0; c < b_width; c += VW)
			panel_copy_rows(b_at(g, 0, c, row), b + c, b + (UNIT - 1) * b_width + c);
	}
}

ALWAYS void gradient_wino_rows(int m, const struct gradient *g, int task, int worker)
{
	const struct dcg_conv *cv = g->cv;
	const int points = (m + 1) * (m + 1);
	struct unit two[2];
	two_units(g, two, worker);
	for (int row = task * TASK_ROWS; row < min_int((task + 1) * TASK_ROWS, round_up(g->rows, UNIT)); row += UNIT) {
		const value *src[UNIT][WINO_MOST * WINO_MOST];
		vf v[UNIT][WINO_MOST * WINO_MOST];
		for (int phase = 0; phase < 5; phase++) { /* 4: the small side */
			for (int i = 0; i < UNIT; i++) {
				int number = g->first + (row + i) / g->wide, tx = (row + i) % g->wide, ty = number % g->tall;
				if (row + i >= g->rows)
					memset(src[i], 0, sizeof src[i]);
				else if (phase < 4)
					tile_pixels(m, cv, &unit_of(g, two, number)->big, phase, ty, tx, src[i]);
				else
					tile_outputs(m, cv, &unit_of(g, two, number)->small, ty, tx, src[i]);
			}
			int width = phase < 4 ? cv->cs_big : cv->cs_small;
			for (int c = 0; c < width; c += VW) {
				for (int i = 0; i < UNIT; i++) {
					if (phase < 4)
						data_vectors(m, v[i], src[i], c);
					else
						output_vectors(m, v[i], src[i], c);
				}
				UNROLL
				for (int t = 0; t < points; t++)
					panel_store_rows(phase < 4 ? a_at(g, t, phase * cv->cs_big + c, row) : b_at(g, t, c, row), v[0][t], v[UNIT - 1][t]);
			}
		}
		/* Columns up to a whole panel. */
		for (int t = 0; t < points; t++) {
			for (int c = g->a_columns; c < g->a_panels * AW; c += VW)
				memset(a_at(g, t, c, row), 0, VW * UNIT * sizeof(panel));
			for (int c = cv->cs_small; c < g->b_panels * NB; c += VW)
				memset(b_at(g, t, c, row), 0, VW * UNIT * sizeof(panel));
		}
	}
}

static void gradient_wino2_rows(void *ctx, int task, int worker) { gradient_wino_rows(2, ctx, task, worker); }
static void gradient_wino4_rows(void *ctx, int task, int worker) { gradient_wino_rows(4, ctx, task, worker); }

static void store_gradient(const struct gradient *g, float *grad, int add, int tap, int c, int k, vf v)
{
	const struct dcg_conv *cv = g->cv;
	float *to = grad + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k + k, lanes[VW];
	if (k + VW <= cv->g.k) {
		vstore(to, add ? vadd(vload(to), v) : v);
		return;
	}
	vstore(lanes, v);
	for (int i = 0; k + i < cv->g.k; i++)
		to[i] = add ? to[i] + lanes[i] : lanes[i];
}

ALWAYS void gradient_products(int m, const struct gradient *g, int task, int worker)
{
	const struct dcg_conv *cv = g->cv;
	const int points = m ? (m + 1) * (m + 1) : 1;
	int j = task % g->b_panels, group = task / g->b_panels % g->groups, split = task / g->b_panels / g->groups;
	int first = group * GROUP, end = min_int(first + GROUP, g->a_panels);
	int row = split * g->split_rows, rows = min_int(g->split_rows, g->rows - row), add = g->splits > 1 ? g->first > 0 : g->accumulate || g->first > 0;
	float *grad = g->splits > 1 ? g->parts + (size_t)split * cv->weights->count : g->grad;
	float *dm = (float *)(void *)scratch_of(g->be, worker);
	for (int t = 0; t < points; t++)
		for (int i = first; i < end; i++)
			gemm_columns(max_int(0, ceil_div(rows, UNIT)), a_at(g, t, i * AW, max_int(0, min_int(row, g->rows))),
				b_at(g, t, j * NB, max_int(0, min_int(row, g->rows))), dm + (size_t)(t * GROUP + i - first) * AW * NB, NB);
	for (int a = 0; a < (end - first) * AW && first * AW + a < g->a_columns; a++) {
		int part = (first * AW + a) / cv->cs_big, c = (first * AW + a) % cv->cs_big; /* a phase or a tap */
		for (int v = 0; c < cv->g.c && v < NB && j * NB + v < cv->g.k; v += VW) {
			const float *from = dm + (size_t)a * NB + v;
			if (!m) {
				store_gradient(g, grad, add, part, c, j * NB + v, vload(from));
				continue;
			}
			vf u[WINO_MOST * WINO_MOST], w[4];
			UNROLL
			for (int t = 0; t < points; t++)
				u[t] = vload(from + (size_t)(t * GROUP) * AW * NB);
			wino_weights_adjoint_2d(m, w, u);
			for (int i = 0; i < 4; i++)
				store_gradient(g, grad, add, phase_tap(part, i), c, j * NB + v, w[i]);
		}
	}
}

static void gradient_direct_products(void *ctx, int task, int worker) { gradient_products(0, ctx, task, worker); }
static void gradient_wino2_products(void *ctx, int task, int worker) { gradient_products(2, ctx, task, worker); }
static void gradient_wino4_products(void *ctx, int task, int worker) { gradient_products(4, ctx, task, worker); }

enum { ADD_BLOCK = 1 << 12 };

static void gradient_add_parts(void *ctx, int task, int worker)
{
	const struct gradient *g = ctx;
	size_t count = g->cv->weights->count, first = (size_t)task * ADD_BLOCK, end = first + ADD_BLOCK < count ? first + ADD_BLOCK : count;
	(void)worker;
	for (int s = 0; s < g->splits; s++) {
		const float *from = g->parts + (size_t)s * count;
		if (s == 0 && !g->accumulate)
			memcpy(g->grad + first, from + first, (end - first) * sizeof *from);
		else
			for (size_t i = first; i < end; i++)
				g->grad[i] += from[i];
	}
}

static void conv_backward_weights(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct gradient g = gradient_plan(cv);
	int wino = is_wino(cv->gradient), wino4 = cv->gradient == FORM_WINO4;
	g.be = be;
	g.big = big;
	g.small = small;
	g.grad = cv->weights->part[DCG_GRAD];
	g.accumulate = accumulate;
	g.a = (panel *)(void *)shared_of(be);
	g.b = g.a + gradient_a(&g);
	g.parts = (float *)(void *)(g.b + gradient_b(&g));
	for (g.first = 0; g.first < g.row_units; g.first += g.count) {
		g.count = min_int(g.chunk_units, g.row_units - g.first);
		g.rows = g.count * g.wide;
		dcg_table_run(be, wino4 ? gradient_wino4_rows : wino ? gradient_wino2_rows : gradient_direct_rows, &g, ceil_div(g.rows, TASK_ROWS));
		dcg_table_run(be, wino4 ? gradient_wino4_products : wino ? gradient_wino2_products : gradient_direct_products, &g,
			g.b_panels * g.groups * g.splits);
	}
	if (g.splits > 1)
		dcg_table_run(be, gradient_add_parts, &g, (int)((cv->weights->count + ADD_BLOCK - 1) / ADD_BLOCK));
}
