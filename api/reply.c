#include "api/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" }, { 409, "Conflict" }, { 411, "Length Required" }, { 412, "Precondition Failed" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
	{ 421, "Misdirected Request" }, { 422, "Unprocessable Content" }, { 428, "Precondition Required" }, { 500, "Internal Server Error" },
	{ 503, "Service Unavailable" }, { 507, "Insufficient Storage" },
};

static const char *title_of(unsigned status)
{
	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

void dcg_reply_header(struct dcg_request *rq, const char *name, const char *value)
{
	if (rq->response && MHD_add_response_header(rq->response, name, value) != MHD_YES) {
		MHD_destroy_response(rq->response);
		rq->response = NULL;
	}
}

void dcg_reply_take(struct dcg_request *rq, unsigned status, struct MHD_Response *response, const char *type)
{
	static const char *const always[][2] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; "
		                             "frame-ancestors 'none'; base-uri 'none'; form-action 'self'" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	if (rq->response)
		MHD_destroy_response(rq->response);
	rq->response = response;
	rq->status = status;
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		dcg_reply_header(rq, always[i][0], always[i][1]);
	if (type)
		dcg_reply_header(rq, "Content-Type", type);
}

void dcg_reply_bytes(struct dcg_request *rq, unsigned status, const char *type, void *data, size_t size)
{
	if (dcg_request_hold(rq, size, DCG_HELD_ALL)) {
		free(data);
		dcg_reply_problem(rq, 503, "too many large bodies and answers of others are under way");
		return;
	}
	struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(size, data, free);
	if (!r)
		free(data);
	dcg_reply_take(rq, status, r, type);
	dcg_reply_header(rq, "Cache-Control", "no-store");
}

void dcg_reply_text(struct dcg_request *rq, unsigned status, const char *type, struct dcg_text *t)
{
	if (t->failed) {
		dcg_text_done(t);
		dcg_reply_problem(rq, 500, "out of memory");
		return;
	}
	void *data = t->data;
	size_t size = t->size;
	*t = (struct dcg_text){ 0 };
	dcg_reply_bytes(rq, status, type, data, size);
}

void dcg_reply_static(struct dcg_request *rq, unsigned status, const char *type, const void *data, size_t size)
{
	/* libmicrohttpd takes a non-const pointer but only reads from persistent memory. */
	union {
		const void *in;
		void *out;
	} p = { data };
	dcg_reply_take(rq, status, MHD_create_response_from_buffer(size, p.out, MHD_RESPMEM_PERSISTENT), type);
}

void dcg_reply_empty(struct dcg_request *rq, unsigned status)
{
	dcg_reply_static(rq, status, NULL, "", 0);
	dcg_reply_header(rq, "Cache-Control", "no-store");
}

static void reply_printed(struct dcg_request *rq, unsigned status, const char *type, cJSON *o)
{
	char *text = o && !rq->out_of_memory ? cJSON_PrintUnformatted(o) : NULL;
	cJSON_Delete(o);
	if (text) {
		dcg_reply_bytes(rq, status, type, text, strlen(text));
	} else {
		static const char sorry[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
		                            "\"detail\":\"out of memory\"}";
		dcg_reply_static(rq, 500, "application/problem+json", sorry, sizeof sorry - 1);
		dcg_reply_header(rq, "Cache-Control", "no-store");
	}
}

void dcg_reply_json(struct dcg_request *rq, unsigned status, cJSON *o)
{
	reply_printed(rq, status, "application/json", o);
}

void dcg_reply_problem_with(struct dcg_request *rq, unsigned status, const char *detail, cJSON *errors)
{
	cJSON *o = cJSON_CreateObject();
	dcg_put_text(rq, o, "type", "about:blank");
	dcg_put_text(rq, o, "title", title_of(status));
	dcg_put_number(rq, o, "status", status);
	dcg_put_text(rq, o, "detail", detail);
	if (errors)
		dcg_put(rq, o, "errors", errors);
	reply_printed(rq, status, "application/problem+json", o);
	if (status == 503)
		dcg_reply_header(rq, "Retry-After", "5");
}

/* Texts of the client's own are in it, which a limit may have cut anywhere. */
static void print_detail(char *ret, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(ret, size, fmt, ap);
	dcg_utf8_clean(ret);
}

void dcg_reply_problem(struct dcg_request *rq, unsigned status, const char *fmt, ...)
{
	char detail[600];
	va_list ap;
	va_start(ap, fmt);
	print_detail(detail, sizeof detail, fmt, ap);
	va_end(ap);
	dcg_reply_problem_with(rq, status, detail, NULL);
}

void dcg_reply_parameter(struct dcg_request *rq, const char *name, const char *fmt, ...)
{
	char detail[600];
	va_list ap;
	va_start(ap, fmt);
	print_detail(detail, sizeof detail, fmt, ap);
	va_end(ap);
	cJSON *errors = cJSON_CreateArray(), *error = cJSON_CreateObject();
	dcg_put_text(rq, error, "parameter", name);
	dcg_put_text(rq, error, "detail", detail);
	dcg_put_item(rq, errors, error);
	dcg_reply_problem_with(rq, 400, "1 query parameter is wrong", errors);
}

static unsigned status_of(int code)
{
	switch (code) {
	case DCG_ENOENT: return 404;
	case DCG_ESTATE:
	case DCG_EEXIST: return 409;
	case DCG_EACCESS: return 403;
	case DCG_ESTALE: return 412;
	case DCG_EINVAL:
	case DCG_EFORMAT:
	case DCG_EUNSUPPORTED: return 422;
	case DCG_EBUSY:
	case DCG_EMFILE:
	case DCG_ECANCELLED: return 503;
	case DCG_ENOSPC: return 507;
	default: return 500;
	}
}

/* A code that the route does not expect (a damaged file behind a GET, say) is no answer of
 * the client's making, and /openapi.json shall tell the truth. */
static int is_expected(const struct dcg_request *rq, unsigned status)
{
	if (status == 503 || (status == 507 && rq->unsafe && !(rq->route->flags & DCG_ROUTE_READS)))
		return 1;
	for (const struct dcg_answer *a = rq->route->answers; a->status; a++)
		if (a->status == (int)status)
			return 1;
	return 0;
}

static void reply_code(struct dcg_request *rq, int code, const char *text, cJSON *errors)
{
	unsigned status = status_of(code);
	if (!is_expected(rq, status))
		status = 500;
	if (status == 500 || status == 507 || code == DCG_EMFILE) {
		/* The text may name files of ours. */
		dcg_api_log(rq->api, DCG_API_ERROR, "%s %s: %s", rq->method, rq->uri, text);
		cJSON_Delete(errors);
		errors = NULL;
		text = status != 500 ? dcg_strerror(code) : "the daemon could not do this; its log says why";
	}
	dcg_reply_problem_with(rq, status, text, errors);
}

void dcg_reply_error(struct dcg_request *rq, const struct dcg_error *err)
{
	reply_code(rq, err->code, err->text, NULL);
}

void dcg_reply_invalid(struct dcg_request *rq, const struct dcg_invalid *inv)
{
	cJSON *errors = inv->count ? cJSON_CreateArray() : NULL;
	for (int i = 0; i < inv->count; i++) {
		cJSON *e = cJSON_CreateObject();
		dcg_put_text(rq, e, "pointer", inv->field[i].pointer);
		dcg_put_text(rq, e, "detail", inv->field[i].detail);
		dcg_put_item(rq, errors, e);
	}
	reply_code(rq, inv->code, inv->text, errors);
}

void dcg_put(struct dcg_request *rq, cJSON *o, const char *name, cJSON *v)
{
	if (!o || !v || !cJSON_AddItemToObject(o, name, v)) {
		cJSON_Delete(v);
		rq->out_of_memory = 1;
	}
}

void dcg_put_item(struct dcg_request *rq, cJSON *array, cJSON *v)
{
	if (!array || !v || !cJSON_AddItemToArray(array, v)) {
		cJSON_Delete(v);
		rq->out_of_memory = 1;
	}
}

void dcg_put_number(struct dcg_request *rq, cJSON *o, const char *name, double v)
{
	dcg_put(rq, o, name, isfinite(v) ? cJSON_CreateNumber(v) : cJSON_CreateNull());
}

void dcg_put_text(struct dcg_request *rq, cJSON *o, const char *name, const char *v)
{
	dcg_put(rq, o, name, v ? cJSON_CreateString(v) : cJSON_CreateNull());
}

void dcg_put_bool(struct dcg_request *rq, cJSON *o, const char *name, int v)
{
	dcg_put(rq, o, name, cJSON_CreateBool(v));
}

void dcg_put_time(struct dcg_request *rq, cJSON *o, const char *name, int64_t ms)
{
	char text[DCG_TIME_TEXT];
	dcg_put_text(rq, o, name, ms ? dcg_api_time(ms, text) : NULL);
}
