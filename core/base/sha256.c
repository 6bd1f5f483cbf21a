#include "base/sha256.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "base/secret.h"

static void finish(struct sha256_ctx *ctx, char hex[DCG_SHA256_HEX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_digest(ctx, sizeof digest, digest);
	dcg_hex(digest, sizeof digest, hex);
}

void dcg_sha256(const void *data, size_t size, char hex[DCG_SHA256_HEX])
{
	struct sha256_ctx ctx;
	sha256_init(&ctx);
	sha256_update(&ctx, size, data);
	finish(&ctx, hex);
}

int dcg_sha256_fd(int fd, char hex[DCG_SHA256_HEX], struct dcg_error *err)
{
	struct sha256_ctx ctx;
	uint8_t buffer[1 << 16];
	sha256_init(&ctx);
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof buffer);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dcg_error_sys(err, errno, "cannot read to hash");
		if (n == 0)
			break;
		sha256_update(&ctx, (size_t)n, buffer);
	}
	finish(&ctx, hex);
	return 0;
}
