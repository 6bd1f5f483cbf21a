/* A temporary folder with a store in it, for each test. */
#ifndef DCG_TESTS_STORE_FOLDER_H
#define DCG_TESTS_STORE_FOLDER_H

#include <ftw.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/tap.h"

static char folder[256], database[300];
static struct dcg_store *store;
static struct dcg_error err;

#define ok(call) do { \
	int ok_ = (call); \
	ck_assert_msg(ok_ == 0, "%s: %s: %s", #call, dcg_errname(ok_), err.text); \
} while (0)
#define fails(call, code) do { \
	int fails_ = (call); \
	ck_assert_msg(fails_ == (code), "%s: %s, expected %s", #call, dcg_errname(fails_), dcg_errname(code)); \
} while (0)
#define says(text_) ck_assert_msg(strstr(err.text, text_) != NULL, "\"%s\" is not in \"%s\"", text_, err.text)

static inline void folder_make(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof folder, "%s/dcg-store-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(database, sizeof database, "%s/dcgand.db", folder);
}

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void folder_remove(void)
{
	ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void setup(void)
{
	folder_make();
	ok(dcg_store_open(&store, folder, &err));
}

static inline void teardown(void)
{
	dcg_store_close(store);
	folder_remove();
}

static inline void reopen(void)
{
	dcg_store_close(store);
	ok(dcg_store_open(&store, folder, &err));
}

static inline struct dcg_store_tx *begin(int durable)
{
	struct dcg_store_tx *tx;
	ok(dcg_store_begin(store, durable, &tx, &err));
	return tx;
}

static inline void commit(struct dcg_store_tx *tx)
{
	ok(dcg_store_commit(tx, &err));
}

static inline int64_t add_job(const char *name, const char *dataset, int priority, int64_t queue_ms)
{
	char n[64], d[64], p[] = "{}";
	int64_t id;
	snprintf(n, sizeof n, "%s", name);
	snprintf(d, sizeof d, "%s", dataset);
	struct dcg_job_row r = { .name = n, .dataset = d, .priority = priority, .params_json = p,
		.created_ms = 1000, .queue_ms = queue_ms };
	struct dcg_store_tx *tx = begin(1);
	ok(dcg_store_job_insert(tx, &r, &id));
	commit(tx);
	return id;
}

/* SQL on the closed file, past the store. The first column of the last row as a number. */
static inline int64_t sql(const char *path, const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int64_t value = 0;
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	for (int rc; *text;) {
		rc = sqlite3_prepare_v2(db, text, -1, &st, &text);
		ck_assert_msg(rc == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
		if (!st)
			break;
		while ((rc = sqlite3_step(st)) == SQLITE_ROW)
			value = sqlite3_column_int64(st, 0);
		ck_assert_msg(rc == SQLITE_DONE, "%s: %s", sqlite3_sql(st), sqlite3_errmsg(db));
		sqlite3_finalize(st);
	}
	sqlite3_close(db);
	return value;
}

static inline void check_integrity(const char *path)
{
	ck_assert_int_eq(sql(path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	ck_assert_int_eq(sql(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static inline Suite *suite_of(const char *name, TCase **ret)
{
	Suite *s = suite_create(name);
	*ret = tcase_create(name);
	tcase_set_timeout(*ret, 120);
	suite_add_tcase(s, *ret);
	return s;
}

#endif
