#include "api/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/failures.h"
#include "api/reply.h"
#include "api/server.h"
#include "base/file.h"

enum { SECRET_MAX = 512 };

struct dcg_access {
	const struct dcg_api *api;
	struct dcg_failures *failures;
	uint8_t key[DCG_DIGEST_BYTES];       /* of sessions; never changes, as the name */
	char cookie_name[DCG_COOKIE_NAME];
	pthread_rwlock_t lock;
	struct dcg_tokens *tokens;           /* by lock */
	atomic_uint changes;                 /* counts replacements; from 1 on */
};

/* --- The key of sessions ------------------------------------------------------------------- */

/* 0: *ret is the key of the file; else there is none, or one that others may know. */
static int read_key(const char *path, uint8_t ret[DCG_DIGEST_BYTES])
{
	struct dcg_error err;
	struct stat st;
	char *data = NULL;
	size_t size = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? DCG_ENOENT : DCG_EIO;
	int r = fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & (S_IRWXG | S_IRWXO) ? DCG_EACCESS :
		dcg_file_read_fd(fd, path, DCG_DIGEST_BYTES, &data, &size, &err);
	if (!r && size != DCG_DIGEST_BYTES)
		r = DCG_EFORMAT;
	if (!r)
		memcpy(ret, data, DCG_DIGEST_BYTES);
	if (data)
		explicit_bzero(data, size);
	free(data);
	close(fd);
	return r;
}

static int take_key(struct dcg_access *a, const char *folder, struct dcg_error *err)
{
	char *path;
	if (asprintf(&path, "%s/session.key", folder) < 0)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int r = read_key(path, a->key);
	if (r) {
		if (r != DCG_ENOENT)
			dcg_api_log(a->api, DCG_API_WARNING, "%s: expected %d bytes that only this user can read: there will be a new key, and who was logged in has to do so again",
				path, DCG_DIGEST_BYTES);
		/* What dcg_file_write_atomic makes has mode 0600 from the beginning. */
		r = dcg_secret_random(a->key, sizeof a->key, err);
		if (!r)
			r = dcg_file_write_atomic(path, a->key, sizeof a->key, err);
	}
	free(path);
	return r;
}

/* Browsers do not tell the ports of a host apart when they keep cookies: each daemon has a name
 * of its own for its cookie, so that two on one machine do not log each other out. */
static void name_cookie(struct dcg_access *a)
{
	uint8_t code[DCG_DIGEST_BYTES];
	char hex[9];
	static const char what[] = "the name of the cookie";
	dcg_secret_mac(a->key, what, sizeof what, code);
	dcg_hex(code, 4, hex);
	snprintf(a->cookie_name, sizeof a->cookie_name, "dcgand-session-%s", hex);
}

/* --- Sessions ------------------------------------------------------------------------------ */

static void session_code(const struct dcg_access *a, const struct dcg_token *t, int64_t until_s, char hex[2 * DCG_DIGEST_BYTES + 1])
{
	uint8_t code[DCG_DIGEST_BYTES];
	struct {
		char what[8];
		char name[DCG_TOKEN_NAME];
		uint8_t digest[DCG_DIGEST_BYTES];
		int64_t until_s;
	} signed_text = { .what = "session", .until_s = until_s };
	_Static_assert(sizeof signed_text == 8 + DCG_TOKEN_NAME + DCG_DIGEST_BYTES + 8, "no padding, which would be signed too");
	snprintf(signed_text.name, sizeof signed_text.name, "%s", t->name);
	memcpy(signed_text.digest, t->digest, sizeof signed_text.digest);
	dcg_secret_mac(a->key, &signed_text, sizeof signed_text, code);
	dcg_hex(code, sizeof code, hex);
}

int64_t dcg_access_cookie(const struct dcg_access *a, struct dcg_who *who, char value[DCG_COOKIE_VALUE])
{
	struct dcg_token t = { .scope = who->scope };
	char code[2 * DCG_DIGEST_BYTES + 1];
	int64_t lasts_s = (int64_t)a->api->session_hours * 3600;
	who->until_s = (int64_t)time(NULL) + lasts_s;
	memcpy(t.name, who->name, sizeof t.name);
	memcpy(t.digest, who->digest, sizeof t.digest);
	session_code(a, &t, who->until_s, code);
	snprintf(value, DCG_COOKIE_VALUE, "%s.%lld.%s", who->name, (long long)who->until_s, code);
	return lasts_s;
}

const char *dcg_access_cookie_name(const struct dcg_access *a)
{
	return a->cookie_name;
}

/* Whose session is it? NULL: nobody's, or one that has ended. */
static const struct dcg_token *find_session(const struct dcg_access *a, const char *value, int64_t *ret_until_s)
{
	static const struct dcg_token nobody;
	char copy[DCG_COOKIE_VALUE], code[2 * DCG_DIGEST_BYTES + 1];
	size_t n = strlen(value);
	if (n >= sizeof copy)
		return NULL;
	memcpy(copy, value, n + 1);
	char *given = strrchr(copy, '.');
	if (!given)
		return NULL;
	*given++ = 0;
	char *until = strrchr(copy, '.');
	if (!until)
		return NULL;
	*until++ = 0;
	int64_t until_s = dcg_decimal(until, strlen(until));
	if (strlen(given) != sizeof code - 1 || until_s < 0)
		return NULL;
	const struct dcg_token *t = dcg_tokens_by_name(a->tokens, copy);
	/* A name that does not exist takes as long as a wrong code. */
	session_code(a, t ? t : &nobody, until_s, code);
	if (!dcg_secret_equal(code, given, sizeof code - 1) || !t || until_s <= (int64_t)time(NULL))
		return NULL;
	*ret_until_s = until_s;
	return t;
}

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

/* White space after it is none of its own (RFC 9110, section 5.5). */
static int by_secret(struct dcg_access *a, const char *secret, struct dcg_who *ret)
{
	size_t n = strlen(secret);
	while (n && (secret[n - 1] == ' ' || secret[n - 1] == '\t'))
		n--;
	if (n > SECRET_MAX)
		return -1;
	pthread_rwlock_rdlock(&a->lock);
	fill(ret, dcg_tokens_by_secret(a->tokens, secret, n), 0);
	pthread_rwlock_unlock(&a->lock);
	return ret->scope == DCG_SCOPE_NONE ? -1 : 0;
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
		return by_secret(a, secret, &rq->who);
	const char *cookie = MHD_lookup_connection_value(rq->connection, MHD_COOKIE_KIND, a->cookie_name);
	int64_t until_s;
	if (cookie) {
		pthread_rwlock_rdlock(&a->lock);
		const struct dcg_token *t = find_session(a, cookie, &until_s);
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
	dcg_failures_note(rq->api->access->failures, rq->api, rq->peer->fd);
	dcg_reply_problem(rq, 401, "this token is not (or no longer) one of this daemon's");
	dcg_reply_header(rq, "WWW-Authenticate", "Bearer realm=\"dcgand\", error=\"invalid_token\"");
}

int dcg_access_login(struct dcg_request *rq, const char *secret, struct dcg_who *ret)
{
	struct dcg_who who = { 0 };
	if (by_secret(rq->api->access, secret, &who)) {
		refuse_secret(rq);
		return -1;
	}
	*ret = who;
	return 0;
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
	int r = a->failures ? take_key(a, state_folder, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	if (r) {
		dcg_access_free(a);
		return r;
	}
	name_cookie(a);
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
	explicit_bzero(a->key, sizeof a->key);
	dcg_failures_free(a->failures);
	dcg_tokens_free(a->tokens);
	pthread_rwlock_destroy(&a->lock);
	free(a);
}
