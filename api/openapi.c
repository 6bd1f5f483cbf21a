/* /openapi.json, from the table of routes and the tables of parameters. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schemas.h"
#include "api/server.h"

/* Building fails only when memory does; cJSON's functions take NULL for a parent, and one flag
 * remembers. */
struct doc {
	cJSON *root;
	int failed;
};

static cJSON *put(struct doc *d, cJSON *parent, const char *name, cJSON *v)
{
	if (parent && v && (name ? cJSON_AddItemToObject(parent, name, v) : cJSON_AddItemToArray(parent, v)))
		return v;
	cJSON_Delete(v);
	d->failed = 1;
	return NULL;
}

static cJSON *object(struct doc *d, cJSON *parent, const char *name)
{
	return put(d, parent, name, cJSON_CreateObject());
}

static void text(struct doc *d, cJSON *parent, const char *name, const char *v)
{
	put(d, parent, name, cJSON_CreateString(v));
}

/* {"<media type>": {"schema": ...}} for a schema's name or a media type. */
static void content(struct doc *d, cJSON *parent, const char *what, const char *type)
{
	char ref[96];
	int media = strchr(what, '/') != NULL;
	cJSON *schema = object(d, object(d, parent, media ? what : type), "schema");
	if (!media) {
		snprintf(ref, sizeof ref, "#/components/schemas/%s", what);
		text(d, schema, "$ref", ref);
	} else if (strncmp(what, "text/", 5) == 0) {
		text(d, schema, "type", "string");
	}
}

static cJSON *answer(struct doc *d, cJSON *responses, int status, const char *description, const char *what, const char *what2)
{
	char code[8];
	snprintf(code, sizeof code, "%d", status);
	if (cJSON_GetObjectItemCaseSensitive(responses, code))
		return NULL;
	cJSON *o = object(d, responses, code);
	text(d, o, "description", description);
	if (what) {
		cJSON *c = object(d, o, "content");
		content(d, c, what, strcmp(what, "Problem") == 0 ? "application/problem+json" : "application/json");
		if (what2)
			content(d, c, what2, "application/json");
	}
	return o;
}

static const struct {
	int status;
	const char *description;
} meanings[] = {
	{ 200, "Here it is" }, { 201, "Made; Location says where" }, { 202, "Accepted" }, { 204, "Gone" },
	{ 206, "The part that Range asked for" }, { 304, "What If-None-Match names is still right" },
	{ 400, "Malformed" }, { 401, "A token is needed, or another one" },
	{ 403, "Not allowed from this origin or with this token, or outside the allowed folders" }, { 404, "There is no such thing" },
	{ 406, "None of the types that Accept allows" }, { 409, "Not in its present state" },
	{ 411, "A body without Content-Length" }, { 412, "Not what If-Match names" }, { 413, "The body is too long" },
	{ 415, "The body is not application/json" }, { 416, "Range is outside the file" },
	{ 421, "The Host header names somebody else" }, { 422, "Well-formed, but wrong in meaning: errors says where" },
	{ 428, "If-Match is needed" },
	{ 500, "The daemon's own fault; its log says more" }, { 503, "Busy or stopping; Retry-After says when to come back" },
	{ 507, "The disk is full" },
};

static void answers(struct doc *d, cJSON *responses, const struct dcg_route *r, int tokens)
{
	static const struct {
		int status;
		unsigned flags; /* any of these; 0: every route */
	} also[] = {
		{ 206, DCG_ROUTE_RANGE }, { 304, DCG_ROUTE_CONDITIONAL }, { 400, 0 }, { 403, 0 }, { 411, 0 },
		{ 412, DCG_ROUTE_MATCH | DCG_ROUTE_CONDITIONAL }, { 416, DCG_ROUTE_RANGE }, { 421, 0 }, { 428, DCG_ROUTE_MATCH_NEEDED }, { 500, 0 }, { 503, 0 },
	};
	for (size_t m = 0; m < sizeof meanings / sizeof *meanings; m++) {
		int status = meanings[m].status;
		for (const struct dcg_answer *a = r->answers; a->status; a++)
			if (a->status == status)
				answer(d, responses, status, meanings[m].description, a->content, a->content2);
		for (size_t i = 0; i < sizeof also / sizeof *also; i++)
			if (also[i].status == status && (!also[i].flags || r->flags & also[i].flags))
				answer(d, responses, status, meanings[m].description, status == 206 ? r->answers[0].content : status == 304 ? NULL : "Problem", NULL);
		if (status == 401 && tokens && r->scope != DCG_SCOPE_NONE)
			answer(d, responses, status, meanings[m].description, "Problem", NULL);
		if ((r->body_max && (status == 413 || status == 415)) || (status == 507 && strcmp(r->method, "GET") != 0 && !(r->flags & DCG_ROUTE_READS)))
			answer(d, responses, status, meanings[m].description, "Problem", NULL);
	}
}

static void whole_schema(struct doc *d, cJSON *parent, int64_t min, int64_t max, const char *fallback)
{
	cJSON *schema = object(d, parent, "schema");
	text(d, schema, "type", "integer");
	put(d, schema, "minimum", cJSON_CreateNumber((double)min));
	if (max != INT64_MAX)
		put(d, schema, "maximum", cJSON_CreateNumber((double)max));
	if (fallback)
		put(d, schema, "default", cJSON_CreateNumber(strtod(fallback, NULL)));
}

static void text_schema(struct doc *d, cJSON *parent, const struct dcg_query *q)
{
	cJSON *schema = object(d, parent, "schema");
	text(d, schema, "type", "string");
	put(d, schema, "minLength", cJSON_CreateNumber((double)q->min));
	put(d, schema, "maxLength", cJSON_CreateNumber((double)q->max));
	if (q->pattern)
		text(d, schema, "pattern", q->pattern);
}

static void parameters(struct doc *d, cJSON *operation, const struct dcg_route *r)
{
	cJSON *list = cJSON_CreateArray();
	for (const char *s = strchr(r->pattern, '{'); s; s = strchr(s + 1, '{')) {
		char name[32];
		snprintf(name, sizeof name, "%.*s", (int)strcspn(s + 1, "}"), s + 1);
		cJSON *p = object(d, list, NULL);
		text(d, p, "name", name);
		text(d, p, "in", "path");
		put(d, p, "required", cJSON_CreateTrue());
		if (strcmp(name, "name") == 0 || strcmp(name, "file") == 0) {
			cJSON *schema = object(d, p, "schema");
			text(d, schema, "type", "string");
			text(d, schema, "pattern", *name == 'n' ? "^[a-z0-9][a-z0-9._-]*$" : "^[A-Za-z0-9_-]+[.][A-Za-z0-9._-]+$");
		} else {
			whole_schema(d, p, 0, INT64_MAX, NULL);
		}
	}
	for (const struct dcg_query *q = r->query; q && q->name; q++) {
		cJSON *p = object(d, list, NULL);
		text(d, p, "name", q->name);
		text(d, p, "in", "query");
		text(d, p, "description", q->help);
		if (q->whole)
			whole_schema(d, p, q->min, q->max, q->fallback);
		else
			text_schema(d, p, q);
	}
	if (r->flags & DCG_ROUTE_KEY) {
		cJSON *p = object(d, list, NULL);
		text(d, p, "name", "Idempotency-Key");
		text(d, p, "in", "header");
		text(d, p, "description", "Made up by the client for this request: sent again with the same key within 24 hours, it makes nothing new and gets the same answer.");
		cJSON *schema = object(d, p, "schema");
		text(d, schema, "type", "string");
		text(d, schema, "pattern", "^[!-~]{1,255}$");
	}
	if (r->flags & DCG_ROUTE_MATCH_NEEDED) {
		cJSON *p = object(d, list, NULL);
		text(d, p, "name", "If-Match");
		text(d, p, "in", "header");
		text(d, p, "description", "The ETag of what is to be changed, as it was when it was looked at; * for whatever it is now.");
		put(d, p, "required", cJSON_CreateTrue());
		cJSON *schema = object(d, p, "schema");
		text(d, schema, "type", "string");
		text(d, schema, "pattern", "^(\\*|(W/)?\"[!#-~]*\"([ \\t]*,[ \\t]*(W/)?\"[!#-~]*\")*[ \\t]*)$");
	}
	if (list && !list->child)
		cJSON_Delete(list);
	else
		put(d, operation, "parameters", list);
}

/* Either a token or a session, with this scope; an empty list: neither. */
static void security(struct doc *d, cJSON *operation, const struct dcg_route *r)
{
	static const char *const schemes[] = { "token", "session" };
	cJSON *list = put(d, operation, "security", cJSON_CreateArray());
	for (size_t i = 0; i < 2 && r->scope != DCG_SCOPE_NONE; i++) {
		cJSON *roles = put(d, object(d, list, NULL), schemes[i], cJSON_CreateArray());
		put(d, roles, NULL, cJSON_CreateString(dcg_scope_name(r->scope)));
	}
}

static void security_schemes(struct doc *d, cJSON *components, const struct dcg_access *access)
{
	cJSON *schemes = object(d, components, "securitySchemes");
	cJSON *token = object(d, schemes, "token"), *session = object(d, schemes, "session");
	text(d, token, "type", "http");
	text(d, token, "scheme", "bearer");
	text(d, token, "description", "A token of one of the scopes read, write and admin, each of which includes those before it.");
	text(d, session, "type", "apiKey");
	text(d, session, "in", "cookie");
	text(d, session, "name", dcg_access_cookie_name(access));
	text(d, session, "description", "For browsers: POST /session sets it in exchange for a token.");
}

static void operation(struct doc *d, cJSON *paths, const struct dcg_route *r, int tokens)
{
	char method[8] = "";
	for (size_t i = 0; r->method[i] && i + 1 < sizeof method; i++)
		method[i] = (char)(r->method[i] - 'A' + 'a');
	cJSON *path = cJSON_GetObjectItemCaseSensitive(paths, r->pattern);
	cJSON *o = object(d, path ? path : object(d, paths, r->pattern), method);
	text(d, o, "summary", r->summary);
	parameters(d, o, r);
	if (r->body_max) {
		cJSON *body = object(d, o, "requestBody");
		put(d, body, "required", cJSON_CreateBool((r->flags & DCG_ROUTE_BODY_NEEDED) != 0));
		content(d, object(d, body, "content"), r->body_schema, "application/json");
	}
	if (tokens)
		security(d, o, r);
	answers(d, object(d, o, "responses"), r, tokens);
}

char *dcg_openapi_text(const struct dcg_api *api)
{
	struct doc d = { cJSON_CreateObject(), 0 };
	text(&d, d.root, "openapi", "3.1.0");
	cJSON *info = object(&d, d.root, "info");
	text(&d, info, "title", PACKAGE_NAME);
	text(&d, info, "version", PACKAGE_VERSION);
	text(&d, info, "description", "Trains DCGANs. Every GET also answers HEAD. Errors are RFC 9457 problems. A path that "
		"exists answers 405 with Allow to other methods. What cannot be read as a request (malformed, without Host, a head of more than 32 KiB) "
		"is refused before there is a route: 400, 413, 414, 431 or 505, with a line of HTML.");
	cJSON *paths = object(&d, d.root, "paths");
	for (const struct dcg_route *r = dcg_routes; r->method; r++)
		operation(&d, paths, r, api->access != NULL);
	operation(&d, paths, &dcg_pages_route, api->access != NULL);
	cJSON *components = object(&d, d.root, "components"), *schemas = object(&d, components, "schemas");
	if (api->access)
		security_schemes(&d, components, api->access);
	put(&d, schemas, "JobRequest", dcg_job_params_schema());
	for (const struct dcg_schema *s = dcg_schemas; s->name; s++)
		put(&d, schemas, s->name, cJSON_Parse(s->json));
	char *out = d.failed ? NULL : cJSON_PrintUnformatted(d.root);
	cJSON_Delete(d.root);
	return out;
}
