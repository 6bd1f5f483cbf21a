/* Minimal filtering (Winograd; Lavin and Gray, arXiv 1509.09308) of two taps, in one
 * dimension, F(2,2) (points 0, 1, infinity) and F(4,2) (Cook-Toom, points 0, -1, 1/2, 2,
 * infinity): y = AT ((G w) . (BT d)). m outputs, m + 1 inputs and products. Of F(4,2)'s points
 * that are exact in binary these round least: in bf16 0.9 % of the output, where 0, 1, -1, 2
 * give 1.5 %. The fractions are G's, so that BT, which is applied most often, has none. Beside
 * two taps, one tap about the same points: it lacks the last, infinity, and the last input, and
 * both add up before one AT, where a kernel of three taps is cut by parity into two and one.
 *
 * The adjoints give the other passes: backward-data uses AT^T and BT^T, the gradient of
 * the weights G^T. m and r, the taps, are constants wherever these are called, so only one
 * branch stays. */
#define ALWAYS static inline __attribute__((always_inline))

/* v = BT d */
ALWAYS void wino_data(int m, int r, vf *v, const vf *d)
{
	if (m == 2) {
		v[0] = vsub(d[0], d[1]);
		v[1] = d[1];
		if (r == 2)
			v[2] = vsub(d[2], d[1]);
	} else {
		const vf minus = vset(-1.5f), two = vset(2);
		v[0] = vfma(minus, vadd(d[1], d[2]), vadd(d[0], d[3]));
		v[1] = vsub(vmul(vset(2.5f), d[2]), vadd(d[1], d[3]));
		v[2] = vfma(two, d[1], vsub(d[2], d[3]));
		v[3] = vfma(two, d[3], vsub(d[2], d[1]));
		if (r == 2)
			v[4] = vfma(minus, vadd(d[2], d[3]), vadd(d[1], d[4]));
	}
}

/* d = BT^T v */
ALWAYS void wino_data_adjoint(int m, int r, vf *d, const vf *v)
{
	if (m == 2) {
		d[0] = v[0];
		d[1] = r == 2 ? vsub(vsub(v[1], v[0]), v[2]) : vsub(v[1], v[0]);
		if (r == 2)
			d[2] = v[2];
	} else {
		const vf minus = vset(-1.5f), two = vset(2);
		vf sum = vadd(v[1], v[3]), rest = vsub(vsub(v[0], v[1]), v[2]);
		d[0] = v[0];
		d[1] = vfma(two, v[2], vfma(minus, v[0], r == 2 ? vsub(v[4], sum) : vsub(vzero(), sum)));
		d[2] = vfma(vset(2.5f), v[1], vfma(minus, r == 2 ? vadd(v[0], v[4]) : v[0], vadd(v[2], v[3])));
		d[3] = vfma(two, v[3], r == 2 ? vfma(minus, v[4], rest) : rest);
		if (r == 2)
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
		y[0] = vadd(vadd(p[0], p[1]), vadd(p[2], p[3]));
		y[1] = vfma(vset(2), p[3], vsub(vmul(vset(0.5f), p[2]), p[1]));
		y[2] = vfma(vset(4), p[3], vfma(vset(0.25f), p[2], p[1]));
		y[3] = vfma(vset(8), p[3], vfma(vset(0.125f), p[2], vsub(p[4], p[1])));
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
		p[0] = y[0];
		p[1] = vadd(vsub(y[0], y[1]), vsub(y[2], y[3]));
		p[2] = vfma(vset(0.125f), y[3], vfma(vset(0.25f), y[2], vfma(vset(0.5f), y[1], y[0])));
		p[3] = vfma(vset(8), y[3], vfma(vset(4), y[2], vfma(vset(2), y[1], y[0])));
		p[4] = y[3];
	}
}

/* u = G w, r taps */
ALWAYS void wino_weights(int m, int r, vf *u, const vf *w)
{
	u[0] = w[0];
	if (r == 1) {
		u[1] = m == 2 ? w[0] : vmul(vset(2.f / 9), w[0]);
		if (m == 4) {
			u[2] = vmul(vset(8.f / 9), w[0]);
			u[3] = vmul(vset(1.f / 18), w[0]);
		}
	} else if (m == 2) {
		u[1] = vadd(w[0], w[1]);
		u[2] = w[1];
	} else {
		u[1] = vmul(vset(2.f / 9), vsub(w[0], w[1]));
		u[2] = vmul(vset(8.f / 9), vfma(vset(0.5f), w[1], w[0]));
		u[3] = vmul(vset(1.f / 18), vfma(vset(2), w[1], w[0]));
		u[4] = w[1];
	}
}

/* w = G^T u */
ALWAYS void wino_weights_adjoint(int m, int r, vf *w, const vf *u)
{
	if (m == 2) {
		w[0] = vadd(u[0], u[1]);
		if (r == 2)
			w[1] = vadd(u[1], u[2]);
	} else {
		vf a = vmul(vset(2.f / 9), u[1]), b = vmul(vset(8.f / 9), u[2]), c = vmul(vset(1.f / 18), u[3]);
		w[0] = vadd(vadd(u[0], a), vadd(b, c));
		if (r == 2)
			w[1] = vadd(vfma(vset(2), c, vsub(vmul(vset(0.5f), b), a)), u[4]);
	}
}
