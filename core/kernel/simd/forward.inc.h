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

/* A tile's pixels of one phase, which is at k of the row. */
ALWAYS void make_forward_phase(const struct wino f, int tall, int wide, const struct pass *p, const struct rows *in, int phase, int k, int ty, int tx, panel *to)
{
	const struct dcg_conv *cv = p->cv;
	const size_t a_point = p->a_point; /* here: stores might change p's */
	const value *src[WINO_MOST * WINO_MOST];
	tile_pixels(f, tall, wide, cv, in, phase, ty, tx, src);
	for (int ch = 0; ch < cv->cs_big; ch += VW) {
		vf v[WINO_MOST * WINO_MOST];
		data_vectors(f, tall, wide, v, src, ch);
		panel *point = a_inner(to, k + ch);
		UNROLL
		for (int t = 0; t < of_points(f, tall) * of_points(f, wide); t++)
			value_store(point + (size_t)(t / of_points(f, wide) * wino_side(f) + t % of_points(f, wide)) * a_point, v[t]);
	}
}

ALWAYS void make_forward_wino(const struct wino f, const struct pass *p, int unit, int row, value *stage)
{
	int n = unit / p->tall, ty = unit % p->tall, h0 = f.stride * f.m * ty - p->cv->g.pad;
	struct rows in = rows_of_picture(p->in, n, h0, h0 + f.stride * (f.m - 1) + f.size, stage);
	for (int tx = 0; tx < p->wide; tx++)
		for (int place = 0; place < wino_phases(f); place++) {
			int phase = wino_phase(f, place);
			panel *to = a_row(p->a, p->pitch, row + tx);
			WINO_BY_TAPS(make_forward_phase, f, phase, p, &in, phase, place * p->cv->cs_big, ty, tx, to);
		}
}

ALWAYS void output_targets(int m, const struct pass *p, int j, int row, value **to)
{
	const struct dcg_conv *cv = p->cv;
	int unit = row / p->wide, n = unit / p->tall;
	value *out = p->out + (size_t)n * (size_t)cv->g.p * (size_t)cv->g.q * (size_t)cv->cs_small + j * NB;
	for (int i = 0; i < m * m; i++) {
		int pixel = tile_output(m, cv, unit % p->tall, row % p->wide, i / m, i % m);
		to[i] = pixel < 0 ? NULL : out + (size_t)pixel * (size_t)cv->cs_small;
	}
}

ALWAYS void store_forward_wino(const struct wino f, const struct pass *p, int j, int row, int rows, const float *c)
{
	const int m = f.m, points = wino_points(f);
	value *two[2][WINO_MOST * WINO_MOST];
	output_targets(m, p, j, row, two[0]);
	for (int i = 0; i < rows; i++) {
		value **to = two[i % 2], **next = two[(i + 1) % 2];
		if (i + 1 < rows) {
			output_targets(m, p, j, row + i + 1, next);
			fetch_targets(m * m, next);
		}
		for (int v = 0; v < NB && j * NB + v < p->cv->cs_small; v += VW) {
			vf in[WINO_MOST * WINO_MOST], y[WINO_MOST * WINO_MOST];
			UNROLL
			for (int t = 0; t < points; t++)
				in[t] = vload(c + (size_t)t * c_point(row_block(m)) + i * NB + v);
			wino_out_2d(f, wino_most(f), wino_most(f), y, in);
			UNROLL
			for (int k = 0; k < m * m; k++)
				if (to[k])
					value_store(to[k] + v, y[k]);
		}
	}
}

static struct pass forward_pass(struct dcg_backend *be, const struct dcg_conv *cv)
{
	struct pass p = { .cv = cv, .tall = cv->g.p, .wide = cv->g.q, .k = round_up(cv->taps * cv->cs_big, UNIT), .panels = ceil_div(cv->cs_small, NB),
		.straight = sizeof(value) == sizeof(float), .make = make_forward_direct, .pack = pack_forward_direct, .store = store_forward_direct };
	if (is_wino(cv->forward)) {
		const struct wino_code *code = wino_code(cv, cv->forward);
		p.f = wino_of(cv, cv->forward);
		p.tall = ceil_div(cv->g.p, p.f.m);
		p.wide = ceil_div(cv->g.q, p.f.m);
		p.k = wino_phases(p.f) * cv->cs_big;
		p.straight = 0;
		p.make = code->make_forward;
		p.pack = code->pack_forward;
		p.store = code->store_forward;
	}
	plan_pass(&p, be, 0);
	return p;
}
