/* A sync that fails: what the kernel could not write it forgets, and that must cost nothing. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "tests/store/faults.h"
#include "tests/store/folder.h"

/* As who was killed leaves it: the newest job is in the log only. Returns the job. */
static int64_t leave_a_log(void)
{
	int result[2], status;
	int64_t id = 0;
	dcg_store_close(store);
	store = NULL;
	ck_assert_int_eq(pipe(result), 0);
	pid_t child = fork();
	if (child == 0) {
		ok(dcg_store_open(&store, folder, &err));
		id = add_job("a", "d", 0, 1);
		_exit(write(result[1], &id, sizeof id) != sizeof id);
	}
	close(result[1]);
	ck_assert_int_eq(read(result[0], &id, sizeof id), sizeof id);
	close(result[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	return id;
}

static off_t log_size(void)
{
	char wal[320];
	struct stat st;
	snprintf(wal, sizeof wal, "%s-wal", database);
	return stat(wal, &st) == 0 ? st.st_size : -1;
}

static void check_job(int64_t id)
{
	struct dcg_job_row row;
	ok(dcg_store_job_get(store, id, &row, &err));
	dcg_job_row_done(&row);
}

/* The log may have holes on disk that do not show before the power fails. */
START_TEST(opening_brings_the_log_home)
{
	int64_t id = leave_a_log();
	char copy[320], *whole;
	size_t size;
	ck_assert_int_gt(log_size(), 0);
	ok(dcg_store_open(&store, folder, &err));
	ck_assert_int_eq(log_size(), 0);
	snprintf(copy, sizeof copy, "%s/copy", folder);
	ok(dcg_file_read(database, 1 << 24, &whole, &size, &err));
	ok(dcg_file_write_atomic(copy, whole, size, &err));
	free(whole);
	ck_assert_int_eq(sql(copy, "SELECT max(id) FROM jobs"), id);
}
END_TEST

/* Each write and each sync of it fails (that of the folder SQLite ignores). Without room it is as well served as before. */
START_TEST(log_that_cannot_be_brought_home)
{
	static const struct { int error, syncs, expected; } round[] = { { EIO, 1, DCG_EIO }, { EIO, 0, DCG_EIO }, { ENOSPC, 0, DCG_ENOSPC } };
	int hit, refused = 0, served = 0;
	for (int n = 1;; n++) {
		int64_t id = leave_a_log();
		memset(&fault, 0, sizeof fault);
		fault.first = n, fault.error = round[_i].error, fault.syncs = round[_i].syncs;
		int r = dcg_store_open(&store, folder, &err);
		hit = fault.hits;
		fault.first = 0;
		if (r) {
			ck_assert_msg(r == round[_i].expected, "call %d: %s: %s", n, dcg_errname(r), err.text);
			if (_i == 0) /* no later sync may vouch for it */
				ck_assert_int_gt(log_size(), 0);
			refused++;
			ok(dcg_store_open(&store, folder, &err));
			ck_assert_int_le(log_size(), 0);
		} else {
			served += hit;
		}
		check_job(id);
		if (!hit)
			break;
	}
	printf("# %d refused, %d served all the same\n", refused, served);
	ck_assert_int_ge(refused, _i == 1 ? 5 : _i == 0 ? 2 : 0);
	ck_assert(_i != 2 || served >= 5);
}
END_TEST

/* Somebody who makes a backup, say. */
START_TEST(log_that_is_read)
{
	sqlite3 *db;
	int64_t id = leave_a_log();
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM jobs", NULL, NULL, NULL), SQLITE_OK);
	ok(dcg_store_open(&store, folder, &err));
	check_job(id);
	ck_assert_int_eq(add_job("a", "d", 0, 1), id + 1);
	sqlite3_close(db);
}
END_TEST

static void count_lost(void *user)
{
	++*(int *)user;
}

/* Whoever asked learns of it, once, from whichever call met it: also from a transaction that is given up. */
START_TEST(failed_sync_is_told)
{
	static char text[1 << 20];
	int lost = 0, r = 0;
	struct dcg_store_tx *tx;
	memset(text, 'q', sizeof text - 1);
	add_job("a", "d", 0, 1);
	reopen(); /* with an empty log, whose head is synced before its first page is written */
	dcg_store_on_lost(store, count_lost, &lost);
	fault.first = 1, fault.syncs = 1, fault.error = EIO;
	tx = begin(_i == 0);
	if (_i == 0) {
		ok(dcg_store_event_append(tx, 1, "metric", text, NULL));
		fails(dcg_store_commit(tx, &err), DCG_EIO);
	} else {
		for (int i = 0; !r && i < 8; i++) /* more than the cache takes */
			r = dcg_store_event_append(tx, 1, "metric", text, NULL);
		fails(r, DCG_EIO);
		ck_assert_int_eq(lost, 0);
		dcg_store_rollback(tx);
	}
	ck_assert_int_eq(fault.hits, 1);
	fault.first = 0;
	ck_assert_int_eq(lost, 1);
	fails(dcg_store_begin(store, 0, &tx, &err), DCG_EIO);
	ck_assert_int_eq(lost, 1);
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: failed syncs", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, opening_brings_the_log_home);
	tcase_add_loop_test(c, log_that_cannot_be_brought_home, 0, 3);
	tcase_add_test(c, log_that_is_read);
	tcase_add_loop_test(c, failed_sync_is_told, 0, 2);
	return tap_run(s);
}
