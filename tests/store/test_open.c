/* Opening: locks, strange and damaged files, versions, migrations. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/schema.h"
#include "tests/store/faults.h"
#include "tests/store/folder.h"
#include "tests/store/version1.h"
#include "tests/store/version2.h"

/* Big-endian numbers in the file's header. */
enum { USER_VERSION = 60, APPLICATION_ID = 68 };

static void poke(const char *path, off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

START_TEST(one_daemon_a_folder)
{
	struct dcg_store *second = NULL;
	char pid[40];
	fails(dcg_store_open(&second, folder, &err), DCG_EBUSY); /* also in one process */
	dcg_store_close(store);
	int ready[2];
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		if (dcg_store_open(&store, folder, NULL) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	char c;
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	fails(dcg_store_open(&second, folder, &err), DCG_EBUSY);
	snprintf(pid, sizeof pid, "process %ld", (long)child);
	says(pid);
	ck_assert_ptr_null(second);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ok(dcg_store_open(&store, folder, &err)); /* whoever dies lets go */
	close(ready[0]), close(ready[1]);
}
END_TEST

START_TEST(only_the_owner_may_read)
{
	add_job("a", "d", 0, 1);
	static const char *const files[] = { "dcgand.db", "dcgand.db-wal", "dcgand.db-shm", "dcgand.lock" };
	for (int i = 0; i < 4; i++) {
		char path[320];
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_msg((st.st_mode & 077) == 0, "%s has mode %o", files[i], st.st_mode);
	}
}
END_TEST

START_TEST(settings_are_in_the_file)
{
	add_job("a", "d", 0, 1);
	dcg_store_close(store);
	char wal[320];
	snprintf(wal, sizeof wal, "%s-wal", database);
	ck_assert_int_ne(access(wal, F_OK), 0); /* closing has brought it home */
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
	ck_assert_int_eq(sql(database, "PRAGMA application_id"), 0x44434721);
	ck_assert_int_eq(sql(database, "PRAGMA user_version"), 3);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite%'"), 0);
	check_integrity(database);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

START_TEST(folder_is_missing_or_read_only)
{
	struct dcg_store *s = NULL;
	char path[320];
	snprintf(path, sizeof path, "%s/none", folder);
	fails(dcg_store_open(&s, path, &err), DCG_ENOENT);
	says("none");
	fails(dcg_store_open(&s, database, &err), DCG_ENOENT); /* not a folder */
	snprintf(path, sizeof path, "%s/fixed", folder);
	ck_assert_int_eq(mkdir(path, 0555), 0);
	ck_assert_int_eq(chmod(folder, 0711), 0);
	if (geteuid() == 0) /* whom modes do not stop */
		ck_assert_int_eq(seteuid(65534), 0);
	fails(dcg_store_open(&s, path, &err), DCG_EACCESS);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	says("fixed");
	ck_assert_ptr_null(s);
}
END_TEST

static void write_file(const void *data, size_t size)
{
	char wal[320];
	snprintf(wal, sizeof wal, "%s-wal", database);
	unlink(wal);
	ok(dcg_file_write_atomic(database, data, size, &err));
}

START_TEST(files_of_others)
{
	struct dcg_store *s = NULL;
	dcg_store_close(store);
	store = NULL;
	/* No database. */
	char noise[20000], *before, *after;
	size_t size, size_after;
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)(i * 7919 >> 3);
	write_file(noise, sizeof noise);
	fails(dcg_store_open(&s, folder, &err), DCG_EDAMAGED);
	says("dcgand.db");
	says("backup");
	write_file("{}", 2);
	fails(dcg_store_open(&s, folder, &err), DCG_EDAMAGED);
	/* Of another program: refused and left as it is. */
	unlink(database);
	sql(database, "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
	ok(dcg_file_read(database, 1 << 20, &before, &size, &err));
	fails(dcg_store_open(&s, folder, &err), DCG_EFORMAT);
	says("not of dcgand");
	sql(database, "PRAGMA application_id = 5");
	fails(dcg_store_open(&s, folder, &err), DCG_EFORMAT);
	sql(database, "PRAGMA application_id = 0; PRAGMA user_version = 1");
	fails(dcg_store_open(&s, folder, &err), DCG_EFORMAT);
	sql(database, "PRAGMA user_version = 0");
	ok(dcg_file_read(database, 1 << 20, &after, &size_after, &err));
	ck_assert_uint_eq(size, size_after);
	ck_assert_mem_eq(before + 100, after + 100, size - 100);
	free(before), free(after);
	/* A folder in its place; and nothing in it, which is a new one. */
	unlink(database);
	ck_assert_int_eq(mkdir(database, 0700), 0);
	ck_assert_int_lt(dcg_store_open(&s, folder, &err), 0);
	ck_assert_int_eq(rmdir(database), 0);
	ck_assert_ptr_null(s);
	write_file("", 0);
	ok(dcg_store_open(&store, folder, &err));
	add_job("a", "d", 0, 1);
}
END_TEST

START_TEST(newer_versions_are_refused)
{
	struct dcg_store *s = NULL;
	dcg_store_close(store);
	poke(database, USER_VERSION, "\0\0\0\7", 4);
	fails(dcg_store_open(&s, folder, &err), DCG_EVERSION);
	says("version 7");
	says("run that one");
	poke(database, USER_VERSION, "\xff\xff\xff\xff", 4); /* -1 */
	fails(dcg_store_open(&s, folder, &err), DCG_EFORMAT);
	poke(database, USER_VERSION, "\0\0\0\3", 4);
	poke(database, APPLICATION_ID, "XXXX", 4);
	fails(dcg_store_open(&s, folder, &err), DCG_EFORMAT);
	poke(database, APPLICATION_ID, "DCG!", 4);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

START_TEST(altered_tables_are_refused)
{
	static const char *const changes[] = {
		"DROP TABLE log", "DROP INDEX jobs_queue", "ALTER TABLE jobs ADD COLUMN more TEXT", "ALTER TABLE events RENAME TO other",
	};
	char *whole;
	size_t size;
	dcg_store_close(store);
	ok(dcg_file_read(database, 1 << 24, &whole, &size, &err));
	for (int i = 0; i < 4; i++) {
		write_file(whole, size);
		sql(database, changes[i]);
		fails(dcg_store_open(&store, folder, &err), DCG_EDAMAGED);
		says("missing or was altered");
	}
	write_file(whole, size);
	/* What is there besides does not matter, and a trigger does not run. */
	sql(database, "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM jobs; END; CREATE INDEX mine ON jobs(name)");
	ok(dcg_store_open(&store, folder, &err));
	struct dcg_job_row r;
	ok(dcg_store_job_get(store, add_job("a", "d", 0, 1), &r, &err));
	dcg_job_row_done(&r);
	free(whole);
}
END_TEST

/* Everything there is to read; the codes do not matter, only that it ends. Returns how many
 * calls told of damage. */
static int read_all(struct dcg_store *s)
{
	int damaged = 0;
	size_t n = 0;
	int64_t x, y;
	struct dcg_job_row job, *jobs = NULL;
	struct dcg_file_row file, *files = NULL;
	struct dcg_event_row *events = NULL;
	struct dcg_log_row *log = NULL;
	struct dcg_dataset_row *sets = NULL;
	struct dcg_metric_bucket *b = NULL;
	struct dcg_job_filter f = { .pinned = -1, .state = -1, .limit = 1000 };
#define READ(call, then) do { int r_ = (call); damaged += r_ == DCG_EDAMAGED; if (!r_) { then; } } while (0)
	READ(dcg_store_job_get(s, 3, &job, &err), dcg_job_row_done(&job));
	READ(dcg_store_job_next(s, &job, &err), dcg_job_row_done(&job));
	READ(dcg_store_jobs(s, &f, &jobs, &n, &err), dcg_store_jobs_free(jobs, n));
	for (int k = 0; k < 2; k++) {
		READ(dcg_store_files(s, (enum dcg_file_kind)k, 0, -1, 1000, NULL, &files, &n, &err), free(files));
		READ(dcg_store_files(s, (enum dcg_file_kind)k, 1, -1, 1000, NULL, &files, &n, &err), free(files));
		READ(dcg_store_file_find(s, (enum dcg_file_kind)k, 1, DCG_NEWEST, 0, &file, &err), (void)0);
	}
	READ(dcg_store_events(s, 0, 0, 1000, &events, &n, &x, &y, &err), dcg_store_events_free(events, n));
	READ(dcg_store_events(s, 1, 0, 1000, &events, &n, &x, &y, &err), dcg_store_events_free(events, n));
	READ(dcg_store_log(s, 1, 0, 1000, NULL, &log, &n, &err), dcg_store_log_free(log, n));
	READ(dcg_store_datasets(s, NULL, 1000, NULL, &sets, &n, &err), dcg_store_datasets_free(sets, n));
	for (int width = 1; width < 5000; width *= 7)
		READ(dcg_store_metrics_read(s, 1, DCG_SERIES_LOSS_D, 0, INT64_MAX, width, &b, &n, &x, &err), free(b));
#undef READ
	return damaged;
}

static void fill(void)
{
	char path[] = "/srv/x", text[200];
	int64_t id;
	memset(text, 'q', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	for (int i = 0; i < 30; i++)
		add_job(text, "d", i, i);
	struct dcg_store_tx *tx = begin(1);
	for (int i = 0; i < 600; i++) {
		struct dcg_metric_row m = { .step = i, .value = { i, i, i, NAN, NAN, NAN, NAN, NAN } };
		struct dcg_file_row f = { .job = 1, .step = i, .name = "a", .sha256 = "b", .score = NAN };
		struct dcg_dataset_row d = { .path = path, .format = "idx" };
		snprintf(d.name, sizeof d.name, "set%d", i);
		ok(dcg_store_metrics_append(tx, 1, &m, 1));
		ok(dcg_store_event_append(tx, 1 + i % 2, "metric", text, NULL));
		if (i % 10)
			continue;
		for (int k = 0; k < 2; k++)
			ok(dcg_store_file_insert(tx, (enum dcg_file_kind)k, &f, &id));
		ok(dcg_store_log_append(tx, 1, "info", text));
		ok(dcg_store_dataset_put(tx, &d));
	}
	commit(tx);
}

START_TEST(damaged_files_are_told_and_do_no_harm)
{
	char *whole, *bad;
	size_t size;
	struct dcg_rng rng;
	int refused = 0, told = 0;
	dcg_rng_init(&rng, 99, 0);
	fill();
	ck_assert_int_eq(read_all(store), 0);
	dcg_store_close(store);
	store = NULL;
	/* A small file is looked through at its start, a large one is not: damage is told when it is met. */
	int pages = (int)sql(database, "PRAGMA page_count");
	if (_i) {
		char pad[80];
		snprintf(pad, sizeof pad, "CREATE TABLE pad(x); INSERT INTO pad VALUES (zeroblob(%d))", DCG_SCHEMA_CHECKED);
		sql(database, pad);
	}
	ok(dcg_file_read(database, 1 << 24, &whole, &size, &err));
	bad = malloc(size);
	for (int round = 0; round < 150; round++) {
		size_t n = size;
		memcpy(bad, whole, size);
		int page = (int)dcg_rng_below(&rng, (uint32_t)pages); /* one page, as disks do */
		switch (round % 4) {
		case 0: /* a few bytes */
			for (int i = 0; i < 30; i++)
				bad[page * 4096 + (int)dcg_rng_below(&rng, 4096)] = (char)dcg_rng_u64(&rng);
			break;
		case 1: /* a page of zeros */
			memset(bad + page * 4096, 0, 4096);
			break;
		case 2: /* a page's head */
			for (int i = 0; i < 12; i++)
				bad[page * 4096 + (page ? 0 : 100) + i] = (char)dcg_rng_u64(&rng);
			break;
		case 3: /* the end is missing */
			n = 1 + dcg_rng_below(&rng, (uint32_t)pages * 4096 - 1);
		}
		write_file(bad, n);
		int r = dcg_store_open(&store, folder, &err);
		if (r) {
			ck_assert_msg(r == DCG_EDAMAGED || r == DCG_EFORMAT || r == DCG_EVERSION, "round %d: %s", round, err.text);
			refused++;
			continue;
		}
		int damaged = read_all(store);
		if (damaged)
			says("backup");
		told += damaged > 0;
		struct dcg_store_tx *tx;
		if (dcg_store_begin(store, 1, &tx, &err) == 0) { /* writing to it may fail too */
			struct dcg_metric_row m = { .step = 300 };
			dcg_store_metrics_append(tx, 1, &m, 1);
			dcg_store_event_append(tx, 1, "log", "{}", NULL);
			dcg_store_job_delete(tx, 1);
			dcg_store_commit(tx, &err);
		}
		dcg_store_close(store);
	}
	printf("# of 150 damaged files %d were refused, %d told when read\n", refused, told);
	ck_assert_int_gt(refused, _i ? 20 : 90);
	ck_assert_int_ge(told, _i ? 50 : 0);
	write_file(whole, size);
	ok(dcg_store_open(&store, folder, &err));
	ck_assert_int_eq(read_all(store), 0);
	free(whole), free(bad);
}
END_TEST

START_TEST(migration_keeps_a_backup)
{
	const char *next[] = { dcg_schema_steps[0], dcg_schema_steps[1], dcg_schema_steps[2],
		/* rebuilding a table that others refer to: nothing may cascade */
		"CREATE TABLE new_jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, state, name, dataset, priority, params, error, version,"
		" epoch, step, steps_total, steps_per_epoch, images_per_s, eta_s, loss_d, loss_g, d_real, d_fake,"
		" created_ms, started_ms, finished_ms, queue_ms, note, tags, deaths, death_step, pinned);"
		"INSERT INTO new_jobs SELECT * FROM jobs; DROP TABLE jobs; ALTER TABLE new_jobs RENAME TO jobs;"
		"CREATE TABLE extra(x INTEGER) STRICT; INSERT INTO extra VALUES (7);", NULL };
	const char *broken[] = { dcg_schema_steps[0], dcg_schema_steps[1], dcg_schema_steps[2], "CREATE TABLE extra(x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)", NULL };
	const char *dangling[] = { dcg_schema_steps[0], dcg_schema_steps[1], dcg_schema_steps[2], "DELETE FROM jobs", NULL };
	char backup[320];
	snprintf(backup, sizeof backup, "%s.v3.backup", database);
	fill();
	dcg_store_close(store);
	ck_assert_int_ne(access(backup, F_OK), 0); /* none for a new file */
	/* A step that fails leaves all as it was. */
	fails(dcg_store_open_steps(&store, folder, broken, &err), DCG_EDAMAGED);
	says("migration from version 3 to 4");
	says("nowhere");
	fails(dcg_store_open_steps(&store, folder, dangling, &err), DCG_EDAMAGED);
	says("not there");
	ck_assert_int_eq(sql(database, "PRAGMA user_version"), 3);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM jobs"), 30);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
	unlink(backup);
	ok(dcg_store_open_steps(&store, folder, next, &err));
	ck_assert_int_eq(read_all(store), 0);
	dcg_store_close(store);
	ck_assert_int_eq(sql(database, "PRAGMA user_version"), 4);
	ck_assert_int_eq(sql(database, "SELECT x FROM extra"), 7);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM samples"), 60);
	ck_assert_int_eq(sql(backup, "SELECT count(*) FROM metrics"), 1800);
	ck_assert_int_eq(sql(backup, "PRAGMA user_version"), 3);
	ck_assert_int_eq(sql(backup, "PRAGMA application_id"), 0x44434721);
	check_integrity(backup);
	fails(dcg_store_open(&store, folder, &err), DCG_EVERSION);
	says(".v3.backup");
	/* And doing what that says works. */
	ck_assert_int_eq(rename(backup, database), 0);
	ok(dcg_store_open(&store, folder, &err));
	ck_assert_int_eq(read_all(store), 0);
}
END_TEST

/* A file of an earlier version, and not one that today's code made and called so. */
START_TEST(older_versions_are_migrated)
{
	struct dcg_job_row *jobs, j;
	struct dcg_file_row c;
	struct dcg_metric_bucket *b;
	struct dcg_event_row *events;
	size_t n;
	int64_t total, oldest, newest;
	char backup[320];
	dcg_store_close(store);
	store = NULL;
	snprintf(backup, sizeof backup, "%s.v%d.backup", database, _i);
	ck_assert_int_eq(unlink(database), 0);
	sql(database, version1);
	if (_i == 2)
		sql(database, version2);
	ok(dcg_store_open(&store, folder, &err));
	/* What was there is there, and what is new is empty. */
	struct dcg_job_filter f = { .pinned = -1, .state = -1, .limit = 10 };
	ok(dcg_store_jobs(store, &f, &jobs, &n, &err));
	ck_assert_uint_eq(n, 3);
	ck_assert(jobs[2].state == DCG_JOB_SUCCEEDED && jobs[2].version == 17 && jobs[2].step == 20 && jobs[2].images_per_s == 812.5);
	ck_assert_str_eq(jobs[2].params_json, "{\"epochs\":2}");
	ck_assert_str_eq(jobs[1].error, "loss_g is nan");
	ck_assert_str_eq(jobs[0].name, "it's");
	for (size_t i = 0; i < n; i++) {
		int written = _i == 2 && jobs[i].id == 2;
		ck_assert_str_eq(jobs[i].note, written ? "a\nnote" : "");
		ck_assert_str_eq(jobs[i].tags_json, written ? "[\"x\"]" : "[]");
		ck_assert(jobs[i].deaths == 0 && jobs[i].death_step == -1 && !jobs[i].pinned);
	}
	dcg_store_jobs_free(jobs, n);
	ok(dcg_store_file_get(store, DCG_FILE_CHECKPOINT, 1, &c, &err));
	ck_assert(c.pinned == 1 && c.score == 0.5 && c.step == 10);
	ck_assert_str_eq(c.label, _i == 2 ? "best" : "");
	ok(dcg_store_file_get(store, DCG_FILE_SAMPLE, 1, &c, &err));
	ok(dcg_store_metrics_read(store, 1, DCG_SERIES_LOSS_D, 0, 100, 10, &b, &n, &total, &err));
	ck_assert(total == 2 && b[0].first_step == 1 && b[n - 1].last == 0.25);
	free(b);
	ok(dcg_store_events(store, 0, 0, 10, &events, &n, &oldest, &newest, &err));
	ck_assert(n == 2 && oldest == 1 && newest == 2);
	dcg_store_events_free(events, n);
	/* The new columns and tables work; numbers go on. */
	int64_t id = add_job("new", "faces", 0, 1);
	ck_assert_int_eq(id, 4);
	ok(dcg_store_job_get(store, 1, &j, &err));
	free(j.note), free(j.tags_json);
	j.note = strdup("a note"), j.tags_json = strdup("[\"old\"]");
	struct dcg_store_tx *tx = begin(1);
	ok(dcg_store_job_describe(tx, &j));
	if (_i == 2) {
		struct dcg_key_row old;
		ok(dcg_store_key_get(store, "old", 0, &old, &err));
		ck_assert_int_eq(old.job, 2);
	}
	struct dcg_key_row k = { .key = "k", .request = "dd", .job = id, .created_ms = 5 };
	ok(dcg_store_key_insert(tx, &k));
	commit(tx);
	dcg_job_row_done(&j);
	f.tag = "old";
	ok(dcg_store_jobs(store, &f, &jobs, &n, &err));
	ck_assert(n == 1 && jobs[0].id == 1);
	dcg_store_jobs_free(jobs, n);
	dcg_store_close(store);
	store = NULL;
	ck_assert_int_eq(sql(database, "PRAGMA user_version"), 3);
	check_integrity(database);
	/* The way back: the backup is what that version wrote. */
	ck_assert_int_eq(sql(backup, "PRAGMA user_version"), _i);
	ck_assert_int_eq(sql(backup, "SELECT count(*) FROM jobs"), 3);
	ck_assert_int_eq(sql(backup, "SELECT count(*) FROM pragma_table_info('jobs') WHERE name IN ('note', 'deaths')"), _i - 1);
	const char *then[] = { dcg_schema_steps[0], _i == 2 ? dcg_schema_steps[1] : NULL, NULL };
	fails(dcg_store_open_steps(&store, folder, then, &err), DCG_EVERSION);
	says(_i == 2 ? ".v2.backup" : ".v1.backup");
	ck_assert_int_eq(rename(backup, database), 0);
	ok(dcg_store_open_steps(&store, folder, then, &err));
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: open", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_daemon_a_folder);
	tcase_add_test(c, only_the_owner_may_read);
	tcase_add_test(c, settings_are_in_the_file);
	tcase_add_test(c, folder_is_missing_or_read_only);
	tcase_add_test(c, files_of_others);
	tcase_add_test(c, newer_versions_are_refused);
	tcase_add_test(c, altered_tables_are_refused);
	tcase_add_loop_test(c, damaged_files_are_told_and_do_no_harm, 0, 2);
	tcase_add_test(c, migration_keeps_a_backup);
	tcase_add_loop_test(c, older_versions_are_migrated, 1, 3);
	return tap_run(s);
}
