/* Forward: rows are output pixels, or tiles of them; a task is a block of whole rows. */

struct conv_pass {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const float *in;
	float *out;
	const panel *packed;
	int units, a_task, rows; /* work in all and a task; rows a unit */
	int k, pitch;            /* inner dimension, A's row length in memory */
};

/* Units a task, so that its A fits the worker's block. */
static int units_per_task(int units, int rows, int points, int pitch)
{
	size_t bytes = (size_t)rows * (size_t)points * (size_t)pitch * sizeof(panel);
	int fit = (int)(BLOCK_BYTES / bytes), want = ceil_div(64, rows);
	return max_int(1, min_int(min_int(fit, 4 * want), units));
}

static struct conv_pass forward_plan(const struct dcg_conv *cv)
{
	int m = wino_m(cv->forward), wino = is_wino(cv->forward);
	struct conv_pass p = { .cv = cv };
	p.rows = wino ? ceil_div(cv->g.q, m) : cv->g.q;
	p.units = cv->batch * (wino ? ceil_div(cv->g.p, m) : cv->g.p);
	p.k = forward_k(cv);
	p.pitch = p.k + PITCH;
	p.a_task = units_per_task(p.units, p.rows, points_of(cv->forward), p.pitch);
	return p;
}

static size_t forward_scratch(const struct dcg_conv *cv)
{
	struct conv_pass p = forward_plan(cv);
	size_t rows = (size_t)(p.a_task * p.rows), points = (size_t)points_of(cv->forward);
	return rows * points * ((size_t)p.pitch * sizeof(panel) + NB * sizeof(float));
}

static void store_row(float *to, const float *from, int channels)
{
	memcpy(to, from, (size_t)channels * sizeof *to);
}

static void forward_direct_task(void *ctx, int task, int worker)
{
	const struct conv_pass *p = ctx;
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	int first = task * p->a_task, count = min_int(p->a_task, p->units - first), rows = count * g->q;
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)rows * (size_t)p->pitch);
	for (int u = 0; u < count; u++)
		for (int q = 0; q < g->q; q++) {
			panel *row = a + (size_t)(u * g->q + q) * (size_t)p->pitch;
			gather_taps(cv, p->in + (size_t)((first + u) / g->p) * image, (first + u) % g->p, q, row);
			panel_zero(row + cv->taps * cv->cs_big, p->k - cv->taps * cv->cs_big);
		}
	float *out = p->out + (size_t)first * (size_t)g->q * (size_t)cv->cs_small;
	for (int j = 0; j * NB < cv->cs_small; j++) {
		const panel *b = p->packed + (size_t)j * (size_t)p->k * NB;
		int channels = min_int(NB, cv->cs_small - j * NB);
		if (channels == NB) {
			gemm(rows, p->k / UNIT, a, p->pitch, UNIT, b, out + j * NB, cv->cs_small, 0);
			continue;
		}
		gemm(rows, p->k / UNIT, a, p->pitch, UNIT, b, c, NB, 0);
		for (int i = 0; i < rows; i++)
			store_row(out + (size_t)i * (size_t)cv->cs_small + j * NB, c + (size_t)i * NB, channels);
	}
}

ALWAYS void forward_wino(int m, const struct conv_pass *p, int task, int worker)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	const int points = (m + 1) * (m + 1);
	int first = task * p->a_task, count = min_int(p->a_task, p->units - first), rows = count * p->rows, tall = ceil_div(g->p, m);
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)cv->cs_big, a_point = (size_t)rows * (size_t)p->pitch, c_point = (size_t)rows * NB;
	panel *a = (panel *)(void *)scratch_of(p->be, worker);
	float *c = (float *)(void *)(a + (size_t)points * a_point);
	for (int i = 0; i < rows; i++) {
		int n = (first + i / p->rows) / tall, ty = (first + i / p->rows) % tall, tx = i % p->rows;
		for (int phase = 0; phase < 4; phase++) {
			const float *src[WINO_MOST * WINO_MOST];
			panel *to = a + (size_t)i * (size_t)p->pitch + (size_t)(phase * cv->cs_big);
			tile_pixels(m, cv, p->in + (size_t)n * image, phase, ty, tx, src);
			for (int ch = 0; ch < cv->cs_big; ch += VW) {
				vf v[WINO_MOST * WINO_MOST];
				data_vectors(m, v, src, ch);
				UNROLL
				for (int t = 0; t < points; t++)
					panel_store(to + (size_t)t * a_point + ch, v[t]);
			}
		}
	}
	for (int j = 0; j * NB < cv->cs_small; j++) {
		for (int t = 0; t < points; t++)
			gemm(rows, p->k / UNIT, a + (size_t)t * a_point, p->pitch, UNIT,
				p->packed + ((size_t)j * (size_t)points + (size_t)t) * (size_t)p->k * NB, c + (size_t)t * c_point, NB, 0);
		for (int i = 0; i < rows; i++) {
			int n = (first + i / p->rows) / tall, ty = (first + i / p->rows) % tall, tx = i % p->rows;
			for (int v = 0; v < NB && j * NB + v < cv->cs_small; v += VW) {
				vf in[WINO_MOST * WINO_MOST], y[WINO_MOST * WINO_MOST];
				UNROLL
				for (int t = 0; t < points; t++)
					in[t] = vload(c + (size_t)t * c_point + (size_t)i * NB + v);
				wino_out_2d(m, y, in);
				UNROLL
				for (int k = 0; k < m * m; k++) {
					int py = m * ty + k / m, px = m * tx + k % m;
					if (py < g->p && px < g->q)
						vstore(p->out + (((size_t)n * (size_t)g->p + (size_t)py) * (size_t)g->q + (size_t)px) * (size_t)cv->cs_small + j * NB + v, y[k]);
				}
			}
		}
	}
}

static void forward_wino2_task(void *ctx, int task, int worker) { forward_wino(2, ctx, task, worker); }
static void forward_wino4_task(void *ctx, int task, int worker) { forward_wino(4, ctx, task, worker); }

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct conv_pass p = forward_plan(cv);
	p.be = be;
	p.in = big->data;
	p.out = small->data;
	p.packed = packed_forward(be, cv);
	dcg_table_run(be, cv->forward == FORM_WINO4 ? forward_wino4_task : cv->forward == FORM_WINO2 ? forward_wino2_task : forward_direct_task,
		&p, ceil_div(p.units, p.a_task));
}
