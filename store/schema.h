/* The tables, as a list of migrations. Private to store/.
 *
 * Step N (from 0) takes a file from version N to N+1, in one transaction with its
 * user_version. Steps that were released are never edited: a change is a new step. */
#ifndef DCG_STORE_SCHEMA_H
#define DCG_STORE_SCHEMA_H

#include "store/store.h"
#include "store/sql.h"

extern const char *const dcg_schema_steps[]; /* NULL-terminated */

enum { DCG_SCHEMA_CHECKED = 4 << 20 }; /* bytes of a file that is looked through at every start */

/* Is this our file (or an empty one: version 0), not from the future and, when it is small, sound? Writes nothing. */
int dcg_schema_check(struct dcg_sql *q, const char *path, const char *const *steps, int *ret_version, struct dcg_error *err);
/* Remove what a backup left behind that was interrupted. The folder's lock is ours. */
void dcg_schema_sweep(const char *folder);
/* From version to the newest; a file that had anything in it is first copied to
 * PATH.v<version>.backup. */
int dcg_schema_migrate(struct dcg_sql *q, const char *path, const char *const *steps, int version, struct dcg_error *err);
/* Every table and index of steps is there exactly as they make it. */
int dcg_schema_verify(struct dcg_sql *q, const char *path, const char *const *steps, struct dcg_error *err);

/* dcg_store_open with other steps than dcg_schema_steps: for testing migrations. */
int dcg_store_open_steps(struct dcg_store **ret, const char *folder, const char *const *steps, struct dcg_error *err);

#endif
