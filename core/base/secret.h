/* What secrets need: random bytes, comparison in constant time, digests and codes of
 * authentication as bytes, hexadecimal. By the kernel and nettle. Any thread. */
#ifndef DCG_BASE_SECRET_H
#define DCG_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { DCG_DIGEST_BYTES = 32 };

/* Fit for keys; waits until the kernel has gathered enough. DCG_EIO. */
int dcg_secret_random(void *ret, size_t size, struct dcg_error *err);
/* In a time that depends on size alone. */
int dcg_secret_equal(const void *a, const void *b, size_t size);
/* SHA-256, and HMAC with it. */
void dcg_secret_digest(const void *data, size_t size, uint8_t ret[DCG_DIGEST_BYTES]);
void dcg_secret_mac(const uint8_t key[DCG_DIGEST_BYTES], const void *data, size_t size, uint8_t ret[DCG_DIGEST_BYTES]);

/* Lower-case digits and a NUL: 2 * size + 1 bytes. */
void dcg_hex(const void *data, size_t size, char *ret);
/* The first 2 * size characters of text; -1 unless each is a lower-case digit. */
int dcg_unhex(const char *text, size_t size, uint8_t *ret);

#endif
