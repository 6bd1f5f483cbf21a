#include "api/failures.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"

/* Of addresses beyond ROWS in a minute, the last row speaks for all. */
enum { ROWS = 64, QUIET_MS = 60 * 1000, PEER_TEXT = INET6_ADDRSTRLEN + 16 };

struct row {
	char peer[PEER_TEXT];
	int64_t until_ms; /* silent until then; 0: unused */
	unsigned untold;  /* since it was last told */
};

struct dcg_failures {
	pthread_mutex_t lock;
	struct row row[ROWS + 1]; /* by lock */
};

/* An IPv6 client has at least 2^64 addresses of its own: its network counts. */
static void describe(int fd, char text[PEER_TEXT])
{
	union dcg_address a;
	socklen_t size = sizeof a;
	struct ucred user;
	socklen_t user_size = sizeof user;
	char address[INET6_ADDRSTRLEN];
	snprintf(text, PEER_TEXT, "somebody");
	if (getpeername(fd, &a.any, &size))
		return;
	if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.v4.sin_addr, address, sizeof address))
		snprintf(text, PEER_TEXT, "%s", address);
	if (a.any.sa_family == AF_INET6) {
		int mapped = IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr);
		if (!mapped)
			memset(a.v6.sin6_addr.s6_addr + 8, 0, 8);
		if (inet_ntop(AF_INET6, &a.v6.sin6_addr, address, sizeof address))
			snprintf(text, PEER_TEXT, "%s%s", address, mapped ? "" : "/64");
	}
	if (a.any.sa_family == AF_UNIX && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &user_size))
		snprintf(text, PEER_TEXT, "user %u", (unsigned)user.uid);
}

static struct row *find(struct dcg_failures *f, const char *peer, int64_t now)
{
	struct row *unused = NULL;
	for (struct row *r = f->row; r < f->row + ROWS; r++) {
		if (r->until_ms && strcmp(r->peer, peer) == 0)
			return r;
		if (r->until_ms <= now && (!unused || r->until_ms < unused->until_ms))
			unused = r;
	}
	struct row *r = unused ? unused : &f->row[ROWS];
	if (unused)
		*r = (struct row){ 0 };
	snprintf(r->peer, sizeof r->peer, "%s", unused ? peer : "other addresses");
	return r;
}

void dcg_failures_note(struct dcg_failures *f, const struct dcg_api *api, int fd)
{
	char peer[PEER_TEXT];
	unsigned untold = 0;
	int64_t now = dcg_api_clock_ms();
	describe(fd, peer);
	pthread_mutex_lock(&f->lock);
	struct row *r = find(f, peer, now);
	int tell = r->until_ms <= now;
	if (tell) {
		untold = r->untold;
		r->untold = 0;
		r->until_ms = now + QUIET_MS;
		memcpy(peer, r->peer, sizeof peer);
	} else {
		r->untold++;
	}
	pthread_mutex_unlock(&f->lock);
	if (tell && untold)
		dcg_api_log(api, DCG_API_WARNING, "a wrong token from %s, and %u before it", peer, untold);
	else if (tell)
		dcg_api_log(api, DCG_API_WARNING, "a wrong token from %s; more of them are told in a minute", peer);
}

struct dcg_failures *dcg_failures_new(void)
{
	struct dcg_failures *f = calloc(1, sizeof *f);
	if (f)
		pthread_mutex_init(&f->lock, NULL);
	return f;
}

void dcg_failures_free(struct dcg_failures *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}
