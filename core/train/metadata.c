/* Counters are decimal texts in the JSON, for a double would lose bits of them. */
#include "train/metadata.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "train/params_json.h"

/* Steps and the like stay below this, so that sums and products of a few of them cannot
 * overflow: 2^53, as in the parameters. */
#define MOST (UINT64_C(1) << 53)

/* --- Writing ------------------------------------------------------------------------- */

char *dcg_metadata_params(const struct dcg_train_params *p)
{
	char *text = NULL;
	cJSON *o = cJSON_CreateObject();
	if (o && !dcg_params_to_json(dcg_train_rows, p, o))
		text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

static int add_counter(cJSON *o, const char *name, uint64_t v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, v);
	return cJSON_AddStringToObject(o, name, text) != NULL;
}

char *dcg_metadata_state(const struct dcg_train_state *s)
{
	char *text = NULL;
	cJSON *o = cJSON_CreateObject();
	if (o && add_counter(o, "step", (uint64_t)s->step) && add_counter(o, "epoch", (uint64_t)s->epoch) &&
	    add_counter(o, "epoch_steps", (uint64_t)s->epoch_steps) &&
	    add_counter(o, "updates_g", (uint64_t)s->updates_g) && add_counter(o, "updates_d", (uint64_t)s->updates_d) &&
	    add_counter(o, "z_seed", s->z.seed) && add_counter(o, "z_stream", s->z.stream) && add_counter(o, "z_counter", s->z.counter) &&
	    add_counter(o, "count", s->count) &&
	    cJSON_AddStringToObject(o, "fingerprint", s->fingerprint) && cJSON_AddStringToObject(o, "kernel", s->kernel))
		text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

/* --- Reading ------------------------------------------------------------------------- */

/* Decimal digits only, no sign, no leading zero. */
static int parse_counter(const char *text, uint64_t most, uint64_t *ret)
{
	char *end;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || text[digits] || (text[0] == '0' && digits > 1))
		return -1;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || v > most)
		return -1;
	*ret = v;
	return 0;
}

int dcg_metadata_check_format(const char *format, const char *version, struct dcg_error *err)
{
	uint64_t v;
	if (!format || strcmp(format, DCG_CHECKPOINT_FORMAT) != 0)
		return dcg_error_set(err, DCG_EFORMAT, "a safetensors file, but not a checkpoint of dcgand");
	if (!version || parse_counter(version, MOST, &v) || v == 0)
		return dcg_error_set(err, DCG_EFORMAT, "the checkpoint's version is not a number");
	if (v > DCG_CHECKPOINT_VERSION)
		return dcg_error_set(err, DCG_EVERSION, "a checkpoint of version %llu, this program reads up to %d",
			(unsigned long long)v, DCG_CHECKPOINT_VERSION);
	return 0;
}

/* The object in json; what stands for it in messages. */
static cJSON *parse_object(const char *json, const char *what, struct dcg_error *err)
{
	cJSON *o = json ? cJSON_ParseWithOpts(json, NULL, 1) : NULL;
	if (cJSON_IsObject(o))
		return o;
	cJSON_Delete(o);
	dcg_error_set(err, DCG_EFORMAT, "%s: %s", what, json ? "not a JSON object" : "missing");
	return NULL;
}

int dcg_metadata_parse_params(const char *json, struct dcg_train_params *ret, struct dcg_error *err)
{
	struct dcg_train_params p;
	const struct dcg_param_row *row = dcg_train_rows;
	cJSON *o = parse_object(json, "params", err);
	int r = o ? 0 : DCG_EFORMAT, rows = 0;
	memset(&p, 0, sizeof p);
	for (; !r && row->name; row++, rows++) {
		struct dcg_error why;
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, row->name);
		if (!v)
			r = dcg_error_set(err, DCG_EFORMAT, "params: %s is missing", row->name);
		else if (dcg_param_from_json(row, &p, v, &why))
			r = dcg_error_set(err, DCG_EFORMAT, "params: %s: %s", row->name, why.text);
	}
	if (!r && cJSON_GetArraySize(o) != rows)
		r = dcg_error_set(err, DCG_EFORMAT, "params: %d fields, expected %d", cJSON_GetArraySize(o), rows);
	cJSON_Delete(o);
	if (!r)
		*ret = p;
	return r;
}

static int get_counter(const cJSON *o, const char *name, uint64_t most, uint64_t *ret, struct dcg_error *err)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
	if (!cJSON_IsString(v) || parse_counter(v->valuestring, most, ret))
		return dcg_error_set(err, DCG_EFORMAT, "state: %s: expected a text of a whole number from 0 to %" PRIu64, name, most);
	return 0;
}

static int get_steps(const cJSON *o, const char *name, int64_t *ret, struct dcg_error *err)
{
	uint64_t v;
	int r = get_counter(o, name, MOST, &v, err);
	if (!r)
		*ret = (int64_t)v;
	return r;
}

/* At most size - 1 characters of those allowed. */
static int get_text(const cJSON *o, const char *name, const char *allowed, char *ret, size_t size, struct dcg_error *err)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
	if (!cJSON_IsString(v) || strlen(v->valuestring) >= size || v->valuestring[strspn(v->valuestring, allowed)])
		return dcg_error_set(err, DCG_EFORMAT, "state: %s: expected a text of at most %zu of the characters %s", name, size - 1, allowed);
	memcpy(ret, v->valuestring, strlen(v->valuestring) + 1);
	return 0;
}

int dcg_metadata_parse_state(const char *json, struct dcg_train_state *ret, struct dcg_error *err)
{
	struct dcg_train_state s;
	uint64_t count = 0;
	int r;
	cJSON *o = parse_object(json, "state", err);
	if (!o)
		return DCG_EFORMAT;
	memset(&s, 0, sizeof s);
	if ((r = get_steps(o, "step", &s.step, err)) || (r = get_steps(o, "epoch", &s.epoch, err)) ||
	    (r = get_steps(o, "epoch_steps", &s.epoch_steps, err)) ||
	    (r = get_steps(o, "updates_g", &s.updates_g, err)) || (r = get_steps(o, "updates_d", &s.updates_d, err)) ||
	    (r = get_counter(o, "z_seed", UINT64_MAX, &s.z.seed, err)) ||
	    (r = get_counter(o, "z_stream", UINT64_MAX, &s.z.stream, err)) ||
	    (r = get_counter(o, "z_counter", UINT64_MAX, &s.z.counter, err)) ||
	    (r = get_counter(o, "count", UINT32_MAX, &count, err)) ||
	    (r = get_text(o, "fingerprint", "0123456789abcdef", s.fingerprint, sizeof s.fingerprint, err)) ||
	    (r = get_text(o, "kernel", "abcdefghijklmnopqrstuvwxyz0123456789_-", s.kernel, sizeof s.kernel, err)))
		goto done;
	if (cJSON_GetArraySize(o) != 11)
		r = dcg_error_set(err, DCG_EFORMAT, "state: %d fields, expected 11", cJSON_GetArraySize(o));
	else if (s.step < s.epoch || s.step < s.epoch_steps)
		r = dcg_error_set(err, DCG_EFORMAT, "state: %" PRId64 " steps cannot hold %" PRId64 " epochs and %" PRId64 " steps",
			s.step, s.epoch, s.epoch_steps);
	else
		s.count = (uint32_t)count;
done:
	cJSON_Delete(o);
	if (!r)
		*ret = s;
	return r;
}
