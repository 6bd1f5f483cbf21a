/* A full disk, in earnest: a small file system of our own, which takes root to mount. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "tests/jobs/world.h"

enum { MIB = 1 << 20, DISK = 48 * MIB };

/* Its checkpoints take some megabytes. */
#define BIG "\"dataset\":\"tiny\",\"size\":16,\"ngf\":96,\"ndf\":96,\"z_dim\":8,\"batch_size\":2,\"threads\":1,\"kernel\":\"openblas\",\"sample_count\":1,\"checkpoint_minutes\":0,\"swd_images\":0"

/* Some milliseconds a step, one step an epoch: still at work when the disk is looked at. */
#define SLOW "\"dataset\":\"tiny\",\"size\":16,\"ngf\":16,\"ndf\":16,\"z_dim\":8,\"batch_size\":64,\"threads\":1,\"kernel\":\"openblas\",\"sample_count\":1,\"checkpoint_minutes\":0,\"swd_images\":0"
enum { SLOW_STEPS = 1500 };

static struct world w;
static char filler[300];

/* In a namespace of this process, so that the mount ends with it. */
static int may_mount(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void setup(void)
{
	char options[64];
	ck_assert(may_mount());
	world_make(&w);
	ok(dcg_file_make_folder(w.state, &err));
	snprintf(options, sizeof options, "size=%d", DISK);
	ck_assert_msg(mount("none", w.state, "tmpfs", 0, options) == 0, "mount: %s", strerror(errno));
	snprintf(filler, sizeof filler, "%s/filler", w.state);
}

static void teardown(void)
{
	world_close(&w);
	ck_assert_int_eq(umount2(w.state, MNT_DETACH), 0);
	world_done(&w);
}

static void open_with_reserve(int64_t reserve, int start)
{
	const char *roots[] = { w.data, NULL };
	struct dcg_jobs_config cfg = { .state_folder = w.state, .dataset_roots = roots, .disk_reserve = reserve };
	struct dcg_dataset_row row;
	ok(dcg_jobs_new(&w.jobs, &cfg, &err));
	if (dcg_store_dataset_get(dcg_jobs_store(w.jobs), "tiny", &row, NULL))
		ck_assert_int_eq(post_dataset(&w, "{\"name\":\"tiny\",\"path\":\"tiny\"}"), 0);
	else
		dcg_dataset_row_done(&row);
	if (start)
		ok(dcg_jobs_start(w.jobs, &err));
}

static int64_t free_bytes(void)
{
	struct statvfs s;
	ck_assert_int_eq(statvfs(w.state, &s), 0);
	return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

/* Somebody else takes all but so many bytes. */
static void fill(int64_t leave)
{
	int fd = open(filler, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	int64_t take = free_bytes() - leave;
	ck_assert_int_gt(take, 0);
	ck_assert_int_eq(posix_fallocate(fd, 0, take), 0);
	close(fd);
}

static void make_room(void)
{
	ck_assert_int_eq(unlink(filler), 0);
}

/* Paused, and by the daemon: with its reason. */
static void wait_paused(int64_t id)
{
	wait_state(&w, id, DCG_JOB_PAUSED);
	struct dcg_job_row row = get(&w, id);
	ck_assert_ptr_nonnull(row.error);
	ck_assert_msg(strncmp(row.error, "disk full: ", 11) == 0, "%s", row.error);
	dcg_job_row_done(&row);
}

static int64_t step_of(int64_t id)
{
	struct dcg_job_row row = get(&w, id);
	int64_t step = row.step;
	dcg_job_row_done(&row);
	return step;
}

/* The newest state event of a job says this. */
static void check_told(int64_t id, const char *state, const char *error)
{
	struct dcg_event_row *rows;
	size_t count, at;
	int64_t oldest, newest;
	ok(dcg_store_events(dcg_jobs_store(w.jobs), id, 0, 100000, &rows, &count, &oldest, &newest, &err));
	for (at = count; at > 0 && strcmp(rows[at - 1].type, "state") != 0; at--)
		;
	ck_assert_uint_gt(at, 0);
	cJSON *o = cJSON_Parse(rows[at - 1].data_json);
	ck_assert_str_eq(json_text(o, "state"), state);
	ck_assert_msg(strncmp(json_text(o, "error"), error, strlen(error)) == 0, "%s", json_text(o, "error"));
	cJSON_Delete(o);
	dcg_store_events_free(rows, count);
}

/* Below the reserve the job waits in memory, nothing new is taken, and all goes on by itself. */
START_TEST(test_reserve)
{
	char status[300];
	int64_t other;
	int rewinds;
	open_with_reserve(16 * MIB, 1);
	int64_t id = submit(&w, "{" SLOW ",\"epochs\":1500,\"sample_every\":0,\"checkpoint_every\":0}");
	wait_step(&w, id, 0);
	fill(8 * MIB);
	wait_paused(id);
	check_told(id, "paused", "disk full: ");
	int64_t step = step_of(id);
	nap_ms(600);
	ck_assert_int_eq(step_of(id), step);
	ck_assert_int_eq(post_job(&w, LONG, &other), DCG_ENOSPC);
	ck_assert_int_eq(inv.code, DCG_ENOSPC);
	ck_assert_msg(strstr(inv.text, w.folder) == NULL, "a path of the server: %s", inv.text);
	dcg_jobs_status(w.jobs, status, sizeof status);
	ck_assert_ptr_nonnull(strstr(status, "waiting for room"));
	fails(dcg_jobs_delete(w.jobs, id, 0, &err), DCG_ESTATE);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_RESUME, 0, &err)); /* is no error, and makes no room */
	make_room();
	wait_state(&w, id, DCG_JOB_RUNNING);
	check_told(id, "running", "");
	other = submit(&w, "{" TINY ",\"epochs\":1}");
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	wait_state(&w, other, DCG_JOB_SUCCEEDED);
	/* Every step once: it was never anywhere but in memory. */
	check_metrics(&w, id, SLOW_STEPS);
	check_events(&w, id, SLOW_STEPS, &rewinds);
	ck_assert_int_eq(rewinds, 0);
}
END_TEST

/* A checkpoint finds no room although more than the reserve is free: the job waits for more than
 * there was, and then makes up for it. */
START_TEST(test_checkpoint_without_room)
{
	struct dcg_file_row file;
	open_with_reserve(-1, 1);
	int64_t id = submit(&w, "{" BIG ",\"epochs\":1000000,\"sample_every\":0,\"checkpoint_every\":0,\"keep_last\":5}");
	wait_step(&w, id, 0);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CHECKPOINT, 0, &err));
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 1);
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &file, &err));
	ck_assert_int_gt(file.size, 3 * MIB);
	fill(file.size - MIB);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CHECKPOINT, 0, &err));
	wait_paused(id);
	nap_ms(1200); /* it looks for room every second: what there is was not enough */
	wait_paused(id);
	ck_assert_uint_eq(count_files(&w, DCG_FILE_CHECKPOINT, id, NULL, 0), 1);
	make_room();
	wait_state(&w, id, DCG_JOB_RUNNING);
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 2);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CANCEL, 0, &err));
	wait_state(&w, id, DCG_JOB_CANCELLED);
}
END_TEST

/* What people say while it waits holds: pause keeps it paused, cancel ends it. */
START_TEST(test_asked_while_waiting)
{
	static const enum dcg_job_action actions[] = { DCG_ACTION_PAUSE, DCG_ACTION_CANCEL };
	static const enum dcg_job_state states[] = { DCG_JOB_PAUSED, DCG_JOB_CANCELLED };
	open_with_reserve(16 * MIB, 1);
	int64_t id = submit(&w, LONG);
	wait_step(&w, id, 0);
	fill(8 * MIB);
	wait_paused(id);
	ok(dcg_jobs_act(w.jobs, id, actions[_i], 0, &err));
	for (double end = now_s() + 60;; nap_ms(5)) {
		struct dcg_job_row row = get(&w, id);
		int done = row.state == states[_i] && !row.error;
		dcg_job_row_done(&row);
		if (done)
			break;
		ck_assert(now_s() < end);
	}
	make_room();
	nap_ms(1200);
	ck_assert_int_eq(state_of(&w, id), states[_i]);
	if (actions[_i] == DCG_ACTION_PAUSE) {
		int64_t step = step_of(id);
		ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_RESUME, 0, &err));
		wait_step(&w, id, step);
	}
}
END_TEST

/* The daemon ends and begins again while it waits: the queue waits too. */
START_TEST(test_restart_while_waiting)
{
	open_with_reserve(16 * MIB, 1);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":1000,\"sample_every\":0,\"checkpoint_every\":0}");
	wait_step(&w, id, 0);
	fill(8 * MIB);
	wait_paused(id);
	dcg_jobs_stop(w.jobs, 1);
	world_close(&w);
	open_with_reserve(16 * MIB, 1);
	nap_ms(300);
	ck_assert_int_eq(state_of(&w, id), DCG_JOB_QUEUED);
	make_room();
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 1000 * STEPS_PER_EPOCH);
	check_events(&w, id, 1000 * STEPS_PER_EPOCH, NULL);
}
END_TEST

/* The checkpoint that a job ends with finds no room: it is not over, and not failed. What it has
 * trained waits in memory, so that no step is trained twice. */
START_TEST(test_last_checkpoint_without_room)
{
	int rewinds;
	open_with_reserve(-1, 0);
	int64_t id = submit(&w, "{" BIG ",\"epochs\":1000,\"max_steps\":20,\"sample_every\":0,\"checkpoint_every\":0}");
	fill(3 * MIB);
	ok(dcg_jobs_start(w.jobs, &err));
	wait_paused(id);
	check_told(id, "paused", "disk full: ");
	ck_assert_int_eq(step_of(id), 20);
	nap_ms(1200); /* it looks for room every second */
	wait_paused(id);
	ck_assert_int_eq(step_of(id), 20);
	make_room();
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 20);
	check_events(&w, id, 20, &rewinds);
	ck_assert_int_eq(rewinds, 0);
}
END_TEST

/* The daemon ends while such a job waits: then it goes on from the checkpoint that there is, and
 * trains nothing again that lies before it. */
START_TEST(test_end_while_the_last_checkpoint_waits)
{
	struct dcg_event_row *rows;
	struct dcg_file_row file;
	size_t count;
	int64_t oldest, newest, again = 0;
	int rewinds, quick = _i;
	open_with_reserve(-1, 1);
	int64_t id = submit(&w, "{" BIG ",\"epochs\":1000,\"max_steps\":400,\"sample_every\":0,\"checkpoint_every\":0,\"keep_last\":9}");
	wait_step(&w, id, 0);
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CHECKPOINT, 0, &err));
	wait_files(&w, DCG_FILE_CHECKPOINT, id, 1);
	ok(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &file, &err));
	ck_assert_int_lt(file.step, 400);
	fill(3 * MIB);
	wait_paused(id);
	ck_assert_int_eq(step_of(id), 400);
	dcg_jobs_stop(w.jobs, quick);
	world_close(&w);
	make_room();
	open_with_reserve(-1, 1);
	wait_state(&w, id, DCG_JOB_SUCCEEDED);
	check_metrics(&w, id, 400);
	check_events(&w, id, 400, &rewinds);
	ck_assert_int_eq(rewinds, 1);
	ok(dcg_store_events(dcg_jobs_store(w.jobs), id, 0, 100000, &rows, &count, &oldest, &newest, &err));
	for (size_t i = 0; i < count; i++) {
		cJSON *o = cJSON_Parse(rows[i].data_json);
		double to = strcmp(rows[i].type, "state") == 0 ? json_number(o, "rewound_to") : NAN;
		again += (int64_t)to == file.step && !isnan(to);
		cJSON_Delete(o);
	}
	dcg_store_events_free(rows, count);
	ck_assert_int_eq(again, 1);
}
END_TEST

int main(void)
{
	int skip = 0;
	pid_t child = fork();
	if (child == 0)
		_exit(!may_mount() || mount("none", "/tmp", "tmpfs", 0, "size=65536"));
	if (child < 0 || waitpid(child, &skip, 0) != child || skip) {
		printf("1..0 # SKIP a file system of our own cannot be mounted: that takes root (CAP_SYS_ADMIN)\n");
		return 0;
	}
	Suite *s = suite_create("room on the disk");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_reserve);
	tcase_add_test(t, test_checkpoint_without_room);
	tcase_add_loop_test(t, test_asked_while_waiting, 0, 2);
	tcase_add_test(t, test_restart_while_waiting);
	tcase_add_test(t, test_last_checkpoint_without_room);
	tcase_add_loop_test(t, test_end_while_the_last_checkpoint_waits, 0, 2);
	suite_add_tcase(s, t);
	return tap_run(s);
}
