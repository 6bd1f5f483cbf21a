/* Tokens: the names of those who may ask, what each may do, and the SHA-256 of each one's secret.
 *
 * They stand in a file, a line each, of three words with white space between them: the name
 * (letters, digits and ._-), the scope (read, write or admin) and 64 hexadecimal digits. Empty
 * lines and lines that begin with # say nothing. The digest is of the secret as it is sent,
 * which has 256 random bits: it cannot be guessed, so a quick digest does. A struct dcg_tokens
 * does not change: any thread may look at it.
 */
#ifndef DCG_API_TOKENS_H
#define DCG_API_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

/* Each includes those before it. */
enum dcg_scope { DCG_SCOPE_NONE, DCG_SCOPE_READ, DCG_SCOPE_WRITE, DCG_SCOPE_ADMIN };
const char *dcg_scope_name(enum dcg_scope scope);
enum dcg_scope dcg_scope_from_name(const char *name); /* DCG_SCOPE_NONE: there is no such scope */

enum {
	DCG_TOKEN_NAME = 64,    /* with the NUL */
	DCG_TOKEN_SECRET = 7 + 2 * 32 + 1, /* "dcgand-", digits, NUL */
	DCG_TOKENS_MAX = 1000,
};

struct dcg_token {
	char name[DCG_TOKEN_NAME];
	enum dcg_scope scope;
	uint8_t digest[DCG_DIGEST_BYTES];
};

struct dcg_tokens {
	size_t count;
	struct dcg_token token[];
};

/* Reads a file that others can neither change nor read. Every fault is told, in a line that names
 * file and line. DCG_EINVAL, DCG_EACCESS, DCG_ENOENT, DCG_EIO, DCG_ENOMEM. */
int dcg_tokens_read(struct dcg_tokens **ret, const char *path, void (*tell)(void *user, const char *text), void *user);
void dcg_tokens_free(struct dcg_tokens *t);
int dcg_tokens_equal(const struct dcg_tokens *a, const struct dcg_tokens *b);

/* NULL: none. By secret in a time that does not depend on how much of it is right. */
const struct dcg_token *dcg_tokens_by_secret(const struct dcg_tokens *t, const char *secret, size_t size);
const struct dcg_token *dcg_tokens_by_name(const struct dcg_tokens *t, const char *name);

/* Make a secret and append its line to the file (made if it is missing, mode 0600). The secret is
 * kept nowhere else. DCG_EEXIST: the name is taken; and what dcg_tokens_read says, in err. */
int dcg_tokens_add(const char *path, const char *name, enum dcg_scope scope, char ret_secret[DCG_TOKEN_SECRET], struct dcg_error *err);

/* Is text fit for a name, or a scope? DCG_EINVAL. */
int dcg_tokens_check_name(const char *text, struct dcg_error *err);
int dcg_tokens_check_scope(const char *text, struct dcg_error *err);

#endif
