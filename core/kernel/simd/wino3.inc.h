/* Minimal filtering of three taps, and beside it of two taps about the same points, so that both
 * add up before one AT: where a kernel of five taps is cut by parity into three and two.
 * F(4,3): points 0, A, -A, B, infinity, -B; the last is what two taps, F(4,2), lack. With A = 3/2
 * and B = 5/8 bf16 rounds to 1.1 % of the output; 0, -1, 1/2, 2, -2 give
 * 1.5 %, and 0, 1, -1, 2, -2 2.1 %. F(2,3): points 0, 1, infinity, -1.
 *
 * Names as in wino.inc.h; r is 3 or 2 and a constant, like m. */
#define WINO_A 1.5f
#define WINO_B 0.625f
#define WINO_AA (WINO_A * WINO_A)
#define WINO_BB (WINO_B * WINO_B)

/* x - s y */
ALWAYS vf vless(vf x, float s, vf y)
{
	return vfma(vset(-s), y, x);
}
ALWAYS vf vmore(vf x, float s, vf y)
{
	return vfma(vset(s), y, x);
}

/* v = BT d */
ALWAYS void wino3_data(int m, int r, vf *v, const vf *d)
{
	if (m == 2) {
		v[0] = r == 3 ? vsub(d[0], d[2]) : vsub(d[0], d[1]);
		v[1] = r == 3 ? vadd(d[1], d[2]) : d[1];
		v[2] = r == 3 ? vsub(d[3], d[1]) : vsub(d[2], d[1]);
		if (r == 3)
			v[3] = vsub(d[2], d[1]);
	} else if (r == 3) {
		vf even = vless(d[4], WINO_BB, d[2]), odd = vless(d[3], WINO_BB, d[1]);
		v[1] = vmore(even, WINO_A, odd);
		v[2] = vless(even, WINO_A, odd);
		even = vless(d[4], WINO_AA, d[2]), odd = vless(d[3], WINO_AA, d[1]);
		v[3] = vmore(even, WINO_B, odd);
		v[5] = vless(even, WINO_B, odd);
		v[0] = vmore(vless(d[4], WINO_AA + WINO_BB, d[2]), WINO_AA * WINO_BB, d[0]);
		v[4] = vmore(vless(d[5], WINO_AA + WINO_BB, d[3]), WINO_AA * WINO_BB, d[1]);
	} else {
		vf e0 = vless(d[1], WINO_B, d[0]), e1 = vless(d[2], WINO_B, d[1]), e2 = vless(d[3], WINO_B, d[2]), e3 = vless(d[4], WINO_B, d[3]);
		v[0] = vless(e2, WINO_AA, e0);
		v[1] = vmore(e2, WINO_A, e1);
		v[2] = vless(e2, WINO_A, e1);
		v[3] = vless(d[3], WINO_AA, d[1]);
		v[4] = vless(e3, WINO_AA, e1);
	}
}

/* d = BT^T v */
ALWAYS void wino3_data_adjoint(int m, int r, vf *d, const vf *v)
{
	if (m == 2) {
		d[0] = v[0];
		d[1] = r == 3 ? vsub(vsub(v[1], v[2]), v[3]) : vsub(vsub(v[1], v[0]), v[2]);
		d[2] = r == 3 ? vadd(vsub(v[1], v[0]), v[3]) : v[2];
		if (r == 3)
			d[3] = v[2];
	} else if (r == 3) {
		vf even_a = vadd(v[1], v[2]), odd_a = vmul(vset(WINO_A), vsub(v[1], v[2]));
		vf even_b = vadd(v[3], v[5]), odd_b = vmul(vset(WINO_B), vsub(v[3], v[5]));
		d[0] = vmul(vset(WINO_AA * WINO_BB), v[0]);
		d[1] = vless(vless(vmul(vset(WINO_AA * WINO_BB), v[4]), WINO_BB, odd_a), WINO_AA, odd_b);
		d[2] = vless(vless(vmul(vset(-WINO_AA - WINO_BB), v[0]), WINO_BB, even_a), WINO_AA, even_b);
		d[3] = vless(vadd(odd_a, odd_b), WINO_AA + WINO_BB, v[4]);
		d[4] = vadd(v[0], vadd(even_a, even_b));
		d[5] = v[4];
	} else {
		vf e0 = vmul(vset(-WINO_AA), v[0]), e1 = vless(vmul(vset(WINO_A), vsub(v[1], v[2])), WINO_AA, v[4]);
		vf e2 = vadd(v[0], vadd(v[1], v[2]));
		d[0] = vmul(vset(-WINO_B), e0);
		d[1] = vless(vless(e0, WINO_B, e1), WINO_AA, v[3]);
		d[2] = vless(e1, WINO_B, e2);
		d[3] = vless(vadd(e2, v[3]), WINO_B, v[4]);
		d[4] = v[4];
	}
}

/* y = AT p, for all points */
ALWAYS void wino3_out(int m, vf *y, const vf *p)
{
	if (m == 2) {
		y[0] = vadd(vadd(p[0], p[1]), p[3]);
		y[1] = vadd(vsub(p[1], p[3]), p[2]);
	} else {
		vf even_a = vadd(p[1], p[2]), odd_a = vmul(vset(WINO_A), vsub(p[1], p[2]));
		vf even_b = vadd(p[3], p[5]), odd_b = vmul(vset(WINO_B), vsub(p[3], p[5]));
		y[0] = vadd(p[0], vadd(even_a, even_b));
		y[1] = vadd(odd_a, odd_b);
		y[2] = vmore(vmul(vset(WINO_BB), even_b), WINO_AA, even_a);
		y[3] = vmore(vmore(p[4], WINO_BB, odd_b), WINO_AA, odd_a);
	}
}

/* p = AT^T y */
ALWAYS void wino3_out_adjoint(int m, vf *p, const vf *y)
{
	p[0] = y[0];
	if (m == 2) {
		p[1] = vadd(y[0], y[1]);
		p[2] = y[1];
		p[3] = vsub(y[0], y[1]);
	} else {
		vf even = vmore(y[0], WINO_AA, y[2]), odd = vmore(y[1], WINO_AA, y[3]);
		p[1] = vmore(even, WINO_A, odd);
		p[2] = vless(even, WINO_A, odd);
		even = vmore(y[0], WINO_BB, y[2]), odd = vmore(y[1], WINO_BB, y[3]);
		p[3] = vmore(even, WINO_B, odd);
		p[4] = y[3];
		p[5] = vless(even, WINO_B, odd);
	}
}

/* What G's rows are divided by: the other points' distances from this one, as BT leaves them. */
#define WINO_AT_A (1 / (2 * WINO_AA * (WINO_AA - WINO_BB)))
#define WINO_AT_B (1 / (2 * WINO_BB * (WINO_BB - WINO_AA)))
#define WINO2_AT_0 (1 / (WINO_AA * WINO_B))
#define WINO2_AT_A (1 / (2 * WINO_AA * (WINO_A - WINO_B)))
#define WINO2_AT_MINUS_A (-1 / (2 * WINO_AA * (WINO_A + WINO_B)))
#define WINO2_AT_B (1 / (WINO_B * (WINO_BB - WINO_AA)))

/* u = G w, r taps */
ALWAYS void wino3_weights(int m, int r, vf *u, const vf *w)
{
	if (m == 2 && r == 3) {
		vf even = vmul(vset(0.5f), vadd(w[0], w[2]));
		u[0] = w[0];
		u[1] = vmore(even, 0.5f, w[1]);
		u[2] = w[2];
		u[3] = vless(even, 0.5f, w[1]);
	} else if (m == 2) {
		u[0] = w[0];
		u[1] = vadd(w[0], w[1]);
		u[2] = w[1];
	} else if (r == 3) {
		vf even = vmul(vset(WINO_AT_A), vmore(w[0], WINO_AA, w[2]));
		u[1] = vmore(even, WINO_AT_A * WINO_A, w[1]);
		u[2] = vless(even, WINO_AT_A * WINO_A, w[1]);
		even = vmul(vset(WINO_AT_B), vmore(w[0], WINO_BB, w[2]));
		u[3] = vmore(even, WINO_AT_B * WINO_B, w[1]);
		u[5] = vless(even, WINO_AT_B * WINO_B, w[1]);
		u[0] = vmul(vset(1 / (WINO_AA * WINO_BB)), w[0]);
		u[4] = w[2];
	} else {
		u[0] = vmul(vset(WINO2_AT_0), w[0]);
		u[1] = vmul(vset(WINO2_AT_A), vmore(w[0], WINO_A, w[1]));
		u[2] = vmul(vset(WINO2_AT_MINUS_A), vless(w[0], WINO_A, w[1]));
		u[3] = vmul(vset(WINO2_AT_B), vmore(w[0], WINO_B, w[1]));
		u[4] = w[1];
	}
}

/* w = G^T u */
ALWAYS void wino3_weights_adjoint(int m, int r, vf *w, const vf *u)
{
	if (m == 2 && r == 3) {
		vf even = vmul(vset(0.5f), vadd(u[1], u[3]));
		w[0] = vadd(u[0], even);
		w[1] = vmul(vset(0.5f), vsub(u[1], u[3]));
		w[2] = vadd(u[2], even);
	} else if (m == 2) {
		w[0] = vadd(u[0], u[1]);
		w[1] = vadd(u[1], u[2]);
	} else if (r == 3) {
		vf even_a = vmul(vset(WINO_AT_A), vadd(u[1], u[2])), odd_a = vmul(vset(WINO_AT_A), vsub(u[1], u[2]));
		vf even_b = vmul(vset(WINO_AT_B), vadd(u[3], u[5])), odd_b = vmul(vset(WINO_AT_B), vsub(u[3], u[5]));
		w[0] = vmore(vadd(even_a, even_b), 1 / (WINO_AA * WINO_BB), u[0]);
		w[1] = vmore(vmul(vset(WINO_B), odd_b), WINO_A, odd_a);
		w[2] = vmore(vmore(u[4], WINO_BB, even_b), WINO_AA, even_a);
	} else {
		vf a = vmul(vset(WINO2_AT_A), u[1]), minus = vmul(vset(WINO2_AT_MINUS_A), u[2]), b = vmul(vset(WINO2_AT_B), u[3]);
		w[0] = vmore(vadd(vadd(a, minus), b), WINO2_AT_0, u[0]);
		w[1] = vmore(vmore(u[4], WINO_A, vsub(a, minus)), WINO_B, b);
	}
}
