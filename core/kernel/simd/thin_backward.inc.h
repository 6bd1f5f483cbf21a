/* thin.inc.h, backward to the picture. A pixel's products are cut into segments of step values, of
 * which the last may be short: no two pixels' same segments share a value, so that every value of the
 * picture is a sum of reads. */

/* Columns are [r][run]; the panel is [vector][unit][VW][UNIT]. */
static void thin_pack_backward(const struct thin *t, const float *w)
{
	const struct dcg_conv_geometry *g = &t->cv->g;
	int units = t->cv->cs_small / UNIT;
	for (int column = 0; column < t->pitch; column++) {
		panel *b = t->weights + (size_t)(column / VW) * (size_t)units * VW * UNIT + column % VW * UNIT;
		for (int k = 0; k < t->cv->cs_small; k++)
			b[(size_t)(k / UNIT) * VW * UNIT + (size_t)(k % UNIT)] =
				value_of(column < g->r * t->run && k < g->k ? w[(size_t)column * (size_t)g->k + (size_t)k] : 0);
	}
}

/* c[rows][pitch] = rows of pixels times `vectors` vectors of columns. */
ALWAYS void thin_backward_block(int rows, int vectors, const struct thin *t, const value *a, const panel *b, float *c)
{
	const ptrdiff_t cs = t->cv->cs_small, next = cs * VW;
	vf acc[MR][THIN_VECTORS];
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int v = 0; v < vectors; v++)
			acc[i][v] = vzero();
	for (ptrdiff_t k = 0; k < cs; k += UNIT, b += VW * UNIT) {
		vpanel column[THIN_VECTORS];
		_mm_prefetch((const char *)(a + rows * (cs + k)), _MM_HINT_T0); /* the next block's rows */
		UNROLL
		for (int v = 0; v < vectors; v++)
			column[v] = panel_load(b + v * next);
		UNROLL
		for (int i = 0; i < rows; i++)
			UNROLL
			for (int v = 0; v < vectors; v++)
				acc[i][v] = vdot(acc[i][v], a + i * cs + k, column[v]);
	}
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int v = 0; v < vectors; v++)
			vstore(c + i * t->pitch + v * VW, acc[i][v]);
}

ALWAYS void thin_backward_pixels(int rows, const struct thin *t, const value *a, float *c)
{
	const panel *b = t->weights;
	for (int left = t->pitch / VW, n; left > 0; left -= n, c += n * VW, b += (ptrdiff_t)n * VW * t->cv->cs_small) {
		n = min_int(left, THIN_VECTORS);
		switch (n) {
		case 1: thin_backward_block(rows, 1, t, a, b, c); break;
		case 2: thin_backward_block(rows, 2, t, a, b, c); break;
		default: thin_backward_block(rows, THIN_VECTORS, t, a, b, c);
		}
	}
}

ALWAYS int thin_backward_blocks(int rows, int q, const struct thin *t, const value *a, float *c)
{
	for (; q + rows <= t->cv->g.q; q += rows)
		thin_backward_pixels(rows, t, a + (ptrdiff_t)q * t->cv->cs_small, c + (ptrdiff_t)q * t->pitch);
	return q;
}

/* Pixels of small rows, with as many of zeros on both sides as segments reach over. */
static size_t thin_ring_row(const struct thin *t) { return (size_t)(t->cv->g.q + 2 * (t->segments - 1)) * (size_t)t->pitch + VW; }
static int thin_ring_rows(const struct thin *t) { return ceil_div(t->cv->g.r, t->cv->g.stride); }
static size_t thin_row_floats(const struct thin *t)
{
	const struct dcg_conv_geometry *g = &t->cv->g;
	return (size_t)(max_int(g->w + g->pad, (g->q + t->segments) * g->stride) * t->cv->cs_big + 2 * VW);
}

/* A store's lanes beyond step values are the next one's to write. */
ALWAYS void thin_sum(const struct thin *t, int runs, const float *const *whole, int count, const float *const *last, int short_ones, float *row)
{
	const ptrdiff_t pitch = t->pitch, step = t->step;
	const vmask part = vfirst(t->run % t->step);
	for (ptrdiff_t i = 0; i < runs; i++) {
		vf sum = vzero();
		for (int k = 0; k < count; k++)
			sum = vadd(sum, vload(whole[k] + i * pitch));
		for (int k = 0; k < short_ones; k++)
			sum = vadd(sum, vload_first(last[k] + i * pitch, part));
		vstore(row + i * step, sum);
	}
}

/* Row h of the picture: each run of step values is the sum of the segments that reach it. */
static void thin_emit(const struct thin *t, const float *ring, float *row, int n, int h)
{
	const struct dcg_conv_geometry *g = &t->cv->g;
	const float *whole[64], *last[64];
	int segments = t->run / t->step, count = 0, short_ones = 0, runs = g->q + t->segments - 1;
	for (int r = (h + g->pad) % g->stride; r < g->r && r <= h + g->pad; r += g->stride) {
		int y = (h + g->pad - r) / g->stride;
		const float *from = ring + (size_t)(y % thin_ring_rows(t)) * thin_ring_row(t) + r * t->run;
		for (int s = 0; y < g->p && s < segments; s++)
			whole[count++] = from + (t->segments - 1 - s) * t->pitch + s * t->step;
		if (y < g->p && t->segments > segments)
			last[short_ones++] = from + segments * t->step;
	}
	switch (16 * count + short_ones) {
	case 16 * 4: thin_sum(t, runs, whole, 4, last, 0, row); break;     /* 4x4, stride 2 */
	case 16 * 6 + 3: thin_sum(t, runs, whole, 6, last, 3, row); break; /* 5x5, stride 2 */
	case 16 * 4 + 2: thin_sum(t, runs, whole, 4, last, 2, row); break;
	case 16 * 9: thin_sum(t, runs, whole, 9, last, 0, row); break;     /* 3x3, stride 1 */
	default: thin_sum(t, runs, whole, count, last, short_ones, row);
	}
	memset(row + runs * t->step, 0, (thin_row_floats(t) - (size_t)(runs * t->step)) * sizeof *row);
	size_t wide = (size_t)g->w * (size_t)t->cv->cs_big;
	values_store(t->out + ((size_t)n * (size_t)g->h + (size_t)h) * wide, row + g->pad * t->cv->cs_big, wide);
}

static void thin_backward_task(void *ctx, int n, int worker)
{
	const struct thin *t = ctx;
	const struct dcg_conv_geometry *g = &t->cv->g;
	size_t ring_floats = (size_t)thin_ring_rows(t) * thin_ring_row(t);
	float *ring = (float *)(void *)scratch_of(t->be, worker), *row = ring + ring_floats;
	value *stage = (value *)(void *)(row + thin_row_floats(t));
	memset(ring, 0, ring_floats * sizeof *ring);
	for (int y = 0; y * g->stride - g->pad < g->h; y++) {
		if (y < g->p) {
			struct rows in = rows_of_picture(t->small, n, y, y + 1, stage);
			const value *a = in.at + (size_t)(y - in.first) * (size_t)g->q * (size_t)t->cv->cs_small;
			float *c = ring + (size_t)(y % thin_ring_rows(t)) * thin_ring_row(t) + (t->segments - 1) * t->pitch;
			int q = thin_backward_blocks(MR, 0, t, a, c);
			q = thin_backward_blocks(4, q, t, a, c);
			q = thin_backward_blocks(2, q, t, a, c);
			thin_backward_blocks(1, q, t, a, c);
		}
		for (int h = max_int(0, y * g->stride - g->pad); h < min_int(g->h, (y + 1) * g->stride - g->pad); h++)
			thin_emit(t, ring, row, n, h);
	}
}

static void thin_backward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct thin t = thin_plan(cv);
	t.be = be, t.small = small, t.out = big->data;
	t.weights = (panel *)(void *)shared_of(be);
	thin_pack_backward(&t, cv->weights->part[DCG_VALUE]);
	dcg_table_run(be, thin_backward_task, &t, cv->batch);
}
