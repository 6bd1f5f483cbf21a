/* Batch norm, activations, Adam: loops over rows of channels, vectorised by the compiler
 * for the instruction set of the including file. */

enum { BLOCK_ROWS = DCG_SIMD_BLOCK_ROWS, ELEMENT_BLOCK = 1 << 14 };

static size_t rows_of(const struct dcg_shape *s)
{
	return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}
static int blocks_of(size_t count, size_t block)
{
	return (int)((count + block - 1) / block);
}

/* tanh |x| = e / (e + 2), e = exp(2 |x|) - 1: with 2 |x| = n ln 2 + r, |r| <= ln 2 / 2, and p =
 * exp(r) - 1 by its series, e = 2^n p + (2^n - 1), in which nothing cancels: within 3 units
 * in the last place. NaN stays NaN. Plain
 * arithmetic, so that the compiler makes vectors of it. */
ALWAYS float tanh_of(float x)
{
	const float round = 12582912; /* 1.5 * 2^23: adding it leaves no fraction */
	float a = x < 0 ? -x : x, t = a > 10 ? 20 : 2 * a, n = (t * 1.44269504F + round) - round;
	float r = (t - n * 0.693359375F) + n * 2.12194440e-4F; /* ln 2 in two parts */
	float p = r * (1 + r * (1 / 2.F + r * (1 / 6.F + r * (1 / 24.F + r * (1 / 120.F + r * (1 / 720.F + r * (1 / 5040.F)))))));
	union {
		uint32_t bits;
		float value;
	} power = { .bits = ((uint32_t)(int32_t)(n >= 0 ? n : 0) + 127) << 23 };
	float e = power.value * p + (power.value - 1), y = e / (e + 2);
	return x < 0 ? -y : y;
}

/* dact/dx from the output y. */
ALWAYS float slope_of(float y, enum dcg_activation act)
{
	return act == DCG_RELU ? (y > 0 ? 1 : 0) : act == DCG_LEAKY_RELU ? (y > 0 ? 1 : DCG_LEAKY_SLOPE) : act == DCG_TANH ? 1 - y * y : 1;
}
#define EACH_ACTIVATION(act, statement) \
	switch (act) { \
	case DCG_RELU: { enum { A = DCG_RELU }; statement; break; } \
	case DCG_LEAKY_RELU: { enum { A = DCG_LEAKY_RELU }; statement; break; } \
	case DCG_TANH: { enum { A = DCG_TANH }; statement; break; } \
	default: { enum { A = DCG_LINEAR }; statement; break; } \
	}

struct bn_pass {
	struct simd_backend *sb;
	struct dcg_bn *bn;
	const value *x, *y, *dy;
	value *out;
	const float *a, *b, *c; /* [cs] coefficients */
	enum dcg_activation act;
	size_t rows;
};

static void block_range(const struct bn_pass *p, int task, size_t *first, size_t *end)
{
	*first = (size_t)task * BLOCK_ROWS;
	*end = *first + BLOCK_ROWS < p->rows ? *first + BLOCK_ROWS : p->rows;
}

enum { STRIP = 512 }; /* channels at a time: mostly all, so that rows are read as they lie in memory */

/* Rows of values come out of floats: of a strip of them in bf16, whose rounding the compiler would
 * spell out; in fp32 they are the row. */
#if defined DCG_BF16
#define STRIP_OF(row) float strip[STRIP]
#define STRIP_STORE(row, n) values_store(row, strip, n)
#else
#define STRIP_OF(row) float *strip = row
#define STRIP_STORE(row, n) ((void)0)
#endif

/* Mean and sum of squared deviations of a block, per channel: two passes while in cache. */
static void bn_moments(void *ctx, int task, int worker)
{
	const struct bn_pass *p = ctx;
	int cs = p->bn->cs;
	size_t first, end;
	double *out = p->sb->reduce + (size_t)task * 2 * (size_t)cs;
	block_range(p, task, &first, &end);
	(void)worker;
	for (int c0 = 0; c0 < cs; c0 += STRIP) {
		float sum[STRIP] = { 0 }, mean[STRIP], squares[STRIP] = { 0 };
		int n = min_int(STRIP, cs - c0);
		for (size_t r = first; r < end; r++) {
			const value *x = p->x + r * (size_t)cs + c0;
			for (int c = 0; c < n; c++)
				sum[c] += float_of(x[c]);
		}
		for (int c = 0; c < n; c++)
			mean[c] = sum[c] / (float)(end - first);
		for (size_t r = first; r < end; r++) {
			const value *x = p->x + r * (size_t)cs + c0;
			for (int c = 0; c < n; c++)
				squares[c] += (float_of(x[c]) - mean[c]) * (float_of(x[c]) - mean[c]);
		}
		for (int c = 0; c < n; c++) {
			double rest = (double)sum[c] - (double)mean[c] * (double)(end - first); /* what rounding the mean left */
			out[c0 + c] = (double)sum[c];
			out[cs + c0 + c] = (double)squares[c] - rest * rest / (double)(end - first);
		}
	}
}

/* Chan et al.: combine blocks in order. */
static void bn_statistics(struct simd_backend *sb, struct dcg_bn *bn, const value *x, int update)
{
	struct bn_pass p = { .sb = sb, .bn = bn, .x = x, .rows = rows_of(&bn->s) };
	int blocks = blocks_of(p.rows, BLOCK_ROWS), cs = bn->cs;
	dcg_table_run(&sb->base.be, bn_moments, &p, blocks);
	for (int c = 0; c < cs; c++) {
		double n = 0, mean = 0, m2 = 0;
		for (int i = 0; i < blocks; i++) {
			double count = (double)((size_t)(i + 1) * BLOCK_ROWS <= p.rows ? BLOCK_ROWS : p.rows % BLOCK_ROWS);
			double block_mean = sb->reduce[(size_t)i * 2 * (size_t)cs + (size_t)c] / count, delta = block_mean - mean;
			m2 += sb->reduce[((size_t)i * 2 + 1) * (size_t)cs + (size_t)c] + delta * delta * n * count / (n + count);
			mean += delta * count / (n + count);
			n += count;
		}
		double var = m2 > 0 ? m2 / n : 0;
		bn->mean[c] = (float)mean;
		bn->scale[c] = (float)(1 / sqrt(var + (double)DCG_BN_EPS));
		if (update && c < bn->s.c) {
			double unbiased = n > 1 ? var * n / (n - 1) : var, f = (double)DCG_BN_MOMENTUM;
			bn->running_mean[c] = (float)((1 - f) * (double)bn->running_mean[c] + f * mean);
			bn->running_var[c] = (float)((1 - f) * (double)bn->running_var[c] + f * unbiased);
		}
	}
}

ALWAYS void normalise_rows(const struct bn_pass *p, size_t first, size_t end, enum dcg_activation act)
{
	size_t cs = (size_t)p->bn->cs;
	for (size_t r = first; r < end; r++) {
		const value *x = p->x + r * cs;
		value *y = p->out + r * cs;
		for (size_t c = 0; c < cs; c++)
			y[c] = value_of(activate((float_of(x[c]) - p->bn->mean[c]) * p->a[c] + p->b[c], act));
	}
}

static void bn_normalise(void *ctx, int task, int worker)
{
	const struct bn_pass *p = ctx;
	size_t first, end;
	(void)worker;
	block_range(p, task, &first, &end);
	EACH_ACTIVATION(p->act, normalise_rows(p, first, end, (enum dcg_activation)A))
	if (p->act == DCG_TANH)
		for (value *y = p->out + first * (size_t)p->bn->cs; y < p->out + end * (size_t)p->bn->cs; y++)
			*y = value_of(tanh_of(float_of(*y)));
}

static void bn_forward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act, enum dcg_bn_mode mode)
{
	struct simd_backend *sb = (struct simd_backend *)be;
	struct bn_pass p = { .sb = sb, .bn = bn, .x = x->data, .out = y->data, .act = act, .rows = rows_of(&bn->s) };
	bn->frozen_statistics = mode == DCG_BN_RUNNING;
	if (mode != DCG_BN_RUNNING)
		bn_statistics(sb, bn, x->data, mode == DCG_BN_BATCH);
	else
		for (int c = 0; c < bn->cs; c++) {
			bn->mean[c] = bn->running_mean[c];
			bn->scale[c] = 1 / sqrtf(bn->running_var[c] + DCG_BN_EPS);
		}
	for (int c = 0; c < bn->cs; c++) {
		float gain = c < bn->s.c ? bn->gain->part[DCG_VALUE][c] : 0, bias = c < bn->s.c ? bn->bias->part[DCG_VALUE][c] : 0;
		bn->slope[c] = gain * bn->scale[c];
		bn->shift[c] = bias;
	}
	y->pending = (struct dcg_pending){ .on = x == y && act != DCG_TANH, .act = act, .mean = bn->mean, .scale = bn->slope, .bias = bn->shift };
	if (y->pending.on)
		return;
	p.a = bn->slope;
	p.b = bn->shift;
	dcg_table_run(be, bn_normalise, &p, blocks_of(p.rows, BLOCK_ROWS));
}

/* in_place: only x is there, and y's sign is worked out from it again. */
ALWAYS float output_of(const struct bn_pass *p, const value *x, const value *y, size_t c, size_t channel, int in_place)
{
	return in_place ? (float_of(x[c]) - p->bn->mean[channel]) * p->bn->slope[channel] + p->bn->shift[channel] : float_of(y[c]);
}

ALWAYS void gradient_sums(const struct bn_pass *p, size_t first, size_t end, double *out, enum dcg_activation act, int in_place)
{
	int cs = p->bn->cs;
	for (int c0 = 0; c0 < cs; c0 += STRIP) {
		float sum[STRIP] = { 0 }, dot[STRIP] = { 0 };
		const float *mean = p->bn->mean + c0;
		int n = min_int(STRIP, cs - c0);
		for (size_t r = first; r < end; r++) {
			const value *x = p->x + r * (size_t)cs + c0, *y = p->y + r * (size_t)cs + c0, *dy = p->dy + r * (size_t)cs + c0;
			for (int c = 0; c < n; c++) {
				float d = float_of(dy[c]) * slope_of(output_of(p, x, y, (size_t)c, (size_t)(c0 + c), in_place), act);
				sum[c] += d;
				dot[c] += d * (float_of(x[c]) - mean[c]);
			}
		}
		for (int c = 0; c < n; c++) {
			out[c0 + c] = (double)sum[c];
			out[cs + c0 + c] = (double)dot[c];
		}
	}
}

static void bn_gradient_sums(void *ctx, int task, int worker)
{
	const struct bn_pass *p = ctx;
	size_t first, end;
	(void)worker;
	block_range(p, task, &first, &end);
	double *out = p->sb->reduce + (size_t)task * 2 * (size_t)p->bn->cs;
	if (p->x == p->y)
		EACH_ACTIVATION(p->act, gradient_sums(p, first, end, out, (enum dcg_activation)A, 1))
	else
		EACH_ACTIVATION(p->act, gradient_sums(p, first, end, out, (enum dcg_activation)A, 0))
}

/* dx = a * d + b * x + c */
ALWAYS void input_gradient(const struct bn_pass *p, size_t first, size_t end, enum dcg_activation act, int in_place)
{
	size_t cs = (size_t)p->bn->cs;
	for (size_t r = first; r < end; r++) {
		const value *x = p->x + r * cs, *y = p->y + r * cs, *dy = p->dy + r * cs;
		for (size_t c0 = 0; c0 < cs; c0 += STRIP) {
			STRIP_OF(p->out + r * cs + c0);
			size_t n = cs - c0 < STRIP ? cs - c0 : STRIP;
			for (size_t i = 0, c = c0; i < n; i++, c++)
				strip[i] = float_of(dy[c]) * slope_of(output_of(p, x, y, c, c, in_place), act) * p->a[c] + ((float_of(x[c]) - p->bn->mean[c]) * p->b[c] + p->c[c]);
			STRIP_STORE(p->out + r * cs + c0, n);
		}
	}
}

static void bn_input_gradient(void *ctx, int task, int worker)
{
	const struct bn_pass *p = ctx;
	size_t first, end;
	(void)worker;
	block_range(p, task, &first, &end);
	if (p->x == p->y)
		EACH_ACTIVATION(p->act, input_gradient(p, first, end, (enum dcg_activation)A, 1))
	else
		EACH_ACTIVATION(p->act, input_gradient(p, first, end, (enum dcg_activation)A, 0))
}

static void add_gradient(struct dcg_param *param, int c, float g, int how)
{
	if (how)
		param->part[DCG_GRAD][c] = how == 2 ? param->part[DCG_GRAD][c] + g : g;
}

static void bn_backward(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, const struct dcg_tensor *y,
	const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act, int param_grads)
{
	struct simd_backend *sb = (struct simd_backend *)be;
	struct bn_pass p = { .sb = sb, .bn = bn, .x = x->data, .y = y->data, .dy = dy->data, .out = dx->data, .act = act, .rows = rows_of(&bn->s) };
	int blocks = blocks_of(p.rows, BLOCK_ROWS), cs = bn->cs;
	float *a = (float *)(void *)(sb->reduce + sb->reduce_count - 2 * (size_t)cs), *b = a + cs, *constant = b + cs;
	dx->pending.on = 0;
	dcg_table_run(be, bn_gradient_sums, &p, blocks);
	for (int c = 0; c < cs; c++) {
		double sum = 0, dot = 0, n = (double)p.rows, scale = (double)bn->scale[c], gain = c < bn->s.c ? (double)bn->gain->part[DCG_VALUE][c] : 0;
		for (int i = 0; i < blocks; i++) {
			sum += sb->reduce[(size_t)i * 2 * (size_t)cs + (size_t)c];
			dot += sb->reduce[((size_t)i * 2 + 1) * (size_t)cs + (size_t)c];
		}
		if (c < bn->s.c) {
			add_gradient(bn->bias, c, (float)sum, param_grads);
			add_gradient(bn->gain, c, (float)(dot * scale), param_grads);
		}
		/* With running statistics mean and variance are constants. */
		int frozen = bn->frozen_statistics;
		a[c] = (float)(gain * scale);
		b[c] = frozen ? 0 : (float)(-gain * scale * scale * scale * dot / n);
		constant[c] = frozen ? 0 : (float)(-gain * scale * sum / n);
	}
	p.a = a;
	p.b = b;
	p.c = constant;
	dcg_table_run(be, bn_input_gradient, &p, blocks);
}

struct element_pass {
	const value *x, *y;
	value *out;
	enum dcg_activation act;
	size_t count;
};

static size_t element_range(const struct element_pass *p, int task, size_t *end)
{
	size_t first = (size_t)task * ELEMENT_BLOCK;
	*end = first + ELEMENT_BLOCK < p->count ? first + ELEMENT_BLOCK : p->count;
	return first;
}

static void act_forward_task(void *ctx, int task, int worker)
{
	const struct element_pass *p = ctx;
	size_t end, first = element_range(p, task, &end);
	(void)worker;
	if (p->act == DCG_TANH)
		for (size_t i = first; i < end; i++)
			p->out[i] = value_of(tanh_of(float_of(p->x[i])));
	else
		EACH_ACTIVATION(p->act, for (size_t i = first; i < end; i++) p->out[i] = value_of(activate(float_of(p->x[i]), (enum dcg_activation)A)))
}

static void act_backward_task(void *ctx, int task, int worker)
{
	const struct element_pass *p = ctx;
	size_t end, first = element_range(p, task, &end);
	(void)worker;
	EACH_ACTIVATION(p->act, for (size_t i = first; i < end; i++) p->out[i] = value_of(float_of(p->x[i]) * slope_of(float_of(p->y[i]), (enum dcg_activation)A)))
}

static size_t elements_of(const struct dcg_tensor *t)
{
	return rows_of(&t->s) * (size_t)t->cs;
}

static void act_forward(struct dcg_backend *be, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act)
{
	struct element_pass p = { .x = x->data, .out = y->data, .act = act, .count = elements_of(x) };
	y->pending = (struct dcg_pending){ .on = x == y && act != DCG_TANH, .act = act };
	if (y->pending.on)
		return;
	dcg_table_run(be, act_forward_task, &p, blocks_of(p.count, ELEMENT_BLOCK));
}

static void act_backward(struct dcg_backend *be, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act)
{
	struct element_pass p = { .x = dy->data, .y = y->data, .out = dx->data, .act = act, .count = elements_of(y) };
	dx->pending.on = 0;
	dcg_table_run(be, act_backward_task, &p, blocks_of(p.count, ELEMENT_BLOCK));
}

struct adam_pass {
	const struct dcg_adam *hp;
	struct dcg_param *const *params;
	float step, inverse_correction; /* lr / (1 - beta1^t); 1 / sqrt(1 - beta2^t) */
};

/* Constants by value and arrays apart: else the compiler makes no vectors of it. */
static void adam_span(struct adam_pass a, struct dcg_adam hp, size_t count, float *restrict w, const float *restrict grad, float *restrict m, float *restrict v)
{
	for (size_t i = 0; i < count; i++) {
		float g = grad[i] + hp.weight_decay * w[i];
		m[i] = hp.beta1 * m[i] + (1 - hp.beta1) * g;
		v[i] = hp.beta2 * v[i] + (1 - hp.beta2) * g * g;
		w[i] -= a.step * m[i] / (sqrtf(v[i]) * a.inverse_correction + hp.eps);
	}
}

static void average_span(float keep, size_t count, float *restrict average, const float *restrict w)
{
	for (size_t i = 0; i < count; i++)
		average[i] = keep * average[i] + (1 - keep) * w[i];
}

static void adam_task(void *ctx, int task, int worker)
{
	const struct adam_pass *a = ctx;
	struct dcg_param *const *p = a->params;
	for (; task >= blocks_of((*p)->count, ELEMENT_BLOCK); p++)
		task -= blocks_of((*p)->count, ELEMENT_BLOCK);
	size_t first = (size_t)task * ELEMENT_BLOCK, count = (*p)->count - first < ELEMENT_BLOCK ? (*p)->count - first : ELEMENT_BLOCK;
	float *const *part = (*p)->part;
	(void)worker;
	adam_span(*a, *a->hp, count, part[DCG_VALUE] + first, part[DCG_GRAD] + first, part[DCG_MOMENT1] + first, part[DCG_MOMENT2] + first);
	if (a->hp->average > 0)
		average_span(a->hp->average, count, part[DCG_AVERAGE] + first, part[DCG_VALUE] + first);
}

static void adam(struct dcg_backend *be, struct dcg_param *const *params, int count, const struct dcg_adam *hp)
{
	struct adam_pass a = { .hp = hp, .params = params };
	int tasks = 0;
	a.step = (float)((double)hp->lr / (1 - pow((double)hp->beta1, (double)hp->t)));
	a.inverse_correction = (float)(1 / sqrt(1 - pow((double)hp->beta2, (double)hp->t)));
	for (int i = 0; i < count; i++)
		tasks += blocks_of(params[i]->count, ELEMENT_BLOCK);
	dcg_table_run(be, adam_task, &a, tasks);
}
