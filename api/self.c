/* A look at ourselves from outside, for the watchdog. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/server.h"

/* Wait until fd is ready: 0, DCG_ETIMEOUT, or DCG_ECANCELLED when a signal came. */
static int wait_for(int fd, short events, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = end - dcg_api_clock_ms();
	int n = left > 0 ? poll(&p, 1, (int)left) : 0;
	return n > 0 ? 0 : n ? DCG_ECANCELLED : DCG_ETIMEOUT;
}

int dcg_api_answers(const struct dcg_api *api, int timeout_ms, struct dcg_error *err)
{
	static const char question[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nUser-Agent: dcgand-watchdog\r\nConnection: close\r\n\r\n";
	union dcg_address a;
	socklen_t size = sizeof a;
	char answer[16];
	int64_t end = dcg_api_clock_ms() + timeout_ms;
	memset(&a, 0, sizeof a);
	if (getsockname(api->listen_fd, &a.any, &size))
		return dcg_error_sys(err, errno, "cannot look at the socket");
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dcg_error_sys(err, errno, "cannot make a socket");
	/* From 127.0.0.2 only loopback addresses, and the one that stands for all, can be reached. */
	if (a.any.sa_family == AF_INET && (ntohl(a.v4.sin_addr.s_addr) >> 24 == 127 || a.v4.sin_addr.s_addr == htonl(INADDR_ANY))) {
		/* An address of its own: no client's connections count against its share. */
		struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) };
		int r = bind(fd, (struct sockaddr *)&from, sizeof from);
		(void)r; /* else it competes with the others */
	}
	int r = 0;
	if (connect(fd, &a.any, size) && errno != EINPROGRESS) {
		r = dcg_error_sys(err, errno, "cannot connect");
		goto done;
	}
	if (!(r = wait_for(fd, POLLOUT, end)) && send(fd, question, sizeof question - 1, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
		r = dcg_error_sys(err, errno, "cannot ask");
		goto done;
	}
	if (!r)
		r = wait_for(fd, POLLIN, end);
	if (r) {
		dcg_error_set(err, r, r == DCG_ETIMEOUT ? "no answer within %d ms" : "a signal came within %d ms", timeout_ms);
		goto done;
	}
	ssize_t n = recv(fd, answer, sizeof answer, 0);
	/* Too many connections make libmicrohttpd close ours at once: it lives. */
	if (n > 0 && (n < 5 || memcmp(answer, "HTTP/", 5) != 0))
		r = dcg_error_set(err, DCG_EFORMAT, "what answers is not HTTP");
	else if (n < 0 && errno != ECONNRESET)
		r = dcg_error_sys(err, errno, "cannot read the answer");
done:
	close(fd);
	return r;
}
