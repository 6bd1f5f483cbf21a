#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/layout.h"
#include "train/metadata.h"
#include "train/safetensors.h"

struct dcg_snapshot {
	struct dcg_layout layout;
	size_t *at;                      /* of each row in values, in floats */
	float *values;                   /* an int64 takes the room of two */
	struct dcg_train_params params;  /* as of the last take */
	struct dcg_train_state state;
};

static struct dcg_net *network(struct dcg_gan *gan, int index)
{
	return index ? dcg_gan_d(gan) : dcg_gan_g(gan);
}

static void layers_of(const struct dcg_net *net, struct dcg_layers *ret)
{
	ret->count = dcg_net_layer_count(net);
	for (int i = 0; i < ret->count; i++)
		ret->layer[i] = *dcg_net_layer(net, i);
}

int dcg_snapshot_new(struct dcg_snapshot **ret, struct dcg_gan *gan, int with_average, struct dcg_error *err)
{
	struct dcg_layers g, d;
	size_t floats = 0;
	int r;
	struct dcg_snapshot *s = calloc(1, sizeof *s);
	if (!s)
		return dcg_error_set(err, DCG_ENOMEM, "checkpoint: out of memory");
	layers_of(dcg_gan_g(gan), &g);
	layers_of(dcg_gan_d(gan), &d);
	r = dcg_layout_new(&s->layout, &g, &d, with_average, err);
	if (r)
		goto fail;
	for (int i = 0; i < 2; i++) {
		r = dcg_layout_check(&s->layout, i, network(gan, i), err);
		if (r)
			goto fail;
	}
	s->at = calloc((size_t)s->layout.count, sizeof *s->at);
	for (int i = 0; s->at && i < s->layout.count; i++) {
		const struct dcg_layout_row *row = &s->layout.row[i];
		s->at[i] = floats;
		floats += row->kind == DCG_LAYOUT_TRACKED ? 2 * row->count : row->count;
	}
	s->values = s->at ? dcg_alloc(floats, sizeof *s->values) : NULL;
	if (!s->values) {
		r = dcg_error_set(err, DCG_ENOMEM, "checkpoint: no memory for a copy of %zu numbers", floats);
		goto fail;
	}
	*ret = s;
	return 0;
fail:
	dcg_snapshot_free(s);
	return r;
}

void dcg_snapshot_free(struct dcg_snapshot *s)
{
	if (!s)
		return;
	dcg_layout_done(&s->layout);
	dcg_free(s->values);
	free(s->at);
	free(s);
}

void dcg_snapshot_take(struct dcg_snapshot *s, struct dcg_gan *gan, const struct dcg_train_params *p, const struct dcg_train_state *state)
{
	s->params = *p;
	s->state = *state;
	for (int i = 0; i < s->layout.count; i++) {
		const struct dcg_layout_row *row = &s->layout.row[i];
		struct dcg_net *net = network(gan, row->network);
		if (row->kind == DCG_LAYOUT_TRACKED) {
			int64_t n = dcg_net_batches_tracked(net);
			memcpy(s->values + s->at[i], &n, sizeof n);
		} else {
			dcg_net_array_read(net, row->array, row->part, s->values + s->at[i]);
		}
	}
}

/* A checkpoint that cannot be gone on from is worse than none: it could replace a good one. */
static int check_finite(const struct dcg_snapshot *s, struct dcg_error *err)
{
	for (int i = 0; i < s->layout.count; i++) {
		const struct dcg_layout_row *row = &s->layout.row[i];
		const float *v = s->values + s->at[i];
		for (size_t j = 0; row->kind == DCG_LAYOUT_ARRAY && j < row->count; j++)
			if (!isfinite(v[j]))
				return dcg_error_set(err, DCG_ENONFINITE, "step %lld: %s[%zu] is %f", (long long)s->state.step, row->name, j, (double)v[j]);
	}
	return 0;
}

static int make_header(const struct dcg_snapshot *s, char **ret, size_t *ret_size, uint64_t *ret_total, struct dcg_error *err)
{
	char version[16];
	char *params = dcg_metadata_params(&s->params), *state = dcg_metadata_state(&s->state);
	struct dcg_safetensor *t = calloc((size_t)s->layout.count, sizeof *t);
	int r = DCG_ENOMEM;
	if (!params || !state || !t) {
		dcg_error_set(err, r, "checkpoint: out of memory");
		goto done;
	}
	snprintf(version, sizeof version, "%d", DCG_CHECKPOINT_VERSION);
	for (int i = 0; i < s->layout.count; i++) {
		const struct dcg_layout_row *row = &s->layout.row[i];
		memcpy(t[i].name, row->name, sizeof row->name);
		t[i].dtype = row->kind == DCG_LAYOUT_TRACKED ? DCG_DTYPE_I64 : DCG_DTYPE_F32;
		t[i].dims = row->dims;
		for (int d = 0; d < row->dims; d++)
			t[i].dim[d] = row->dim[d];
	}
	const char *const metadata[] = { "format", DCG_CHECKPOINT_FORMAT, "version", version, "params", params, "state", state, NULL };
	r = dcg_safetensors_header(t, (size_t)s->layout.count, metadata, ret, ret_size, err);
	if (!r)
		*ret_total = *ret_size + t[s->layout.count - 1].offset + t[s->layout.count - 1].size;
done:
	free(t);
	free(state);
	free(params);
	return r;
}

int dcg_snapshot_write(const struct dcg_snapshot *s, const char *path, uint64_t *ret_size, char hex[DCG_SHA256_HEX], struct dcg_error *err)
{
	struct dcg_file f;
	char *header, sum[DCG_SHA256_HEX];
	size_t header_size;
	uint64_t total;
	int r = check_finite(s, err);
	if (!r)
		r = make_header(s, &header, &header_size, &total, err);
	if (r)
		return r;
	r = dcg_file_begin(&f, path, total, err);
	if (r) {
		free(header);
		return r;
	}
	/* Rows lie in memory as they lie in the file. */
	r = dcg_file_write_all(f.fd, header, header_size, err);
	free(header);
	if (!r)
		r = dcg_file_write_all(f.fd, s->values, (size_t)(total - header_size), err);
	if (!r && lseek(f.fd, 0, SEEK_SET) < 0)
		r = dcg_error_set(err, DCG_EIO, "cannot go back to read it");
	if (!r)
		r = dcg_sha256_fd(f.fd, sum, err);
	if (r) {
		dcg_file_abort(&f);
		return dcg_error_prefix(err, r, "%s", path);
	}
	r = dcg_file_commit(&f, err);
	if (r)
		return r;
	if (ret_size)
		*ret_size = total;
	if (hex)
		memcpy(hex, sum, sizeof sum);
	return 0;
}
