/* Whole training steps against a recording of PyTorch (tests/nn/trace.py): losses, every
 * gradient, the weights, running statistics and the average after several steps. */
#include <math.h>
#include <string.h>

#include "nn/gan.h"
#include "tests/tap.h"

/* Largest difference allowed, relative to the largest value of the array. */
static const double tolerance_fp32 = 1e-4;

struct record {
	char name[64];
	size_t count;
	const float *values;
};

static struct record records[4096];
static int record_count;
enum { CASES = 7 };
static const char *kernel_now;

static void load_trace(void)
{
	char path[512];
	snprintf(path, sizeof path, "%s/tests/nn/trace.bin", tap_source_folder());
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "cannot open %s", path);
	for (struct record *r = records; fscanf(f, "%47[^\n]", r->name) == 1 && fgetc(f) == '\n'; r++) {
		char *space = strrchr(r->name, ' ');
		r->count = strtoul(space, NULL, 10);
		*space = '\0';
		float *v = malloc(r->count * sizeof *v + 1);
		ck_assert_uint_eq(fread(v, sizeof *v, r->count, f), r->count);
		r->values = v;
		record_count++;
	}
	ck_assert(feof(f));
	fclose(f);
	ck_assert_int_eq(strncmp(records[0].name, "torch ", 6), 0);
}

static const struct record *find(const struct record *in_case, const char *name)
{
	for (const struct record *r = in_case + 1; r < records + record_count && strncmp(r->name, "case ", 5) != 0; r++)
		if (strcmp(r->name, name) == 0)
			return r;
	ck_abort_msg("%s: no record %s", in_case->name, name);
	return NULL;
}

static void compare(const struct record *c, const char *name, const float *got)
{
	const struct record *want = find(c, name);
	double largest = 0, worst = 0;
	for (size_t i = 0; i < want->count; i++) {
		largest = fmax(largest, fabs((double)want->values[i]));
		worst = fmax(worst, fabs((double)got[i] - (double)want->values[i]));
		ck_assert_msg(isfinite(got[i]), "%s: %s[%zu] is not finite", c->name, name, i);
	}
	ck_assert_msg(worst <= tolerance_fp32 * largest, "%s, %s: %s differs by %g of %g", kernel_now, c->name, name, worst, largest);
}

static float values[1 << 20];

static void compare_arrays(const struct record *c, struct dcg_net *net, const char *prefix, enum dcg_part part, const char *suffix)
{
	for (int i = 0; i < dcg_net_array_count(net); i++) {
		char name[96];
		const struct dcg_net_array *a = dcg_net_array(net, i);
		if (part != DCG_VALUE && !a->param)
			continue;
		snprintf(name, sizeof name, "%s.%s%s", prefix, a->name, suffix);
		ck_assert_uint_eq(a->count, find(c, name)->count);
		dcg_net_array_read(net, i, part, values);
		compare(c, name, values);
	}
}

static void fill(const struct record *c, struct dcg_net *net, const char *prefix)
{
	for (int i = 0; i < dcg_net_array_count(net); i++) {
		char name[96];
		const struct dcg_net_array *a = dcg_net_array(net, i);
		snprintf(name, sizeof name, "%s.%s", prefix, a->name);
		const struct record *r = find(c, name);
		ck_assert_uint_eq(a->count, r->count);
		dcg_net_array_write(net, i, DCG_VALUE, r->values);
		if (a->param)
			dcg_net_array_write(net, i, DCG_AVERAGE, r->values);
	}
}

static void real_pictures(int step, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = (float)((uint32_t)((i + (size_t)step * 1000003) * 2654435761u) >> 24) / 127.5f - 1;
}

static void run_case(const struct record *c, const char *kernel)
{
	const float *v = c->values;
	kernel_now = kernel;
	struct dcg_gan_config cfg = {
		.arch = { (enum dcg_arch)v[0], (int)v[1], (int)v[2], (int)v[3], (int)v[4], (int)v[5] }, .batch = (int)v[6],
		.lr_g = 2e-4f, .lr_d = 2e-4f, .beta1 = 0.5f, .beta2 = 0.999f,
		.weight_decay = v[7], .label_smoothing = v[8], .average = v[9],
	};
	struct dcg_backend *be;
	struct dcg_gan *gan;
	ck_assert_int_eq(dcg_backend_open(&be, kernel, "fp32", 2, NULL), 0);
	ck_assert_int_eq(dcg_gan_new(&gan, be, &cfg, NULL), 0);
	struct dcg_net *g = dcg_gan_g(gan), *d = dcg_gan_d(gan);
	fill(c, g, "G");
	fill(c, d, "D");
	for (int step = 0; step < 3; step++) {
		char name[32], suffix[32];
		real_pictures(step, (size_t)(cfg.batch * cfg.arch.channels * cfg.arch.size * cfg.arch.size));
		be->ops->tensor_write(be, dcg_gan_real(gan), values);
		snprintf(name, sizeof name, "z%d", step);
		be->ops->tensor_write(be, dcg_gan_z(gan), find(c, name)->values);
		struct dcg_gan_losses l;
		dcg_gan_update_d(gan, &l);
		snprintf(suffix, sizeof suffix, ".grad%d", step);
		compare_arrays(c, d, "D", DCG_GRAD, suffix);
		dcg_gan_update_g(gan, 0, &l);
		compare_arrays(c, g, "G", DCG_GRAD, suffix);
		snprintf(name, sizeof name, "losses%d", step);
		compare(c, name, (float[]){ l.loss_d, l.loss_g, l.d_real, l.d_fake, l.d_fake_after });
	}
	compare_arrays(c, g, "G", DCG_VALUE, ".after");
	compare_arrays(c, d, "D", DCG_VALUE, ".after");
	if (cfg.average > 0)
		compare_arrays(c, g, "G", DCG_AVERAGE, ".average");
	/* One picture by the running statistics. */
	const struct record *want = find(c, "running");
	be->ops->tensor_read(be, dcg_net_forward(g, dcg_gan_z(gan), DCG_BN_RUNNING), values);
	ck_assert_uint_eq(want->count, (size_t)(cfg.arch.channels * cfg.arch.size * cfg.arch.size));
	compare(c, "running", values);
	ck_assert_int_eq(dcg_net_batches_tracked(d), 9);
	ck_assert_int_eq(dcg_net_batches_tracked(g), 3);
	dcg_gan_free(gan);
	dcg_backend_close(be);
}

START_TEST(matches_pytorch)
{
	const struct record *c = NULL;
	const char *kernel = dcg_kernel_names()[_i / CASES];
	struct dcg_backend *be;
	int cases = 0;
	if (dcg_backend_open(&be, kernel, "fp32", 1, NULL)) /* a bf16 table */
		return;
	dcg_backend_close(be);
	load_trace();
	for (int i = 0; i < record_count; i++)
		if (strncmp(records[i].name, "case ", 5) == 0 && cases++ == _i % CASES)
			c = &records[i];
	ck_assert_int_eq(cases, CASES);
	run_case(c, kernel);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trace");
	TCase *c = tcase_create("trace");
	int kernels = 0;
	while (dcg_kernel_names()[kernels])
		kernels++;
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, matches_pytorch, 0, kernels * CASES);
	suite_add_tcase(s, c);
	return tap_run(s);
}
