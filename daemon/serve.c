#include "daemon/serve.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/tokens.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/signals.h"

/* While stopping, systemd is asked for EXTEND_S more each STATUS_MS, up to STOP_MAX_MS after
 * the worker was last seen moving: a step and a checkpoint of the largest networks. */
enum { STATUS_MS = 5000, EXTEND_S = 30, STOP_MAX_MS = 600 * 1000 };

/* The number of a signal that came; 0 when timeout_ms passed (-1: never) or somebody woke us. */
static int wait_signal(struct dcg_daemon *d, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = d->signal_fd, .events = POLLIN }, { .fd = d->wake_fd, .events = POLLIN } };
	uint64_t seen;
	if (poll(p, 2, timeout_ms) <= 0)
		return 0;
	if (p[1].revents & POLLIN) {
		ssize_t n = read(d->wake_fd, &seen, sizeof seen);
		(void)n;
	}
	return dcg_signals_next(d->signal_fd);
}

/* From any thread: have the main one look at what was set. */
static void wake(struct dcg_daemon *d, atomic_int *flag)
{
	uint64_t one = 1;
	atomic_store(flag, 1);
	ssize_t n = write(d->wake_fd, &one, sizeof one);
	(void)n;
}

static void tell_status(struct dcg_daemon *d, const char *also)
{
	char status[200];
	dcg_jobs_status(d->jobs, status, sizeof status);
	dcg_notify("%sSTATUS=%s", also, status);
}

/* --- Reload ------------------------------------------------------------------------------- */

static void log_fault(void *user, const char *text)
{
	(void)user;
	dcg_log(DCG_API_ERROR, "reload: %s", text);
}

static void log_change(void *user, int in_effect, const char *text)
{
	++*(int *)user;
	dcg_log(in_effect ? DCG_API_INFO : DCG_API_WARNING, "reload: %s", text);
}

/* The file of tokens again; which file it is changes at the next start only. */
static int read_tokens(const struct dcg_options *o, struct dcg_tokens **ret)
{
	*ret = NULL;
	return o->tokens ? dcg_tokens_read(ret, o->tokens, log_fault, NULL) : 0;
}

/* All of the new configuration is judged before any of it holds. */
static void reload(struct dcg_daemon *d)
{
	struct dcg_options to, *o = &d->options;
	struct dcg_faults faults = { .tell = log_fault };
	struct dcg_tokens *tokens;
	struct timespec t;
	int changes = 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	dcg_notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading %s", (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000, o->config ? o->config : o->tokens);
	if (dcg_options_load(&to, d->argc, d->argv, &faults)) {
		dcg_log(DCG_API_ERROR, "reload: the old configuration stays");
	} else if (read_tokens(o, &tokens)) {
		dcg_options_done(&to);
		dcg_log(DCG_API_ERROR, "reload: the old configuration stays, and the old tokens");
	} else {
		size_t count = tokens ? tokens->count : 0;
		dcg_options_reload(o, &to, log_change, &changes);
		dcg_options_done(&to);
		dcg_log_limit((enum dcg_api_level)o->log_level);
		dcg_api_adjust(d->api, o->heartbeat_s, o->request_timeout_s, o->max_streams, o->session_hours);
		if (tokens && dcg_api_set_tokens(d->api, tokens)) {
			dcg_log(DCG_API_INFO, "reload: tokens: others than before, now %zu", count);
			changes++;
		}
		dcg_jobs_adjust(d->jobs, o->max_queued);
		if (!changes)
			dcg_log(DCG_API_INFO, "reload: nothing has changed");
	}
	tell_status(d, "READY=1\n");
}

/* --- Stop ----------------------------------------------------------------------------------- */

static void *stop(void *arg)
{
	struct dcg_daemon *d = arg;
	dcg_api_begin_stop(d->api);
	dcg_jobs_stop(d->jobs, 0);
	dcg_api_stop(d->api);
	wake(d, &d->stopped);
	return NULL;
}

void dcg_serve_lost(void *daemon)
{
	struct dcg_daemon *d = daemon;
	wake(d, &d->lost);
}

/* Nothing can be recorded any more, and only opening the database anew helps: so that whoever watches over us
 * may start us again. */
static void give_up(struct dcg_daemon *d)
{
	dcg_log(DCG_API_ERROR, "a sync of the database to disk failed, what was written since may be lost: ending without a checkpoint, the next start "
		"goes on from what is there; a signal leaves at once. Look at the disk when this comes again");
	dcg_notify("STOPPING=1\nSTATUS=A sync of the database to disk failed");
	dcg_jobs_begin_stop(d->jobs, 1);
	dcg_jobs_spare(d->jobs);
}

/* A second signal gives up the checkpoint, a third everything; one after give_up() everything, too. So nothing
 * here may wait for the worker, which looks up from a step only at its end. */
static void wait_for_end(struct dcg_daemon *d, int *gave_up)
{
	uint64_t seen = 0;
	int quick = *gave_up;
	int64_t moved = dcg_clock_ms();
	while (!atomic_load(&d->stopped)) {
		if (dcg_jobs_moving(d->jobs, &seen))
			moved = dcg_clock_ms();
		if (dcg_clock_ms() - moved < STOP_MAX_MS)
			dcg_notify("EXTEND_TIMEOUT_USEC=%d", EXTEND_S * 1000000);
		int number = wait_signal(d, STATUS_MS);
		if (atomic_load(&d->lost) && !*gave_up) {
			give_up(d);
			*gave_up = quick = 1;
		} else if (number && number != SIGHUP && quick) {
			dcg_log(DCG_API_WARNING, "leaving at once");
			_exit(EXIT_FAILURE); /* the store survives this as it survives kill -9 */
		} else if (number && number != SIGHUP) {
			dcg_log(DCG_API_INFO, "stopping without a checkpoint; a third signal leaves at once");
			dcg_jobs_begin_stop(d->jobs, 1);
			quick = 1;
		}
	}
}

/* --- Serve ---------------------------------------------------------------------------------- */

int dcg_serve(struct dcg_daemon *d)
{
	pthread_t thread;
	int gave_up = 0, supervised = getenv("NOTIFY_SOCKET") != NULL;
	int64_t status_at = dcg_clock_ms() + STATUS_MS;
	while (!atomic_load(&d->lost)) {
		int number = wait_signal(d, dcg_watchdog_wait(&d->watchdog, supervised ? STATUS_MS : -1));
		/* Without a file there is nothing to read again: a closed terminal ends us. */
		if (number == SIGHUP && (d->options.config || d->options.tokens))
			reload(d);
		else if (number)
			break;
		dcg_watchdog_look(&d->watchdog, d->api, d->jobs);
		if (supervised && dcg_clock_ms() >= status_at) {
			tell_status(d, "");
			status_at = dcg_clock_ms() + STATUS_MS;
		}
	}
	if ((gave_up = atomic_load(&d->lost))) {
		give_up(d);
	} else {
		dcg_log(DCG_API_INFO, "stopping: a checkpoint is saved first; a second signal skips that");
		dcg_notify("STOPPING=1\nSTATUS=Saving a checkpoint");
	}
	if (pthread_create(&thread, NULL, stop, d)) {
		stop(d);
	} else {
		wait_for_end(d, &gave_up);
		pthread_join(thread, NULL);
	}
	/* The very last commit may have been the one. */
	if (atomic_load(&d->lost) && !gave_up)
		give_up(d);
	return atomic_load(&d->lost) ? DCG_EIO : 0;
}
