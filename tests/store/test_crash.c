/* kill -9, disks that fill up and fail, memory that runs out. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/rng.h"
#include "tests/store/faults.h"
#include "tests/store/folder.h"

/* What transaction i does, in one piece: an event that says i, the job's step i, a point at
 * step i, and every tenth a checkpoint. */
static int transaction(struct dcg_store *s, int64_t i, struct dcg_error *e)
{
	struct dcg_store_tx *tx;
	struct dcg_job_row job;
	char text[32];
	int64_t id;
	int r = dcg_store_job_get(s, 1, &job, e);
	if (r)
		return r;
	r = dcg_store_begin(s, i % 2 == 0, &tx, e);
	if (!r) {
		struct dcg_metric_row m = { .step = i };
		struct dcg_file_row f = { .job = 1, .step = i, .name = "x", .sha256 = "y", .score = NAN };
		job.step = i;
		snprintf(text, sizeof text, "%lld", (long long)i);
		dcg_store_job_update(tx, &job, DCG_JOB_QUEUED);
		dcg_store_event_append(tx, 1, "metric", text, &id);
		dcg_store_metrics_append(tx, 1, &m, 1);
		if (i % 10 == 0)
			dcg_store_file_insert(tx, DCG_FILE_CHECKPOINT, &f, &id);
		r = dcg_store_commit(tx, e);
	}
	dcg_job_row_done(&job);
	return r;
}

/* Is what the store holds a prefix of the transactions, at least to `acknowledged` ? Returns
 * the last. */
static int64_t check_prefix(struct dcg_store *s, int64_t acknowledged)
{
	struct dcg_job_row job;
	struct dcg_event_row *events;
	struct dcg_metric_bucket *b;
	struct dcg_file_row *files;
	size_t n;
	int64_t oldest, newest, total;
	ok(dcg_store_job_get(s, 1, &job, &err));
	ck_assert_int_ge(job.step, acknowledged);
	ok(dcg_store_events(s, 0, 0, 1000000, &events, &n, &oldest, &newest, &err));
	ck_assert_int_eq((int64_t)n, job.step);
	ck_assert_int_eq(newest, job.step);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(events[i].seq, (int64_t)i + 1);
		ck_assert_int_eq(atoll(events[i].data_json), (int64_t)i + 1);
	}
	dcg_store_events_free(events, n);
	ok(dcg_store_metrics_read(s, 1, DCG_SERIES_LOSS_D, 0, INT64_MAX, 3, &b, &n, &total, &err));
	ck_assert_int_eq(total, job.step);
	ck_assert(total == 0 || b[n - 1].last_step == job.step);
	free(b);
	ok(dcg_store_files(s, DCG_FILE_CHECKPOINT, 1, -1, 1000000, NULL, &files, &n, &err));
	ck_assert_int_eq((int64_t)n, job.step / 10);
	free(files);
	dcg_job_row_done(&job);
	return job.step;
}

START_TEST(killed_at_random)
{
	enum { ROUNDS = 20 };
	struct dcg_rng rng;
	int64_t last = 0, total_acknowledged = 0;
	dcg_rng_init(&rng, (uint64_t)dcg_store_now_ms(), 0);
	add_job("a", "d", 0, 1);
	dcg_store_close(store);
	for (int round = 0; round < ROUNDS; round++) {
		int acks[2];
		ck_assert_int_eq(pipe(acks), 0);
		pid_t child = fork();
		if (child == 0) {
			close(acks[0]);
			if (dcg_store_open(&store, folder, NULL))
				_exit(1);
			for (int64_t i = last + 1; transaction(store, i, NULL) == 0; i++)
				if (write(acks[1], &i, sizeof i) != sizeof i)
					break;
			_exit(1);
		}
		close(acks[1]);
		int64_t acknowledged = 0, i, until = dcg_store_now_ms() + 10 + dcg_rng_below(&rng, 120);
		while (dcg_store_now_ms() < until) {
			if (read(acks[0], &i, sizeof i) != sizeof i)
				break;
			acknowledged = i;
		}
		kill(child, SIGKILL);
		while (read(acks[0], &i, sizeof i) == sizeof i)
			acknowledged = i;
		int status;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		close(acks[0]);
		if (round % 2) /* as the daemon finds it; else SQLite itself looks first */
			check_integrity(database);
		ok(dcg_store_open(&store, folder, &err));
		int64_t found = check_prefix(store, acknowledged > last ? acknowledged : last);
		ck_assert_int_le(found, (acknowledged > last ? acknowledged : last) + 1);
		total_acknowledged += acknowledged > last ? acknowledged - last : 0;
		last = found;
		dcg_store_close(store);
		check_integrity(database);
	}
	printf("# %d kills, %lld transactions acknowledged, %lld found\n", ROUNDS, (long long)total_acknowledged, (long long)last);
	ck_assert_int_gt(last, ROUNDS);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

/* A small life: open, write, read, close, with the fault set before. Returns the last
 * transaction acknowledged. */
static int64_t life(int *ret_first_error)
{
	struct dcg_store *s = NULL;
	struct dcg_store_tx *tx;
	char name[] = "a";
	int64_t acknowledged = 0, id;
	int r = dcg_store_open(&s, folder, &err);
	*ret_first_error = r;
	if (r)
		return 0;
	struct dcg_job_row job;
	r = dcg_store_job_get(s, 1, &job, &err);
	if (r == 0) {
		acknowledged = job.step;
		dcg_job_row_done(&job);
	} else if (r == DCG_ENOENT) {
		job = (struct dcg_job_row){ .name = name, .dataset = name, .params_json = name };
		r = dcg_store_begin(s, 1, &tx, &err);
		if (!r) {
			dcg_store_job_insert(tx, &job, &id);
			r = dcg_store_commit(tx, &err);
		}
	}
	*ret_first_error = r;
	for (int tries = 0; tries < 11; tries++) {
		r = transaction(s, acknowledged + 1, &err);
		if (!r)
			acknowledged++;
		else if (!*ret_first_error)
			*ret_first_error = r;
	}
	dcg_store_close(s);
	return acknowledged;
}

/* Each write, truncation and sync of a life fails: once, or from then on. After it the
 * file opens, whole, with everything acknowledged. */
static void every_call_fails(int error, int forever, int syncs, int expected)
{
	int n = 0, errors = 0, failed;
	dcg_store_close(store);
	for (;;) {
		folder_remove();
		folder_make();
		memset(&fault, 0, sizeof fault);
		fault.first = ++n, fault.forever = forever, fault.error = error, fault.syncs = syncs;
		int64_t acknowledged = life(&failed);
		int hits = fault.hits;
		fault.first = 0;
		if (failed) {
			ck_assert_msg(failed == expected, "call %d: %s: %s", n, dcg_errname(failed), err.text);
			errors++;
		}
		ok(dcg_store_open(&store, folder, &err));
		struct dcg_job_row job;
		int r = dcg_store_job_get(store, 1, &job, &err);
		if (r == 0) {
			dcg_job_row_done(&job);
			/* A commit whose sync failed may have happened or not. */
			ck_assert_int_le(check_prefix(store, acknowledged), acknowledged + 1);
		} else {
			ck_assert_int_eq(acknowledged, 0);
		}
		dcg_store_close(store);
		check_integrity(database);
		if (!hits)
			break;
	}
	printf("# %d calls failed %s, %d lives saw it\n", n - 1, forever ? "for good" : "once", errors);
	ck_assert_int_gt(n, syncs ? 8 : 60);
	ck_assert_int_gt(errors, syncs ? 5 : 40);
	ok(dcg_store_open(&store, folder, &err));
}

START_TEST(every_io_call_fails)
{
	switch (_i) {
	case 0: every_call_fails(EIO, 0, 0, DCG_EIO); break;
	case 1: every_call_fails(ENOSPC, 1, 0, DCG_ENOSPC); break;
	case 2: every_call_fails(EIO, 0, 1, DCG_EIO); break;
	}
}
END_TEST

START_TEST(failed_sync_is_final)
{
	add_job("a", "d", 0, 1);
	for (int64_t i = 1; i <= 5; i++)
		ok(transaction(store, i, &err));
	fault.first = 1, fault.syncs = 1, fault.error = EIO;
	fails(transaction(store, 6, &err), DCG_EIO);
	ck_assert_int_eq(fault.hits, 1);
	fault.first = 0;
	/* The next sync would succeed, and prove nothing. */
	fails(transaction(store, 6, &err), DCG_EIO);
	says("sync");
	says("restart");
	struct dcg_job_row job;
	ok(dcg_store_job_get(store, 1, &job, &err)); /* reading goes on */
	ck_assert_int_eq(job.step, 5);
	dcg_job_row_done(&job);
	reopen();
	int64_t last = check_prefix(store, 5);
	ok(transaction(store, last + 1, &err));
}
END_TEST

static void limit_size(rlim_t size)
{
	struct rlimit l;
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

START_TEST(full_disk_then_room_again)
{
	signal(SIGXFSZ, SIG_IGN);
	add_job("a", "d", 0, 1);
	int64_t i = 0, failed = 0;
	for (int round = 0; round < 5; round++) {
		limit_size((rlim_t)(round + 1) * 200000);
		int r;
		while ((r = transaction(store, i + 1, &err)) == 0)
			i++;
		fails(r, DCG_ENOSPC);
		says("disk is full");
		for (int again = 0; again < 3; again++, failed++)
			fails(transaction(store, i + 1, &err), DCG_ENOSPC);
		ck_assert_int_eq(check_prefix(store, i), i); /* reading goes on */
		limit_size(RLIM_INFINITY);
		for (int more = 0; more < 20; more++, i++) /* and so does writing, when there is room */
			ok(transaction(store, i + 1, &err));
	}
	ck_assert_int_eq(check_prefix(store, i), i);
	reopen();
	ck_assert_int_eq(check_prefix(store, i), i);
	dcg_store_close(store);
	check_integrity(database);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

/* SQLite's own allocations. */
static sqlite3_mem_methods plain;
static int allocations, allocation_to_fail;

static int no_memory(void)
{
	return allocation_to_fail && ++allocations == allocation_to_fail;
}

static void *failing_malloc(int size)
{
	return no_memory() ? NULL : plain.xMalloc(size);
}

static void *failing_realloc(void *p, int size)
{
	return no_memory() ? NULL : plain.xRealloc(p, size);
}

START_TEST(every_allocation_of_sqlite_fails)
{
	dcg_store_close(store);
	sqlite3_shutdown();
	sqlite3_mem_methods m;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain), SQLITE_OK);
	m = plain;
	m.xMalloc = failing_malloc, m.xRealloc = failing_realloc;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &m), SQLITE_OK);
	ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
	int lives = 0, failed, errors = 0;
	for (int n = 1;; n += 1 + n / 30, lives++) { /* thousands: all of the first, then fewer */
		folder_remove();
		folder_make();
		allocations = 0, allocation_to_fail = n;
		int64_t acknowledged = life(&failed);
		int hit = allocations >= n;
		allocation_to_fail = 0;
		if (failed)
			ck_assert_msg(failed == DCG_ENOMEM, "allocation %d: %s: %s", n, dcg_errname(failed), err.text);
		errors += failed != 0;
		ok(dcg_store_open(&store, folder, &err));
		struct dcg_job_row job;
		if (dcg_store_job_get(store, 1, &job, &err) == 0) {
			dcg_job_row_done(&job);
			ck_assert_int_eq(check_prefix(store, acknowledged), acknowledged);
		} else {
			ck_assert_int_eq(acknowledged, 0);
		}
		dcg_store_close(store);
		if (!hit)
			break;
	}
	printf("# %d allocations failed, %d lives saw it\n", lives, errors);
	ck_assert_int_gt(errors, 100);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: crashes", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, killed_at_random);
	tcase_add_loop_test(c, every_io_call_fails, 0, 3);
	tcase_add_test(c, failed_sync_is_final);
	tcase_add_test(c, full_disk_then_room_again);
	tcase_add_test(c, every_allocation_of_sqlite_fails);
	return tap_run(s);
}
