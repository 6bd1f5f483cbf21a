/* Files that are either wholly there or not there at all.
 *
 * Write: dcg_file_begin opens a temporary of a unique name in the same folder
 * (".NAME.XXXXXX.tmp"), the caller writes, dcg_file_commit does fsync, rename and
 * fsync of the folder; a failure anywhere removes the temporary. An fsync that
 * failed is never retried on the same file. Any thread; one struct, one thread.
 */
#ifndef DCG_BASE_FILE_H
#define DCG_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"

struct dcg_file {
	int fd; /* for the caller to write to, until commit or abort; -1 outside */
	char *path, *temporary;
};

/* reserve_bytes > 0 asks for that much room at once, so that a full disk is found
 * before anything is written. */
int dcg_file_begin(struct dcg_file *f, const char *path, uint64_t reserve_bytes, struct dcg_error *err);
int dcg_file_commit(struct dcg_file *f, struct dcg_error *err);
void dcg_file_abort(struct dcg_file *f); /* legal after commit, and twice */

/* All of size bytes, restarting after signals and short writes. */
int dcg_file_write_all(int fd, const void *data, size_t size, struct dcg_error *err);
/* begin, write, commit. */
int dcg_file_write_atomic(const char *path, const void *data, size_t size, struct dcg_error *err);
/* The whole file, NUL-terminated, in malloc'd memory that the caller frees; DCG_EINVAL
 * when it is larger than max_bytes. */
int dcg_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_size, struct dcg_error *err);
/* The same of an open file, from its present position on; path is its name for errors. */
int dcg_file_read_fd(int fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_size, struct dcg_error *err);
/* Is NAME one of the temporaries dcg_file_begin makes? For cleaning up after a crash. */
int dcg_file_is_temporary(const char *name);
/* mkdir -p with mode 0700 for what is missing; what was made is on disk, too. */
int dcg_file_make_folder(const char *path, struct dcg_error *err);

#endif
