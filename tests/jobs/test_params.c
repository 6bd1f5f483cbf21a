/* Parameters, the table of moves, and words from outside. */
#include <math.h>
#include <string.h>

#include "jobs/private.h"
#include "tests/tap.h"
#include "train/params_json.h"

static struct dcg_invalid inv;
static struct dcg_error err;

static int parse(const char *text, struct dcg_job_params *p)
{
	cJSON *body = cJSON_Parse(text);
	ck_assert_msg(body != NULL, "not JSON: %s", text);
	int r = dcg_job_params_parse(body, p, &inv);
	cJSON_Delete(body);
	return r;
}

static const char *fault(const char *pointer)
{
	for (int i = 0; i < inv.count; i++)
		if (strcmp(inv.field[i].pointer, pointer) == 0)
			return inv.field[i].detail;
	return NULL;
}

static const struct dcg_param_row *const tables[] = { dcg_job_rows, dcg_train_rows };

START_TEST(test_defaults)
{
	struct dcg_job_params p;
	ck_assert_int_eq(parse("{\"dataset\":\"x\"}", &p), 0);
	ck_assert_str_eq(p.dataset, "x");
	ck_assert_str_eq(p.name, "");
	cJSON *o = dcg_job_params_json(&p);
	int seen = 0;
	for (int t = 0; t < 2; t++) {
		for (const struct dcg_param_row *row = tables[t]; row->name; row++, seen++) {
			const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, row->name);
			ck_assert_msg(v != NULL, "%s is missing", row->name);
			if (!row->fallback)
				continue;
			if (cJSON_IsNumber(v))
				ck_assert_double_eq(v->valuedouble, strtod(row->fallback, NULL));
			else if (cJSON_IsBool(v))
				ck_assert_int_eq(cJSON_IsTrue(v), row->fallback[0] == 't');
			else
				ck_assert_str_eq(v->valuestring, row->fallback);
		}
	}
	ck_assert_int_eq(cJSON_GetArraySize(o), seen);
	cJSON_Delete(o);
}
END_TEST

/* The least and the most of every number are taken, what lies past them is not. */
START_TEST(test_bounds)
{
	struct dcg_job_params p;
	char text[256], pointer[80];
	int numbers = 0;
	for (int t = 0; t < 2; t++) {
		for (const struct dcg_param_row *row = tables[t]; row->name; row++) {
			if (row->choices || (row->type != DCG_TYPE_INT && row->type != DCG_TYPE_INT64 && row->type != DCG_TYPE_NUMBER))
				continue;
			numbers++;
			snprintf(pointer, sizeof pointer, "/%s", row->name);
			int whole = row->type != DCG_TYPE_NUMBER;
			double past = whole ? 1 : 0.001;
			const struct { double v; int good; } tries[] = {
				{ row->min, 1 }, { row->max, 1 }, { row->min - past, 0 }, { row->max + (row->max > 1e15 ? 2 : past), 0 },
			};
			for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
				snprintf(text, sizeof text, "{\"dataset\":\"x\",\"%s\":%.17g}", row->name, tries[i].v);
				parse(text, &p);
				ck_assert_msg((fault(pointer) == NULL) == tries[i].good, "%s: %s", text, fault(pointer) ? fault(pointer) : "taken");
			}
			if (whole) {
				snprintf(text, sizeof text, "{\"dataset\":\"x\",\"%s\":%.17g}", row->name, row->min + 0.5);
				ck_assert_int_eq(parse(text, &p), DCG_EINVAL);
			}
			snprintf(text, sizeof text, "{\"dataset\":\"x\",\"%s\":\"1\"}", row->name);
			ck_assert_int_eq(parse(text, &p), DCG_EINVAL);
			ck_assert_ptr_nonnull(strstr(fault(pointer), "found \"1\""));
		}
	}
	ck_assert_int_gt(numbers, 20);
}
END_TEST

START_TEST(test_faults)
{
	struct dcg_job_params p = { .name = "untouched" };
	ck_assert_int_eq(parse("{\"batch_size\":\"x\",\"colour\":1,\"epochs\":0,\"arch\":\"vae\",\"flip\":1,\"a/b~c\":null,\"seed\":1,\"seed\":2}", &p), DCG_EINVAL);
	ck_assert_str_eq(p.name, "untouched");
	ck_assert_int_eq(inv.code, DCG_EINVAL);
	ck_assert_int_eq(inv.count, 8);
	ck_assert_str_eq(inv.text, "8 fields are wrong");
	ck_assert_str_eq(fault("/batch_size"), "expected a whole number from 2 to 4096, found \"x\"");
	ck_assert_str_eq(fault("/colour"), "unknown field");
	ck_assert_str_eq(fault("/a~1b~0c"), "unknown field");
	ck_assert_str_eq(fault("/seed"), "given twice");
	ck_assert_str_eq(fault("/dataset"), "required: the name of a data set");
	ck_assert_ptr_nonnull(strstr(fault("/arch"), "one of paper, pytorch, paper-imagenet"));
	ck_assert_ptr_nonnull(strstr(fault("/flip"), "true or false"));
	ck_assert_ptr_nonnull(fault("/epochs"));

	ck_assert_int_eq(parse("[]", &p), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 0);
	ck_assert_int_eq(parse("{\"dataset\":\"\"}", &p), DCG_EINVAL);
	ck_assert_int_eq(parse("{\"dataset\":null}", &p), DCG_EINVAL);
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"name\":\"a\\u0007b\"}", &p), DCG_EINVAL);
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"name\":\"\xff\"}", &p), DCG_EINVAL);
	ck_assert(dcg_text_valid(inv.field[0].detail));
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"kernel\":\"abacus\",\"size\":32,\"channels\":1}", &p), DCG_EINVAL);
	ck_assert_ptr_nonnull(fault("/kernel"));
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"lr_g\":1e999}", &p), DCG_EINVAL);

	/* More than are listed. */
	char many[4096] = "{\"dataset\":\"x\"";
	for (int i = 0; i < 60; i++)
		sprintf(many + strlen(many), ",\"u%d\":1", i);
	strcat(many, "}");
	ck_assert_int_eq(parse(many, &p), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 32);
}
END_TEST

START_TEST(test_hostile_names)
{
	struct dcg_job_params p;
	char text[2000] = "{\"dataset\":\"x\",\"";
	/* Long, and cut within a character of two bytes. */
	for (int i = 0; i < 400; i++)
		strcat(text, i == 0 ? "a" : "\xc3\xa4");
	strcat(text, "\":1}");
	ck_assert_int_eq(parse(text, &p), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 1);
	ck_assert(dcg_text_valid(inv.field[0].pointer));
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"\":1,\"\xc3\x28\":2}", &p), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 2);
	ck_assert_str_eq(inv.field[0].pointer, "/");
	ck_assert(dcg_text_valid(inv.field[1].pointer));
}
END_TEST

START_TEST(test_presets)
{
	struct dcg_job_params p;
	for (const struct dcg_preset *ps = dcg_presets; ps->name; ps++) {
		char text[256];
		struct dcg_train_params expected;
		snprintf(text, sizeof text, "{\"dataset\":\"x\",\"preset\":\"%s\"}", ps->name);
		ck_assert_int_eq(parse(text, &p), 0);
		ck_assert_int_eq(dcg_train_params_init(&expected, ps->name, NULL), 0);
		ck_assert_int_eq(memcmp(&p.train, &expected, sizeof expected), 0);
	}
	/* What is given wins, on either side of the preset. */
	ck_assert_int_eq(parse("{\"ngf\":7,\"preset\":\"paper\",\"dataset\":\"x\",\"z_dist\":\"normal\"}", &p), 0);
	ck_assert_int_eq(p.train.ngf, 7);
	ck_assert_int_eq(p.train.ndf, 128);
	ck_assert_int_eq(p.train.z_dist, DCG_Z_NORMAL);
	ck_assert_int_eq(p.train.arch, DCG_ARCH_PAPER);
	ck_assert_int_eq(parse("{\"preset\":\"nothing\",\"dataset\":\"x\",\"ngf\":0}", &p), DCG_EINVAL);
	ck_assert_ptr_nonnull(fault("/preset"));
	ck_assert_ptr_nonnull(fault("/ngf"));
	ck_assert_int_eq(inv.count, 2);
}
END_TEST

START_TEST(test_round_trip)
{
	struct dcg_job_params p, q;
	memset(&q, 0x55, sizeof q);
	ck_assert_int_eq(parse("{\"dataset\":\"x\",\"name\":\"M\xc3\xbcller \\\"1\\\"\",\"priority\":-7,\"from_checkpoint\":9007199254740991,"
		"\"seed\":9007199254740991,\"lr_g\":0.00031415926535897931,\"beta1\":1e-9,\"preset\":\"paper\",\"flip\":true,\"size\":64,\"channels\":3}", &p), 0);
	cJSON *o = dcg_job_params_json(&p);
	char *text = cJSON_PrintUnformatted(o);
	ck_assert_int_eq(dcg_job_params_load(text, &q, &err), 0);
	ck_assert_int_eq(memcmp(&p, &q, sizeof p), 0);

	/* From a later version: what we do not know is passed over; what is wrong is not. */
	cJSON_AddNumberToObject(o, "of_the_future", 1);
	char *later = cJSON_PrintUnformatted(o);
	ck_assert_int_eq(dcg_job_params_load(later, &q, &err), 0);
	cJSON_ReplaceItemInObjectCaseSensitive(o, "epochs", cJSON_CreateString("many"));
	char *wrong = cJSON_PrintUnformatted(o);
	memset(&q, 0x55, sizeof q);
	struct dcg_job_params before = q;
	ck_assert_int_eq(dcg_job_params_load(wrong, &q, &err), DCG_EFORMAT);
	ck_assert_ptr_nonnull(strstr(err.text, "/epochs"));
	ck_assert_int_eq(memcmp(&before, &q, sizeof q), 0);
	ck_assert_int_eq(dcg_job_params_load("{", &q, &err), DCG_EFORMAT);
	ck_assert_int_eq(dcg_job_params_load("[]", &q, &err), DCG_EFORMAT);
	free(text);
	free(later);
	free(wrong);
	cJSON_Delete(o);
}
END_TEST

START_TEST(test_schema)
{
	cJSON *s = dcg_job_params_schema();
	ck_assert_ptr_nonnull(s);
	char *text = cJSON_PrintUnformatted(s);
	cJSON *again = cJSON_Parse(text);
	ck_assert(cJSON_Compare(s, again, 1));
	free(text);
	cJSON_Delete(again);
	cJSON *properties = cJSON_GetObjectItemCaseSensitive(s, "properties");
	int rows = 0;
	for (int t = 0; t < 2; t++) {
		for (const struct dcg_param_row *row = tables[t]; row->name; row++, rows++) {
			const cJSON *o = cJSON_GetObjectItemCaseSensitive(properties, row->name);
			ck_assert_msg(o != NULL, "%s is missing", row->name);
			ck_assert_ptr_nonnull(cJSON_GetObjectItemCaseSensitive(o, "type"));
			ck_assert_ptr_nonnull(cJSON_GetObjectItemCaseSensitive(o, "description"));
			ck_assert_int_eq(cJSON_HasObjectItem(o, "default"), row->fallback != NULL);
		}
	}
	ck_assert_int_eq(cJSON_GetArraySize(properties), rows);
	ck_assert_str_eq(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(s, "required"), 0)->valuestring, "dataset");
	ck_assert(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(s, "additionalProperties")));
	const cJSON *presets = cJSON_GetObjectItemCaseSensitive(s, "x-presets"), *ps;
	int n = 0;
	cJSON_ArrayForEach(ps, presets) {
		ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(ps, "name")->valuestring, dcg_presets[n].name);
		const cJSON *settings = cJSON_GetObjectItemCaseSensitive(ps, "settings"), *v;
		cJSON_ArrayForEach(v, settings)
			ck_assert(cJSON_HasObjectItem(properties, v->string));
		if (strcmp(dcg_presets[n].name, "paper") == 0)
			ck_assert_double_eq(cJSON_GetObjectItemCaseSensitive(settings, "ngf")->valuedouble, 128);
		n++;
	}
	ck_assert_int_eq(n, 4);
	cJSON_Delete(s);
}
END_TEST

START_TEST(test_moves)
{
	/* from, to: as jobs.h draws them */
	static const char legal[] = "qp qc pr pq pu pf pc ru rs rf rc rq uq uc ur uu";
	static const char letter[] = { [DCG_JOB_QUEUED] = 'q', [DCG_JOB_PREPARING] = 'p', [DCG_JOB_RUNNING] = 'r', [DCG_JOB_PAUSED] = 'u',
		[DCG_JOB_SUCCEEDED] = 's', [DCG_JOB_FAILED] = 'f', [DCG_JOB_CANCELLED] = 'c' };
	int count = 0;
	for (int from = 0; from < DCG_JOB_STATES; from++) {
		for (int to = 0; to < DCG_JOB_STATES; to++) {
			char move[3] = { letter[from], letter[to], 0 };
			ck_assert_msg(dcg_job_may_move(from, to) == (strstr(legal, move) != NULL), "%s", move);
			count += dcg_job_may_move(from, to);
		}
		ck_assert_int_eq(dcg_job_is_final(from), from >= DCG_JOB_SUCCEEDED);
	}
	ck_assert_int_eq(count, 16);
	ck_assert(!dcg_job_may_move(DCG_JOB_STATES, DCG_JOB_QUEUED));
	ck_assert(!dcg_job_may_move(DCG_JOB_QUEUED, DCG_JOB_STATES));
}
END_TEST

START_TEST(test_texts)
{
	static const struct { const char *text; int good; } tries[] = {
		{ "", 1 }, { "plain", 1 }, { "\xc3\xa4", 1 }, { "\xe2\x82\xac", 1 }, { "\xf0\x9f\x98\x80", 1 },
		{ "\t", 0 }, { "\x7f", 0 }, { "\x80", 0 }, { "\xc3", 0 }, { "\xc0\xaf", 0 }, { "\xe0\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xc2\x85", 0 }, { "\xe2\x82", 0 },
	};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		char copy[16];
		ck_assert_int_eq(dcg_text_valid(tries[i].text), tries[i].good);
		strcpy(copy, tries[i].text);
		dcg_text_clean(copy);
		ck_assert(dcg_text_valid(copy));
		ck_assert_int_eq(strcmp(copy, tries[i].text) == 0, tries[i].good);
	}
	char text[] = "/var/x/jobs/1: cannot open /var/x: no";
	dcg_text_hide(text, "/var/x");
	ck_assert_str_eq(text, "jobs/1: cannot open : no");
	char at[DCG_TIME_TEXT];
	ck_assert_str_eq(dcg_time_text(1795435200123, at), "2026-11-23T12:00:00.123Z");
	ck_assert_double_eq(dcg_json_short((float)0.7), 0.7);
	ck_assert(isnan(dcg_json_short(NAN)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parameters of jobs");
	TCase *t = tcase_create("all");
	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_bounds);
	tcase_add_test(t, test_faults);
	tcase_add_test(t, test_hostile_names);
	tcase_add_test(t, test_presets);
	tcase_add_test(t, test_round_trip);
	tcase_add_test(t, test_schema);
	tcase_add_test(t, test_moves);
	tcase_add_test(t, test_texts);
	suite_add_tcase(s, t);
	return tap_run(s);
}
