enum { ROWS_AHEAD = 2048 }; /* bytes */

/* Rows of one picture, with what the tensor has pending done to them. */
struct rows {
	const value *at; /* row first */
	int first;
};

static inline __attribute__((always_inline)) float activate(float v, enum dcg_activation act)
{
	return act == DCG_RELU ? (v > 0 ? v : 0) : act == DCG_LEAKY_RELU ? (v > 0 ? v : v * DCG_LEAKY_SLOPE) : v;
}

#if defined DCG_BF16
static inline __attribute__((always_inline)) vf activate_vector(vf v, enum dcg_activation act)
{
	return act == DCG_RELU ? vmax(v, vzero()) : act == DCG_LEAKY_RELU ? vmax(v, vmul(v, vset(DCG_LEAKY_SLOPE))) : v;
}

/* VW values from channel c on; normalised to the same sign as bn_backward. */
static inline __attribute__((always_inline)) vf pending_vector(const struct dcg_pending *p, const value *x, size_t c, enum dcg_activation act, int normalise)
{
	vf v = value_load(x);
	if (normalise)
		v = vadd(vmul(vsub(v, vload(p->mean + c)), vload(p->scale + c)), vload(p->bias + c));
	return activate_vector(v, act);
}
#endif

/* A row of n values; whole vectors in bf16, whose rounding the compiler would spell out. */
static inline __attribute__((always_inline)) void activate_row(const struct dcg_pending *p, const value *x, value *y, size_t n, enum dcg_activation act, int normalise)
{
	size_t c = 0;
#if defined DCG_BF16
	for (; c + 2 * VW <= n; c += 2 * VW) {
		_mm_prefetch((const char *)(x + c) + ROWS_AHEAD, _MM_HINT_T0);
		_mm512_storeu_si512(y + c, (__m512i)_mm512_cvtne2ps_pbh(pending_vector(p, x + c + VW, c + VW, act, normalise), pending_vector(p, x + c, c, act, normalise)));
	}
	for (; c + VW <= n; c += VW)
		value_store(y + c, pending_vector(p, x + c, c, act, normalise));
#endif
	for (; c < n; c++)
		y[c] = value_of(activate(normalise ? (float_of(x[c]) - p->mean[c]) * p->scale[c] + p->bias[c] : float_of(x[c]), act));
}

static inline __attribute__((always_inline)) void activate_pixels(const struct dcg_pending *pending, const value *x, value *y, size_t pixels, size_t cs, enum dcg_activation act)
{
	const struct dcg_pending p = *pending; /* no store through y can change it */
	if (!p.mean) {
		activate_row(&p, x, y, pixels * cs, act, 0);
		return;
	}
	for (size_t i = 0; i < pixels; i++, x += cs, y += cs)
		activate_row(&p, x, y, cs, act, 1);
}

/* Rows h0 .. h1-1 (those inside the picture) of picture n; stage has room for them. */
static struct rows rows_of_picture(const struct dcg_tensor *t, int n, int h0, int h1, value *stage)
{
	size_t row = (size_t)t->s.w * (size_t)t->cs;
	const value *picture = (const value *)t->data + (size_t)n * (size_t)t->s.h * row;
	if (!t->pending.on)
		return (struct rows){ picture, 0 };
	h0 = h0 > 0 ? h0 : 0, h1 = h1 < t->s.h ? h1 : t->s.h;
	if (h0 >= h1)
		return (struct rows){ picture, 0 };
	const value *x = picture + (size_t)h0 * row;
	size_t pixels = (size_t)(h1 - h0) * (size_t)t->s.w, cs = (size_t)t->cs;
	switch (t->pending.act) {
	case DCG_RELU: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_RELU); break;
	case DCG_LEAKY_RELU: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_LEAKY_RELU); break;
	default: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_LINEAR); break;
	}
	return (struct rows){ stage, h0 };
}
