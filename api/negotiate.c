/* RFC 9110, section 12.5.1: which of our media types an Accept header likes best. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/request.h"

/* q in thousandths; 1000 without one, -1 when malformed. */
static int quality(const char *s, const char *end)
{
	while (s < end) {
		s += strspn(s, "; \t");
		if (s >= end)
			break;
		if ((*s == 'q' || *s == 'Q') && s[1] == '=') {
			if ((s[2] != '0' && s[2] != '1') || (s + 3 < end && s[3] != '.' && !strchr("; \t", s[3])))
				return -1;
			int q = (s[2] - '0') * 1000;
			if (s + 3 < end && s[3] == '.') {
				int unit = 100;
				for (s += 4; s < end && *s >= '0' && *s <= '9' && unit; s++, unit /= 10)
					q += (*s - '0') * unit;
			}
			return q > 1000 ? -1 : q;
		}
		while (s < end && *s != ';')
			s++;
	}
	return 1000;
}

/* How well one range of the header fits: 0 not, 1 "*" "/" "*", 2 "type" "/" "*", 3 exactly. */
static int fit(const char *range, size_t n, const char *type)
{
	const char *slash = strchr(type, '/');
	size_t major = (size_t)(slash - type) + 1;
	if (n == 3 && memcmp(range, "*/*", 3) == 0)
		return 1;
	if (n == major + 1 && strncasecmp(range, type, major) == 0 && range[major] == '*')
		return 2;
	return n == strlen(type) && strncasecmp(range, type, n) == 0 ? 3 : 0;
}

int dcg_negotiate(const char *accept, const char *const *offers)
{
	int best = -1, best_q = 0;
	if (!accept || !*accept)
		return 0;
	for (int i = 0; offers[i]; i++) {
		int q = 0, closest = 0;
		for (const char *s = accept; *s;) {
			s += strspn(s, ", \t");
			size_t part = strcspn(s, ","), type = strcspn(s, ",; \t");
			int f = fit(s, type, offers[i]);
			/* The most specific range decides, not the most generous. */
			if (f > closest) {
				closest = f;
				q = quality(s + type, s + part);
			}
			s += part;
		}
		if (q > best_q) {
			best = i;
			best_q = q;
		}
	}
	return best;
}
