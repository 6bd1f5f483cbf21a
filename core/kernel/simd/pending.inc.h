/* Rows of one picture, with what the tensor has pending done to them. */
struct rows {
	const float *at; /* row first */
	int first;
};

static inline __attribute__((always_inline)) float activate(float v, enum dcg_activation act)
{
	return act == DCG_RELU ? (v > 0 ? v : 0) : act == DCG_LEAKY_RELU ? (v > 0 ? v : v * DCG_LEAKY_SLOPE) : v;
}

static inline __attribute__((always_inline)) void activate_pixels(const struct dcg_pending *p, const float *x, float *y, size_t pixels, size_t cs, enum dcg_activation act)
{
	if (!p->mean) {
		for (size_t i = 0; i < pixels * cs; i++)
			y[i] = activate(x[i], act);
		return;
	}
	for (size_t i = 0; i < pixels; i++, x += cs, y += cs)
		for (size_t c = 0; c < cs; c++)
			y[c] = activate((x[c] - p->mean[c]) * p->scale[c] + p->bias[c], act);
}

/* Rows h0 .. h1-1 (those inside the picture) of picture n; stage has room for them. */
static struct rows rows_of_picture(const struct dcg_tensor *t, int n, int h0, int h1, float *stage)
{
	size_t row = (size_t)t->s.w * (size_t)t->cs;
	const float *picture = t->data + (size_t)n * (size_t)t->s.h * row;
	if (!t->pending.on)
		return (struct rows){ picture, 0 };
	h0 = h0 > 0 ? h0 : 0, h1 = h1 < t->s.h ? h1 : t->s.h;
	if (h0 >= h1)
		return (struct rows){ picture, 0 };
	const float *x = picture + (size_t)h0 * row;
	size_t pixels = (size_t)(h1 - h0) * (size_t)t->s.w, cs = (size_t)t->cs;
	switch (t->pending.act) {
	case DCG_RELU: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_RELU); break;
	case DCG_LEAKY_RELU: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_LEAKY_RELU); break;
	default: activate_pixels(&t->pending, x, stage, pixels, cs, DCG_LINEAR); break;
	}
	return (struct rows){ stage, h0 };
}
