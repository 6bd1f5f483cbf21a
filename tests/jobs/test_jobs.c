/* The queue, the worker, and what others may ask of it. */
#include <pthread.h>

#include "tests/jobs/world.h"

static struct world w;

static void setup(void)
{
	world_make(&w);
}

static void teardown(void)
{
	world_done(&w);
}

static int act(int64_t id, enum dcg_job_action action)
{
	return dcg_jobs_act(w.jobs, id, action, 0, &err);
}

static int told;

static void on_event(void *user)
{
	__atomic_add_fetch((int *)user, 1, __ATOMIC_RELAXED);
}

START_TEST(test_succeeds)
{
	world_start(&w);
	dcg_jobs_on_event(w.jobs, on_event, &told);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":3,\"name\":\"first\",\"seed\":5}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	dcg_jobs_on_event(w.jobs, NULL, NULL);
	ck_assert_int_gt(told, 4);
	check_metrics(&w, id, 24);
	int rewinds;
	check_events(&w, id, 24, &rewinds);
	ck_assert_int_eq(rewinds, 0);

	int64_t steps[8];
	ck_assert_uint_eq(count_files(&w, DCG_FILE_SAMPLE, id, steps, 8), 4);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(steps[i], 8 * i);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 8), 3);
	ck_assert_int_eq(steps[2], 24);

	struct dcg_job_row row = get(&w, id);
	cJSON *o = dcg_job_json(&row);
	ck_assert_str_eq(json_text(o, "state"), "succeeded");
	ck_assert_str_eq(json_text(o, "name"), "first");
	ck_assert_str_eq(json_text(o, "dataset"), "tiny");
	ck_assert_double_eq(json_number(o, "epoch"), 3);
	ck_assert_double_eq(json_number(o, "epochs"), 3);
	ck_assert_double_eq(json_number(o, "step"), 24);
	ck_assert_double_eq(json_number(o, "steps_total"), 24);
	ck_assert_double_eq(json_number(o, "steps_per_epoch"), 8);
	ck_assert_double_eq(json_number(o, "eta_s"), 0);
	ck_assert(json_number(o, "images_per_s") > 0);
	ck_assert(isfinite(json_number(o, "loss_g")));
	ck_assert(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, "error")));
	/* Complete: what was left to the data set is filled in. */
	const cJSON *params = cJSON_GetObjectItemCaseSensitive(o, "params");
	ck_assert_double_eq(json_number(params, "seed"), 5);
	ck_assert_double_eq(json_number(params, "channels"), 1);
	ck_assert_int_ge(row.started_ms, row.created_ms);
	ck_assert_int_ge(row.finished_ms, row.started_ms);
	ck_assert_ptr_nonnull(strchr(json_text(o, "finished_at"), 'Z'));
	cJSON_Delete(o);
	dcg_job_row_done(&row);
	char status[128];
	dcg_jobs_status(w.jobs, status, sizeof status);
	ck_assert_str_eq(status, "idle, 0 queued");
}
END_TEST

/* However often it is stopped and goes on: the same weights, each step once. */
START_TEST(test_pause_is_exact)
{
	enum { EPOCHS = 200, STEPS = EPOCHS * STEPS_PER_EPOCH, ENOUGH = 12 };
	static const char body[] = "{" TINY ",\"epochs\":200,\"ema\":0.9,\"sample_every\":40,\"checkpoint_every\":30}";
	world_start(&w);
	int64_t plain = submit(&w, body), stopped = submit(&w, body);
	int pauses = 0;
	wait_state(&w, plain, DCG_JOB_SUCCEEDED);
	for (; pauses < ENOUGH; pauses++) {
		while (state_of(&w, stopped) == DCG_JOB_QUEUED || state_of(&w, stopped) == DCG_JOB_PREPARING)
			nap_ms(1);
		nap_ms(5 + 15 * (pauses % 3));
		if (act(stopped, DCG_ACTION_PAUSE)) {
			ck_assert_int_eq(state_of(&w, stopped), DCG_JOB_SUCCEEDED);
			break;
		}
		while (state_of(&w, stopped) == DCG_JOB_RUNNING)
			nap_ms(1);
		if (state_of(&w, stopped) == DCG_JOB_SUCCEEDED)
			break;
		ck_assert_int_eq(state_of(&w, stopped), DCG_JOB_PAUSED);
		ok(act(stopped, DCG_ACTION_PAUSE));
		ok(act(stopped, DCG_ACTION_RESUME));
		ok(act(stopped, DCG_ACTION_RESUME));
	}
	ck_assert_int_ge(pauses, 2);
	wait_state(&w, stopped, DCG_JOB_SUCCEEDED);
	check_metrics(&w, plain, STEPS);
	check_metrics(&w, stopped, STEPS);
	int rewinds;
	check_events(&w, stopped, STEPS, &rewinds);
	ck_assert_int_eq(rewinds, 0);
	check_same_tensors(&w, plain, &w, stopped, STEPS);
}
END_TEST

struct nagger {
	int64_t id;
	unsigned seed;
};

static void *nag(void *arg)
{
	struct nagger *n = arg;
	static const enum dcg_job_action actions[] = { DCG_ACTION_PAUSE, DCG_ACTION_RESUME, DCG_ACTION_RESUME, DCG_ACTION_SAMPLE, DCG_ACTION_CHECKPOINT };
	for (int i = 0; i < 150; i++) {
		struct dcg_error why;
		int r = dcg_jobs_act(w.jobs, n->id, actions[rand_r(&n->seed) % 5], 0, &why);
		if (r && r != DCG_ESTATE)
			return strdup(why.text);
		nap_ms((int)(rand_r(&n->seed) % 4));
	}
	return NULL;
}

START_TEST(test_many_ask_at_once)
{
	enum { EPOCHS = 150, STEPS = EPOCHS * STEPS_PER_EPOCH };
	static const char body[] = "{" TINY ",\"epochs\":150,\"sample_every\":0,\"checkpoint_every\":0}";
	world_start(&w);
	int64_t plain = submit(&w, body), nagged = submit(&w, body);
	wait_state(&w, plain, DCG_JOB_SUCCEEDED);
	pthread_t threads[3];
	struct nagger naggers[3];
	for (int i = 0; i < 3; i++) {
		naggers[i] = (struct nagger){ nagged, 17u + (unsigned)i };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, nag, &naggers[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		ck_assert_msg(wrong == NULL, "%s", (char *)wrong);
	}
	for (double end = now_s() + 60; state_of(&w, nagged) != DCG_JOB_SUCCEEDED && now_s() < end; nap_ms(5))
		act(nagged, DCG_ACTION_RESUME);
	wait_state(&w, nagged, DCG_JOB_SUCCEEDED);
	check_metrics(&w, nagged, STEPS);
	check_events(&w, nagged, STEPS, NULL);
	check_same_tensors(&w, plain, &w, nagged, STEPS);
}
END_TEST

START_TEST(test_order)
{
	world_open(&w);
	int64_t id[4];
	id[0] = submit(&w, "{" TINY ",\"epochs\":1,\"priority\":-1}");
	id[1] = submit(&w, "{" TINY ",\"epochs\":1}");
	id[2] = submit(&w, "{" TINY ",\"epochs\":1,\"priority\":5}");
	id[3] = submit(&w, "{" TINY ",\"epochs\":1}");
	char status[128];
	dcg_jobs_status(w.jobs, status, sizeof status);
	ck_assert_str_eq(status, "idle, 4 queued");
	ok(dcg_jobs_start(w.jobs, &err));
	static const int order[] = { 2, 1, 3, 0 };
	for (int i = 0; i < 4; i++)
		wait_state(&w, id[i], DCG_JOB_SUCCEEDED);
	int64_t before = 0;
	for (int i = 0; i < 4; i++) {
		struct dcg_job_row row = get(&w, id[order[i]]);
		ck_assert_int_ge(row.started_ms, before);
		before = row.finished_ms;
		dcg_job_row_done(&row);
	}
}
END_TEST

START_TEST(test_legal_and_illegal)
{
	world_open(&w);
	int64_t id = submit(&w, LONG), second = submit(&w, LONG);
	fails(act(id + 77, DCG_ACTION_PAUSE), DCG_ENOENT);
	fails(act(0, DCG_ACTION_PAUSE), DCG_ENOENT);
	fails(act(-1, DCG_ACTION_CANCEL), DCG_ENOENT);
	/* queued */
	fails(act(id, DCG_ACTION_PAUSE), DCG_ESTATE);
	says("is queued and cannot be paused");
	fails(act(id, DCG_ACTION_SAMPLE), DCG_ESTATE);
	fails(act(id, DCG_ACTION_CHECKPOINT), DCG_ESTATE);
	ok(act(id, DCG_ACTION_RESUME));
	ok(act(second, DCG_ACTION_CANCEL));
	ok(act(second, DCG_ACTION_CANCEL));
	/* cancelled */
	fails(act(second, DCG_ACTION_RESUME), DCG_ESTATE);
	fails(act(second, DCG_ACTION_PAUSE), DCG_ESTATE);
	fails(act(second, DCG_ACTION_SAMPLE), DCG_ESTATE);
	/* running */
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, id, DCG_JOB_RUNNING);
	ok(act(id, DCG_ACTION_RESUME));
	fails(dcg_jobs_delete(w.jobs, id, 0, &err), DCG_ESTATE);
	/* paused */
	ok(act(id, DCG_ACTION_PAUSE));
	ok(act(id, DCG_ACTION_PAUSE));
	wait_state(&w, id, DCG_JOB_PAUSED);
	fails(act(id, DCG_ACTION_SAMPLE), DCG_ESTATE);
	ok(act(id, DCG_ACTION_RESUME));
	wait_state(&w, id, DCG_JOB_RUNNING);
	/* pausing and resuming before it has paused: it goes on by itself */
	ok(act(id, DCG_ACTION_PAUSE));
	ok(act(id, DCG_ACTION_RESUME));
	/* The pause's checkpoint comes when it comes: wait until steps follow the newest. */
	int64_t steps[16];
	size_t before;
	do {
		nap_ms(300);
		wait_state(&w, id, DCG_JOB_RUNNING);
		before = count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 16);
		ck_assert_uint_ge(before, 1);
		wait_step(&w, id, steps[before - 1]);
	} while (count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 16) != before);
	/* cancelling keeps what there was, and makes no checkpoint of its own */
	ok(act(id, DCG_ACTION_CANCEL));
	wait_state(&w, id, DCG_JOB_CANCELLED);
	before = count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 16);
	struct dcg_job_row row = get(&w, id);
	ck_assert_int_gt(row.step, steps[before - 1]);
	check_metrics(&w, id, row.step);
	dcg_job_row_done(&row);
	fails(act(id, DCG_ACTION_RESUME), DCG_ESTATE);
	/* A paused one can be cancelled, too. */
	int64_t third = submit(&w, LONG);
	wait_state(&w, third, DCG_JOB_RUNNING);
	ok(act(third, DCG_ACTION_PAUSE));
	wait_state(&w, third, DCG_JOB_PAUSED);
	ok(act(third, DCG_ACTION_CANCEL));
	ck_assert_int_eq(state_of(&w, third), DCG_JOB_CANCELLED);
}
END_TEST

START_TEST(test_pause_lets_the_next_run)
{
	world_start(&w);
	int64_t first = submit(&w, LONG);
	wait_state(&w, first, DCG_JOB_RUNNING);
	int64_t second = submit(&w, LONG), third = submit(&w, LONG);
	ok(act(first, DCG_ACTION_PAUSE));
	wait_state(&w, second, DCG_JOB_RUNNING);
	ck_assert_int_eq(state_of(&w, first), DCG_JOB_PAUSED);
	/* Resumed, it is the first among its equals. */
	ok(act(first, DCG_ACTION_RESUME));
	ok(act(second, DCG_ACTION_CANCEL));
	wait_state(&w, first, DCG_JOB_RUNNING);
	ck_assert_int_eq(state_of(&w, third), DCG_JOB_QUEUED);
	char status[128];
	dcg_jobs_status(w.jobs, status, sizeof status);
	ck_assert_ptr_nonnull(strstr(status, "/1000000, 1 queued"));
}
END_TEST

START_TEST(test_files_now)
{
	world_start(&w);
	int64_t id = submit(&w, LONG);
	wait_state(&w, id, DCG_JOB_RUNNING);
	struct dcg_file_row file = { 0 };
	for (size_t i = 1; i <= 2; i++) {
		wait_step(&w, id, file.step);
		ok(act(id, DCG_ACTION_SAMPLE));
		wait_files(&w, DCG_FILE_SAMPLE, id, i);
		ok(act(id, DCG_ACTION_CHECKPOINT));
		wait_files(&w, DCG_FILE_CHECKPOINT, id, i);
		ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &file, &err));
	}
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_SAMPLE, id, DCG_NEWEST, 0, &file, &err));
	ck_assert_int_gt(file.step, 0);
	ck_assert_int_eq(file.epoch, file.step / STEPS_PER_EPOCH);
}
END_TEST

START_TEST(test_fails_with_reason)
{
	char path[512];
	world_open(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":1}");
	snprintf(path, sizeof path, "%s/tiny/train-images-idx3-ubyte", w.data);
	ck_assert_int_eq(unlink(path), 0);
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, id, DCG_JOB_FAILED);
	struct dcg_job_row row = get(&w, id);
	ck_assert_ptr_nonnull(row.error);
	ck_assert_msg(strstr(row.error, "\"tiny\"") != NULL, "%s", row.error);
	ck_assert_msg(strstr(row.error, w.folder) == NULL, "a path of the server: %s", row.error);
	cJSON *o = dcg_job_json(&row);
	ck_assert_str_eq(json_text(o, "error"), row.error);
	cJSON_Delete(o);
	ck_assert_int_gt(row.finished_ms, 0);
	dcg_job_row_done(&row);
	fails(act(id, DCG_ACTION_RESUME), DCG_ESTATE);
	/* The next job is none the worse. */
	snprintf(path, sizeof path, "%s/tiny", w.data);
	write_idx(path, PICTURES, SIDE);
	wait_state(&w, submit(&w, "{" TINY ",\"epochs\":1}"), DCG_JOB_SUCCEEDED);
}
END_TEST

/* Pictures that cannot be read: named in the log up to a number, or the end of the job. */
START_TEST(test_bad_pictures)
{
	enum { GOOD = 40, BAD = 23 };
	char path[512];
	uint8_t *png, pixels[SIDE * SIDE];
	size_t size;
	struct dcg_log_row *rows;
	size_t n, skipped = 0, summed = 0;
	world_open(&w);
	snprintf(path, sizeof path, "%s/mixed", w.data);
	ok(dcg_file_make_folder(path, &err));
	for (int i = 0; i < GOOD + BAD; i++) {
		for (int k = 0; k < SIDE * SIDE; k++)
			pixels[k] = (uint8_t)(k * i);
		struct dcg_picture p = { .width = SIDE, .height = SIDE, .channels = 1, .pixels = pixels };
		ok(dcg_picture_png(&p, &png, &size, &err));
		snprintf(path, sizeof path, "%s/mixed/%02d.png", w.data, i);
		ok(dcg_file_write_atomic(path, png, i < GOOD ? size : size / 2, &err));
		free(png);
	}
	ck_assert_int_eq(post_dataset(&w, "{\"name\":\"mixed\",\"path\":\"mixed\"}"), 0);
	ok(dcg_jobs_start(w.jobs, &err));
	int64_t id = submit(&w, "{\"dataset\":\"mixed\",\"ngf\":2,\"ndf\":2,\"batch_size\":8,\"epochs\":2,\"threads\":1}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 2 * (GOOD / 8));
	ok(dcg_store_log(dcg_jobs_store(w.jobs), id, 0, 1000, NULL, &rows, &n, &err));
	for (size_t i = 0; i < n; i++) {
		skipped += strncmp(rows[i].text, "skipped: ", 9) == 0 && strcmp(rows[i].level, "warning") == 0;
		summed += strstr(rows[i].text, "skipped 23 pictures") != NULL;
		ck_assert_ptr_null(strstr(rows[i].text, w.folder));
	}
	dcg_store_log_free(rows, n);
	ck_assert_uint_eq(skipped, 20);
	ck_assert_uint_eq(summed, 1);
	id = submit(&w, "{\"dataset\":\"mixed\",\"size\":28,\"ngf\":2,\"ndf\":2,\"batch_size\":8,\"on_error\":\"fail\"}");
	wait_state(&w, id, DCG_JOB_FAILED);
	struct dcg_job_row row = get(&w, id);
	ck_assert_msg(strstr(row.error, "40.png") && !strstr(row.error, w.folder), "%s", row.error);
	dcg_job_row_done(&row);
}
END_TEST

/* The newest 100,000 are kept. */
START_TEST(test_events_are_pruned)
{
	struct dcg_store_tx *tx;
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	world_open(&w);
	ok(dcg_store_begin(dcg_jobs_store(w.jobs), 0, &tx, &err));
	for (int i = 0; i < 101000; i++)
		dcg_store_event_append(tx, 1, "log", "{}", NULL);
	ok(dcg_store_commit(tx, &err));
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, submit(&w, "{" TINY ",\"epochs\":1}"), DCG_JOB_SUCCEEDED);
	ok(dcg_store_events(dcg_jobs_store(w.jobs), 0, 0, 1, &rows, &count, &oldest, &newest, &err));
	dcg_store_events_free(rows, count);
	ck_assert_int_gt(newest, 101000);
	ck_assert_int_ge(newest - oldest + 1, 100000);
	ck_assert_int_lt(newest - oldest + 1, 100100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jobs");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_succeeds);
	tcase_add_test(t, test_pause_is_exact);
	tcase_add_test(t, test_many_ask_at_once);
	tcase_add_test(t, test_order);
	tcase_add_test(t, test_legal_and_illegal);
	tcase_add_test(t, test_pause_lets_the_next_run);
	tcase_add_test(t, test_files_now);
	tcase_add_test(t, test_fails_with_reason);
	tcase_add_test(t, test_bad_pictures);
	tcase_add_test(t, test_events_are_pruned);
	suite_add_tcase(s, t);
	return tap_run(s);
}
