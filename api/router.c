/* From the raw request line to a row of the table of routes.
 *
 * libmicrohttpd would decode the whole path at once, turning "%2f" into separators, and cut
 * it at "%00"; so the raw text is split first and each segment decoded by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "api/server.h"

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode in place. -1 for what has no business in a path or query: bad escapes, control
 * characters, broken UTF-8, and, in a path, an encoded separator. */
static int decode(char *s, int query)
{
	char *out = s;
	const char *begin = s;
	for (; *s; s++, out++) {
		*out = *s;
		if (*s == '+' && query)
			*out = ' ';
		if (*s == '%') {
			int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);
			if (lo < 0)
				return -1;
			*out = (char)(hi << 4 | lo);
			s += 2;
			if (!query && (*out == '/' || *out == '\\'))
				return -1;
		}
		if ((unsigned char)*out < 0x20 || *out == 0x7f)
			return -1;
	}
	*out = 0;
	return dcg_utf8_valid(begin, (size_t)(out - begin)) ? 0 : -1;
}

int dcg_router_split(struct dcg_request *rq)
{
	if (rq->uri[0] != '/') {
		dcg_reply_problem(rq, 400, "expected a path that begins with /");
		return -1;
	}
	rq->scratch = strdup(rq->uri);
	if (!rq->scratch) {
		dcg_reply_problem(rq, 500, "out of memory");
		return -1;
	}
	char *query = strchr(rq->scratch, '?');
	if (query)
		*query = 0;
	char *s = rq->scratch + 1;
	const int room = sizeof rq->segment / sizeof *rq->segment;
	while (*s || rq->segments) {
		char *end = strchr(s, '/');
		if (end)
			*end = 0;
		/* One segment too many stays counted and matches no route. */
		if (rq->segments < room)
			rq->segment[rq->segments++] = s;
		if (decode(s, 0) || strcmp(s, ".") == 0 || strcmp(s, "..") == 0) {
			dcg_reply_problem(rq, 400, "the path is malformed");
			return -1;
		}
		if (!end)
			break;
		s = end + 1;
	}
	return 0;
}

int dcg_dataset_name(const char *s, size_t n)
{
	if (n == 0 || n >= DCG_NAME_TEXT)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
		if (!letter && (i == 0 || !strchr("._-", s[i])))
			return 0;
	}
	return 1;
}

/* One segment of a pattern, n bytes long, against one of the path. */
static int match_segment(struct dcg_request *rq, const char *pattern, size_t n, const char *s, int *numbers)
{
	const char *open = memchr(pattern, '{', n);
	if (!open)
		return strlen(s) == n && memcmp(s, pattern, n) == 0;
	const char *close = memchr(open, '}', n - (size_t)(open - pattern));
	size_t before = (size_t)(open - pattern), after = n - (size_t)(close + 1 - pattern), size = strlen(s);
	if (size <= before + after || memcmp(s, pattern, before) != 0 || memcmp(s + size - after, close + 1, after) != 0)
		return 0;
	s += before;
	size -= before + after;
	if (strncmp(open, "{name}", 6) == 0) {
		if (!dcg_dataset_name(s, size))
			return 0;
		memcpy(rq->name, s, size);
		rq->name[size] = 0;
		return 1;
	}
	int64_t v = dcg_decimal(s, size);
	if (v < 0)
		return 0;
	*(*numbers ? &rq->number : &rq->id) = v;
	++*numbers;
	return 1;
}

static int match(struct dcg_request *rq, const char *pattern)
{
	int i = 0, numbers = 0;
	if (strcmp(pattern, "/") == 0)
		return rq->segments == 0;
	while (*pattern == '/') {
		size_t n = strcspn(++pattern, "/");
		if (i == rq->segments || !match_segment(rq, pattern, n, rq->segment[i++], &numbers))
			return 0;
		pattern += n;
	}
	return i == rq->segments;
}

static int find_query(const struct dcg_route *route, const char *name)
{
	for (int i = 0; route->query && route->query[i].name; i++)
		if (strcmp(route->query[i].name, name) == 0)
			return i;
	return -1;
}

/* Of well-formed UTF-8. */
static size_t characters(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Judges one name=value; adds what is wrong with it to errors. */
static void take_query(struct dcg_request *rq, const char *name, const char *value, cJSON *errors)
{
	char text[200];
	int i = find_query(rq->route, name);
	const struct dcg_query *row = i < 0 ? NULL : &rq->route->query[i];
	if (!row) {
		snprintf(text, sizeof text, "unknown parameter");
	} else if (rq->query[i]) {
		snprintf(text, sizeof text, "expected it once");
	} else if (row->whole) {
		int64_t v = dcg_decimal(value, strlen(value));
		if (v >= row->min && v <= row->max) {
			rq->query[i] = value;
			return;
		}
		if (row->max == INT64_MAX)
			snprintf(text, sizeof text, "expected a whole number of at least %lld, found %.40s", (long long)row->min, value);
		else
			snprintf(text, sizeof text, "expected a whole number from %lld to %lld, found %.40s", (long long)row->min,
				(long long)row->max, value);
	} else {
		size_t n = characters(value);
		if ((int64_t)n >= row->min && (int64_t)n <= row->max) {
			rq->query[i] = value;
			return;
		}
		snprintf(text, sizeof text, "expected a text of %lld to %lld characters, found %zu", (long long)row->min, (long long)row->max, n);
	}
	/* A cut name or value may have lost half a character. */
	dcg_utf8_clean(text);
	cJSON *error = cJSON_CreateObject();
	dcg_put_text(rq, error, "parameter", name);
	dcg_put_text(rq, error, "detail", text);
	dcg_put_item(rq, errors, error);
}

int dcg_router_query(struct dcg_request *rq)
{
	const char *mark = strchr(rq->uri, '?');
	if (mark && rq->route->flags & DCG_ROUTE_PAGE)
		return 0; /* the page's own business */
	cJSON *errors = cJSON_CreateArray();
	/* The path ended where the "?" was in the copy too. */
	char *s = mark ? rq->scratch + (mark - rq->uri) + 1 : NULL;
	int malformed = 0;
	while (s && *s && !malformed && cJSON_GetArraySize(errors) < 20) {
		char *next = strchr(s, '&');
		if (next)
			*next++ = 0;
		char *value = strchr(s, '=');
		if (value)
			*value++ = 0;
		char none[] = "";
		malformed = decode(s, 1) || (value && decode(value, 1));
		if (!malformed && *s)
			take_query(rq, s, value ? value : none, errors);
		s = next;
	}
	int wrong = cJSON_GetArraySize(errors);
	for (int i = 0; rq->route->query && rq->route->query[i].name; i++)
		if (!rq->query[i])
			rq->query[i] = rq->route->query[i].fallback;
	if (malformed) {
		dcg_reply_problem(rq, 400, "the query is malformed");
	} else if (wrong) {
		char detail[64];
		snprintf(detail, sizeof detail, wrong == 1 ? "1 query parameter is wrong" : "%d query parameters are wrong", wrong);
		dcg_reply_problem_with(rq, 400, detail, errors);
		return -1;
	}
	cJSON_Delete(errors);
	return malformed ? -1 : 0;
}

/* 405 with the methods that this path does have. */
static void not_allowed(struct dcg_request *rq)
{
	char allow[64] = "";
	size_t n = 0;
	for (const struct dcg_route *r = dcg_routes; r->method; r++)
		if (match(rq, r->pattern) && n < sizeof allow)
			n += (size_t)snprintf(allow + n, sizeof allow - n, "%s%s", n ? ", " : "",
				strcmp(r->method, "GET") == 0 ? "GET, HEAD" : r->method);
	if (!n)
		snprintf(allow, sizeof allow, "GET, HEAD");
	dcg_reply_problem(rq, 405, "expected one of %s", allow);
	dcg_reply_header(rq, "Allow", allow);
}

int dcg_router_find(struct dcg_request *rq)
{
	int path_known = 0;
	const char *method = rq->head ? "GET" : rq->method;
	for (const struct dcg_route *r = dcg_routes; r->method; r++) {
		if (!match(rq, r->pattern))
			continue;
		path_known = 1;
		if (strcmp(r->method, method) == 0) {
			rq->route = r;
			break;
		}
	}
	if (rq->segments == 0 && rq->route)
		dcg_pages_find(rq, "index.html");
	else if (!path_known && rq->segments == 1 && dcg_pages_find(rq, rq->segment[0])) {
		path_known = 1;
		if (rq->unsafe)
			rq->route = NULL;
	}
	if (!path_known) {
		dcg_reply_problem(rq, 404, "there is nothing at this path");
		return -1;
	}
	if (!rq->route) {
		not_allowed(rq);
		return -1;
	}
	return 0;
}

const char *dcg_query_text(const struct dcg_request *rq, const char *name)
{
	int i = find_query(rq->route, name);
	return i < 0 ? NULL : rq->query[i];
}

int64_t dcg_query_number(const struct dcg_request *rq, const char *name)
{
	const char *s = dcg_query_text(rq, name);
	return s ? dcg_decimal(s, strlen(s)) : -1;
}

const char *const dcg_truth[] = { "false", "true", NULL };

int dcg_query_choice(struct dcg_request *rq, const char *name, const char *const *choices)
{
	const char *s = dcg_query_text(rq, name);
	char all[200] = "";
	if (!s)
		return -1;
	for (int i = 0; choices[i]; i++) {
		if (strcmp(s, choices[i]) == 0)
			return i;
		size_t n = strlen(all);
		snprintf(all + n, sizeof all - n, "%s%s", n ? choices[i + 1] ? ", " : " or " : "", choices[i]);
	}
	dcg_reply_parameter(rq, name, "expected %s, found %s", all, s);
	return -2;
}

int dcg_query_cursor(struct dcg_request *rq, char kind, int64_t *ret)
{
	const char *s = dcg_query_text(rq, "cursor");
	if (!s)
		return 0;
	int64_t v = *s == kind ? dcg_decimal(s + 1, strlen(s + 1)) : -1;
	if (v < 0) {
		dcg_reply_parameter(rq, "cursor", "expected the \"next\" of an earlier answer");
		return -1;
	}
	*ret = v;
	return 0;
}
