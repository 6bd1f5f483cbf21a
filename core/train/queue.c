#include "train/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct dcg_queue {
	int capacity; /* const */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, emptied;
	struct dcg_event *event; /* ring */
	int first, count;
	int closed, ended; /* ended: DCG_EVENT_END was taken */
};

int dcg_queue_new(struct dcg_queue **ret, int capacity, struct dcg_error *err)
{
	pthread_condattr_t monotonic;
	struct dcg_queue *q = calloc(1, sizeof *q);
	if (!q || !(q->event = calloc((size_t)capacity, sizeof *q->event))) {
		free(q);
		return dcg_error_set(err, DCG_ENOMEM, "events: out of memory");
	}
	q->capacity = capacity;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&q->filled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_cond_init(&q->emptied, NULL);
	*ret = q;
	return 0;
}

void dcg_queue_free(struct dcg_queue *q)
{
	if (!q)
		return;
	pthread_cond_destroy(&q->emptied);
	pthread_cond_destroy(&q->filled);
	pthread_mutex_destroy(&q->lock);
	free(q->event);
	free(q);
}

void dcg_queue_push(struct dcg_queue *q, const struct dcg_event *event)
{
	pthread_mutex_lock(&q->lock);
	while (q->count == q->capacity && !q->closed)
		pthread_cond_wait(&q->emptied, &q->lock);
	if (!q->closed) {
		q->event[(q->first + q->count++) % q->capacity] = *event;
		pthread_cond_signal(&q->filled);
	}
	pthread_mutex_unlock(&q->lock);
}

static struct timespec deadline_in(int timeout_ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

int dcg_queue_take(struct dcg_queue *q, struct dcg_event *ret, int timeout_ms)
{
	int r = 0;
	struct timespec deadline = deadline_in(timeout_ms < 0 ? 0 : timeout_ms);
	pthread_mutex_lock(&q->lock);
	while (q->count == 0 && !q->ended && !r) {
		if (timeout_ms < 0)
			pthread_cond_wait(&q->filled, &q->lock);
		else if (pthread_cond_timedwait(&q->filled, &q->lock, &deadline) == ETIMEDOUT && q->count == 0)
			r = DCG_ETIMEOUT;
	}
	if (q->ended) {
		r = DCG_EEND;
	} else if (!r) {
		*ret = q->event[q->first];
		q->first = (q->first + 1) % q->capacity;
		q->count--;
		q->ended = ret->type == DCG_EVENT_END;
		pthread_cond_signal(&q->emptied);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

void dcg_queue_close(struct dcg_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = 1;
	pthread_cond_broadcast(&q->emptied);
	pthread_mutex_unlock(&q->lock);
}
