/* Text that grows, and the small formats of the API. A struct dcg_text is plain data of one
 * thread; after an allocation failed it stays failed and further calls do nothing. */
#ifndef DCG_API_TEXT_H
#define DCG_API_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct dcg_text {
	char *data;  /* malloc'd, NUL-terminated once anything was added */
	size_t size, room;
	int failed;
};

void dcg_text_add(struct dcg_text *t, const void *data, size_t size);
void dcg_text_puts(struct dcg_text *t, const char *s);
void dcg_text_whole(struct dcg_text *t, int64_t v);
/* As printf's %.9g, which every float (single precision) can be read back from. v is finite. */
void dcg_text_float(struct dcg_text *t, double v);
void dcg_text_printf(struct dcg_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dcg_text_base64(struct dcg_text *t, const uint8_t *data, size_t size);
void dcg_text_done(struct dcg_text *t);

enum { DCG_TIME_TEXT = 32 };
/* "2026-11-23T12:00:00.123Z". Returns buf. */
const char *dcg_api_time(int64_t ms, char buf[DCG_TIME_TEXT]);

/* Is it well-formed UTF-8 (no surrogates, nothing above U+10FFFF, no overlong forms)? */
int dcg_utf8_valid(const char *data, size_t size);
/* Make it so: a character cut off at the end goes, every other byte that is none becomes "?". */
void dcg_utf8_clean(char *s);
/* The whole of s as a decimal number 0 .. INT64_MAX without signs, spaces or leading zeros;
 * -1 otherwise. */
int64_t dcg_decimal(const char *s, size_t size);

#endif
