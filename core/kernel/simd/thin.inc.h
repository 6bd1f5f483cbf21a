/* Convolutions of pictures, whose few channels lie tight: a row of the kernel's taps is a run of
 * the picture's row, so that products read the picture, with zeros around it, and nothing is
 * gathered. A task is a picture; weights are packed once a pass. */

enum { THIN_VECTORS = VW == 16 ? 3 : 2, /* columns of a product: 4x4 taps of 3 channels in whole blocks */
	THIN_PARTS = 64, THIN_BAND = 128 };  /* of the gradient: sums of pictures; pixels at a time, at most */

struct thin {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big, *small;
	value *out;
	panel *weights;
	float *parts;
	int run, step;        /* values in a row of taps; between the rows of two output pixels */
	int line, lines;      /* values in a row of the picture with its zeros; rows for a band */
	int units;            /* of a row of taps */
	int segments, pitch;  /* backward: a row of taps in pieces of step values, at most; all of a pixel's columns */
	int band, pairs;      /* rows of the small side; of UNIT pixels in one of them */
	int columns;          /* gradient: taps x channels, in whole blocks */
	int splits;
};

static int is_thin(const struct dcg_conv *cv)
{
	return cv->cs_big < 8 && cv->cs_small % NB == 0 && cv->g.stride * cv->cs_big <= 8 && cv->g.r <= 8 && cv->g.s <= 8;
}

static struct thin thin_plan(const struct dcg_conv *cv)
{
	const struct dcg_conv_geometry *g = &cv->g;
	struct thin t = { .cv = cv, .run = g->s * cv->cs_big, .step = g->stride * cv->cs_big };
	t.units = ceil_div(t.run, UNIT);
	t.line = (g->w + 2 * g->pad) * cv->cs_big + UNIT;
	t.segments = ceil_div(g->s, g->stride);
	t.pitch = round_up(g->r * t.run, VW);
	t.band = max_int(1, min_int(THIN_BAND / g->q, g->p));
	t.lines = (t.band - 1) * g->stride + g->r;
	t.pairs = ceil_div(g->q, UNIT);
	t.columns = round_up(g->r * t.run, MR);
	t.splits = min_int(cv->batch, THIN_PARTS);
	return t;
}

static size_t thin_lines_values(const struct thin *t) { return (size_t)t->lines * (size_t)t->line + 2 * VW; }
static size_t thin_stage(const struct thin *t)
{
	return (size_t)(t->lines * t->cv->g.w * t->cv->cs_big + t->band * t->cv->g.q * t->cv->cs_small);
}

/* The rows of picture n that small rows y0 to y0 + rows - 1 reach, with zeros around them. */
static void thin_copy(const struct thin *t, int n, int y0, int rows, value *lines, value *stage)
{
	const struct dcg_conv_geometry *g = &t->cv->g;
	int h0 = y0 * g->stride - g->pad, count = (rows - 1) * g->stride + g->r, wide = g->w * t->cv->cs_big;
	struct rows in = rows_of_picture(t->big, n, h0, h0 + count, stage);
	memset(lines, 0, (size_t)(count * t->line) * sizeof *lines);
	for (int h = max_int(h0, 0); h < min_int(h0 + count, g->h); h++)
		memcpy(lines + (h - h0) * t->line + g->pad * t->cv->cs_big, in.at + (ptrdiff_t)(h - in.first) * wide, (size_t)wide * sizeof *lines);
}

/* [panel][r][unit][NB][UNIT], with zeros where a row of taps ends within a unit. */
static void thin_pack_forward(const struct thin *t, const float *w)
{
	const struct dcg_conv *cv = t->cv;
	panel *b = t->weights;
	for (int j = 0; j * NB < cv->cs_small; j++)
		for (int r = 0; r < cv->g.r; r++)
			for (int u = 0; u < t->units; u++, b += NB * UNIT)
				for (int v = 0; v < NB; v += VW) {
					vf row[2];
					for (int i = 0; i < UNIT; i++) {
						int e = u * UNIT + i, column = j * NB + v, count = cv->g.k - column;
						row[i] = e < t->run && count > 0 ? weights_load(w + (size_t)(r * t->run + e) * (size_t)cv->g.k + column, count) : vzero();
					}
					panel_store_rows(b + v * UNIT, row[0], row[UNIT - 1]);
				}
}

/* `rows` output pixels side by side; x: the first one's first tap. step is a constant where it matters. */
ALWAYS void thin_forward_block(int rows, ptrdiff_t step, const struct thin *t, const value *x, const panel *b, value *out)
{
	const ptrdiff_t cs = t->cv->cs_small;
	vf acc[MR][2];
	UNROLL
	for (int i = 0; i < rows; i++)
		acc[i][0] = acc[i][1] = vzero();
	for (int r = 0; r < t->cv->g.r; r++, x += t->line)
		for (int u = 0; u < t->units; u++, b += NB * UNIT)
			unit_products(rows, acc, x + u * UNIT, step, b);
	UNROLL
	for (int i = 0; i < rows; i++) {
		value_store(out + i * cs, acc[i][0]);
		value_store(out + i * cs + VW, acc[i][1]);
	}
}

/* Blocks of rows pixels from q on, as many as there are; where the last one ends. */
ALWAYS int thin_forward_blocks(int rows, int q, const struct thin *t, const value *x, const panel *b, value *out)
{
	for (; q + rows <= t->cv->g.q; q += rows) {
		const value *first = x + q * t->step;
		value *to = out + (ptrdiff_t)q * t->cv->cs_small;
		switch (t->step) {
		case 6: thin_forward_block(rows, 6, t, first, b, to); break;
		case 2: thin_forward_block(rows, 2, t, first, b, to); break;
		default: thin_forward_block(rows, t->step, t, first, b, to);
		}
	}
	return q;
}

/* What is left of a row goes by fours and twos: one pixel's sums would wait for each other. */
static void thin_forward_row(const struct thin *t, const value *x, const panel *b, value *out)
{
	int q = thin_forward_blocks(MR, 0, t, x, b, out);
	q = thin_forward_blocks(4, q, t, x, b, out);
	q = thin_forward_blocks(2, q, t, x, b, out);
	thin_forward_blocks(1, q, t, x, b, out);
}

static void thin_forward_task(void *ctx, int n, int worker)
{
	const struct thin *t = ctx;
	const struct dcg_conv_geometry *g = &t->cv->g;
	value *lines = (value *)(void *)scratch_of(t->be, worker), *stage = lines + thin_lines_values(t);
	for (int y0 = 0; y0 < g->p; y0 += t->band) {
		int rows = min_int(t->band, g->p - y0);
		thin_copy(t, n, y0, rows, lines, stage);
		for (int j = 0; j * NB < t->cv->cs_small; j++)
			for (int y = 0; y < rows; y++)
				thin_forward_row(t, lines + y * g->stride * t->line, t->weights + (size_t)(j * g->r * t->units) * NB * UNIT,
					t->out + (((size_t)n * (size_t)g->p + (size_t)(y0 + y)) * (size_t)g->q) * (size_t)t->cv->cs_small + j * NB);
	}
}

static void thin_forward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct thin t = thin_plan(cv);
	t.be = be, t.big = big, t.out = small->data;
	t.weights = (panel *)(void *)shared_of(be);
	thin_pack_forward(&t, cv->weights->part[DCG_VALUE]);
	dcg_table_run(be, thin_forward_task, &t, cv->batch);
}
