/* Who may ask: the checks made before a request is looked at any closer.
 *
 * Without tokens the service listens on loopback alone and everybody there may do everything; with
 * them, a browser that is logged in sends its cookie along. Either way the danger is a web page
 * of somebody else in the user's own browser. A page that rebinds its name to 127.0.0.1 is
 * stopped by the list of Host names, one that posts across origins by Origin and
 * Sec-Fetch-Site, which every present browser sends, and by the body's type. Programs send
 * none of these headers and are served.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/reply.h"
#include "api/server.h"

/* Bodies up to this size are read and thrown away before a refusal, because a client that is
 * still sending would see a reset instead of the answer; longer ones are cut. */
enum { DRAIN_MAX = 4 << 20 };

int dcg_guard_host(const char *text, char out[256], int *ret_port)
{
	size_t n;
	if (*text == '[') {
		n = strspn(text + 1, "0123456789abcdefABCDEF:.") + 1;
		if (text[n++] != ']')
			return -1;
	} else {
		n = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._");
	}
	if (n == 0 || n > 255 || (text[n] && text[n] != ':'))
		return -1;
	int port = -1;
	if (text[n] == ':') {
		int64_t v = dcg_decimal(text + n + 1, strlen(text + n + 1));
		if (v < 0 || v > 65535)
			return -1;
		port = (int)v;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[n] = 0;
	*ret_port = port;
	return 0;
}

static int is_loopback(const char *host)
{
	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return 1;
	/* 127.a.b.c, and nothing that merely begins so ("127.evil.example"). */
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host);
}

static int is_configured(const struct dcg_api *api, const char *host)
{
	for (char **h = api->allowed_hosts; h && *h; h++)
		if (strcmp(*h, host) == 0)
			return 1;
	return 0;
}

/* The address that the client connected to is no name that somebody could rebind. */
static int is_own_address(int fd, const char *host)
{
	union dcg_address a;
	socklen_t size = sizeof a;
	struct in_addr v4;
	struct in6_addr v6;
	char text[INET6_ADDRSTRLEN];
	size_t n = strlen(host);
	if (getsockname(fd, &a.any, &size))
		return 0;
	if (*host == '[') {
		if (a.any.sa_family != AF_INET6 || n < 3 || n - 2 >= sizeof text)
			return 0;
		memcpy(text, host + 1, n - 2);
		text[n - 2] = 0;
		return inet_pton(AF_INET6, text, &v6) == 1 && memcmp(&v6, &a.v6.sin6_addr, sizeof v6) == 0;
	}
	if (inet_pton(AF_INET, host, &v4) != 1)
		return 0;
	if (a.any.sa_family == AF_INET)
		return memcmp(&v4, &a.v4.sin_addr, sizeof v4) == 0;
	/* An IPv6 socket that listens everywhere has IPv4 clients, too. */
	return a.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr) && memcmp(&v4, a.v6.sin6_addr.s6_addr + 12, sizeof v4) == 0;
}

static int check_host(struct dcg_request *rq, char host[256], int *ret_port)
{
	if (rq->header_count[DCG_HEADER_HOST] != 1) {
		dcg_reply_problem(rq, 400, "expected one Host header, found %d", rq->header_count[DCG_HEADER_HOST]);
		return -1;
	}
	if (dcg_guard_host(rq->header[DCG_HEADER_HOST], host, ret_port)) {
		dcg_reply_problem(rq, 400, "the Host header is not a host name with an optional port");
		return -1;
	}
	if (!is_loopback(host) && !is_configured(rq->api, host) && !is_own_address(rq->peer->fd, host)) {
		dcg_reply_problem(rq, 421, "this daemon does not answer for the host %s: start it with --allowed-host %s if it should", host, host);
		return -1;
	}
	return 0;
}

/* The page's own origin has the name and port of the Host header. Behind a proxy that rewrites
 * Host it has a configured name instead. */
static int check_origin(struct dcg_request *rq, const char *host, int port)
{
	const char *origin = rq->header[DCG_HEADER_ORIGIN];
	if (!origin)
		return 0;
	char name[256];
	int number;
	int tls = strncmp(origin, "https://", 8) == 0;
	if ((tls || strncmp(origin, "http://", 7) == 0) && !dcg_guard_host(origin + (tls ? 8 : 7), name, &number)) {
		if (is_configured(rq->api, name))
			return 0;
		/* A missing port is the scheme's own on either side. */
		int fallback = tls ? 443 : 80;
		if (strcmp(name, host) == 0 && (number < 0 ? fallback : number) == (port < 0 ? fallback : port))
			return 0;
	}
	dcg_reply_problem(rq, 403, "requests from pages of another origin are refused");
	return -1;
}

static int check_site(struct dcg_request *rq)
{
	const char *site = rq->header[DCG_HEADER_SEC_FETCH_SITE];
	if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
		return 0;
	/* Following a link to the page itself is harmless. */
	const char *mode = rq->header[DCG_HEADER_SEC_FETCH_MODE], *dest = rq->header[DCG_HEADER_SEC_FETCH_DEST];
	if (!rq->unsafe && rq->segments == 0 && mode && strcmp(mode, "navigate") == 0 && dest && strcmp(dest, "document") == 0)
		return 0;
	dcg_reply_problem(rq, 403, "requests from pages of another site are refused");
	return -1;
}

int dcg_guard_check(struct dcg_request *rq)
{
	static const struct {
		enum dcg_header header;
		const char *name;
	} single[] = {
		{ DCG_HEADER_ORIGIN, "Origin" }, { DCG_HEADER_CONTENT_TYPE, "Content-Type" },
		{ DCG_HEADER_CONTENT_LENGTH, "Content-Length" }, { DCG_HEADER_TRANSFER_ENCODING, "Transfer-Encoding" },
		{ DCG_HEADER_RANGE, "Range" }, { DCG_HEADER_LAST_EVENT_ID, "Last-Event-ID" },
		{ DCG_HEADER_SEC_FETCH_SITE, "Sec-Fetch-Site" }, { DCG_HEADER_IDEMPOTENCY_KEY, "Idempotency-Key" },
		{ DCG_HEADER_AUTHORIZATION, "Authorization" },
	};
	char host[256];
	int port;
	/* The framing first: if it is in doubt, so is where the next request begins. */
	if (rq->malformed) {
		dcg_reply_problem(rq, 400, "a header's name is malformed, or there is a control character in its value");
		return -1;
	}
	if (rq->header_count[DCG_HEADER_TRANSFER_ENCODING] && rq->header_count[DCG_HEADER_CONTENT_LENGTH]) {
		dcg_reply_problem(rq, 400, "Content-Length and Transfer-Encoding exclude each other");
		return -1;
	}
	for (size_t i = 0; i < sizeof single / sizeof *single; i++)
		if (rq->header_count[single[i].header] > 1) {
			dcg_reply_problem(rq, 400, "the header %s was sent more than once", single[i].name);
			return -1;
		}
	if (check_host(rq, host, &port) || check_origin(rq, host, port) || check_site(rq))
		return -1;
	return 0;
}

static int is_json(const char *type)
{
	static const char json[] = "application/json";
	if (!type || strncasecmp(type, json, sizeof json - 1) != 0)
		return 0;
	const char *s = type + sizeof json - 1;
	s += strspn(s, " \t");
	if (!*s)
		return 1;
	if (*s++ != ';')
		return 0;
	s += strspn(s, " \t");
	return !*s || strcasecmp(s, "charset=utf-8") == 0 || strcasecmp(s, "charset=\"utf-8\"") == 0;
}

/* "*", or entity tags with commas between them. */
static int is_tags(const char *s)
{
	if (strcmp(s, "*") == 0)
		return 1;
	for (;;) {
		s += strncmp(s, "W/", 2) == 0 ? 2 : 0;
		if (*s++ != '"')
			return 0;
		while (*s > ' ' && *s < 0x7f && *s != '"')
			s++;
		if (*s++ != '"')
			return 0;
		s += strspn(s, " \t");
		if (!*s)
			return 1;
		if (*s++ != ',')
			return 0;
		s += strspn(s, " \t");
	}
}

int dcg_guard_conditions(struct dcg_request *rq)
{
	const char *match = rq->header[DCG_HEADER_IF_MATCH];
	if (!(rq->route->flags & DCG_ROUTE_MATCH_NEEDED) || (match && is_tags(match)))
		return 0;
	if (match)
		dcg_reply_problem(rq, 400, "expected an entity tag in double quotes as If-Match, or several with commas between them, or *");
	else
		dcg_reply_problem(rq, 428, "expected If-Match with the ETag of what is to be changed, or * for whatever it is now");
	return -1;
}

int dcg_guard_body(struct dcg_request *rq, int refused)
{
	const struct dcg_route *route = rq->route;
	const char *length = rq->header[DCG_HEADER_CONTENT_LENGTH], *type = rq->header[DCG_HEADER_CONTENT_TYPE];
	if (rq->header_count[DCG_HEADER_TRANSFER_ENCODING] || rq->header_count[DCG_HEADER_CONTENT_LENGTH] > 1) {
		rq->close = 1;
		if (!refused)
			dcg_reply_problem(rq, 411, "send the body with a Content-Length instead of a Transfer-Encoding");
		return -1;
	}
	int64_t size = length ? dcg_decimal(length, strlen(length)) : 0;
	if (size < 0) {
		rq->close = 1;
		if (!refused)
			dcg_reply_problem(rq, 400, "the Content-Length is not a whole number");
		return -1;
	}
	rq->body_length = (size_t)size;
	if (!refused) {
		refused = 1;
		if (size == 0 && route->flags & DCG_ROUTE_BODY_NEEDED)
			dcg_reply_problem(rq, 400, "expected a JSON object as body, found none");
		else if (size && !route->body_max)
			dcg_reply_problem(rq, 400, "%s %s takes no body", rq->method, route->pattern);
		else if ((uint64_t)size > route->body_max)
			dcg_reply_problem(rq, 413, "expected a body of at most %zu bytes, found %lld", route->body_max, (long long)size);
		else if ((size || (type && route->body_max)) && !is_json(type)) /* a form without fields has no body, but a type */
			dcg_reply_problem(rq, 415, "expected the Content-Type application/json");
		else if (dcg_request_hold(rq, (size_t)size, DCG_HELD_BODIES))
			dcg_reply_problem(rq, 503, "too many large bodies and answers of others are under way");
		else
			refused = 0;
	}
	if (refused && size && (size > DRAIN_MAX || rq->header[DCG_HEADER_EXPECT]))
		rq->close = 1;
	return refused ? -1 : 0;
}
