/* Minimal filtering (Winograd; Lavin and Gray, arXiv 1509.09308) of two taps, in one
 * dimension, F(2,2) (points 0, -1, infinity) and F(4,2) (Cook-Toom, points 0, 1, -1, 2,
 * infinity): y = AT ((G w) . (BT d)). m outputs, m + 1 inputs and products.
 *
 * The adjoints give the other passes: backward-data uses AT^T and BT^T, the gradient of
 * the weights G^T. m is a constant wherever these are called, so only one branch stays. */
#define ALWAYS static inline __attribute__((always_inline))

/* v = BT d */
ALWAYS void wino_data(int m, vf *v, const vf *d)
{
	if (m == 2) {
		v[0] = vsub(d[0], d[1]);
		v[1] = d[1];
		v[2] = vsub(d[2], d[1]);
	} else {
		const vf half = vset(0.5f), third = vset(1.f / 3), sixth = vset(1.f / 6), two = vset(2);
		vf d31 = vsub(d[3], d[1]);
		v[0] = vfma(half, d31, vsub(d[0], d[2]));
		v[1] = vfma(half, vsub(d[2], d[3]), d[1]);
		v[2] = vsub(vmul(half, d[2]), vfma(third, d[1], vmul(sixth, d[3])));
		v[3] = vmul(sixth, d31);
		v[4] = vsub(vsub(d[4], d[2]), vmul(two, d31));
	}
}

/* d = BT^T v */
ALWAYS void wino_data_adjoint(int m, vf *d, const vf *v)
{
	if (m == 2) {
		d[0] = v[0];
		d[1] = vsub(vsub(v[1], v[0]), v[2]);
		d[2] = v[2];
	} else {
		const vf half = vset(0.5f), third = vset(1.f / 3), sixth = vset(1.f / 6), two = vset(2);
		vf odd = vsub(vfma(half, v[0], vmul(sixth, v[3])), vmul(two, v[4])); /* from d3 - d1 */
		d[0] = v[0];
		d[1] = vsub(vsub(v[1], vmul(third, v[2])), odd);
		d[2] = vsub(vmul(half, vadd(v[1], v[2])), vadd(v[0], v[4]));
		d[3] = vsub(odd, vfma(half, v[1], vmul(sixth, v[2])));
		d[4] = v[4];
	}
}

/* y = AT p */
ALWAYS void wino_out(int m, vf *y, const vf *p)
{
	if (m == 2) {
		y[0] = vadd(p[0], p[1]);
		y[1] = vadd(p[1], p[2]);
	} else {
		vf sum = vadd(p[1], p[2]), difference = vsub(p[1], p[2]);
		y[0] = vadd(vadd(p[0], sum), p[3]);
		y[1] = vfma(vset(2), p[3], difference);
		y[2] = vfma(vset(4), p[3], sum);
		y[3] = vadd(vfma(vset(8), p[3], difference), p[4]);
	}
}

/* p = AT^T y */
ALWAYS void wino_out_adjoint(int m, vf *p, const vf *y)
{
	if (m == 2) {
		p[0] = y[0];
		p[1] = vadd(y[0], y[1]);
		p[2] = y[1];
	} else {
		vf even = vadd(y[0], y[2]), odd = vadd(y[1], y[3]);
		p[0] = y[0];
		p[1] = vadd(even, odd);
		p[2] = vsub(even, odd);
		p[3] = vfma(vset(8), y[3], vfma(vset(4), y[2], vfma(vset(2), y[1], y[0])));
		p[4] = y[3];
	}
}

/* u = G w, two taps */
ALWAYS void wino_weights(int m, vf *u, const vf *w)
{
	u[0] = w[0];
	u[1] = vadd(w[0], w[1]);
	if (m == 2) {
		u[2] = w[1];
	} else {
		u[2] = vsub(w[0], w[1]);
		u[3] = vfma(vset(2), w[1], w[0]);
		u[4] = w[1];
	}
}

/* w = G^T u */
ALWAYS void wino_weights_adjoint(int m, vf *w, const vf *u)
{
	if (m == 2) {
		w[0] = vadd(u[0], u[1]);
		w[1] = vadd(u[1], u[2]);
	} else {
		w[0] = vadd(vadd(u[0], u[1]), vadd(u[2], u[3]));
		w[1] = vadd(vfma(vset(2), u[3], vsub(u[1], u[2])), u[4]);
	}
}

/* The same in two dimensions: out [no][no] from in [ni][ni]; rows, then columns. */
enum { WINO_MOST = 5 };
#define WINO_2D(name, one, NI, NO) \
	ALWAYS void name(int m, vf *out, const vf *in) \
	{ \
		vf t[WINO_MOST * WINO_MOST], column[WINO_MOST], result[WINO_MOST]; \
		UNROLL \
		for (int i = 0; i < (NI); i++) \
			one(m, t + i * (NO), in + i * (NI)); \
		UNROLL \
		for (int j = 0; j < (NO); j++) { \
			UNROLL \
			for (int i = 0; i < (NI); i++) \
				column[i] = t[i * (NO) + j]; \
			one(m, result, column); \
			UNROLL \
			for (int i = 0; i < (NO); i++) \
				out[i * (NO) + j] = result[i]; \
		} \
	}
WINO_2D(wino_data_2d, wino_data, m + 1, m + 1)
WINO_2D(wino_data_adjoint_2d, wino_data_adjoint, m + 1, m + 1)
WINO_2D(wino_out_2d, wino_out, m + 1, m)
WINO_2D(wino_out_adjoint_2d, wino_out_adjoint, m, m + 1)
WINO_2D(wino_weights_2d, wino_weights, 2, m + 1)
WINO_2D(wino_weights_adjoint_2d, wino_weights_adjoint, m + 1, 2)
