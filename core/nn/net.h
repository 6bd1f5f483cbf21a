/* A network: a chain of layers with its parameters and activations, for batches of
 * one fixed size.
 *
 * Owned by the caller, used by one thread at a time, on one backend. All memory is
 * taken by dcg_net_new.
 */
#ifndef DCG_NN_NET_H
#define DCG_NN_NET_H

#include "base/rng.h"
#include "nn/arch.h"

struct dcg_net;

enum { DCG_NET_ARRAYS = DCG_MAX_LAYERS * 5 }; /* at most, of a network */

enum dcg_net_use {
	DCG_NET_SAMPLE, /* forward only: no gradients, batch norm in place */
	DCG_NET_TRAIN,
	DCG_NET_TRAIN_AT_ONCE, /* backward follows each forward before other networks use the gradients:
	                          activations may lie in their memory until then */
};

/* A named array of a network, in the order of PyTorch's state_dict. */
struct dcg_net_array {
	char name[32]; /* "main.3.weight", "main.4.running_mean" */
	int dims, dim[4];
	size_t count;            /* product of dim */
	struct dcg_param *param; /* NULL for running statistics */
	struct dcg_bn *bn;       /* set for gain, bias and running statistics */
	int is_variance;         /* which running statistic */
};

/* The gradients of two neighbouring layers are needed at a time, so two tensors hold those of
 * all layers in turn; networks whose backward passes do not run into each other share them. */
struct dcg_net_gradients {
	struct dcg_tensor *turn[2]; /* the largest, and the largest of its neighbours' turn; NULL if there are none */
	size_t values;              /* in the first */
};
/* For all of nets[count] on one backend. */
int dcg_net_gradients_new(struct dcg_net_gradients *ret, struct dcg_backend *be, const struct dcg_layers *const *nets, int count, int batch, struct dcg_error *err);
void dcg_net_gradients_free(struct dcg_net_gradients *g, struct dcg_backend *be);
/* Values of activations that DCG_NET_TRAIN_AT_ONCE keeps in the first tensor, of so many values. */
size_t dcg_net_values_inside(const struct dcg_layers *layers, int batch, size_t values);
/* Where the gradient of what `first` puts out may lie, on its way from `second`, whose input
 * that is; NULL: nowhere. */
struct dcg_tensor *dcg_net_gradients_between(const struct dcg_net_gradients *g, const struct dcg_layers *first, const struct dcg_layers *second);

/* gradients: memory that outlives the net; NULL for DCG_NET_SAMPLE, and for a net that has
 * its own. */
int dcg_net_new(struct dcg_net **ret, struct dcg_backend *be, const struct dcg_layers *layers, int batch, enum dcg_net_use use, const struct dcg_net_gradients *gradients, struct dcg_error *err);
void dcg_net_free(struct dcg_net *net);

int dcg_net_batch(const struct dcg_net *net);
int dcg_net_layer_count(const struct dcg_net *net);
const struct dcg_layer *dcg_net_layer(const struct dcg_net *net, int layer);
int dcg_net_array_count(const struct dcg_net *net);
const struct dcg_net_array *dcg_net_array(const struct dcg_net *net, int i);
size_t dcg_net_parameter_count(const struct dcg_net *net); /* trained floats */

/* Arrays by index, count floats. Statistics have only DCG_VALUE. */
void dcg_net_array_read(struct dcg_net *net, int i, enum dcg_part part, float *out);
void dcg_net_array_write(struct dcg_net *net, int i, enum dcg_part part, const float *in);
/* Number of batches the running statistics have followed (PyTorch's num_batches_tracked). */
int64_t dcg_net_batches_tracked(const struct dcg_net *net);
void dcg_net_set_batches_tracked(struct dcg_net *net, int64_t n);

/* Section 4: weights N(0, 0.02); batch-norm gains N(1, 0.02), biases 0. first_stream is
 * added to DCG_STREAM_WEIGHTS, so that G and D differ. Moments start as 0, and with
 * average AVERAGE as VALUE; without, it takes no memory. Can only fail with DCG_ENOMEM. */
int dcg_net_init(struct dcg_net *net, uint64_t seed, uint32_t first_stream, int average);
/* Take the parameters (their VALUE, or AVERAGE) and statistics of a network of the same
 * layers, perhaps on another backend; temporary is dcg_net_largest_array(from) floats. */
void dcg_net_copy(struct dcg_net *to, struct dcg_net *from, enum dcg_part part, float *temporary);
size_t dcg_net_largest_array(const struct dcg_net *net);

/* The input is read again by backward and must stay as it was. The returned output
 * belongs to the net and lives until the next forward. */
struct dcg_tensor *dcg_net_forward(struct dcg_net *net, const struct dcg_tensor *input, enum dcg_bn_mode mode);
/* Activation of layer i after the last forward (DCG_NET_TRAIN; DCG_NET_TRAIN_AT_ONCE: before its backward). */
struct dcg_tensor *dcg_net_activation(struct dcg_net *net, int layer);

enum { DCG_GRADS_NONE = 0, DCG_GRADS_SET = 1, DCG_GRADS_ADD = 2 };
/* doutput is destroyed. dinput NULL when not wanted. grads says what happens to the
 * parameters' GRAD. */
void dcg_net_backward(struct dcg_net *net, const struct dcg_tensor *input, struct dcg_tensor *doutput, struct dcg_tensor *dinput, int grads);

/* One Adam update of all parameters. */
void dcg_net_adam(struct dcg_net *net, const struct dcg_adam *hp);

#endif
