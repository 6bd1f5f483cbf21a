/* A job that takes the daemon with it is not tried for ever, and one that merely was at work when
 * the power went is. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/jobs/world.h"

/* A checkpoint every five epochs, and no end. */
#define SAVING "{" TINY ",\"epochs\":1000000,\"sample_every\":0,\"checkpoint_every\":5,\"keep_last\":2}"

static struct world w;

static void setup(void)
{
	world_make(&w);
}

static void teardown(void)
{
	world_done(&w);
}

static int64_t newest_checkpoint(void)
{
	struct dcg_file_row row;
	return dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, 1, DCG_NEWEST, 0, &row, NULL) ? -1 : row.step;
}

/* Another process trains job 1, until there is a newer checkpoint if so asked, and is killed; spared: after it
 * said that this is not the job's fault. */
static void die(int after_checkpoint, int spared)
{
	int ready[2], status;
	char c;
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(ready[0]);
		world_start(&w);
		int64_t first = newest_checkpoint();
		while (state_of(&w, 1) != DCG_JOB_RUNNING || (after_checkpoint && newest_checkpoint() == first))
			nap_ms(1);
		if (spared)
			dcg_jobs_spare(w.jobs);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

static void die_at_work(int after_checkpoint)
{
	die(after_checkpoint, 0);
}

static void begin(const char *body)
{
	world_open(&w);
	ck_assert_int_eq(submit(&w, body), 1);
	world_close(&w);
}

static void check(enum dcg_job_state state, int deaths)
{
	struct dcg_job_row row = get(&w, 1);
	ck_assert_msg(row.state == state && row.deaths == deaths, "%s after %d deaths, expected %s after %d", dcg_job_state_name(row.state), row.deaths,
		dcg_job_state_name(state), deaths);
	dcg_job_row_done(&row);
}

/* The newest line of its log. */
static void check_logged(const char *level, const char *text)
{
	struct dcg_log_row *rows;
	size_t n;
	ok(dcg_store_log(dcg_jobs_store(w.jobs), 1, 0, 1000, NULL, &rows, &n, &err));
	ck_assert_uint_gt(n, 0);
	ck_assert_str_eq(rows[n - 1].level, level);
	ck_assert_msg(strstr(rows[n - 1].text, text) != NULL, "%s", rows[n - 1].text);
	dcg_store_log_free(rows, n);
}

START_TEST(test_not_for_ever)
{
	begin(LONG);
	for (int i = 1; i < 3; i++) {
		die_at_work(0);
		world_open(&w);
		check(DCG_JOB_QUEUED, i);
		check_logged("warning", i == 1 ? "(1 of 3" : "(2 of 3");
		world_close(&w);
	}
	die_at_work(0);
	world_start(&w);
	check(DCG_JOB_FAILED, 3);
	check_logged("error", "died 3 times");
	struct dcg_job_row row = get(&w, 1);
	ck_assert_ptr_nonnull(row.error);
	ck_assert_msg(strstr(row.error, "submit the job again") && !strstr(row.error, "from_checkpoint"), "%s", row.error);
	ck_assert_int_gt(row.finished_ms, 0);
	dcg_job_row_done(&row);
	/* The queue goes on behind it, and it counts no further. */
	wait_state(&w, submit(&w, "{" TINY ",\"epochs\":1}"), DCG_JOB_SUCCEEDED);
	world_close(&w);
	world_open(&w);
	check(DCG_JOB_FAILED, 3);
}
END_TEST

/* Each death finds it further than the one before: it may die as often as it likes. */
START_TEST(test_progress_does_not_count)
{
	begin(SAVING);
	for (int i = 0; i < 5; i++) {
		die_at_work(1);
		world_open(&w);
		check(DCG_JOB_QUEUED, 1);
		world_close(&w);
	}
}
END_TEST

/* A disk that fails is not the job's fault, however often; what came before and comes after counts. */
START_TEST(test_failed_syncs_do_not_count)
{
	char mark[320];
	begin(LONG);
	snprintf(mark, sizeof mark, "%s/dcgand.unsynced", w.state);
	die_at_work(0);
	for (int i = 0; i < 4; i++) {
		die(0, 1);
		ck_assert_int_eq(access(mark, F_OK), 0);
		world_open(&w);
		check(DCG_JOB_QUEUED, 1);
		check_logged("warning", "a sync of its database");
		ck_assert_int_ne(access(mark, F_OK), 0);
		world_close(&w);
	}
	die_at_work(0);
	world_open(&w);
	check(DCG_JOB_QUEUED, 2);
	check_logged("warning", "(2 of 3");
}
END_TEST

/* Stopping in good order is no death, with a checkpoint or without. */
START_TEST(test_stopping_does_not_count)
{
	begin(LONG);
	for (int i = 1; i < 3; i++)
		die_at_work(0);
	for (int i = 0; i < 3; i++) {
		world_start(&w);
		wait_state(&w, 1, DCG_JOB_RUNNING);
		dcg_jobs_stop(w.jobs, 1);
		world_close(&w);
		world_open(&w);
		check(DCG_JOB_QUEUED, 2);
		ck_assert_int_eq(newest_checkpoint(), -1);
		world_close(&w);
	}
	/* A checkpoint from now on is progress: the next death is the first. */
	world_start(&w);
	wait_state(&w, 1, DCG_JOB_RUNNING);
	dcg_jobs_stop(w.jobs, 0);
	world_close(&w);
	die_at_work(0);
	world_open(&w);
	check(DCG_JOB_QUEUED, 1);
	world_close(&w);
	die_at_work(0);
	die_at_work(0);
	world_open(&w);
	check(DCG_JOB_FAILED, 3);
	struct dcg_job_row row = get(&w, 1);
	struct dcg_file_row file;
	char text[64];
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, 1, DCG_NEWEST, 0, &file, &err));
	snprintf(text, sizeof text, "from_checkpoint %lld", (long long)file.id);
	ck_assert_msg(strstr(row.error, text) != NULL, "%s", row.error);
	dcg_job_row_done(&row);
	/* Doing what that says works. */
	char body[512];
	snprintf(body, sizeof body, "{" TINY ",\"epochs\":1,\"from_checkpoint\":%lld}", (long long)file.id);
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, submit(&w, body), DCG_JOB_SUCCEEDED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deaths");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_not_for_ever);
	tcase_add_test(t, test_progress_does_not_count);
	tcase_add_test(t, test_failed_syncs_do_not_count);
	tcase_add_test(t, test_stopping_does_not_count);
	suite_add_tcase(s, t);
	return tap_run(s);
}
