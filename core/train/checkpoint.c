#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/layout.h"
#include "train/metadata.h"
#include "train/safetensors.h"

struct dcg_checkpoint {
	char *path;
	struct dcg_safetensors *file;
	struct dcg_layout layout; /* what the parameters imply; the file has exactly this */
	struct dcg_train_params params;
	struct dcg_train_state state;
	int has_average;
};

/* --- Opening ------------------------------------------------------------------------- */

static int check_row(const struct dcg_layout_row *row, const struct dcg_safetensor *t, struct dcg_error *err)
{
	enum dcg_dtype dtype = row->kind == DCG_LAYOUT_TRACKED ? DCG_DTYPE_I64 : DCG_DTYPE_F32;
	if (!t)
		return dcg_error_set(err, DCG_EFORMAT, "%s is missing", row->name);
	if (t->dtype != dtype)
		return dcg_error_set(err, DCG_EFORMAT, "%s is of %s, expected %s", row->name, dcg_dtype_name(t->dtype), dcg_dtype_name(dtype));
	if (t->dims != row->dims)
		return dcg_error_set(err, DCG_EFORMAT, "%s has %d dimensions, expected %d", row->name, t->dims, row->dims);
	for (int d = 0; d < row->dims; d++)
		if (t->dim[d] != row->dim[d])
			return dcg_error_set(err, DCG_EFORMAT, "%s: dimension %d is %lld, expected %d", row->name, d, (long long)t->dim[d], row->dim[d]);
	return 0;
}

/* Exactly the arrays that the parameters imply: G's averages are there or not as the first
 * of them is. */
static int check_arrays(struct dcg_checkpoint *c, struct dcg_error *err)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(&c->params);
	struct dcg_layers g, d;
	int r = dcg_arch_generator(&cfg.arch, &g, err);
	if (!r)
		r = dcg_arch_discriminator(&cfg.arch, &d, err);
	if (r) {
		dcg_error_prefix(err, r, "params");
		return DCG_EFORMAT;
	}
	c->has_average = c->params.ema > 0;
	r = dcg_layout_new(&c->layout, &g, &d, c->has_average, err);
	for (int i = 0; !r && i < c->layout.count; i++)
		r = check_row(&c->layout.row[i], dcg_safetensors_find(c->file, c->layout.row[i].name), err);
	if (!r && dcg_safetensors_count(c->file) != (size_t)c->layout.count)
		r = dcg_error_set(err, DCG_EFORMAT, "%zu arrays, expected %d", dcg_safetensors_count(c->file), c->layout.count);
	return r;
}

int dcg_checkpoint_open(struct dcg_checkpoint **ret, const char *path, struct dcg_error *err)
{
	struct dcg_checkpoint *c = calloc(1, sizeof *c);
	if (!c || !(c->path = strdup(path))) {
		free(c);
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", path);
	}
	int r = dcg_safetensors_open(&c->file, path, err);
	if (r)
		goto fail; /* names the path itself */
	if ((r = dcg_metadata_check_format(dcg_safetensors_metadata(c->file, "format"), dcg_safetensors_metadata(c->file, "version"), err)) ||
	    (r = dcg_metadata_parse_params(dcg_safetensors_metadata(c->file, "params"), &c->params, err)) ||
	    (r = dcg_metadata_parse_state(dcg_safetensors_metadata(c->file, "state"), &c->state, err)) ||
	    (r = check_arrays(c, err))) {
		dcg_error_prefix(err, r, "%s", path);
		goto fail;
	}
	*ret = c;
	return 0;
fail:
	dcg_checkpoint_close(c);
	return r;
}

void dcg_checkpoint_close(struct dcg_checkpoint *c)
{
	if (!c)
		return;
	dcg_safetensors_close(c->file);
	dcg_layout_done(&c->layout);
	free(c->path);
	free(c);
}

const struct dcg_train_params *dcg_checkpoint_params(const struct dcg_checkpoint *c)
{
	return &c->params;
}

const struct dcg_train_state *dcg_checkpoint_state(const struct dcg_checkpoint *c)
{
	return &c->state;
}

int dcg_checkpoint_has_average(const struct dcg_checkpoint *c)
{
	return c->has_average;
}

/* --- Restoring ----------------------------------------------------------------------- */

static int read_array(const struct dcg_checkpoint *c, const struct dcg_layout_row *row, const struct dcg_net_array *a, float *buffer, struct dcg_error *err)
{
	int square = row->part == DCG_MOMENT2 || a->is_variance; /* a root is taken of it */
	const struct dcg_safetensor *t = dcg_safetensors_find(c->file, row->name);
	int r = dcg_safetensors_read(c->file, t, buffer, err);
	if (r)
		return r;
	for (size_t i = 0; i < row->count; i++) {
		if (!isfinite(buffer[i]))
			return dcg_error_set(err, DCG_EFORMAT, "%s: %s[%zu] is %f", c->path, row->name, i, (double)buffer[i]);
		if (square && buffer[i] < 0)
			return dcg_error_set(err, DCG_EFORMAT, "%s: %s[%zu] is %g, expected 0 or more", c->path, row->name, i, (double)buffer[i]);
	}
	return 0;
}

/* The number of batches that network's statistics followed, which all its batch norms must
 * agree on. */
static int read_tracked(const struct dcg_checkpoint *c, int network, int64_t *ret, struct dcg_error *err)
{
	int64_t n = 0, v;
	int seen = 0;
	for (int i = 0; i < c->layout.count; i++) {
		const struct dcg_layout_row *row = &c->layout.row[i];
		if (row->kind != DCG_LAYOUT_TRACKED || row->network != network)
			continue;
		int r = dcg_safetensors_read(c->file, dcg_safetensors_find(c->file, row->name), &v, err);
		if (r)
			return r;
		if (v < 0 || (seen++ && v != n))
			return dcg_error_set(err, DCG_EFORMAT, "%s: %s is %lld, expected %s", c->path, row->name, (long long)v,
				v < 0 ? "0 or more" : "what the network's others are");
		n = v;
	}
	*ret = n;
	return 0;
}

/* Rows of one network into it. A row of part `from` goes to part `to`; parts with to < 0 are
 * left alone. */
static int restore_network(const struct dcg_checkpoint *c, int network, struct dcg_net *net, const int to[DCG_PARTS], float *buffer, struct dcg_error *err)
{
	int64_t tracked = 0;
	int r = read_tracked(c, network, &tracked, err);
	for (int i = 0; !r && i < c->layout.count; i++) {
		const struct dcg_layout_row *row = &c->layout.row[i];
		if (row->network != network || row->kind != DCG_LAYOUT_ARRAY)
			continue;
		const struct dcg_net_array *a = dcg_net_array(net, row->array);
		int part = a->param ? to[row->part] : DCG_VALUE; /* statistics have no other */
		if (part < 0)
			continue;
		r = read_array(c, row, a, buffer, err);
		if (r)
			break;
		dcg_net_array_write(net, row->array, (enum dcg_part)part, buffer);
		if (a->param && part == DCG_VALUE && network == 0 && !c->has_average)
			dcg_net_array_write(net, row->array, DCG_AVERAGE, buffer); /* one begins here */
	}
	if (!r)
		dcg_net_set_batches_tracked(net, tracked);
	return r;
}

static float *largest_array(const struct dcg_checkpoint *c, struct dcg_error *err)
{
	size_t most = 1;
	for (int i = 0; i < c->layout.count; i++)
		most = c->layout.row[i].count > most ? c->layout.row[i].count : most;
	float *buffer = malloc(most * sizeof *buffer);
	if (!buffer)
		dcg_error_set(err, DCG_ENOMEM, "%s: no memory for %zu numbers", c->path, most);
	return buffer;
}

int dcg_checkpoint_restore(const struct dcg_checkpoint *c, struct dcg_gan *gan, int optimiser, struct dcg_error *err)
{
	int to[DCG_PARTS] = { [DCG_VALUE] = DCG_VALUE, [DCG_GRAD] = -1, [DCG_AVERAGE] = DCG_AVERAGE,
		[DCG_MOMENT1] = optimiser ? DCG_MOMENT1 : -1, [DCG_MOMENT2] = optimiser ? DCG_MOMENT2 : -1 };
	struct dcg_net *net[2] = { dcg_gan_g(gan), dcg_gan_d(gan) };
	float *buffer = NULL;
	int r = 0;
	for (int i = 0; !r && i < 2; i++) {
		r = dcg_layout_check(&c->layout, i, net[i], err);
		if (r)
			dcg_error_prefix(err, r, "%s", c->path);
	}
	if (!r && !(buffer = largest_array(c, err)))
		r = DCG_ENOMEM;
	for (int i = 0; !r && i < 2; i++)
		r = restore_network(c, i, net[i], to, buffer, err);
	if (!r && optimiser)
		dcg_gan_set_updates(gan, c->state.updates_g, c->state.updates_d);
	free(buffer);
	return r;
}

int dcg_checkpoint_restore_g(const struct dcg_checkpoint *c, struct dcg_net *g, int average, struct dcg_error *err)
{
	int use_average = average && c->has_average;
	int to[DCG_PARTS] = { [DCG_VALUE] = use_average ? -1 : DCG_VALUE, [DCG_GRAD] = -1, [DCG_MOMENT1] = -1, [DCG_MOMENT2] = -1,
		[DCG_AVERAGE] = use_average ? DCG_VALUE : -1 };
	int r = dcg_layout_check(&c->layout, 0, g, err);
	if (r)
		return dcg_error_prefix(err, r, "%s", c->path);
	float *buffer = largest_array(c, err);
	if (!buffer)
		return DCG_ENOMEM;
	r = restore_network(c, 0, g, to, buffer, err);
	free(buffer);
	return r;
}
