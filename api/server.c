#include "api/server.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/traffic.h"
#include "base/sha256.h"

/* What libmicrohttpd keeps for a connection: request line and headers must fit. */
enum { CONNECTION_BYTES = 32 << 10 };

/* A thread of libmicrohttpd takes 128 events at a time. When it got that many it waits for more,
 * for as long as it would have waited for the first, before it looks at any: 128 clients that
 * close at the same moment stop it for a minute. So none has as many connections. */
enum { HTTP_THREADS = 2, THREAD_CONNECTIONS = 120 };

static int http_threads(int connections)
{
	int n = (connections + THREAD_CONNECTIONS - 1) / THREAD_CONNECTIONS;
	return n > HTTP_THREADS ? n : HTTP_THREADS;
}

int dcg_api_files(int connections)
{
	/* The socket listened on and the hub's eventfd; and a thread has what it waits with, what wakes
	 * it, and a connection that it takes only to refuse it (or that two threads took at once for the last). */
	return 2 + 3 * http_threads(connections) + 2 * connections;
}

void dcg_api_log(const struct dcg_api *api, enum dcg_api_level level, const char *fmt, ...)
{
	char text[800];
	if (!api->log)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *s = text; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
	api->log(api->log_user, level, text);
}

static void log_http(void *cls, const char *fmt, va_list ap)
{
	char text[400];
	vsnprintf(text, sizeof text, fmt, ap);
	size_t n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = 0;
	/* Mostly about clients that went away. */
	dcg_api_log(cls, DCG_API_DEBUG, "libmicrohttpd: %s", text);
}

/* Paths and queries are decoded by router.c. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

int dcg_api_check_host(const char *text, struct dcg_error *err)
{
	char name[256];
	int port;
	if (dcg_guard_host(text, name, &port) || port >= 0)
		return dcg_error_set(err, DCG_EINVAL, "expected a host name without a port, found \"%.100s\"", text);
	return 0;
}

static int copy_hosts(struct dcg_api *api, const char *const *hosts, struct dcg_error *err)
{
	size_t n = 0;
	char name[256];
	int port;
	while (hosts && hosts[n])
		n++;
	api->allowed_hosts = calloc(n + 1, sizeof *api->allowed_hosts);
	if (!api->allowed_hosts)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int r = dcg_api_check_host(hosts[i], err);
		if (r)
			return r;
		dcg_guard_host(hosts[i], name, &port);
		if (!(api->allowed_hosts[i] = strdup(name)))
			return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	}
	return 0;
}

int dcg_api_new(struct dcg_api **ret, const struct dcg_api_config *cfg, struct dcg_jobs *jobs, struct dcg_error *err)
{
	struct dcg_api *api = calloc(1, sizeof *api);
	if (!api)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	api->listen_fd = -1;
	pthread_mutex_init(&api->peers.lock, NULL);
	api->jobs = jobs;
	api->store = dcg_jobs_store(jobs);
	api->log = cfg->log;
	api->log_user = cfg->log_user;
	api->heartbeat_s = cfg->heartbeat_s > 0 ? cfg->heartbeat_s : 15;
	api->request_timeout_s = cfg->request_timeout_s > 0 ? cfg->request_timeout_s : 30;
	api->session_hours = cfg->session_hours > 0 ? cfg->session_hours : 168;
	api->max_connections = cfg->max_connections > 0 ? cfg->max_connections : 512;
	api->max_streams = cfg->max_streams > 0 ? cfg->max_streams : 64;
	int r = copy_hosts(api, cfg->allowed_hosts, err);
	if (!r && cfg->tokens)
		r = dcg_access_new(&api->access, api, cfg->tokens, cfg->state_folder, err);
	if (r)
		goto fail;
	api->openapi = dcg_openapi_text(api);
	api->traffic = dcg_traffic_new();
	if (!api->traffic || (cfg->web_folder && !(api->web_folder = strdup(cfg->web_folder))) || !api->openapi || dcg_pages_prepare(api)) {
		r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
		goto fail;
	}
	dcg_sha256(api->openapi, strlen(api->openapi), api->openapi_tag);
	r = dcg_api_listen(api, cfg->listen, cfg->listen_fd, err);
	if (r)
		goto fail;
	*ret = api;
	return 0;
fail:
	if (api->access)
		dcg_access_release(api->access); /* the tokens are still the caller's */
	dcg_api_free(api);
	return r;
}

int dcg_api_start(struct dcg_api *api, struct dcg_error *err)
{
	int r = dcg_work_start(&api->work, err);
	if (!r)
		r = dcg_hub_start(&api->hub, api, err);
	if (r)
		return r;
	api->http = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
		dcg_peer_admit, api, dcg_request_handle, api,
		MHD_OPTION_EXTERNAL_LOGGER, log_http, api,
		MHD_OPTION_LISTEN_SOCKET, api->listen_fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)http_threads(api->max_connections),
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		/* One more a thread than are admitted: see dcg_peer_admit. */
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)(api->max_connections + http_threads(api->max_connections)),
		/* Behind a proxy, or on this machine, all clients have one address: one greedy program must
		 * leave some for the others. */
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(api->max_connections - api->max_connections / 8),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)DCG_API_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, dcg_request_new, api,
		MHD_OPTION_NOTIFY_COMPLETED, dcg_request_completed, api,
		MHD_OPTION_NOTIFY_CONNECTION, dcg_peer_notify, api,
		MHD_OPTION_END);
	if (!api->http)
		return dcg_error_set(err, DCG_EIO, "libmicrohttpd could not start");
	return 0;
}

const char *dcg_api_url(const struct dcg_api *api)
{
	return api->url;
}

void dcg_api_adjust(struct dcg_api *api, int heartbeat_s, int request_timeout_s, int max_streams, int session_hours)
{
	atomic_store(&api->heartbeat_s, heartbeat_s);
	atomic_store(&api->request_timeout_s, request_timeout_s);
	atomic_store(&api->max_streams, max_streams);
	atomic_store(&api->session_hours, session_hours);
}

int dcg_api_set_tokens(struct dcg_api *api, struct dcg_tokens *tokens)
{
	return dcg_access_replace(api->access, tokens);
}

void dcg_api_begin_stop(struct dcg_api *api)
{
	atomic_store(&api->refusing, 1);
}

void dcg_api_stop(struct dcg_api *api)
{
	dcg_api_begin_stop(api);
	if (!api->http)
		return;
	dcg_api_unlisten(api);
	/* New connections are refused at once, by the system; a socket that another gave us stays
	 * open for our successor. It is closed when no thread is left that may look at it: its number
	 * could be another file's by then. */
	MHD_socket fd = MHD_quiesce_daemon(api->http);
	if (fd != MHD_INVALID_SOCKET && !api->listen_given)
		shutdown(fd, SHUT_RDWR);
	api->listen_fd = -1;
	/* libmicrohttpd dies when it is stopped with a suspended connection. After these two
	 * every one was resumed, and none is suspended any more. */
	dcg_work_stop(api->work);
	dcg_hub_stop(api->hub);
	int64_t end = dcg_api_clock_ms() + 2000;
	while (atomic_load(&api->open_requests) && dcg_api_clock_ms() < end)
		usleep(5000);
	MHD_stop_daemon(api->http);
	api->http = NULL;
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}

void dcg_api_free(struct dcg_api *api)
{
	if (!api)
		return;
	dcg_api_stop(api);
	dcg_work_free(api->work);
	dcg_hub_free(api->hub);
	dcg_access_free(api->access);
	dcg_api_unlisten(api);
	if (api->listen_fd >= 0)
		close(api->listen_fd);
	pthread_mutex_destroy(&api->peers.lock);
	for (char **h = api->allowed_hosts; h && *h; h++)
		free(*h);
	free(api->allowed_hosts);
	free(api->web_folder);
	dcg_traffic_free(api->traffic);
	free(api->page_tags);
	free(api->openapi);
	free(api);
}
