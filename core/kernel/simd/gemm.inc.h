/* Products of panels. C [rows][NB] (+)= A [rows][k] . B [k][NB]. B is packed, a unit being
 * NB * UNIT elements; C's rows are ldc floats apart.
 *
 * A lies in one of two ways. In rows: AG rows side by side, a line (64 bytes) of each in turn, so
 * that a block of accumulators reads memory in order and at constant offsets. In columns: AW rows'
 * units together, as the gradient's transform leaves them. */

enum {
	LINE = 64 / sizeof(panel), LINE_UNITS = LINE / UNIT, TURN = 4,
	AG = VW == 16 ? MR : 1,
	AW = VW == 16 ? 16 : 24, /* a multiple of MR and VW */
	PITCH = 16,              /* added to rows and points: powers of two would share cache sets */
};

/* Row i of A, pitch elements each; its element k. */
ALWAYS panel *a_row(panel *a, int pitch, int i)
{
	return a + (size_t)(i / AG) * (size_t)(AG * pitch) + i % AG * LINE;
}
ALWAYS panel *a_inner(panel *row, int k)
{
	return AG == 1 ? row + k : row + (size_t)(k / LINE) * (AG * LINE) + k % LINE;
}
static int a_pitch(int k)
{
	return AG == 1 ? k + PITCH : (k + LINE - 1) / LINE * LINE;
}

/* From one point's packed panel, or products, to the next one's. What is at all points is stored, or loaded,
 * at once: a line more, so that they do not share cache sets. */
static size_t b_point(int k) { return (size_t)k * NB + LINE; }
static size_t c_point(int rows) { return (size_t)rows * NB + PITCH; }

ALWAYS void unit_products(int rows, vf (*acc)[2], const panel *a, ptrdiff_t row_step, const panel *b)
{
	vpanel b0 = panel_load(b), b1 = panel_load(b + VW * UNIT);
	UNROLL
	for (int i = 0; i < rows; i++) {
		acc[i][0] = vdot(acc[i][0], a + i * row_step, b0);
		acc[i][1] = vdot(acc[i][1], a + i * row_step, b1);
	}
}

ALWAYS void block(int in_rows, int rows, int units, const panel *a, ptrdiff_t pitch, const panel *b, float *c, ptrdiff_t ldc, int add)
{
	const ptrdiff_t row_step = !in_rows ? UNIT : AG == 1 ? pitch : LINE, unit_step = in_rows ? UNIT : AW * UNIT;
	const ptrdiff_t skip = in_rows ? (AG - 1) * LINE : 0; /* to a row's next line */
	const panel *next = a + MR * pitch;
	vf acc[MR][2];
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int j = 0; j < 2; j++)
			acc[i][j] = add ? vload(c + i * ldc + j * VW) : vzero();
	for (; units >= LINE_UNITS; units -= LINE_UNITS) {
		for (int turn = 0; turn < LINE_UNITS; turn += TURN) {
			/* Rows come from afar: bring the next block's while this one's are multiplied. */
			if (in_rows) {
				_mm_prefetch((const char *)(next + turn / 2 * row_step), _MM_HINT_T0);
				_mm_prefetch((const char *)(next + (turn / 2 + 1) * row_step), _MM_HINT_T0);
			}
			UNROLL
			for (int u = 0; u < TURN; u++)
				unit_products(rows, acc, a + u * unit_step, row_step, b + u * NB * UNIT);
			a += TURN * unit_step;
			b += TURN * NB * UNIT;
		}
		a += skip;
		next += LINE + skip;
	}
	for (; units > 0; units--, a += unit_step, b += NB * UNIT)
		unit_products(rows, acc, a, row_step, b);
	UNROLL
	for (int i = 0; i < rows; i++)
		UNROLL
		for (int j = 0; j < 2; j++)
			vstore(c + i * ldc + j * VW, acc[i][j]);
}

/* a: the first of AG rows, at a k that is a multiple of LINE. */
static void gemm_rows(int rows, int units, const panel *a, int pitch, const panel *b, float *c, ptrdiff_t ldc, int add)
{
	for (; rows >= MR; rows -= MR, a += MR * pitch, c += MR * ldc)
		block(1, MR, units, a, pitch, b, c, ldc, add);
	switch (rows) { /* a constant number of rows keeps the accumulators in registers */
	case 1: block(1, 1, units, a, pitch, b, c, ldc, add); break;
	case 2: block(1, 2, units, a, pitch, b, c, ldc, add); break;
	case 3: block(1, 3, units, a, pitch, b, c, ldc, add); break;
	case 4: block(1, 4, units, a, pitch, b, c, ldc, add); break;
	case 5: block(1, 5, units, a, pitch, b, c, ldc, add); break;
#if defined DCG_AVX512
	case 6: block(1, 6, units, a, pitch, b, c, ldc, add); break;
	case 7: block(1, 7, units, a, pitch, b, c, ldc, add); break;
#endif
	default: break;
	}
}

/* AW rows, in columns. */
static void gemm_columns(int units, const panel *a, const panel *b, float *c, ptrdiff_t ldc)
{
	for (int i = 0; i < AW; i += MR)
		block(0, MR, units, a + i * UNIT, 0, b, c + i * ldc, ldc, 0);
}
