/* systemd's watchdog: told that we live only on proof that HTTP answers and the worker moves.
 * Main thread. */
#ifndef DCG_DAEMON_WATCHDOG_H
#define DCG_DAEMON_WATCHDOG_H

#include "api/api.h"

struct dcg_watchdog {
	int64_t period_ms;  /* of $WATCHDOG_USEC; 0: nobody asks */
	int64_t next_ms;    /* monotonic: when to look again */
	uint64_t seen;      /* the worker's progress */
	int64_t moved_ms;   /* when it last moved */
	int http, worker;   /* told of the standstill of each */
};

int64_t dcg_clock_ms(void); /* monotonic */

/* Reads the environment. Call once, before threads. */
void dcg_watchdog_begin(struct dcg_watchdog *w);
/* How long until it must look, at most max_ms (-1: for ever). */
int dcg_watchdog_wait(const struct dcg_watchdog *w, int max_ms);
/* Look if it is time, and tell systemd if all is well; log what is not. */
void dcg_watchdog_look(struct dcg_watchdog *w, struct dcg_api *api, struct dcg_jobs *jobs);

#endif
