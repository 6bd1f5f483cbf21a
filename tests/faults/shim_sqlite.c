/* SQLite's statements pass through here, so that a point can be within a transaction, and the
 * writes of its commit can be told from those of another. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/faults/shim.h"

const char *sqlite3_sql(void *stmt);
char *sqlite3_expanded_sql(void *stmt);
void sqlite3_free(void *p);
int sqlite3_step(void *stmt);
int sqlite3_exec(void *db, const char *sql, int (*fn)(void *, int, char **, char **), void *user, char **ret_text);

/* What a transaction is about: the first of these that is in it. */
static const struct { const char *begins, *role; } roles[] = {
	{ "INSERT INTO jobs(", "submit" }, { "DELETE FROM jobs ", "delete" }, { "INSERT INTO checkpoints(", "checkpoint" },
	{ "INSERT INTO samples(", "sample" }, { "DELETE FROM checkpoints WHERE id", "retain" },
	{ "DELETE FROM metrics WHERE job=? AND step", "rewind" }, { "UPDATE jobs SET version=version+1, state=", "move" },
	{ "INSERT OR REPLACE INTO metrics(", "metrics" }, { "UPDATE jobs SET version=version+1, name=", "edit" }, { "UPDATE checkpoints ", "pin" },
	{ "INSERT INTO datasets(", "data set" }, { "DELETE FROM datasets ", "data set gone" }, { "DELETE FROM deleted_jobs", "sweep" },
	{ "DELETE FROM metrics ", "sweep" }, { "INSERT INTO log(", "log" },
};
enum { ROLES = sizeof roles / sizeof *roles };

static __thread size_t role = ROLES;
static __thread int committing, migrating;

const char *shim_commit_role(void)
{
	return !committing ? "" : migrating ? "migration" : role < ROLES ? roles[role].role : "other";
}

/* Of an update that leaves the state as it was, all we know is that it is no move. */
static int is_move(void *stmt)
{
	char *sql = sqlite3_expanded_sql(stmt), *is = sql ? strstr(sql, "state='") : NULL, *was = is ? strstr(is + 7, "state='") : NULL;
	int moves = was && strncmp(is, was, strcspn(is + 7, "'") + 8) != 0;
	sqlite3_free(sql);
	return moves;
}

/* "INSERT samples" of "INSERT INTO samples(...". */
static void statement_name(const char *sql, char *buf, size_t size)
{
	char verb[12] = "", word[24] = "";
	sscanf(sql, "%11s", verb);
	const char *rest = sql + strlen(verb) + strspn(sql + strlen(verb), " ");
	static const char *const between[] = { "OR REPLACE ", "INTO ", "FROM " };
	for (size_t i = 0; i < sizeof between / sizeof *between; i++)
		if (strncmp(rest, between[i], strlen(between[i])) == 0)
			rest += strlen(between[i]);
	size_t n = strcspn(rest, " (;=");
	snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), rest);
	snprintf(buf, size, "%s%s%s", verb, *word ? " " : "", word);
}

static int is_write(const char *sql)
{
	return strncmp(sql, "INSERT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 || strncmp(sql, "DELETE", 6) == 0 || strncmp(sql, "BEGIN", 5) == 0 ||
		strncmp(sql, "COMMIT", 6) == 0 || strncmp(sql, "VACUUM", 6) == 0;
}

int sqlite3_step(void *stmt)
{
	static int (*next)(void *);
	char name[40];
	if (!next)
		*(void **)&next = shim_next("sqlite3_step");
	const char *sql = shim_control ? sqlite3_sql(stmt) : NULL;
	if (!sql || !is_write(sql))
		return next(stmt);
	for (size_t i = 0; i < role; i++)
		if (strncmp(sql, roles[i].begins, strlen(roles[i].begins)) == 0 && (strcmp(roles[i].role, "move") != 0 || is_move(stmt)))
			role = i;
	if (strncmp(sql, "BEGIN", 5) == 0)
		role = ROLES;
	committing = strncmp(sql, "COMMIT", 6) == 0;
	statement_name(sql, name, sizeof name);
	enum shim_action action = shim_point(name, "");
	int r = next(stmt);
	if (action == SHIM_KILL_AFTER)
		shim_kill();
	committing = 0;
	return r;
}

/* Migrations: SQLite's own loop over their statements is past our reach, so they are one. */
int sqlite3_exec(void *db, const char *sql, int (*fn)(void *, int, char **, char **), void *user, char **ret_text)
{
	static int (*next)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
	if (!next)
		*(void **)&next = shim_next("sqlite3_exec");
	int ours = strncmp(sql, "PRAGMA", 6) != 0, was = committing;
	migrating = ours;
	committing |= ours;
	enum shim_action action = ours ? shim_point(strncmp(sql, "COMMIT", 6) == 0 ? "COMMIT" : strncmp(sql, "BEGIN", 5) == 0 ? "BEGIN" : "tables", "") : SHIM_NOTHING;
	int r = next(db, sql, fn, user, ret_text);
	if (action == SHIM_KILL_AFTER)
		shim_kill();
	committing = was;
	migrating = 0;
	return r;
}
