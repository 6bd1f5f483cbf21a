/* Convolutions on tiles against ref. Built three times: test_amx_plain is plain C and runs anywhere;
 * test_amx_sides has vectors around tiles in plain C, and is skipped without AVX512-BF16; test_amx
 * uses the processor's tiles, and is skipped where it has none.
 *
 * How exact: products of small whole numbers have exact sums, in any order, so those must be
 * equal, in tensors once they are rounded to bf16. Other values meet ref once they are rounded to
 * bf16, and what is left is fp32's: n terms that add up to M in absolute value are off by less than
 * n 2^-24 M in each table, and in tensors by 2^-8 of the value more. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/simd/simd.h"
#include "nn/arch.h"
#include "tests/kernel/fixture.h"
#include "tests/tap.h"

#if !defined DCG_TILES_PLAIN
#define DCG_TILES_PLAIN
#endif
#include "kernel/amx/tiles.h"
#define TURN turn_plain
#include "tests/kernel/tile_turn.inc.h"

#if defined TEST_HARDWARE
#define OVERLAY dcg_amx
void turn_real(const struct tile_shapes *shapes, const void *a, const void *b, float *c, size_t step, int times);
#else
dcg_table_overlay dcg_amx_plain;
#define OVERLAY dcg_amx_plain
#endif

/* Tensors and parameters of kernel/simd/ that are not vector code, and nothing else but convolutions. */
static void basics(struct dcg_ops *ops)
{
	*ops = (struct dcg_ops){
		.tensor_new = dcg_simd_tensor_new, .tensor_free = dcg_simd_tensor_free,
		.tensor_write = dcg_simd_tensor_write, .tensor_read = dcg_simd_tensor_read,
		.param_count = dcg_simd_param_count, .param_read = dcg_simd_param_read, .param_write = dcg_simd_param_write,
		.close = dcg_simd_close,
	};
}

static struct dcg_backend *open_over(dcg_table_overlay *others, int threads)
{
	struct dcg_backend *be;
	dcg_table_overlay *const overlays[DCG_TABLE_OVERLAYS] = { others, OVERLAY };
	ck_assert_int_eq(dcg_table_backend(&be, "tiles", dcg_simd_open_bf16, overlays, threads, NULL), 0);
	return be;
}

static struct dcg_backend *open_tiles(int threads)
{
	return open_over(basics, threads);
}

enum { SMALL, BIG, GRAD, TWICE, RESULTS };
static const char *const names[RESULTS] = { "forward", "backward data", "backward weights", "backward weights, accumulated" };

/* All passes. What the results overwrite holds other values before. */
static void run_conv(struct dcg_backend *on, const struct dcg_conv_geometry *g, int batch, const float *x, const float *y, const float *w, float **ret)
{
	const struct dcg_ops *ops = on->ops;
	struct dcg_conv *conv;
	ck_assert_int_eq(ops->conv_new(on, &conv, g, batch, NULL), 0);
	struct dcg_param *p = ops->conv_weights(conv);
	ops->param_write(on, p, DCG_VALUE, w);
	ops->param_write(on, p, DCG_GRAD, w);
	struct dcg_tensor *big = tensor(on, big_shape(g, batch), x), *small = tensor(on, small_shape(g, batch), y);
	struct dcg_tensor *dbig = tensor(on, big_shape(g, batch), x), *out = tensor(on, small_shape(g, batch), y);
	ops->conv_forward(on, conv, big, out);
	ops->conv_backward_data(on, conv, small, dbig);
	ops->conv_backward_weights(on, conv, big, small, 0);
	ret[GRAD] = read_part(on, p, DCG_GRAD);
	ops->conv_backward_weights(on, conv, big, small, 1);
	ret[TWICE] = read_part(on, p, DCG_GRAD);
	ret[SMALL] = read_tensor(on, out, small_shape(g, batch));
	ret[BIG] = read_tensor(on, dbig, big_shape(g, batch));
	ops->tensor_free(big), ops->tensor_free(small), ops->tensor_free(dbig), ops->tensor_free(out);
	ops->conv_free(conv);
}

static void free_results(float **r)
{
	for (int i = 0; i < RESULTS; i++)
		free(r[i]);
}

static float *whole_numbers(struct dcg_rng *rng, size_t count)
{
	float *v = uniform(rng, count, -3, 4);
	for (size_t i = 0; i < count; i++)
		v[i] = floorf(v[i]);
	return v;
}

static float *rounded(const float *from, size_t count, int absolute)
{
	float *v = malloc(count * sizeof *v);
	ck_assert_ptr_nonnull(v);
	for (size_t i = 0; i < count; i++)
		v[i] = absolute ? fabsf(nearest_bf16(from[i])) : nearest_bf16(from[i]);
	return v;
}

static void compare(struct dcg_backend *be, struct dcg_backend *ref, const struct dcg_conv_geometry *g, int batch)
{
	const size_t bc = shape_count(big_shape(g, batch)), sc = shape_count(small_shape(g, batch)), wc = weight_count(g);
	const size_t counts[RESULTS] = { sc, bc, wc, wc };
	const double taps = (double)g->r * g->s, pixels = (double)batch * g->p * g->q, terms[RESULTS] = { taps * g->c, taps * g->k, pixels, 2 * pixels };
	float *found[RESULTS], *expected[RESULTS], *sizes[RESULTS];
	struct dcg_rng rng;
	dcg_rng_init(&rng, 5, bc);
	for (int whole = 0; whole < 2; whole++) {
		float *v[3][3]; /* as given, rounded, absolute values */
		const size_t n[3] = { bc, sc, wc };
		for (int i = 0; i < 3; i++) {
			v[i][0] = whole ? whole_numbers(&rng, n[i]) : normal(&rng, n[i]);
			v[i][1] = rounded(v[i][0], n[i], 0), v[i][2] = rounded(v[i][0], n[i], 1);
		}
		run_conv(be, g, batch, v[0][0], v[1][0], v[2][0], found);
		run_conv(ref, g, batch, v[0][1], v[1][1], v[2][1], expected);
		if (!whole)
			run_conv(ref, g, batch, v[0][2], v[1][2], v[2][2], sizes);
		for (int r = 0; r < RESULTS; r++)
			for (size_t i = 0; i < counts[r]; i++) {
				int in_tensor = r == SMALL || r == BIG;
				double exact = (double)(whole && in_tensor ? nearest_bf16(expected[r][i]) : expected[r][i]);
				double most = whole ? 0 : ldexp((terms[r] + 4) * (double)sizes[r][i], -23);
				if (!whole && in_tensor)
					most += ldexp(fabs(exact) + most, -8);
				if (!(fabs((double)found[r][i] - exact) <= most))
					ck_abort_msg("%dx%dx%d-%dx%dx%d by %dx%d/%d, batch %d, %s[%zu]: found %.9g, expected %.9g within %.3g", g->h, g->w, g->c, g->p, g->q, g->k,
						     g->r, g->s, g->stride, batch, names[r], i, (double)found[r][i], exact, most);
			}
		free_results(found), free_results(expected);
		if (!whole)
			free_results(sizes);
		for (int i = 0; i < 9; i++)
			free(v[i / 3][i % 3]);
	}
}

/* Blocks of 32 images, 32 channels, 32 columns, chunks of 16 steps, ranges of 32 pixels: below, at and above. */
static const struct conv_case {
	int c, h, w, k, r, s, stride, pad, batch;
} conv_cases[] = {
	{ 3, 16, 16, 17, 4, 4, 2, 1, 7 }, { 1, 16, 16, 64, 4, 4, 2, 1, 33 }, { 64, 8, 8, 48, 4, 4, 2, 1, 16 }, { 33, 8, 6, 5, 4, 4, 2, 1, 17 },
	{ 5, 7, 9, 17, 4, 4, 2, 1, 1 }, { 96, 7, 7, 40, 4, 4, 2, 1, 3 }, { 16, 12, 20, 16, 4, 4, 2, 1, 15 }, { 20, 24, 10, 32, 4, 4, 2, 1, 49 },
	{ 64, 8, 8, 17, 5, 5, 2, 2, 7 }, { 3, 16, 12, 64, 5, 5, 2, 2, 32 }, { 1, 28, 28, 17, 5, 5, 2, 2, 2 }, { 17, 7, 5, 64, 5, 5, 2, 2, 31 },
	{ 17, 6, 5, 64, 3, 3, 1, 1, 7 }, { 3, 8, 8, 17, 3, 3, 1, 1, 16 }, { 7, 9, 7, 5, 3, 3, 2, 1, 3 }, { 64, 5, 5, 64, 3, 3, 1, 1, 2 },
	{ 300, 4, 4, 1, 4, 4, 1, 0, 5 }, { 70, 4, 4, 100, 4, 4, 1, 0, 70 }, { 1, 7, 7, 5, 7, 7, 1, 0, 1 }, { 3, 12, 12, 2, 12, 12, 1, 0, 3 },
	{ 3, 5, 5, 5, 1, 1, 1, 0, 2 }, { 64, 1, 1, 17, 1, 1, 1, 0, 7 }, { 600, 2, 2, 10, 2, 2, 2, 0, 4 }, { 10, 2, 2, 600, 2, 2, 2, 0, 4 },
	{ 17, 8, 8, 5, 2, 2, 3, 0, 3 },  /* some big pixels in no small one */
	{ 17, 3, 3, 5, 2, 2, 1, 3, 3 },  /* some small pixels wholly outside */
	{ 3, 80, 2, 5, 4, 2, 2, 1, 2 }, { 9, 3, 70, 4, 3, 4, 2, 1, 2 },
	{ 9, 40, 128, 5, 3, 3, 1, 1, 1 },  /* several bands of outputs a task, of small rows a piece */
	{ 9, 20, 128, 5, 3, 3, 1, 1, 33 }, /* a piece that begins in one block of images and ends in the next */
};

START_TEST(edges)
{
	const struct conv_case *v = &conv_cases[_i];
	const struct dcg_conv_geometry g = geometry(v->c, v->h, v->w, v->k, v->r, v->s, v->stride, v->pad);
	struct dcg_backend *be = open_tiles(3), *ref = open_backend("ref", 2);
	compare(be, ref, &g, v->batch);
	dcg_backend_close(be), dcg_backend_close(ref);
}
END_TEST

static const int sizes_of_pictures[] = { 16, 28, 32, 64, 128 };

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SIZES = 2 }; /* larger ones take minutes there; the edges have the same code */
#else
enum { SIZES = 5 };
#endif

/* Every layer of both networks, grey or colour in turn. */
START_TEST(architectures)
{
	struct dcg_backend *be = open_tiles(2), *ref = open_backend("ref", 2);
	const int size = sizes_of_pictures[_i % SIZES];
	const struct dcg_arch_config cfg = { (enum dcg_arch)(_i / SIZES), size, _i % 2 ? 1 : 3, 8, 8, 20 };
	struct dcg_layers nets[2];
	struct dcg_error err;
	ck_assert_msg(!dcg_arch_generator(&cfg, &nets[0], &err) && !dcg_arch_discriminator(&cfg, &nets[1], &err), "%s", err.text);
	for (int i = 0; i < nets[0].count + nets[1].count; i++)
		compare(be, ref, i < nets[0].count ? &nets[0].layer[i].conv : &nets[1].layer[i - nets[0].count].conv, size < 64 ? 5 : 1);
	dcg_backend_close(be), dcg_backend_close(ref);
}
END_TEST

/* More threads than tasks or cores, blocks of images in several turns, the same bits. */
START_TEST(any_number_of_threads_gives_the_same_bits)
{
	const struct dcg_conv_geometry g = _i ? geometry(3, 24, 24, 70, 4, 4, 2, 1) : geometry(70, 12, 12, 130, 4, 4, 2, 1);
	enum { BATCH = 40 };
	const size_t counts[RESULTS] = { shape_count(small_shape(&g, BATCH)), shape_count(big_shape(&g, BATCH)), weight_count(&g), weight_count(&g) };
	static const int threads[] = { 1, 2, 3, 16 };
	float *one[RESULTS], *other[RESULTS];
	struct dcg_rng rng;
	dcg_rng_init(&rng, 6, 0);
	float *x = normal(&rng, counts[BIG]), *y = normal(&rng, counts[SMALL]), *w = normal(&rng, counts[GRAD]);
	for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
		struct dcg_backend *be = open_tiles(threads[t]);
		run_conv(be, &g, BATCH, x, y, w, t ? other : one);
		dcg_backend_close(be);
		for (int r = 0; t && r < RESULTS; r++)
			ck_assert_msg(memcmp(one[r], other[r], counts[r] * sizeof(float)) == 0, "%s: %d threads differ from 1", names[r], threads[t]);
		if (t)
			free_results(other);
	}
	free_results(one);
	free(x), free(y), free(w);
}
END_TEST

/* Between operations of another table: what batch norm left is what a convolution reads, and
 * what a convolution left is what batch norm reads. Roundings to bf16 differ here and there. */
START_TEST(among_another_tables_operations)
{
	const struct dcg_conv_geometry g = geometry(40, 12, 12, 24, 4, 4, 2, 1);
	enum { BATCH = 37 };
	const struct dcg_shape shapes[2] = { big_shape(&g, BATCH), small_shape(&g, BATCH) };
	const struct dcg_adam hp = { 0.01F, 0.5F, 0.999F, 1e-8F, 0, 1, 0 };
	float *found[2][4];
	for (int i = 0; i < 2; i++) {
		struct dcg_backend *be = i ? open_backend("ref", 2) : open_over(dcg_simd_avx512_bf16, 3);
		const struct dcg_ops *ops = be->ops;
		struct dcg_rng rng;
		struct dcg_conv *conv;
		struct dcg_bn *bn[2];
		dcg_rng_init(&rng, 10, 0);
		float *x = normal(&rng, shape_count(shapes[0])), *w = normal(&rng, weight_count(&g));
		struct dcg_tensor *big = tensor(be, shapes[0], x), *y = tensor(be, shapes[0], NULL), *small = tensor(be, shapes[1], NULL), *z = tensor(be, shapes[1], NULL);
		ck_assert(!ops->conv_new(be, &conv, &g, BATCH, NULL) && !ops->bn_new(be, &bn[0], shapes[0], NULL) && !ops->bn_new(be, &bn[1], shapes[1], NULL));
		struct dcg_param *p = ops->conv_weights(conv);
		struct dcg_tensor *in = ops->in_place && _i ? big : y; /* normalised in place: when read */
		ops->param_write(be, p, DCG_VALUE, w);
		ops->bn_forward(be, bn[0], big, in, DCG_LEAKY_RELU, DCG_BN_BATCH);
		ops->conv_forward(be, conv, in, small);
		ops->bn_forward(be, bn[1], small, z, DCG_RELU, DCG_BN_BATCH);
		found[i][0] = read_tensor(be, z, shapes[1]);
		ops->conv_backward_weights(be, conv, in, z, 0);
		found[i][1] = read_part(be, p, DCG_GRAD);
		ops->adam(be, &p, 1, &hp); /* the next product is of the new weights */
		ops->conv_forward(be, conv, in, small);
		found[i][3] = read_tensor(be, small, shapes[1]);
		ops->conv_backward_data(be, conv, z, big);
		found[i][2] = read_tensor(be, big, shapes[0]);
		ops->tensor_free(big), ops->tensor_free(y), ops->tensor_free(small), ops->tensor_free(z);
		ops->conv_free(conv), ops->bn_free(bn[0]), ops->bn_free(bn[1]);
		free(x), free(w);
		dcg_backend_close(be);
	}
	const size_t counts[4] = { shape_count(shapes[1]), weight_count(&g), shape_count(shapes[0]), shape_count(shapes[1]) };
	static const char *const what[4] = { "batch norm of a convolution", "backward weights", "backward data", "forward after Adam" };
	for (int r = 0; r < 4; r++) {
		assert_near(found[0][r], found[1][r], counts[r], tolerance_of("bf16"), what[r]);
		free(found[0][r]), free(found[1][r]);
	}
}
END_TEST

/* --- the tile functions themselves ------------------------------------------------------- */

struct turn {
	struct tile_shapes shapes;
	uint16_t a[TILE_ROWS][40], b[TILE_ROWS][40]; /* rows further apart than they are long */
	float c[TILE_ROWS][20];
	int rows, columns, pairs;
};

static float value(uint16_t bf16)
{
	uint32_t u = (uint32_t)bf16 << 16;
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

static struct turn random_turn(struct dcg_rng *rng, int whole)
{
	struct turn t = { .shapes.palette = 1 };
	t.rows = 1 + (int)(dcg_rng_u64(rng) % 16), t.columns = 1 + (int)(dcg_rng_u64(rng) % 16), t.pairs = 1 + (int)(dcg_rng_u64(rng) % 16);
	t.shapes.rows[0] = t.shapes.rows[4] = (uint8_t)t.rows;
	t.shapes.rows[6] = (uint8_t)t.pairs;
	t.shapes.row_bytes[0] = t.shapes.row_bytes[6] = (uint16_t)(4 * t.columns);
	t.shapes.row_bytes[4] = (uint16_t)(4 * t.pairs);
	for (int i = 0; i < 2 * TILE_ROWS * 40; i++) { /* 8 bits of precision, sizes from 1/16 to 16; or -8 to 8 */
		float number = (float)(dcg_rng_u64(rng) % 17) - 8;
		uint32_t bits;
		memcpy(&bits, &number, sizeof bits);
		(i % 2 ? t.a : t.b)[i / 80][i / 2 % 40] = (uint16_t)(whole ? bits >> 16 : dcg_rng_u64(rng) % 0x400 + 0x3d80 + (dcg_rng_u64(rng) & 0x8000));
	}
	dcg_rng_normal(rng, &t.c[0][0], TILE_ROWS * 20, 0, 1);
	for (int i = 0; whole && i < TILE_ROWS * 20; i++)
		t.c[i / 20][i % 20] = rintf(t.c[i / 20][i % 20]);
	return t;
}

/* Near exact sums (equal to those of whole numbers), and what lies beyond the shape left alone.
 * A sum of n + 1 terms in any order is off by less than n 2^-24 of their sizes; one more for
 * the next power of 2^-24. */
enum { TURNS = 300, TIMES = 3 };

static double exact(const struct turn *t, int i, int j, double *most)
{
	double sum = (double)t->c[i][j], size = fabs(sum);
	int inside = i < t->rows && j < t->columns;
	for (int k = 0; k < 2 * t->pairs && inside; k++) {
		double term = TIMES * (double)value(t->a[i][k]) * (double)value(t->b[k / 2][2 * j + k % 2]);
		sum += term, size += fabs(term);
	}
	*most = inside ? ldexp((2 * TIMES * t->pairs + 1) * size, -24) : 0;
	return sum;
}

static void check_turns(void (*turn_of)(const struct tile_shapes *, const void *, const void *, float *, size_t, int))
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, 7, 0);
	for (int turn = 0; turn < TURNS; turn++) {
		struct turn t = random_turn(&rng, turn % 2), before = t;
		turn_of(&t.shapes, t.a, t.b, &t.c[0][0], sizeof t.c[0], TIMES);
		ck_assert_mem_eq(t.a, before.a, sizeof t.a);
		for (int i = 0; i < TILE_ROWS; i++)
			for (int j = 0; j < 20; j++) {
				double most, sum = exact(&before, i, j, &most);
				ck_assert_msg(fabs((double)t.c[i][j] - sum) <= (turn % 2 ? 0 : most), "[%d][%d] of %dx%dx%d: found %.9g, expected %.9g within %.3g", i, j,
					      t.rows, t.columns, t.pairs, (double)t.c[i][j], sum, turn % 2 ? 0 : most);
			}
	}
}

START_TEST(plain_tiles)
{
	check_turns(turn_plain);
}
END_TEST

#if defined TEST_HARDWARE
/* Intel's manual and its list of intrinsics order the additions differently: equal bits are
 * promised where no sum is rounded, and the same bound elsewhere. */
START_TEST(the_processors_tiles_are_the_plain_ones)
{
	check_turns(turn_real);
}
END_TEST
#endif

/* Shapes that do not fit each other are refused, and by the processor in the same way. */
enum { UNFIT = 3 };
START_TEST(unfit_shapes)
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, 9, 0);
	struct turn t = random_turn(&rng, 0);
	if (_i % UNFIT == 0)
		t.shapes.row_bytes[4] ^= 4;
	else if (_i % UNFIT == 1)
		t.shapes.rows[6] = 0, t.shapes.row_bytes[6] = 0;
	else
		t.shapes.palette = 0;
#if defined TEST_HARDWARE
	if (_i >= UNFIT) {
		turn_real(&t.shapes, t.a, t.b, &t.c[0][0], sizeof t.c[0], 1);
		return;
	}
#endif
	turn_plain(&t.shapes, t.a, t.b, &t.c[0][0], sizeof t.c[0], 1);
}
END_TEST

int main(void)
{
	const int has_vectors = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#if defined TEST_SIDES
	if (!has_vectors) {
		puts("1..0 # SKIP this processor has no AVX512-BF16");
		return 0;
	}
#endif
#if defined TEST_HARDWARE
	const char *const *name = dcg_kernel_names();
	while (*name && strcmp(*name, "amx-bf16") != 0)
		name++;
	if (!*name) {
		puts("1..0 # SKIP this processor has no AMX, or the system does not let us use it");
		return 0;
	}
#endif
	Suite *s = suite_create("amx");
	TCase *t = tcase_create("amx");
#if defined TEST_HARDWARE
	tcase_add_test(t, the_processors_tiles_are_the_plain_ones);
#endif
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, edges, 0, sizeof conv_cases / sizeof *conv_cases);
	tcase_add_loop_test(t, architectures, 0, 3 * SIZES);
	tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 2);
	if (has_vectors)
		tcase_add_loop_test(t, among_another_tables_operations, 0, 2);
	tcase_add_test(t, plain_tiles);
#if defined TEST_HARDWARE
	tcase_add_loop_test_raise_signal(t, unfit_shapes, SIGILL, 0, 2 * UNFIT);
#else
	tcase_add_loop_test_raise_signal(t, unfit_shapes, SIGILL, 0, UNFIT);
#endif
	suite_add_tcase(s, t);
	return tap_run(s);
}
