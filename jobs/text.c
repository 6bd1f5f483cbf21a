#include "jobs/private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the character at s, 0 if it is none that may be shown (RFC 3629). */
static size_t character(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) /* C1 controls */
		return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)))
		return 0;
	return n;
}

int dcg_text_valid(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	while (*s) {
		size_t n = character(s);
		if (!n)
			return 0;
		s += n;
	}
	return 1;
}

size_t dcg_text_length(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

void dcg_text_clean(char *s)
{
	while (*s) {
		size_t n = character((const unsigned char *)s);
		if (!n)
			*s = '?', n = 1;
		s += n;
	}
}

void dcg_text_hide(char *text, const char *folder)
{
	size_t n = strlen(folder);
	if (n < 2) /* "/" is in every path */
		return;
	for (char *at = text; (at = strstr(at, folder));) {
		size_t cut = n + (at[n] == '/');
		memmove(at, at + cut, strlen(at + cut) + 1);
	}
}

void dcg_invalid_init(struct dcg_invalid *inv)
{
	inv->code = 0;
	inv->text[0] = '\0';
	inv->count = 0;
}

static void add(struct dcg_invalid *inv, const char *pointer, const char *fmt, va_list ap)
{
	for (int i = 0; i < inv->count; i++)
		if (strcmp(inv->field[i].pointer, pointer) == 0)
			return;
	if (inv->count == sizeof inv->field / sizeof *inv->field)
		return;
	char *p = inv->field[inv->count].pointer, *d = inv->field[inv->count].detail;
	snprintf(p, sizeof inv->field->pointer, "%s", pointer);
	vsnprintf(d, sizeof inv->field->detail, fmt, ap);
	dcg_text_clean(p);
	dcg_text_clean(d);
	inv->count++;
}

void dcg_invalid_at(struct dcg_invalid *inv, const char *pointer, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(inv, pointer, fmt, ap);
	va_end(ap);
}

void dcg_invalid_member(struct dcg_invalid *inv, const char *name, const char *fmt, ...)
{
	char pointer[sizeof inv->field->pointer];
	size_t n = 0;
	pointer[n++] = '/';
	for (; *name && n + 3 < sizeof pointer; name++) {
		if (*name == '~' || *name == '/') {
			pointer[n++] = '~';
			pointer[n++] = *name == '~' ? '0' : '1';
		} else {
			pointer[n++] = *name;
		}
	}
	pointer[n] = '\0';
	dcg_text_clean(pointer); /* now, so that the comparison in add sees what is stored */
	va_list ap;
	va_start(ap, fmt);
	add(inv, pointer, fmt, ap);
	va_end(ap);
}

int dcg_invalid_fail(struct dcg_invalid *inv, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(inv->text, sizeof inv->text, fmt, ap);
	va_end(ap);
	dcg_text_clean(inv->text);
	return inv->code = code;
}

int dcg_invalid_close(struct dcg_invalid *inv)
{
	if (!inv->count)
		return 0;
	int full = inv->count == sizeof inv->field / sizeof *inv->field;
	return dcg_invalid_fail(inv, DCG_EINVAL, inv->count == 1 ? "a field is wrong" : full ? "%d fields or more are wrong" : "%d fields are wrong", inv->count);
}

int dcg_json_repeated(const cJSON *object, const cJSON *member)
{
	for (const cJSON *m = object->child; m && m != member; m = m->next)
		if (strcmp(m->string, member->string) == 0)
			return 1;
	return 0;
}

static void found(const cJSON *v, char *buf, size_t size)
{
	char *s = cJSON_PrintUnformatted(v);
	snprintf(buf, size, "%.100s%s", s ? s : "something else", s && strlen(s) > 100 ? "..." : "");
	cJSON_free(s);
}

int dcg_json_text(const cJSON *member, size_t max, const char **ret, struct dcg_invalid *inv)
{
	if (cJSON_IsString(member) && member->valuestring[0] && strlen(member->valuestring) <= max && dcg_text_valid(member->valuestring)) {
		*ret = member->valuestring;
		return 0;
	}
	char is[128];
	found(member, is, sizeof is);
	dcg_invalid_member(inv, member->string, "expected a text of 1 to %zu bytes, found %s", max, is);
	return DCG_EINVAL;
}

int dcg_json_whole(const cJSON *member, double min, double max, int64_t *ret, struct dcg_invalid *inv)
{
	double v = member->valuedouble;
	if (cJSON_IsNumber(member) && v >= min && v <= max && floor(v) == v) {
		*ret = (int64_t)v;
		return 0;
	}
	char is[128];
	found(member, is, sizeof is);
	dcg_invalid_member(inv, member->string, "expected a whole number from %.0f to %.0f, found %s", min, max, is);
	return DCG_EINVAL;
}
