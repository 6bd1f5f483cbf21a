/* Opening a backend, and parameters that ask for the impossible. */
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "tests/kernel/fixture.h"
#include "tests/tap.h"

START_TEST(names_are_the_choices)
{
	const char *const *names = dcg_kernel_names();
	ck_assert_str_eq(names[0], "ref");
	struct dcg_backend *be;
	int n = 0;
	for (; names[n]; n++) {
		struct dcg_error err = { 0 };
		ck_assert_int_eq(dcg_backend_open(&be, names[n], "auto", 1, &err), 0);
		ck_assert_str_eq(be->ops->name, names[n]);
		dcg_backend_close(be);
	}
	ck_assert_int_eq(dcg_backend_open(&be, "auto", "auto", 0, NULL), 0);
	ck_assert_str_eq(be->ops->name, names[n - 1]);
	dcg_backend_close(be);
	/* The fastest of a precision; fp32 is always to be had. */
	static const char *const precisions[] = { "fp32", "bf16" };
	for (int p = 0; p < 2; p++) {
		const char *best = NULL;
		for (int i = 0; i < n; i++)
			if (strcmp(tolerance_of(names[i])->precision, precisions[p]) == 0)
				best = names[i];
		int r = dcg_backend_open(&be, "auto", precisions[p], 1, NULL);
		ck_assert_int_eq(r, best ? 0 : DCG_EUNSUPPORTED);
		if (r)
			continue;
		ck_assert_str_eq(be->ops->name, best);
		dcg_backend_close(be);
		ck_assert_uint_eq(dcg_kernel_value_bytes("auto", precisions[p]), p ? 2 : 4);
		ck_assert_uint_eq(dcg_kernel_value_bytes(best, "auto"), p ? 2 : 4);
	}
	ck_assert_uint_eq(dcg_kernel_value_bytes("abacus", "auto"), 4);
	dcg_backend_close(NULL);
}
END_TEST

START_TEST(every_table_is_complete)
{
	const char *const *names = dcg_kernel_names();
	for (int n = 0; names[n]; n++) {
		struct dcg_backend *be = open_backend(names[n], 1);
		void *const *slot = (void *const *)be->ops;
		for (size_t i = offsetof(struct dcg_ops, tensor_new) / sizeof *slot; i < sizeof *be->ops / sizeof *slot; i++)
			ck_assert_msg(slot[i] != NULL, "%s lacks operation %zu of struct dcg_ops", names[n], i);
		dcg_backend_close(be);
	}
}
END_TEST

START_TEST(wrong_choices_are_named)
{
	struct dcg_backend *be = NULL;
	struct dcg_error err = { 0 };
	ck_assert_int_eq(dcg_backend_open(&be, "abacus", "auto", 1, &err), DCG_EINVAL);
	ck_assert_int_eq(err.code, DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "abacus") && strstr(err.text, "auto, ref, openblas"), "%s", err.text);
	ck_assert_int_eq(dcg_backend_open(&be, "", "auto", 1, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_backend_open(&be, "auto", "fp64", 1, &err), DCG_EINVAL);
	ck_assert_msg(strstr(err.text, "fp64") && strstr(err.text, "fp32 or bf16"), "%s", err.text);
	ck_assert_int_eq(dcg_backend_open(&be, "auto", "auto", -1, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_backend_open(&be, "auto", "auto", 100000, &err), DCG_EINVAL);
	ck_assert_ptr_null(be);
	ck_assert_int_eq(dcg_backend_open(&be, "abacus", "auto", 1, NULL), DCG_EINVAL);
}
END_TEST

#if defined DCG_X86
static int is_a_choice(const char *name)
{
	const char *const *n = dcg_kernel_names();
	while (*n && strcmp(*n, name) != 0)
		n++;
	return *n != NULL;
}

/* What this build has and this processor cannot run. */
START_TEST(tables_for_other_processors_say_so)
{
	static const char *const tables[] = {
		"avx2", "avx512", "avx512-bf16",
#if defined DCG_AMX
		"amx-bf16",
#endif
	};
	struct dcg_backend *be = NULL;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		struct dcg_error err = { 0 };
		if (is_a_choice(tables[i]))
			continue;
		ck_assert_int_eq(dcg_backend_open(&be, tables[i], "auto", 1, &err), DCG_EUNSUPPORTED);
		ck_assert_msg(strstr(err.text, tables[i]) && strstr(err.text, "lacks or the system does not permit") && strstr(err.text, "auto, ref, openblas"), "%s", err.text);
		ck_assert_ptr_null(be);
	}
}
END_TEST
#endif

/* Each fails with a reason, and leaves a backend that still works. */
START_TEST(impossible_sizes_are_refused)
{
	struct dcg_backend *be = open_backend(dcg_kernel_names()[_i], 2);
	struct dcg_tensor *t = NULL;
	struct dcg_conv *conv = NULL;
	struct dcg_bn *bn = NULL;
	static const struct {
		struct dcg_shape shape;
		int code;
	} shapes[] = {
		{ { 0, 1, 1, 1 }, DCG_EINVAL }, { { 1, -1, 1, 1 }, DCG_EINVAL }, { { 1, 1, INT_MIN, 1 }, DCG_EINVAL },
		{ { INT_MAX, INT_MAX, INT_MAX, INT_MAX }, DCG_EINVAL }, { { 1, INT_MAX, 1, 1 }, DCG_EINVAL }, { { INT_MAX, 1, 1, 1 }, DCG_EINVAL },
		{ { 1, 1, INT_MAX, 1 }, DCG_EINVAL }, { { 1, 1, 1, INT_MAX }, DCG_EINVAL }, { { 65536, 1024, 256, 256 }, DCG_EINVAL },
		{ { 8192, 65536, 256, 256 }, DCG_ENOMEM }, { { 8192, 60000, 250, 250 }, DCG_ENOMEM },
	};
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct dcg_error err = { 0 };
		ck_assert_int_eq(be->ops->tensor_new(be, &t, shapes[i].shape, &err), shapes[i].code);
		ck_assert_msg(err.code == shapes[i].code && err.text[0], "%zu", i);
		/* Batch norm needs less memory than the activations: it may succeed there. */
		int code = be->ops->bn_new(be, &bn, shapes[i].shape, NULL);
		ck_assert(shapes[i].code == DCG_EINVAL ? code == DCG_EINVAL : code == 0 || code == DCG_ENOMEM);
		be->ops->bn_free(bn);
		bn = NULL;
	}
	static const struct {
		int c, h, w, k, r, s, stride, pad, batch, code;
	} convs[] = {
		{ 1, 4, 4, 1, 4, 4, 1, 0, 0, DCG_EINVAL }, { 0, 4, 4, 1, 4, 4, 1, 0, 1, DCG_EINVAL }, { 1, 4, 4, 1, 4, 4, 1, -1, 1, DCG_EINVAL },
		{ 1, 4, 4, -1, 4, 4, 1, 0, 1, DCG_EINVAL }, { 1, 4, 4, 1, 5, 4, 1, 0, 1, DCG_EINVAL },
		{ 1, 4, 4, 1, 4, 4, INT_MAX, 0, 1, DCG_EINVAL }, { 3, 4, 4, INT_MAX, 4, 4, 1, 0, INT_MAX, DCG_EINVAL },
		{ INT_MAX, 4, 4, INT_MAX, 4, 4, 1, 0, INT_MAX, DCG_EINVAL }, { 1 << 20, 32, 32, 1, 32, 32, 1, 0, 1, DCG_EINVAL },
		{ 1 << 20, 4, 4, 1 << 20, 4, 4, 1, 0, 1, DCG_ENOMEM }, { 1000000, 4, 4, 1000000, 4, 4, 2, 1, 1 << 20, DCG_ENOMEM },
	};
	for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
		struct dcg_error err = { 0 };
		struct dcg_conv_geometry g = geometry(convs[i].c, convs[i].h, convs[i].w, convs[i].k, convs[i].r, convs[i].s, convs[i].stride, convs[i].pad);
		ck_assert_int_eq(be->ops->conv_new(be, &conv, &g, convs[i].batch, &err), convs[i].code);
		ck_assert_msg(err.code == convs[i].code && err.text[0], "%zu", i);
	}
	struct dcg_conv_geometry g = geometry(3, 8, 8, 4, 4, 4, 2, 1), wrong = g;
	wrong.q++;
	ck_assert_int_eq(be->ops->conv_new(be, &conv, &wrong, 2, NULL), DCG_EINVAL);
	wrong = g, wrong.pad = INT_MAX;
	ck_assert_int_eq(be->ops->conv_new(be, &conv, &wrong, 2, NULL), DCG_EINVAL);
	ck_assert(!t && !conv && !bn);
	ck_assert_int_eq(be->ops->conv_new(be, &conv, &g, 2, NULL), 0);
	be->ops->conv_free(conv);
	be->ops->conv_free(NULL), be->ops->bn_free(NULL), be->ops->tensor_free(NULL);
	dcg_backend_close(be);
}
END_TEST

static int tables(void)
{
	int n = 0;
	while (dcg_kernel_names()[n])
		n++;
	return n;
}

int main(void)
{
	Suite *s = suite_create("backend");
	TCase *t = tcase_create("backend");
	tcase_add_test(t, names_are_the_choices);
	tcase_add_test(t, every_table_is_complete);
	tcase_add_test(t, wrong_choices_are_named);
#if defined DCG_X86
	tcase_add_test(t, tables_for_other_processors_say_so);
#endif
	tcase_add_loop_test(t, impossible_sizes_are_refused, 0, tables());
	suite_add_tcase(s, t);
	return tap_run(s);
}
