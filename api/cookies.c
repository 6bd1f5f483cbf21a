#include "api/cookies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/server.h"
#include "base/file.h"

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

static int take_key(struct dcg_cookies *c, const struct dcg_api *api, const char *folder, struct dcg_error *err)
{
	char *path;
	if (asprintf(&path, "%s/session.key", folder) < 0)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	int r = read_key(path, c->key);
	if (r) {
		if (r != DCG_ENOENT)
			dcg_api_log(api, DCG_API_WARNING, "%s: expected %d bytes that only this user can read: there will be a new key, and who was logged in has to do so again",
				path, DCG_DIGEST_BYTES);
		/* What dcg_file_write_atomic makes has mode 0600 from the beginning. */
		r = dcg_secret_random(c->key, sizeof c->key, err);
		/* A full disk is no reason not to start. */
		struct dcg_error why;
		if (!r && dcg_file_write_atomic(path, c->key, sizeof c->key, &why))
			dcg_api_log(api, DCG_API_WARNING, "%s: who logs in on the page has to do so again after the next start", why.text);
	}
	free(path);
	return r;
}

int dcg_cookies_init(struct dcg_cookies *c, const struct dcg_api *api, const char *folder, struct dcg_error *err)
{
	static const char what[] = "the name of the cookie";
	uint8_t code[DCG_DIGEST_BYTES];
	char hex[9];
	int r = take_key(c, api, folder, err);
	if (r)
		return r;
	dcg_secret_mac(c->key, what, sizeof what, code);
	dcg_hex(code, 4, hex);
	snprintf(c->name, sizeof c->name, "dcgand-session-%s", hex);
	return 0;
}

static void code_of(const struct dcg_cookies *c, const struct dcg_token *t, int64_t until_s, char hex[2 * DCG_DIGEST_BYTES + 1])
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
	dcg_secret_mac(c->key, &signed_text, sizeof signed_text, code);
	dcg_hex(code, sizeof code, hex);
}

void dcg_cookies_write(const struct dcg_cookies *c, const struct dcg_token *t, int64_t until_s, char value[DCG_COOKIE_VALUE])
{
	char code[2 * DCG_DIGEST_BYTES + 1];
	code_of(c, t, until_s, code);
	snprintf(value, DCG_COOKIE_VALUE, "%s.%lld.%s", t->name, (long long)until_s, code);
}

const struct dcg_token *dcg_cookies_read(const struct dcg_cookies *c, const struct dcg_tokens *tokens, const char *value, int64_t *ret_until_s)
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
	const struct dcg_token *t = dcg_tokens_by_name(tokens, copy);
	/* A name that does not exist takes as long as a wrong code. */
	code_of(c, t ? t : &nobody, until_s, code);
	if (!dcg_secret_equal(code, given, sizeof code - 1) || !t || until_s <= (int64_t)time(NULL))
		return NULL;
	*ret_until_s = until_s;
	return t;
}
