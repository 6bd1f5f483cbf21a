/* kill -9 of the process that trains, again and again: the job goes on by itself, and in
 * the end nobody can tell. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/jobs/world.h"

enum { EPOCHS = 400, STEPS = EPOCHS * STEPS_PER_EPOCH };
#define BODY "{" TINY ",\"epochs\":400,\"checkpoint_every\":5,\"sample_every\":40,\"keep_last\":3,\"ema\":0.99,\"flip\":true}"

static struct world w, straight;

static int64_t newest_checkpoint(void)
{
	struct dcg_file_row row;
	return dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, 1, DCG_NEWEST, 0, &row, NULL) ? -1 : row.step;
}

/* A process with a manager at work; submits the job when there is none. progress: returns once
 * there is another checkpoint, or the job's end (too many deaths without one would end the job). */
static pid_t spawn(int progress)
{
	int ready[2];
	char c;
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct dcg_job_row row;
		close(ready[0]);
		world_start(&w);
		if (dcg_store_job_get(dcg_jobs_store(w.jobs), 1, &row, NULL))
			submit(&w, BODY);
		else
			dcg_job_row_done(&row);
		for (int64_t first = newest_checkpoint(); progress && newest_checkpoint() == first && !is_over(state_of(&w, 1));)
			nap_ms(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

START_TEST(test_kill)
{
	unsigned seed = 20260101;
	int kills = 0, at_work = 0;
	world_make(&w);
	world_make(&straight);
	for (; kills < 8; kills++) {
		int status;
		pid_t pid = spawn(kills % 2);
		nap_ms((int)(rand_r(&seed) % 120));
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
	}
	world_start(&w);
	wait_state(&w, 1, DCG_JOB_SUCCEEDED);

	world_start(&straight);
	ck_assert_int_eq(submit(&straight, BODY), 1);
	wait_state(&straight, 1, DCG_JOB_SUCCEEDED);
	check_metrics(&w, 1, STEPS);
	check_events(&w, 1, STEPS, NULL);
	check_same_tensors(&straight, 1, &w, 1, STEPS);
	int64_t a[256], b[256];
	for (int kind = 0; kind < 2; kind++) {
		size_t n = count_files(&straight, kind, 1, a, 256), m = count_files(&w, kind, 1, b, 256);
		ck_assert_uint_eq(n, m);
		ck_assert_int_eq(memcmp(a, b, n * sizeof *a), 0);
	}
	/* It was really at work when it was killed. */
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	ok(dcg_store_events(dcg_jobs_store(w.jobs), 1, 0, 1000000, &rows, &count, &oldest, &newest, &err));
	for (size_t i = 0; i < count; i++)
		at_work += strcmp(rows[i].type, "state") == 0 && strstr(rows[i].data_json, "\"state\":\"queued\",\"previous\":\"") != NULL;
	dcg_store_events_free(rows, count);
	ck_assert_msg(at_work >= 3, "only %d of %d kills met the job at work", at_work, kills);
	world_done(&w);
	world_done(&straight);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kill");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_kill);
	suite_add_tcase(s, t);
	return tap_run(s);
}
