/* The main thread's life between start and end: signals, status, watchdog, reload, stop. */
#ifndef DCG_DAEMON_SERVE_H
#define DCG_DAEMON_SERVE_H

#include <stdatomic.h>

#include "api/api.h"
#include "daemon/options.h"
#include "daemon/watchdog.h"

struct dcg_daemon {
	struct dcg_options options; /* in effect */
	int argc;                   /* read again on reload */
	char **argv;
	struct dcg_jobs *jobs;
	struct dcg_api *api;
	struct dcg_watchdog watchdog;
	int signal_fd; /* of daemon/signals.h */
	int wake_fd;   /* eventfd: has the main thread look at these: */
	atomic_int lost;    /* the database takes nothing more */
	atomic_int stopped; /* the stopping thread has finished */
};

/* Until a signal says stop or dcg_serve_lost was called; then jobs and HTTP are stopped. Leaves the process on
 * a third signal, or on the first once dcg_serve_lost was called. DCG_EIO if it was, also while stopping. */
int dcg_serve(struct dcg_daemon *d);
/* The store has lost what it wrote (dcg_store_on_lost). */
void dcg_serve_lost(void *daemon);

#endif
