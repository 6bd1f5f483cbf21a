/* SHA-256 of memory and files, by nettle. Any thread. */
#ifndef DCG_BASE_SHA256_H
#define DCG_BASE_SHA256_H

#include <stddef.h>

#include "base/error.h"

enum { DCG_SHA256_HEX = 65 }; /* 64 lower-case hexadecimal digits and a NUL */

void dcg_sha256(const void *data, size_t size, char hex[DCG_SHA256_HEX]);
/* Of everything that can be read from fd, from its present position on. */
int dcg_sha256_fd(int fd, char hex[DCG_SHA256_HEX], struct dcg_error *err);

#endif
