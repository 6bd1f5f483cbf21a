/* What is taken, what is refused, and what goes again: jobs and their checkpoints. */
#include "jobs/private.h"
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

START_TEST(test_refused)
{
	int64_t id = -7;
	world_open(&w);
	ck_assert_int_eq(post_job(&w, "{\"dataset\":\"none\",\"from_checkpoint\":9,\"ngf\":0}", &id), DCG_EINVAL);
	ck_assert_int_eq(inv.code, DCG_EINVAL);
	ck_assert_int_eq(inv.count, 3);
	ck_assert_ptr_nonnull(strstr(fault("/dataset"), "tiny"));
	ck_assert_str_eq(fault("/from_checkpoint"), "there is no checkpoint 9");
	ck_assert_str_ne(fault("/ngf"), "");
	/* Judged also when size and channels come from the data set. */
	ck_assert_int_eq(post_job(&w, "{\"dataset\":\"tiny\",\"kernel\":\"abacus\"}", &id), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 1);
	ck_assert_str_ne(fault("/kernel"), "");
	ck_assert_int_eq(id, -7);
	struct dcg_job_row *rows;
	size_t count;
	ok(dcg_store_jobs(dcg_jobs_store(w.jobs), &(struct dcg_job_filter){ .pinned = -1, .state = -1, .limit = 10 }, &rows, &count, &err));
	ck_assert_uint_eq(count, 0);
	dcg_store_jobs_free(rows, count);
	/* About 500 GiB of weights, 250 GiB of activations. */
	if (dcg_machine_memory() > 200e9)
		return;
	ck_assert_int_eq(post_job(&w, "{\"dataset\":\"tiny\",\"size\":256,\"ngf\":1024,\"ndf\":1024,\"batch_size\":2}", &id), DCG_EINVAL);
	ck_assert_ptr_nonnull(strstr(fault("/ngf"), "GiB"));
	ck_assert_int_eq(post_job(&w, "{\"dataset\":\"tiny\",\"size\":256,\"batch_size\":4096}", &id), DCG_EINVAL);
	ck_assert_ptr_nonnull(strstr(fault("/batch_size"), "GiB"));
}
END_TEST

START_TEST(test_queue_full)
{
	const char *roots[] = { w.data, NULL };
	struct dcg_jobs_config cfg = { .state_folder = w.state, .dataset_roots = roots, .max_queued = 3 };
	ok(dcg_jobs_new(&w.jobs, &cfg, &err));
	ck_assert_int_eq(post_dataset(&w, "{\"name\":\"tiny\",\"path\":\"tiny\"}"), 0);
	int64_t id = 0, last = 0;
	for (int i = 0; i < 3; i++)
		last = submit(&w, LONG);
	ck_assert_int_eq(post_job(&w, LONG, &id), DCG_EBUSY);
	ck_assert_int_eq(inv.code, DCG_EBUSY);
	ok(act(last, DCG_ACTION_CANCEL));
	submit(&w, LONG);
}
END_TEST

START_TEST(test_from_checkpoint)
{
	char body[512];
	struct dcg_file_row file;
	int64_t id;
	world_start(&w);
	int64_t first = submit(&w, "{" TINY ",\"epochs\":2}");
	wait_state(&w, first, DCG_JOB_SUCCEEDED);
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, first, DCG_NEWEST, 0, &file, &err));
	snprintf(body, sizeof body, "{\"dataset\":\"tiny\",\"from_checkpoint\":%lld,\"ngf\":4,\"ndf\":2,\"z_dim\":8,\"arch\":\"paper\"}", (long long)file.id);
	ck_assert_int_eq(post_job(&w, body, &id), DCG_EINVAL);
	ck_assert_int_eq(inv.count, 2);
	ck_assert_ptr_nonnull(strstr(fault("/ngf"), "expected 2"));
	ck_assert_ptr_nonnull(strstr(fault("/arch"), "expected pytorch"));

	/* With a learning rate of 0 the weights stay as they were: those of the checkpoint. */
	snprintf(body, sizeof body, "{" TINY ",\"epochs\":1,\"seed\":99,\"lr_g\":0,\"lr_d\":0,\"from_checkpoint\":%lld}", (long long)file.id);
	int64_t second = submit(&w, body);
	wait_state(&w, second, DCG_JOB_SUCCEEDED);
	check_metrics(&w, second, STEPS_PER_EPOCH);
	size_t n, m, same = 0;
	char *x = final_tensors(&w, first, 16, &n), *y = final_tensors(&w, second, 8, &m);
	ck_assert_uint_eq(n, m);
	for (size_t i = 0; i + 4 <= n; i += 4)
		same += memcmp(x + i, y + i, 4) == 0;
	/* A third is weights; moments, statistics differ. Fresh weights would share nothing. */
	ck_assert_msg(same * 4 > n / 4, "%zu of %zu floats are the same", same, n / 4);
	free(x);
	free(y);
}
END_TEST

START_TEST(test_delete)
{
	char path[600], body[512];
	struct dcg_file_row file;
	world_start(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":2}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &file, &err));
	/* Not while another is to start from it. */
	int64_t busy = submit(&w, LONG);
	wait_state(&w, busy, DCG_JOB_RUNNING);
	snprintf(body, sizeof body, "{" TINY ",\"epochs\":1,\"from_checkpoint\":%lld}", (long long)file.id);
	int64_t heir = submit(&w, body);
	fails(dcg_jobs_delete(w.jobs, id, 0, &err), DCG_ESTATE);
	says("starts from a checkpoint");
	ok(dcg_jobs_delete(w.jobs, heir, 0, &err)); /* a queued one */
	ok(dcg_jobs_delete(w.jobs, id, 0, &err));
	fails(dcg_jobs_delete(w.jobs, id, 0, &err), DCG_ENOENT);
	snprintf(path, sizeof path, "%s/jobs/%lld", w.state, (long long)id);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(post_job(&w, body, &heir), DCG_EINVAL);
	/* The last word on it is an event. */
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	ok(dcg_store_events(dcg_jobs_store(w.jobs), id, 0, 10000, &rows, &count, &oldest, &newest, &err));
	ck_assert_ptr_nonnull(strstr(rows[count - 1].data_json, "\"state\":\"deleted\",\"previous\":\"succeeded\""));
	dcg_store_events_free(rows, count);
	/* What others put into the folder stays, and a link is not followed. */
	ok(act(busy, DCG_ACTION_PAUSE));
	wait_state(&w, busy, DCG_JOB_PAUSED);
	char kept[700], outside[600], link[700];
	snprintf(kept, sizeof kept, "%s/jobs/%lld/samples/notes.txt", w.state, (long long)busy);
	ok(dcg_file_write_atomic(kept, "mine", 4, &err));
	snprintf(outside, sizeof outside, "%s/outside.png", w.folder);
	ok(dcg_file_write_atomic(outside, "mine", 4, &err));
	snprintf(link, sizeof link, "%s/jobs/%lld/samples/step-0000000007.png", w.state, (long long)busy);
	ck_assert_int_eq(symlink(outside, link), 0);
	ok(dcg_jobs_delete(w.jobs, busy, 0, &err));
	ck_assert_int_eq(access(kept, F_OK), 0);
	ck_assert_int_eq(access(outside, F_OK), 0);
	ck_assert_int_ne(access(link, F_OK), 0);
}
END_TEST

START_TEST(test_retention)
{
	int64_t steps[32];
	world_start(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":11,\"keep_last\":2,\"keep_every\":4}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 32), 4);
	static const int epochs[] = { 4, 8, 10, 11 };
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(steps[i], epochs[i] * STEPS_PER_EPOCH);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_SAMPLE, id, steps, 32), 12);
	/* The files of the others are gone. */
	char path[600];
	snprintf(path, sizeof path, "%s/jobs/%lld/checkpoints/step-%010d.safetensors", w.state, (long long)id, 9 * STEPS_PER_EPOCH);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* The pinned, the best, and those that others start from stay. */
START_TEST(test_retention_of_special)
{
	char body[512];
	struct dcg_store_tx *tx;
	struct dcg_file_row *rows;
	size_t n;
	int64_t steps[32];
	world_start(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":1000000,\"keep_last\":20,\"checkpoint_every\":0,\"sample_every\":0}");
	wait_state(&w, id, DCG_JOB_RUNNING);
	struct dcg_file_row newest = { 0 };
	for (size_t i = 1; i <= 5; i++) {
		wait_step(&w, id, newest.step);
		ok(act(id, DCG_ACTION_CHECKPOINT));
		wait_files(&w, DCG_FILE_CHECKPOINT, id, i);
		ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &newest, &err));
	}
	ok(act(id, DCG_ACTION_PAUSE));
	wait_state(&w, id, DCG_JOB_PAUSED);
	ok(dcg_store_files(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, -1, 100, NULL, &rows, &n, &err));
	ck_assert_uint_ge(n, 5);
	ok(dcg_store_begin(dcg_jobs_store(w.jobs), 1, &tx, &err));
	rows[0].pinned = 1;
	rows[0].score = 3;
	rows[2].score = 1;
	rows[3].score = 2;
	for (int i = 0; i < 4; i++)
		dcg_store_file_update(tx, DCG_FILE_CHECKPOINT, &rows[i]);
	ok(dcg_store_commit(tx, &err));
	int64_t busy = submit(&w, LONG);
	wait_state(&w, busy, DCG_JOB_RUNNING);
	snprintf(body, sizeof body, "{" TINY ",\"epochs\":1,\"priority\":-100,\"from_checkpoint\":%lld}", (long long)rows[1].id);
	submit(&w, body);
	/* From now on only one is kept of those that are not special. */
	struct dcg_job_row row = get(&w, id);
	char *keep = strstr(row.params_json, "\"keep_last\":20");
	ck_assert_ptr_nonnull(keep);
	memcpy(keep, "\"keep_last\":1 ", strlen("\"keep_last\":20"));
	ok(dcg_store_begin(dcg_jobs_store(w.jobs), 1, &tx, &err));
	dcg_store_job_update(tx, &row, DCG_JOB_PAUSED);
	ok(dcg_store_commit(tx, &err));
	dcg_job_row_done(&row);
	ok(act(id, DCG_ACTION_RESUME));
	ok(act(busy, DCG_ACTION_CANCEL));
	wait_step(&w, id, rows[n - 1].step);
	ok(act(id, DCG_ACTION_PAUSE));
	wait_state(&w, id, DCG_JOB_PAUSED);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 32), 4);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(steps[i], rows[i].step);
	ck_assert_int_gt(steps[3], rows[n - 1].step);
	free(rows);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("submitting and keeping");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_queue_full);
	tcase_add_test(t, test_from_checkpoint);
	tcase_add_test(t, test_delete);
	tcase_add_test(t, test_retention);
	tcase_add_test(t, test_retention_of_special);
	suite_add_tcase(s, t);
	return tap_run(s);
}
