/* dcgand: wires the rooms together, then waits for signals.
 *
 * The order below is the order of dependence: jobs (with the store), then the HTTP service.
 * Stopping goes the other way round: refuse new work, save the running job, end HTTP.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/api.h"
#include "base/file.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"

enum { STATUS_MS = 5000 };

struct daemon {
	struct dcg_jobs *jobs;
	struct dcg_api *api;
	int signal_fd, done_fd; /* eventfds; done_fd: the stopping thread has finished */
};

static int handler_fd = -1; /* signal_fd, for the handler */

/* A handler rather than signalfd: libraries (OpenBLAS) start threads before main, which do
 * not inherit a mask set here, and the default action in one of them ends the process. */
static void on_signal(int number)
{
	int e = errno;
	uint64_t one = 1;
	(void)number;
	ssize_t n = write(handler_fd, &one, sizeof one);
	(void)n;
	errno = e;
}

static int take_signals(struct daemon *d, struct dcg_error *err)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, ignore = { .sa_handler = SIG_IGN };
	d->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	d->done_fd = eventfd(0, EFD_CLOEXEC);
	if (d->signal_fd < 0 || d->done_fd < 0)
		return dcg_error_sys(err, errno, "cannot make an eventfd");
	handler_fd = d->signal_fd;
	sigemptyset(&action.sa_mask);
	sigaction(SIGPIPE, &ignore, NULL);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaction(ending[i], &action, NULL);
	return 0;
}

/* 1 when a signal came; waits up to timeout_ms (-1: for ever). */
static int wait_signal(struct daemon *d, int timeout_ms, int *ret_done)
{
	struct pollfd p[2] = { { .fd = d->signal_fd, .events = POLLIN }, { .fd = d->done_fd, .events = POLLIN } };
	uint64_t one;
	if (poll(p, 2, timeout_ms) <= 0)
		return 0;
	*ret_done = (p[1].revents & POLLIN) != 0;
	return p[0].revents & POLLIN && read(d->signal_fd, &one, sizeof one) == sizeof one;
}

static void *stop(void *arg)
{
	struct daemon *d = arg;
	uint64_t one = 1;
	dcg_api_begin_stop(d->api);
	dcg_jobs_stop(d->jobs, 0);
	dcg_api_stop(d->api);
	ssize_t n = write(d->done_fd, &one, sizeof one);
	(void)n;
	return NULL;
}

/* Serve until told to stop, then stop; a second signal gives up the checkpoint. */
static void serve(struct daemon *d)
{
	char status[200];
	pthread_t thread;
	int done = 0, signals = 0;
	while (!wait_signal(d, getenv("NOTIFY_SOCKET") ? STATUS_MS : -1, &done)) {
		dcg_jobs_status(d->jobs, status, sizeof status);
		dcg_notify("STATUS=%s", status);
	}
	dcg_log(DCG_API_INFO, "stopping: a checkpoint is saved first; a second signal skips that");
	dcg_notify("STOPPING=1\nSTATUS=Saving a checkpoint\nEXTEND_TIMEOUT_USEC=120000000");
	if (pthread_create(&thread, NULL, stop, d)) {
		stop(d);
		return;
	}
	while (!done)
		if (wait_signal(d, -1, &done)) {
			if (++signals == 2) {
				dcg_log(DCG_API_WARNING, "leaving at once");
				_exit(EXIT_FAILURE); /* the store survives this as it survives kill -9 */
			}
			dcg_jobs_stop(d->jobs, 1);
		}
	pthread_join(thread, NULL);
}

static int start(struct daemon *d, const struct dcg_options *o, struct dcg_error *err)
{
	const struct dcg_jobs_config jobs = { .state_folder = o->state_dir, .dataset_roots = o->dataset_roots, .max_queued = o->max_queued };
	const struct dcg_api_config api = {
		.listen = o->listen, .listen_fd = dcg_notify_socket(), .web_folder = o->web_dir, .allowed_hosts = o->allowed_hosts,
		.heartbeat_s = o->heartbeat_s, .request_timeout_s = o->request_timeout_s, .max_connections = o->max_connections, .max_streams = o->max_streams, .log = dcg_log_line,
	};
	int r = take_signals(d, err);
	if (!r)
		r = dcg_file_make_folder(o->state_dir, err);
	if (!r)
		r = dcg_jobs_new(&d->jobs, &jobs, err);
	/* The socket before the worker: a port in use must not set a job going. */
	if (!r)
		r = dcg_api_new(&d->api, &api, d->jobs, err);
	if (!r)
		r = dcg_jobs_start(d->jobs, err);
	if (!r)
		r = dcg_api_start(d->api, err);
	return r;
}

int main(int argc, char **argv)
{
	struct dcg_options o;
	struct dcg_error err;
	struct daemon d = { .signal_fd = -1, .done_fd = -1 };
	if (dcg_options_parse(&o, argc, argv, &err)) {
		fprintf(stderr, "dcgand: %s\nTry dcgand --help\n", err.text);
		return 2;
	}
	if (o.help) {
		dcg_options_help(stdout);
		return EXIT_SUCCESS;
	}
	if (o.version) {
		puts(PACKAGE_NAME " " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (dcg_log_begin(o.log_level)) {
		fprintf(stderr, "dcgand: --log-level: expected error, warning, info or debug, found \"%s\"\n", o.log_level);
		return 2;
	}
	int r = start(&d, &o, &err);
	if (r) {
		dcg_log(DCG_API_ERROR, "%s", err.text);
		dcg_notify("STATUS=%s", err.text);
		if (d.jobs)
			dcg_jobs_stop(d.jobs, 1);
	} else {
		printf(PACKAGE_NAME " " PACKAGE_VERSION " listening on %s\n", dcg_api_url(d.api));
		fflush(stdout);
		dcg_notify("READY=1\nSTATUS=Listening on %s", dcg_api_url(d.api));
		serve(&d);
	}
	dcg_api_free(d.api);
	dcg_jobs_free(d.jobs);
	if (d.signal_fd >= 0)
		close(d.signal_fd);
	if (d.done_fd >= 0)
		close(d.done_fd);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
