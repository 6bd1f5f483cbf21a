/* G's projection in fp32: a kernel as large as the picture. With X [N][taps c] the pictures,
 * Y [N][k] the outputs and W [taps c][k] the weights, all in the order in which they lie:
 * Y = X W, by OpenBLAS, X = Y W^T and dW = X^T Y. Panels of W would serve one block of rows, and
 * cost about half as much as its products to pack: backward, W's rows and Y's are broadcast from
 * where they lie, and the results transposed as they are stored. In bf16 panels are faster.
 *
 * A task takes columns of X, which are rows of W. */

enum { BLAS_COLUMNS = 512, DATA_COLUMNS = 256, GRADIENT_COLUMNS = 256 }; /* of a task */
enum { TILE = 16 }; /* rows of a tile, which has NB columns: its transpose's rows are whole lines */

struct projection {
	struct dcg_backend *be;
	const struct dcg_conv *cv;
	const struct dcg_tensor *big;
	float *x, *w, *y; /* y [N][cs_small] */
	float *parts;     /* forward: of Y's sum, [tasks][N][k]; backward: Y in panels */
	int accumulate;
};

static int is_projection(const struct dcg_conv *cv)
{
	return sizeof(value) == sizeof(float) && is_full(cv);
}

/* Columns of X, and the rows of W that they belong to. padding: columns of zeros behind them. */
struct columns {
	int column, row, count, padding;
};

/* Pieces of `width` columns; with padded channels they lie within a tap. */
static int pieces_of_a_run(const struct dcg_conv *cv, int width)
{
	return ceil_div(cv->cs_big == cv->g.c ? cv->taps * cv->g.c : cv->g.c, width);
}
static int count_columns(const struct dcg_conv *cv, int width)
{
	return pieces_of_a_run(cv, width) * (cv->cs_big == cv->g.c ? 1 : cv->taps);
}
static struct columns columns_at(const struct dcg_conv *cv, int width, int piece)
{
	if (cv->cs_big == cv->g.c)
		return (struct columns){ piece * width, piece * width, min_int(width, cv->taps * cv->g.c - piece * width), 0 };
	int pieces = pieces_of_a_run(cv, width), tap = piece / pieces, c = piece % pieces * width, last = c + width >= cv->g.c;
	return (struct columns){ tap * cv->cs_big + c, tap * cv->g.c + c, last ? cv->g.c - c : width, last ? cv->cs_big - cv->g.c : 0 };
}

static int projection_width(const struct dcg_conv *cv) { return cv->taps * cv->cs_big; }

/* Y in panels: of pictures, [k][NB], or of outputs, [N][NB]. */
static size_t panels_of_pictures(const struct dcg_conv *cv) { return (size_t)round_up(cv->batch, NB) * (size_t)round_up(cv->g.k, VW); }
static size_t panels_of_outputs(const struct dcg_conv *cv) { return (size_t)cv->batch * (size_t)round_up(cv->g.k, NB); }

/* A worker's: columns of X, and a tile. What all share: y, and the parts or panels. */
static size_t projection_scratch(const struct dcg_conv *cv)
{
	return ((size_t)cv->batch * BLAS_COLUMNS + TILE * NB) * sizeof(float);
}
static size_t projection_y(const struct dcg_conv *cv) { return (size_t)cv->batch * (size_t)cv->cs_small; }
static size_t projection_shared(const struct dcg_conv *cv)
{
	size_t parts = (size_t)count_columns(cv, BLAS_COLUMNS) * (size_t)cv->batch * (size_t)cv->g.k, pictures = panels_of_pictures(cv), outputs = panels_of_outputs(cv);
	size_t panels = pictures > outputs ? pictures : outputs;
	return (projection_y(cv) + (parts > panels ? parts : panels)) * sizeof(float);
}

/* Of one picture from channel c on, what is pending done. */
static void projection_activate(const struct dcg_pending *p, int channels, const float *from, int c, int count, float *to)
{
	for (int i = 0; i < count; i++, c = c + 1 < channels ? c + 1 : 0)
		to[i] = activate(p->mean ? (from[i] - p->mean[c]) * p->scale[c] + p->bias[c] : from[i], p->act);
}

/* Columns of X, `wide` of them in a panel [N][wide], of which the last may be short. */
static void stage_columns(const struct projection *b, struct columns at, int wide, float *stage)
{
	const struct dcg_conv *cv = b->cv;
	const float *x = (const float *)b->big->data + at.column;
	for (int n = 0; n < cv->batch; n++, x += projection_width(cv), stage += wide) {
		float *to = stage;
		for (int c = 0; c < at.count; c += wide, to += (size_t)cv->batch * (size_t)wide) {
			int count = min_int(wide, at.count - c);
			if (b->big->pending.on)
				projection_activate(&b->big->pending, cv->cs_big, x + c, (at.column + c) % cv->cs_big, count, to);
			else
				memcpy(to, x + c, (size_t)count * sizeof *to);
		}
	}
}

static float *projection_small(const struct projection *b, const struct dcg_tensor *small)
{
	float *data = small->data;
	if (!small->pending.on)
		return data;
	for (int n = 0; n < b->cv->batch; n++) {
		size_t at = (size_t)n * (size_t)b->cv->cs_small;
		projection_activate(&small->pending, b->cv->cs_small, data + at, 0, b->cv->cs_small, b->y + at);
	}
	return b->y;
}

static struct projection projection_of(struct dcg_backend *be, const struct dcg_conv *cv)
{
	struct projection b = { .be = be, .cv = cv, .w = cv->weights->part[DCG_VALUE], .y = (float *)(void *)shared_of(be) };
	b.parts = b.y + projection_y(cv);
	return b;
}

/* ---- Forward, by OpenBLAS ----------------------------------------------------------------- */

static void projection_forward_task(void *ctx, int task, int worker)
{
	const struct projection *b = ctx;
	const struct dcg_conv *cv = b->cv;
	struct columns at = columns_at(cv, BLAS_COLUMNS, task);
	int ld = projection_width(cv), k = cv->g.k;
	const float *x = (const float *)b->big->data + at.column;
	if (b->big->pending.on) {
		float *stage = (float *)(void *)scratch_of(b->be, worker);
		stage_columns(b, at, at.count, stage);
		x = stage, ld = at.count;
	}
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, cv->batch, k, at.count, 1, x, ld, b->w + (size_t)at.row * (size_t)k, k, 0,
		b->parts + (size_t)task * (size_t)cv->batch * (size_t)k, k);
}

static void projection_sum_task(void *ctx, int n, int worker)
{
	const struct projection *b = ctx;
	const int tasks = count_columns(b->cv, BLAS_COLUMNS), k = b->cv->g.k;
	float *y = b->y + (size_t)n * (size_t)b->cv->cs_small;
	(void)worker;
	memset(y, 0, (size_t)b->cv->cs_small * sizeof *y);
	for (int task = 0; task < tasks; task++) {
		const float *part = b->parts + ((size_t)task * (size_t)b->cv->batch + (size_t)n) * (size_t)k;
		for (int i = 0; i < k; i++)
			y[i] += part[i];
	}
}

/* ---- Backward: tiles of products ------------------------------------------------------------ */

/* c[rows][NB], its rows ldc apart, (+)= element k of row i, a[i * row_step + k * k_step], times
 * b[depth][NB]. Rows that follow in memory are fetched meanwhile. */
ALWAYS void tile_block(int rows, int depth, const float *a, ptrdiff_t row_step, ptrdiff_t k_step, const float *b, float *c, ptrdiff_t ldc, int add)
{
	const float *next = a + rows * row_step;
	vf acc[MR][2];
	UNROLL
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < 2; j++)
			acc[i][j] = add ? vload(c + i * ldc + j * VW) : vzero();
	_Pragma("GCC unroll 4")
	for (int k = 0; k < depth; k++, a += k_step, b += NB, next += rows) {
		const vf b0 = vload(b), b1 = vload(b + VW);
		_mm_prefetch((const char *)next, _MM_HINT_T0);
		UNROLL
		for (int i = 0; i < rows; i++) {
			const vf x = vset(a[i * row_step]);
			acc[i][0] = vfma(x, b0, acc[i][0]);
			acc[i][1] = vfma(x, b1, acc[i][1]);
		}
	}
	UNROLL
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < 2; j++)
			vstore(c + i * ldc + j * VW, acc[i][j]);
}

static void tile_products(int rows, int depth, const float *a, ptrdiff_t row_step, ptrdiff_t k_step, const float *b, float *c, ptrdiff_t ldc, int add)
{
	for (; rows >= MR; rows -= MR, a += MR * row_step, c += MR * ldc)
		tile_block(MR, depth, a, row_step, k_step, b, c, ldc, add);
	for (; rows >= 4; rows -= 4, a += 4 * row_step, c += 4 * ldc)
		tile_block(4, depth, a, row_step, k_step, b, c, ldc, add);
	for (; rows > 0; rows--, a += row_step, c += ldc)
		tile_block(1, depth, a, row_step, k_step, b, c, ldc, add);
}

/* The tile's transpose, [rows][count], to out or added to it. */
static void tile_store(const float *tile, int rows, int count, float *out, ptrdiff_t pitch, int add)
{
	float to[VW][TILE];
	for (int first = 0; first < rows; first += VW, tile += VW) {
		for (int i = 0; i < TILE; i += VW) {
			vf v[VW];
			UNROLL
			for (int r = 0; r < VW; r++)
				v[r] = vload(tile + (i + r) * NB);
			vtranspose(v);
			UNROLL
			for (int r = 0; r < VW; r++)
				vstore(to[r] + i, v[r]);
		}
		for (int r = 0; r < min_int(VW, rows - first); r++, out += pitch)
			if (count < TILE || add)
				for (int i = 0; i < count; i++)
					out[i] = add ? out[i] + to[r][i] : to[r][i];
			else
				memcpy(out, to[r], sizeof to[r]);
	}
}

static void pack_pictures_task(void *ctx, int task, int worker)
{
	const struct projection *b = ctx;
	const struct dcg_conv *cv = b->cv;
	float *to = b->parts + (size_t)task * NB * (size_t)round_up(cv->g.k, VW);
	const float *y[NB];
	(void)worker;
	for (int i = 0, n = task * NB; i < NB; i++, n++)
		y[i] = n < cv->batch ? b->y + (size_t)n * (size_t)cv->cs_small : NULL;
	for (int k = 0; k < cv->g.k; k += VW)
		transpose_columns(y, k, cv->cs_small - k, to + k * NB);
}

static void pack_outputs_task(void *ctx, int n, int worker)
{
	const struct projection *b = ctx;
	const int k = b->cv->g.k;
	const float *y = b->y + (size_t)n * (size_t)b->cv->cs_small;
	float *to = b->parts + (size_t)n * NB;
	(void)worker;
	for (int i = 0; i < k; i += NB, to += (size_t)b->cv->batch * NB)
		memcpy(to, y + i, (size_t)min_int(NB, k - i) * sizeof *to);
}

static void projection_backward_task(void *ctx, int task, int worker)
{
	const struct projection *b = ctx;
	const struct dcg_conv *cv = b->cv;
	const struct columns at = columns_at(cv, DATA_COLUMNS, task);
	const int k = cv->g.k, width = projection_width(cv);
	float *tile = (float *)(void *)scratch_of(b->be, worker), *x = b->x + at.column;
	const float *y = b->parts;
	for (int n = 0; n < cv->batch; n += NB, x += (ptrdiff_t)NB * width, y += NB * round_up(k, VW))
		for (int c = 0; c < at.count + at.padding; c += TILE) {
			int rows = max_int(0, min_int(TILE, at.count - c));
			if (rows < TILE)
				memset(tile, 0, TILE * NB * sizeof *tile);
			tile_products(rows, k, b->w + (size_t)(at.row + c) * (size_t)k, k, 1, y, tile, NB, 0);
			tile_store(tile, min_int(NB, cv->batch - n), min_int(TILE, at.count + at.padding - c), x + c, width, 0);
		}
}

/* Rows of W by whole panels of outputs; what is left of these is rows, and its products are transposed. */
static void projection_gradient_task(void *ctx, int task, int worker)
{
	const struct projection *b = ctx;
	const struct dcg_conv *cv = b->cv;
	const struct columns at = columns_at(cv, GRADIENT_COLUMNS, task);
	const int k = cv->g.k, depth = cv->batch;
	float *x = (float *)(void *)scratch_of(b->be, worker), *tile = x + (size_t)depth * GRADIENT_COLUMNS;
	stage_columns(b, at, NB, x);
	for (int c = 0; c < at.count; c += NB, x += (size_t)depth * NB) {
		const float *y = b->parts;
		float *w = b->w + (size_t)(at.row + c) * (size_t)k;
		int i = 0, rows = min_int(NB, at.count - c);
		for (; i + NB <= k; i += NB, y += (size_t)depth * NB)
			tile_products(rows, depth, x, 1, NB, y, w + i, k, b->accumulate);
		for (; i < k; i += TILE, y += TILE) {
			tile_products(min_int(TILE, k - i), depth, y, 1, NB, x, tile, NB, 0);
			tile_store(tile, rows, min_int(TILE, k - i), w + i, k, b->accumulate);
		}
	}
}

static void projection_forward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, struct dcg_tensor *small)
{
	struct projection b = projection_of(be, cv);
	b.big = big;
	b.y = small->data;
	dcg_table_run(be, projection_forward_task, &b, count_columns(cv, BLAS_COLUMNS));
	dcg_table_run(be, projection_sum_task, &b, cv->batch);
}

static void projection_backward(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *small, struct dcg_tensor *big)
{
	struct projection b = projection_of(be, cv);
	b.y = projection_small(&b, small);
	b.x = big->data;
	dcg_table_run(be, pack_pictures_task, &b, ceil_div(cv->batch, NB));
	dcg_table_run(be, projection_backward_task, &b, count_columns(cv, DATA_COLUMNS));
}

static void projection_gradient(struct dcg_backend *be, const struct dcg_conv *cv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate)
{
	struct projection b = projection_of(be, cv);
	b.y = projection_small(&b, small);
	b.big = big;
	b.w = cv->weights->part[DCG_GRAD];
	b.accumulate = accumulate;
	dcg_table_run(be, pack_outputs_task, &b, cv->batch);
	dcg_table_run(be, projection_gradient_task, &b, count_columns(cv, GRADIENT_COLUMNS));
}
