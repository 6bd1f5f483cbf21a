#include "train/safetensors.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are written as they lie in memory: this needs a little-endian machine"
#endif

struct dcg_safetensors {
	int fd;
	char *path;
	uint64_t data_at, data_size; /* where the arrays lie in the file */
	cJSON *json;                 /* the header; owns the metadata's texts */
	const cJSON *metadata;       /* in json, or NULL */
	size_t count;
	struct dcg_safetensor *tensor; /* by name */
};

static const char *const dtype_names[] = { [DCG_DTYPE_F32] = "F32", [DCG_DTYPE_I64] = "I64" };
static const size_t dtype_sizes[] = { [DCG_DTYPE_F32] = 4, [DCG_DTYPE_I64] = 8 };
enum { DTYPES = sizeof dtype_names / sizeof *dtype_names };

const char *dcg_dtype_name(enum dcg_dtype dtype)
{
	return dtype_names[dtype];
}

size_t dcg_dtype_size(enum dcg_dtype dtype)
{
	return dtype_sizes[dtype];
}

static int read_at(const struct dcg_safetensors *s, uint64_t at, void *out, size_t size, struct dcg_error *err)
{
	char *p = out;
	while (size) {
		ssize_t n = pread(s->fd, p, size, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dcg_error_sys(err, errno, "%s: cannot read at byte %llu", s->path, (unsigned long long)at);
		if (n == 0)
			return dcg_error_set(err, DCG_EFORMAT, "%s: ends at byte %llu, %zu more expected", s->path, (unsigned long long)at, size);
		p += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* A whole number from 0 to 2^53, the largest that every JSON number can carry. */
static int whole(const cJSON *v, uint64_t *ret)
{
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0) || v->valuedouble > 0x1p53 || floor(v->valuedouble) != v->valuedouble)
		return -1;
	*ret = (uint64_t)v->valuedouble;
	return 0;
}

static int good_name(const char *name)
{
	size_t n = 0;
	for (; name[n]; n++)
		if (name[n] < 0x20 || name[n] > 0x7e || n + 1 >= DCG_SAFETENSORS_NAME)
			return 0;
	return n > 0;
}

static int parse_dtype(const cJSON *v, struct dcg_safetensor *t, struct dcg_error *err)
{
	if (!cJSON_IsString(v))
		return dcg_error_set(err, DCG_EFORMAT, "its dtype is not a text");
	for (int i = 0; i < DTYPES; i++)
		if (strcmp(v->valuestring, dtype_names[i]) == 0) {
			t->dtype = (enum dcg_dtype)i;
			return 0;
		}
	for (const char *c = v->valuestring; *c; c++) /* it goes into a message */
		if (*c < 0x20 || *c > 0x7e)
			return dcg_error_set(err, DCG_EFORMAT, "its dtype is no name");
	return dcg_error_set(err, DCG_EUNSUPPORTED, "its dtype is %.16s, expected F32 or I64", v->valuestring);
}

/* The shape, and the bytes it takes. */
static int parse_shape(const cJSON *v, struct dcg_safetensor *t, uint64_t *ret_bytes, struct dcg_error *err)
{
	uint64_t bytes = dtype_sizes[t->dtype], d;
	const cJSON *item;
	if (!cJSON_IsArray(v))
		return dcg_error_set(err, DCG_EFORMAT, "its shape is not a list");
	t->dims = 0;
	cJSON_ArrayForEach(item, v) {
		if (t->dims == DCG_SAFETENSORS_DIMS)
			return dcg_error_set(err, DCG_EUNSUPPORTED, "its shape has more than %d dimensions", DCG_SAFETENSORS_DIMS);
		if (whole(item, &d))
			return dcg_error_set(err, DCG_EFORMAT, "dimension %d of its shape is not a size", t->dims);
		if (__builtin_mul_overflow(bytes, d, &bytes))
			return dcg_error_set(err, DCG_EFORMAT, "its shape has more elements than can be counted");
		t->dim[t->dims++] = (int64_t)d;
	}
	*ret_bytes = bytes;
	return 0;
}

static int parse_tensor(const struct dcg_safetensors *s, const cJSON *v, struct dcg_safetensor *t, struct dcg_error *err)
{
	const cJSON *dtype = NULL, *shape = NULL, *offsets = NULL, *item;
	uint64_t begin, end, bytes = 0;
	if (!cJSON_IsObject(v))
		return dcg_error_set(err, DCG_EFORMAT, "expected an object");
	cJSON_ArrayForEach(item, v) {
		const cJSON **field = strcmp(item->string, "dtype") == 0 ? &dtype :
			strcmp(item->string, "shape") == 0 ? &shape :
			strcmp(item->string, "data_offsets") == 0 ? &offsets : NULL;
		if (!field || *field)
			return dcg_error_set(err, DCG_EFORMAT, "%s", field ? "a field is given twice" : "it has a field of unknown name");
		*field = item;
	}
	int r = parse_dtype(dtype, t, err);
	if (!r)
		r = parse_shape(shape, t, &bytes, err);
	if (r)
		return r;
	if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
	    whole(offsets->child, &begin) || whole(offsets->child->next, &end))
		return dcg_error_set(err, DCG_EFORMAT, "its data_offsets are not two positions");
	if (begin > end || end > s->data_size)
		return dcg_error_set(err, DCG_EFORMAT, "its data_offsets %llu to %llu are not within the file's %llu bytes of arrays",
			(unsigned long long)begin, (unsigned long long)end, (unsigned long long)s->data_size);
	if (end - begin != bytes)
		return dcg_error_set(err, DCG_EFORMAT, "its shape takes %llu bytes, its data_offsets give it %llu",
			(unsigned long long)bytes, (unsigned long long)(end - begin));
	t->offset = begin;
	t->size = bytes;
	return 0;
}

static int parse_metadata(struct dcg_safetensors *s, const cJSON *v, struct dcg_error *err)
{
	const cJSON *item, *other;
	if (s->metadata)
		return dcg_error_set(err, DCG_EFORMAT, "__metadata__ is given twice");
	if (!cJSON_IsObject(v))
		return dcg_error_set(err, DCG_EFORMAT, "__metadata__ is not an object");
	int count = 0;
	cJSON_ArrayForEach(item, v) {
		if (!cJSON_IsString(item))
			return dcg_error_set(err, DCG_EFORMAT, "__metadata__ holds something that is not a text");
		if (++count > 64)
			return dcg_error_set(err, DCG_EUNSUPPORTED, "__metadata__ has more than 64 texts");
		for (other = item->next; other; other = other->next)
			if (strcmp(other->string, item->string) == 0)
				return dcg_error_set(err, DCG_EFORMAT, "__metadata__ gives a text twice");
	}
	s->metadata = v;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dcg_safetensor *)a)->name, ((const struct dcg_safetensor *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
	const struct dcg_safetensor *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size); /* empty ones first */
}

/* Do the arrays tile the data, each under a name of its own? Leaves them sorted by name. */
static int check_tiling(struct dcg_safetensors *s, struct dcg_error *err)
{
	uint64_t end = 0;
	qsort(s->tensor, s->count, sizeof *s->tensor, by_offset);
	for (size_t i = 0; i < s->count; i++) {
		const struct dcg_safetensor *t = &s->tensor[i];
		if (t->offset != end)
			return dcg_error_set(err, DCG_EFORMAT, "%s begins at byte %llu of the arrays, expected %llu (%s)", t->name,
				(unsigned long long)t->offset, (unsigned long long)end, t->offset < end ? "they overlap" : "there is a hole");
		end += t->size;
	}
	if (end != s->data_size)
		return dcg_error_set(err, DCG_EFORMAT, "the arrays take %llu bytes, the file has %llu for them",
			(unsigned long long)end, (unsigned long long)s->data_size);
	qsort(s->tensor, s->count, sizeof *s->tensor, by_name);
	for (size_t i = 1; i < s->count; i++)
		if (strcmp(s->tensor[i - 1].name, s->tensor[i].name) == 0)
			return dcg_error_set(err, DCG_EFORMAT, "%s is given twice", s->tensor[i].name);
	return 0;
}

static int parse_header(struct dcg_safetensors *s, const char *text, size_t size, struct dcg_error *err)
{
	const cJSON *item;
	const char *end;
	if (memchr(text, '\0', size))
		return dcg_error_set(err, DCG_EFORMAT, "the header holds a NUL byte");
	s->json = cJSON_ParseWithLengthOpts(text, size, &end, 0);
	if (!s->json || !cJSON_IsObject(s->json))
		return dcg_error_set(err, DCG_EFORMAT, "the header is not a JSON object");
	for (; end < text + size; end++)
		if (*end != ' ')
			return dcg_error_set(err, DCG_EFORMAT, "something follows the header's JSON at byte %zu", (size_t)(end - text) + 8);
	s->tensor = calloc((size_t)cJSON_GetArraySize(s->json) + 1, sizeof *s->tensor);
	if (!s->tensor)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	cJSON_ArrayForEach(item, s->json) {
		int r;
		if (strcmp(item->string, "__metadata__") == 0) {
			r = parse_metadata(s, item, err);
		} else if (!good_name(item->string)) {
			r = dcg_error_set(err, DCG_EFORMAT, "the name of array %zu is not 1 to %d printable ASCII characters",
				s->count, DCG_SAFETENSORS_NAME - 1);
		} else {
			struct dcg_safetensor *t = &s->tensor[s->count++];
			snprintf(t->name, sizeof t->name, "%s", item->string);
			r = parse_tensor(s, item, t, err);
			if (r)
				dcg_error_prefix(err, r, "%s", t->name);
		}
		if (r)
			return r;
	}
	return check_tiling(s, err);
}

/* The header's JSON text, malloc'd, and the place of the arrays. */
static int read_header(struct dcg_safetensors *s, char **ret, size_t *ret_size, struct dcg_error *err)
{
	struct stat st;
	uint64_t n;
	if (fstat(s->fd, &st) < 0)
		return dcg_error_sys(err, errno, "%s: cannot stat", s->path);
	if (!S_ISREG(st.st_mode))
		return dcg_error_set(err, DCG_EINVAL, "%s: not a regular file", s->path);
	if (st.st_size < 8)
		return dcg_error_set(err, DCG_EFORMAT, "%s: %lld bytes, too short for a safetensors file", s->path, (long long)st.st_size);
	int r = read_at(s, 0, &n, sizeof n, err);
	if (r)
		return r;
	n = le64toh(n);
	if (n > DCG_SAFETENSORS_HEADER)
		return dcg_error_set(err, DCG_EFORMAT, "%s: a header of %llu bytes, at most %d expected", s->path, (unsigned long long)n, DCG_SAFETENSORS_HEADER);
	if (n > (uint64_t)st.st_size - 8)
		return dcg_error_set(err, DCG_EFORMAT, "%s: a header of %llu bytes in a file of %lld", s->path, (unsigned long long)n, (long long)st.st_size);
	char *text = calloc(1, (size_t)n + 8); /* NULs behind it: cJSON peeks past the end of unclosed objects */
	if (!text)
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", s->path);
	r = read_at(s, 8, text, (size_t)n, err);
	if (r) {
		free(text);
		return r;
	}
	s->data_at = 8 + n;
	s->data_size = (uint64_t)st.st_size - 8 - n;
	*ret = text;
	*ret_size = (size_t)n;
	return 0;
}

int dcg_safetensors_open(struct dcg_safetensors **ret, const char *path, struct dcg_error *err)
{
	char *text = NULL;
	size_t size = 0;
	int r;
	struct dcg_safetensors *s = calloc(1, sizeof *s);
	if (!s || !(s->path = strdup(path))) {
		free(s);
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", path);
	}
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not hold us up */
	if (s->fd < 0) {
		r = dcg_error_sys(err, errno, "%s: cannot open", path);
		goto fail;
	}
	r = read_header(s, &text, &size, err);
	if (r)
		goto fail;
	r = parse_header(s, text, size, err);
	if (r) {
		dcg_error_prefix(err, r, "%s", path);
		goto fail;
	}
	free(text);
	*ret = s;
	return 0;
fail:
	free(text);
	dcg_safetensors_close(s);
	return r;
}

void dcg_safetensors_close(struct dcg_safetensors *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	cJSON_Delete(s->json);
	free(s->tensor);
	free(s->path);
	free(s);
}

size_t dcg_safetensors_count(const struct dcg_safetensors *s)
{
	return s->count;
}

const struct dcg_safetensor *dcg_safetensors_at(const struct dcg_safetensors *s, size_t i)
{
	return &s->tensor[i];
}

const struct dcg_safetensor *dcg_safetensors_find(const struct dcg_safetensors *s, const char *name)
{
	size_t lo = 0, hi = s->count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(s->tensor[mid].name, name);
		if (c == 0)
			return &s->tensor[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const char *dcg_safetensors_metadata(const struct dcg_safetensors *s, const char *key)
{
	const cJSON *v = s->metadata ? cJSON_GetObjectItemCaseSensitive(s->metadata, key) : NULL;
	return v ? v->valuestring : NULL;
}

int dcg_safetensors_read(const struct dcg_safetensors *s, const struct dcg_safetensor *t, void *out, struct dcg_error *err)
{
	return read_at(s, s->data_at + t->offset, out, (size_t)t->size, err);
}
