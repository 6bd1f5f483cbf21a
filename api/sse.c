/* Server-sent events (WHATWG HTML, section 9.2), gapless: what a client gets is read from the
 * store by number, so a client that reconnects goes on where it was.
 *
 * One thread, the hub's, waits to be told of new events, reads for each stream what comes after
 * its position into a buffer of the stream, and resumes its connection. libmicrohttpd
 * then asks read_stream for bytes; when there are none the connection is suspended again.
 * A client that does not take its bytes keeps its buffer full, so nothing is read for it and
 * nobody waits; after two heartbeats without progress it is cut. libmicrohttpd does not
 * notice that the client of a suspended connection left, so the hub looks for that.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/reply.h"
#include "api/server.h"

enum { BATCH = 64, RETRY_MS = 3000, TICK_MS = 500, BLOCK = 16 << 10 };

struct stream {
	struct dcg_hub *hub;
	struct MHD_Connection *connection;
	int fd;
	int64_t job; /* 0: all */
	struct dcg_who who;

	/* The hub's thread's. */
	int64_t position;    /* number of the newest event that was put into out */
	int64_t told;        /* newest number the client has as its Last-Event-ID */
	unsigned seen;       /* hub->changes when the store was last read to the end */
	unsigned rights_seen; /* of dcg_access_holds */
	int64_t last_out_ms; /* when something was put into out */
	int64_t looked_ms;   /* when it was last looked whether the client is there */

	/* By hub->lock. */
	struct stream *next;
	struct dcg_text out;  /* bytes from sent on are waiting */
	size_t sent;
	unsigned shown;       /* what seen was when out was filled */
	int suspended;        /* the connection: resume it to send */
	int left;             /* the client has closed its side, or may not read any more: end */
	int gone;             /* libmicrohttpd has let go of it; the hub's thread frees it */
	int filling;          /* the hub's thread is at it, without the lock */
	unsigned round;       /* of the hub's thread that served it last */
	int64_t progress_ms;  /* when the client last took something */
};

/* What was read for a stream, as its client gets it: with hundreds of clients at the same place the
 * next one needs the same. */
struct batch {
	int valid;
	unsigned changes;       /* hub->changes before it was read */
	int64_t job, after;     /* what was asked for */
	struct dcg_text text;
	int64_t position, told; /* the stream's afterwards; told -1: as before */
	int all;                /* nothing is left to read */
};

struct dcg_hub {
	struct dcg_api *api;
	struct batch batch;   /* the hub's thread's */
	pthread_t thread;
	int wake_fd;          /* eventfd */
	atomic_uint changes;  /* counts the store's commits with events */
	atomic_int closing;
	int running;          /* of the starting and stopping thread */
	pthread_mutex_t lock;
	struct stream *head;  /* by lock */
	int count;            /* by lock */
};

static void wake(struct dcg_hub *h)
{
	uint64_t one = 1;
	/* It fails only when the counter is full, and then the thread is awake anyway. */
	ssize_t n = write(h->wake_fd, &one, sizeof one);
	(void)n;
}

static void on_event(void *user)
{
	struct dcg_hub *h = user;
	atomic_fetch_add(&h->changes, 1);
	wake(h);
}

/* --- The connection's side ------------------------------------------------------------ */

static ssize_t read_stream(void *cls, uint64_t position, char *buf, size_t max)
{
	struct stream *s = cls;
	struct dcg_hub *h = s->hub;
	ssize_t n;
	(void)position;
	pthread_mutex_lock(&h->lock);
	s->progress_ms = dcg_api_clock_ms();
	size_t left = s->out.size - s->sent;
	if (left) {
		n = (ssize_t)(left < max ? left : max);
		memcpy(buf, s->out.data + s->sent, (size_t)n);
		s->sent += (size_t)n;
		if (s->sent == s->out.size && s->shown != atomic_load(&h->changes))
			wake(h); /* there is more where that came from */
	} else if (atomic_load(&h->closing) || s->left || s->out.failed) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		s->suspended = 1;
		MHD_suspend_connection(s->connection);
		n = 0;
	}
	pthread_mutex_unlock(&h->lock);
	return n;
}

static void destroy(struct stream *s)
{
	dcg_text_done(&s->out);
	free(s);
}

static void close_stream(void *cls)
{
	struct stream *s = cls;
	struct dcg_hub *h = s->hub;
	pthread_mutex_lock(&h->lock);
	struct stream **at = &h->head;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	h->count--;
	s->gone = 1;
	int filling = s->filling;
	pthread_mutex_unlock(&h->lock);
	if (!filling)
		destroy(s);
}

/* --- The hub's side ------------------------------------------------------------------- */

/* One event in the stream's format. JSON on one line has no newline, but a text that had one
 * would end the event early. */
static void put_event(struct dcg_text *out, const struct dcg_event_row *e)
{
	dcg_text_printf(out, "id: %" PRId64 "\nevent: %s\n", e->seq, e->type);
	const char *s = e->data_json ? e->data_json : "{}";
	for (;;) {
		size_t n = strcspn(s, "\r\n");
		dcg_text_puts(out, "data: ");
		dcg_text_add(out, s, n);
		dcg_text_puts(out, "\n");
		if (!s[n])
			break;
		s += n + 1;
	}
	dcg_text_puts(out, "\n");
}

/* What the client asked for is not kept any more: it must load anew. */
static int was_lost(int64_t position, int64_t oldest, int64_t newest)
{
	return position > newest || (oldest ? position < oldest - 1 : position < newest);
}

static void put_reset(struct dcg_text *out, int64_t newest)
{
	dcg_text_printf(out, "id: %" PRId64 "\nevent: reset\ndata: {\"newest\":%" PRId64 "}\n\n", newest, newest);
}

/* h->batch becomes what follows `after`. -1: it cannot be read now. */
static int read_batch(struct dcg_hub *h, int64_t job, int64_t after, unsigned changes)
{
	struct batch *b = &h->batch;
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	struct dcg_error err;
	if (b->valid && b->changes == changes && b->job == job && b->after == after)
		return 0;
	b->valid = 0;
	if (dcg_store_events(h->api->store, job, after, BATCH, &rows, &count, &oldest, &newest, &err)) {
		dcg_api_log(h->api, DCG_API_ERROR, "cannot read events: %s", err.text);
		return -1;
	}
	if (b->text.failed)
		dcg_text_done(&b->text);
	b->text.size = 0;
	b->position = after;
	b->told = -1;
	b->all = 0;
	if (was_lost(after, oldest, newest)) {
		put_reset(&b->text, newest);
		b->position = b->told = newest;
	} else {
		for (size_t i = 0; i < count; i++)
			put_event(&b->text, &rows[i]);
		if (count)
			b->position = b->told = rows[count - 1].seq;
		if (count < BATCH) {
			b->all = 1;
			if (newest > b->position)
				b->position = newest; /* all others are of other jobs */
		}
	}
	dcg_store_events_free(rows, count);
	b->changes = changes;
	b->job = job;
	b->after = after;
	b->valid = 1;
	return 0;
}

/* Read what follows the stream's position into out. */
static void fill(struct stream *s, struct dcg_text *out)
{
	struct dcg_hub *h = s->hub;
	const struct batch *b = &h->batch;
	unsigned changes = atomic_load(&h->changes);
	int64_t now = dcg_api_clock_ms();
	if (changes != s->seen) {
		if (read_batch(h, s->job, s->position, changes))
			return; /* at the next wake-up again */
		if (b->text.failed)
			out->failed = 1;
		else if (b->text.size)
			dcg_text_add(out, b->text.data, b->text.size);
		s->position = b->position;
		if (b->told >= 0)
			s->told = b->told;
		if (b->all)
			s->seen = changes;
	}
	if (!out->size && now - s->last_out_ms >= (int64_t)h->api->heartbeat_s * 1000) {
		/* An id without data moves the client's Last-Event-ID past the events of other
		 * jobs, so that it is not told to reset when those are pruned. */
		if (s->position != s->told)
			dcg_text_printf(out, ":\nid: %" PRId64 "\n\n", s->position);
		else
			dcg_text_puts(out, ":\n\n");
		s->told = s->position;
	}
	if (out->size)
		s->last_out_ms = now;
}

/* Has the client of a connection that nobody reads from closed it? */
static int has_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0;
}

/* Serve one stream; called with the lock, returns with it. s may be gone afterwards. */
static void serve(struct dcg_hub *h, struct stream *s)
{
	int64_t now = dcg_api_clock_ms();
	if (!dcg_access_holds(h->api->access, &s->who, &s->rights_seen))
		s->left = 1;
	if (s->sent == s->out.size && !s->left) {
		struct dcg_text out = s->out;
		out.size = 0;
		s->out = (struct dcg_text){ 0 };
		s->sent = 0;
		s->filling = 1;
		pthread_mutex_unlock(&h->lock);
		fill(s, &out);
		pthread_mutex_lock(&h->lock);
		s->filling = 0;
		s->out = out;
		s->shown = s->seen;
		if (s->gone) {
			destroy(s);
			return;
		}
	}
	if (s->suspended) {
		if (now - s->looked_ms >= TICK_MS) {
			s->looked_ms = now;
			s->left = s->left || has_left(s->fd);
		}
		if (s->out.size || s->out.failed || s->left) {
			s->suspended = 0;
			s->progress_ms = now;
			MHD_resume_connection(s->connection);
		}
	} else if (now - s->progress_ms > 2000 * (int64_t)h->api->heartbeat_s) {
		shutdown(s->fd, SHUT_RDWR); /* open as long as the stream is in the list */
	}
}

/* A stream not yet served in this round. Streams come and go while one is served. */
static struct stream *next_stream(struct dcg_hub *h, unsigned round)
{
	struct stream *s = h->head;
	while (s && s->round == round)
		s = s->next;
	return s;
}

static void *run(void *arg)
{
	struct dcg_hub *h = arg;
	struct stream *s;
	for (unsigned round = 1; !atomic_load(&h->closing); round++) {
		struct pollfd p = { .fd = h->wake_fd, .events = POLLIN };
		uint64_t count;
		if (poll(&p, 1, TICK_MS) > 0) {
			ssize_t n = read(h->wake_fd, &count, sizeof count);
			(void)n;
		}
		dcg_peers_cut(&h->api->peers);
		pthread_mutex_lock(&h->lock);
		while ((s = next_stream(h, round))) {
			s->round = round;
			serve(h, s);
		}
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

/* --- Opening -------------------------------------------------------------------------- */

static int64_t wanted_position(struct dcg_request *rq)
{
	/* A browser that reconnects sends the header with the address it began with. */
	const char *id = rq->header[DCG_HEADER_LAST_EVENT_ID];
	return id && *id ? dcg_decimal(id, strlen(id)) : dcg_query_number(rq, "after");
}

void dcg_hub_open(struct dcg_hub *h, struct dcg_request *rq, int64_t job)
{
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest;
	struct dcg_error err;
	int64_t after = wanted_position(rq);
	const char *id = rq->header[DCG_HEADER_LAST_EVENT_ID];
	if (after < 0 && id && *id) {
		dcg_reply_problem(rq, 400, "expected the id of an event as Last-Event-ID, found %.40s", id);
		return;
	}
	/* Where "now" is: a client that has our answer misses nothing that happens after it. */
	if (dcg_store_events(h->api->store, job, INT64_MAX, 1, &rows, &count, &oldest, &newest, &err)) {
		dcg_reply_error(rq, &err);
		return;
	}
	dcg_store_events_free(rows, count);
	struct stream *s = calloc(1, sizeof *s);
	if (!s) {
		dcg_reply_problem(rq, 500, "out of memory");
		return;
	}
	s->hub = h;
	s->connection = rq->connection;
	s->fd = rq->peer->fd;
	s->job = job;
	s->who = rq->who;
	s->position = s->told = after < 0 ? newest : after;
	s->seen = s->shown = atomic_load(&h->changes) - 1; /* read at once */
	s->progress_ms = s->last_out_ms = dcg_api_clock_ms();
	dcg_text_printf(&s->out, "retry: %d\n\n", RETRY_MS);
	pthread_mutex_lock(&h->lock);
	int full = h->count >= h->api->max_streams;
	s->next = h->head;
	h->head = s;
	h->count++;
	pthread_mutex_unlock(&h->lock);
	struct MHD_Response *r = full ? NULL : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, s, close_stream);
	if (!r) {
		close_stream(s);
		if (full)
			dcg_reply_problem(rq, 503, "expected at most %d event streams at a time", h->api->max_streams);
		else
			dcg_reply_problem(rq, 500, "out of memory");
		return;
	}
	/* To HEAD libmicrohttpd 0.9.75 would send the end of a chunked body that there is none of, and the client
	 * take it for the beginning of the next answer. In this mode nothing is chunked, and the connection ends. */
	if (rq->head)
		MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	dcg_reply_take(rq, 200, r, "text/event-stream");
	dcg_reply_header(rq, "Cache-Control", "no-store");
	dcg_reply_header(rq, "X-Accel-Buffering", "no");
}

int dcg_hub_streams(struct dcg_hub *h)
{
	pthread_mutex_lock(&h->lock);
	int count = h->count;
	pthread_mutex_unlock(&h->lock);
	return count;
}

int dcg_hub_start(struct dcg_hub **ret, struct dcg_api *api, struct dcg_error *err)
{
	struct dcg_hub *h = calloc(1, sizeof *h);
	if (!h)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	h->api = api;
	pthread_mutex_init(&h->lock, NULL);
	h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (h->wake_fd < 0) {
		int e = errno;
		dcg_hub_free(h);
		return dcg_error_sys(err, e, "cannot make an eventfd");
	}
	int e = pthread_create(&h->thread, NULL, run, h);
	if (e) {
		dcg_hub_free(h);
		return dcg_error_sys(err, e, "cannot start the thread for events");
	}
	h->running = 1;
	pthread_setname_np(h->thread, "api-events");
	dcg_jobs_on_event(api->jobs, on_event, h);
	*ret = h;
	return 0;
}

void dcg_hub_stop(struct dcg_hub *h)
{
	if (!h || !h->running)
		return;
	dcg_jobs_on_event(h->api->jobs, NULL, NULL);
	atomic_store(&h->closing, 1);
	wake(h);
	pthread_join(h->thread, NULL);
	h->running = 0;
	pthread_mutex_lock(&h->lock);
	for (struct stream *s = h->head; s; s = s->next)
		if (s->suspended) {
			s->suspended = 0;
			MHD_resume_connection(s->connection);
		}
	pthread_mutex_unlock(&h->lock);
}

void dcg_hub_free(struct dcg_hub *h)
{
	if (!h)
		return;
	dcg_hub_stop(h);
	if (h->wake_fd >= 0)
		close(h->wake_fd);
	dcg_text_done(&h->batch.text);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
