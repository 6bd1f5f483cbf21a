#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "base/sha256.h"

enum { KEY_MAX = 255 };

int dcg_find_job(struct dcg_request *rq, struct dcg_job_row *row)
{
	struct dcg_job_row r;
	struct dcg_error err;
	int code = dcg_store_job_get(rq->api->store, rq->id, &r, &err);
	if (code == DCG_ENOENT) {
		dcg_reply_problem(rq, 404, "there is no job %" PRId64, rq->id);
		return -1;
	}
	if (code) {
		dcg_reply_error(rq, &err);
		return -1;
	}
	if (row)
		*row = r;
	else
		dcg_job_row_done(&r);
	return 0;
}

void dcg_reply_list(struct dcg_request *rq, const char *name, cJSON *items, const char *next)
{
	cJSON *o = cJSON_CreateObject();
	dcg_put(rq, o, name, items);
	dcg_put_text(rq, o, "next", next);
	dcg_reply_json(rq, 200, o);
}

void dcg_route_jobs_list(struct dcg_request *rq)
{
	int limit = (int)dcg_query_number(rq, "limit");
	const char *state = dcg_query_text(rq, "state");
	struct dcg_job_filter f = { .state = -1, .dataset = dcg_query_text(rq, "dataset"), .tag = dcg_query_text(rq, "tag"), .limit = limit + 1 };
	struct dcg_job_row *rows;
	struct dcg_error err;
	size_t count;
	char next[24];
	f.pinned = dcg_query_choice(rq, "pinned", dcg_truth);
	if (f.pinned < -1 || dcg_query_cursor(rq, 'j', &f.before_id))
		return;
	if (state && (f.state = dcg_job_state_from_name(state)) < 0) {
		dcg_reply_parameter(rq, "state",
			"expected queued, preparing, running, paused, succeeded, failed or cancelled, found %s", state);
		return;
	}
	/* One more than asked for tells whether there are any after them. */
	if (dcg_store_jobs(rq->api->store, &f, &rows, &count, &err)) {
		dcg_reply_error(rq, &err);
		return;
	}
	int more = count > (size_t)limit;
	size_t shown = more ? (size_t)limit : count;
	cJSON *jobs = cJSON_CreateArray();
	for (size_t i = 0; i < shown; i++)
		dcg_put_item(rq, jobs, dcg_job_json(&rows[i]));
	if (more)
		snprintf(next, sizeof next, "j%" PRId64, rows[shown - 1].id);
	dcg_store_jobs_free(rows, count);
	dcg_reply_list(rq, "jobs", jobs, more ? next : NULL);
}

static void reply_job(struct dcg_request *rq, unsigned status, const struct dcg_job_row *row)
{
	char tag[24];
	snprintf(tag, sizeof tag, "%" PRId64, row->version);
	dcg_reply_json(rq, status, dcg_job_json(row));
	dcg_reply_tag(rq, tag);
}

/* Visible ASCII, as RFC 9110 wants of such values. */
static int is_key(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return 0;
	return n > 0 && n <= KEY_MAX;
}

void dcg_route_job_create(struct dcg_request *rq)
{
	struct dcg_invalid inv = { 0 };
	struct dcg_job_row row;
	char location[40], sha256[DCG_SHA256_HEX];
	const char *key = rq->header[DCG_HEADER_IDEMPOTENCY_KEY];
	if (key && !is_key(key)) {
		dcg_reply_problem(rq, 400, "expected 1 to %d visible ASCII characters as Idempotency-Key", KEY_MAX);
		return;
	}
	dcg_sha256(rq->body.data, rq->body.size, sha256);
	if (dcg_jobs_submit_once(rq->api->jobs, rq->json, key, sha256, &rq->id, &inv)) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	if (dcg_find_job(rq, &row))
		return;
	reply_job(rq, 201, &row);
	snprintf(location, sizeof location, "/jobs/%" PRId64, rq->id);
	dcg_reply_header(rq, "Location", location);
	dcg_job_row_done(&row);
}

void dcg_route_job_get(struct dcg_request *rq)
{
	struct dcg_job_row row;
	char tag[24];
	if (dcg_find_job(rq, &row))
		return;
	snprintf(tag, sizeof tag, "%" PRId64, row.version);
	if (!dcg_reply_settled(rq, tag))
		reply_job(rq, 200, &row);
	dcg_job_row_done(&row);
}

/* The job exists, and is as If-Match says? Who then changes it must hold it to *ret (0: any version), for others may
 * be quicker; if one was (DCG_ESTALE), look again: it may match still, and a job at work changes all the time. */
static int check_match(struct dcg_request *rq, int64_t *ret)
{
	const char *match = rq->header[DCG_HEADER_IF_MATCH];
	struct dcg_job_row row;
	char tag[24];
	if (dcg_find_job(rq, &row))
		return -1;
	snprintf(tag, sizeof tag, "%" PRId64, row.version);
	*ret = match && strcmp(match, "*") != 0 ? row.version : 0;
	dcg_job_row_done(&row);
	return dcg_reply_matches(rq, tag) ? 0 : -1;
}

void dcg_route_job_edit(struct dcg_request *rq)
{
	struct dcg_job_row row;
	struct dcg_invalid inv;
	int64_t version;
	int r;
	do {
		inv = (struct dcg_invalid){ 0 };
		if (check_match(rq, &version))
			return;
		r = dcg_jobs_edit(rq->api->jobs, rq->id, rq->json, version, &inv);
	} while (r == DCG_ESTALE);
	if (r) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	if (dcg_find_job(rq, &row))
		return;
	reply_job(rq, 200, &row);
	dcg_job_row_done(&row);
}

void dcg_route_job_delete(struct dcg_request *rq)
{
	struct dcg_error err;
	int64_t version;
	int r;
	do {
		if (check_match(rq, &version))
			return;
		r = dcg_jobs_delete(rq->api->jobs, rq->id, version, &err);
	} while (r == DCG_ESTALE);
	if (r)
		dcg_reply_error(rq, &err);
	else
		dcg_reply_empty(rq, 204);
}

static void act(struct dcg_request *rq, enum dcg_job_action action)
{
	struct dcg_invalid inv = { 0 };
	struct dcg_error err;
	struct dcg_job_row row;
	int64_t version;
	int r;
	for (const cJSON *m = rq->json ? rq->json->child : NULL; m; m = m->next)
		dcg_invalid_member(&inv, m->string, "unknown field: this action has none");
	if (dcg_invalid_close(&inv)) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	do {
		if (check_match(rq, &version))
			return;
		r = dcg_jobs_act(rq->api->jobs, rq->id, action, version, &err);
	} while (r == DCG_ESTALE);
	if (r) {
		dcg_reply_error(rq, &err);
		return;
	}
	if (dcg_find_job(rq, &row))
		return;
	reply_job(rq, 202, &row);
	dcg_job_row_done(&row);
}

void dcg_route_job_pause(struct dcg_request *rq) { act(rq, DCG_ACTION_PAUSE); }
void dcg_route_job_resume(struct dcg_request *rq) { act(rq, DCG_ACTION_RESUME); }
void dcg_route_job_cancel(struct dcg_request *rq) { act(rq, DCG_ACTION_CANCEL); }
void dcg_route_job_sample(struct dcg_request *rq) { act(rq, DCG_ACTION_SAMPLE); }
void dcg_route_job_checkpoint(struct dcg_request *rq) { act(rq, DCG_ACTION_CHECKPOINT); }

void dcg_route_job_log(struct dcg_request *rq)
{
	int limit = (int)dcg_query_number(rq, "limit");
	int64_t after = 0;
	struct dcg_log_row *rows;
	struct dcg_error err;
	size_t count;
	char next[24];
	static const char *const levels[] = { "info", "warning", "error", NULL };
	int level = dcg_query_choice(rq, "level", levels);
	if (level < -1 || dcg_query_cursor(rq, 'l', &after) || dcg_find_job(rq, NULL))
		return;
	if (dcg_store_log(rq->api->store, rq->id, after, limit + 1, level < 0 ? NULL : levels[level], &rows, &count, &err)) {
		dcg_reply_error(rq, &err);
		return;
	}
	int more = count > (size_t)limit;
	size_t shown = more ? (size_t)limit : count;
	cJSON *lines = cJSON_CreateArray();
	for (size_t i = 0; i < shown; i++) {
		cJSON *o = cJSON_CreateObject();
		dcg_put_time(rq, o, "at", rows[i].created_ms);
		dcg_put_text(rq, o, "level", rows[i].level);
		dcg_put_text(rq, o, "text", rows[i].text);
		dcg_put_item(rq, lines, o);
	}
	if (more)
		snprintf(next, sizeof next, "l%" PRId64, rows[shown - 1].id);
	dcg_store_log_free(rows, count);
	dcg_reply_list(rq, "log", lines, more ? next : NULL);
}

void dcg_route_job_events(struct dcg_request *rq)
{
	if (!dcg_find_job(rq, NULL))
		dcg_hub_open(rq->api->hub, rq, rq->id);
}

void dcg_route_events(struct dcg_request *rq)
{
	dcg_hub_open(rq->api->hub, rq, 0);
}
