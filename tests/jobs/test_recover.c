/* Ends of the daemon, damaged files, and what the next start makes of them. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/jobs/world.h"

enum { EPOCHS = 160, STEPS = EPOCHS * STEPS_PER_EPOCH };
#define BODY "{" TINY ",\"epochs\":160,\"checkpoint_every\":20,\"sample_every\":80,\"keep_last\":100}"

static struct world w, straight;

static void setup(void)
{
	world_make(&w);
}

static void teardown(void)
{
	world_done(&w);
}

/* The same job, undisturbed, in a world of its own. */
static void run_straight(void)
{
	world_make(&straight);
	world_start(&straight);
	int64_t id = submit(&straight, BODY);
	ck_assert_int_eq(id, 1);
	wait_state(&straight, id, DCG_JOB_SUCCEEDED);
}

static void check_against_straight(int64_t id)
{
	check_metrics(&w, id, STEPS);
	check_same_tensors(&straight, 1, &w, id, STEPS);
	int64_t a[128], b[128];
	size_t n = count_files(&straight, DCG_FILE_SAMPLE, 1, a, 128), m = count_files(&w, DCG_FILE_SAMPLE, id, b, 128);
	ck_assert_uint_eq(n, m);
	ck_assert_int_eq(memcmp(a, b, n * sizeof *a), 0);
	world_done(&straight);
}

static void logged(int64_t id, const char *text)
{
	struct dcg_log_row *rows;
	size_t n, found = 0;
	ok(dcg_store_log(dcg_jobs_store(w.jobs), id, 0, 1000, NULL, &rows, &n, &err));
	for (size_t i = 0; i < n; i++)
		found += strstr(rows[i].text, text) != NULL;
	dcg_store_log_free(rows, n);
	ck_assert_msg(found > 0, "\"%s\" is not in the log", text);
}

/* Stop, and go on in another manager: quick without a checkpoint of the last step. */
START_TEST(test_restart)
{
	int quick = _i & 1;
	run_straight();
	world_start(&w);
	int64_t id = submit(&w, BODY);
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 2);
	dcg_jobs_stop(w.jobs, quick);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_QUEUED);
	struct dcg_file_row newest;
	struct dcg_job_row row = get(&w, id);
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &newest, &err));
	ck_assert_int_lt(row.step, STEPS);
	ck_assert_int_ge(row.step, newest.step);
	if (!quick)
		ck_assert_int_eq(row.step, newest.step);
	ck_assert_int_lt(row.queue_ms, 0);
	dcg_job_row_done(&row);
	/* What came in between waits behind it. */
	int64_t later = submit(&w, "{" TINY ",\"epochs\":1}");
	world_close(&w);
	world_start(&w);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	wait_state(&w, later, DCG_JOB_SUCCEEDED);
	int rewinds;
	check_events(&w, id, STEPS, &rewinds);
	ck_assert_int_le(rewinds, quick);
	check_against_straight(id);
}
END_TEST

START_TEST(test_stop_and_start_again)
{
	world_start(&w);
	int64_t id = submit(&w, BODY);
	wait_state(&w, id, DCG_JOB_RUNNING);
	for (int i = 0; i < 3 && state_of(&w, id) != DCG_JOB_SUCCEEDED; i++) {
		dcg_jobs_stop(w.jobs, 0);
		dcg_jobs_stop(w.jobs, 1);
		ck_assert_int_ne(state_of(&w, id), DCG_JOB_RUNNING);
		ok(dcg_jobs_start(w.jobs, &err));
		nap_ms(10);
	}
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, STEPS);
	check_events(&w, id, STEPS, NULL);
}
END_TEST

static char *checkpoint_path(int64_t id, int64_t step)
{
	struct dcg_file_row row;
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_BY_STEP, step, &row, &err));
	return dcg_jobs_file_path(w.jobs, DCG_FILE_CHECKPOINT, &row);
}

static void flip_a_bit(const char *path)
{
	FILE *f = fopen(path, "r+b");
	ck_assert_ptr_nonnull(f);
	fseek(f, -100, SEEK_END);
	int c = fgetc(f);
	fseek(f, -100, SEEK_END);
	fputc(c ^ 4, f);
	fclose(f);
}

enum damage { BIT, CUT, GONE, ALL };

START_TEST(test_damaged_checkpoint)
{
	run_straight();
	world_start(&w);
	int64_t id = submit(&w, BODY), steps[128];
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 3);
	dcg_jobs_stop(w.jobs, 0);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_QUEUED);
	size_t n = count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 128);
	ck_assert_uint_ge(n, 3);
	for (size_t i = _i == ALL ? 0 : n - 1; i < n; i++) {
		char *path = checkpoint_path(id, steps[i]);
		if (_i == BIT || _i == ALL)
			flip_a_bit(path);
		else if (_i == CUT)
			ck_assert_int_eq(truncate(path, 1000), 0);
		else
			ck_assert_int_eq(unlink(path), 0);
		free(path);
	}
	world_close(&w);
	world_start(&w);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	logged(id, _i == BIT || _i == ALL ? "damaged: expected sha256" : "is lost");
	int rewinds;
	check_events(&w, id, STEPS, &rewinds);
	ck_assert_int_eq(rewinds, 1);
	check_against_straight(id);
}
END_TEST

static void touch(char ret[700], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void touch(char ret[700], const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(ret, 700, "%s/", w.state);
	va_start(ap, fmt);
	vsnprintf(ret + n, 700 - (size_t)n, fmt, ap);
	va_end(ap);
	char *slash = strrchr(ret, '/');
	*slash = '\0';
	ok(dcg_file_make_folder(ret, &err));
	*slash = '/';
	ok(dcg_file_write_atomic(ret, "x", 1, &err));
}

START_TEST(test_strays)
{
	char stray[11][700], kept[5][700];
	int64_t steps[8];
	world_start(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":2}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	world_close(&w);

	touch(stray[0], "jobs/%lld/samples/.step-0000000001.png.Ab3dEf.tmp", (long long)id);
	touch(stray[1], "jobs/%lld/checkpoints/.step-0000000001.safetensors.Ab3dEf.tmp", (long long)id);
	touch(stray[2], "jobs/%lld/samples/step-0000000001.png", (long long)id);
	touch(stray[3], "jobs/%lld/checkpoints/step-0000000001.safetensors", (long long)id);
	touch(stray[4], "jobs/999/samples/step-0000000001.png");
	touch(stray[5], "jobs/999/checkpoints/step-0000000001.safetensors");
	touch(stray[6], "datasets/.tiny-16-1.data.Ab3dEf.tmp");
	touch(stray[7], "datasets/unknown-16-1.data");
	touch(stray[8], "datasets/tiny-16-16-1.data");
	touch(stray[9], "jobs/998/samples/.step-0000000001.png.Ab3dEf.tmp");
	touch(stray[10], ".session.key.Ab3dEf.tmp");
	touch(kept[0], "jobs/%lld/samples/notes.txt", (long long)id);
	touch(kept[1], "jobs/%lld/samples/step-1.png.bak", (long long)id);
	touch(kept[2], "jobs/other/step-0000000001.png");
	touch(kept[3], "datasets/readme");
	snprintf(kept[4], sizeof kept[4], "%s/datasets/tiny-16-1.data", w.state);

	/* The job has ended: its folders are looked at when everything is up. */
	world_start(&w);
	for (int i = 0; i < 11; i++) {
		for (double end = now_s() + 60; i < 4 && access(stray[i], F_OK) == 0 && now_s() < end;)
			nap_ms(3);
		ck_assert_msg(access(stray[i], F_OK) != 0, "%s is still there", stray[i]);
	}
	for (int i = 0; i < 5; i++)
		ck_assert_msg(access(kept[i], F_OK) == 0, "%s is gone", kept[i]);
	*strstr(stray[4], "/samples") = '\0';
	ck_assert_msg(access(stray[4], F_OK) != 0, "%s is still there", stray[4]);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_SAMPLE, id, steps, 8), 3);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, steps, 8), 2);

	/* Rows without their file go, and the log says so. */
	struct dcg_file_row row;
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_SAMPLE, id, DCG_BY_EPOCH, 1, &row, &err));
	char *path = dcg_jobs_file_path(w.jobs, DCG_FILE_SAMPLE, &row);
	ck_assert_int_eq(unlink(path), 0);
	free(path);
	world_close(&w);
	world_start(&w);
	for (double end = now_s() + 60; !dcg_store_file_get(dcg_jobs_store(w.jobs), DCG_FILE_SAMPLE, row.id, &row, NULL) && now_s() < end;)
		nap_ms(3);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_SAMPLE, id, steps, 8), 2);
	logged(id, "the sample of step 8 is lost");
}
END_TEST

START_TEST(test_only_one)
{
	struct dcg_jobs *second = NULL;
	world_open(&w);
	struct dcg_jobs_config cfg = { .state_folder = w.state };
	fails(dcg_jobs_new(&second, &cfg, &err), DCG_EBUSY);
	ck_assert_ptr_null(second);
	cfg.state_folder = "/dev/null/x";
	ck_assert_int_lt(dcg_jobs_new(&second, &cfg, &err), 0);
	ck_assert_ptr_null(second);
}
END_TEST

/* Told to stop while the pictures are prepared: at once, and nothing half made stays. */
START_TEST(test_stop_while_preparing)
{
	char path[512];
	world_open(&w);
	snprintf(path, sizeof path, "%s/big", w.data);
	ok(dcg_file_make_folder(path, &err));
	write_idx(path, 20000, 64);
	ck_assert_int_eq(post_dataset(&w, "{\"name\":\"big\",\"path\":\"big\"}"), 0);
	int64_t id = submit(&w, "{\"dataset\":\"big\",\"size\":64,\"ngf\":2,\"ndf\":2,\"threads\":1}");
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, id, DCG_JOB_PREPARING);
	dcg_jobs_stop(w.jobs, 0);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_QUEUED);
	/* The same by a pause, and by a cancel of what is paused so. */
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, id, DCG_JOB_PREPARING);
	fails(dcg_jobs_act(w.jobs, id, DCG_ACTION_SAMPLE, 0, &err), DCG_ESTATE);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_PAUSE, 0, &err));
	wait_state(&w, id, DCG_JOB_PAUSED);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CANCEL, 0, &err));
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_CANCELLED);
	snprintf(path, sizeof path, "%s/datasets/big-64-1.data", w.state);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* --- A full disk: files cannot grow past the size that the database's log has now --------- */

static void fill_disk(void)
{
	char path[512];
	struct stat st;
	struct rlimit l;
	signal(SIGXFSZ, SIG_IGN);
	snprintf(path, sizeof path, "%s/dcgand.db-wal", w.state);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = (rlim_t)st.st_size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void make_room(void)
{
	struct rlimit l;
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = l.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* A job that is at work when the disk becomes full; returns when that was noticed. */
static int64_t meet_full_disk(void)
{
	char status[300] = "";
	world_start(&w);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":250,\"sample_every\":0,\"checkpoint_every\":0}");
	wait_state(&w, id, DCG_JOB_RUNNING);
	wait_step(&w, id, 0);
	fill_disk();
	for (double end = now_s() + 60; !strstr(status, "cannot record: "); nap_ms(10)) {
		dcg_jobs_status(w.jobs, status, sizeof status);
		ck_assert_msg(now_s() < end, "nobody noticed: %s", status);
	}
	ck_assert_msg(strstr(status, w.folder) == NULL, "a path of the server: %s", status);
	return id;
}

START_TEST(test_full_disk)
{
	int64_t id = meet_full_disk(), other;
	/* Others are told, and reading goes on. */
	ck_assert_int_eq(post_job(&w, BODY, &other), DCG_ENOSPC);
	fails(dcg_jobs_delete(w.jobs, id, 0, &err), DCG_ESTATE);
	nap_ms(1500);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_RUNNING);
	make_room();
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 250 * STEPS_PER_EPOCH);
	check_events(&w, id, 250 * STEPS_PER_EPOCH, NULL);
	logged(id, "nothing could be recorded");
}
END_TEST

/* Stopping does not wait for room for ever; the next start goes on as after a crash. */
START_TEST(test_stop_on_full_disk)
{
	int quick = _i & 1;
	int64_t id = meet_full_disk();
	double begin = now_s();
	dcg_jobs_stop(w.jobs, quick);
	ck_assert(now_s() - begin < 20);
	make_room();
	world_close(&w);
	world_start(&w);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 250 * STEPS_PER_EPOCH);
	check_events(&w, id, 250 * STEPS_PER_EPOCH, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recovery");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_restart, 0, 2);
	tcase_add_test(t, test_stop_and_start_again);
	tcase_add_loop_test(t, test_damaged_checkpoint, BIT, ALL + 1);
	tcase_add_test(t, test_strays);
	tcase_add_test(t, test_only_one);
	tcase_add_test(t, test_stop_while_preparing);
	tcase_add_test(t, test_full_disk);
	tcase_add_loop_test(t, test_stop_on_full_disk, 0, 2);
	suite_add_tcase(s, t);
	return tap_run(s);
}
