/* A request's body: JSON from a stranger. cJSON accepts more than JSON, cuts texts at
 * "\u0000", and lets broken UTF-8 and infinities through, so those are looked for here. */
#include "config.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "api/server.h"

enum { DEPTH_MAX = 16, MEMBERS_MAX = 200, TRIM_BYTES = 1 << 20 };

/* Nesting, control characters and "\u0000", before anything is parsed. *ret_values: no fewer than
 * there are, which cJSON makes an object of 64 bytes each, even of a digit. */
static const char *scan(const char *s, size_t size, size_t *ret_values)
{
	int depth = 0, quoted = 0;
	size_t values = 1;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 && (quoted || !strchr("\t\n\r", c) || !c))
			return "a control character";
		if (quoted) {
			if (c == '"') {
				quoted = 0;
			} else if (c == '\\') {
				if (size - i > 5 && memcmp(s + i, "\\u0000", 6) == 0)
					return "the character U+0000";
				i++;
			}
		} else if (c == '"') {
			quoted = 1;
		} else if (c == ',') {
			values++;
		} else if (c == '{' || c == '[') {
			values++;
			if (++depth > DEPTH_MAX)
				return "too many nested brackets";
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	*ret_values = values;
	return NULL;
}

/* What a parsed value holds that no handler should see. Names the member at fault. */
static const char *inspect(const cJSON *v, const char **ret_name)
{
	int members = 0;
	for (const cJSON *c = v->child; c; c = c->next) {
		const char *why = NULL;
		if (cJSON_IsObject(v)) {
			*ret_name = c->string;
			if (++members > MEMBERS_MAX)
				return "too many members";
			for (const cJSON *d = v->child; d != c; d = d->next)
				if (strcmp(d->string, c->string) == 0)
					return "a member given twice";
		}
		if (cJSON_IsNumber(c) && !isfinite(c->valuedouble))
			return "a number that is too large";
		if (c->child)
			why = inspect(c, ret_name);
		if (why)
			return why;
	}
	return NULL;
}

static int parse(struct dcg_request *rq)
{
	const char *data = rq->body.data, *end = NULL, *name = NULL, *why;
	size_t size = rq->body.size, values, most = SIZE_MAX;
	if (rq->body.failed) {
		dcg_reply_problem(rq, 500, "out of memory");
		return -1;
	}
	if (!size)
		return 0;
	if (!dcg_utf8_valid(data, size))
		why = "a byte that is not UTF-8";
	else
		why = scan(data, size, &values);
	if (why) {
		dcg_reply_problem(rq, 400, "expected a JSON object, found %s", why);
		return -1;
	}
	if (rq->route->values_max && rq->route->values_max(rq, &most))
		return -1;
	if (values > most) {
		dcg_reply_problem(rq, 413, "expected at most %zu values in the body, found %zu", most, values);
		return -1;
	}
	rq->json = cJSON_ParseWithLengthOpts(data, size, &end, 0);
	if (rq->json && end)
		end += strspn(end, " \t\r\n"); /* the text is NUL-terminated */
	if (!rq->json || end != data + size) {
		size_t at = end ? (size_t)(end - data) : 0;
		dcg_reply_problem(rq, 400, "the body is not JSON: error at byte %zu of %zu", at < size ? at : size, size);
		return -1;
	}
	if (!cJSON_IsObject(rq->json)) {
		dcg_reply_problem(rq, 400, "expected a JSON object, found another value");
		return -1;
	}
	why = inspect(rq->json, &name);
	if (why) {
		dcg_reply_problem(rq, 400, "expected a JSON object, found %s%s%.60s", why, name ? " at " : "", name ? name : "");
		return -1;
	}
	return 0;
}

int dcg_body_parse(struct dcg_request *rq)
{
	int r = parse(rq);
	if (r)
		dcg_body_done(rq);
	return r;
}

void dcg_body_done(struct dcg_request *rq)
{
	int much = rq->body.size >= TRIM_BYTES;
	cJSON_Delete(rq->json);
	rq->json = NULL;
	dcg_text_done(&rq->body);
	dcg_request_let_go(rq);
#ifdef HAVE_MALLOC_TRIM
	/* The C library keeps millions of small pieces for the next that want them, who may never come. */
	if (much)
		malloc_trim(0);
#else
	(void)much;
#endif
}
