/* The gradient of the weights: for each chunk of rows (output pixels, or tiles) both sides
 * are gathered or transformed into shared panels; then a task takes a block of inputs and a
 * panel of outputs, multiplies every point's, and adds what that is in weights.
 *
 * Panels: inputs [point][AW columns][rows][AW], outputs [point][NB columns][rows][NB];
 * bf16 keeps pairs of rows side by side. The gradient is summed by chunks in order, and
 * chunks depend on the shape alone. Where there are few weights, a chunk's rows are split
 * among several tasks, which sum into parts that are added at the end, in order. */

enum {
	GRADIENT_BYTES = 10 << 20, GRADIENT_ROWS = 64, /* a chunk: about that much, at least so many rows */
	SPLIT_ROWS = 512,                              /* of a product, at most */
	GROUP = VW == 16 ? 4 : 2,                      /* A panels a task */
	STORE_AHEAD = 4,                               /* columns */
	SPLIT_TASKS = 16,                              /* split rows for fewer tasks than that */
};

struct gradient {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big, *small;
	float *grad;
	int accumulate;
	struct wino f;               /* its m is 0 in the direct form */
	int points, a_columns, a_panels, b_panels, groups;
	int tall, wide, row_units;   /* a unit: wide rows of one picture, which has tall; units in all */
	int chunk_units, chunk_rows; /* at most; rows rounded up to an even number */
	int splits, split_rows;
	int first, count, rows;      /* the present chunk: units, rows */
	panel *a, *b;
	float *parts;                /* [splits][weights] if splits > 1 */
};

static struct gradient gradient_plan(const struct dcg_conv *cv)
{
	const struct wino f = wino_of(cv, cv->gradient);
	struct gradient g = { .cv = cv, .f = f, .points = f.m ? wino_points(f) : 1 };
	g.a_columns = (f.m ? wino_phases(f) : cv->taps) * cv->cs_big;
	g.a_panels = ceil_div(g.a_columns, AW);
	g.b_panels = ceil_div(cv->cs_small, NB);
	g.groups = ceil_div(g.a_panels, GROUP);
	g.tall = f.m ? ceil_div(cv->g.p, f.m) : cv->g.p;
	g.wide = f.m ? ceil_div(cv->g.q, f.m) : cv->g.q;
	g.row_units = cv->batch * g.tall;
	int tasks = g.groups * g.b_panels;
	g.splits = tasks < SPLIT_TASKS ? ceil_div(SPLIT_TASKS, tasks) : 1;
	size_t row = (size_t)g.points * (size_t)(g.a_panels * AW + g.b_panels * NB) * sizeof(panel);
	int rows = max_int(GRADIENT_ROWS, min_int(g.splits * SPLIT_ROWS, (int)(GRADIENT_BYTES / row)));
	g.chunk_units = max_int(1, min_int(rows / g.wide, g.row_units));
	g.chunk_units = ceil_div(g.row_units, ceil_div(g.row_units, g.chunk_units)); /* chunks of about the same size */
	g.chunk_rows = round_up(g.chunk_units * g.wide, 2);
	g.split_rows = round_up(ceil_div(g.chunk_rows, g.splits), 2);
	return g;
}

/* From one point to the next, in elements. Halves of a line of B come apart in time; A's lines, which come whole, are
 * better stored in few cache sets than in place of what they are made from. */
static size_t a_step(const struct gradient *g) { return (size_t)(g->a_panels * AW) * (size_t)g->chunk_rows; }
static size_t b_step(const struct gradient *g) { return (size_t)(g->b_panels * NB) * (size_t)g->chunk_rows + LINE; }
static size_t gradient_a(const struct gradient *g) { return (size_t)g->points * a_step(g); }
static size_t gradient_b(const struct gradient *g) { return (size_t)g->points * b_step(g); }
static size_t gradient_shared(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	return (gradient_a(&g) + gradient_b(&g)) * sizeof(panel) + (g.splits > 1 ? (size_t)g.splits * cv->weights->count * sizeof(float) : 0);
}

/* What a worker has activated of two consecutive units. */
static size_t gradient_stage(const struct dcg_conv *cv)
{
	size_t big = (size_t)big_rows(cv, cv->gradient) * (size_t)cv->g.w * (size_t)cv->cs_big;
	return big + (size_t)(is_wino(cv->gradient) ? wino_m(cv->gradient) : 1) * (size_t)cv->g.q * (size_t)cv->cs_small;
}
/* And its rows before they become panels; then a task's products. */
static size_t gradient_scratch(const struct dcg_conv *cv)
{
	struct gradient g = gradient_plan(cv);
	size_t rows = is_wino(cv->gradient) ? 0 : UNIT * ((size_t)(g.a_panels * AW) + (size_t)(g.b_panels * NB));
	size_t products = (size_t)g.points * c_point(GROUP * AW);
	rows = sizeof(value) * (rows + 2 * gradient_stage(cv)), products *= sizeof(float);
	return rows > products ? rows : products;
}

static panel *a_at(const struct gradient *g, int point, int column, int row)
{
	size_t rows = (size_t)(column / AW) * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT);
	return g->a + (size_t)point * a_step(g) + rows * AW + (size_t)(column % AW) * UNIT;
}
static panel *b_at(const struct gradient *g, int point, int column, int row)
{
	size_t rows = (size_t)(column / NB) * (size_t)g->chunk_rows + (size_t)(row / UNIT * UNIT);
	return g->b + (size_t)point * b_step(g) + rows * NB + (size_t)(column % NB) * UNIT;
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
	int n = number / g->tall, y = number % g->tall, k = g->f.m ? g->f.m : 1;
	if (u->number == number)
		return u;
	int h0 = y * k * cv->g.stride - cv->g.pad, tall = big_rows(cv, cv->gradient);
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

/* Two rows' (UNIT) tiles of one phase, or with phase -1 of the small side, to a column of panels. */
ALWAYS void gradient_columns(const struct wino f, int tall, int wide, const struct gradient *g, const value *(*src)[WINO_MOST * WINO_MOST], int phase, int row)
{
	const struct dcg_conv *cv = g->cv;
	const int across = of_points(f, wide);
	const int width = phase < 0 ? cv->cs_small : cv->cs_big;
	const size_t point = phase < 0 ? b_step(g) : a_step(g);
	vf v[UNIT][WINO_MOST * WINO_MOST];
	for (int c = 0; c < width; c += VW) {
		panel *to = phase < 0 ? b_at(g, 0, c, row) : a_at(g, 0, phase * cv->cs_big + c, row);
		UNROLL
		for (int i = 0; i < UNIT; i++) {
			if (phase < 0)
				output_vectors(f, v[i], src[i], c);
			else
				data_vectors(f, tall, wide, v[i], src[i], c);
		}
		UNROLL
		for (int t = 0; t < of_points(f, tall) * across; t++)
			panel_store_rows(to + (size_t)(t / across * wino_side(f) + t % across) * point, v[0][t], v[UNIT - 1][t]);
	}
}

/* The same of the big side: one phase. */
ALWAYS void gradient_phase(const struct wino f, int tall, int wide, const struct gradient *g, struct unit *two, int phase, int row)
{
	const value *src[UNIT][WINO_MOST * WINO_MOST];
	for (int i = 0; i < UNIT; i++) {
		int number = g->first + (row + i) / g->wide;
		if (row + i >= g->rows)
			memset(src[i], 0, sizeof src[i]);
		else
			tile_pixels(f, tall, wide, g->cv, &unit_of(g, two, number)->big, phase, number % g->tall, (row + i) % g->wide, src[i]);
	}
	gradient_columns(f, tall, wide, g, src, phase, row);
}

ALWAYS void gradient_small(const struct wino f, const struct gradient *g, struct unit *two, int row)
{
	const value *src[UNIT][WINO_MOST * WINO_MOST];
	for (int i = 0; i < UNIT; i++) {
		int number = g->first + (row + i) / g->wide;
		if (row + i >= g->rows)
			memset(src[i], 0, sizeof src[i]);
		else
			tile_outputs(f.m, g->cv, &unit_of(g, two, number)->small, number % g->tall, (row + i) % g->wide, src[i]);
	}
	gradient_columns(f, wino_most(f), wino_most(f), g, src, -1, row);
}

static void gradient_zeros(const struct gradient *g, int point, int column, int end, int row)
{
	for (; column < end; column += VW)
		memset(a_at(g, point, column, row), 0, VW * UNIT * sizeof(panel));
}

ALWAYS void gradient_wino_rows(const struct wino f, const struct gradient *g, int task, int worker)
{
	const struct dcg_conv *cv = g->cv;
	struct unit two[2];
	two_units(g, two, worker);
	for (int row = task * TASK_ROWS; row < min_int((task + 1) * TASK_ROWS, round_up(g->rows, UNIT)); row += UNIT) {
		for (int phase = 0; phase < wino_phases(f); phase++)
			WINO_BY_TAPS(gradient_phase, f, phase, g, two, phase, row);
		gradient_small(f, g, two, row);
		/* Columns up to a whole panel; those of a phase that lacks the point, if they share one. */
		for (int t = 0; t < g->points; t++) {
			gradient_zeros(g, t, g->a_columns, g->a_panels * AW, row);
			for (int phase = 0; phase < wino_phases(f) && cv->cs_big % AW; phase++)
				if (!wino_has(f, phase, t))
					gradient_zeros(g, t, phase * cv->cs_big, (phase + 1) * cv->cs_big, row);
			for (int c = cv->cs_small; c < g->b_panels * NB; c += VW)
				memset(b_at(g, t, c, row), 0, VW * UNIT * sizeof(panel));
		}
	}
}

static void store_gradient(const struct gradient *g, float *grad, int add, int tap, int c, int k, vf v)
{
	const struct dcg_conv *cv = g->cv;
	float *to = grad + ((size_t)tap * (size_t)cv->g.c + (size_t)c) * (size_t)cv->g.k + k, lanes[VW];
	__builtin_prefetch(to + STORE_AHEAD * cv->g.k, 1); /* as far apart as rows of weights in pack.inc.h */
	if (k + VW <= cv->g.k) {
		vstore(to, add ? vadd(vload(to), v) : v);
		return;
	}
	vstore(lanes, v);
	for (int i = 0; k + i < cv->g.k; i++)
		to[i] = add ? to[i] + lanes[i] : lanes[i];
}

/* Whether one of a panel's columns has point t. */
static int panel_has(const struct gradient *g, int i, int t)
{
	int first = i * AW / g->cv->cs_big, last = min_int((i + 1) * AW, g->a_columns) - 1;
	if (!g->f.m || !wino_uneven(g->f))
		return 1;
	for (int phase = first; phase <= last / g->cv->cs_big; phase++)
		if (wino_has(g->f, phase, t))
			return 1;
	return 0;
}

/* From a column's products, points apart, the gradient of its taps. */
ALWAYS void store_taps(const struct wino f, int tall, int wide, const struct gradient *g, float *grad, int add, int phase, int c, int k, const float *from)
{
	const int across = of_points(f, wide);
	vf u[WINO_MOST * WINO_MOST], w[9];
	UNROLL
	for (int t = 0; t < of_points(f, tall) * across; t++)
		u[t] = vload(from + (size_t)(t / across * wino_side(f) + t % across) * c_point(GROUP * AW));
	wino_weights_adjoint_2d(f, tall, wide, w, u);
	UNROLL
	for (int i = 0; i < tall * wide; i++)
		store_gradient(g, grad, add, wino_tap(f, phase, i / wide, i % wide), c, k, w[i]);
}

/* f.m: 0 in the direct form. */
ALWAYS void gradient_products(const struct wino f, const struct gradient *g, int task, int worker)
{
	const struct dcg_conv *cv = g->cv;
	const int points = f.m ? wino_points(f) : 1;
	int j = task % g->b_panels, group = task / g->b_panels % g->groups, split = task / g->b_panels / g->groups;
	int first = group * GROUP, end = min_int(first + GROUP, g->a_panels);
	int row = split * g->split_rows, rows = min_int(g->split_rows, g->rows - row), add = g->splits > 1 ? g->first > 0 : g->accumulate || g->first > 0;
	float *grad = g->splits > 1 ? g->parts + (size_t)split * cv->weights->count : g->grad;
	float *dm = (float *)(void *)scratch_of(g->be, worker);
	for (int t = 0; t < points; t++)
		for (int i = first; i < end; i++)
			if (panel_has(g, i, t))
				gemm_columns(max_int(0, ceil_div(rows, UNIT)), a_at(g, t, i * AW, max_int(0, min_int(row, g->rows))),
					b_at(g, t, j * NB, max_int(0, min_int(row, g->rows))), dm + (size_t)t * c_point(GROUP * AW) + (i - first) * AW * NB, NB);
	for (int a = 0; a < (end - first) * AW && first * AW + a < g->a_columns; a++) {
		int part = (first * AW + a) / cv->cs_big, c = (first * AW + a) % cv->cs_big; /* a phase or a tap */
		for (int v = 0; c < cv->g.c && v < NB && j * NB + v < cv->g.k; v += VW) {
			const float *from = dm + (size_t)a * NB + v;
			if (f.m == 0)
				store_gradient(g, grad, add, part, c, j * NB + v, vload(from));
			else
				WINO_BY_TAPS(store_taps, f, part, g, grad, add, part, c, j * NB + v, from);
		}
	}
}

static void gradient_direct_products(void *ctx, int task, int worker) { gradient_products((struct wino){ 0, 1, 1 }, ctx, task, worker); }

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

static void add_parts(struct dcg_backend *be, const struct dcg_conv *cv, float *parts, int splits, int accumulate)
{
	struct gradient g = { .cv = cv, .grad = cv->weights->part[DCG_GRAD], .accumulate = accumulate, .splits = splits, .parts = parts };
	dcg_table_run(be, gradient_add_parts, &g, (int)((cv->weights->count + ADD_BLOCK - 1) / ADD_BLOCK));
}
