#include "train/safetensors.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

static int add_metadata(cJSON *o, const char *const *metadata)
{
	cJSON *m = cJSON_AddObjectToObject(o, "__metadata__");
	for (; m && metadata[0]; metadata += 2)
		if (!cJSON_AddStringToObject(m, metadata[0], metadata[1]))
			return -1;
	return m ? 0 : -1;
}

static int add_tensor(cJSON *o, const struct dcg_safetensor *t)
{
	cJSON *v = cJSON_AddObjectToObject(o, t->name), *list;
	if (!v || !cJSON_AddStringToObject(v, "dtype", dcg_dtype_name(t->dtype)) || !(list = cJSON_AddArrayToObject(v, "shape")))
		return -1;
	for (int i = 0; i < t->dims; i++)
		if (!cJSON_AddItemToArray(list, cJSON_CreateNumber((double)t->dim[i])))
			return -1;
	list = cJSON_AddArrayToObject(v, "data_offsets");
	if (!list || !cJSON_AddItemToArray(list, cJSON_CreateNumber((double)t->offset)) ||
	    !cJSON_AddItemToArray(list, cJSON_CreateNumber((double)(t->offset + t->size))))
		return -1;
	return 0;
}

int dcg_safetensors_header(struct dcg_safetensor *t, size_t count, const char *const *metadata,
	char **ret, size_t *ret_size, struct dcg_error *err)
{
	char *json = NULL, *bytes = NULL;
	uint64_t offset = 0;
	cJSON *o = cJSON_CreateObject();
	int bad = !o || add_metadata(o, metadata);
	for (size_t i = 0; i < count && !bad; i++) {
		t[i].offset = offset;
		t[i].size = dcg_dtype_size(t[i].dtype);
		for (int d = 0; d < t[i].dims; d++)
			t[i].size *= (uint64_t)t[i].dim[d];
		offset += t[i].size;
		bad = add_tensor(o, &t[i]);
	}
	if (!bad)
		json = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	size_t length = json ? strlen(json) : 0, padded = (length + 7) / 8 * 8;
	if (json)
		bytes = malloc(8 + padded);
	if (!bytes) {
		free(json);
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	}
	uint64_t n = htole64(padded);
	memcpy(bytes, &n, 8);
	memcpy(bytes + 8, json, length);
	memset(bytes + 8 + length, ' ', padded - length);
	free(json);
	*ret = bytes;
	*ret_size = 8 + padded;
	return 0;
}
