/* What the files of this room share: the service itself, its connections, its threads. */
#ifndef DCG_API_SERVER_H
#define DCG_API_SERVER_H

#include <pthread.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "api/api.h"
#include "api/pages.h"
#include "api/request.h"

/* Seconds that libmicrohttpd lets a connection live without a byte moving. */
enum { DCG_API_IDLE_S = 60 };

/* Of a socket, whichever it is. */
union dcg_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage room;
};

/* --- Connections (peer.c) ----------------------------------------------------------
 * libmicrohttpd's timeout counts inactivity only, so a client that sends a byte a second
 * lives for ever. Each connection therefore has a deadline by which its request must have
 * arrived; a thread cuts those that are late. */
struct dcg_peer {
	int fd;
	_Atomic int64_t deadline_ms; /* monotonic; 0: none */
	struct dcg_request *request;  /* begun and not completed, or NULL; of the connection's thread */
	struct dcg_peer *prev, *next; /* by peers->lock */
};
struct dcg_peers {
	pthread_mutex_t lock;
	struct dcg_peer *head;
	atomic_int count; /* in the list */
};
/* May one more connect? */
enum MHD_Result dcg_peer_admit(void *api, const struct sockaddr *address, socklen_t size);
void dcg_peer_notify(void *api, struct MHD_Connection *connection, void **peer, enum MHD_ConnectionNotificationCode code);
void dcg_peers_cut(struct dcg_peers *peers);
int64_t dcg_api_clock_ms(void);
double dcg_api_clock_s(void);

/* --- Worker threads (worker.c) ---------------------------------------------------- */
struct dcg_work;
int dcg_work_start(struct dcg_work **ret, struct dcg_error *err);
/* Suspends the request's connection and queues it; -1 when the queue is full or closed (then
 * nothing was done). */
int dcg_work_push(struct dcg_work *w, struct dcg_request *rq);
/* Finishes what is at work, answers what is queued with 503, ends the threads. Pushing fails from
 * now on. */
void dcg_work_stop(struct dcg_work *w);
void dcg_work_free(struct dcg_work *w);

/* --- Event streams (sse.c) ---------------------------------------------------------- */
struct dcg_hub;
int dcg_hub_start(struct dcg_hub **ret, struct dcg_api *api, struct dcg_error *err);
/* The reply of a request for events of one job (0: all). */
void dcg_hub_open(struct dcg_hub *h, struct dcg_request *rq, int64_t job);
/* Ends all streams and the thread; opening fails from now on. */
void dcg_hub_stop(struct dcg_hub *h);
int dcg_hub_streams(struct dcg_hub *h); /* open now */
void dcg_hub_free(struct dcg_hub *h); /* after libmicrohttpd has stopped */

/* --- The service ----------------------------------------------------------------- */
struct dcg_api {
	struct dcg_jobs *jobs;
	struct dcg_store *store;
	void (*log)(void *user, enum dcg_api_level level, const char *text);
	void *log_user;
	char *web_folder;
	char **allowed_hosts; /* lower case, NULL-terminated; or NULL */
	atomic_int heartbeat_s, request_timeout_s, max_streams, session_hours;
	struct dcg_access *access; /* NULL: without tokens */
	int max_connections;

	int listen_fd, listen_given; /* given: by another program, who keeps it */
	char url[128];
	char *socket_path;       /* of a Unix socket made by us; NULL: none */
	dev_t socket_device;     /* which it is, for when another has been put in its place */
	ino_t socket_inode;
	struct MHD_Daemon *http; /* NULL: not started */
	struct dcg_work *work;
	struct dcg_hub *hub;
	struct dcg_peers peers;
	struct dcg_traffic *traffic;
	char *openapi;           /* text of /openapi.json */
	char openapi_tag[DCG_SHA256_HEX];
	char (*page_tags)[DCG_SHA256_HEX]; /* entity tags of the built-in pages */
	atomic_int refusing;      /* nothing is changed any more */
	atomic_int open_requests; /* begun and not completed */
	atomic_size_t held;       /* bytes of large bodies and replies: see dcg_request_hold */
};

void dcg_api_log(const struct dcg_api *api, enum dcg_api_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* listen.c. */
int dcg_api_listen(struct dcg_api *api, const char *listen_text, int listen_fd, struct dcg_error *err);
/* Remove the Unix socket's file, if there is one, and ours. */
void dcg_api_unlisten(struct dcg_api *api);
/* openapi.c: the text, malloc'd. */
char *dcg_openapi_text(const struct dcg_api *api);

#endif
