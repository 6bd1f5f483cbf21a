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
static value *dot_stage(const struct dot *d, int worker) { return (value *)(void *)scratch_of(d->be, worker); }

/* Rows h0 to h1 - 1 of picture n. */
static const value *dot_rows(const struct dot *d, int n, int h0, int h1, int worker)
{
	struct rows in = rows_of_picture(d->big, n, h0, h1, dot_stage(d, worker));
	return in.at + (size_t)(h0 - in.first) * (size_t)d->cv->g.w * (size_t)d->cv->cs_big;
}

static float dot_small(const struct dot *d, int n, int worker)
{
	return float_of(*rows_of_picture(d->small, n, 0, 1, dot_stage(d, worker)).at);
}

static void dot_forward_task(void *ctx, int n, int worker)
{
	const struct dot *d = ctx;
	const value *x = dot_rows(d, n, 0, d->cv->g.h, worker);
	vf sums[4] = { vzero(), vzero(), vzero(), vzero() };
	float lanes[VW], sum = 0;
	for (size_t i = 0; i < dot_values(d->cv) / VW; i++)
		sums[i % 4] = vfma(value_load(x + i * VW), vload(d->w + i * VW), sums[i % 4]);
	vstore(lanes, vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3])));
	for (int i = 0; i < VW; i++)
		sum += lanes[i];
	d->out[n] = value_of(sum);
}

static void dot_backward_task(void *ctx, int n, int worker)
{
	const struct dot *d = ctx;
	const vf by = vset(dot_small(d, n, worker));
	value *out = d->out + (size_t)n * dot_values(d->cv);
	for (size_t i = 0; i < dot_values(d->cv); i += VW)
		value_store(out + i, vmul(by, vload(d->w + i)));
}

/* Of one row of taps: the sum over all pictures. */
static void dot_gradient_task(void *ctx, int h, int worker)
{
	const struct dot *d = ctx;
	size_t count = (size_t)d->cv->g.w * (size_t)d->cv->cs_big;
	float *grad = d->grad + (size_t)h * count;
	if (!d->accumulate)
		memset(grad, 0, count * sizeof *grad);
	for (int n = 0; n < d->cv->batch; n++) {
		const vf by = vset(dot_small(d, n, worker));
		const value *x = dot_rows(d, n, h, h + 1, worker);
		for (size_t i = 0; i < count; i += VW)
			vstore(grad + i, vfma(by, value_load(x + i), vload(grad + i)));
	}
}

static void dot_forward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct dot d = { .be = be, .cv = cv, .big = big, .out = small->data, .w = cv->weights->part[DCG_VALUE] };
	dcg_table_run(be, dot_forward_task, &d, cv->batch);
}

static void dot_backward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct dot d = { .be = be, .cv = cv, .small = small, .out = big->data, .w = cv->weights->part[DCG_VALUE] };
	dcg_table_run(be, dot_backward_task, &d, cv->batch);
}

static void dot_gradient(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct dot d = { .be = be, .cv = cv, .big = big, .small = small, .grad = cv->weights->part[DCG_GRAD], .accumulate = accumulate };
	dcg_table_run(be, dot_gradient_task, &d, cv->g.h);
}
