/* Transactions, jobs, data sets. */
#include "tests/store/folder.h"

static struct dcg_job_row get(int64_t id)
{
	struct dcg_job_row r;
	ok(dcg_store_job_get(store, id, &r, &err));
	return r;
}

START_TEST(names)
{
	for (int i = 0; i < DCG_JOB_STATES; i++)
		ck_assert_int_eq(dcg_job_state_from_name(dcg_job_state_name((enum dcg_job_state)i)), i);
	ck_assert_str_eq(dcg_job_state_name(DCG_JOB_PAUSED), "paused");
	fails(dcg_job_state_from_name("Paused"), DCG_EINVAL);
	fails(dcg_job_state_from_name(""), DCG_EINVAL);
	fails(dcg_job_state_from_name(NULL), DCG_EINVAL);
	for (int i = 0; i < DCG_SERIES_COUNT; i++)
		ck_assert_int_eq(dcg_series_from_name(dcg_series_name((enum dcg_series)i)), i);
	ck_assert_int_eq(dcg_series_from_name("d_fake_after"), DCG_SERIES_D_FAKE_AFTER);
	fails(dcg_series_from_name("loss"), DCG_EINVAL);
}
END_TEST

START_TEST(job_comes_back_as_it_went)
{
	/* Quotes, SQL, UTF-8, bytes that are no UTF-8, line ends: all just text. */
	char name[] = "it's \"a\"; DROP TABLE jobs; -- \xc3\xa9\xf0\x9f\x90\x8e\xff\n", dataset[] = "f-mnist", params[] = "{\"a\":[1,\"x'\"]}";
	struct dcg_job_row in = { .state = DCG_JOB_QUEUED, .name = name, .dataset = dataset, .priority = -7,
		.params_json = params, .created_ms = 123, .queue_ms = 456 };
	struct dcg_store_tx *tx = begin(1);
	int64_t id;
	ok(dcg_store_job_insert(tx, &in, &id));
	commit(tx);
	reopen();
	struct dcg_job_row r = get(id);
	ck_assert_int_eq(r.id, id);
	ck_assert_int_eq(r.state, DCG_JOB_QUEUED);
	ck_assert_str_eq(r.name, name);
	ck_assert_str_eq(r.dataset, dataset);
	ck_assert_str_eq(r.params_json, params);
	ck_assert_ptr_null(r.error);
	ck_assert(r.priority == -7 && r.version == 1 && r.created_ms == 123 && r.queue_ms == 456);
	ck_assert(r.epoch == 0 && r.step == 0 && r.steps_total == 0 && r.started_ms == 0 && r.finished_ms == 0);
	ck_assert(isnan(r.images_per_s) && isnan(r.eta_s) && isnan(r.loss_d) && isnan(r.d_fake));
	dcg_job_row_done(&r);
	fails(dcg_store_job_get(store, id + 1, &r, &err), DCG_ENOENT);
	says("there is no job 2");
}
END_TEST

START_TEST(job_update_changes_what_may_change)
{
	int64_t id = add_job("a", "d", 0, 1);
	struct dcg_job_row r = get(id);
	free(r.name), free(r.params_json), free(r.dataset);
	r.name = strdup("b"), r.params_json = strdup("[]"), r.error = strdup("disk \"full\""), r.dataset = strdup("another");
	r.state = DCG_JOB_RUNNING;
	r.priority = 3, r.epoch = 4, r.step = INT64_MAX, r.steps_total = 6, r.steps_per_epoch = 7;
	r.images_per_s = 1e300, r.eta_s = 0.1, r.loss_d = -0.0, r.loss_g = NAN, r.d_real = 1 / 3., r.d_fake = INFINITY;
	r.started_ms = 8, r.finished_ms = 9, r.queue_ms = INT64_MIN, r.created_ms = 77, r.version = 50;
	struct dcg_store_tx *tx = begin(0);
	ok(dcg_store_job_update(tx, &r, DCG_JOB_QUEUED));
	commit(tx);
	struct dcg_job_row u = get(id);
	ck_assert_str_ne(u.name, "b");       /* is not the job's to change */
	ck_assert_str_eq(u.params_json, "[]");
	ck_assert_str_eq(u.error, "disk \"full\"");
	ck_assert_str_eq(u.dataset, "d");    /* does not change */
	ck_assert_int_eq(u.created_ms, 1000); /* neither */
	ck_assert_int_eq(u.version, 2);       /* counts by itself */
	ck_assert(u.state == DCG_JOB_RUNNING && u.priority == 0 && u.epoch == 4 && u.step == INT64_MAX &&
		u.steps_total == 6 && u.steps_per_epoch == 7 && u.images_per_s == 1e300 && u.eta_s == 0.1 && u.loss_d == 0 &&
		isnan(u.loss_g) && u.d_real == 1 / 3. && u.d_fake == (double)INFINITY && u.started_ms == 8 && u.finished_ms == 9 &&
		u.queue_ms == INT64_MIN);
	/* Only from the state it is in. */
	tx = begin(0);
	fails(dcg_store_job_update(tx, &r, DCG_JOB_QUEUED), DCG_ESTATE);
	fails(dcg_store_commit(tx, &err), DCG_ESTATE);
	says("job 1 is running, not queued");
	tx = begin(0);
	r.id = 99;
	fails(dcg_store_job_update(tx, &r, DCG_JOB_QUEUED), DCG_ENOENT);
	dcg_store_rollback(tx);
	r.id = id;
	r.state = (enum dcg_job_state)50;
	tx = begin(0);
	fails(dcg_store_job_update(tx, &r, DCG_JOB_RUNNING), DCG_EINVAL);
	dcg_store_rollback(tx);
	dcg_job_row_done(&u);
	u = get(id);
	ck_assert_int_eq(u.version, 2);
	dcg_job_row_done(&u);
	dcg_job_row_done(&r);
}
END_TEST

START_TEST(descriptions)
{
	int64_t id = add_job("a", "d", 1, 1), other = add_job("b", "d", 1, 1);
	struct dcg_job_row r = get(id), *rows;
	size_t n;
	ck_assert_str_eq(r.note, "");
	ck_assert_str_eq(r.tags_json, "[]");
	free(r.name), free(r.note), free(r.tags_json);
	r.name = strdup("x"), r.note = strdup("two\nlines"), r.tags_json = strdup("[\"good\",\"it's %\"]"), r.priority = 9, r.pinned = 1;
	r.state = DCG_JOB_FAILED, r.step = 5; /* not part of it */
	struct dcg_store_tx *tx = begin(1);
	ok(dcg_store_job_describe(tx, &r));
	commit(tx);
	struct dcg_job_row u = get(id);
	ck_assert_str_eq(u.name, "x");
	ck_assert_str_eq(u.note, "two\nlines");
	ck_assert_str_eq(u.tags_json, "[\"good\",\"it's %\"]");
	ck_assert(u.priority == 9 && u.pinned && u.version == 2 && u.state == DCG_JOB_QUEUED && u.step == 0);
	dcg_job_row_done(&u);
	static const struct { const char *tag; size_t found; } asked[] = { { "good", 1 }, { "it's %", 1 }, { "goo", 0 }, { "", 0 }, { "[\"good\"]", 0 }, { NULL, 2 } };
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct dcg_job_filter f = { .pinned = -1, .state = -1, .tag = asked[i].tag, .limit = 9 };
		ok(dcg_store_jobs(store, &f, &rows, &n, &err));
		ck_assert_uint_eq(n, asked[i].found);
		ck_assert(n != 1 || rows[0].id == id);
		dcg_store_jobs_free(rows, n);
	}
	for (int pinned = 0; pinned <= 1; pinned++) {
		ok(dcg_store_jobs(store, &(struct dcg_job_filter){ .pinned = pinned, .state = -1, .limit = 9 }, &rows, &n, &err));
		ck_assert(n == 1 && rows[0].id == (pinned ? id : other));
		dcg_store_jobs_free(rows, n);
	}
	tx = begin(1);
	r.id = other + 1;
	fails(dcg_store_job_describe(tx, &r), DCG_ENOENT);
	dcg_store_rollback(tx);
	dcg_job_row_done(&r);
}
END_TEST

START_TEST(keys)
{
	struct dcg_key_row k = { .key = "a b\"c", .request = "00ff", .job = 7, .created_ms = 1000 }, r;
	struct dcg_store_tx *tx = begin(1);
	ok(dcg_store_key_insert(tx, &k));
	dcg_store_rollback(tx);
	fails(dcg_store_key_get(store, k.key, 0, &r, &err), DCG_ENOENT);
	tx = begin(1);
	ok(dcg_store_key_insert(tx, &k));
	commit(tx);
	ok(dcg_store_key_get(store, k.key, 1000, &r, &err));
	ck_assert_str_eq(r.key, k.key);
	ck_assert_str_eq(r.request, "00ff");
	ck_assert(r.job == 7 && r.created_ms == 1000);
	fails(dcg_store_key_get(store, k.key, 1001, &r, &err), DCG_ENOENT); /* too old */
	fails(dcg_store_key_get(store, "A B\"C", 0, &r, &err), DCG_ENOENT);
	tx = begin(1);
	fails(dcg_store_key_insert(tx, &k), DCG_EEXIST);
	dcg_store_rollback(tx);
	tx = begin(1);
	ok(dcg_store_keys_forget(tx, 1000));
	commit(tx);
	ok(dcg_store_key_get(store, k.key, 0, &r, &err));
	tx = begin(1);
	ok(dcg_store_keys_forget(tx, 1001));
	k.created_ms = 2000;
	ok(dcg_store_key_insert(tx, &k));
	commit(tx);
	ok(dcg_store_key_get(store, k.key, 1001, &r, &err));
}
END_TEST

START_TEST(queue_order)
{
	int64_t late = add_job("late", "d", 0, 30), early = add_job("early", "d", 0, 10), twin = add_job("twin", "d", 0, 10);
	int64_t low = add_job("low", "d", -1, 1), high = add_job("high", "d", 5, 99);
	int64_t expected[] = { high, early, twin, late, low };
	struct dcg_job_row r;
	for (int i = 0; i < 5; i++) {
		ok(dcg_store_job_next(store, &r, &err));
		ck_assert_int_eq(r.id, expected[i]);
		r.state = i % 2 ? DCG_JOB_CANCELLED : DCG_JOB_PAUSED;
		struct dcg_store_tx *tx = begin(1);
		ok(dcg_store_job_update(tx, &r, DCG_JOB_QUEUED));
		commit(tx);
		dcg_job_row_done(&r);
	}
	fails(dcg_store_job_next(store, &r, &err), DCG_ENOENT);
	says("no job is queued");
}
END_TEST

/* The largest id from `id` down that is in this state (even: failed) and data set. */
static int64_t matching(int64_t id, int state, int dataset)
{
	for (; id > 0; id--)
		if ((state < 0 || (state == DCG_JOB_FAILED) == (id % 2 == 0)) &&
		    (dataset == 0 || (dataset == 1 && id % 3) || (dataset == 2 && id % 3 == 0)))
			break;
	return id;
}

START_TEST(lists_filter_and_page)
{
	enum { N = 57 };
	for (int i = 1; i <= N; i++) {
		int64_t id = add_job("j", i % 3 ? "odd" : "three", 0, i);
		ck_assert_int_eq(id, i);
		if (i % 2)
			continue;
		struct dcg_job_row r = get(id);
		r.state = DCG_JOB_FAILED;
		struct dcg_store_tx *tx = begin(0);
		ok(dcg_store_job_update(tx, &r, DCG_JOB_QUEUED));
		commit(tx);
		dcg_job_row_done(&r);
	}
	static const char *const datasets[] = { NULL, "odd", "three", "none" };
	for (int d = 0; d < 4; d++)
		for (int state = -1; state <= DCG_JOB_PREPARING; state++) {
			struct dcg_job_filter f = { .pinned = -1, .state = state == DCG_JOB_PREPARING ? DCG_JOB_FAILED : state, .dataset = datasets[d], .limit = 5 };
			int64_t expected = matching(N, f.state, d);
			for (size_t n = 1; n;) { /* page by page */
				struct dcg_job_row *rows;
				ok(dcg_store_jobs(store, &f, &rows, &n, &err));
				ck_assert_uint_le(n, 5);
				for (size_t i = 0; i < n; i++) {
					ck_assert_int_eq(rows[i].id, expected);
					expected = matching(expected - 1, f.state, d);
					f.before_id = rows[i].id;
				}
				dcg_store_jobs_free(rows, n);
			}
			ck_assert_int_eq(expected, 0); /* nothing was left out at the end */
		}
	struct dcg_job_row *rows = NULL;
	size_t n = 9;
	struct dcg_job_filter f = { .pinned = -1, .state = -1, .limit = -1 };
	fails(dcg_store_jobs(store, &f, &rows, &n, &err), DCG_EINVAL);
	f.limit = 0;
	ok(dcg_store_jobs(store, &f, &rows, &n, &err));
	ck_assert_uint_eq(n, 0);
	f.limit = 1, f.state = DCG_JOB_STATES;
	fails(dcg_store_jobs(store, &f, &rows, &n, &err), DCG_EINVAL);
}
END_TEST

START_TEST(first_error_sticks)
{
	int64_t id = add_job("a", "d", 0, 1), other = 42;
	struct dcg_store_tx *tx = begin(1), *second;
	ok(dcg_store_log_append(tx, id, "info", "lost"));
	fails(dcg_store_job_delete(tx, 99), DCG_ENOENT);
	fails(dcg_store_log_append(tx, id, "info", "lost too"), DCG_ENOENT);
	fails(dcg_store_event_append(tx, id, "state", "{}", &other), DCG_ENOENT);
	ck_assert_int_eq(other, 42);
	fails(dcg_store_begin(store, 0, &second, &err), DCG_ESTATE);
	says("already");
	fails(dcg_store_commit(tx, &err), DCG_ENOENT);
	says("there is no job 99");
	struct dcg_log_row *log;
	size_t n;
	ok(dcg_store_log(store, id, 0, 10, NULL, &log, &n, &err));
	ck_assert_uint_eq(n, 0);
	/* And the next transaction starts afresh. */
	tx = begin(0);
	ok(dcg_store_log_append(tx, id, "info", "kept"));
	commit(tx);
	tx = begin(1);
	ok(dcg_store_log_append(tx, id, "info", "dropped"));
	dcg_store_rollback(tx);
	dcg_store_rollback(NULL);
	ok(dcg_store_log(store, id, 0, 10, NULL, &log, &n, &err));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(log[0].text, "kept");
	dcg_store_log_free(log, n);
	/* What breaks a rule of the tables. */
	struct dcg_job_row bad = { .params_json = NULL };
	tx = begin(0);
	fails(dcg_store_job_insert(tx, &bad, &other), DCG_EINVAL);
	fails(dcg_store_commit(tx, &err), DCG_EINVAL);
	says("NOT NULL");
	tx = begin(0);
	fails(dcg_store_log_append(tx, 99, "info", "no such job"), DCG_ENOENT);
	dcg_store_rollback(tx);
	tx = begin(0);
	fails(dcg_store_log_append(tx, id, "too long a level", "x"), DCG_EINVAL);
	fails(dcg_store_commit(tx, &err), DCG_EINVAL);
	says("at most 7 allowed");
}
END_TEST

START_TEST(deleted_job_takes_its_rows_along)
{
	int64_t id = add_job("a", "d", 0, 1), other = add_job("b", "d", 0, 1), x;
	struct dcg_store_tx *tx = begin(1);
	struct dcg_file_row f = { .step = 5, .epoch = 1, .name = "x.png", .sha256 = "00", .score = NAN };
	for (int k = 0; k < 2; k++)
		for (int j = 0; j < 2; j++) {
			f.job = j ? id : other;
			ok(dcg_store_file_insert(tx, (enum dcg_file_kind)k, &f, &x));
		}
	ok(dcg_store_log_append(tx, id, "info", "x"));
	ok(dcg_store_log_append(tx, other, "info", "y"));
	ok(dcg_store_event_append(tx, id, "state", "{}", &x));
	commit(tx);
	tx = begin(1);
	ok(dcg_store_job_delete(tx, id));
	commit(tx);
	struct dcg_job_row r;
	fails(dcg_store_job_get(store, id, &r, &err), DCG_ENOENT);
	struct dcg_file_row *rows;
	size_t n;
	for (int k = 0; k < 2; k++) {
		ok(dcg_store_files(store, (enum dcg_file_kind)k, 0, -1, 10, NULL, &rows, &n, &err));
		ck_assert_uint_eq(n, 1);
		ck_assert_int_eq(rows[0].job, other);
		free(rows);
	}
	struct dcg_log_row *log;
	ok(dcg_store_log(store, id, 0, 10, NULL, &log, &n, &err));
	ck_assert_uint_eq(n, 0);
	ok(dcg_store_log(store, other, 0, 10, NULL, &log, &n, &err));
	ck_assert_uint_eq(n, 1);
	dcg_store_log_free(log, n);
	struct dcg_event_row *e;
	int64_t oldest, newest;
	ok(dcg_store_events(store, id, 0, 10, &e, &n, &oldest, &newest, &err));
	ck_assert_uint_eq(n, 1);
	dcg_store_events_free(e, n);
	/* Its number is never given again, not even the largest. */
	tx = begin(1);
	ok(dcg_store_job_delete(tx, other));
	commit(tx);
	reopen();
	ck_assert_int_eq(add_job("c", "d", 0, 1), 3);
}
END_TEST

START_TEST(datasets)
{
	char path[] = "/srv/it's here";
	struct dcg_dataset_row d = { .path = path, .format = "folder", .count = 70000, .width = 28, .height = 27,
		.channels = 3, .classes = 10, .builtin = 1, .created_ms = 5 }, r;
	struct dcg_store_tx *tx = begin(1);
	for (int i = 0; i < 9; i++) {
		snprintf(d.name, sizeof d.name, "set-%d", i);
		ok(dcg_store_dataset_put(tx, &d));
	}
	commit(tx);
	ok(dcg_store_dataset_get(store, "set-4", &r, &err));
	ck_assert_str_eq(r.path, path);
	ck_assert_str_eq(r.format, "folder");
	ck_assert_str_eq(r.name, "set-4");
	ck_assert(r.count == 70000 && r.width == 28 && r.height == 27 && r.channels == 3 && r.classes == 10 && r.builtin == 1 && r.created_ms == 5);
	dcg_dataset_row_done(&r);
	tx = begin(1);
	snprintf(d.name, sizeof d.name, "set-4");
	d.builtin = 0, d.count = 1;
	ok(dcg_store_dataset_put(tx, &d)); /* replaces */
	ok(dcg_store_dataset_delete(tx, "set-0"));
	commit(tx);
	struct dcg_dataset_row *rows;
	size_t n;
	ok(dcg_store_datasets(store, NULL, 100, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 8);
	ck_assert_str_eq(rows[0].name, "set-1");
	ck_assert(rows[3].builtin == 0 && rows[3].count == 1);
	dcg_store_datasets_free(rows, n);
	ok(dcg_store_datasets(store, "set-5", 2, NULL, &rows, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(rows[1].name, "set-7");
	dcg_store_datasets_free(rows, n);
	fails(dcg_store_dataset_get(store, "set-0", &r, &err), DCG_ENOENT);
	says("set-0");
	tx = begin(1);
	fails(dcg_store_dataset_delete(tx, "set-0"), DCG_ENOENT);
	dcg_store_rollback(tx);
	memset(d.name, 'x', sizeof d.name); /* no end */
	tx = begin(1);
	fails(dcg_store_dataset_put(tx, &d), DCG_EINVAL);
	dcg_store_rollback(tx);
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: jobs", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, names);
	tcase_add_test(c, job_comes_back_as_it_went);
	tcase_add_test(c, job_update_changes_what_may_change);
	tcase_add_test(c, descriptions);
	tcase_add_test(c, keys);
	tcase_add_test(c, queue_order);
	tcase_add_test(c, lists_filter_and_page);
	tcase_add_test(c, first_error_sticks);
	tcase_add_test(c, deleted_job_takes_its_rows_along);
	tcase_add_test(c, datasets);
	return tap_run(s);
}
