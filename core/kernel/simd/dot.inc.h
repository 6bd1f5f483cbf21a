/* Convolutions with one output, by a kernel as large as the picture: D's last. Each picture's
 * output is a dot product; a product's panel would have one column of NB in use. */

struct dot {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big, *small;
	value *out;
	const float *w;
	float *grad;
	int accumulate;
};

static int is_dot(const struct dcg_conv *cv)
{
	return is_full(cv) && cv->g.k == 1 && cv->cs_big == cv->g.c && cv->cs_big % VW == 0;
}

static size_t dot_values(const struct dcg_conv *cv) { return (size_t)cv->taps * (size_t)cv->cs_big; }

/* Pictures that go through the weights together, so that these are read once for all. */
enum { DOT_PICTURES = 8, DOT_PIECE = 128 * VW };
static int dot_tasks(const struct dcg_conv *cv) { return ceil_div(cv->batch, DOT_PICTURES); }

/* Rows h0 to h1 - 1 of pictures n to n + count - 1. */
static void dot_rows(const struct dot *d, int n, int count, int h0, int h1, int worker, const value **rows)
{
	value *stage = (value *)(void *)scratch_of(d->be, worker);
	for (int i = 0; i < count; i++, stage += dot_values(d->cv)) {
		struct rows in = rows_of_picture(d->big, n + i, h0, h1, stage);
		rows[i] = in.at + (size_t)(h0 - in.first) * (size_t)d->cv->g.w * (size_t)d->cv->cs_big;
	}
}

static float dot_small(const struct dot *d, int n, int worker)
{
	return float_of(*rows_of_picture(d->small, n, 0, 1, (value *)(void *)scratch_of(d->be, worker)).at);
}

/* count is a constant; each picture's sum is the same for any. */
ALWAYS void dot_products(const struct dot *d, int n, int count, int worker)
{
	const size_t all = dot_values(d->cv), whole = all / (2 * VW) * (2 * VW);
	const value *x[DOT_PICTURES];
	vf sums[DOT_PICTURES][2];
	dot_rows(d, n, count, 0, d->cv->g.h, worker, x);
	UNROLL
	for (int p = 0; p < count; p++)
		sums[p][0] = sums[p][1] = vzero();
	for (size_t i = 0; i < whole; i += 2 * VW) {
		const vf w0 = vload(d->w + i), w1 = vload(d->w + i + VW);
		UNROLL
		for (int p = 0; p < count; p++) {
			sums[p][0] = vfma(value_load(x[p] + i), w0, sums[p][0]);
			sums[p][1] = vfma(value_load(x[p] + i + VW), w1, sums[p][1]);
		}
	}
	for (int p = 0; p < count; p++) {
		float lanes[VW], sum = 0;
		if (whole < all)
			sums[p][0] = vfma(value_load(x[p] + whole), vload(d->w + whole), sums[p][0]);
		vstore(lanes, vadd(sums[p][0], sums[p][1]));
		for (int i = 0; i < VW; i++)
			sum += lanes[i];
		d->out[n + p] = value_of(sum);
	}
}

static void dot_forward_task(void *ctx, int task, int worker)
{
	const struct dot *d = ctx;
	int n = task * DOT_PICTURES, end = min_int(n + DOT_PICTURES, d->cv->batch);
	if (n + DOT_PICTURES == end)
		dot_products(d, n, DOT_PICTURES, worker);
	else
		for (; n < end; n++)
			dot_products(d, n, 1, worker);
}

static void dot_scale(const float *w, float by, value *out, size_t count)
{
#if defined DCG_BF16
	for (size_t i = 0; i < count; i += VW)
		value_store(out + i, vmul(vset(by), vload(w + i)));
#else
	/* In AVX-512, too: with whole vectors the pass took up to 1.5 times as long at 4x4x256 (Zen 4), it is not known why. */
	for (size_t i = 0; i < count; i += 8)
		_mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_set1_ps(by), _mm256_loadu_ps(w + i)));
#endif
}

/* A piece of the weights at a time stays in L1; a picture's piece is written in order. */
static void dot_backward_task(void *ctx, int task, int worker)
{
	const struct dot *d = ctx;
	const size_t all = dot_values(d->cv);
	int first = task * DOT_PICTURES, count = min_int(DOT_PICTURES, d->cv->batch - first);
	float by[DOT_PICTURES];
	for (int p = 0; p < count; p++)
		by[p] = dot_small(d, first + p, worker);
	for (size_t at = 0; at < all; at += DOT_PIECE) {
		const size_t piece = all - at < DOT_PIECE ? all - at : DOT_PIECE;
		for (int p = 0; p < count; p++)
			dot_scale(d->w + at, by[p], d->out + (size_t)(first + p) * all + at, piece);
	}
}

ALWAYS void dot_add(const struct dot *d, int n, int count, int h, int worker)
{
	const size_t all = (size_t)d->cv->g.w * (size_t)d->cv->cs_big;
	float *grad = d->grad + (size_t)h * all;
	const value *x[DOT_PICTURES];
	vf by[DOT_PICTURES];
	for (int p = 0; p < count; p++)
		by[p] = vset(dot_small(d, n + p, worker));
	dot_rows(d, n, count, h, h + 1, worker, x);
	for (size_t i = 0; i < all; i += VW) {
		vf sum = vload(grad + i);
		UNROLL
		for (int p = 0; p < count; p++)
			sum = vfma(by[p], value_load(x[p] + i), sum);
		vstore(grad + i, sum);
	}
}

/* Of one row of taps: the sum over all pictures. */
static void dot_gradient_task(void *ctx, int h, int worker)
{
	const struct dot *d = ctx;
	size_t all = (size_t)d->cv->g.w * (size_t)d->cv->cs_big;
	int n = 0;
	if (!d->accumulate)
		memset(d->grad + (size_t)h * all, 0, all * sizeof *d->grad);
	for (; n + DOT_PICTURES <= d->cv->batch; n += DOT_PICTURES)
		dot_add(d, n, DOT_PICTURES, h, worker);
	for (; n < d->cv->batch; n++)
		dot_add(d, n, 1, h, worker);
}

static void dot_forward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct dot d = { .be = be, .cv = cv, .big = big, .out = small->data, .w = cv->weights->part[DCG_VALUE] };
	dcg_table_run(be, dot_forward_task, &d, dot_tasks(cv));
}

static void dot_backward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct dot d = { .be = be, .cv = cv, .small = small, .out = big->data, .w = cv->weights->part[DCG_VALUE] };
	dcg_table_run(be, dot_backward_task, &d, dot_tasks(cv));
}

static void dot_gradient(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct dot d = { .be = be, .cv = cv, .big = big, .small = small, .grad = cv->weights->part[DCG_GRAD], .accumulate = accumulate };
	dcg_table_run(be, dot_gradient_task, &d, cv->g.h);
}
