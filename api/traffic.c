#include "api/traffic.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/pages.h"

const double dcg_traffic_seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 0 };
_Static_assert(sizeof dcg_traffic_seconds / sizeof *dcg_traffic_seconds == DCG_TRAFFIC_BUCKETS, "the last bucket is for the rest");

/* Statuses that are given, and 0 for what this list forgot. */
static const short statuses[] = {
	200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 409, 411, 412, 413, 415, 416, 421, 422, 428, 500, 503, 507, 0,
};
enum { STATUSES = sizeof statuses / sizeof *statuses };
_Static_assert(STATUSES <= sizeof ((struct dcg_traffic_row *)0)->status / sizeof *((struct dcg_traffic_row *)0)->status, "a row has room for all");

struct route {
	atomic_uint_fast64_t status[STATUSES], bucket[DCG_TRAFFIC_BUCKETS], microseconds;
};

struct dcg_traffic {
	int routes;            /* rows of dcg_routes; two more follow: files of the page, and none */
	struct route route[];
};

static int count_routes(void)
{
	int n = 0;
	while (dcg_routes[n].method)
		n++;
	return n;
}

struct dcg_traffic *dcg_traffic_new(void)
{
	int n = count_routes();
	struct dcg_traffic *t = calloc(1, sizeof *t + ((size_t)n + 2) * sizeof *t->route);
	if (t)
		t->routes = n;
	return t;
}

void dcg_traffic_free(struct dcg_traffic *t)
{
	free(t);
}

void dcg_traffic_count(struct dcg_traffic *t, const struct dcg_request *rq, double seconds)
{
	int at = t->routes + 1, s = 0, b = 0;
	if (rq->route) {
		/* The rows for files of the page are not in the table. */
		for (at = 0; at < t->routes && rq->route != &dcg_routes[at]; at++)
			;
	}
	while (statuses[s] && statuses[s] != (int)rq->status)
		s++;
	struct route *r = &t->route[at];
	atomic_fetch_add_explicit(&r->status[s], 1, memory_order_relaxed);
	if (seconds < 0)
		return;
	while (dcg_traffic_seconds[b] > 0 && seconds > dcg_traffic_seconds[b])
		b++;
	atomic_fetch_add_explicit(&r->bucket[b], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->microseconds, (uint_fast64_t)(seconds * 1e6), memory_order_relaxed);
}

void dcg_traffic_each(const struct dcg_traffic *t, void (*fn)(void *user, const struct dcg_traffic_row *row), void *user)
{
	for (int at = 0; at < t->routes + 2; at++) {
		const struct route *r = &t->route[at];
		struct dcg_traffic_row row = { .method = "", .pattern = "" };
		if (at < t->routes) {
			row.method = dcg_routes[at].method;
			row.pattern = dcg_routes[at].pattern;
		} else if (at == t->routes) {
			row.method = dcg_pages_route.method;
			row.pattern = dcg_pages_route.pattern;
		}
		for (int s = 0; s < STATUSES; s++) {
			uint64_t count = atomic_load_explicit(&r->status[s], memory_order_relaxed);
			if (!count)
				continue;
			row.status[row.statuses].status = statuses[s];
			row.status[row.statuses++].count = count;
		}
		if (!row.statuses)
			continue;
		for (int b = 0; b < DCG_TRAFFIC_BUCKETS; b++)
			row.bucket[b] = atomic_load_explicit(&r->bucket[b], memory_order_relaxed);
		row.seconds = (double)atomic_load_explicit(&r->microseconds, memory_order_relaxed) * 1e-6;
		fn(user, &row);
	}
}
