/* dcgand: wires the rooms together, then waits for signals.
 *
 * The order below is the order of dependence: jobs (with the store), then the HTTP service.
 * Stopping goes the other way round: refuse new work, save the running job, end HTTP.
 */
#include "config.h"

#include <errno.h>
#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/tokens.h"
#include "daemon/files.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/serve.h"
#include "daemon/signals.h"

enum { EXIT_CONFIGURATION = 2 };

static void print_fault(void *user, const char *text)
{
	(void)user;
	fprintf(stderr, "dcgand: %s\n", text);
}

static int start(struct dcg_daemon *d, struct dcg_tokens **tokens, struct dcg_error *err)
{
	const struct dcg_options *o = &d->options;
	const struct dcg_jobs_config jobs = { .state_folder = o->state_dir, .dataset_roots = (const char *const *)o->dataset_roots, .max_queued = o->max_queued,
		.disk_reserve = o->disk_reserve_mb ? (int64_t)o->disk_reserve_mb << 20 : -1,
		.nice = o->nice };
	struct dcg_api_config api = {
		.listen = o->listen, .web_folder = o->web_dir, .allowed_hosts = (const char *const *)o->allowed_hosts,
		.tokens = *tokens, .state_folder = o->state_dir, .session_hours = o->session_hours,
		.heartbeat_s = o->heartbeat_s, .request_timeout_s = o->request_timeout_s, .max_streams = o->max_streams, .log = dcg_log_line,
	};
	d->wake_fd = eventfd(0, EFD_CLOEXEC);
	int r = d->wake_fd < 0 ? dcg_error_sys(err, errno, "cannot make an eventfd") : dcg_signals_take(&d->signal_fd, err);
	if (!r)
		r = dcg_notify_socket(&api.listen_fd, err);
	if (!r)
		r = dcg_files_fit(o->max_connections, &api.max_connections, err);
	if (!r)
		r = dcg_jobs_new(&d->jobs, &jobs, err);
	if (!r)
		dcg_store_on_lost(dcg_jobs_store(d->jobs), dcg_serve_lost, d);
	/* The socket before the worker: a port in use must not set a job going. */
	if (!r)
		r = dcg_api_new(&d->api, &api, d->jobs, err);
	if (!r)
		*tokens = NULL; /* they are the api's now */
	if (!r)
		r = dcg_jobs_start(d->jobs, err);
	if (!r)
		r = dcg_api_start(d->api, err);
	return r;
}

/* Takes tokens. */
static int run(struct dcg_daemon *d, struct dcg_tokens *tokens)
{
	struct dcg_error err;
	dcg_log_begin((enum dcg_api_level)d->options.log_level);
	dcg_watchdog_begin(&d->watchdog);
	/* Who set tokens up by LoadCredential= under another name must not believe that they hold. */
	if (tokens)
		dcg_log(tokens->count ? DCG_API_INFO : DCG_API_WARNING, "%zu token%s in %s: nobody gets in without one", tokens->count,
			tokens->count == 1 ? "" : "s", d->options.tokens);
	else if (getenv("CREDENTIALS_DIRECTORY"))
		dcg_log(DCG_API_WARNING, "expected a credential named tokens, found none: everybody may do everything");
	int r = start(d, &tokens, &err);
	if (r) {
		dcg_log(DCG_API_ERROR, "%s", err.text);
		dcg_notify("STATUS=%s", err.text);
		if (d->jobs)
			dcg_jobs_stop(d->jobs, 1);
	} else {
		printf(PACKAGE_NAME " " PACKAGE_VERSION " listening on %s\n", dcg_api_url(d->api));
		fflush(stdout);
		dcg_notify("READY=1\nSTATUS=Listening on %s", dcg_api_url(d->api));
		r = dcg_serve(d);
	}
	dcg_api_free(d->api);
	dcg_tokens_free(tokens);
	dcg_jobs_free(d->jobs);
	if (d->signal_fd >= 0)
		close(d->signal_fd);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The secret alone goes to standard output, so that it can be sent to where it is needed. */
static int new_token(const struct dcg_options *o)
{
	struct dcg_error err;
	char secret[DCG_TOKEN_SECRET];
	if (dcg_tokens_add(o->tokens, o->new_token, dcg_scope_from_name(o->scope), secret, &err)) {
		print_fault(NULL, err.text);
		return EXIT_CONFIGURATION;
	}
	int lost = puts(secret) == EOF || fflush(stdout) == EOF;
	explicit_bzero(secret, sizeof secret);
	if (lost) {
		fprintf(stderr, "dcgand: the secret could not be shown and is lost: remove the line of %s from %s\n", o->new_token, o->tokens);
		return EXIT_FAILURE;
	}
	fprintf(stderr, "dcgand: %s has a token of scope %s now, in %s. The secret is shown only this once. A daemon that is running takes note when "
		"it is reloaded; one that gets the file by LoadCredential=, when it is restarted.\n", o->new_token, o->scope, o->tokens);
	return EXIT_SUCCESS;
}

/* Whether a service manager should try again: not before somebody has changed something, unless it may pass. */
static int refusal(int code)
{
	return code == DCG_ENOMEM || code == DCG_EMFILE ? EXIT_FAILURE : EXIT_CONFIGURATION;
}

int main(int argc, char **argv)
{
	struct dcg_error err;
	struct dcg_daemon d = { .argc = argc, .argv = argv, .signal_fd = -1, .wake_fd = -1 };
	struct dcg_faults faults = { .tell = print_fault };
#ifdef HAVE_MALLOPT
	/* The threshold would rise with the first large picture: threads' heaps would keep those after it. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
	int r = dcg_options_load(&d.options, argc, argv, &faults), status = EXIT_SUCCESS;
	if (r) {
		fputs("Try dcgand --help\n", stderr);
		return refusal(r);
	}
	struct dcg_tokens *tokens = NULL;
	if (d.options.help) {
		dcg_options_help(stdout);
	} else if (d.options.version) {
		puts(PACKAGE_NAME " " PACKAGE_VERSION);
	} else if (d.options.print_config) {
		if (dcg_options_print(&d.options, stdout, &err)) {
			print_fault(NULL, err.text);
			status = EXIT_CONFIGURATION;
		}
	} else if (d.options.new_token) {
		status = new_token(&d.options);
	} else if (d.options.tokens && (r = dcg_tokens_read(&tokens, d.options.tokens, print_fault, NULL))) {
		status = refusal(r);
	} else if (d.options.check_config) {
		dcg_tokens_free(tokens);
	} else {
		status = run(&d, tokens);
	}
	dcg_options_done(&d.options);
	return status;
}
