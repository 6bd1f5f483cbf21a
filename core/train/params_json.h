/* Parameter tables to and from JSON. One of the two places in core that know cJSON,
 * because a checkpoint's header is JSON. Pure functions; any thread. */
#ifndef DCG_TRAIN_PARAMS_JSON_H
#define DCG_TRAIN_PARAMS_JSON_H

#include <cjson/cJSON.h>

#include "train/params.h"

/* Add every row of base to object. DCG_ENOMEM on failure. */
int dcg_params_to_json(const struct dcg_param_row *rows, const void *base, cJSON *object);
/* Set one field from a JSON value; DCG_EINVAL: "expected ..., found ...". */
int dcg_param_from_json(const struct dcg_param_row *row, void *base, const cJSON *value, struct dcg_error *err);
/* {"type": ..., "minimum": ..., "default": ..., "description": ...} of a row, JSON Schema
 * 2020-12; NULL when out of memory. */
cJSON *dcg_param_schema(const struct dcg_param_row *row);

#endif
