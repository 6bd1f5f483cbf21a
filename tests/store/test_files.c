/* Samples, checkpoints, events, log. */
#include "tests/store/folder.h"

static struct dcg_file_row file(int64_t job, int64_t step, int64_t epoch)
{
	struct dcg_file_row f = { .job = job, .step = step, .epoch = epoch, .size = 1000 + step, .created_ms = 7, .score = NAN };
	snprintf(f.name, sizeof f.name, "step-%lld", (long long)step);
	memset(f.sha256, 'a', 64);
	return f;
}

START_TEST(files)
{
	enum dcg_file_kind kind = (enum dcg_file_kind)_i;
	int64_t a = add_job("a", "d", 0, 1), b = add_job("b", "d", 0, 1), id, ids[10];
	struct dcg_store_tx *tx = begin(1);
	struct dcg_file_row f, r, *rows;
	for (int i = 0; i < 10; i++) {
		f = file(i % 2 ? a : b, 100 - i * 10, 10 - i / 4);
		f.pinned = i == 3, f.score = i == 3 ? 0.25 : NAN, f.epoch_end = i == 3;
		ok(dcg_store_file_insert(tx, kind, &f, &ids[i]));
	}
	commit(tx);
	ok(dcg_store_file_get(store, kind, ids[3], &r, &err));
	ck_assert(r.id == ids[3] && r.job == a && r.step == 70 && r.epoch == 10 && r.size == 1070 && r.created_ms == 7);
	ck_assert_str_eq(r.name, "step-70");
	ck_assert_uint_eq(strlen(r.sha256), 64);
	if (kind == DCG_FILE_CHECKPOINT)
		ck_assert(r.pinned == 1 && r.score == 0.25 && r.epoch_end == 1);
	else
		ck_assert(r.pinned == 0 && isnan(r.score) && r.epoch_end == 0);
	ok(dcg_store_file_get(store, kind, ids[2], &r, &err));
	ck_assert(r.pinned == 0 && isnan(r.score) && r.epoch_end == 0);

	/* Finding. Of a: steps 90 (epoch 10), 70 (10), 50 (9), 30 (9), 10 (8). */
	ok(dcg_store_file_find(store, kind, a, DCG_BY_STEP, 50, &r, &err));
	ck_assert_int_eq(r.step, 50);
	ok(dcg_store_file_find(store, kind, a, DCG_BY_EPOCH, 9, &r, &err));
	ck_assert_int_eq(r.step, 50);
	ok(dcg_store_file_find(store, kind, a, DCG_NEWEST, 0, &r, &err));
	ck_assert_int_eq(r.step, 90);
	fails(dcg_store_file_find(store, kind, a, DCG_BY_STEP, 60, &r, &err), DCG_ENOENT);
	says("step 60");
	fails(dcg_store_file_find(store, kind, a, DCG_BY_EPOCH, 7, &r, &err), DCG_ENOENT);
	says("epoch 7");
	fails(dcg_store_file_find(store, kind, 99, DCG_NEWEST, 0, &r, &err), DCG_ENOENT);
	fails(dcg_store_file_get(store, kind, 99, &r, &err), DCG_ENOENT);
	says("99");

	/* Lists. */
	size_t n;
	ok(dcg_store_files(store, kind, a, -1, 100, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 5);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(rows[i].step, 10 + 20 * i);
	free(rows);
	ok(dcg_store_files(store, kind, a, 30, 2, NULL, &rows, &n, &err));
	ck_assert(n == 2 && rows[0].step == 50 && rows[1].step == 70);
	free(rows);
	ok(dcg_store_files(store, kind, 0, -1, 100, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(rows[i].id, ids[i]);
	free(rows);
	ok(dcg_store_files(store, kind, 0, ids[7], 100, NULL, &rows, &n, &err));
	ck_assert(n == 2 && rows[0].id == ids[8]);
	free(rows);
	ok(dcg_store_files(store, (enum dcg_file_kind)!kind, 0, -1, 100, NULL, &rows, &n, &err)); /* the kinds are apart */
	ck_assert_uint_eq(n, 0);
	fails(dcg_store_files(store, kind, a, -1, -1, NULL, &rows, &n, &err), DCG_EINVAL);
	ok(dcg_store_file_find(store, kind, a, DCG_BY_STEP, 50, &r, &err));
	for (int pinned = -1; pinned <= 1; pinned++) {
		ok(dcg_store_files(store, kind, a, -1, 100, &(struct dcg_file_filter){ r.epoch, pinned }, &rows, &n, &err));
		ck_assert_uint_eq(n > 0, pinned < 0 || r.pinned == pinned);
		for (size_t i = 0; i < n; i++)
			ck_assert(rows[i].epoch == r.epoch && (pinned < 0 || rows[i].pinned == pinned));
		free(rows);
	}

	/* The same job and step again: the row is replaced and keeps its id, pin and score. */
	tx = begin(1);
	f = file(a, 70, 11);
	ok(dcg_store_file_insert(tx, kind, &f, &id));
	ck_assert_int_eq(id, ids[3]);
	ok(dcg_store_file_delete(tx, kind, ids[1]));
	commit(tx);
	ok(dcg_store_file_get(store, kind, id, &r, &err));
	ck_assert(r.epoch == 11 && r.pinned == (kind == DCG_FILE_CHECKPOINT));
	ck_assert(kind == DCG_FILE_CHECKPOINT ? r.score == 0.25 : isnan(r.score));
	fails(dcg_store_file_get(store, kind, ids[1], &r, &err), DCG_ENOENT);

	tx = begin(1);
	r.id = ids[3], r.pinned = 1, r.score = 3.5;
	snprintf(r.label, sizeof r.label, "the \xc3\xa9legant one");
	if (kind == DCG_FILE_CHECKPOINT) {
		ok(dcg_store_file_update(tx, kind, &r));
		commit(tx);
		ok(dcg_store_file_get(store, kind, ids[3], &r, &err));
		ck_assert(r.pinned == 1 && r.score == 3.5 && r.epoch == 11);
		ck_assert_str_eq(r.label, "the \xc3\xa9legant one");
		tx = begin(1);
		r.id = 99;
		fails(dcg_store_file_update(tx, kind, &r), DCG_ENOENT);
	} else {
		fails(dcg_store_file_update(tx, kind, &r), DCG_EINVAL);
	}
	dcg_store_rollback(tx);
	tx = begin(1);
	fails(dcg_store_file_delete(tx, kind, 99), DCG_ENOENT);
	dcg_store_rollback(tx);

	tx = begin(1);
	ok(dcg_store_files_truncate(tx, kind, a, 50));
	commit(tx);
	ok(dcg_store_files(store, kind, a, -1, 100, NULL, &rows, &n, &err));
	ck_assert(n == 3 && rows[2].step == 50);
	free(rows);
	ok(dcg_store_files(store, kind, b, -1, 100, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 5);
	free(rows);
	/* A number once seen never names another file. */
	tx = begin(1);
	ok(dcg_store_files_truncate(tx, kind, a, -1));
	ok(dcg_store_files_truncate(tx, kind, b, -1));
	f = file(a, 1, 1);
	ok(dcg_store_file_insert(tx, kind, &f, &id));
	ck_assert_int_gt(id, ids[9]);
	f = file(99, 1, 1);
	fails(dcg_store_file_insert(tx, kind, &f, &id), DCG_ENOENT);
	fails(dcg_store_commit(tx, &err), DCG_ENOENT);
}
END_TEST

struct events {
	struct dcg_event_row *row;
	size_t n;
	int64_t oldest, newest;
};

static struct events events(int64_t job, int64_t after, int limit)
{
	struct events e;
	ok(dcg_store_events(store, job, after, limit, &e.row, &e.n, &e.oldest, &e.newest, &err));
	return e;
}

static void append(int n, int keep, int64_t expected)
{
	struct dcg_store_tx *tx = begin(n % 2);
	for (int i = 0; i < n; i++) {
		int64_t seq = 0;
		ok(dcg_store_event_append(tx, i % 3, "state", "{\"x\":\"'\\u00e9\"}", &seq));
		ck_assert_int_eq(seq, expected + i);
	}
	if (keep)
		commit(tx);
	else
		dcg_store_rollback(tx);
}

START_TEST(events_have_no_gaps)
{
	struct events e = events(0, 0, 10);
	ck_assert(e.n == 0 && e.oldest == 0 && e.newest == 0);
	int64_t next = 1;
	for (int i = 1; i < 40; i++) { /* commits, rollbacks, failures and restarts mixed */
		append(i, i % 3 != 0, next);
		next += i % 3 ? i : 0;
		if (i % 5 == 0) {
			struct dcg_store_tx *tx = begin(0);
			ok(dcg_store_event_append(tx, 1, "log", "{}", NULL));
			fails(dcg_store_event_append(tx, 1, "a type too long for it", "{}", NULL), DCG_EINVAL);
			fails(dcg_store_commit(tx, &err), DCG_EINVAL);
		}
		if (i % 10 == 0)
			reopen();
	}
	e = events(0, 0, 100000);
	ck_assert_int_eq((int64_t)e.n, next - 1);
	for (size_t i = 0; i < e.n; i++) {
		ck_assert_int_eq(e.row[i].seq, (int64_t)i + 1);
		ck_assert_str_eq(e.row[i].type, "state");
		ck_assert_str_eq(e.row[i].data_json, "{\"x\":\"'\\u00e9\"}");
		ck_assert_int_gt(e.row[i].created_ms, INT64_C(1600000000000));
	}
	ck_assert(e.oldest == 1 && e.newest == next - 1);
	dcg_store_events_free(e.row, e.n);
	/* Of one job, in pages. */
	int64_t after = 0, seen = 0;
	do {
		e = events(2, after, 7);
		for (size_t i = 0; i < e.n; i++, seen++) {
			ck_assert(e.row[i].job == 2 && e.row[i].seq > after);
			after = e.row[i].seq;
		}
		dcg_store_events_free(e.row, e.n);
	} while (e.n);
	e = events(0, 0, 100000);
	for (size_t i = 0; i < e.n; i++)
		seen -= e.row[i].job == 2;
	ck_assert_int_eq(seen, 0);
	dcg_store_events_free(e.row, e.n);
}
END_TEST

START_TEST(pruned_numbers_do_not_come_back)
{
	append(100, 1, 1);
	int64_t deleted, total = 0;
	do {
		struct dcg_store_tx *tx = begin(0);
		ok(dcg_store_events_prune(tx, 30, 25, &deleted));
		commit(tx);
		ck_assert_int_le(deleted, 25);
		total += deleted;
	} while (deleted);
	ck_assert_int_eq(total, 70);
	struct events e = events(0, 0, 1000);
	ck_assert(e.n == 30 && e.row[0].seq == 71 && e.oldest == 71 && e.newest == 100);
	dcg_store_events_free(e.row, e.n);
	struct dcg_store_tx *tx = begin(0);
	ok(dcg_store_events_prune(tx, 0, 1000, &deleted));
	dcg_store_rollback(tx);
	tx = begin(0);
	ok(dcg_store_events_prune(tx, 0, 1000, &deleted));
	ck_assert_int_eq(deleted, 30);
	commit(tx);
	e = events(0, 0, 1000); /* none kept: the oldest one that can come is the next */
	ck_assert(e.n == 0 && e.oldest == 101 && e.newest == 100);
	reopen();
	append(3, 0, 101);
	append(3, 1, 101);
	e = events(0, 0, 1000);
	ck_assert(e.n == 3 && e.oldest == 101 && e.newest == 103);
	dcg_store_events_free(e.row, e.n);
	tx = begin(0);
	fails(dcg_store_events_prune(tx, -1, 1, &deleted), DCG_EINVAL);
	dcg_store_rollback(tx);
}
END_TEST

START_TEST(log_lines)
{
	int64_t a = add_job("a", "d", 0, 1), b = add_job("b", "d", 0, 1);
	size_t size = 1 << 20, n;
	char *large = malloc(size + 1);
	memset(large, 'x', size);
	large[size] = '\0';
	struct dcg_store_tx *tx = begin(0);
	for (int i = 0; i < 20; i++)
		ok(dcg_store_log_append(tx, i % 2 ? a : b, "warning", i == 19 ? large : "caf\xc3\xa9"));
	commit(tx);
	struct dcg_log_row *rows;
	ok(dcg_store_log(store, a, 0, 4, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(rows[0].text, "caf\xc3\xa9");
	ck_assert_str_eq(rows[0].level, "warning");
	int64_t after = rows[3].id;
	dcg_store_log_free(rows, n);
	ok(dcg_store_log(store, a, after, 100, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 6);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_gt(rows[i].id, after);
		ck_assert_int_eq(rows[i].job, a);
		after = rows[i].id;
	}
	ck_assert_str_eq(rows[5].text, large);
	dcg_store_log_free(rows, n);
	free(large);
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: files and events", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, files, 0, 2);
	tcase_add_test(c, events_have_no_gaps);
	tcase_add_test(c, pruned_numbers_do_not_come_back);
	tcase_add_test(c, log_lines);
	return tap_run(s);
}
