#include "train/params_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cJSON writes 15 digits and takes them for enough when they are nearly right: where they
 * are not exactly right, give it the text. */
static cJSON *exact_number(double v)
{
	char text[32];
	snprintf(text, sizeof text, "%.15g", v);
	if (strtod(text, NULL) == v)
		return cJSON_CreateNumber(v);
	snprintf(text, sizeof text, "%.17g", v);
	return cJSON_CreateRaw(text);
}

int dcg_params_to_json(const struct dcg_param_row *rows, const void *base, cJSON *object)
{
	for (; rows->name; rows++) {
		const void *at = (const char *)base + rows->offset;
		cJSON *v = NULL;
		switch (rows->type) {
		case DCG_TYPE_INT: v = cJSON_CreateNumber(*(const int *)at); break;
		case DCG_TYPE_INT64: v = exact_number((double)*(const int64_t *)at); break;
		case DCG_TYPE_NUMBER: v = exact_number(*(const double *)at); break;
		case DCG_TYPE_BOOL: v = cJSON_CreateBool(*(const int *)at); break;
		case DCG_TYPE_CHOICE: v = cJSON_CreateString(rows->choices[*(const int *)at]); break;
		case DCG_TYPE_TEXT: v = cJSON_CreateString(at); break;
		}
		if (!v || !cJSON_AddItemToObject(object, rows->name, v)) {
			cJSON_Delete(v);
			return DCG_ENOMEM;
		}
	}
	return 0;
}

static int wrong(const struct dcg_param_row *row, const cJSON *value, struct dcg_error *err)
{
	char expected[256];
	char *found = cJSON_PrintUnformatted(value);
	dcg_error_set(err, DCG_EINVAL, "expected %s, found %.100s%s", dcg_param_expected(row, expected, sizeof expected),
		found ? found : "something else", found && strlen(found) > 100 ? "..." : "");
	free(found);
	return DCG_EINVAL;
}

int dcg_param_from_json(const struct dcg_param_row *row, void *base, const cJSON *value, struct dcg_error *err)
{
	char text[64];
	const char *s = text;
	switch (row->type) {
	case DCG_TYPE_INT:
	case DCG_TYPE_INT64:
		if (!cJSON_IsNumber(value) || floor(value->valuedouble) != value->valuedouble || fabs(value->valuedouble) > 0x1p53)
			return wrong(row, value, err);
		snprintf(text, sizeof text, "%.0f", value->valuedouble);
		break;
	case DCG_TYPE_NUMBER:
		if (!cJSON_IsNumber(value))
			return wrong(row, value, err);
		snprintf(text, sizeof text, "%.17g", value->valuedouble);
		break;
	case DCG_TYPE_BOOL:
		if (!cJSON_IsBool(value))
			return wrong(row, value, err);
		s = cJSON_IsTrue(value) ? "true" : "false";
		break;
	case DCG_TYPE_CHOICE:
	case DCG_TYPE_TEXT:
		if (!cJSON_IsString(value))
			return wrong(row, value, err);
		s = value->valuestring;
		break;
	}
	return dcg_param_set(row, base, s, NULL) ? wrong(row, value, err) : 0;
}

static cJSON *fallback_json(const struct dcg_param_row *row)
{
	switch (row->type) {
	case DCG_TYPE_INT:
	case DCG_TYPE_INT64:
	case DCG_TYPE_NUMBER: return cJSON_CreateNumber(strtod(row->fallback, NULL));
	case DCG_TYPE_BOOL: return cJSON_CreateBool(row->fallback[0] == 't');
	default: return cJSON_CreateString(row->fallback);
	}
}

cJSON *dcg_param_schema(const struct dcg_param_row *row)
{
	static const char *const types[] = {
		[DCG_TYPE_INT] = "integer", [DCG_TYPE_INT64] = "integer", [DCG_TYPE_NUMBER] = "number",
		[DCG_TYPE_BOOL] = "boolean", [DCG_TYPE_CHOICE] = "string", [DCG_TYPE_TEXT] = "string",
	};
	cJSON *o = cJSON_CreateObject(), *list;
	int number = row->type == DCG_TYPE_INT || row->type == DCG_TYPE_INT64 || row->type == DCG_TYPE_NUMBER;
	int ok = cJSON_AddStringToObject(o, "type", types[row->type]) && cJSON_AddStringToObject(o, "description", row->help);
	if (ok && row->choices) {
		ok = (list = cJSON_AddArrayToObject(o, "enum")) != NULL;
		for (int i = 0; ok && row->choices[i]; i++)
			ok = cJSON_AddItemToArray(list, number ? cJSON_CreateNumber(strtod(row->choices[i], NULL)) : cJSON_CreateString(row->choices[i]));
	} else if (ok && number) {
		ok = cJSON_AddNumberToObject(o, "minimum", row->min) && cJSON_AddNumberToObject(o, "maximum", row->max);
	} else if (ok && row->type == DCG_TYPE_TEXT) {
		ok = cJSON_AddNumberToObject(o, "minLength", row->min) && cJSON_AddNumberToObject(o, "maxLength", row->max);
	}
	if (ok && row->fallback) {
		cJSON *v = fallback_json(row);
		ok = v && cJSON_AddItemToObject(o, "default", v);
		if (!ok)
			cJSON_Delete(v);
	}
	if (!ok) {
		cJSON_Delete(o);
		return NULL;
	}
	return o;
}
