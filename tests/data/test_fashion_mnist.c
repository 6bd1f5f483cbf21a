/* The real thing, where Debian's dataset-fashion-mnist is installed. */
#include <string.h>
#include <unistd.h>

#include "data/source.h"
#include "tests/tap.h"

#define PATH "/usr/share/datasets/fashion-mnist"

START_TEST(fashion_mnist)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int counts[10] = { 0 };
	uint64_t sum = 0;
	int r = dcg_source_open(&s, PATH, DCG_SOURCE_AUTO, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	const struct dcg_source_info *info = dcg_source_info(s);
	ck_assert_int_eq(info->format, DCG_SOURCE_IDX);
	ck_assert_uint_eq(info->count, 60000);
	ck_assert_int_eq(info->width, 28);
	ck_assert_int_eq(info->height, 28);
	ck_assert_int_eq(info->channels, 1);
	ck_assert_int_eq(info->classes, 10);
	ck_assert_str_eq(dcg_source_class_name(s, 9), "Ankle boot");
	for (uint32_t i = 0; i < info->count; i++) {
		struct dcg_picture p;
		int label;
		r = dcg_source_read(s, i, &p, &label, &err);
		ck_assert_msg(r == 0, "%s", err.text);
		ck_assert(label >= 0 && label < 10);
		ck_assert(i > 0 || label == 9);
		counts[label]++;
		for (int k = 0; k < 784; k++)
			sum += p.pixels[k];
		dcg_picture_done(&p);
	}
	for (int c = 0; c < 10; c++)
		ck_assert_int_eq(counts[c], 6000);
	/* The mean that everybody normalises by: 0.2860. */
	ck_assert_double_eq_tol((double)sum / 60000 / 784 / 255, 0.2860, 0.00005);
	dcg_source_close(s);
	r = dcg_source_open(&s, PATH "/t10k-images-idx3-ubyte.gz", DCG_SOURCE_AUTO, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_uint_eq(dcg_source_info(s)->count, 10000);
	ck_assert_int_eq(dcg_source_info(s)->classes, 10);
	dcg_source_close(s);
}
END_TEST

int main(void)
{
	if (access(PATH "/train-images-idx3-ubyte.gz", R_OK) < 0) {
		puts("1..0 # SKIP Debian's dataset-fashion-mnist is not installed");
		return 0;
	}
	Suite *suite = suite_create("fashion-mnist");
	TCase *t = tcase_create("fashion-mnist");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, fashion_mnist);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
