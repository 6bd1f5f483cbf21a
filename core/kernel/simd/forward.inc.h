/* Forward: rows are output pixels, or tiles of them; a unit is a row of the picture. */

static void make_forward_direct(const struct pass *p, int unit, int row, value *stage)
{
	const struct dcg_conv *cv = p->cv;
	int n = unit / p->tall, y = unit % p->tall, h = y * cv->g.stride - cv->g.pad;
	struct rows in = rows_of_picture(p->in, n, h, h + cv->g.r, stage);
	for (int q = 0; q < p->wide; q++) {
		panel *to = a_row(p->a, p->pitch, row + q);
		gather_taps(cv, &in, y, q, to);
		row_zero(to, cv->taps * cv->cs_big, p->k - cv->taps * cv->cs_big);
	}
}

static void store_forward_direct(const struct pass *p, int j, int row, int rows, const float *c)
{
	size_t cs = (size_t)p->cv->cs_small;
	int channels = min_int(NB, p->cv->cs_small - j * NB);
	value *out = p->out + (size_t)row * cs + j * NB;
	for (int i = 0; i < rows; i++, out += cs, c += NB)
		if (channels == NB)
			value_store(out, vload(c)), value_store(out + VW, vload(c + VW));
		else
			values_store(out, c, (size_t)channels);
}

ALWAYS void make_forward_wino(int m, const struct pass *p, int unit, int row, value *stage)
{
	const struct dcg_conv *cv = p->cv;
	const int points = (m + 1) * (m + 1);
	int n = unit / p->tall, ty = unit % p->tall;
	struct rows in = rows_of_picture(p->in, n, 2 * m * ty - 1, 2 * m * (ty + 1) + 1, stage);
	for (int tx = 0; tx < p->wide; tx++)
		for (int phase = 0; phase < 4; phase++) {
			const value *src[WINO_MOST * WINO_MOST];
			panel *to = a_row(p->a, p->pitch, row + tx);
			tile_pixels(m, cv, &in, phase, ty, tx, src);
			for (int ch = 0; ch < cv->cs_big; ch += VW) {
				vf v[WINO_MOST * WINO_MOST];
				data_vectors(m, v, src, ch);
				panel *point = a_inner(to, phase * cv->cs_big + ch);
				UNROLL
				for (int t = 0; t < points; t++)
					value_store(point + (size_t)t * p->a_point, v[t]);
			}
		}
}

static void make_forward_wino2(const struct pass *p, int unit, int row, value *stage) { make_forward_wino(2, p, unit, row, stage); }
static void make_forward_wino4(const struct pass *p, int unit, int row, value *stage) { make_forward_wino(4, p, unit, row, stage); }

ALWAYS void store_forward_wino(int m, const struct pass *p, int j, int row, int rows, const float *c)
{
	const struct dcg_conv *cv = p->cv;
	const struct dcg_conv_geometry *g = &cv->g;
	const int points = (m + 1) * (m + 1);
	for (int i = 0; i < rows; i++) {
		int n = (row + i) / p->wide / p->tall, ty = (row + i) / p->wide % p->tall, tx = (row + i) % p->wide;
		for (int v = 0; v < NB && j * NB + v < cv->cs_small; v += VW) {
			vf in[WINO_MOST * WINO_MOST], y[WINO_MOST * WINO_MOST];
			UNROLL
			for (int t = 0; t < points; t++)
				in[t] = vload(c + (size_t)(t * row_block(m) + i) * NB + v);
			wino_out_2d(m, y, in);
			UNROLL
			for (int k = 0; k < m * m; k++) {
				int py = m * ty + k / m, px = m * tx + k % m;
				if (py < g->p && px < g->q)
					value_store(p->out + (((size_t)n * (size_t)g->p + (size_t)py) * (size_t)g->q + (size_t)px) * (size_t)cv->cs_small + j * NB + v, y[k]);
			}
		}
	}
}

static void store_forward_wino2(const struct pass *p, int j, int row, int rows, const float *c) { store_forward_wino(2, p, j, row, rows, c); }
static void store_forward_wino4(const struct pass *p, int j, int row, int rows, const float *c) { store_forward_wino(4, p, j, row, rows, c); }

static struct pass forward_pass(struct dcg_backend *be, const struct dcg_conv *cv)
{
	struct pass p = { .cv = cv, .tall = cv->g.p, .wide = cv->g.q, .k = round_up(cv->taps * cv->cs_big, UNIT), .panels = ceil_div(cv->cs_small, NB),
		.straight = sizeof(value) == sizeof(float), .make = make_forward_direct, .pack = pack_forward_direct, .store = store_forward_direct };
	if (is_wino(cv->forward)) {
		int four = cv->forward == FORM_WINO4;
		p.m = wino_m(cv->forward);
		p.tall = ceil_div(cv->g.p, p.m);
		p.wide = ceil_div(cv->g.q, p.m);
		p.k = 4 * cv->cs_big;
		p.straight = 0;
		p.make = four ? make_forward_wino4 : make_forward_wino2;
		p.pack = four ? pack_forward_wino4 : pack_forward_wino2;
		p.store = four ? store_forward_wino4 : store_forward_wino2;
	}
	plan_pass(&p, be, 0);
	return p;
}

static void conv_forward(struct dcg_backend *be, struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct pass p = forward_pass(be, cv);
	p.in = big;
	p.out = small->data;
	p.w = cv->weights->part[DCG_VALUE];
	small->pending.on = 0;
	run_pass(&p);
}
