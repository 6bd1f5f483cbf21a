#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/sha256.h"

void dcg_route_datasets_list(struct dcg_request *rq)
{
	size_t limit = (size_t)dcg_query_number(rq, "limit"), count;
	static const char *const formats[] = { "idx", "cifar10", "cifar100", "folder", NULL };
	const char *cursor = dcg_query_text(rq, "cursor");
	int format = dcg_query_choice(rq, "format", formats);
	struct dcg_dataset_row *rows;
	struct dcg_error err;
	char next[DCG_NAME_TEXT + 1];
	if (format < -1)
		return;
	if (cursor && (*cursor != 'd' || !dcg_dataset_name(cursor + 1, strlen(cursor + 1)))) {
		dcg_reply_parameter(rq, "cursor", "expected the \"next\" of an earlier answer");
		return;
	}
	if (dcg_store_datasets(rq->api->store, cursor ? cursor + 1 : NULL, (int)limit + 1, format < 0 ? NULL : formats[format], &rows, &count, &err)) {
		dcg_reply_error(rq, &err);
		return;
	}
	cJSON *items = cJSON_CreateArray();
	for (size_t i = 0; i < count && i < limit; i++)
		dcg_put_item(rq, items, dcg_jobs_dataset_json(rq->api->jobs, &rows[i], 0));
	if (count > limit)
		snprintf(next, sizeof next, "d%s", rows[limit - 1].name);
	dcg_reply_list(rq, "datasets", items, count > limit ? next : NULL);
	dcg_store_datasets_free(rows, count);
}

static int find(struct dcg_request *rq, struct dcg_dataset_row *ret)
{
	struct dcg_error err;
	int r = dcg_store_dataset_get(rq->api->store, rq->name, ret, &err);
	if (r == DCG_ENOENT)
		dcg_reply_problem(rq, 404, "there is no data set %s", rq->name);
	else if (r)
		dcg_reply_error(rq, &err);
	return r;
}

static void reply_dataset(struct dcg_request *rq, unsigned status)
{
	struct dcg_dataset_row row;
	if (find(rq, &row))
		return;
	dcg_reply_json(rq, status, dcg_jobs_dataset_json(rq->api->jobs, &row, 1));
	dcg_dataset_row_done(&row);
}

void dcg_route_dataset_get(struct dcg_request *rq)
{
	reply_dataset(rq, 200);
}

void dcg_route_dataset_create(struct dcg_request *rq)
{
	struct dcg_invalid inv = { 0 };
	char location[DCG_NAME_TEXT + 16];
	if (dcg_jobs_dataset_register(rq->api->jobs, rq->json, rq->name, &inv)) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	reply_dataset(rq, 201);
	snprintf(location, sizeof location, "/datasets/%s", rq->name);
	dcg_reply_header(rq, "Location", location);
}

void dcg_route_dataset_delete(struct dcg_request *rq)
{
	struct dcg_error err;
	if (dcg_jobs_dataset_delete(rq->api->jobs, rq->name, &err))
		dcg_reply_error(rq, &err);
	else
		dcg_reply_empty(rq, 204);
}

void dcg_route_dataset_preview(struct dcg_request *rq)
{
	char tag[DCG_SHA256_HEX];
	struct dcg_error err;
	uint8_t *png;
	size_t size;
	if (dcg_jobs_dataset_preview(rq->api->jobs, rq->name, &png, &size, &err)) {
		dcg_reply_error(rq, &err);
		return;
	}
	dcg_sha256(png, size, tag);
	if (dcg_reply_settled(rq, tag)) {
		free(png);
		return;
	}
	dcg_reply_bytes(rq, 200, "image/png", png, size);
	dcg_reply_tag(rq, tag);
}
