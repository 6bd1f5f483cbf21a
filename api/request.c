/* The life of a request: libmicrohttpd calls dcg_request_new when it has the request line,
 * dcg_request_handle when it has the headers, for each part of the body, and when there is
 * no more; a request that may wait is then suspended, worked on, resumed, and handled
 * once more to be answered. dcg_request_completed ends it, whatever happened. */
#include "api/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/reply.h"
#include "api/server.h"
#include "api/traffic.h"

static const char *const header_names[DCG_HEADERS] = {
	[DCG_HEADER_HOST] = "Host", [DCG_HEADER_ORIGIN] = "Origin", [DCG_HEADER_ACCEPT] = "Accept",
	[DCG_HEADER_CONTENT_TYPE] = "Content-Type", [DCG_HEADER_CONTENT_LENGTH] = "Content-Length",
	[DCG_HEADER_TRANSFER_ENCODING] = "Transfer-Encoding", [DCG_HEADER_EXPECT] = "Expect",
	[DCG_HEADER_IF_MATCH] = "If-Match", [DCG_HEADER_IF_NONE_MATCH] = "If-None-Match",
	[DCG_HEADER_IF_RANGE] = "If-Range", [DCG_HEADER_RANGE] = "Range", [DCG_HEADER_LAST_EVENT_ID] = "Last-Event-ID",
	[DCG_HEADER_SEC_FETCH_SITE] = "Sec-Fetch-Site", [DCG_HEADER_SEC_FETCH_MODE] = "Sec-Fetch-Mode",
	[DCG_HEADER_SEC_FETCH_DEST] = "Sec-Fetch-Dest", [DCG_HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key",
	[DCG_HEADER_AUTHORIZATION] = "Authorization",
};

/* 0: none. */
static void set_deadline(struct dcg_request *rq, int64_t in_s)
{
	rq->peer->deadline_ms = in_s ? dcg_api_clock_ms() + in_s * 1000 : 0;
}

/* libmicrohttpd parses the query before we are asked, has room for some hundred parameters, and says nothing of more
 * until the client does: it shall not wait for that as long as for headers. */
static int has_too_many_parameters(const char *uri)
{
	enum { MOST = 300 }; /* no route takes more than DCG_QUERY_MAX */
	int n = 0;
	for (const char *s = strchr(uri, '?'); s; s = strchr(s + 1, '&'))
		n++;
	return n > MOST;
}

void *dcg_request_new(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct dcg_api *api = cls;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct dcg_request *rq = info && info->socket_context ? calloc(1, sizeof *rq) : NULL;
	if (!rq)
		return NULL;
	rq->uri = strdup(uri);
	if (!rq->uri) {
		free(rq);
		return NULL;
	}
	rq->api = api;
	rq->connection = connection;
	rq->peer = info->socket_context;
	rq->method = "";
	rq->started_s = dcg_api_clock_s();
	dcg_request_drop(rq->peer->request);
	rq->peer->request = rq;
	set_deadline(rq, has_too_many_parameters(uri) ? 1 : api->request_timeout_s);
	atomic_fetch_add(&api->open_requests, 1);
	return rq;
}

/* A client that sends or reads slowly has its body or answer kept for as long as its connection lives, and there are hundreds. */
int dcg_request_hold(struct dcg_request *rq, size_t size, size_t most)
{
	if (size <= DCG_HELD_NOT)
		return 0;
	size_t before = atomic_load(&rq->api->held);
	do {
		if (before && before + size > most) /* one alone is served, whatever it takes */
			return -1;
	} while (!atomic_compare_exchange_weak(&rq->api->held, &before, before + size));
	rq->held += size;
	return 0;
}

void dcg_request_let_go(struct dcg_request *rq)
{
	atomic_fetch_sub(&rq->api->held, rq->held);
	rq->held = 0;
}

void dcg_request_drop(struct dcg_request *rq)
{
	if (!rq)
		return;
	rq->peer->request = NULL;
	dcg_request_let_go(rq);
	atomic_fetch_sub(&rq->api->open_requests, 1);
	if (rq->response)
		MHD_destroy_response(rq->response);
	cJSON_Delete(rq->json);
	dcg_text_done(&rq->body);
	free(rq->scratch);
	free(rq->uri);
	free(rq);
}

void dcg_request_completed(void *cls, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode how)
{
	struct dcg_api *api = cls;
	struct dcg_request *rq = *request;
	(void)connection;
	if (!rq)
		return;
	double seconds = dcg_api_clock_s() - rq->started_s;
	dcg_api_log(api, DCG_API_DEBUG, "%s %s: %u in %.0f ms%s", rq->method, rq->uri, rq->status, seconds * 1e3, how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", cut");
	if (rq->status) /* else the client went before it had asked */
		dcg_traffic_count(api->traffic, rq, rq->route && rq->route->flags & DCG_ROUTE_STREAM ? -1 : seconds);
	/* For the next: it may be long in coming, and then takes its time to arrive. */
	set_deadline(rq, DCG_API_IDLE_S + api->request_timeout_s);
	dcg_request_drop(rq);
	*request = NULL;
}

/* RFC 9110, sections 5.1 and 5.5. A proxy that takes "Transfer-Encoding : chunked", or a line after a lone CR, for what it
 * nearly says sees another end of the request than libmicrohttpd, which takes it for another header or a part of its value. */
static int is_header(const char *name, size_t name_size, const char *value, size_t size)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return 0;
	return name_size && strspn(name, allowed) == name_size;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value, size_t size)
{
	struct dcg_request *rq = cls;
	(void)kind;
	if (!is_header(name, name_size, value, size))
		rq->malformed = rq->close = 1;
	for (int i = 0; i < DCG_HEADERS; i++)
		if (strcasecmp(name, header_names[i]) == 0) {
			if (!rq->header_count[i]++)
				rq->header[i] = value ? value : "";
		}
	return MHD_YES;
}

static enum MHD_Result answer(struct dcg_request *rq)
{
	rq->phase = DCG_PHASE_SENT;
	set_deadline(rq, 0);
	if (rq->close)
		dcg_reply_header(rq, "Connection", "close");
	if (!rq->response)
		return MHD_NO; /* no memory even for an apology */
	enum MHD_Result r = MHD_queue_response(rq->connection, rq->status, rq->response);
	MHD_destroy_response(rq->response);
	rq->response = NULL;
	return r;
}

/* The headers are complete. */
static enum MHD_Result begin(struct dcg_request *rq, const char *method)
{
	rq->method = method;
	rq->head = strcmp(method, "HEAD") == 0;
	rq->unsafe = !rq->head && strcmp(method, "GET") != 0;
	MHD_get_connection_values_n(rq->connection, MHD_HEADER_KIND, take_header, rq);
	int refused = dcg_router_split(rq) || dcg_guard_check(rq) || dcg_router_find(rq) || dcg_access_check(rq) ||
		dcg_router_query(rq) || dcg_guard_conditions(rq);
	refused = dcg_guard_body(rq, refused) != 0;
	if (refused && (rq->close || !rq->body_length))
		return answer(rq);
	rq->phase = refused ? DCG_PHASE_DRAIN : DCG_PHASE_BODY;
	set_deadline(rq, rq->body_length ? 2 * (int64_t)rq->api->request_timeout_s : 0);
	return MHD_YES;
}

/* Headers and body are there. */
static enum MHD_Result work(struct dcg_request *rq)
{
	set_deadline(rq, 0);
	rq->phase = DCG_PHASE_WORK;
	if (rq->unsafe && atomic_load(&rq->api->refusing))
		dcg_reply_problem(rq, 503, "the daemon is stopping");
	else if (rq->route->flags & DCG_ROUTE_INLINE)
		rq->route->handle(rq);
	else if (!dcg_work_push(rq->api->work, rq))
		return MHD_YES; /* rq may be a worker's already */
	else
		dcg_reply_problem(rq, 503, "the daemon is busy or stopping");
	return answer(rq);
}

enum MHD_Result dcg_request_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **request)
{
	struct dcg_request *rq = *request;
	(void)cls;
	(void)connection;
	(void)url;
	(void)version;
	if (!rq)
		return MHD_NO;
	switch (rq->phase) {
	case DCG_PHASE_HEADERS:
		return begin(rq, method);
	case DCG_PHASE_BODY:
	case DCG_PHASE_DRAIN:
		if (*upload_size) {
			if (rq->phase == DCG_PHASE_BODY)
				dcg_text_add(&rq->body, upload, *upload_size);
			*upload_size = 0;
			return MHD_YES;
		}
		return rq->phase == DCG_PHASE_BODY ? work(rq) : answer(rq);
	case DCG_PHASE_WORK:
		return answer(rq);
	case DCG_PHASE_SENT:
		break;
	}
	return MHD_NO;
}
