/* Samples and checkpoints. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/sha256.h"

/* limit + 1 files of a job in order of step after the cursor; -1 with a reply. */
static int read_page(struct dcg_request *rq, enum dcg_file_kind kind, struct dcg_file_row **ret, size_t *ret_count)
{
	struct dcg_error err;
	int64_t after = -1;
	struct dcg_file_filter f = { dcg_query_number(rq, "epoch"), kind == DCG_FILE_SAMPLE ? -1 : dcg_query_choice(rq, "pinned", dcg_truth) };
	if (f.pinned < -1 || dcg_query_cursor(rq, kind == DCG_FILE_SAMPLE ? 's' : 'c', &after) || dcg_find_job(rq, NULL))
		return -1;
	if (dcg_store_files(rq->api->store, kind, rq->id, after, (int)dcg_query_number(rq, "limit") + 1, &f, ret, ret_count, &err)) {
		dcg_reply_error(rq, &err);
		return -1;
	}
	return 0;
}

static void reply_page(struct dcg_request *rq, const char *name, cJSON *items, char kind, const struct dcg_file_row *rows, size_t count)
{
	char next[24];
	size_t limit = (size_t)dcg_query_number(rq, "limit");
	if (count > limit)
		snprintf(next, sizeof next, "%c%" PRId64, kind, rows[limit - 1].step);
	dcg_reply_list(rq, name, items, count > limit ? next : NULL);
}

void dcg_route_job_samples(struct dcg_request *rq)
{
	struct dcg_file_row *rows;
	size_t count, limit = (size_t)dcg_query_number(rq, "limit");
	if (read_page(rq, DCG_FILE_SAMPLE, &rows, &count))
		return;
	cJSON *items = cJSON_CreateArray();
	for (size_t i = 0; i < count && i < limit; i++) {
		const struct dcg_file_row *r = &rows[i];
		char url[80];
		/* Rows are in order, so the newest of its epoch is the one before another epoch. */
		if (i + 1 < count && rows[i + 1].epoch == r->epoch)
			snprintf(url, sizeof url, "/jobs/%" PRId64 "/samples/step-%" PRId64 ".png", r->job, r->step);
		else
			snprintf(url, sizeof url, "/jobs/%" PRId64 "/samples/%" PRId64 ".png", r->job, r->epoch);
		cJSON *o = cJSON_CreateObject();
		dcg_put_number(rq, o, "epoch", (double)r->epoch);
		dcg_put_number(rq, o, "step", (double)r->step);
		dcg_put_text(rq, o, "url", url);
		dcg_put_number(rq, o, "size", (double)r->size);
		dcg_put_text(rq, o, "sha256", r->sha256);
		dcg_put_time(rq, o, "created_at", r->created_ms);
		dcg_put_item(rq, items, o);
	}
	reply_page(rq, "samples", items, 's', rows, count);
	free(rows);
}

static void reply_row(struct dcg_request *rq, enum dcg_file_kind kind, const struct dcg_file_row *row, const char *type, const char *download)
{
	char *path = dcg_jobs_file_path(rq->api->jobs, kind, row);
	if (path)
		dcg_reply_file(rq, path, row->size, row->sha256, type, download);
	else
		dcg_reply_problem(rq, 500, "out of memory");
	free(path);
}

static void reply_sample(struct dcg_request *rq, enum dcg_file_key key, int64_t value)
{
	struct dcg_file_row row;
	struct dcg_error err;
	if (dcg_find_job(rq, NULL))
		return;
	int r = dcg_store_file_find(rq->api->store, DCG_FILE_SAMPLE, rq->id, key, value, &row, &err);
	if (r == DCG_ENOENT)
		dcg_reply_problem(rq, 404, "job %" PRId64 " has no such sample", rq->id);
	else if (r)
		dcg_reply_error(rq, &err);
	else
		reply_row(rq, DCG_FILE_SAMPLE, &row, "image/png", NULL);
}

void dcg_route_sample_epoch(struct dcg_request *rq) { reply_sample(rq, DCG_BY_EPOCH, rq->number); }
void dcg_route_sample_step(struct dcg_request *rq) { reply_sample(rq, DCG_BY_STEP, rq->number); }
void dcg_route_sample_latest(struct dcg_request *rq) { reply_sample(rq, DCG_NEWEST, 0); }

void dcg_route_job_checkpoints(struct dcg_request *rq)
{
	struct dcg_file_row *rows;
	size_t count, limit = (size_t)dcg_query_number(rq, "limit");
	if (read_page(rq, DCG_FILE_CHECKPOINT, &rows, &count))
		return;
	cJSON *items = cJSON_CreateArray();
	for (size_t i = 0; i < count && i < limit; i++)
		dcg_put_item(rq, items, dcg_checkpoint_json(&rows[i]));
	reply_page(rq, "checkpoints", items, 'c', rows, count);
	free(rows);
}

static int find_checkpoint(struct dcg_request *rq, struct dcg_file_row *ret)
{
	struct dcg_error err;
	int r = dcg_store_file_get(rq->api->store, DCG_FILE_CHECKPOINT, rq->id, ret, &err);
	if (r == DCG_ENOENT)
		dcg_reply_problem(rq, 404, "there is no checkpoint %" PRId64, rq->id);
	else if (r)
		dcg_reply_error(rq, &err);
	return r;
}

/* The entity tag of a checkpoint's record: it changes with whatever of it can change. */
static void tag_of(const struct dcg_file_row *row, char tag[DCG_SHA256_HEX])
{
	char text[sizeof row->label + sizeof row->sha256 + 100];
	int n = snprintf(text, sizeof text, "%" PRId64 " %s %" PRId64 " %.17g %d %s", row->id, row->sha256, row->created_ms, row->score, row->pinned, row->label);
	dcg_sha256(text, (size_t)n, tag);
}

static void reply_checkpoint(struct dcg_request *rq, const struct dcg_file_row *row)
{
	char tag[DCG_SHA256_HEX];
	tag_of(row, tag);
	dcg_reply_json(rq, 200, dcg_checkpoint_json(row));
	dcg_reply_tag(rq, tag);
}

void dcg_route_checkpoint_get(struct dcg_request *rq)
{
	struct dcg_file_row row;
	char tag[DCG_SHA256_HEX];
	if (find_checkpoint(rq, &row))
		return;
	tag_of(&row, tag);
	if (!dcg_reply_settled(rq, tag))
		reply_checkpoint(rq, &row);
}

void dcg_route_checkpoint_edit(struct dcg_request *rq)
{
	const char *match = rq->header[DCG_HEADER_IF_MATCH];
	struct dcg_file_row row;
	char tag[DCG_SHA256_HEX];
	int r;
	do {
		struct dcg_invalid inv = { 0 };
		if (find_checkpoint(rq, &row))
			return;
		tag_of(&row, tag);
		if (!dcg_reply_matches(rq, tag))
			return;
		/* Another may change it in between: then look again whether it matches. */
		r = dcg_jobs_checkpoint_edit(rq->api->jobs, rq->id, rq->json, strcmp(match, "*") != 0 ? &row : NULL, &inv);
		if (r && r != DCG_ESTALE) {
			dcg_reply_invalid(rq, &inv);
			return;
		}
	} while (r);
	if (!find_checkpoint(rq, &row))
		reply_checkpoint(rq, &row);
}

void dcg_route_checkpoint_file(struct dcg_request *rq)
{
	struct dcg_file_row row;
	char name[80];
	if (find_checkpoint(rq, &row))
		return;
	snprintf(name, sizeof name, "job-%" PRId64 "-step-%" PRId64 ".safetensors", row.job, row.step);
	reply_row(rq, DCG_FILE_CHECKPOINT, &row, "application/octet-stream", name);
}
