/* When no more files can be opened: nothing is taken for lost, and jobs wait. */
#include <sys/resource.h>

#include "tests/jobs/world.h"

enum { EPOCHS = 160, STEPS = EPOCHS * STEPS_PER_EPOCH };
#define BODY "{" TINY ",\"epochs\":160,\"checkpoint_every\":20,\"sample_every\":80,\"keep_last\":100}"

static struct world w;
static struct rlimit before;

static void setup(void)
{
	world_make(&w);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
}

static void teardown(void)
{
	world_done(&w);
}

/* So many more than are open now. */
static void allow(int files)
{
	int fd = dup(0);
	ck_assert_int_ge(fd, 0);
	close(fd);
	struct rlimit l = { (rlim_t)(fd + files), before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
}

static void allow_all(void)
{
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* The worker, before its first job, compares the rows of those that have ended with their files. */
START_TEST(test_not_lost)
{
	uint64_t seen = 0, last;
	int moving;
	world_start(&w);
	int64_t id = submit(&w, BODY);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	size_t checkpoints = count_files(&w, DCG_FILE_CHECKPOINT, id, NULL, 0), samples = count_files(&w, DCG_FILE_SAMPLE, id, NULL, 0);
	ck_assert(checkpoints && samples);
	world_close(&w);
	world_open(&w);
	allow(0);
	int r = dcg_jobs_start(w.jobs, &err);
	do { /* until it is idle: it counts as moving, and has not moved */
		nap_ms(3);
		last = seen;
		moving = dcg_jobs_moving(w.jobs, &seen);
	} while (!r && (!moving || seen != last));
	allow_all();
	ok(r);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, NULL, 0), checkpoints);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_SAMPLE, id, NULL, 0), samples);
}
END_TEST

/* A job that is to go on waits, wherever in its start it finds that it cannot, and then goes on from
 * its newest checkpoint. */
START_TEST(test_start_waits)
{
	int rewinds;
	world_start(&w);
	int64_t id = submit(&w, BODY);
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 2);
	dcg_jobs_stop(w.jobs, 0);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_QUEUED);
	world_close(&w);
	world_open(&w);
	allow(_i);
	int r = dcg_jobs_start(w.jobs, &err);
	wait_state(&w, id, DCG_JOB_PAUSED);
	struct dcg_job_row row = get(&w, id);
	int told = row.error && strncmp(row.error, "too many files are open", 23) == 0;
	dcg_job_row_done(&row);
	allow_all();
	ok(r);
	ck_assert(told);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, STEPS);
	check_events(&w, id, STEPS, &rewinds);
	ck_assert_int_eq(rewinds, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("files that cannot be opened");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_not_lost);
	tcase_add_loop_test(t, test_start_waits, 0, 2);
	suite_add_tcase(s, t);
	return tap_run(s);
}
