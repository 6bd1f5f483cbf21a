/* The file of tokens: what is taken has names that are found again, what is not is told in lines
 * that show nothing of the file. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/stat.h>

#include "api/tokens.h"

const int fuzz_pace = 8000;

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	static const char *const seeds[] = {
		"# who may ask\n\nada read " DIGEST "\n\tbob\twrite   " DIGEST "\r\nc.d_e-f admin " DIGEST,
		"ada read " DIGEST "\nada write " DIGEST "\n",
		"ada owner " DIGEST "\nbob read 9f86\n",
		"\xef\xbb\xbf" "ada read " DIGEST " more\n",
	};
	if (i >= (int)(sizeof seeds / sizeof *seeds))
		return NULL;
	*ret_size = strlen(seeds[i]);
	return (uint8_t *)strdup(seeds[i]);
}

static void tell(void *user, const char *text)
{
	fuzz_check(*text && !strchr(text, '\n'), "a fault is told in one line: %s", text);
	fuzz_check(!strstr(text, DIGEST), "a line shows what the file keeps: %s", text);
	++*(int *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcg_tokens *t;
	int told = 0;
	const char *path = fuzz_file("tokens", data, size);
	fuzz_check(chmod(path, 0600) == 0, "%s", path);
	int r = dcg_tokens_read(&t, path, tell, &told);
	fuzz_check((r == 0) == (told == 0), "%d with %d faults", r, told);
	if (r)
		return 0;
	fuzz_check(t->count <= DCG_TOKENS_MAX, "%zu tokens", t->count);
	for (size_t i = 0; i < t->count; i++) {
		const struct dcg_token *k = &t->token[i];
		fuzz_check(memchr(k->name, 0, sizeof k->name) && *k->name, "a name without an end, or none");
		fuzz_check(dcg_tokens_by_name(t, k->name) == k, "%s is not found, or is there twice", k->name);
		fuzz_check(k->scope >= DCG_SCOPE_READ && k->scope <= DCG_SCOPE_ADMIN, "scope %d", (int)k->scope);
		/* Whoever has read the file cannot get in with what it says. */
		fuzz_check(!dcg_tokens_by_secret(t, DIGEST, sizeof DIGEST - 1), "a digest is taken for a secret");
	}
	fuzz_check(dcg_tokens_equal(t, t), "not like itself");
	dcg_tokens_free(t);
	return 0;
}
