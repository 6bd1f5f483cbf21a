/* The daemon about itself. */
#include "config.h"

#include <string.h>

#include "api/handlers.h"
#include "kernel/kernel.h"
#include "train/params.h"

void dcg_route_health(struct dcg_request *rq)
{
	cJSON *o = cJSON_CreateObject();
	dcg_put_text(rq, o, "status", "ok");
	dcg_reply_json(rq, 200, o);
}

void dcg_route_ready(struct dcg_request *rq)
{
	struct dcg_dataset_row *rows;
	struct dcg_error err;
	size_t count;
	if (atomic_load(&rq->api->refusing)) {
		dcg_reply_problem(rq, 503, "the daemon is stopping");
	} else if (dcg_store_datasets(rq->api->store, NULL, 1, NULL, &rows, &count, &err)) {
		dcg_api_log(rq->api, DCG_API_ERROR, "not ready: %s", err.text);
		dcg_reply_problem(rq, 503, "the store cannot be read");
	} else {
		dcg_store_datasets_free(rows, count);
		dcg_route_health(rq);
	}
}

void dcg_route_version(struct dcg_request *rq)
{
	cJSON *o = cJSON_CreateObject(), *kernels = cJSON_CreateArray(), *presets = cJSON_CreateArray();
	dcg_put_text(rq, o, "name", PACKAGE_NAME);
	dcg_put_text(rq, o, "version", PACKAGE_VERSION);
	for (const char *const *k = dcg_kernel_names(); *k; k++)
		dcg_put_item(rq, kernels, cJSON_CreateString(*k));
	dcg_put(rq, o, "kernels", kernels);
	for (const struct dcg_preset *p = dcg_presets; p->name; p++)
		dcg_put_item(rq, presets, cJSON_CreateString(p->name));
	dcg_put(rq, o, "presets", presets);
	dcg_put_text(rq, o, "http", MHD_get_version());
	dcg_reply_json(rq, 200, o);
}

void dcg_route_openapi(struct dcg_request *rq)
{
	if (dcg_reply_settled(rq, rq->api->openapi_tag))
		return;
	dcg_reply_static(rq, 200, "application/json", rq->api->openapi, strlen(rq->api->openapi));
	dcg_reply_tag(rq, rq->api->openapi_tag);
}

/* The row of the table is for the record: the router replaces it by the page's own. */
void dcg_route_page(struct dcg_request *rq)
{
	dcg_reply_problem(rq, 404, "this daemon was built without its page");
}
