#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "api/server.h"

int64_t dcg_api_clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

double dcg_api_clock_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* libmicrohttpd would take no connection above its own limit, and the watchdog's would wait with the others until the daemon
 * is taken for dead. So its limit is never reached: what is above ours is taken and closed, which shows that HTTP lives. */
enum MHD_Result dcg_peer_admit(void *cls, const struct sockaddr *address, socklen_t size)
{
	const struct dcg_api *api = cls;
	(void)address;
	(void)size;
	return atomic_load(&api->peers.count) < api->max_connections ? MHD_YES : MHD_NO;
}

void dcg_peer_notify(void *cls, struct MHD_Connection *connection, void **ret, enum MHD_ConnectionNotificationCode code)
{
	struct dcg_api *api = cls;
	struct dcg_peers *peers = &api->peers;
	struct dcg_peer *p = *ret;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		p = info ? calloc(1, sizeof *p) : NULL;
		*ret = p; /* NULL: requests on it are refused */
		if (!p)
			return;
		p->fd = info->connect_fd;
		p->deadline_ms = dcg_api_clock_ms() + api->request_timeout_s * INT64_C(1000);
		pthread_mutex_lock(&peers->lock);
		p->next = peers->head;
		if (p->next)
			p->next->prev = p;
		peers->head = p;
		pthread_mutex_unlock(&peers->lock);
		atomic_fetch_add(&peers->count, 1);
	} else if (p) {
		/* Before the socket is closed: its number cannot be another's yet. */
		pthread_mutex_lock(&peers->lock);
		if (p->next)
			p->next->prev = p->prev;
		*(p->prev ? &p->prev->next : &peers->head) = p->next;
		pthread_mutex_unlock(&peers->lock);
		atomic_fetch_sub(&peers->count, 1);
		dcg_request_drop(p->request);
		free(p);
		*ret = NULL;
	}
}

void dcg_peers_cut(struct dcg_peers *peers)
{
	int64_t now = dcg_api_clock_ms();
	pthread_mutex_lock(&peers->lock);
	for (struct dcg_peer *p = peers->head; p; p = p->next) {
		/* Read once: the connection's thread may take it away meanwhile, and 0 is before now. */
		int64_t deadline_ms = atomic_load(&p->deadline_ms);
		if (deadline_ms && deadline_ms < now) {
			atomic_store(&p->deadline_ms, 0);
			shutdown(p->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
		}
	}
	pthread_mutex_unlock(&peers->lock);
}
