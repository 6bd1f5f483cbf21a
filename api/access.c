#include "api/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/cookies.h"
#include "api/failures.h"
#include "api/reply.h"
#include "api/server.h"

enum { SECRET_MAX = 512 };

struct dcg_access {
	const struct dcg_api *api;
	struct dcg_failures *failures;
	struct dcg_cookies cookies;          /* does not change */
	pthread_rwlock_t lock;
	struct dcg_tokens *tokens;           /* by lock */
	atomic_uint changes;                 /* counts replacements; from 1 on */
};

/* --- Requests ------------------------------------------------------------------------------ */

static void fill(struct dcg_who *who, const struct dcg_token *t, int64_t until_s)
{
	if (!t)
		return;
	who->scope = t->scope;
	memcpy(who->name, t->name, sizeof who->name);
	memcpy(who->digest, t->digest, sizeof who->digest);
	who->until_s = until_s;
}

/* Every token that is sent comes by here, so that each wrong one is noted. White space after it
 * is none of its own (RFC 9110, section 5.5). */
static int by_secret(struct dcg_request *rq, const char *secret, struct dcg_who *ret)
{
	struct dcg_access *a = rq->api->access;
	size_t n = strlen(secret);
	while (n && (secret[n - 1] == ' ' || secret[n - 1] == '\t'))
		n--;
	if (n <= SECRET_MAX) {
		pthread_rwlock_rdlock(&a->lock);
		fill(ret, dcg_tokens_by_secret(a->tokens, secret, n), 0);
		pthread_rwlock_unlock(&a->lock);
	}
	if (ret->scope != DCG_SCOPE_NONE)
		return 0;
	dcg_failures_note(a->failures, rq->api, rq->peer->fd);
	return -1;
}

/* What follows "Bearer" in the header; NULL: nothing. Another scheme is a proxy's own affair. */
static const char *bearer(const struct dcg_request *rq)
{
	const char *s = rq->header[DCG_HEADER_AUTHORIZATION];
	if (!s || strncasecmp(s, "Bearer", 6) != 0 || (s[6] != ' ' && s[6]))
		return NULL;
	return s + 6 + strspn(s + 6, " ");
}

/* Was there a token, and a wrong one? */
static int identify(struct dcg_request *rq)
{
	struct dcg_access *a = rq->api->access;
	if (!a) {
		rq->who.scope = DCG_SCOPE_ADMIN;
		return 0;
	}
	const char *secret = bearer(rq);
	if (secret)
		return by_secret(rq, secret, &rq->who);
	const char *cookie = MHD_lookup_connection_value(rq->connection, MHD_COOKIE_KIND, a->cookies.name);
	int64_t until_s;
	if (cookie) {
		pthread_rwlock_rdlock(&a->lock);
		const struct dcg_token *t = dcg_cookies_read(&a->cookies, a->tokens, cookie, &until_s);
		if (t)
			fill(&rq->who, t, until_s);
		pthread_rwlock_unlock(&a->lock);
	}
	return 0;
}

void dcg_access_identify(struct dcg_request *rq)
{
	identify(rq);
}

/* RFC 6750, section 3. */
static void refuse_secret(struct dcg_request *rq)
{
	dcg_reply_problem(rq, 401, "this token is not (or no longer) one of this daemon's");
	dcg_reply_header(rq, "WWW-Authenticate", "Bearer realm=\"dcgand\", error=\"invalid_token\"");
}

int dcg_access_login(struct dcg_request *rq, const char *secret, struct dcg_who *ret)
{
	struct dcg_who who = { 0 };
	if (by_secret(rq, secret, &who)) {
		refuse_secret(rq);
		return -1;
	}
	*ret = who;
	return 0;
}

int64_t dcg_access_cookie(const struct dcg_access *a, struct dcg_who *who, char value[DCG_COOKIE_VALUE])
{
	struct dcg_token t = { .scope = who->scope };
	int64_t lasts_s = (int64_t)a->api->session_hours * 3600;
	who->until_s = (int64_t)time(NULL) + lasts_s;
	memcpy(t.name, who->name, sizeof t.name);
	memcpy(t.digest, who->digest, sizeof t.digest);
	dcg_cookies_write(&a->cookies, &t, who->until_s, value);
	return lasts_s;
}

const char *dcg_access_cookie_name(const struct dcg_access *a)
{
	return a->cookies.name;
}

int dcg_access_check(struct dcg_request *rq)
{
	char challenge[100];
	enum dcg_scope needed = rq->route->scope;
	if (needed == DCG_SCOPE_NONE)
		return 0;
	if (identify(rq)) {
		refuse_secret(rq);
		return -1;
	}
	if (rq->who.scope >= needed)
		return 0;
	if (rq->who.scope == DCG_SCOPE_NONE) {
		dcg_reply_problem(rq, 401, "this needs a token of scope %s: send \"Authorization: Bearer TOKEN\", or log in on the page", dcg_scope_name(needed));
		dcg_reply_header(rq, "WWW-Authenticate", "Bearer realm=\"dcgand\"");
		return -1;
	}
	dcg_reply_problem(rq, 403, "this needs a token of scope %s, and that of %s has %s", dcg_scope_name(needed), rq->who.name, dcg_scope_name(rq->who.scope));
	snprintf(challenge, sizeof challenge, "Bearer realm=\"dcgand\", error=\"insufficient_scope\", scope=\"%s\"", dcg_scope_name(needed));
	dcg_reply_header(rq, "WWW-Authenticate", challenge);
	return -1;
}

int dcg_access_holds(struct dcg_access *a, const struct dcg_who *who, unsigned *seen)
{
	if (!a)
		return 1;
	if (who->until_s && who->until_s <= (int64_t)time(NULL))
		return 0;
	unsigned changes = atomic_load(&a->changes);
	if (changes == *seen)
		return 1;
	pthread_rwlock_rdlock(&a->lock);
	const struct dcg_token *t = dcg_tokens_by_name(a->tokens, who->name);
	int same = t && memcmp(t->digest, who->digest, sizeof t->digest) == 0;
	pthread_rwlock_unlock(&a->lock);
	if (same)
		*seen = changes;
	return same;
}

/* --- Life ---------------------------------------------------------------------------------- */

int dcg_access_replace(struct dcg_access *a, struct dcg_tokens *tokens)
{
	pthread_rwlock_wrlock(&a->lock);
	struct dcg_tokens *old = a->tokens;
	a->tokens = tokens;
	pthread_rwlock_unlock(&a->lock);
	int others = !dcg_tokens_equal(old, tokens);
	atomic_fetch_add(&a->changes, 1);
	dcg_tokens_free(old);
	return others;
}

int dcg_access_new(struct dcg_access **ret, const struct dcg_api *api, struct dcg_tokens *tokens, const char *state_folder,
	struct dcg_error *err)
{
	struct dcg_access *a = calloc(1, sizeof *a);
	if (!a)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	a->api = api;
	a->changes = 1;
	pthread_rwlock_init(&a->lock, NULL);
	a->failures = dcg_failures_new();
	int r = a->failures ? dcg_cookies_init(&a->cookies, api, state_folder, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	if (r) {
		dcg_access_free(a);
		return r;
	}
	a->tokens = tokens;
	*ret = a;
	return 0;
}

void dcg_access_release(struct dcg_access *a)
{
	a->tokens = NULL;
}

void dcg_access_free(struct dcg_access *a)
{
	if (!a)
		return;
	explicit_bzero(&a->cookies, sizeof a->cookies);
	dcg_failures_free(a->failures);
	dcg_tokens_free(a->tokens);
	pthread_rwlock_destroy(&a->lock);
	free(a);
}
