/* Kernels of size x size taps by minimal filtering: a kernel of stride 2 is cut by parity of the
 * taps into phases, each an ordinary convolution of one parity of the picture's pixels:
 * 4x4: two taps in each direction; 5x5: three (even) and two (odd); 3x3: two and one. 3x3 of
 * stride 1 is one phase.
 *
 * All phases add up in the transformed domain. `side` points a direction serve those with the
 * most taps; where a phase has one tap fewer it has one point fewer, the last, too. (Of 36 points
 * of F(4x4,3x3) the four phases of a 5x5 kernel need 36, 30, 30 and 25.)
 *
 * A struct wino is a constant wherever these are called, so that only one branch stays. */
struct wino {
	int m, size, stride; /* m: outputs of a tile in each direction; 0: not Winograd */
};

/* Taps in one direction of those with a parity; the most; points. */
ALWAYS int wino_taps(const struct wino f, int parity) { return (f.size - parity + f.stride - 1) / f.stride; }
ALWAYS int wino_most(const struct wino f) { return wino_taps(f, 0); }
ALWAYS int wino_side(const struct wino f) { return f.m + wino_most(f) - 1; }
ALWAYS int wino_points(const struct wino f) { return wino_side(f) * wino_side(f); }
ALWAYS int wino_uneven(const struct wino f) { return f.size % f.stride != 0; }

/* Phases are 2 * parity of rows + parity of columns, in the order in which rows of A have them: the
 * phases that have a point lie side by side (wino_range). */
static int wino_phases(const struct wino f) { return f.stride * f.stride; }
static int wino_phase(const struct wino f, int place)
{
	static const int order[] = { 1, 0, 2, 3 };
	return f.stride == 1 ? 0 : order[place];
}

/* The places [from, to) of phases that have point t. */
static void wino_range(const struct wino f, int t, int *from, int *to)
{
	int last_row = wino_uneven(f) && t / wino_side(f) == wino_side(f) - 1, last_column = wino_uneven(f) && t % wino_side(f) == wino_side(f) - 1;
	*from = last_column ? 1 : 0;
	*to = last_row ? 2 : last_column ? 3 : wino_phases(f);
}
static int wino_has(const struct wino f, int phase, int t)
{
	int rows = f.m + wino_taps(f, phase / 2) - 1, columns = f.m + wino_taps(f, phase % 2) - 1;
	return t / wino_side(f) < rows && t % wino_side(f) < columns;
}

/* The kernel's tap that is a phase's tap (i, j). */
ALWAYS int wino_tap(const struct wino f, int phase, int i, int j)
{
	return (phase / 2 + f.stride * i) * f.size + phase % 2 + f.stride * j;
}

/* call(f, taps in a column, taps in a row, ...) of a phase, all constants. */
#define WINO_BY_TAPS(call, f, phase, ...) do { \
	switch (wino_uneven(f) ? (phase) : 0) { \
	case 0: call(f, wino_most(f), wino_most(f), __VA_ARGS__); break; \
	case 1: call(f, wino_most(f), wino_most(f) - 1, __VA_ARGS__); break; \
	case 2: call(f, wino_most(f) - 1, wino_most(f), __VA_ARGS__); break; \
	default: call(f, wino_most(f) - 1, wino_most(f) - 1, __VA_ARGS__); break; \
	} \
} while (0)

/* In one dimension, r taps. */
#define WINO_1D(name, two, three) \
	ALWAYS void name(const struct wino f, int r, vf *out, const vf *in) \
	{ \
		if (wino_most(f) == 2) \
			two; \
		else \
			three; \
		(void)r; \
	}
WINO_1D(data_1d, wino_data(f.m, r, out, in), wino3_data(f.m, r, out, in))
WINO_1D(data_adjoint_1d, wino_data_adjoint(f.m, r, out, in), wino3_data_adjoint(f.m, r, out, in))
WINO_1D(out_1d, wino_out(f.m, out, in), wino3_out(f.m, out, in))
WINO_1D(out_adjoint_1d, wino_out_adjoint(f.m, out, in), wino3_out_adjoint(f.m, out, in))
WINO_1D(weights_1d, wino_weights(f.m, r, out, in), wino3_weights(f.m, r, out, in))
WINO_1D(weights_adjoint_1d, wino_weights_adjoint(f.m, r, out, in), wino3_weights_adjoint(f.m, r, out, in))

ALWAYS int of_points(const struct wino f, int r) { return f.m + r - 1; }
ALWAYS int of_outputs(const struct wino f, int r) { return (void)r, f.m; }
ALWAYS int of_taps(const struct wino f, int r) { return (void)f, r; }

/* In two: out [ro][co] from in [ri][ci] of a phase of tall x wide taps; rows, then columns. */
enum { WINO_MOST = 6 };
#define WINO_2D(name, one, IN, OUT) \
	ALWAYS void name(const struct wino f, int tall, int wide, vf *out, const vf *in) \
	{ \
		vf t[WINO_MOST * WINO_MOST], column[WINO_MOST], result[WINO_MOST]; \
		UNROLL \
		for (int i = 0; i < IN(f, tall); i++) \
			one(f, wide, t + i * OUT(f, wide), in + i * IN(f, wide)); \
		UNROLL \
		for (int j = 0; j < OUT(f, wide); j++) { \
			UNROLL \
			for (int i = 0; i < IN(f, tall); i++) \
				column[i] = t[i * OUT(f, wide) + j]; \
			one(f, tall, result, column); \
			UNROLL \
			for (int i = 0; i < OUT(f, tall); i++) \
				out[i * OUT(f, wide) + j] = result[i]; \
		} \
	}
WINO_2D(wino_data_2d, data_1d, of_points, of_points)
WINO_2D(wino_data_adjoint_2d, data_adjoint_1d, of_points, of_points)
WINO_2D(wino_out_2d, out_1d, of_points, of_outputs)
WINO_2D(wino_out_adjoint_2d, out_adjoint_1d, of_outputs, of_points)
WINO_2D(wino_weights_2d, weights_1d, of_taps, of_points)
WINO_2D(wino_weights_adjoint_2d, weights_adjoint_1d, of_points, of_taps)
