#include "jobs/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/params_json.h"

#define AT(field) offsetof(struct dcg_job_params, field)

const struct dcg_param_row dcg_job_rows[] = {
	{ "dataset", DCG_TYPE_TEXT, AT(dataset), 1, DCG_PARAM_TEXT - 1, NULL, NULL, "Data set to learn from: one of those that GET /datasets lists." },
	{ "name", DCG_TYPE_TEXT, AT(name), 0, DCG_PARAM_TEXT - 1, "", NULL, "A name for people; it need not be unique." },
	{ "priority", DCG_TYPE_INT, AT(priority), -100, 100, "0", NULL, "Jobs of a higher priority leave the queue first." },
	{ "from_checkpoint", DCG_TYPE_INT64, AT(from_checkpoint), 0, 9007199254740991.0, "0", NULL, "Checkpoint whose weights the job starts with; 0 for fresh ones." },
	{ NULL },
};

/* The row of a member's name and the struct its offset is of. */
static const struct dcg_param_row *find(const char *name, struct dcg_job_params *p, void **ret_base)
{
	const struct dcg_param_row *row = dcg_param_find(dcg_job_rows, name);
	*ret_base = p;
	if (!row) {
		row = dcg_param_find(dcg_train_rows, name);
		*ret_base = &p->train;
	}
	return row;
}

static void defaults(struct dcg_job_params *p, const char *preset)
{
	memset(p, 0, sizeof *p);
	for (const struct dcg_param_row *row = dcg_job_rows; row->name; row++)
		if (row->fallback)
			dcg_param_set(row, p, row->fallback, NULL);
	dcg_train_params_init(&p->train, preset, NULL);
}

/* Everything in body over the defaults of its preset. A preset that does not exist counts
 * as the default one, so that the other fields are judged all the same. */
static void fill(const cJSON *body, struct dcg_job_params *p, int skip_unknown, struct dcg_invalid *inv)
{
	const struct dcg_param_row *preset_row = dcg_param_find(dcg_train_rows, "preset");
	struct dcg_train_params chosen = { .preset = "" };
	const cJSON *preset = cJSON_GetObjectItemCaseSensitive(body, "preset");
	if (!preset || dcg_param_from_json(preset_row, &chosen, preset, NULL))
		dcg_param_set(preset_row, &chosen, preset_row->fallback, NULL);
	defaults(p, chosen.preset);

	const cJSON *m;
	cJSON_ArrayForEach(m, body) {
		struct dcg_error why;
		void *base;
		const struct dcg_param_row *row = find(m->string, p, &base);
		if (!row && skip_unknown)
			continue;
		if (!row)
			dcg_invalid_member(inv, m->string, "unknown field");
		else if (dcg_json_repeated(body, m))
			dcg_invalid_member(inv, m->string, "given twice");
		else if (dcg_param_from_json(row, base, m, &why))
			dcg_invalid_member(inv, m->string, "%s", why.text);
		else if (row->type == DCG_TYPE_TEXT && !dcg_text_valid((const char *)base + row->offset))
			dcg_invalid_member(inv, m->string, "expected UTF-8 without control characters");
	}
	if (!p->dataset[0])
		dcg_invalid_member(inv, "dataset", "required: the name of a data set");
}

int dcg_job_params_judge(const cJSON *body, struct dcg_job_params *p, struct dcg_invalid *inv)
{
	dcg_invalid_init(inv);
	if (!cJSON_IsObject(body))
		return dcg_invalid_fail(inv, DCG_EINVAL, "expected an object of parameters");
	fill(body, p, 0, inv);
	if (p->train.size && p->train.channels) /* else they wait for the data set */
		dcg_job_params_check(p, inv);
	return 0;
}

void dcg_job_params_check(const struct dcg_job_params *p, struct dcg_invalid *inv)
{
	const struct dcg_train_params *t = &p->train;
	const char *field;
	struct dcg_error why;
	double weights, batch, have = dcg_machine_memory(), gib = 1024.0 * 1024 * 1024;
	if (dcg_train_params_check(t, &field, &why))
		dcg_invalid_member(inv, field, "%s", why.text);
	/* Linux would promise the memory all the same, and kill us when it is touched. */
	else if (!dcg_job_memory(t, &weights, &batch, NULL) && weights + batch > have)
		dcg_invalid_member(inv, weights < batch ? "batch_size" : t->ngf >= t->ndf ? "ngf" : "ndf",
			"expected a network that fits into memory: this one takes about %.1f GiB (%.1f for its weights, %.1f for a minibatch), the machine has %.1f",
			(weights + batch) / gib, weights / gib, batch / gib, have / gib);
}

int dcg_job_params_parse(const cJSON *body, struct dcg_job_params *ret, struct dcg_invalid *inv)
{
	struct dcg_job_params p;
	int r = dcg_job_params_judge(body, &p, inv);
	if (!r)
		r = dcg_invalid_close(inv);
	if (!r)
		*ret = p;
	return r;
}

cJSON *dcg_job_params_json(const struct dcg_job_params *p)
{
	cJSON *o = cJSON_CreateObject();
	if (o && !dcg_params_to_json(dcg_job_rows, p, o) && !dcg_params_to_json(dcg_train_rows, &p->train, o))
		return o;
	cJSON_Delete(o);
	return NULL;
}

int dcg_job_params_load(const char *json, struct dcg_job_params *ret, struct dcg_error *err)
{
	struct dcg_job_params p;
	struct dcg_invalid inv;
	cJSON *o = cJSON_Parse(json);
	if (!cJSON_IsObject(o)) {
		cJSON_Delete(o);
		return dcg_error_set(err, DCG_EFORMAT, "the stored parameters are not a JSON object");
	}
	dcg_invalid_init(&inv);
	fill(o, &p, 1, &inv); /* a later version may have written fields that we do not know */
	cJSON_Delete(o);
	if (inv.count)
		return dcg_error_set(err, DCG_EFORMAT, "the stored parameters: %s: %s", inv.field[0].pointer, inv.field[0].detail);
	*ret = p;
	return 0;
}

static int add_rows(cJSON *properties, const struct dcg_param_row *rows)
{
	for (; rows->name; rows++) {
		cJSON *schema = dcg_param_schema(rows);
		if (!schema || !cJSON_AddItemToObject(properties, rows->name, schema)) {
			cJSON_Delete(schema);
			return 0;
		}
	}
	return 1;
}

/* [{"name", "description", "settings": {...}}]: what a form fills in for a preset. */
static int add_presets(cJSON *schema)
{
	cJSON *list = cJSON_AddArrayToObject(schema, "x-presets");
	for (const struct dcg_preset *ps = dcg_presets; ps->name; ps++) {
		struct dcg_train_params p;
		cJSON *o = cJSON_CreateObject(), *all = cJSON_CreateObject(), *settings;
		int ok = list && o && cJSON_AddItemToArray(list, o);
		if (!ok)
			cJSON_Delete(o);
		ok = ok && !dcg_train_params_init(&p, ps->name, NULL) && all && !dcg_params_to_json(dcg_train_rows, &p, all) &&
			cJSON_AddStringToObject(o, "name", ps->name) && cJSON_AddStringToObject(o, "description", ps->help) &&
			(settings = cJSON_AddObjectToObject(o, "settings"));
		for (const char *const *s = ps->settings; ok && s[0]; s += 2) {
			cJSON *v = cJSON_DetachItemFromObjectCaseSensitive(all, s[0]);
			ok = v && cJSON_AddItemToObject(settings, s[0], v);
			if (!ok)
				cJSON_Delete(v);
		}
		cJSON_Delete(all);
		if (!ok)
			return 0;
	}
	return list != NULL;
}

cJSON *dcg_job_params_schema(void)
{
	cJSON *o = cJSON_CreateObject(), *required = NULL, *name = NULL, *properties = NULL;
	if (cJSON_AddStringToObject(o, "$schema", "https://json-schema.org/draft/2020-12/schema") &&
	    cJSON_AddStringToObject(o, "title", "Parameters of a job") && cJSON_AddStringToObject(o, "type", "object") &&
	    (properties = cJSON_AddObjectToObject(o, "properties")) && add_rows(properties, dcg_job_rows) && add_rows(properties, dcg_train_rows) &&
	    (required = cJSON_AddArrayToObject(o, "required")) && (name = cJSON_CreateString("dataset")) && cJSON_AddItemToArray(required, name) &&
	    cJSON_AddFalseToObject(o, "additionalProperties") && add_presets(o))
		return o;
	cJSON_Delete(o);
	return NULL;
}
