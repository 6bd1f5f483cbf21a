#include "base/secret.h"

#include <errno.h>
#include <sys/random.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

int dcg_secret_random(void *ret, size_t size, struct dcg_error *err)
{
	uint8_t *p = ret;
	while (size) {
		ssize_t n = getrandom(p, size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dcg_error_sys(err, n ? errno : EIO, "cannot get random bytes");
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int dcg_secret_equal(const void *a, const void *b, size_t size)
{
	return memeql_sec(a, b, size);
}

void dcg_secret_digest(const void *data, size_t size, uint8_t ret[DCG_DIGEST_BYTES])
{
	struct sha256_ctx ctx;
	sha256_init(&ctx);
	sha256_update(&ctx, size, data);
	sha256_digest(&ctx, DCG_DIGEST_BYTES, ret);
}

void dcg_secret_mac(const uint8_t key[DCG_DIGEST_BYTES], const void *data, size_t size, uint8_t ret[DCG_DIGEST_BYTES])
{
	struct hmac_sha256_ctx ctx;
	hmac_sha256_set_key(&ctx, DCG_DIGEST_BYTES, key);
	hmac_sha256_update(&ctx, size, data);
	hmac_sha256_digest(&ctx, DCG_DIGEST_BYTES, ret);
}

static const char digits[] = "0123456789abcdef";

void dcg_hex(const void *data, size_t size, char *ret)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < size; i++) {
		ret[2 * i] = digits[p[i] >> 4];
		ret[2 * i + 1] = digits[p[i] & 15];
	}
	ret[2 * size] = '\0';
}

static int value_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int dcg_unhex(const char *text, size_t size, uint8_t *ret)
{
	for (size_t i = 0; i < size; i++) {
		int high = value_of(text[2 * i]), low = high < 0 ? -1 : value_of(text[2 * i + 1]);
		if (low < 0)
			return -1;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}
