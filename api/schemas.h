/* JSON Schemas (2020-12) of what goes in and out, for /openapi.json. */
#ifndef DCG_API_SCHEMAS_H
#define DCG_API_SCHEMAS_H

struct dcg_schema {
	const char *name, *json;
};
extern const struct dcg_schema dcg_schemas[]; /* ends with a NULL name; JobRequest comes from jobs/ */

#endif
