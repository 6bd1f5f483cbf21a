/* The safetensors format: named arrays behind one JSON header.
 *
 *   8 bytes   length n of the header, little-endian
 *   n bytes   {"__metadata__": {"key": "text", ...},
 *              "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *   the rest  the arrays, little-endian, one after another in the order of their offsets
 *
 * The reader believes nothing: the arrays must tile the rest of the file exactly (no
 * overlap, no hole, nothing left over), each as long as its shape says, under a name
 * given once. It reads rather than maps, so that a file cut short under it is an error
 * and not a signal. Only what dcgand writes is read: F32 and I64, up to 8 dimensions.
 *
 * Any thread; one struct, one thread at a time.
 */
#ifndef DCG_TRAIN_SAFETENSORS_H
#define DCG_TRAIN_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum dcg_dtype { DCG_DTYPE_F32, DCG_DTYPE_I64 };
enum {
	DCG_SAFETENSORS_DIMS = 8,
	DCG_SAFETENSORS_NAME = 128,            /* a name with its NUL: printable ASCII */
	DCG_SAFETENSORS_HEADER = 1024 * 1024,  /* most bytes of a header */
};

struct dcg_safetensor {
	char name[DCG_SAFETENSORS_NAME];
	enum dcg_dtype dtype;
	int dims;
	int64_t dim[DCG_SAFETENSORS_DIMS];
	uint64_t offset, size; /* bytes, from the end of the header */
};

const char *dcg_dtype_name(enum dcg_dtype dtype); /* "F32" */
size_t dcg_dtype_size(enum dcg_dtype dtype);

struct dcg_safetensors;

/* Opens and checks the header; err names the path. */
int dcg_safetensors_open(struct dcg_safetensors **ret, const char *path, struct dcg_error *err);
void dcg_safetensors_close(struct dcg_safetensors *s);
size_t dcg_safetensors_count(const struct dcg_safetensors *s);
/* In the order of their names. */
const struct dcg_safetensor *dcg_safetensors_at(const struct dcg_safetensors *s, size_t i);
/* NULL if there is none. */
const struct dcg_safetensor *dcg_safetensors_find(const struct dcg_safetensors *s, const char *name);
const char *dcg_safetensors_metadata(const struct dcg_safetensors *s, const char *key);
/* The array's size bytes. */
int dcg_safetensors_read(const struct dcg_safetensors *s, const struct dcg_safetensor *t, void *out, struct dcg_error *err);

/* The file's first bytes for these arrays, which follow in this order: offset and size of
 * each are filled in. metadata: key, text, key, text, ..., NULL. Malloc'd; padded with
 * blanks so that the arrays start at a multiple of 8. */
int dcg_safetensors_header(struct dcg_safetensor *t, size_t count, const char *const *metadata,
	char **ret, size_t *ret_size, struct dcg_error *err);

#endif
