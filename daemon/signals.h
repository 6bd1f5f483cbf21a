/* Signals as bytes in a pipe, for the main thread. */
#ifndef DCG_DAEMON_SIGNALS_H
#define DCG_DAEMON_SIGNALS_H

#include "base/error.h"

/* SIGINT, SIGTERM and SIGHUP come through *ret_fd from now on; SIGPIPE and SIGXFSZ are
 * ignored. Call once. */
int dcg_signals_take(int *ret_fd, struct dcg_error *err);
/* The next signal's number, or 0 when none waits. */
int dcg_signals_next(int fd);

#endif
