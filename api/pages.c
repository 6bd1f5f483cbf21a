#include "api/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/reply.h"
#include "api/server.h"
#include "base/sha256.h"

enum { PAGE_BYTES_MAX = 16 << 20 };

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" }, { ".svg", "image/svg+xml" }, { ".png", "image/png" },
		{ ".ico", "image/x-icon" }, { ".json", "application/json" }, { ".txt", "text/plain; charset=utf-8" },
		{ ".woff2", "font/woff2" },
	};
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
		if (strcmp(dot, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

static const struct dcg_page *built_in(const char *name)
{
	for (const struct dcg_page *p = dcg_pages; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static void reply_built_in(struct dcg_request *rq)
{
	const struct dcg_page *p = rq->page;
	const char *tag = rq->api->page_tags[p - dcg_pages];
	if (dcg_reply_settled(rq, tag))
		return;
	dcg_reply_static(rq, 200, type_of(p->name), p->data, p->size);
	dcg_reply_tag(rq, tag);
}

/* From the folder, for those who work on the page: read anew each time. */
static void reply_from_folder(struct dcg_request *rq)
{
	char tag[DCG_SHA256_HEX], *data = NULL;
	struct stat st;
	int folder = open(rq->api->web_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = folder < 0 ? -1 : openat(folder, rq->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (folder >= 0)
		close(folder);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= PAGE_BYTES_MAX && (data = malloc((size_t)st.st_size + 1))) {
		size_t size = 0;
		ssize_t n;
		while (size < (size_t)st.st_size && (n = read(fd, data + size, (size_t)st.st_size - size)) > 0)
			size += (size_t)n;
		dcg_sha256(data, size, tag);
		if (dcg_reply_settled(rq, tag)) {
			free(data);
		} else {
			dcg_reply_bytes(rq, 200, type_of(rq->name), data, size);
			dcg_reply_tag(rq, tag);
		}
	} else if ((rq->page = built_in(rq->name))) {
		reply_built_in(rq);
	} else {
		dcg_reply_problem(rq, 404, "there is nothing at this path");
	}
	if (fd >= 0)
		close(fd);
}

const struct dcg_route dcg_pages_route = {
	"GET", "/{file}", DCG_SCOPE_NONE, reply_built_in, DCG_ROUTE_INLINE | DCG_ROUTE_PAGE | DCG_ROUTE_CONDITIONAL,
	.answers = { { 200, "*/*" }, { 404, "Problem" } }, .summary = "A file of the page",
};
static const struct dcg_route folder_route = {
	"GET", "/{file}", DCG_SCOPE_NONE, reply_from_folder, DCG_ROUTE_PAGE | DCG_ROUTE_CONDITIONAL,
};

int dcg_pages_find(struct dcg_request *rq, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);
	if (n == 0 || n >= DCG_NAME_TEXT || *name == '.' || strspn(name, allowed) != n || !strchr(name, '.'))
		return 0;
	rq->page = built_in(name);
	if (!rq->page && !rq->api->web_folder)
		return 0;
	memcpy(rq->name, name, n + 1);
	rq->route = rq->api->web_folder ? &folder_route : &dcg_pages_route;
	return 1;
}

int dcg_pages_prepare(struct dcg_api *api)
{
	size_t n = 0;
	while (dcg_pages[n].name)
		n++;
	api->page_tags = calloc(n + 1, sizeof *api->page_tags);
	if (!api->page_tags)
		return DCG_ENOMEM;
	for (size_t i = 0; i < n; i++)
		dcg_sha256(dcg_pages[i].data, dcg_pages[i].size, api->page_tags[i]);
	return 0;
}
