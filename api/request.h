/* One HTTP request through its life, and the table of routes.
 *
 * A request belongs to the libmicrohttpd thread of its connection, except between
 * dcg_work_push and MHD_resume_connection, when it belongs to one worker thread and the
 * connection is suspended: handlers run there and may wait. Routes marked INLINE are
 * answered on the connection's thread and must not.
 */
#ifndef DCG_API_REQUEST_H
#define DCG_API_REQUEST_H

#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access.h"
#include "api/text.h"

struct dcg_api;
struct dcg_peer;
struct dcg_request;

enum { DCG_QUERY_MAX = 6, DCG_ANSWERS_MAX = 8, DCG_NAME_TEXT = 64 };

/* A parameter after the "?". A whole number from min to max, or a text of min to max characters
 * (and of a pattern, which handlers check and /openapi.json tells). */
struct dcg_query {
	const char *name;
	int whole;
	int64_t min, max;
	const char *fallback; /* NULL: absent is not the same as any value */
	const char *help;
	const char *pattern; /* ECMA-262; NULL: any */
};

/* An answer a route may give. content: the name of a schema, a media type (with a "/"), or
 * NULL for none. Problems every route may answer with are added by flags, see openapi.c. */
struct dcg_answer {
	int status;
	const char *content, *content2;
};

enum {
	DCG_ROUTE_INLINE = 1,       /* answered on the connection's thread: never waits */
	DCG_ROUTE_SLOW = 2,         /* on the threads for long work, so that others need not wait */
	DCG_ROUTE_BODY_NEEDED = 4,  /* 411 or 400 without one */
	DCG_ROUTE_CONDITIONAL = 8,  /* has an entity tag: 304, 412 */
	DCG_ROUTE_MATCH = 16,       /* changes only what If-Match names: 412 */
	DCG_ROUTE_RANGE = 32,       /* 206, 416 */
	DCG_ROUTE_STREAM = 256,     /* the answer has no end: it is not timed */
	DCG_ROUTE_READS = 1024,     /* stores nothing, whatever its method: no 507 */
	DCG_ROUTE_KEY = 128,        /* looks at Idempotency-Key */
	DCG_ROUTE_PAGE = 64,        /* a browser may come from another site by following a link */
	DCG_ROUTE_MATCH_NEEDED = 512, /* wants If-Match: 428 without it */
};

struct dcg_route {
	const char *method;  /* GET also answers HEAD */
	const char *pattern; /* "/jobs/{id}/samples/step-{step}.png": {name} is a data set's
	                        name, every other brace a whole number (the first is `id`) */
	enum dcg_scope scope; /* what a token must have; DCG_SCOPE_NONE: nobody is asked for one */
	void (*handle)(struct dcg_request *rq);
	unsigned flags;
	size_t body_max;     /* 0: takes no body */
	const char *body_schema;
	const struct dcg_query *query; /* ends with a NULL name; NULL: none */
	struct dcg_answer answers[DCG_ANSWERS_MAX]; /* ends with status 0 */
	const char *summary;
	/* How many JSON values may the body have? Asked before it is parsed, on a thread that may wait;
	 * -1 with a reply if the request will not do anyway. NULL: as many as fit in. */
	int (*values_max)(struct dcg_request *rq, size_t *ret);
};
extern const struct dcg_route dcg_routes[]; /* ends with a NULL method */

enum dcg_header {
	DCG_HEADER_HOST, DCG_HEADER_ORIGIN, DCG_HEADER_ACCEPT, DCG_HEADER_CONTENT_TYPE, DCG_HEADER_CONTENT_LENGTH,
	DCG_HEADER_TRANSFER_ENCODING, DCG_HEADER_EXPECT, DCG_HEADER_IF_MATCH, DCG_HEADER_IF_NONE_MATCH,
	DCG_HEADER_IF_RANGE, DCG_HEADER_RANGE, DCG_HEADER_LAST_EVENT_ID, DCG_HEADER_SEC_FETCH_SITE,
	DCG_HEADER_SEC_FETCH_MODE, DCG_HEADER_SEC_FETCH_DEST, DCG_HEADER_IDEMPOTENCY_KEY, DCG_HEADER_AUTHORIZATION, DCG_HEADERS,
};

enum dcg_phase { DCG_PHASE_HEADERS, DCG_PHASE_BODY, DCG_PHASE_DRAIN, DCG_PHASE_WORK, DCG_PHASE_SENT };

struct dcg_request {
	struct dcg_api *api;
	struct MHD_Connection *connection;
	struct dcg_peer *peer;
	enum dcg_phase phase;
	double started_s;

	char *uri;     /* raw, as received; for the log */
	char *scratch; /* a copy that path and query point into, decoded */
	char *segment[10];
	int segments;
	const char *method;
	int head, unsafe;
	const char *header[DCG_HEADERS]; /* NULL: absent. libmicrohttpd's memory */
	int header_count[DCG_HEADERS];
	int malformed; /* a header is none by its name or value */

	const struct dcg_route *route;
	struct dcg_who who;          /* asks; known once dcg_access_check was called */
	const struct dcg_page *page; /* instead of a route: a file of the page */
	int64_t id, number;          /* first and second number of the path */
	char name[DCG_NAME_TEXT];
	const char *query[DCG_QUERY_MAX]; /* by row of the route's table; NULL: absent */

	size_t body_length; /* announced */
	struct dcg_text body;
	cJSON *json;        /* the body; NULL: there was none */

	size_t held;        /* of api->held */
	struct MHD_Response *response; /* the reply, once there is one */
	unsigned status;
	int close;          /* end the connection after the reply */
	int out_of_memory;  /* set by dcg_put_*: the reply becomes a 500 */
	struct dcg_request *next; /* in a worker's queue */
};

/* libmicrohttpd's callbacks. */
void *dcg_request_new(void *api, const char *uri, struct MHD_Connection *connection);
enum MHD_Result dcg_request_handle(void *api, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **request);
void dcg_request_completed(void *api, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode how);
/* Frees one that libmicrohttpd answered by itself (more query parameters than it has room for) and never told of
 * again. NULL is legal. */
void dcg_request_drop(struct dcg_request *rq);
/* May a body or reply of so many bytes be kept, so that with those of others there are at most so many? 0, or -1. Until it is
 * let go, at the latest when the request is dropped. Bodies, which count as soon as they are announced, leave room for answers. */
enum { DCG_HELD_NOT = 64 << 10 /* too small to count */, DCG_HELD_BODIES = 128 << 20, DCG_HELD_ALL = 256 << 20 };
int dcg_request_hold(struct dcg_request *rq, size_t size, size_t most);
void dcg_request_let_go(struct dcg_request *rq);

/* guard.c: may this be served at all? 0, or -1 with the refusal as reply. */
int dcg_guard_check(struct dcg_request *rq);
/* Are the conditions there that the route wants? The same. */
int dcg_guard_conditions(struct dcg_request *rq);
/* Is there a body, of a size and type the route takes? The same. refused: there is a reply
 * already; then this only decides how to get rid of the body. */
int dcg_guard_body(struct dcg_request *rq, int refused);
/* Host part of "host[:port]" lower-cased into out; the port (-1: none). -1 when malformed. */
int dcg_guard_host(const char *text, char out[256], int *ret_port);

/* router.c. Split and decode rq->uri; the same results. */
int dcg_router_split(struct dcg_request *rq);
/* Find the route or page, its numbers and name. */
int dcg_router_find(struct dcg_request *rq);
/* Take and check its query parameters. */
int dcg_router_query(struct dcg_request *rq);
/* May n bytes be the name of a data set? */
int dcg_dataset_name(const char *s, size_t n);
/* A query parameter by name: as text (NULL: absent) or as a number (absent: -1). */
const char *dcg_query_text(const struct dcg_request *rq, const char *name);
int64_t dcg_query_number(const struct dcg_request *rq, const char *name);
/* Index of a query parameter's value in choices (NULL-terminated); -1: absent; -2 with a reply
 * when it is none of them. */
extern const char *const dcg_truth[]; /* choices whose index is the value */
int dcg_query_choice(struct dcg_request *rq, const char *name, const char *const *choices);
/* The cursor of a list whose cursors are `kind` followed by text or a number. 0 with
 * *ret untouched when absent; -1 with a reply when it is not one of ours. */
int dcg_query_cursor(struct dcg_request *rq, char kind, int64_t *ret);

/* body.c. Parse and check rq->body into rq->json; 0, or -1 with a reply. */
int dcg_body_parse(struct dcg_request *rq);
/* Give the memory of both back, to the system if it was much. */
void dcg_body_done(struct dcg_request *rq);

/* negotiate.c. Index of the media type in offers (NULL-terminated) that an Accept header
 * likes best, the first of equals; -1: none. */
int dcg_negotiate(const char *accept, const char *const *offers);

#endif
