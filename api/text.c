#include "api/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int reserve(struct dcg_text *t, size_t more)
{
	if (t->failed)
		return -1;
	if (more >= SIZE_MAX / 4 - t->size) {
		t->failed = 1;
		return -1;
	}
	size_t need = t->size + more + 1;
	if (need <= t->room)
		return 0;
	size_t room = t->room ? t->room : 256;
	while (room < need)
		room *= 2;
	char *data = realloc(t->data, room);
	if (!data) {
		t->failed = 1;
		return -1;
	}
	t->data = data;
	t->room = room;
	return 0;
}

void dcg_text_add(struct dcg_text *t, const void *data, size_t size)
{
	if (reserve(t, size))
		return;
	if (size)
		memcpy(t->data + t->size, data, size);
	t->size += size;
	t->data[t->size] = 0;
}

void dcg_text_puts(struct dcg_text *t, const char *s)
{
	dcg_text_add(t, s, strlen(s));
}

void dcg_text_printf(struct dcg_text *t, const char *fmt, ...)
{
	va_list ap;
	if (t->failed)
		return;
	/* Mostly there is room already, and once is enough. */
	size_t left = t->room - t->size;
	va_start(ap, fmt);
	int n = vsnprintf(left ? t->data + t->size : NULL, left, fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->failed = 1;
		return;
	}
	if ((size_t)n < left) {
		t->size += (size_t)n;
		return;
	}
	if (reserve(t, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(t->data + t->size, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->size += (size_t)n;
}

/* v in decimal, up to the end of a buffer; its first digit. */
static char *decimal(char *end, uint64_t v)
{
	do
		*--end = (char)('0' + v % 10);
	while (v /= 10);
	return end;
}

void dcg_text_whole(struct dcg_text *t, int64_t v)
{
	char buf[24], *end = buf + sizeof buf, *s = decimal(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
	if (v < 0)
		*--s = '-';
	dcg_text_add(t, s, (size_t)(end - s));
}

/* Nine digits as a whole number and a place for the point. The power of ten is exact, so that only
 * the product rounds, by far less than half a digit; printf's exact arithmetic takes ten times as long. */
static size_t nine_digits(char *to, double v)
{
	static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12 };
	char buf[24], *end = buf + sizeof buf, *s;
	double a = fabs(v);
	int places = 12; /* behind the point: such that there are nine digits */
	while (places > 0 && a * powers[places] >= 999999999.5)
		places--;
	s = decimal(end, (uint64_t)llrint(a * powers[places]));
	while (end - s < places + 1)
		*--s = '0';
	char *point = end - places, *out = to;
	while (end > point && end[-1] == '0')
		end--;
	if (v < 0)
		*out++ = '-';
	memcpy(out, s, (size_t)(point - s));
	out += point - s;
	if (end > point) {
		*out++ = '.';
		memcpy(out, point, (size_t)(end - point));
		out += end - point;
	}
	return (size_t)(out - to);
}

void dcg_text_float(struct dcg_text *t, double v)
{
	char buf[40];
	if (v == 0)
		dcg_text_puts(t, "0");
	else if (fabs(v) >= 1e-4 && fabs(v) < 999999999)
		dcg_text_add(t, buf, nine_digits(buf, v));
	else
		dcg_text_add(t, buf, (size_t)snprintf(buf, sizeof buf, "%.9g", v));
}

void dcg_text_base64(struct dcg_text *t, const uint8_t *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (size > SIZE_MAX / 8 || reserve(t, (size + 2) / 3 * 4)) {
		t->failed = 1;
		return;
	}
	char *out = t->data + t->size;
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[v & 63] : '=';
	}
	*out = 0;
	t->size = (size_t)(out - t->data);
}

void dcg_text_done(struct dcg_text *t)
{
	free(t->data);
	*t = (struct dcg_text){ 0 };
}

const char *dcg_api_time(int64_t ms, char buf[DCG_TIME_TEXT])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char day[24];
	if (ms < 0 || !gmtime_r(&s, &tm) || !strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(day, sizeof day, "1970-01-01T00:00:00");
	snprintf(buf, DCG_TIME_TEXT, "%s.%03dZ", day, ms < 0 ? 0 : (int)(ms % 1000));
	return buf;
}

int dcg_utf8_valid(const char *data, size_t size)
{
	const unsigned char *s = (const unsigned char *)data, *end = s + size;
	while (s < end) {
		unsigned c = *s++;
		if (c < 0x80)
			continue;
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		if (c < 0xc2 || c > 0xf4 || end - s < more)
			return 0;
		/* The first continuation byte decides overlong forms, surrogates and the end of Unicode. */
		unsigned lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
		unsigned hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
		if (*s < lo || *s > hi)
			return 0;
		for (s++; --more; s++)
			if ((*s & 0xc0) != 0x80)
				return 0;
	}
	return 1;
}

void dcg_utf8_clean(char *s)
{
	while (*s) {
		size_t n = 1;
		while (n < 4 && s[n] && !dcg_utf8_valid(s, n))
			n++;
		if (dcg_utf8_valid(s, n)) {
			s += n;
			continue;
		}
		/* Only continuation bytes until the end: what vsnprintf had no room for. */
		size_t rest = 1;
		while ((s[rest] & 0xc0) == 0x80)
			rest++;
		*s = (unsigned char)*s >= 0xc2 && !s[rest] && rest < 4 ? 0 : '?';
		s += *s != 0;
	}
}

int64_t dcg_decimal(const char *s, size_t size)
{
	if (!size || size > 19 || (*s == '0' && size > 1))
		return -1;
	uint64_t v = 0;
	for (size_t i = 0; i < size; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	return v > INT64_MAX ? -1 : (int64_t)v;
}
