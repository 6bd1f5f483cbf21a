/* The HTTP service: jobs, files, data sets and events as docs/api.md says, and the page.
 *
 * dcg_api_new checks the configuration and opens the socket (so that errors are told
 * early), dcg_api_start serves. Serving uses threads of its own; functions here are called
 * by the thread that owns the object, except that dcg_api_begin_stop may be called from any.
 */
#ifndef DCG_API_API_H
#define DCG_API_API_H

#include "jobs/jobs.h"

struct dcg_api;
struct dcg_tokens; /* api/tokens.h */

enum dcg_api_level { DCG_API_ERROR, DCG_API_WARNING, DCG_API_INFO, DCG_API_DEBUG };

struct dcg_api_config {
	/* "ADDRESS:PORT": a numeric IPv4 address, "[IPv6]" or "localhost"; port 0 takes a free one.
	 * Or "unix:/PATH". Without tokens only loopback addresses and Unix sockets. */
	const char *listen;
	int listen_fd;          /* > 0: a listening socket made by another; then listen is not read.
	                           Owned by the api from a successful dcg_api_new on */
	const char *web_folder; /* the page's files; NULL: those built into the program */
	struct dcg_tokens *tokens; /* NULL: everybody may do everything. Taken by a successful dcg_api_new */
	const char *state_folder; /* where the key of sessions is kept; only read with tokens */
	int session_hours;      /* that a log-in on the page lasts; 0: 168 */
	const char *const *allowed_hosts; /* more names for the Host header, NULL-terminated; or NULL */
	int heartbeat_s;        /* of event streams; 0: 15 */
	int request_timeout_s;  /* for a request's headers to arrive, and twice that for its body; 0: 30 */
	int max_connections;    /* 0: 512 */
	int max_streams;        /* 0: 64 */
	/* Called from any thread; may be NULL. text: one line. */
	void (*log)(void *user, enum dcg_api_level level, const char *text);
	void *log_user;
};

/* Is text fit for `listen`, and for `allowed_hosts`? DCG_EINVAL. */
int dcg_api_check_listen(const char *text, struct dcg_error *err);
int dcg_api_check_host(const char *text, struct dcg_error *err);
/* May it be listened on without tokens? DCG_EACCESS. */
int dcg_api_check_private(const char *text, struct dcg_error *err);

/* How many files so many connections may have open, with what serves them: each a socket and a
 * file that is being sent. */
int dcg_api_files(int connections);

/* All of cfg is copied. jobs must outlive the api. */
int dcg_api_new(struct dcg_api **ret, const struct dcg_api_config *cfg, struct dcg_jobs *jobs, struct dcg_error *err);
int dcg_api_start(struct dcg_api *api, struct dcg_error *err);
/* "http://127.0.0.1:8080", "unix:/PATH", or "unix socket" (handed over): where it listens. Owned by api. */
const char *dcg_api_url(const struct dcg_api *api);
/* Change these while serving; they hold for what begins from now on. Any thread. */
void dcg_api_adjust(struct dcg_api *api, int heartbeat_s, int request_timeout_s, int max_streams, int session_hours);
/* Takes tokens, which hold from now on; of an api that began with some. Streams and sessions of
 * those that are gone end. Were they others before? The owner's thread. */
int dcg_api_set_tokens(struct dcg_api *api, struct dcg_tokens *tokens);
/* Ask the served socket for /readyz, as a client would, and wait for any answer: 0, or what was
 * in its way. A signal ends the wait. DCG_ETIMEOUT, DCG_ECANCELLED (signal), DCG_EIO. */
int dcg_api_answers(const struct dcg_api *api, int timeout_ms, struct dcg_error *err);
/* From now on nothing is begun that changes something: POST, PATCH and DELETE get 503, also those
 * that wait for a thread. Reading goes on. */
void dcg_api_begin_stop(struct dcg_api *api);
/* Ends the event streams, lets requests that have begun finish (a few seconds at most for their
 * replies to be taken), closes everything. */
void dcg_api_stop(struct dcg_api *api);
void dcg_api_free(struct dcg_api *api); /* stops first if need be */

#endif
