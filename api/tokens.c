#include "api/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { FILE_MAX = 256 << 10, FAULTS_TOLD = 20 };

static const char *const scopes[] = { "none", "read", "write", "admin" };

const char *dcg_scope_name(enum dcg_scope scope)
{
	return scopes[scope];
}

enum dcg_scope dcg_scope_from_name(const char *name)
{
	for (int i = DCG_SCOPE_READ; i <= DCG_SCOPE_ADMIN; i++)
		if (strcmp(scopes[i], name) == 0)
			return (enum dcg_scope)i;
	return DCG_SCOPE_NONE;
}

int dcg_tokens_check_name(const char *text, struct dcg_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(text);
	if (n == 0 || n >= DCG_TOKEN_NAME || strspn(text, allowed) != n)
		return dcg_error_set(err, DCG_EINVAL, "expected a name of 1 to %d letters, digits, \".\", \"_\" and \"-\", found \"%.100s\"",
			DCG_TOKEN_NAME - 1, text);
	return 0;
}

int dcg_tokens_check_scope(const char *text, struct dcg_error *err)
{
	if (dcg_scope_from_name(text) == DCG_SCOPE_NONE)
		return dcg_error_set(err, DCG_EINVAL, "expected read, write or admin, found \"%.100s\"", text);
	return 0;
}

/* --- Reading ------------------------------------------------------------------------------- */

struct reader {
	const char *path;
	void (*tell)(void *user, const char *text);
	void *user;
	int line, faults;
	struct dcg_tokens *tokens;
	int *lines; /* where each token stands */
};

static void fault(struct reader *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct reader *f, const char *fmt, ...)
{
	char text[800], what[300];
	if (++f->faults > FAULTS_TOLD + 1)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (f->faults > FAULTS_TOLD)
		snprintf(text, sizeof text, "%.400s: and more: these were the first", f->path);
	else
		snprintf(text, sizeof text, "%.400s:%d: %s", f->path, f->line, what);
	f->tell(f->user, text);
}

/* The next word of a line, NUL-terminated in place; "" when there is none. */
static char *next_word(char **at)
{
	char *s = *at + strspn(*at, " \t");
	*at = s + strcspn(s, " \t");
	if (**at)
		*(*at)++ = 0;
	return s;
}

/* What is wrong is named, but never a word that might be a secret put there by mistake. */
static void take_line(struct reader *f, char *s)
{
	struct dcg_error err;
	struct dcg_token t = { 0 };
	char *name = next_word(&s), *scope = next_word(&s), *digest = next_word(&s), *more = next_word(&s);
	size_t n = strlen(digest);
	if (!*name || *name == '#')
		return;
	if (dcg_tokens_check_name(name, &err)) {
		fault(f, "expected a name of 1 to %d letters, digits, \".\", \"_\" and \"-\" first", DCG_TOKEN_NAME - 1);
		return;
	}
	t.scope = dcg_scope_from_name(scope);
	if (t.scope == DCG_SCOPE_NONE) {
		fault(f, "expected read, write or admin after the name %s", name);
		return;
	}
	if (n != 2 * sizeof t.digest || dcg_unhex(digest, sizeof t.digest, t.digest) || *more) {
		fault(f, "expected the SHA-256 of the secret of %s as %zu lower-case hexadecimal digits, and nothing after it", name, 2 * sizeof t.digest);
		return;
	}
	for (size_t i = 0; i < f->tokens->count; i++) {
		const struct dcg_token *other = &f->tokens->token[i];
		int same_name = strcmp(other->name, name) == 0;
		if (same_name || memcmp(other->digest, t.digest, sizeof t.digest) == 0) {
			fault(f, "expected another %s than that of line %d", same_name ? "name" : "secret", f->lines[i]);
			return;
		}
	}
	if (f->tokens->count == DCG_TOKENS_MAX) {
		fault(f, "expected at most %d tokens", DCG_TOKENS_MAX);
		return;
	}
	memcpy(t.name, name, strlen(name) + 1);
	f->lines[f->tokens->count] = f->line;
	f->tokens->token[f->tokens->count++] = t;
}

static void take_text(struct reader *f, char *s, char *end)
{
	while (s < end) {
		char *stop = memchr(s, '\n', (size_t)(end - s)), *next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		f->line++;
		if (stop > s && stop[-1] == '\r')
			stop--;
		*stop = 0;
		int bad = -1;
		for (const char *c = s; c < stop && bad < 0; c++)
			if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
				bad = (unsigned char)*c;
		if (bad >= 0)
			fault(f, "expected text, found the control character 0x%02x", bad);
		else
			take_line(f, s);
		s = next;
	}
}

/* Who can write the file can let himself in; who can read it learns who there is. The group may
 * read: that is how a service of another user gets at it. */
static int check_owner(int fd, const char *path, struct dcg_error *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return dcg_error_sys(err, errno, "%s: cannot stat", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return dcg_error_set(err, DCG_EACCESS, "%s: expected a file of root or of the daemon's own user (%u), found one of user %u",
			path, (unsigned)geteuid(), (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IRWXO))
		return dcg_error_set(err, DCG_EACCESS, "%s: others may %s it: expected mode 0600 or 0640, found %04o (chmod 600 %s)", path,
			st.st_mode & (S_IWGRP | S_IWOTH) ? "change" : "read", (unsigned)st.st_mode & 07777, path);
	return 0;
}

static int read_open(struct reader *f, int fd, struct dcg_tokens **ret, struct dcg_error *err)
{
	char *text;
	size_t size;
	int r = dcg_file_read_fd(fd, f->path, FILE_MAX, &text, &size, err); /* which says what is no file at all */
	if (r)
		return r;
	if ((r = check_owner(fd, f->path, err)))
		goto done;
	f->tokens = malloc(sizeof *f->tokens + DCG_TOKENS_MAX * sizeof *f->tokens->token);
	f->lines = malloc(DCG_TOKENS_MAX * sizeof *f->lines);
	if (!f->tokens || !f->lines) {
		r = dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", f->path);
		goto done;
	}
	f->tokens->count = 0;
	take_text(f, text, text + size);
	if (f->faults) {
		r = dcg_error_set(err, DCG_EINVAL, "%s: this is no file of tokens", f->path);
		goto done;
	}
	*ret = f->tokens;
	f->tokens = NULL;
done:
	free(text);
	free(f->tokens);
	free(f->lines);
	return r;
}

int dcg_tokens_read(struct dcg_tokens **ret, const char *path, void (*tell)(void *user, const char *text), void *user)
{
	struct reader f = { .path = path, .tell = tell, .user = user };
	struct dcg_error err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not stop us */
	int r = fd < 0 ? dcg_error_sys(&err, errno, "%s: cannot open", path) : read_open(&f, fd, ret, &err);
	if (fd >= 0)
		close(fd);
	if (r && !f.faults)
		tell(user, err.text);
	return r;
}

void dcg_tokens_free(struct dcg_tokens *t)
{
	free(t);
}

int dcg_tokens_equal(const struct dcg_tokens *a, const struct dcg_tokens *b)
{
	if (a->count != b->count)
		return 0;
	for (size_t i = 0; i < a->count; i++) {
		const struct dcg_token *x = &a->token[i], *y = &b->token[i];
		if (strcmp(x->name, y->name) != 0 || x->scope != y->scope || memcmp(x->digest, y->digest, sizeof x->digest) != 0)
			return 0;
	}
	return 1;
}

const struct dcg_token *dcg_tokens_by_secret(const struct dcg_tokens *t, const char *secret, size_t size)
{
	uint8_t digest[DCG_DIGEST_BYTES];
	const struct dcg_token *found = NULL;
	dcg_secret_digest(secret, size, digest);
	/* All of them, whether found or not. */
	for (size_t i = 0; i < t->count; i++)
		if (dcg_secret_equal(digest, t->token[i].digest, sizeof digest))
			found = &t->token[i];
	return found;
}

const struct dcg_token *dcg_tokens_by_name(const struct dcg_tokens *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->token[i].name, name) == 0)
			return &t->token[i];
	return NULL;
}

/* --- Adding -------------------------------------------------------------------------------- */

struct first_fault {
	char text[800];
};

static void keep_first(void *user, const char *text)
{
	struct first_fault *f = user;
	if (!*f->text)
		snprintf(f->text, sizeof f->text, "%s", text);
}

/* One write at the end, taken back if it did not fit. */
static int append(int fd, const char *path, const char *line, struct dcg_error *err)
{
	char last = '\n', text[200];
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1))
		return dcg_error_sys(err, errno, "%s: cannot read", path);
	int n = snprintf(text, sizeof text, "%s%s\n", last == '\n' ? "" : "\n", line);
	int r = dcg_file_write_all(fd, text, (size_t)n, err);
	if (!r && fsync(fd))
		r = dcg_error_sys(err, errno, "cannot sync");
	if (!r)
		return 0;
	int undone = ftruncate(fd, end);
	return dcg_error_prefix(err, r, undone ? "%s: it may end in half a line now" : "%s", path);
}

int dcg_tokens_add(const char *path, const char *name, enum dcg_scope scope, char ret_secret[DCG_TOKEN_SECRET], struct dcg_error *err)
{
	struct first_fault first = { "" };
	struct reader f = { .path = path, .tell = keep_first, .user = &first };
	struct dcg_tokens *tokens = NULL;
	uint8_t random[32], digest[DCG_DIGEST_BYTES];
	char secret[DCG_TOKEN_SECRET] = "dcgand-", hex[2 * sizeof digest + 1], line[DCG_TOKEN_NAME + sizeof hex + 10];
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return dcg_error_sys(err, errno, "%s: cannot open", path);
	/* Two at once would find the same name free. */
	int r = flock(fd, LOCK_EX) ? dcg_error_sys(err, errno, "%s: cannot lock", path) : read_open(&f, fd, &tokens, err);
	if (r) {
		if (f.faults)
			r = dcg_error_set(err, r, "%s", first.text);
		goto done;
	}
	if (dcg_tokens_by_name(tokens, name)) {
		r = dcg_error_set(err, DCG_EEXIST, "%s: there is a token %s already: remove its line first, or take another name", path, name);
		goto done;
	}
	if (tokens->count == DCG_TOKENS_MAX) {
		r = dcg_error_set(err, DCG_EINVAL, "%s: expected at most %d tokens", path, DCG_TOKENS_MAX);
		goto done;
	}
	if ((r = dcg_secret_random(random, sizeof random, err)))
		goto done;
	dcg_hex(random, sizeof random, secret + strlen(secret));
	dcg_secret_digest(secret, strlen(secret), digest);
	dcg_hex(digest, sizeof digest, hex);
	snprintf(line, sizeof line, "%s %s %s", name, dcg_scope_name(scope), hex);
	if (!(r = append(fd, path, line, err)))
		memcpy(ret_secret, secret, sizeof secret);
done:
	explicit_bzero(random, sizeof random);
	explicit_bzero(secret, sizeof secret);
	dcg_tokens_free(tokens);
	close(fd);
	return r;
}
