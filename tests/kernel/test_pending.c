/* What a tensor has pending (batch norm's and the activation's function, where they were done in
 * place) against a tensor in which it has been done, in every form that convolutions take. */
#include <stdlib.h>

#include "tests/kernel/fixture.h"
#include "tests/tap.h"

enum { BATCH = 19, FORWARD = 0, DATA, WEIGHTS, PASSES };

static const struct form_case {
	int c, h, w, k, r, s, stride, pad;
} cases[] = {
	{ 64, 8, 8, 48, 4, 4, 2, 1 }, { 32, 16, 16, 40, 5, 5, 2, 2 }, { 32, 8, 8, 33, 3, 3, 1, 1 }, { 64, 8, 8, 20, 3, 3, 2, 1 }, /* filtered */
	{ 20, 6, 6, 17, 2, 2, 1, 0 },                                /* direct */
	{ 3, 16, 16, 64, 4, 4, 2, 1 }, { 1, 12, 10, 32, 5, 5, 2, 2 }, /* few channels */
	{ 64, 4, 4, 1, 4, 4, 1, 0 },                                 /* one output */
	{ 64, 4, 4, 100, 4, 4, 1, 0 }, { 17, 4, 4, 20, 4, 4, 1, 0 }, /* as large as the picture */
};
enum { CASES = sizeof cases / sizeof *cases };

/* Batch norm and leaky ReLU (normalise) or ReLU alone, in place or into a tensor of its own, which is returned. */
static struct dcg_tensor *activated(struct dcg_backend *be, struct dcg_bn *bn, struct dcg_shape shape, const float *x, int in_place)
{
	struct dcg_tensor *in = tensor(be, shape, x), *out = in_place ? in : tensor(be, shape, NULL);
	if (bn)
		be->ops->bn_forward(be, bn, in, out, DCG_LEAKY_RELU, DCG_BN_BATCH);
	else
		be->ops->act_forward(be, in, out, DCG_RELU);
	if (!in_place)
		be->ops->tensor_free(in);
	return out;
}

static void run(struct dcg_backend *be, const struct dcg_conv_geometry *g, const float *x, const float *y, const float *w, int normalise, int in_place, float **ret)
{
	const struct dcg_ops *ops = be->ops;
	const struct dcg_shape bs = big_shape(g, BATCH), ss = small_shape(g, BATCH);
	struct dcg_conv *conv;
	struct dcg_bn *bn[2] = { NULL, NULL };
	ck_assert_int_eq(ops->conv_new(be, &conv, g, BATCH, NULL), 0);
	if (normalise)
		ck_assert(!ops->bn_new(be, &bn[0], bs, NULL) && !ops->bn_new(be, &bn[1], ss, NULL));
	struct dcg_param *p = ops->conv_weights(conv);
	ops->param_write(be, p, DCG_VALUE, w);
	struct dcg_tensor *big = activated(be, bn[0], bs, x, in_place), *small = activated(be, bn[1], ss, y, in_place);
	struct dcg_tensor *dbig = tensor(be, bs, NULL), *out = tensor(be, ss, NULL);
	ops->conv_forward(be, conv, big, out);
	ops->conv_backward_data(be, conv, small, dbig);
	ops->conv_backward_weights(be, conv, big, small, 0);
	ret[FORWARD] = read_tensor(be, out, ss);
	ret[DATA] = read_tensor(be, dbig, bs);
	ret[WEIGHTS] = read_part(be, p, DCG_GRAD);
	ops->tensor_free(big), ops->tensor_free(small), ops->tensor_free(dbig), ops->tensor_free(out);
	ops->conv_free(conv);
	for (int i = 0; i < 2 && normalise; i++)
		ops->bn_free(bn[i]);
}

START_TEST(what_is_pending_is_done_when_read)
{
	const struct form_case *v = &cases[_i / 2];
	const struct dcg_conv_geometry g = geometry(v->c, v->h, v->w, v->k, v->r, v->s, v->stride, v->pad);
	const size_t counts[PASSES] = { shape_count(small_shape(&g, BATCH)), shape_count(big_shape(&g, BATCH)), weight_count(&g) };
	static const char *const passes[PASSES] = { "forward", "backward data", "backward weights" };
	struct dcg_rng rng;
	dcg_rng_init(&rng, 12, 0);
	float *x = normal(&rng, counts[DATA]), *y = normal(&rng, counts[FORWARD]), *w = normal(&rng, counts[WEIGHTS]);
	for (size_t i = 0; i < counts[DATA]; i++)
		x[i] += 0.5F;
	for (const char *const *name = dcg_kernel_names(); *name; name++) {
		struct dcg_backend *be = open_backend(*name, 2);
		float *pending[PASSES], *done[PASSES];
		if (be->ops->in_place) {
			run(be, &g, x, y, w, _i % 2, 1, pending);
			run(be, &g, x, y, w, _i % 2, 0, done);
			for (int i = 0; i < PASSES; i++) {
				assert_near(pending[i], done[i], counts[i], convolution_tolerance_of(*name, &g), passes[i]);
				free(pending[i]), free(done[i]);
			}
		}
		dcg_backend_close(be);
	}
	free(x), free(y), free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pending");
	TCase *t = tcase_create("pending");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_pending_is_done_when_read, 0, 2 * CASES);
	suite_add_tcase(s, t);
	return tap_run(s);
}
