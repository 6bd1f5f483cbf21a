/* The table of parameters: every row's bounds, presets, JSON and back. */
#include <math.h>
#include <string.h>

#include "tests/tap.h"
#include "train/params_json.h"

static int set(struct dcg_train_params *p, const char *name, const char *text)
{
	return dcg_param_set(dcg_param_find(dcg_train_rows, name), p, text, NULL);
}

START_TEST(defaults_are_within_their_own_bounds)
{
	struct dcg_train_params p;
	int rows = 0;
	for (const struct dcg_param_row *row = dcg_train_rows; row->name; row++, rows++) {
		ck_assert_msg(dcg_param_set(row, &p, row->fallback, NULL) == 0, "%s: %s", row->name, row->fallback);
		ck_assert_ptr_eq(dcg_param_find(dcg_train_rows, row->name), row);
		ck_assert(row->help[strlen(row->help) - 1] == '.');
	}
	ck_assert_int_gt(rows, 30);
	ck_assert_ptr_null(dcg_param_find(dcg_train_rows, "colour"));
}
END_TEST

START_TEST(every_number_has_bounds_that_hold)
{
	for (const struct dcg_param_row *row = dcg_train_rows; row->name; row++) {
		struct dcg_train_params p;
		struct dcg_error err;
		char text[64];
		if (row->choices || row->type == DCG_TYPE_BOOL || row->type == DCG_TYPE_TEXT)
			continue;
		int whole = row->type != DCG_TYPE_NUMBER;
		snprintf(text, sizeof text, "%.17g", row->min);
		ck_assert_msg(dcg_param_set(row, &p, text, NULL) == 0, "%s: %s", row->name, text);
		snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", row->max);
		ck_assert_msg(dcg_param_set(row, &p, text, NULL) == 0, "%s: %s", row->name, text);
		snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", whole ? row->min - 1 : row->min - 1e-9);
		ck_assert_msg(dcg_param_set(row, &p, text, &err) == DCG_EINVAL, "%s: %s", row->name, text);
		ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
		snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", whole ? row->max + 1 : row->max + 1e-9);
		ck_assert_msg(dcg_param_set(row, &p, text, NULL) == DCG_EINVAL, "%s: %s", row->name, text);
		static const char *const no_numbers[] = { "", " ", "x", "1x", "nan", "99999999999999999999", "1e400", NULL };
		for (const char *const *s = no_numbers; *s; s++)
			ck_assert_msg(dcg_param_set(row, &p, *s, NULL) == DCG_EINVAL, "%s: \"%s\"", row->name, *s);
		ck_assert_int_eq(dcg_param_set(row, &p, "0.5", NULL), whole ? DCG_EINVAL : 0);
	}
}
END_TEST

START_TEST(choices_are_the_only_values)
{
	struct dcg_train_params p;
	struct dcg_error err;
	ck_assert_int_eq(set(&p, "arch", "paper"), 0);
	ck_assert_int_eq(p.arch, DCG_ARCH_PAPER);
	ck_assert_int_eq(set(&p, "arch", "Paper"), DCG_EINVAL);
	ck_assert_int_eq(set(&p, "size", "32"), 0);
	ck_assert_int_eq(set(&p, "size", "33"), DCG_EINVAL);
	ck_assert_int_eq(set(&p, "flip", "true"), 0);
	ck_assert_int_eq(p.flip, 1);
	ck_assert_int_eq(set(&p, "flip", "1"), DCG_EINVAL);
	char text[DCG_PARAM_TEXT + 1];
	memset(text, 'x', sizeof text);
	text[DCG_PARAM_TEXT - 1] = '\0';
	ck_assert_int_eq(set(&p, "kernel", text), 0);
	text[DCG_PARAM_TEXT - 1] = 'x';
	text[DCG_PARAM_TEXT] = '\0';
	ck_assert_int_eq(set(&p, "kernel", text), DCG_EINVAL);
	ck_assert_int_eq(dcg_param_set(dcg_param_find(dcg_train_rows, "z_dist"), &p, "gauss", &err), DCG_EINVAL);
	ck_assert_str_eq(err.text, "expected one of normal, uniform, found \"gauss\"");
}
END_TEST

START_TEST(presets_fill_in_what_the_paper_says)
{
	struct dcg_train_params p;
	struct dcg_error err;
	ck_assert_int_eq(dcg_train_params_init(&p, "paper", &err), 0);
	ck_assert_str_eq(p.preset, "paper");
	ck_assert_int_eq(p.arch, DCG_ARCH_PAPER);
	ck_assert_int_eq(p.ngf, 128);
	ck_assert_int_eq(p.z_dist, DCG_Z_UNIFORM);
	ck_assert_int_eq(p.schedule, DCG_SCHEDULE_ALTERNATE);
	ck_assert(p.lr_g == 0.0002 && p.beta1 == 0.5 && p.beta2 == 0.999);
	ck_assert_int_eq(p.batch_size, 128);
	ck_assert_int_eq(dcg_train_params_init(&p, "quality", &err), 0);
	ck_assert(p.ema > 0.99 && p.label_smoothing > 0 && p.lr_g > p.lr_d && p.size == 0);
	for (const struct dcg_preset *ps = dcg_presets; ps->name; ps++) {
		ck_assert_int_eq(dcg_train_params_init(&p, ps->name, &err), 0);
		if (!p.size)
			p.size = 64;
		if (!p.channels)
			p.channels = 3;
		ck_assert_msg(!dcg_train_params_check(&p, NULL, &err), "%s: %s", ps->name, err.text);
	}
	struct dcg_train_params before = p;
	ck_assert_int_eq(dcg_train_params_init(&p, "papr", &err), DCG_EINVAL);
	ck_assert_mem_eq(&p, &before, sizeof p);
}
END_TEST

START_TEST(data_sets_settle_size_and_channels)
{
	static const struct {
		int width, height, channels, size;
	} rows[] = { { 28, 28, 1, 28 }, { 32, 32, 3, 32 }, { 178, 218, 3, 64 }, { 100, 20, 3, 16 }, { 8, 8, 1, 16 }, { 63, 64, 3, 32 } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dcg_train_params p;
		struct dcg_source_info info = { .width = rows[i].width, .height = rows[i].height, .channels = rows[i].channels };
		ck_assert_int_eq(dcg_train_params_init(&p, "pytorch", NULL), 0);
		dcg_train_params_resolve(&p, &info);
		ck_assert_int_eq(p.size, rows[i].size);
		ck_assert_int_eq(p.channels, rows[i].channels);
		p.size = 128;
		p.channels = 1;
		dcg_train_params_resolve(&p, &info);
		ck_assert_int_eq(p.size, 128);
		ck_assert_int_eq(p.channels, 1);
	}
}
END_TEST

START_TEST(check_names_the_field_at_fault)
{
	struct dcg_train_params p;
	struct dcg_error err;
	const char *field = NULL;
	ck_assert_int_eq(dcg_train_params_init(&p, "pytorch", &err), 0);
	p.channels = 1;
	ck_assert_int_lt(dcg_train_params_check(&p, &field, &err), 0); /* size is not settled */
	ck_assert_str_eq(field, "size");
	p.size = 32;
	ck_assert_int_eq(dcg_train_params_check(&p, &field, &err), 0);
	snprintf(p.kernel, sizeof p.kernel, "abacus");
	ck_assert_int_lt(dcg_train_params_check(&p, &field, &err), 0);
	ck_assert_str_eq(field, "kernel");
	snprintf(p.kernel, sizeof p.kernel, "auto");
	snprintf(p.precision, sizeof p.precision, "fp8");
	ck_assert_int_lt(dcg_train_params_check(&p, &field, &err), 0);
	ck_assert_str_eq(field, "precision");
}
END_TEST

START_TEST(steps_of_an_epoch_use_no_picture_twice)
{
	for (int schedule = 0; schedule < 2; schedule++)
		for (uint32_t count = 1; count < 400; count += 7) {
			struct dcg_train_params p = { .batch_size = 8, .d_steps = 2, .g_steps = 3, .schedule = schedule };
			int64_t steps = dcg_train_params_steps_per_epoch(&p, count);
			int64_t a_step = 8 * (2 + (schedule == DCG_SCHEDULE_ALTERNATE ? 3 : 0));
			ck_assert_int_ge(steps, 1);
			ck_assert(steps == 1 || steps * a_step <= count);
			ck_assert((steps + 1) * a_step > count);
		}
}
END_TEST

START_TEST(scores_are_a_small_part_of_the_work)
{
	struct dcg_train_params p = { .swd_images = 256 };
	static const uint32_t counts[] = { 1, 26, 1000, 16383, 16384, 60000, 3000000 };
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		int64_t last = 0, scores = 0;
		for (int64_t epoch = 1; epoch <= 2000; epoch++)
			if (dcg_train_params_scores(&p, counts[i], epoch)) {
				ck_assert(counts[i] >= 16384 || (epoch - last) * counts[i] > 16384 - counts[i]);
				last = epoch;
				scores++;
			}
		ck_assert_int_eq(scores, counts[i] >= 16384 ? 2000 : (int64_t)counts[i] * 2000 / 16384);
	}
	ck_assert_int_eq(dcg_train_params_scores(&p, 60000, 0), 0);
	p.swd_images = 0;
	ck_assert_int_eq(dcg_train_params_scores(&p, 60000, 1), 0);
}
END_TEST

/* JSON through text, as checkpoints and the store keep it. */
static struct dcg_train_params through_json(const struct dcg_train_params *p)
{
	struct dcg_train_params q;
	struct dcg_error err;
	memset(&q, 0, sizeof q);
	cJSON *o = cJSON_CreateObject();
	ck_assert_int_eq(dcg_params_to_json(dcg_train_rows, p, o), 0);
	char *text = cJSON_Print(o);
	cJSON_Delete(o);
	o = cJSON_Parse(text);
	ck_assert_ptr_nonnull(o);
	free(text);
	for (const struct dcg_param_row *row = dcg_train_rows; row->name; row++)
		ck_assert_msg(!dcg_param_from_json(row, &q, cJSON_GetObjectItemCaseSensitive(o, row->name), &err), "%s: %s", row->name, err.text);
	cJSON_Delete(o);
	return q;
}

START_TEST(json_keeps_every_bit)
{
	struct dcg_train_params p, q;
	ck_assert_int_eq(dcg_train_params_init(&p, "paper", NULL), 0);
	memset(p.preset, 0, sizeof p.preset); /* nothing behind the NUL: compared byte by byte */
	snprintf(p.preset, sizeof p.preset, "paper");
	p.seed = 9007199254740991;
	p.max_steps = 9007199254740989;
	p.lr_g = nextafter(0.1, 1);
	p.lr_d = nextafter(0.3, 0);
	p.beta1 = 1. / 3;
	p.ema = nextafter(0.999, 1);
	p.weight_decay = 5e-324;
	p.flip = 1;
	q = through_json(&p);
	ck_assert_int_eq(q.seed, p.seed);
	ck_assert_int_eq(q.max_steps, p.max_steps);
	ck_assert(q.lr_g == p.lr_g && q.lr_d == p.lr_d && q.beta1 == p.beta1 && q.ema == p.ema && q.weight_decay == p.weight_decay);
	ck_assert_mem_eq(&p, &q, sizeof p);
}
END_TEST

START_TEST(json_of_the_wrong_type_is_refused)
{
	struct dcg_train_params p = { 0 };
	static const struct {
		const char *name, *json, *text;
	} rows[] = {
		{ "batch_size", "\"64\"", "expected a whole number from 2 to 4096, found \"64\"" },
		{ "batch_size", "64.5", "expected a whole number from 2 to 4096, found 64.5" },
		{ "batch_size", "1e300", "expected a whole number from 2 to 4096" },
		{ "batch_size", "null", "found null" },
		{ "seed", "-1", "expected a whole number from 0 to 9007199254740991" },
		{ "lr_g", "true", "expected a number from 0 to 1, found true" },
		{ "flip", "1", "expected true or false, found 1" },
		{ "arch", "[]", "found []" },
		{ "kernel", "\"\"", "expected a text of 1 to 63 bytes" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dcg_error err = { 0 };
		cJSON *v = cJSON_Parse(rows[i].json);
		ck_assert_ptr_nonnull(v);
		ck_assert_int_eq(dcg_param_from_json(dcg_param_find(dcg_train_rows, rows[i].name), &p, v, &err), DCG_EINVAL);
		ck_assert_msg(strstr(err.text, rows[i].text) != NULL, "%s", err.text);
		cJSON_Delete(v);
	}
}
END_TEST

START_TEST(schema_tells_type_range_and_default)
{
	for (const struct dcg_param_row *row = dcg_train_rows; row->name; row++) {
		cJSON *s = dcg_param_schema(row), *d = cJSON_GetObjectItem(s, "default");
		struct dcg_train_params p;
		struct dcg_error err;
		ck_assert_ptr_nonnull(s);
		ck_assert(cJSON_IsString(cJSON_GetObjectItem(s, "type")) && cJSON_IsString(cJSON_GetObjectItem(s, "description")));
		ck_assert_msg(!dcg_param_from_json(row, &p, d, &err), "%s: %s", row->name, err.text);
		if (row->choices)
			ck_assert_int_gt(cJSON_GetArraySize(cJSON_GetObjectItem(s, "enum")), 1);
		cJSON_Delete(s);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("params");
	TCase *c = tcase_create("params");
	tcase_add_test(c, defaults_are_within_their_own_bounds);
	tcase_add_test(c, every_number_has_bounds_that_hold);
	tcase_add_test(c, choices_are_the_only_values);
	tcase_add_test(c, presets_fill_in_what_the_paper_says);
	tcase_add_test(c, data_sets_settle_size_and_channels);
	tcase_add_test(c, check_names_the_field_at_fault);
	tcase_add_test(c, steps_of_an_epoch_use_no_picture_twice);
	tcase_add_test(c, scores_are_a_small_part_of_the_work);
	tcase_add_test(c, json_keeps_every_bit);
	tcase_add_test(c, json_of_the_wrong_type_is_refused);
	tcase_add_test(c, schema_tells_type_range_and_default);
	suite_add_tcase(s, c);
	return tap_run(s);
}
