#include "tests/fuzz/mutate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64*: the same numbers on every machine. */
size_t fuzz_random(struct fuzz_random *r, size_t below)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return below ? (size_t)((r->state * UINT64_C(2685821657736338717)) >> 16) % below : 0;
}

/* --- Dictionaries ------------------------------------------------------------------------- */

static int parse_token(const char *s, struct fuzz_bytes *ret)
{
	const char *end = strrchr(s, '"');
	s = strchr(s, '"');
	if (!s || end <= s)
		return -1;
	uint8_t *out = malloc(strlen(s));
	size_t n = 0;
	for (s++; out && s < end; s++) {
		unsigned byte;
		if (*s != '\\')
			out[n++] = (uint8_t)*s;
		else if (s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1)
			out[n++] = (uint8_t)byte, s += 3;
		else
			out[n++] = (uint8_t)*++s;
	}
	*ret = (struct fuzz_bytes){ out, n };
	return out && n ? 0 : -1;
}

int fuzz_dictionary_read(struct fuzz_dictionary *d, const char *path)
{
	char line[600];
	FILE *f = fopen(path, "r");
	int number = 0, wrong = f ? 0 : -1;
	while (f && !wrong && fgets(line, sizeof line, f)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (!*line || *line == '#')
			continue;
		if (d->count == (int)(sizeof d->token / sizeof *d->token) || parse_token(line, &d->token[d->count]))
			wrong = number;
		else
			d->count++;
	}
	if (f)
		fclose(f);
	return wrong;
}

/* --- Pieces ------------------------------------------------------------------------------- */

/* Put n bytes where `cut` bytes at `at` were. from may lie within in. */
static void replace(struct fuzz_bytes *in, size_t room, size_t at, size_t cut, const void *from, size_t n)
{
	uint8_t copy[4096];
	if (n > sizeof copy)
		n = sizeof copy;
	if (in->size - cut + n > room)
		return;
	if (n)
		memcpy(copy, from, n);
	memmove(in->data + at + n, in->data + at + cut, in->size - at - cut);
	memcpy(in->data + at, copy, n);
	in->size += n - cut;
}

/* Mostly short. */
static size_t length(struct fuzz_random *r, size_t most)
{
	static const size_t scale[] = { 4, 4, 16, 16, 128, 1024 };
	size_t n = 1 + fuzz_random(r, scale[fuzz_random(r, sizeof scale / sizeof *scale)]);
	return n < most ? n : most;
}

static uint64_t interesting(struct fuzz_random *r, const struct fuzz_bytes *in)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 7, 8, 16, 31, 32, 63, 64, 100, 127, 128, 192, 255, 256, 511, 512, 1000, 1024, 4095, 4096, 32767, 32768, 65535, 65536,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1fffffffffffff, 0x20000000000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};
	size_t i = fuzz_random(r, sizeof values / sizeof *values + 4);
	if (i >= sizeof values / sizeof *values)
		return in->size - fuzz_random(r, 16); /* what a length might be */
	return values[i] + (fuzz_random(r, 4) ? 0 : fuzz_random(r, 5) - 2);
}

/* --- Changes ------------------------------------------------------------------------------ */

/* A binary number of 1, 2, 4 or 8 bytes, either end first: set, or moved a little. */
static void change_binary(struct fuzz_random *r, struct fuzz_bytes *in)
{
	size_t width = (size_t)1 << fuzz_random(r, 4);
	if (in->size < width)
		return;
	uint8_t *p = in->data + fuzz_random(r, in->size - width + 1);
	int big = (int)fuzz_random(r, 2);
	uint64_t v = 0;
	for (size_t i = 0; i < width; i++)
		v |= (uint64_t)p[big ? width - 1 - i : i] << 8 * i;
	v = fuzz_random(r, 2) ? interesting(r, in) : v + fuzz_random(r, 33) - 16;
	for (size_t i = 0; i < width; i++)
		p[big ? width - 1 - i : i] = (uint8_t)(v >> 8 * i);
}

/* A run of digits becomes another number. */
static void change_decimal(struct fuzz_random *r, struct fuzz_bytes *in, size_t room)
{
	static const char *const odd[] = { "-1", "-0", "1e308", "1e400", "-1e-400", "0.5", "00", "9223372036854775808", "1E2", "4.9e-324", "0x10" };
	char text[32];
	size_t at = fuzz_random(r, in->size + 1), n = 0;
	while (at < in->size && !isdigit(in->data[at]))
		at++;
	while (at + n < in->size && isdigit(in->data[at + n]))
		n++;
	if (!n)
		return;
	if (fuzz_random(r, 4))
		snprintf(text, sizeof text, "%llu", (unsigned long long)interesting(r, in));
	else
		snprintf(text, sizeof text, "%s", odd[fuzz_random(r, sizeof odd / sizeof *odd)]);
	replace(in, room, at, n, text, strlen(text));
}

/* Two lines change places, or one is doubled, or goes. */
static void change_lines(struct fuzz_random *r, struct fuzz_bytes *in, size_t room)
{
	size_t at = fuzz_random(r, in->size + 1), n = 0;
	while (at && in->data[at - 1] != '\n')
		at--;
	while (at + n < in->size && in->data[at + n] != '\n')
		n++;
	n += at + n < in->size;
	size_t to = fuzz_random(r, in->size + 1);
	while (to && in->data[to - 1] != '\n')
		to--;
	if (fuzz_random(r, 3))
		replace(in, room, to, 0, in->data + at, n);
	else
		replace(in, room, at, n, "", 0);
}

static void change(struct fuzz_random *r, const struct fuzz_dictionary *d, struct fuzz_bytes *in, size_t room, const struct fuzz_bytes *other)
{
	size_t at = fuzz_random(r, in->size + 1), left = in->size - at, n = length(r, left), from;
	uint8_t bytes[64];
	switch (fuzz_random(r, 14)) {
	case 0:
	case 1:
		if (left)
			in->data[at] ^= (uint8_t)(1 << fuzz_random(r, 8));
		break;
	case 2:
		if (left)
			in->data[at] = (uint8_t)fuzz_random(r, 256);
		break;
	case 3:
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)fuzz_random(r, 256);
		replace(in, room, at, 0, bytes, 1 + fuzz_random(r, sizeof bytes));
		break;
	case 4:
		replace(in, room, at, n, "", 0);
		break;
	case 5: /* doubled, in place or elsewhere */
		from = fuzz_random(r, in->size + 1);
		replace(in, room, at, 0, in->data + from, length(r, in->size - from));
		break;
	case 6: /* over something else */
		from = fuzz_random(r, in->size + 1);
		n = length(r, in->size - from < left ? in->size - from : left);
		replace(in, room, at, n, in->data + from, n);
		break;
	case 7: /* cut short, mostly near the end */
		in->size -= fuzz_random(r, 3) ? length(r, in->size) : left;
		break;
	case 8: { /* grow by repetition */
		size_t times = 1 + fuzz_random(r, 64);
		n = length(r, left);
		for (size_t i = 0; n && i < times; i++)
			replace(in, room, at, 0, in->data + at, n);
		break;
	}
	case 9:
		if (other->size) {
			from = fuzz_random(r, other->size);
			replace(in, room, at, fuzz_random(r, 2) ? n : 0, other->data + from, length(r, other->size - from));
		}
		break;
	case 10:
		change_binary(r, in);
		break;
	case 11:
		change_decimal(r, in, room);
		break;
	case 12:
		change_lines(r, in, room);
		break;
	default:
		if (d->count) {
			const struct fuzz_bytes *t = &d->token[fuzz_random(r, (size_t)d->count)];
			replace(in, room, at, fuzz_random(r, 2) ? (t->size < left ? t->size : left) : 0, t->data, t->size);
		}
	}
}

void fuzz_mutate(struct fuzz_random *r, const struct fuzz_dictionary *d, struct fuzz_bytes *in, size_t room, const struct fuzz_bytes *other)
{
	size_t times = (size_t)1 << fuzz_random(r, 4);
	if (!fuzz_random(r, 8) && other->size && in->size) { /* one's head, the other's tail */
		size_t at = fuzz_random(r, in->size), from = fuzz_random(r, other->size), n = other->size - from;
		if (n > room - at)
			n = room - at;
		memcpy(in->data + at, other->data + from, n);
		in->size = at + n;
	}
	for (size_t i = 0; i < times; i++)
		change(r, d, in, room, other);
}
