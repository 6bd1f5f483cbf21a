/* The listening socket: made here rather than by libmicrohttpd, whose errors do not say
 * what was wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/server.h"

enum { SOCKET_MODE = 0660 }; /* of a Unix socket: owner and group may connect */
static const char unix_prefix[] = "unix:";

/* The path after "unix:" */
static int parse_path(const char *path, union dcg_address *a, socklen_t *size, struct dcg_error *err)
{
	size_t n = strlen(path);
	if (*path != '/')
		return dcg_error_set(err, DCG_EINVAL, "expected unix: and an absolute path as in unix:/run/dcgand/dcgand.sock, found \"unix:%.100s\"", path);
	if (n >= sizeof a->local.sun_path)
		return dcg_error_set(err, DCG_EINVAL, "expected a path of at most %zu bytes after unix:, found %zu", sizeof a->local.sun_path - 1, n);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return dcg_error_set(err, DCG_EINVAL, "expected a path after unix:, found the control character 0x%02x in it", (unsigned char)*c);
	if (path[n - 1] == '/')
		return dcg_error_set(err, DCG_EINVAL, "expected the path of a socket after unix:, found that of a folder, \"%s\"", path);
	memset(a, 0, sizeof *a);
	a->local.sun_family = AF_UNIX;
	memcpy(a->local.sun_path, path, n + 1);
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

/* "ADDRESS:PORT" or "unix:/PATH" */
static int parse(const char *text, union dcg_address *a, socklen_t *size, struct dcg_error *err)
{
	char host[64];
	if (strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0)
		return parse_path(text + sizeof unix_prefix - 1, a, size, err);
	const char *colon = strrchr(text, ':');
	int64_t port = colon ? dcg_decimal(colon + 1, strlen(colon + 1)) : -1;
	if (port < 0 || port > 65535 || (size_t)(colon - text) >= sizeof host)
		return dcg_error_set(err, DCG_EINVAL, "expected ADDRESS:PORT as in 127.0.0.1:8080, or unix:/PATH, found \"%.100s\"", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	memset(a, 0, sizeof *a);
	size_t n = strlen(host);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
		*size = sizeof a->v6;
		if (inet_pton(AF_INET6, host + 1, &a->v6.sin6_addr) == 1)
			return 0;
	} else {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		*size = sizeof a->v4;
		if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &a->v4.sin_addr) == 1)
			return 0;
	}
	return dcg_error_set(err, DCG_EINVAL, "expected a numeric address, [IPv6 address] or localhost before the port, found \"%.100s\"", text);
}

static int is_private(const union dcg_address *a)
{
	if (a->any.sa_family == AF_UNIX)
		return 1;
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static int refuse(struct dcg_error *err, const char *where)
{
	return dcg_error_set(err, DCG_EACCESS, "%s is not a loopback address, and there are no tokens: whoever reaches it could do everything "
		"(give --tokens FILE, or listen on 127.0.0.1 and use ssh -L or a proxy with authentication)", where);
}

int dcg_api_check_listen(const char *text, struct dcg_error *err)
{
	union dcg_address a;
	socklen_t size = 0;
	return parse(text, &a, &size, err);
}

int dcg_api_check_private(const char *text, struct dcg_error *err)
{
	union dcg_address a;
	socklen_t size = 0;
	int r = parse(text, &a, &size, err);
	return r ? r : is_private(&a) ? 0 : refuse(err, text);
}

static int describe(struct dcg_api *api, int fd, struct dcg_error *err)
{
	union dcg_address a;
	socklen_t size = sizeof a;
	char text[INET6_ADDRSTRLEN];
	if (getsockname(fd, &a.any, &size))
		return dcg_error_sys(err, errno, "cannot look at the socket");
	if (a.any.sa_family == AF_UNIX) {
		if (api->socket_path)
			snprintf(api->url, sizeof api->url, "%s%s", unix_prefix, api->socket_path);
		else
			snprintf(api->url, sizeof api->url, "unix socket");
		return 0;
	}
	if (a.any.sa_family == AF_INET6)
		snprintf(api->url, sizeof api->url, "http://[%s]:%d", inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text), ntohs(a.v6.sin6_port));
	else if (a.any.sa_family == AF_INET)
		snprintf(api->url, sizeof api->url, "http://%s:%d", inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof text), ntohs(a.v4.sin_port));
	else
		return dcg_error_set(err, DCG_EUNSUPPORTED, "the socket is neither IPv4, IPv6 nor a Unix socket");
	return api->access || is_private(&a) ? 0 : refuse(err, api->url);
}

/* A socket that a daemon left behind when it was killed is in the way of the next, and nothing
 * answers there. Whatever else stands at the path stays. */
static int clear_path(const union dcg_address *a, socklen_t size, struct dcg_error *err)
{
	const char *path = a->local.sun_path;
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : dcg_error_sys(err, errno, "cannot look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return dcg_error_set(err, DCG_EEXIST, "%s is not a socket: remove it, or choose another path", path);
	/* Without waiting: one that is too busy to take us lives. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dcg_error_sys(err, errno, "cannot make a socket");
	int e = connect(fd, &a->any, size) ? errno : 0;
	close(fd);
	if (!e || e == EAGAIN || e == EINPROGRESS)
		return dcg_error_set(err, DCG_EBUSY, "another program answers at %s", path);
	if (e != ECONNREFUSED)
		return dcg_error_sys(err, e, "cannot tell whether anybody answers at %s", path);
	if (unlink(path) && errno != ENOENT)
		return dcg_error_sys(err, errno, "cannot remove %s, where nobody answers", path);
	return 0;
}

/* Bind a Unix socket. Linux takes the mode of its file from the socket, less the umask: at no
 * moment may others connect. */
static int bind_path(struct dcg_api *api, int fd, const union dcg_address *a, socklen_t size, struct dcg_error *err)
{
	const char *path = a->local.sun_path;
	struct stat st;
	int r = clear_path(a, size, err);
	if (r)
		return r;
	api->socket_path = strdup(path);
	if (!api->socket_path)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	if (fchmod(fd, SOCKET_MODE) || bind(fd, &a->any, size)) {
		r = dcg_error_sys(err, errno, errno == ENOENT ? "the folder of %s is missing" : "cannot make %s", path);
		free(api->socket_path);
		api->socket_path = NULL;
		return r;
	}
	if (lstat(path, &st) || chmod(path, SOCKET_MODE)) {
		r = dcg_error_sys(err, errno, "cannot set the mode of %s", path);
		unlink(path);
		free(api->socket_path);
		api->socket_path = NULL;
		return r;
	}
	api->socket_device = st.st_dev;
	api->socket_inode = st.st_ino;
	return 0;
}

void dcg_api_unlisten(struct dcg_api *api)
{
	struct stat st;
	if (!api->socket_path)
		return;
	if (!lstat(api->socket_path, &st) && st.st_dev == api->socket_device && st.st_ino == api->socket_inode)
		unlink(api->socket_path);
	free(api->socket_path);
	api->socket_path = NULL;
}

int dcg_api_listen(struct dcg_api *api, const char *text, int given, struct dcg_error *err)
{
	union dcg_address a;
	socklen_t size = 0;
	int on = 1, r, fd = -1;
	if (given > 0) {
		int listening = 0;
		socklen_t n = sizeof listening;
		if ((r = describe(api, given, err)))
			goto fail;
		if (getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) || !listening) {
			r = dcg_error_set(err, DCG_EUNSUPPORTED, "the socket that was handed over does not listen: expected one of ListenStream=, with Accept=no");
			goto fail;
		}
		api->listen_fd = given;
		api->listen_given = 1;
		return 0;
	}
	if ((r = parse(text, &a, &size, err)) || (!api->access && (r = dcg_api_check_private(text, err))))
		goto fail;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int local = a.any.sa_family == AF_UNIX;
	if (fd >= 0 && local && (r = bind_path(api, fd, &a, size, err)))
		goto fail;
	if (fd < 0 || (!local && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, &a.any, size))) || listen(fd, 128)) {
		int e = errno;
		if (e == EADDRINUSE)
			r = dcg_error_set(err, DCG_EBUSY, "%s is taken by another program: choose another with --listen, or port 0 for any free one", text);
		else
			r = dcg_error_sys(err, e, "cannot listen on %s", text);
		goto fail;
	}
	r = describe(api, fd, err);
	if (r)
		goto fail;
	api->listen_fd = fd;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	return dcg_error_prefix(err, r, "listen");
}
