/* A job's parameters: what the service adds to the training table, and the JSON of both.
 * Pure functions; any thread. */
#ifndef DCG_JOBS_PARAMS_H
#define DCG_JOBS_PARAMS_H

#include <cjson/cJSON.h>

#include "train/params.h"

struct dcg_job_params {
	char dataset[DCG_PARAM_TEXT];
	char name[DCG_PARAM_TEXT];
	int priority;              /* -100 .. 100, higher first */
	int64_t from_checkpoint;   /* 0: none */
	struct dcg_train_params train;
};

struct dcg_invalid;

/* Rows of struct dcg_job_params without those of train. */
extern const struct dcg_param_row dcg_job_rows[];

/* Validate a request's object (unknown fields, types, ranges, the dataset missing ...) into
 * *ret with all defaults filled in; every fault is listed in inv. Sizes and channels may
 * still be 0 (= from the data set). */
int dcg_job_params_parse(const cJSON *body, struct dcg_job_params *ret, struct dcg_invalid *inv);
/* The complete object; NULL when out of memory. */
cJSON *dcg_job_params_json(const struct dcg_job_params *p);
/* What dcg_job_params_json wrote, read back. */
int dcg_job_params_load(const char *json, struct dcg_job_params *ret, struct dcg_error *err);
/* JSON Schema (2020-12) of the request's object: one property a row, with default, range and
 * description; "x-presets" lists presets with their settings. */
cJSON *dcg_job_params_schema(void);

#endif
