/* Threads for what may wait: two for short work (a query, a commit), two for long (drawing
 * pictures, reading data sets), so that the long never holds up the short. */
#include <stdlib.h>

#include "api/reply.h"
#include "api/server.h"

enum { THREADS = 2, LANES = 2, SLOW_WAITING_MAX = 16 };

struct lane {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct dcg_request *head, **tail; /* by lock, as all below */
	int waiting, waiting_max, closed;
	pthread_t threads[THREADS]; /* of the starting and stopping thread */
	int started;
};

struct dcg_work {
	struct lane lane[LANES];
};

static void *serve(void *arg)
{
	struct lane *l = arg;
	for (;;) {
		pthread_mutex_lock(&l->lock);
		while (!l->head && !l->closed)
			pthread_cond_wait(&l->wake, &l->lock);
		struct dcg_request *rq = l->head;
		int closed = l->closed;
		if (rq) {
			l->head = rq->next;
			if (!l->head)
				l->tail = &l->head;
			l->waiting--;
		}
		pthread_mutex_unlock(&l->lock);
		if (!rq)
			return NULL;
		/* What has not begun when the daemon stops is for the next one. */
		if (closed || (rq->unsafe && atomic_load(&rq->api->refusing)))
			dcg_reply_problem(rq, 503, "the daemon is stopping");
		else if (!rq->route->body_max || !dcg_body_parse(rq))
			rq->route->handle(rq);
		/* From here on it is the connection's thread's again. */
		MHD_resume_connection(rq->connection);
	}
}

int dcg_work_push(struct dcg_work *w, struct dcg_request *rq)
{
	struct lane *l = &w->lane[rq->route->flags & DCG_ROUTE_SLOW ? 1 : 0];
	int r = -1;
	pthread_mutex_lock(&l->lock);
	if (!l->closed && l->waiting < l->waiting_max) {
		/* First suspend: a worker may resume it before this function returns. */
		MHD_suspend_connection(rq->connection);
		rq->next = NULL;
		*l->tail = rq;
		l->tail = &rq->next;
		l->waiting++;
		pthread_cond_signal(&l->wake);
		r = 0;
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

void dcg_work_stop(struct dcg_work *w)
{
	for (int i = 0; w && i < LANES; i++) {
		struct lane *l = &w->lane[i];
		pthread_mutex_lock(&l->lock);
		l->closed = 1;
		pthread_cond_broadcast(&l->wake);
		pthread_mutex_unlock(&l->lock);
	}
	for (int i = 0; w && i < LANES; i++)
		while (w->lane[i].started)
			pthread_join(w->lane[i].threads[--w->lane[i].started], NULL);
}

void dcg_work_free(struct dcg_work *w)
{
	if (!w)
		return;
	dcg_work_stop(w);
	for (int i = 0; i < LANES; i++) {
		pthread_cond_destroy(&w->lane[i].wake);
		pthread_mutex_destroy(&w->lane[i].lock);
	}
	free(w);
}

int dcg_work_start(struct dcg_work **ret, struct dcg_error *err)
{
	struct dcg_work *w = calloc(1, sizeof *w);
	if (!w)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	for (int i = 0; i < LANES; i++) {
		struct lane *l = &w->lane[i];
		pthread_mutex_init(&l->lock, NULL);
		pthread_cond_init(&l->wake, NULL);
		l->tail = &l->head;
		/* Short work is bounded by the number of connections. */
		l->waiting_max = i ? SLOW_WAITING_MAX : 1 << 20;
	}
	for (int i = 0; i < LANES; i++)
		for (struct lane *l = &w->lane[i]; l->started < THREADS; l->started++) {
			int e = pthread_create(&l->threads[l->started], NULL, serve, l);
			if (e) {
				dcg_work_free(w);
				return dcg_error_sys(err, e, "cannot start a thread for requests");
			}
			pthread_setname_np(l->threads[l->started], i ? "api-slow" : "api-work");
		}
	*ret = w;
	return 0;
}
