#include "train/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array of a network, before it is multiplied into its parts. */
struct array {
	char name[32];
	int dims, dim[4];
	int trained, variance;
};

enum { MAX_ARRAYS = 5 * DCG_MAX_LAYERS, MAX_ROWS = 2 * MAX_ARRAYS * 5 };

static const char *const part_suffix[DCG_PARTS] = {
	[DCG_VALUE] = "", [DCG_MOMENT1] = ".adam_m", [DCG_MOMENT2] = ".adam_v", [DCG_AVERAGE] = ".ema",
};

static void add_vector(struct array *a, int module, const char *what, int count, int trained, int variance)
{
	*a = (struct array){ .dims = 1, .dim = { count }, .trained = trained, .variance = variance };
	snprintf(a->name, sizeof a->name, "main.%d.%s", module, what);
}

/* As nn.Sequential counts: the convolution, its batch norm if any, and the activation are
 * modules of their own. */
static int list_arrays(const struct dcg_layers *layers, struct array *ret)
{
	int n = 0, module = 0;
	for (int i = 0; i < layers->count; i++) {
		const struct dcg_layer *l = &layers->layer[i];
		const struct dcg_conv_geometry *g = &l->conv;
		ret[n] = (struct array){ .dims = 4, .dim = { g->k, g->c, g->r, g->s }, .trained = 1 };
		snprintf(ret[n++].name, sizeof ret->name, "main.%d.weight", module++);
		if (l->batch_norm) {
			int channels = l->transposed ? g->c : g->k; /* of the layer's output */
			add_vector(&ret[n++], module, "weight", channels, 1, 0);
			add_vector(&ret[n++], module, "bias", channels, 1, 0);
			add_vector(&ret[n++], module, "running_mean", channels, 0, 0);
			add_vector(&ret[n++], module, "running_var", channels, 0, 1);
			module++;
		}
		module++;
	}
	return n;
}

static void add_row(struct dcg_layout *l, int network, int index, const struct array *a, enum dcg_part part)
{
	struct dcg_layout_row *r = &l->row[l->count++];
	*r = (struct dcg_layout_row){ .kind = DCG_LAYOUT_ARRAY, .network = network, .array = index, .part = part, .dims = a->dims, .count = 1 };
	snprintf(r->name, sizeof r->name, "%c.%s%s", network ? 'D' : 'G', a->name, part_suffix[part]);
	for (int d = 0; d < a->dims; d++) {
		r->dim[d] = a->dim[d];
		r->count *= (size_t)a->dim[d];
	}
}

static void add_tracked(struct dcg_layout *l, int network, int index, const struct array *a)
{
	struct dcg_layout_row *r = &l->row[l->count++];
	*r = (struct dcg_layout_row){ .kind = DCG_LAYOUT_TRACKED, .network = network, .array = index, .count = 1 };
	int module = (int)(strrchr(a->name, '.') - a->name);
	snprintf(r->name, sizeof r->name, "%c.%.*s.num_batches_tracked", network ? 'D' : 'G', module, a->name);
}

int dcg_layout_new(struct dcg_layout *ret, const struct dcg_layers *g, const struct dcg_layers *d, int with_average, struct dcg_error *err)
{
	struct dcg_layout l = { .row = calloc(MAX_ROWS, sizeof *l.row) };
	struct array a[2][MAX_ARRAYS];
	int count[2] = { list_arrays(g, a[0]), list_arrays(d, a[1]) };
	if (!l.row)
		return dcg_error_set(err, DCG_ENOMEM, "checkpoint: out of memory");
	for (int network = 0; network < 2; network++)
		for (int i = 0; i < count[network]; i++)
			if (a[network][i].variance)
				add_tracked(&l, network, i, &a[network][i]);
	for (int network = 0; network < 2; network++)
		for (int i = 0; i < count[network]; i++) {
			const struct array *x = &a[network][i];
			add_row(&l, network, i, x, DCG_VALUE);
			if (!x->trained)
				continue;
			add_row(&l, network, i, x, DCG_MOMENT1);
			add_row(&l, network, i, x, DCG_MOMENT2);
			if (network == 0 && with_average)
				add_row(&l, network, i, x, DCG_AVERAGE);
		}
	*ret = l;
	return 0;
}

void dcg_layout_done(struct dcg_layout *l)
{
	free(l->row);
	*l = (struct dcg_layout){ 0 };
}

int dcg_layout_check(const struct dcg_layout *l, int network, const struct dcg_net *net, struct dcg_error *err)
{
	int seen = 0;
	for (int i = 0; i < l->count; i++) {
		const struct dcg_layout_row *r = &l->row[i];
		if (r->network != network || r->kind != DCG_LAYOUT_ARRAY || r->part != DCG_VALUE)
			continue;
		seen++;
		if (r->array >= dcg_net_array_count(net))
			return dcg_error_set(err, DCG_EFORMAT, "%s: the network has no such array", r->name);
		const struct dcg_net_array *a = dcg_net_array(net, r->array);
		int same = strcmp(a->name, r->name + 2) == 0 && a->dims == r->dims;
		for (int d = 0; same && d < r->dims; d++)
			same = a->dim[d] == r->dim[d];
		if (!same) {
			char there[64] = "", here[64] = "";
			for (int d = 0; d < r->dims; d++)
				snprintf(there + strlen(there), sizeof there - strlen(there), "%s%d", d ? "x" : "", r->dim[d]);
			for (int d = 0; d < a->dims; d++)
				snprintf(here + strlen(here), sizeof here - strlen(here), "%s%d", d ? "x" : "", a->dim[d]);
			return dcg_error_set(err, DCG_EFORMAT, "%s is %s in the checkpoint, the network has %s of %s there", r->name, there, a->name, here);
		}
	}
	if (seen != dcg_net_array_count(net))
		return dcg_error_set(err, DCG_EFORMAT, "the checkpoint has %d arrays of %c, the network %d", seen, network ? 'D' : 'G', dcg_net_array_count(net));
	return 0;
}
