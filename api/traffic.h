/* What was asked and answered since the start, counted by route and status, for GET /metrics.
 *
 * Any thread; counting takes no lock. A reader may see a request in one counter and not yet in
 * another.
 */
#ifndef DCG_API_TRAFFIC_H
#define DCG_API_TRAFFIC_H

#include "api/request.h"

/* Upper ends of the buckets of durations, in seconds; ends with 0 (all others). */
extern const double dcg_traffic_seconds[];
enum { DCG_TRAFFIC_BUCKETS = 14 };

struct dcg_traffic;
struct dcg_traffic *dcg_traffic_new(void); /* NULL: out of memory */
void dcg_traffic_free(struct dcg_traffic *t);

/* A request that was answered. Event streams, which last as long as their clients like, have no
 * duration: seconds < 0. */
void dcg_traffic_count(struct dcg_traffic *t, const struct dcg_request *rq, double seconds);

/* Visits every route that was asked for, with its counts. method "" and pattern "": requests
 * that were for none. */
struct dcg_traffic_row {
	const char *method, *pattern;
	uint64_t bucket[DCG_TRAFFIC_BUCKETS]; /* not cumulative */
	double seconds; /* of all of them */
	int statuses;
	struct { int status; uint64_t count; } status[32]; /* 0: some other */
};
void dcg_traffic_each(const struct dcg_traffic *t, void (*fn)(void *user, const struct dcg_traffic_row *row), void *user);

#endif
