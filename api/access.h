/* Who asks, and may he? Tokens in the Authorization header, or sessions: a browser sends no
 * headers of its own with images, downloads and event streams, so the page exchanges its token
 * for a cookie (routes_session.c).
 *
 * A cookie is NAME.EXPIRY.CODE: the token's name, when it ends (seconds since 1970), and an HMAC
 * of both with the token's digest, under a key that is in the state folder. So a session
 * outlives the daemon, but neither its token's line nor its time, and nothing is kept of it.
 *
 * Without tokens there is no struct dcg_access, and everybody may do everything. Any thread,
 * except that dcg_access_new and _free belong to the owner.
 */
#ifndef DCG_API_ACCESS_H
#define DCG_API_ACCESS_H

#include "api/tokens.h"

struct dcg_api;
struct dcg_request;
struct dcg_access;

/* The one who asks. */
struct dcg_who {
	enum dcg_scope scope; /* DCG_SCOPE_NONE: a stranger */
	char name[DCG_TOKEN_NAME];
	uint8_t digest[DCG_DIGEST_BYTES];
	int64_t until_s; /* a session's end, seconds since 1970; 0: as long as the token is there */
};

enum { DCG_COOKIE_VALUE = DCG_TOKEN_NAME + 24 + 2 * DCG_DIGEST_BYTES };

/* Takes tokens on success. The key of sessions is read from the state folder, or made there. */
int dcg_access_new(struct dcg_access **ret, const struct dcg_api *api, struct dcg_tokens *tokens, const char *state_folder,
	struct dcg_error *err);
void dcg_access_free(struct dcg_access *a);
/* Let go of the tokens, which are the caller's again; only to be freed from now on. */
void dcg_access_release(struct dcg_access *a);
/* Takes tokens: they hold from now on. Were they others before? */
int dcg_access_replace(struct dcg_access *a, struct dcg_tokens *tokens);

/* Fill rq->who from what the request brought; a wrong token leaves a word in the log. */
void dcg_access_identify(struct dcg_request *rq);
/* Fill rq->who; may he use rq->route? 0, or -1 with 401 or 403 as reply. */
int dcg_access_check(struct dcg_request *rq);
/* Has somebody who came in still the right to read? *seen begins as 0 and saves looking where
 * nothing has changed. */
int dcg_access_holds(struct dcg_access *a, const struct dcg_who *who, unsigned *seen);

/* Who has this secret; 0, or -1 with 401 as reply, and a word in the log. */
int dcg_access_login(struct dcg_request *rq, const char *secret, struct dcg_who *ret);
/* The cookie of a session of who; seconds that it lasts. */
int64_t dcg_access_cookie(const struct dcg_access *a, struct dcg_who *who, char value[DCG_COOKIE_VALUE]);
const char *dcg_access_cookie_name(const struct dcg_access *a);

#endif
