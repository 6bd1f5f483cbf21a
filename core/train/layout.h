/* What a checkpoint's arrays are: names, shapes and order, as a list that the writer and
 * the reader share.
 *
 * Everything follows from the two networks' layers, so that a file can be judged before
 * anything is built from it. Pure functions; any thread.
 */
#ifndef DCG_TRAIN_LAYOUT_H
#define DCG_TRAIN_LAYOUT_H

#include "nn/net.h"

enum dcg_layout_kind {
	DCG_LAYOUT_ARRAY,   /* a part of an array of the network, float */
	DCG_LAYOUT_TRACKED, /* its number of batches tracked, int64; PyTorch has one a batch norm */
};

struct dcg_layout_row {
	char name[64]; /* "G.main.0.weight.adam_m" */
	enum dcg_layout_kind kind;
	int network;         /* 0: G, 1: D */
	int array;           /* index among the network's arrays; of the running variance for TRACKED */
	enum dcg_part part;
	int dims, dim[4];
	size_t count;        /* product of dim */
};

struct dcg_layout {
	int count;
	struct dcg_layout_row *row; /* in the order of the file: int64 first, for alignment */
};

/* with_average: G's averaged weights, too. */
int dcg_layout_new(struct dcg_layout *ret, const struct dcg_layers *g, const struct dcg_layers *d, int with_average, struct dcg_error *err);
void dcg_layout_done(struct dcg_layout *l);
/* Do the names and sizes agree with this network's arrays? */
int dcg_layout_check(const struct dcg_layout *l, int network, const struct dcg_net *net, struct dcg_error *err);

#endif
