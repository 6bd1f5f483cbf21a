/* How many files the process may have open (RLIMIT_NOFILE). Main thread, before others start. */
#ifndef DCG_DAEMON_FILES_H
#define DCG_DAEMON_FILES_H

#include "base/error.h"

/* Raises the limit as far as it may be raised. *ret: `wanted` connections, or as many as leave the
 * job at work and the database the files that they need, with a warning. DCG_EMFILE when those are
 * too few to serve anybody. */
int dcg_files_fit(int wanted, int *ret, struct dcg_error *err);

#endif
