/* thin.inc.h, the gradient of the weights; and what memory the three passes need. */

static size_t thin_small_values(const struct thin *t) { return UNIT > 1 ? (size_t)(t->band * t->pairs * UNIT) * (size_t)t->cv->cs_small : 0; }

#if defined DCG_BF16
/* Products over pixels in pairs: beside each value of the picture that of the next output pixel.
 * (Beyond a row's last there is another value of the picture, for which the pair below has zeros.) */
static void thin_pair_lines(const struct thin *t, int lines, const value *from, panel *to)
{
	for (int e = 0; e < lines * t->line; e += VW)
		panel_copy_rows(to + 2 * e, from + e, from + e + t->step);
}

static void thin_pair_small(const struct thin *t, int rows, const value *from, panel *to)
{
	static const value zeros[VW];
	int cs = t->cv->cs_small, q = t->cv->g.q;
	for (int y = 0; y < rows; y++, from += q * cs)
		for (int i = 0; i < t->pairs; i++, to += 2 * cs)
			for (int c = 0; c < cs; c += VW)
				panel_copy_rows(to + 2 * c, from + 2 * i * cs + c, 2 * i + 1 < q ? from + (2 * i + 1) * cs + c : zeros);
}
#endif

/* dm[MR columns][NB of the small side's channels] += products over rows of pixels. */
static void thin_gradient_block(const struct thin *t, const panel *lines, const panel *small, int rows, int first, int j, float *dm)
{
	const struct dcg_conv *cv = t->cv;
	const ptrdiff_t cs = cv->cs_small;
	ptrdiff_t at[MR];
	vf acc[MR][2];
	float *sums = dm + first * cs + j * NB;
	for (int i = 0; i < MR; i++) {
		int column = first + i < cv->g.r * t->run ? first + i : 0;
		at[i] = (column / t->run * t->line + column % t->run) * UNIT;
	}
	UNROLL
	for (int i = 0; i < MR; i++)
		acc[i][0] = vload(sums + i * cs), acc[i][1] = vload(sums + i * cs + VW);
	for (int y = 0; y < rows; y++) {
		const panel *x = lines + y * cv->g.stride * t->line * UNIT, *b = small + (ptrdiff_t)y * t->pairs * cs * UNIT + j * NB * UNIT;
		for (int i = 0; i < t->pairs; i++, x += t->step * UNIT * UNIT, b += cs * UNIT) {
			vpanel b0 = panel_load(b), b1 = panel_load(b + VW * UNIT);
			UNROLL
			for (int k = 0; k < MR; k++) {
				acc[k][0] = vdot(acc[k][0], x + at[k], b0);
				acc[k][1] = vdot(acc[k][1], x + at[k], b1);
			}
		}
	}
	UNROLL
	for (int i = 0; i < MR; i++)
		vstore(sums + i * cs, acc[i][0]), vstore(sums + i * cs + VW, acc[i][1]);
}

static void thin_gradient_task(void *ctx, int split, int worker)
{
	const struct thin *t = ctx;
	const struct dcg_conv *cv = t->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	float *dm = (float *)(void *)scratch_of(t->be, worker);
	value *lines = (value *)(void *)(dm + (size_t)t->columns * (size_t)cv->cs_small), *stage = lines + thin_lines_values(t);
	const panel *x = lines;
	memset(dm, 0, (size_t)t->columns * (size_t)cv->cs_small * sizeof *dm);
	for (int n = (int)((long long)cv->batch * split / t->splits); n < (long long)cv->batch * (split + 1) / t->splits; n++)
		for (int y0 = 0; y0 < g->p; y0 += t->band) {
			int rows = min_int(t->band, g->p - y0);
			thin_copy(t, n, y0, rows, lines, stage);
			struct rows in = rows_of_picture(t->small, n, y0, y0 + rows, stage);
			const value *small = in.at + (size_t)(y0 - in.first) * (size_t)g->q * (size_t)cv->cs_small;
#if defined DCG_BF16
			panel *pairs = stage + thin_stage(t), *paired = pairs + 2 * thin_lines_values(t);
			thin_pair_lines(t, (rows - 1) * g->stride + g->r, lines, pairs);
			thin_pair_small(t, rows, small, paired);
			x = pairs;
			small = paired;
#endif
			for (int j = 0; j * NB < cv->cs_small; j++)
				for (int first = 0; first < t->columns; first += MR)
					thin_gradient_block(t, x, small, rows, first, j, dm);
		}
	float *part = t->parts + (size_t)split * cv->weights->count;
	for (int i = 0; i < g->r * t->run; i++)
		memcpy(part + (size_t)i * (size_t)g->k, dm + (size_t)i * (size_t)cv->cs_small, (size_t)g->k * sizeof *dm);
}

static void thin_gradient(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct thin t = thin_plan(cv);
	t.be = be, t.big = big, t.small = small;
	t.parts = (float *)(void *)shared_of(be);
	dcg_table_run(be, thin_gradient_task, &t, t.splits);
	add_parts(be, cv, t.parts, t.splits, accumulate);
}

static size_t thin_scratch(const struct dcg_conv *cv)
{
	struct thin t = thin_plan(cv);
	size_t lines = thin_lines_values(&t), values = lines + thin_stage(&t) + (UNIT > 1 ? 2 * lines : 0) + thin_small_values(&t);
	size_t backward = (size_t)thin_ring_rows(&t) * thin_ring_row(&t) + thin_row_floats(&t), gradient = (size_t)t.columns * (size_t)cv->cs_small;
	return values * sizeof(value) + (backward > gradient ? backward : gradient) * sizeof(float);
}

static size_t thin_shared(const struct dcg_conv *cv)
{
	struct thin t = thin_plan(cv);
	size_t forward = (size_t)(cv->g.r * t.units * UNIT), backward = (size_t)t.pitch, columns = forward > backward ? forward : backward;
	size_t packed = columns * (size_t)cv->cs_small * sizeof(panel), parts = (size_t)t.splits * cv->weights->count * sizeof(float);
	return packed > parts ? packed : parts;
}
