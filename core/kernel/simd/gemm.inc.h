/* Products of panels. C [rows][NB] (+)= A [rows][k] . B [k][NB].
 *
 * A's element (row i, unit u) is at a + i * row_step + u * k_step; B is packed, a unit
 * being NB * UNIT elements; C's rows are ldc floats apart. */

static inline __attribute__((always_inline)) void block(int rows, int units, const panel *a, ptrdiff_t row_step,
	ptrdiff_t k_step, const panel *b, float *c, ptrdiff_t ldc, int add)
{
	vf acc[MR][2];
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int j = 0; j < 2; j++)
			acc[i][j] = add ? vload(c + i * ldc + j * VW) : vzero();
	/* A comes from afar, a few hundred bytes of each row: bring the next block's while this
	 * one's are multiplied, a line (16 units) of eight rows in turn. */
	const char *next = (const char *)(a + MR * row_step);
	for (int u = 0; u < units; u++) {
		_mm_prefetch(next + (u & 7) * row_step * (ptrdiff_t)sizeof(panel) + u / 16 * 64, _MM_HINT_T0);
		vpanel b0 = panel_load(b), b1 = panel_load(b + VW * UNIT);
		UNROLL
		for (int i = 0; i < rows; i++) {
			acc[i][0] = vdot(acc[i][0], a + i * row_step, b0);
			acc[i][1] = vdot(acc[i][1], a + i * row_step, b1);
		}
		a += k_step;
		b += NB * UNIT;
	}
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int j = 0; j < 2; j++)
			vstore(c + i * ldc + j * VW, acc[i][j]);
}

static void gemm(int rows, int units, const panel *a, ptrdiff_t row_step, ptrdiff_t k_step, const panel *b,
	float *c, ptrdiff_t ldc, int add)
{
	for (; rows >= MR; rows -= MR, a += MR * row_step, c += MR * ldc)
		block(MR, units, a, row_step, k_step, b, c, ldc, add);
	switch (rows) { /* a constant number of rows keeps the accumulators in registers */
	case 1: block(1, units, a, row_step, k_step, b, c, ldc, add); break;
	case 2: block(2, units, a, row_step, k_step, b, c, ldc, add); break;
	case 3: block(3, units, a, row_step, k_step, b, c, ldc, add); break;
	case 4: block(4, units, a, row_step, k_step, b, c, ldc, add); break;
	case 5: block(5, units, a, row_step, k_step, b, c, ldc, add); break;
#if defined DCG_AVX512
	case 6: block(6, units, a, row_step, k_step, b, c, ldc, add); break;
	case 7: block(7, units, a, row_step, k_step, b, c, ldc, add); break;
#endif
	default: break;
	}
}
