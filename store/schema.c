#include "store/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { APPLICATION_ID = 0x44434721 }; /* "DCG!" at byte 68: file(1) and we know our own */

static int newest_version(const char *const *steps)
{
	int n = 0;
	while (steps[n])
		n++;
	return n;
}

static int newer(const char *path, int64_t version, int newest, struct dcg_error *err)
{
	char *copy;
	if (asprintf(&copy, "%s.v%d.backup", path, newest) < 0)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int there = access(copy, F_OK) == 0;
	free(copy);
	dcg_error_set(err, DCG_EVERSION, "%s: written by a newer dcgand (version %lld of the tables, this one knows %d): run that one, or ", path, (long long)version, newest);
	size_t n = err ? strlen(err->text) : 0;
	if (err && there)
		snprintf(err->text + n, sizeof err->text - n, "put the backup it made (" DCG_STORE_FILE ".v%d.backup) in the place of " DCG_STORE_FILE " and remove "
			DCG_STORE_FILE "-wal and -shm, which loses what was recorded since", newest);
	else if (err)
		snprintf(err->text + n, sizeof err->text - n, "choose another --state-dir (of version %d there is no backup, " DCG_STORE_FILE ".v%d.backup)", newest, newest);
	return DCG_EVERSION;
}

/* A small file is looked through as a whole, which takes some ten milliseconds; damage in a large one is told when
 * somebody meets it. */
static int check_pages(struct dcg_sql *q)
{
	if (dcg_sql_value(q, "PRAGMA page_count") * dcg_sql_value(q, "PRAGMA page_size") > DCG_SCHEMA_CHECKED)
		return q->error.code;
	dcg_sql_start(q, "PRAGMA quick_check(1)");
	char *found = dcg_sql_step(q) > 0 ? dcg_sql_text(q) : NULL;
	if (found && strcmp(found, "ok") != 0) {
		const char *line = strchr(found, '\n'); /* past a headline */
		dcg_sql_fail(q, DCG_EDAMAGED, "damaged: %.100s; " DCG_STORE_REMEDY, line ? line + 1 : found);
	}
	dcg_sql_end(q);
	free(found);
	return q->error.code;
}

int dcg_schema_check(struct dcg_sql *q, const char *path, const char *const *steps, int *ret_version, struct dcg_error *err)
{
	int newest = newest_version(steps);
	int64_t id = dcg_sql_value(q, "PRAGMA application_id");
	int64_t version = dcg_sql_value(q, "PRAGMA user_version");
	int64_t objects = dcg_sql_value(q, "SELECT count(*) FROM sqlite_schema");
	if (!q->error.code && version <= newest && id == APPLICATION_ID)
		check_pages(q);
	if (dcg_sql_result(q, err))
		return dcg_error_prefix(err, q->error.code, "%s", path);
	if (id == 0 && version == 0 && objects == 0)
		version = 0; /* new, or a crash came before the first migration */
	else if (id != APPLICATION_ID || version < 1)
		return dcg_error_set(err, DCG_EFORMAT,
			"%s: an SQLite file, but not of dcgand (application_id %lld, expected %d; version %lld): move it away or choose another folder",
			path, (long long)id, APPLICATION_ID, (long long)version);
	if (version > newest)
		return newer(path, version, newest, err);
	*ret_version = (int)version;
	return 0;
}

/* A copy of the whole file as the newest committed transaction left it, on disk before
 * this returns. */
static int backup(struct dcg_sql *q, const char *path, int version, struct dcg_error *err)
{
	struct dcg_file f;
	struct stat st;
	char *copy;
	if (asprintf(&copy, "%s.v%d.backup", path, version) < 0)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	uint64_t size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	int r = dcg_file_begin(&f, copy, size, err);
	free(copy);
	if (r)
		return r;
	dcg_sql_start(q, "VACUUM INTO ?");
	dcg_sql_bind_text(q, f.temporary);
	dcg_sql_run(q);
	r = dcg_sql_result(q, err);
	if (r) {
		dcg_error_prefix(err, r, "%s", f.path);
		dcg_file_abort(&f);
		return r;
	}
	return dcg_file_commit(&f, err);
}

void dcg_schema_sweep(const char *folder)
{
	static const char begin[] = "." DCG_STORE_FILE ".v";
	DIR *dir = opendir(folder);
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		/* Of a backup's temporary, or of the journal that SQLite keeps beside it. */
		char name[sizeof e->d_name];
		snprintf(name, sizeof name, "%s", e->d_name);
		char *journal = strstr(name, ".tmp-");
		if (journal)
			journal[4] = '\0';
		if (strncmp(name, begin, sizeof begin - 1) == 0 && dcg_file_is_temporary(name))
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

static int step(struct dcg_sql *q, const char *sql, int version)
{
	char pragmas[96];
	snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID, version);
	dcg_sql_exec(q, "BEGIN IMMEDIATE");
	dcg_sql_exec(q, sql);
	if (dcg_sql_value(q, "SELECT count(*) FROM pragma_foreign_key_check"))
		dcg_sql_fail(q, DCG_EDAMAGED, "rows refer to others that are not there");
	dcg_sql_exec(q, pragmas);
	dcg_sql_exec(q, "COMMIT");
	if (q->error.code && !sqlite3_get_autocommit(q->db))
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	return q->error.code;
}

int dcg_schema_migrate(struct dcg_sql *q, const char *path, const char *const *steps, int version, struct dcg_error *err)
{
	int newest = newest_version(steps), r = 0;
	if (version == newest)
		return 0;
	if (version > 0)
		r = backup(q, path, version, err);
	/* A table is rebuilt by making a new one, copying and renaming, which must not cascade. */
	if (!r)
		sqlite3_db_config(q->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
	for (int v = version; !r && v < newest; v++)
		if (step(q, steps[v], v + 1))
			r = dcg_error_prefix(err, dcg_sql_result(q, err), "%s: migration from version %d to %d", path, v, v + 1);
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	return r;
}

/* The names and definitions that are in model and not in q. */
static int compare(struct dcg_sql *q, struct dcg_sql *model, const char *path, struct dcg_error *err)
{
	dcg_sql_start(model, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
	while (dcg_sql_step(model) > 0) {
		char *name = dcg_sql_text(model), *sql = dcg_sql_text(model);
		dcg_sql_start(q, "SELECT count(*) FROM sqlite_schema WHERE name=? AND sql=?");
		dcg_sql_bind_text(q, name);
		dcg_sql_bind_text(q, sql);
		if (dcg_sql_step(q) > 0 && dcg_sql_int(q) != 1)
			dcg_sql_fail(q, DCG_EDAMAGED, "\"%s\" is missing or was altered; " DCG_STORE_REMEDY, name);
		dcg_sql_end(q);
		free(name);
		free(sql);
	}
	int r = dcg_sql_result(model, err);
	if (!r)
		r = dcg_sql_result(q, err);
	return r ? dcg_error_prefix(err, r, "%s", path) : 0;
}

int dcg_schema_verify(struct dcg_sql *q, const char *path, const char *const *steps, struct dcg_error *err)
{
	struct dcg_sql model;
	int r = dcg_sql_open(&model, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, err);
	if (r)
		return r;
	for (int i = 0; steps[i]; i++)
		dcg_sql_exec(&model, steps[i]);
	r = compare(q, &model, path, err);
	dcg_sql_close(&model);
	return r;
}
