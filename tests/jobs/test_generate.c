/* Pictures from checkpoints. */
#include "tests/jobs/world.h"

static struct world w;
static int64_t checkpoint[2]; /* batch statistics, running ones */

static void setup(void)
{
	static const char *const bodies[] = {
		"{" TINY ",\"epochs\":2,\"sample_bn\":\"batch\"}",
		"{" TINY ",\"epochs\":2,\"sample_bn\":\"running\",\"ema\":0.9}",
	};
	world_make(&w);
	world_start(&w);
	for (int i = 0; i < 2; i++) {
		struct dcg_file_row file;
		int64_t id = submit(&w, bodies[i]);
		wait_state(&w, id, DCG_JOB_SUCCEEDED);
		ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &file, &err));
		checkpoint[i] = file.id;
	}
}

static void teardown(void)
{
	world_done(&w);
}

static int generate(int64_t id, const char *text, struct dcg_generated *ret)
{
	cJSON *body = text ? cJSON_Parse(text) : NULL;
	ck_assert(!text || body);
	int r = dcg_jobs_generate(w.jobs, id, body, ret, &inv);
	cJSON_Delete(body);
	return r;
}

static int varied(const struct dcg_generated *g)
{
	int lo = 255, hi = 0;
	for (int i = 0; i < g->n * g->size * g->size * g->channels; i++) {
		lo = g->pictures[i] < lo ? g->pictures[i] : lo;
		hi = g->pictures[i] > hi ? g->pictures[i] : hi;
	}
	return hi > lo;
}

START_TEST(test_counts)
{
	static const int counts[] = { 1, 5, 100 };
	char text[64];
	for (int i = 0; i < 3; i++) {
		struct dcg_generated a, b;
		snprintf(text, sizeof text, "{\"n\":%d,\"seed\":7}", counts[i]);
		ck_assert_int_eq(generate(checkpoint[_i], text, &a), 0);
		ck_assert_int_eq(a.n, counts[i]);
		ck_assert_int_eq(a.size, 16);
		ck_assert_int_eq(a.channels, 1);
		ck_assert_int_eq(a.z_dim, 8);
		ck_assert(varied(&a));
		/* The other one in between, so that this one is opened anew. */
		ck_assert_int_eq(generate(checkpoint[!_i], NULL, &b), 0);
		ck_assert_int_eq(b.n, 64);
		dcg_generated_done(&b);
		/* The same seed again, and the same z spelled out, give the same pictures. */
		ck_assert_int_eq(generate(checkpoint[_i], text, &b), 0);
		ck_assert_int_eq(memcmp(a.pictures, b.pictures, (size_t)a.n * 256), 0);
		dcg_generated_done(&b);
		cJSON *body = cJSON_CreateObject(), *z = cJSON_AddArrayToObject(body, "z");
		for (int k = 0; k < a.n; k++)
			cJSON_AddItemToArray(z, cJSON_CreateFloatArray(a.z + k * 8, 8));
		ck_assert_int_eq(dcg_jobs_generate(w.jobs, checkpoint[_i], body, &b, &inv), 0);
		ck_assert_int_eq(memcmp(a.z, b.z, (size_t)a.n * 8 * sizeof *a.z), 0);
		ck_assert_int_eq(memcmp(a.pictures, b.pictures, (size_t)a.n * 256), 0);
		cJSON_Delete(body);
		dcg_generated_done(&a);
		dcg_generated_done(&b);
	}
}
END_TEST

START_TEST(test_refused)
{
	static const struct { const char *body, *pointer; } tries[] = {
		{ "{\"n\":0}", "/n" }, { "{\"n\":1025}", "/n" }, { "{\"n\":1.5}", "/n" }, { "{\"n\":\"4\"}", "/n" },
		{ "{\"seed\":-1}", "/seed" }, { "{\"seed\":1e300}", "/seed" }, { "{\"columns\":0}", "/columns" },
		{ "{\"m\":1}", "/m" }, { "{\"n\":1,\"n\":2}", "/n" }, { "{\"z\":[]}", "/z" }, { "{\"z\":1}", "/z" },
		{ "{\"z\":[[1,2,3]]}", "/z/0" }, { "{\"z\":[[1,2,3,4,5,6,7,8],7]}", "/z/1" },
		{ "{\"z\":[[1,2,3,4,5,6,7,\"8\"]]}", "/z/0/7" }, { "{\"z\":[[1,2,3,1e39,5,6,7,8]]}", "/z/0/3" },
		{ "{\"z\":[[1,2,3,1e999,5,6,7,8]]}", "/z/0/3" }, { "{\"z\":[[1,2,3,4,5,6,7,8]],\"n\":1}", "/n" },
		{ "{\"z\":[[1,2,3,4,5,6,7,8]],\"seed\":1}", "/seed" },
	};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		struct dcg_generated g = { .n = -5 };
		ck_assert_msg(generate(checkpoint[0], tries[i].body, &g) == DCG_EINVAL, "%s", tries[i].body);
		ck_assert_int_eq(inv.code, DCG_EINVAL);
		ck_assert_msg(inv.count == 1 && strcmp(inv.field[0].pointer, tries[i].pointer) == 0, "%s: %d faults, first at %s", tries[i].body,
			inv.count, inv.field[0].pointer);
		ck_assert_int_eq(g.n, -5);
	}
	struct dcg_generated g;
	ck_assert_int_eq(generate(checkpoint[0], "[]", &g), DCG_EINVAL);
	ck_assert_int_eq(generate(999, NULL, &g), DCG_ENOENT);
	ck_assert_int_eq(inv.code, DCG_ENOENT);
	ck_assert_int_eq(generate(checkpoint[0], "{\"columns\":3,\"n\":7}", &g), 0);
	ck_assert_int_eq(g.columns, 3);
	dcg_generated_done(&g);
}
END_TEST

START_TEST(test_damaged)
{
	struct dcg_generated g;
	struct dcg_file_row file;
	ok(dcg_store_file_get(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, checkpoint[0], &file, &err));
	char *path = dcg_jobs_file_path(w.jobs, DCG_FILE_CHECKPOINT, &file);
	FILE *f = fopen(path, "r+b");
	ck_assert_ptr_nonnull(f);
	fseek(f, -50, SEEK_END);
	fputs("??", f);
	fclose(f);
	ck_assert_int_eq(generate(checkpoint[0], NULL, &g), DCG_EFORMAT);
	ck_assert_ptr_nonnull(strstr(inv.text, "damaged"));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(generate(checkpoint[0], NULL, &g), DCG_EIO);
	ck_assert_ptr_nonnull(strstr(inv.text, "put a backup of it in its place"));
	ck_assert_msg(strstr(inv.text, w.folder) == NULL, "a path of the server: %s", inv.text);
	free(path);
}
END_TEST

/* Once it is to stop nothing is drawn any more; the next start draws again. */
START_TEST(test_stopping)
{
	struct dcg_generated g = { .n = -5 };
	dcg_jobs_begin_stop(w.jobs, 0);
	ck_assert_int_eq(generate(checkpoint[0], NULL, &g), DCG_ECANCELLED);
	ck_assert_int_eq(inv.code, DCG_ECANCELLED);
	ck_assert_int_eq(g.n, -5);
	dcg_jobs_stop(w.jobs, 0);
	ok(dcg_jobs_start(w.jobs, &err));
	ck_assert_int_eq(generate(checkpoint[0], NULL, &g), 0);
	dcg_generated_done(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("generate");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_counts, 0, 2);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_damaged);
	tcase_add_test(t, test_stopping);
	suite_add_tcase(s, t);
	return tap_run(s);
}
