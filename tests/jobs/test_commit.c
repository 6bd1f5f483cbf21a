/* Whoever comes when a commit failed finds the job as it was: at work until its end is recorded,
 * and not before its beginning is. */
#include <dlfcn.h>
#include <errno.h>

#include "jobs/private.h"
#include "tests/jobs/world.h"

static struct world w;

/* The worker's, until the job is over. */
static struct {
	enum dcg_job_state to;        /* the first commit of this move fails */
	enum dcg_job_action action;   /* what somebody then asks for, first of all */
	int fail, failed, result;
} next;
static _Thread_local int disk_broken;

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
int __real_dcg_job_move(struct dcg_store_tx *tx, struct dcg_job_row *row, enum dcg_job_state to, const char *error, int64_t rewound_to);
int __wrap_dcg_job_move(struct dcg_store_tx *tx, struct dcg_job_row *row, enum dcg_job_state to, const char *error, int64_t rewound_to);
int __real_dcg_store_commit(struct dcg_store_tx *tx, struct dcg_error *err);
int __wrap_dcg_store_commit(struct dcg_store_tx *tx, struct dcg_error *err);

/* SQLite's. */
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);
	if (disk_broken) {
		errno = EIO;
		return -1;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	return real(fd, data, size, offset);
}

int __wrap_dcg_job_move(struct dcg_store_tx *tx, struct dcg_job_row *row, enum dcg_job_state to, const char *error, int64_t rewound_to)
{
	next.fail = to == next.to && !next.failed;
	return __real_dcg_job_move(tx, row, to, error, rewound_to);
}

/* The lock is given back when the real one returns: what is done here comes before all that its caller does. */
int __wrap_dcg_store_commit(struct dcg_store_tx *tx, struct dcg_error *why)
{
	struct dcg_error other;
	if (!next.fail)
		return __real_dcg_store_commit(tx, why);
	next.fail = 0;
	next.failed = 1;
	disk_broken = 1;
	int r = __real_dcg_store_commit(tx, why);
	disk_broken = 0;
	next.result = r ? dcg_jobs_act(w.jobs, 1, next.action, 0, &other) : DCG_EEXIST;
	return r;
}

static void setup(void)
{
	world_make(&w);
	world_open(&w);
}

static void teardown(void)
{
	world_done(&w);
}

static void run(enum dcg_job_state to, enum dcg_job_action action, enum dcg_job_state expected)
{
	next.to = to;
	next.action = action;
	ck_assert_int_eq(submit(&w, "{" TINY ",\"epochs\":1}"), 1);
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, 1, expected);
	dcg_jobs_stop(w.jobs, 1);
	ck_assert(next.failed);
	ck_assert_int_eq(next.result, 0);
}

START_TEST(test_end)
{
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	int queued = 0;
	run(DCG_JOB_SUCCEEDED, DCG_ACTION_RESUME, DCG_JOB_SUCCEEDED);
	/* It was not queued again behind the worker's back. */
	ok(dcg_store_events(dcg_jobs_store(w.jobs), 1, 0, 1000000, &rows, &count, &oldest, &newest, &err));
	for (size_t i = 0; i < count; i++)
		queued += strstr(rows[i].data_json, "\"state\":\"queued\"") != NULL;
	dcg_store_events_free(rows, count);
	ck_assert_int_eq(queued, 1);
}
END_TEST

START_TEST(test_beginning)
{
	run(DCG_JOB_PREPARING, DCG_ACTION_CANCEL, DCG_JOB_CANCELLED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("commit");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_end);
	tcase_add_test(t, test_beginning);
	suite_add_tcase(s, t);
	return tap_run(s);
}
