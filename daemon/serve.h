/* The main thread's life between start and end: signals, status, watchdog, reload, stop. */
#ifndef DCG_DAEMON_SERVE_H
#define DCG_DAEMON_SERVE_H

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
	int done_fd;   /* eventfd: the stopping thread has finished or, before it began, the database takes nothing more */
};

/* Until a signal says stop; then jobs and HTTP are stopped. Leaves the process on a third. DCG_EIO: until
 * dcg_serve_lost was called. */
int dcg_serve(struct dcg_daemon *d);
/* The store has lost what it wrote (dcg_store_on_lost). */
void dcg_serve_lost(void *daemon);

#endif
