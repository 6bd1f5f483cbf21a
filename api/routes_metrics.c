#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"

struct series {
	struct dcg_metric_bucket *buckets;
	size_t count;
	int64_t total;
};

/* "loss_d,loss_g" into wanted; -1 with a reply. */
static int parse_series(struct dcg_request *rq, int wanted[DCG_SERIES_COUNT])
{
	const char *s = dcg_query_text(rq, "series");
	for (int i = 0; i < DCG_SERIES_COUNT; i++)
		wanted[i] = !s;
	while (s) {
		char name[32];
		size_t n = strcspn(s, ",");
		int i = -1;
		if (n < sizeof name) {
			memcpy(name, s, n);
			name[n] = 0;
			i = dcg_series_from_name(name);
		}
		if (i < 0) {
			dcg_reply_parameter(rq, "series",
				"expected loss_d, loss_g, d_real, d_fake, d_fake_after, images_per_s, swd or ms_ssim with commas between them, found %.60s", s);
			return -1;
		}
		wanted[i] = 1;
		s = s[n] ? s + n + 1 : NULL;
	}
	return 0;
}

/* Values are floats of single precision: more than 9 digits say nothing. */
static void add_value(struct dcg_text *t, const char *name, double v)
{
	dcg_text_puts(t, name);
	if (isfinite(v))
		dcg_text_float(t, v);
	else
		dcg_text_puts(t, "null");
}

static void add_whole(struct dcg_text *t, const char *name, int64_t v)
{
	dcg_text_puts(t, name);
	dcg_text_whole(t, v);
}

/* Written as text at once: a tree of thousands of small objects would take most of the time that a
 * chart of a million steps takes, and printf most of the rest. */
static void reply_json(struct dcg_request *rq, int64_t from, int64_t to, const int *wanted, const struct series *all)
{
	struct dcg_text t = { 0 };
	const char *comma = "";
	dcg_text_printf(&t, "{\"job\":%" PRId64 ",\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"series\":{", rq->id, from, to);
	for (int i = 0; i < DCG_SERIES_COUNT; i++) {
		if (!wanted[i])
			continue;
		dcg_text_printf(&t, "%s\"%s\":{\"total\":%" PRId64 ",\"points\":[", comma, dcg_series_name((enum dcg_series)i), all[i].total);
		for (size_t k = 0; k < all[i].count; k++) {
			const struct dcg_metric_bucket *b = &all[i].buckets[k];
			add_whole(&t, k ? ",{\"step\":" : "{\"step\":", b->first_step);
			add_whole(&t, ",\"last_step\":", b->last_step);
			add_whole(&t, ",\"count\":", b->count);
			add_value(&t, ",\"min\":", b->min);
			add_value(&t, ",\"max\":", b->max);
			add_value(&t, ",\"last\":", b->last);
			add_whole(&t, ",\"min_step\":", b->min_step);
			add_whole(&t, ",\"max_step\":", b->max_step);
			dcg_text_puts(&t, "}");
		}
		dcg_text_puts(&t, "]}");
		comma = ",";
	}
	dcg_text_puts(&t, "}}");
	dcg_reply_text(rq, 200, "application/json", &t);
}

static void reply_csv(struct dcg_request *rq, const int *wanted, const struct series *all)
{
	struct dcg_text t = { 0 };
	dcg_text_puts(&t, "series,step,last_step,count,min,max,last,min_step,max_step\r\n");
	for (int i = 0; i < DCG_SERIES_COUNT; i++)
		for (size_t k = 0; wanted[i] && k < all[i].count; k++) {
			const struct dcg_metric_bucket *b = &all[i].buckets[k];
			dcg_text_printf(&t, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%.9g,%.9g,%.9g,%" PRId64 ",%" PRId64 "\r\n",
				dcg_series_name((enum dcg_series)i), b->first_step, b->last_step, b->count, b->min, b->max, b->last,
				b->min_step, b->max_step);
		}
	dcg_reply_text(rq, 200, "text/csv; charset=utf-8", &t);
}

void dcg_route_job_metrics(struct dcg_request *rq)
{
	static const char *const offers[] = { "application/json", "text/csv", NULL };
	int wanted[DCG_SERIES_COUNT];
	struct series all[DCG_SERIES_COUNT] = { { 0 } };
	struct dcg_job_row job;
	struct dcg_error err;
	int offer = dcg_negotiate(rq->header[DCG_HEADER_ACCEPT], offers);
	if (offer < 0) {
		dcg_reply_problem(rq, 406, "expected an Accept header that allows application/json or text/csv");
		return;
	}
	if (parse_series(rq, wanted) || dcg_find_job(rq, &job))
		return;
	int64_t from = dcg_query_number(rq, "from"), to = dcg_query_number(rq, "to");
	if (to < 0)
		to = job.step;
	dcg_job_row_done(&job);
	int r = 0;
	for (int i = 0; i < DCG_SERIES_COUNT && !r; i++)
		/* from above to is an empty range, not an error: a client asks for what came after. */
		if (wanted[i] && from <= to)
			r = dcg_store_metrics_read(rq->api->store, rq->id, (enum dcg_series)i, from, to, (int)dcg_query_number(rq, "max_points"),
				&all[i].buckets, &all[i].count, &all[i].total, &err);
	if (r)
		dcg_reply_error(rq, &err);
	else if (offer == 0)
		reply_json(rq, from, to, wanted, all);
	else
		reply_csv(rq, wanted, all);
	dcg_reply_header(rq, "Vary", "Accept");
	for (int i = 0; i < DCG_SERIES_COUNT; i++)
		free(all[i].buckets);
}
