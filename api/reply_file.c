/* Entity tags, conditions and ranges (RFC 9110, sections 13 and 14), and replies from files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/reply.h"
#include "api/server.h"

/* Is "tag" one of a list of entity tags? weak: W/"tag" counts as well. */
static int listed(const char *list, const char *tag, int weak)
{
	size_t n = strlen(tag);
	const char *s = list + strspn(list, " \t");
	if (strcmp(s, "*") == 0)
		return 1;
	while (*s) {
		int is_weak = strncmp(s, "W/", 2) == 0;
		if (is_weak)
			s += 2;
		if (*s != '"')
			return 0;
		const char *end = strchr(++s, '"');
		if (!end)
			return 0;
		if ((size_t)(end - s) == n && memcmp(s, tag, n) == 0 && (weak || !is_weak))
			return 1;
		s = end + 1 + strspn(end + 1, ", \t");
	}
	return 0;
}

void dcg_reply_tag(struct dcg_request *rq, const char *tag)
{
	char quoted[DCG_SHA256_HEX + 2];
	if (rq->status >= 400) /* it is another reply than was meant */
		return;
	snprintf(quoted, sizeof quoted, "\"%s\"", tag);
	dcg_reply_header(rq, "ETag", quoted);
	if (rq->response) {
		const char *old = MHD_get_response_header(rq->response, "Cache-Control");
		if (old)
			MHD_del_response_header(rq->response, "Cache-Control", old);
	}
	dcg_reply_header(rq, "Cache-Control", "no-cache");
}

int dcg_reply_matches(struct dcg_request *rq, const char *tag)
{
	const char *want = rq->header[DCG_HEADER_IF_MATCH];
	if (!want || listed(want, tag, 0))
		return 1;
	dcg_reply_problem(rq, 412, "it has changed: its entity tag is \"%s\"", tag);
	return 0;
}

int dcg_reply_settled(struct dcg_request *rq, const char *tag)
{
	const char *have = rq->header[DCG_HEADER_IF_NONE_MATCH];
	if (!dcg_reply_matches(rq, tag))
		return 1;
	if (!have || !listed(have, tag, 1))
		return 0;
	dcg_reply_empty(rq, 304);
	dcg_reply_tag(rq, tag);
	return 1;
}

enum range { RANGE_NONE, RANGE_PART, RANGE_OUTSIDE };

/* One range; what is malformed or more than one is ignored, as the RFC allows. */
static enum range parse_range(const char *s, int64_t size, int64_t *ret_first, int64_t *ret_last)
{
	if (!s || strncmp(s, "bytes=", 6) != 0)
		return RANGE_NONE;
	s += 6;
	size_t a = strspn(s, "0123456789");
	if (s[a] != '-')
		return RANGE_NONE;
	const char *t = s + a + 1;
	size_t b = strspn(t, "0123456789");
	if (t[b] || a + b == 0 || a > 18 || b > 18)
		return RANGE_NONE;
	int64_t first = 0, last = 0;
	for (size_t i = 0; i < a; i++)
		first = first * 10 + (s[i] - '0');
	for (size_t i = 0; i < b; i++)
		last = last * 10 + (t[i] - '0');
	if (a == 0) { /* the last so many bytes */
		if (last == 0)
			return RANGE_OUTSIDE;
		first = last < size ? size - last : 0;
		last = size - 1;
	} else if (b == 0) {
		last = size - 1;
	} else if (last < first) {
		return RANGE_NONE;
	}
	if (first >= size)
		return RANGE_OUTSIDE;
	*ret_first = first;
	*ret_last = last < size ? last : size - 1;
	return RANGE_PART;
}

/* Is a part asked for? HEAD has none (RFC 9110, section 14.2), and If-Range is one strong tag, no list (13.1.5). */
static int wants_part(const struct dcg_request *rq, const char *tag)
{
	const char *s = rq->header[DCG_HEADER_IF_RANGE];
	size_t n = strlen(tag);
	return !rq->head && (!s || (strlen(s) == n + 2 && s[0] == '"' && s[n + 1] == '"' && memcmp(s + 1, tag, n) == 0));
}

void dcg_reply_file(struct dcg_request *rq, const char *path, int64_t size, const char *sha256, const char *type, const char *download)
{
	char text[160];
	if (dcg_reply_settled(rq, sha256))
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) { /* deleted since its row was read */
		dcg_reply_problem(rq, 404, "the file is gone");
		return;
	}
	struct stat st = { 0 };
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size != size) {
		/* Whatever the reason, it is our fault: the row says that the file is there. */
		struct dcg_error err;
		if (fd < 0 && dcg_error_sys(&err, errno, "cannot open %s", path) != DCG_EMFILE)
			err.code = DCG_EIO;
		if (fd >= 0)
			dcg_error_set(&err, DCG_EIO, "%s: expected a file of %lld bytes, found %lld", path, (long long)size, (long long)st.st_size);
		dcg_reply_error(rq, &err);
		if (fd >= 0)
			close(fd);
		return;
	}
	int64_t first = 0, last = size - 1;
	enum range range = RANGE_NONE;
	if (wants_part(rq, sha256))
		range = parse_range(rq->header[DCG_HEADER_RANGE], size, &first, &last);
	if (range == RANGE_OUTSIDE) {
		close(fd);
		dcg_reply_problem(rq, 416, "expected a range within the %lld bytes of the file", (long long)size);
		snprintf(text, sizeof text, "bytes */%lld", (long long)size);
		dcg_reply_header(rq, "Content-Range", text);
		return;
	}
	struct MHD_Response *r = MHD_create_response_from_fd_at_offset64((uint64_t)(last - first + 1), fd, (uint64_t)first);
	if (!r)
		close(fd);
	dcg_reply_take(rq, range == RANGE_PART ? 206 : 200, r, type);
	dcg_reply_tag(rq, sha256);
	dcg_reply_header(rq, "Accept-Ranges", "bytes");
	if (range == RANGE_PART) {
		snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)first, (long long)last, (long long)size);
		dcg_reply_header(rq, "Content-Range", text);
	}
	if (download) {
		snprintf(text, sizeof text, "attachment; filename=\"%s\"", download);
		dcg_reply_header(rq, "Content-Disposition", text);
	}
}
