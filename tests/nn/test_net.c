/* Networks: gradients of each layer of each architecture against finite differences,
 * initialisation, copies, independence of the number of threads. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "nn/gan.h"
#include "tests/tap.h"

enum { LARGEST = 1 << 16, PROBES = 12 };

static struct dcg_backend *backend(const char *kernel, int threads)
{
	struct dcg_backend *be;
	struct dcg_error err;
	ck_assert_msg(dcg_backend_open(&be, kernel, "fp32", threads, &err) == 0, "%s", err.text);
	return be;
}

static size_t elements(struct dcg_shape s)
{
	return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

/* One layer as a network with loss = sum(out * direction). */
struct probe {
	struct dcg_backend *be;
	struct dcg_net *net;
	struct dcg_shape in_shape, out_shape;
	struct dcg_tensor *in, *din, *dout;
	float input[LARGEST], output[LARGEST], direction[LARGEST];
};

static double loss(struct probe *p)
{
	p->be->ops->tensor_write(p->be, p->in, p->input);
	p->be->ops->tensor_read(p->be, dcg_net_forward(p->net, p->in, DCG_BN_FROZEN), p->output);
	double sum = 0;
	for (size_t i = 0; i < elements(p->out_shape); i++)
		sum += (double)p->output[i] * (double)p->direction[i];
	return sum;
}

/* The slope of loss along *at; NaN where the step crosses a kink of the activation. */
static double slope(struct probe *p, float *at, void (*changed)(struct probe *, void *), void *arg)
{
	const float h = 2e-3f, was = *at;
	double l[3];
	for (int i = 0; i < 3; i++) {
		*at = was + (float)(i - 1) * h;
		if (changed)
			changed(p, arg);
		l[i] = loss(p);
	}
	*at = was;
	if (changed)
		changed(p, arg);
	double forward = (l[2] - l[1]) / (double)h, backward = (l[1] - l[0]) / (double)h;
	return fabs(forward - backward) > 0.02 * (1 + fabs(forward)) ? (double)NAN : (forward + backward) / 2;
}

struct array_change {
	int index;
	float *values;
};

static void write_array(struct probe *p, void *arg)
{
	struct array_change *c = arg;
	dcg_net_array_write(p->net, c->index, DCG_VALUE, c->values);
}

static void compare(struct probe *p, const char *what, const float *gradient, float *at, size_t count,
	void (*changed)(struct probe *, void *), void *arg, struct dcg_rng *rng)
{
	double scale = 1e-6;
	int usable = 0;
	for (size_t i = 0; i < count; i++)
		scale = fmax(scale, fabs((double)gradient[i]));
	for (int k = 0; k < PROBES; k++) {
		size_t i = dcg_rng_below(rng, (uint32_t)count);
		double want = slope(p, &at[i], changed, arg);
		if (isnan(want))
			continue;
		usable++;
		ck_assert_msg(fabs(want - (double)gradient[i]) < 0.02 * (scale + 0.1), "%s[%zu]: %g, by differences %g", what, i, (double)gradient[i], want);
	}
	ck_assert_msg(usable >= 3, "%s: only %d of %d probes usable", what, usable, PROBES);
}

static struct probe probe;

static void check_layer(const struct dcg_layer *layer, const char *kernel)
{
	struct probe *p = &probe;
	struct dcg_layers one = { .count = 1, .layer = { *layer } };
	const struct dcg_conv_geometry *g = &layer->conv;
	const int batch = 3;
	struct dcg_shape big = { batch, g->c, g->h, g->w }, small = { batch, g->k, g->p, g->q };
	struct dcg_rng rng;
	dcg_rng_init(&rng, 5, (uint64_t)(g->c + 100 * g->k));
	p->be = backend(kernel, 2);
	p->in_shape = layer->transposed ? small : big;
	p->out_shape = layer->transposed ? big : small;
	ck_assert_uint_le(elements(p->in_shape), LARGEST);
	ck_assert_uint_le(elements(p->out_shape), LARGEST);
	ck_assert_int_eq(dcg_net_new(&p->net, p->be, &one, batch, DCG_NET_TRAIN, NULL, NULL), 0);
	p->be->ops->tensor_new(p->be, &p->in, p->in_shape, NULL);
	p->be->ops->tensor_new(p->be, &p->din, p->in_shape, NULL);
	p->be->ops->tensor_new(p->be, &p->dout, p->out_shape, NULL);
	static float values[LARGEST], gradient[LARGEST];
	for (int i = 0; i < dcg_net_array_count(p->net); i++) {
		const struct dcg_net_array *a = dcg_net_array(p->net, i);
		dcg_rng_normal(&rng, values, a->count, i == 1 ? 1 : 0, 0.3f);
		if (a->param)
			dcg_net_array_write(p->net, i, DCG_VALUE, values);
	}
	dcg_rng_normal(&rng, p->input, elements(p->in_shape), 0, 1);
	dcg_rng_normal(&rng, p->direction, elements(p->out_shape), 0, 1);
	loss(p);
	p->be->ops->tensor_write(p->be, p->dout, p->direction);
	dcg_net_backward(p->net, p->in, p->dout, p->din, DCG_GRADS_SET);
	p->be->ops->tensor_read(p->be, p->din, gradient);
	compare(p, "input", gradient, p->input, elements(p->in_shape), NULL, NULL, &rng);
	for (int i = 0; i < dcg_net_array_count(p->net); i++) {
		const struct dcg_net_array *a = dcg_net_array(p->net, i);
		struct array_change change = { i, values };
		if (!a->param)
			continue;
		dcg_net_array_read(p->net, i, DCG_VALUE, values);
		dcg_net_array_read(p->net, i, DCG_GRAD, gradient);
		compare(p, a->name, gradient, values, a->count, write_array, &change, &rng);
	}
	p->be->ops->tensor_free(p->in);
	p->be->ops->tensor_free(p->din);
	p->be->ops->tensor_free(p->dout);
	dcg_net_free(p->net);
	dcg_backend_close(p->be);
}

START_TEST(each_layer_by_differences)
{
	const char *kernel = _i / 6 ? "openblas" : "ref";
	int arch = _i % 6 / 2, of_d = _i % 2;
	static const int sizes[] = { 16, 28, 32 };
	struct dcg_arch_config cfg = { (enum dcg_arch)arch, sizes[arch], arch == 1 ? 1 : 3, 2, 3, 5 };
	struct dcg_layers l;
	ck_assert_int_eq(of_d ? dcg_arch_discriminator(&cfg, &l, NULL) : dcg_arch_generator(&cfg, &l, NULL), 0);
	for (int i = 0; i < l.count; i++)
		check_layer(&l.layer[i], kernel);
}
END_TEST

static const struct dcg_gan_config tiny = {
	.arch = { DCG_ARCH_PYTORCH, 16, 3, 5, 6, 7 }, .batch = 9, .lr_g = 1e-3f, .lr_d = 1e-3f,
	.beta1 = 0.5f, .beta2 = 0.999f, .average = 0.9f,
};

static struct dcg_gan *new_gan(struct dcg_backend *be)
{
	struct dcg_gan *gan;
	ck_assert_int_eq(dcg_gan_new(&gan, be, &tiny, NULL), 0);
	ck_assert_int_eq(dcg_gan_init(gan, 3, NULL), 0);
	return gan;
}

static float scratch[LARGEST];

static void steps(struct dcg_backend *be, struct dcg_gan *gan, int count, struct dcg_gan_losses *l)
{
	struct dcg_rng rng;
	dcg_rng_init(&rng, 1, 1);
	for (int i = 0; i < count; i++) {
		dcg_rng_uniform(&rng, scratch, (size_t)(9 * 3 * 16 * 16), -1, 1);
		be->ops->tensor_write(be, dcg_gan_real(gan), scratch);
		dcg_rng_normal(&rng, scratch, 9 * 7, 0, 1);
		be->ops->tensor_write(be, dcg_gan_z(gan), scratch);
		dcg_gan_update_d(gan, l);
		dcg_gan_update_g(gan, i % 2, l);
	}
}

static size_t dump(struct dcg_net *net, enum dcg_part part, float *out)
{
	size_t n = 0;
	for (int i = 0; i < dcg_net_array_count(net); i++) {
		const struct dcg_net_array *a = dcg_net_array(net, i);
		if (a->param || part == DCG_VALUE) {
			dcg_net_array_read(net, i, part, out + n);
			n += a->count;
		}
	}
	return n;
}

START_TEST(same_bits_for_any_number_of_threads)
{
	static float want[4 * LARGEST], got[4 * LARGEST];
	size_t size = 0;
	for (int threads = 1; threads <= 5; threads++) {
		struct dcg_backend *be = backend("openblas", threads);
		struct dcg_gan *gan = new_gan(be);
		struct dcg_gan_losses l;
		float *out = threads == 1 ? want : got;
		steps(be, gan, 4, &l);
		size = dump(dcg_gan_g(gan), DCG_VALUE, out);
		size += dump(dcg_gan_d(gan), DCG_VALUE, out + size);
		size += dump(dcg_gan_g(gan), DCG_AVERAGE, out + size);
		size += dump(dcg_gan_d(gan), DCG_MOMENT2, out + size);
		if (threads > 1)
			ck_assert_msg(memcmp(want, got, size * sizeof *got) == 0, "%d threads differ", threads);
		dcg_gan_free(gan);
		dcg_backend_close(be);
	}
	ck_assert_uint_gt(size, 1000);
}
END_TEST

START_TEST(steps_allocate_nothing)
{
	struct dcg_backend *be = backend("openblas", 2);
	struct dcg_gan *gan = new_gan(be);
	struct dcg_gan_losses l;
	steps(be, gan, 1, &l);
	unsigned long before = dcg_alloc_count();
	steps(be, gan, 3, &l);
	ck_assert_uint_eq(dcg_alloc_count(), before);
	dcg_gan_free(gan);
	dcg_backend_close(be);
}
END_TEST

/* What lies in the memory that gradients take turns in must not matter. */
START_TEST(gradients_take_turns)
{
	struct dcg_backend *be = backend(_i ? "auto" : "ref", 2);
	struct dcg_layers layers;
	const struct dcg_layers *const nets[] = { &layers };
	struct dcg_net_gradients turns;
	struct dcg_net *d, *at_once;
	struct dcg_tensor *pictures, *dpictures, *dlogits;
	const struct dcg_shape shape = { 9, 3, 16, 16 };
	static float x[LARGEST], junk[LARGEST], grads[3][LARGEST], dx[3][LARGEST];
	struct dcg_rng rng;
	size_t n = 0;
	ck_assert_int_eq(dcg_arch_discriminator(&tiny.arch, &layers, NULL), 0);
	ck_assert_int_eq(dcg_net_gradients_new(&turns, be, nets, 1, 9, NULL), 0);
	ck_assert_int_eq(dcg_net_new(&d, be, &layers, 9, DCG_NET_TRAIN, &turns, NULL), 0);
	ck_assert_int_eq(dcg_net_new(&at_once, be, &layers, 9, DCG_NET_TRAIN_AT_ONCE, &turns, NULL), 0);
	ck_assert_uint_gt(dcg_net_values_inside(&layers, 9, turns.values), 0);
	ck_assert_int_eq(dcg_net_init(d, 3, 0, 0), 0);
	ck_assert_int_eq(dcg_net_init(at_once, 3, 0, 0), 0);
	be->ops->tensor_new(be, &pictures, shape, NULL);
	be->ops->tensor_new(be, &dpictures, shape, NULL);
	be->ops->tensor_new(be, &dlogits, (struct dcg_shape){ 9, 1, 1, 1 }, NULL);
	dcg_rng_init(&rng, 1, 1);
	dcg_rng_uniform(&rng, x, elements(shape), -1, 1);
	be->ops->tensor_write(be, pictures, x);
	for (size_t i = 0; i < LARGEST; i++)
		junk[i] = NAN;
	for (int pass = 0; pass < 3; pass++) { /* clean memory; junk before backward; junk before forward */
		struct dcg_bce bce;
		struct dcg_net *net = pass == 2 ? at_once : d;
		struct dcg_tensor *logits = pass < 2 ? dcg_net_forward(net, pictures, DCG_BN_FROZEN) : NULL;
		/* The largest gradients: 8x8x6 (a multiple of 16 at most), and its neighbour's. */
		for (int i = 0; pass && i < 2; i++) {
			struct dcg_tensor *all;
			ck_assert_int_eq(be->ops->tensor_view(be, &all, (struct dcg_shape){ 9, i ? 12 : 6, i ? 4 : 8, i ? 4 : 8 }, turns.turn[i], NULL, NULL), 0);
			be->ops->tensor_write(be, all, junk);
			be->ops->tensor_free(all);
		}
		if (pass == 2)
			logits = dcg_net_forward(net, pictures, DCG_BN_FROZEN);
		be->ops->bce(be, logits, 1, dlogits, &bce);
		dcg_net_backward(net, pictures, dlogits, dpictures, DCG_GRADS_SET);
		n = dump(net, DCG_GRAD, grads[pass]);
		be->ops->tensor_read(be, dpictures, dx[pass]);
	}
	for (int pass = 1; pass < 3; pass++) {
		ck_assert_mem_eq(grads[0], grads[pass], n * sizeof(float));
		ck_assert_mem_eq(dx[0], dx[pass], elements(shape) * sizeof(float));
	}
	ck_assert(dx[0][0] != 0);
	struct dcg_error err = { 0 };
	struct dcg_tensor *none = NULL;
	ck_assert_int_eq(be->ops->tensor_view(be, &none, shape, dlogits, NULL, &err), DCG_EINVAL);
	ck_assert_ptr_null(none);
	be->ops->tensor_free(pictures), be->ops->tensor_free(dpictures), be->ops->tensor_free(dlogits);
	dcg_net_free(d);
	dcg_net_free(at_once);
	dcg_net_gradients_free(&turns, be);
	dcg_backend_close(be);
}
END_TEST

START_TEST(initial_weights)
{
	struct dcg_backend *be = backend("ref", 1);
	struct dcg_gan *gan = new_gan(be), *again = new_gan(be);
	struct dcg_net *nets[] = { dcg_gan_g(gan), dcg_gan_d(gan) };
	static float a[LARGEST], b[LARGEST];
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < dcg_net_array_count(nets[k]); i++) {
			const struct dcg_net_array *arr = dcg_net_array(nets[k], i);
			double sum = 0, squares = 0, n = (double)arr->count, mean;
			dcg_net_array_read(nets[k], i, DCG_VALUE, a);
			for (size_t j = 0; j < arr->count; j++)
				sum += (double)a[j];
			mean = sum / n;
			for (size_t j = 0; j < arr->count; j++)
				squares += ((double)a[j] - mean) * ((double)a[j] - mean);
			double std = sqrt(squares / n);
			if (arr->dims == 4) {
				ck_assert_msg(fabs(mean) < 5 * 0.02 / sqrt(n) && fabs(std - 0.02) < 5 * 0.02 / sqrt(2 * n), "%s", arr->name);
			} else if (strstr(arr->name, ".weight")) {
				ck_assert(fabs(mean - 1) < 0.05 && std < 0.04);
			} else {
				ck_assert(mean == arr->is_variance && std == 0);
			}
		}
		size_t n = dump(nets[k], DCG_VALUE, a);
		ck_assert_uint_eq(dump(k ? dcg_gan_d(again) : dcg_gan_g(again), DCG_VALUE, b), n);
		ck_assert_mem_eq(a, b, n * sizeof *a);
	}
	/* G's and D's numbers come from different streams. */
	dcg_net_array_read(nets[0], 0, DCG_VALUE, a);
	dcg_net_array_read(nets[1], 0, DCG_VALUE, b);
	ck_assert(memcmp(a, b, 100 * sizeof *a) != 0);
	dcg_gan_free(gan);
	dcg_gan_free(again);
	dcg_backend_close(be);
}
END_TEST

START_TEST(gradients_add_up)
{
	struct dcg_backend *be = backend(_i ? "openblas" : "ref", 2);
	struct dcg_gan *gan = new_gan(be);
	struct dcg_net *d = dcg_gan_d(gan);
	struct dcg_gan_losses l;
	static float once[LARGEST], twice[LARGEST];
	steps(be, gan, 1, &l);
	for (int pass = 0; pass < 2; pass++) {
		struct dcg_tensor *dlogits;
		struct dcg_bce bce;
		be->ops->tensor_new(be, &dlogits, (struct dcg_shape){ 9, 1, 1, 1 }, NULL);
		for (int i = 0; i <= pass; i++) {
			be->ops->bce(be, dcg_net_forward(d, dcg_gan_real(gan), DCG_BN_FROZEN), 1, dlogits, &bce);
			dcg_net_backward(d, dcg_gan_real(gan), dlogits, NULL, i ? DCG_GRADS_ADD : DCG_GRADS_SET);
		}
		size_t n = dump(d, DCG_GRAD, pass ? twice : once);
		for (size_t i = 0; pass && i < n; i++)
			ck_assert(fabs((double)twice[i] - 2 * (double)once[i]) <= 1e-5 * (fabs((double)once[i]) + 1e-3));
		be->ops->tensor_free(dlogits);
	}
	dcg_gan_free(gan);
	dcg_backend_close(be);
}
END_TEST

/* The weights' gradients of both networks lie in the same memory, and no update needs what
 * was there before. */
START_TEST(networks_share_gradients)
{
	struct dcg_backend *be = backend(_i == 0 ? "ref" : _i == 1 ? "openblas" : "auto", 2);
	static float found[2][LARGEST], before[LARGEST], after[LARGEST], junk[LARGEST];
	struct dcg_gan_losses l;
	size_t n[2];
	for (size_t i = 0; i < LARGEST; i++)
		junk[i] = NAN;
	for (int pass = 0; pass < 2; pass++) {
		struct dcg_gan *gan = new_gan(be);
		struct dcg_net *nets[] = { dcg_gan_g(gan), dcg_gan_d(gan) };
		steps(be, gan, 1, &l);
		for (int update = 0; update < 4; update++) {
			for (int i = 0; pass && i < 2; i++)
				for (int j = 0; j < dcg_net_array_count(nets[i]); j++)
					if (dcg_net_array(nets[i], j)->param)
						dcg_net_array_write(nets[i], j, DCG_GRAD, junk);
			size_t count = dump(nets[1], DCG_GRAD, before);
			if (update % 2)
				dcg_gan_update_g(gan, 0, &l);
			else
				dcg_gan_update_d(gan, &l);
			dump(nets[1], DCG_GRAD, after);
			ck_assert(memcmp(before, after, count * sizeof *after) != 0);
		}
		n[pass] = dump(nets[0], DCG_VALUE, found[pass]);
		n[pass] += dump(nets[1], DCG_VALUE, found[pass] + n[pass]);
		dcg_gan_free(gan);
	}
	ck_assert(n[0] == n[1] && isfinite(l.loss_g));
	ck_assert_mem_eq(found[0], found[1], n[0] * sizeof(float));
	dcg_backend_close(be);
}
END_TEST

START_TEST(copies_between_backends)
{
	struct dcg_backend *from = backend("openblas", 2), *to = backend("ref", 1);
	struct dcg_gan *gan = new_gan(from);
	struct dcg_gan_losses l;
	struct dcg_layers layers;
	struct dcg_net *copy;
	static float a[LARGEST], b[LARGEST];
	steps(from, gan, 3, &l);
	ck_assert_int_eq(dcg_arch_generator(&tiny.arch, &layers, NULL), 0);
	ck_assert_int_eq(dcg_net_new(&copy, to, &layers, 4, DCG_NET_SAMPLE, NULL, NULL), 0);
	dcg_net_copy(copy, dcg_gan_g(gan), DCG_AVERAGE, scratch);
	size_t n = dump(dcg_gan_g(gan), DCG_AVERAGE, a);
	/* dump(VALUE) also gives running statistics: compare the parameters alone. */
	size_t m = 0;
	for (int i = 0; i < dcg_net_array_count(copy); i++)
		if (dcg_net_array(copy, i)->param) {
			dcg_net_array_read(copy, i, DCG_VALUE, b + m);
			m += dcg_net_array(copy, i)->count;
		}
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(a, b, n * sizeof *a);
	ck_assert_int_eq(dcg_net_batches_tracked(copy), dcg_net_batches_tracked(dcg_gan_g(gan)));
	dcg_net_free(copy);
	dcg_gan_free(gan);
	dcg_backend_close(from);
	dcg_backend_close(to);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net");
	TCase *c = tcase_create("net");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, each_layer_by_differences, 0, 12);
	tcase_add_test(c, same_bits_for_any_number_of_threads);
	tcase_add_test(c, steps_allocate_nothing);
	tcase_add_loop_test(c, gradients_take_turns, 0, 2);
	tcase_add_test(c, initial_weights);
	tcase_add_loop_test(c, gradients_add_up, 0, 2);
	tcase_add_loop_test(c, networks_share_gradients, 0, 3);
	tcase_add_test(c, copies_between_backends);
	suite_add_tcase(s, c);
	return tap_run(s);
}
