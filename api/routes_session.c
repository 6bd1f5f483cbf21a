/* Logging in on the page: a token is exchanged for a cookie (access.h). */
#include <stdio.h>
#include <string.h>

#include "api/cookies.h"
#include "api/handlers.h"

static void reply_who(struct dcg_request *rq, const struct dcg_who *who)
{
	int stranger = who->scope == DCG_SCOPE_NONE;
	cJSON *o = cJSON_CreateObject();
	dcg_put_bool(rq, o, "needed", rq->api->access != NULL);
	dcg_put_text(rq, o, "name", *who->name ? who->name : NULL);
	dcg_put_text(rq, o, "scope", stranger ? NULL : dcg_scope_name(who->scope));
	dcg_put_time(rq, o, "until", who->until_s * 1000);
	dcg_reply_json(rq, 200, o);
}

/* A browser says in Origin how it reached us, through whatever proxy: a cookie that came over TLS
 * shall go back over TLS only. */
static void set_cookie(struct dcg_request *rq, const char *value, int64_t lasts_s)
{
	char text[DCG_COOKIE_NAME + DCG_COOKIE_VALUE + 100];
	const char *origin = rq->header[DCG_HEADER_ORIGIN];
	snprintf(text, sizeof text, "%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s", dcg_access_cookie_name(rq->api->access), value,
		(long long)lasts_s, origin && strncmp(origin, "https://", 8) == 0 ? "; Secure" : "");
	dcg_reply_header(rq, "Set-Cookie", text);
}

void dcg_route_session_get(struct dcg_request *rq)
{
	dcg_access_identify(rq);
	reply_who(rq, &rq->who);
}

void dcg_route_session_create(struct dcg_request *rq)
{
	struct dcg_invalid inv = { 0 };
	char value[DCG_COOKIE_VALUE];
	const cJSON *token = cJSON_GetObjectItemCaseSensitive(rq->json, "token");
	if (!rq->api->access) {
		dcg_reply_problem(rq, 409, "this daemon has no tokens: nobody needs to log in");
		return;
	}
	for (const cJSON *m = rq->json->child; m; m = m->next)
		if (strcmp(m->string, "token") != 0)
			dcg_invalid_member(&inv, m->string, "unknown field: expected token");
	if (!cJSON_IsString(token))
		dcg_invalid_member(&inv, "token", "expected a text");
	if (dcg_invalid_close(&inv)) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	if (dcg_access_login(rq, token->valuestring, &rq->who))
		return;
	int64_t lasts_s = dcg_access_cookie(rq->api->access, &rq->who, value);
	reply_who(rq, &rq->who);
	set_cookie(rq, value, lasts_s);
}

void dcg_route_session_delete(struct dcg_request *rq)
{
	dcg_reply_empty(rq, 204);
	if (rq->api->access)
		set_cookie(rq, "", 0);
}
