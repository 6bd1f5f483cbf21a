/* The cookies of sessions (access.h): NAME.EXPIRY.CODE, signed under a key of the state folder.
 *
 * Browsers do not tell the ports of a host apart when they keep cookies: each daemon has a name
 * of its own for its cookie, so that two on one machine do not log each other out. Once it is
 * initialised any thread may use a struct dcg_cookies.
 */
#ifndef DCG_API_COOKIES_H
#define DCG_API_COOKIES_H

#include "api/access.h"

enum { DCG_COOKIE_NAME = 32 };

struct dcg_cookies {
	uint8_t key[DCG_DIGEST_BYTES];
	char name[DCG_COOKIE_NAME];
};

/* Reads FOLDER/session.key, or makes it: also in place of one that others may know, or that is
 * damaged, which is told in api's log. Where it cannot be written it lasts as long as the daemon.
 * DCG_EIO (no random bytes), DCG_ENOMEM. */
int dcg_cookies_init(struct dcg_cookies *c, const struct dcg_api *api, const char *folder, struct dcg_error *err);
void dcg_cookies_write(const struct dcg_cookies *c, const struct dcg_token *t, int64_t until_s, char value[DCG_COOKIE_VALUE]);
/* Whose session is it, and until when? NULL: nobody's, or one that has ended. */
const struct dcg_token *dcg_cookies_read(const struct dcg_cookies *c, const struct dcg_tokens *tokens, const char *value, int64_t *ret_until_s);

#endif
