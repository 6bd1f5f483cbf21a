/* The listening socket: made here rather than by libmicrohttpd, whose errors do not say
 * what was wrong. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

/* "ADDRESS:PORT" */
static int parse(const char *text, union address *a, socklen_t *size, struct dcg_error *err)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	int64_t port = colon ? dcg_decimal(colon + 1, strlen(colon + 1)) : -1;
	if (port < 0 || port > 65535 || (size_t)(colon - text) >= sizeof host)
		return dcg_error_set(err, DCG_EINVAL, "expected ADDRESS:PORT as in 127.0.0.1:8080, found \"%.100s\"", text);
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

static int is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static int refuse(struct dcg_error *err, const char *where)
{
	return dcg_error_set(err, DCG_EACCESS, "%s is not a loopback address: whoever reaches it could do everything, since there "
		"are no passwords yet (listen on 127.0.0.1 and put ssh -L or a proxy with authentication before it)", where);
}

int dcg_api_check_listen(const char *text, struct dcg_error *err)
{
	union address a;
	socklen_t size = 0;
	int r = parse(text, &a, &size, err);
	return r ? r : is_loopback(&a) ? 0 : refuse(err, text);
}

static int describe(struct dcg_api *api, int fd, struct dcg_error *err)
{
	union address a;
	socklen_t size = sizeof a;
	char text[INET6_ADDRSTRLEN];
	if (getsockname(fd, &a.any, &size))
		return dcg_error_sys(err, errno, "cannot look at the socket");
	if (a.any.sa_family == AF_UNIX) {
		snprintf(api->url, sizeof api->url, "unix socket");
		return 0;
	}
	if (a.any.sa_family == AF_INET6)
		snprintf(api->url, sizeof api->url, "http://[%s]:%d", inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text), ntohs(a.v6.sin6_port));
	else if (a.any.sa_family == AF_INET)
		snprintf(api->url, sizeof api->url, "http://%s:%d", inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof text), ntohs(a.v4.sin_port));
	else
		return dcg_error_set(err, DCG_EUNSUPPORTED, "the socket is neither IPv4, IPv6 nor a Unix socket");
	return is_loopback(&a) ? 0 : refuse(err, api->url);
}

int dcg_api_listen(struct dcg_api *api, const char *text, int given, struct dcg_error *err)
{
	union address a;
	socklen_t size = 0;
	int on = 1, r, fd = -1;
	if (given > 0) {
		r = describe(api, given, err);
		if (r)
			goto fail;
		api->listen_fd = given;
		api->listen_given = 1;
		return 0;
	}
	if ((r = dcg_api_check_listen(text, err)) || (r = parse(text, &a, &size, err)))
		goto fail;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, &a.any, size) || listen(fd, 128)) {
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
