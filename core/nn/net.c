#include "nn/net.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

struct layer {
	struct dcg_layer spec;
	struct dcg_conv *conv;
	struct dcg_bn *bn;         /* NULL without batch norm */
	struct dcg_tensor *linear; /* what the convolution gives; kept apart from out where
	                              batch norm's backward needs both, else NULL */
	struct dcg_tensor *out;    /* after batch norm and activation */
	struct dcg_tensor *dout;   /* gradient of out; NULL for the last layer and when sampling */
};

struct dcg_net {
	struct dcg_backend *be;
	int batch, layers, arrays, params;
	int64_t batches_tracked;
	struct layer layer[DCG_MAX_LAYERS];
	struct dcg_net_array array[DCG_NET_ARRAYS];
	struct dcg_param *param[DCG_MAX_LAYERS * 3];
	struct dcg_net_gradients own; /* if none were given */
	float *mean, *var; /* [largest C]: scratch for running statistics */
};

static struct dcg_shape out_shape(const struct dcg_layer *l, int batch)
{
	const struct dcg_conv_geometry *g = &l->conv;
	return l->transposed ? (struct dcg_shape){ batch, g->c, g->h, g->w } : (struct dcg_shape){ batch, g->k, g->p, g->q };
}

static struct dcg_net_array *add_array(struct dcg_net *net, int module, const char *name, struct dcg_param *param, struct dcg_bn *bn, int channels)
{
	struct dcg_net_array *a = &net->array[net->arrays++];
	snprintf(a->name, sizeof a->name, "main.%d.%s", module, name);
	a->param = param;
	a->bn = bn;
	a->dims = 1;
	a->dim[0] = channels;
	a->count = (size_t)channels;
	if (param)
		net->param[net->params++] = param;
	return a;
}

/* Names count modules as nn.Sequential does. Returns the next module's number. */
static int name_arrays(struct dcg_net *net, struct layer *l, int module)
{
	const struct dcg_ops *ops = net->be->ops;
	const struct dcg_conv_geometry *g = &l->spec.conv;
	struct dcg_net_array *a = add_array(net, module++, "weight", ops->conv_weights(l->conv), NULL, g->k);
	a->dims = 4;
	a->dim[1] = g->c, a->dim[2] = g->r, a->dim[3] = g->s;
	a->count *= (size_t)g->c * (size_t)(g->r * g->s);
	if (l->bn) {
		int c = out_shape(&l->spec, 1).c;
		add_array(net, module, "weight", ops->bn_gain(l->bn), l->bn, c);
		add_array(net, module, "bias", ops->bn_bias(l->bn), l->bn, c);
		add_array(net, module, "running_mean", NULL, l->bn, c);
		add_array(net, module++, "running_var", NULL, l->bn, c)->is_variance = 1;
	}
	return l->spec.act == DCG_LINEAR ? module : module + 1;
}

/* ---- Gradients of activations ---------------------------------------------------------- */

static size_t elements(struct dcg_shape s)
{
	return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

/* The layer with the largest gradient (the last has none: -1 for a single layer). Its turn
 * is 0, its neighbours' 1, and so on. */
static int largest_gradient(const struct dcg_layers *l)
{
	int best = -1;
	for (int i = 0; i + 1 < l->count; i++)
		if (best < 0 || elements(out_shape(&l->layer[i], 1)) > elements(out_shape(&l->layer[best], 1)))
			best = i;
	return best;
}

static int turn_of(const struct dcg_layers *l, int layer)
{
	return (layer - largest_gradient(l)) & 1;
}

/* Values of a tensor, as many as any backend pads it to. */
static size_t padded(struct dcg_shape s)
{
	s.c = (s.c + 15) / 16 * 16;
	return elements(s);
}

/* Backends pad channels differently: a gradient fits where one of as many pictures with at
 * least as many pixels and values lies, so each turn's tensor is as large in both. */
static void grow(struct dcg_shape *to, struct dcg_shape s)
{
	size_t pixels = (size_t)s.h * (size_t)s.w, have = (size_t)to->h * (size_t)to->w;
	int c = ((s.c + 15) / 16) * 16;
	if (elements(*to) == 0 || pixels > have) {
		size_t values = elements(*to) / (size_t)(to->n ? to->n : 1);
		*to = (struct dcg_shape){ s.n, c, s.h, s.w };
		while ((size_t)to->c * pixels < values)
			to->c += 16;
	} else {
		while ((size_t)to->c * have < (size_t)c * pixels)
			to->c += 16;
	}
}

int dcg_net_gradients_new(struct dcg_net_gradients *ret, struct dcg_backend *be, const struct dcg_layers *const *nets, int count, int batch, struct dcg_error *err)
{
	struct dcg_shape shape[2] = { { 0 }, { 0 } };
	struct dcg_net_gradients g = { { NULL, NULL }, 0 };
	for (int n = 0; n < count; n++)
		for (int i = 0; i + 1 < nets[n]->count; i++)
			grow(&shape[turn_of(nets[n], i)], out_shape(&nets[n]->layer[i], batch));
	for (int i = 0; i < 2 && shape[i].n; i++) {
		int r = be->ops->tensor_new(be, &g.turn[i], shape[i], err);
		if (r) {
			dcg_net_gradients_free(&g, be);
			return r;
		}
	}
	g.values = elements(shape[0]);
	*ret = g;
	return 0;
}

void dcg_net_gradients_free(struct dcg_net_gradients *g, struct dcg_backend *be)
{
	for (int i = 0; i < 2; i++)
		be->ops->tensor_free(g->turn[i]);
	*g = (struct dcg_net_gradients){ { NULL, NULL }, 0 };
}

struct dcg_tensor *dcg_net_gradients_between(const struct dcg_net_gradients *g, const struct dcg_layers *first, const struct dcg_layers *second)
{
	int to = first->count - 2;
	if (to < 0 || second->count < 2 || turn_of(first, to) != turn_of(second, 0))
		return NULL;
	return g->turn[!turn_of(second, 0)];
}

/* The largest gradient is the last to need its memory: when it comes, the activations of the
 * layers beyond it have been used for the last time. So they lie there, as many as fit with the
 * gradients of that turn which come while they are needed; these follow them. Returns the layer
 * before which that ends. */
static int layers_inside(const struct dcg_layers *l, int batch, size_t room)
{
	int largest = largest_gradient(l), end = largest + 1;
	size_t gradient = 0;
	if (largest < 0)
		return 0;
	for (int i = largest + 2; i + 1 < l->count; i += 2) {
		size_t n = padded(out_shape(&l->layer[i], batch));
		gradient = n > gradient ? n : gradient;
	}
	if (gradient > room)
		return end;
	for (room -= gradient; end + 1 < l->count && padded(out_shape(&l->layer[end], batch)) <= room; end++)
		room -= padded(out_shape(&l->layer[end], batch));
	return end;
}

size_t dcg_net_values_inside(const struct dcg_layers *layers, int batch, size_t values)
{
	size_t n = 0;
	for (int i = largest_gradient(layers) + 1; i < layers_inside(layers, batch, values); i++)
		n += elements(out_shape(&layers->layer[i], batch));
	return n;
}

int dcg_net_new(struct dcg_net **ret, struct dcg_backend *be, const struct dcg_layers *layers, int batch, enum dcg_net_use use, const struct dcg_net_gradients *gradients, struct dcg_error *err)
{
	struct dcg_net *net = calloc(1, sizeof *net);
	if (!net)
		return dcg_error_set(err, DCG_ENOMEM, "network: out of memory");
	int r = 0, module = 0, widest = 1, train = use != DCG_NET_SAMPLE, largest = largest_gradient(layers);
	struct dcg_tensor *last = NULL; /* of the activations among the gradients */
	net->be = be;
	net->batch = batch;
	if (train && !gradients) {
		r = dcg_net_gradients_new(&net->own, be, &layers, 1, batch, err);
		if (r)
			goto fail;
		gradients = &net->own;
	}
	int inside = use == DCG_NET_TRAIN_AT_ONCE ? layers_inside(layers, batch, gradients->values) : 0;
	for (int i = 0; i < layers->count; i++) {
		struct layer *l = &net->layer[net->layers++];
		l->spec = layers->layer[i];
		struct dcg_shape shape = out_shape(&l->spec, batch);
		widest = shape.c > widest ? shape.c : widest;
		r = be->ops->conv_new(be, &l->conv, &l->spec.conv, batch, err);
		if (!r && l->spec.batch_norm)
			r = be->ops->bn_new(be, &l->bn, shape, err);
		if (!r && l->spec.batch_norm && train && (!be->ops->in_place || l->spec.act == DCG_TANH))
			r = be->ops->tensor_new(be, &l->linear, shape, err);
		int within = i > largest && i < inside;
		if (!r && within)
			r = be->ops->tensor_view(be, &l->out, shape, gradients->turn[0], last, err);
		else if (!r)
			r = be->ops->tensor_new(be, &l->out, shape, err);
		if (!r && within)
			last = l->out;
		if (r)
			goto fail;
		module = name_arrays(net, l, module);
	}
	for (int i = 0; train && i + 1 < layers->count; i++) {
		struct layer *l = &net->layer[i];
		int turn = turn_of(layers, i);
		r = be->ops->tensor_view(be, &l->dout, out_shape(&l->spec, batch), gradients->turn[turn], turn == 0 && i > largest ? last : NULL, err);
		if (r)
			goto fail;
	}
	net->mean = dcg_alloc((size_t)widest, sizeof *net->mean);
	net->var = dcg_alloc((size_t)widest, sizeof *net->var);
	if (!net->mean || !net->var) {
		r = dcg_error_set(err, DCG_ENOMEM, "network: out of memory");
		goto fail;
	}
	*ret = net;
	return 0;
fail:
	dcg_net_free(net);
	return r;
}

void dcg_net_free(struct dcg_net *net)
{
	if (!net)
		return;
	const struct dcg_ops *ops = net->be->ops;
	for (int i = 0; i < net->layers; i++) {
		struct layer *l = &net->layer[i];
		ops->tensor_free(l->dout);
		ops->tensor_free(l->out);
		ops->tensor_free(l->linear);
		ops->bn_free(l->bn);
		ops->conv_free(l->conv);
	}
	dcg_net_gradients_free(&net->own, net->be);
	dcg_free(net->mean);
	dcg_free(net->var);
	free(net);
}

int dcg_net_batch(const struct dcg_net *net)
{
	return net->batch;
}

int dcg_net_layer_count(const struct dcg_net *net)
{
	return net->layers;
}

const struct dcg_layer *dcg_net_layer(const struct dcg_net *net, int layer)
{
	return &net->layer[layer].spec;
}

int dcg_net_array_count(const struct dcg_net *net)
{
	return net->arrays;
}

const struct dcg_net_array *dcg_net_array(const struct dcg_net *net, int i)
{
	return &net->array[i];
}

size_t dcg_net_parameter_count(const struct dcg_net *net)
{
	size_t n = 0;
	for (int i = 0; i < net->params; i++)
		n += net->be->ops->param_count(net->param[i]);
	return n;
}

size_t dcg_net_largest_array(const struct dcg_net *net)
{
	size_t n = 0;
	for (int i = 0; i < net->arrays; i++)
		n = net->array[i].count > n ? net->array[i].count : n;
	return n;
}

void dcg_net_array_read(struct dcg_net *net, int i, enum dcg_part part, float *out)
{
	const struct dcg_net_array *a = &net->array[i];
	if (a->param)
		net->be->ops->param_read(net->be, a->param, part, out);
	else
		net->be->ops->bn_statistics_read(net->be, a->bn, a->is_variance ? net->mean : out, a->is_variance ? out : net->var);
}

void dcg_net_array_write(struct dcg_net *net, int i, enum dcg_part part, const float *in)
{
	const struct dcg_net_array *a = &net->array[i];
	if (a->param) {
		net->be->ops->param_write(net->be, a->param, part, in);
		return;
	}
	net->be->ops->bn_statistics_read(net->be, a->bn, net->mean, net->var);
	net->be->ops->bn_statistics_write(net->be, a->bn, a->is_variance ? net->mean : in, a->is_variance ? in : net->var);
}

int64_t dcg_net_batches_tracked(const struct dcg_net *net)
{
	return net->batches_tracked;
}

void dcg_net_set_batches_tracked(struct dcg_net *net, int64_t n)
{
	net->batches_tracked = n;
}

int dcg_net_init(struct dcg_net *net, uint64_t seed, uint32_t first_stream, int average)
{
	float *v = dcg_alloc(dcg_net_largest_array(net), sizeof *v);
	if (!v)
		return DCG_ENOMEM;
	for (int i = 0; i < net->arrays; i++) {
		const struct dcg_net_array *a = &net->array[i];
		struct dcg_rng rng;
		dcg_rng_init(&rng, seed, DCG_STREAM_WEIGHTS + first_stream + (uint32_t)i);
		float fill = a->is_variance;
		if (a->dims == 4)
			dcg_rng_normal(&rng, v, a->count, 0, 0.02f);
		else if (a->param && a->param == net->be->ops->bn_gain(a->bn))
			dcg_rng_normal(&rng, v, a->count, 1, 0.02f);
		else
			for (size_t j = 0; j < a->count; j++)
				v[j] = fill;
		dcg_net_array_write(net, i, DCG_VALUE, v);
		if (!a->param)
			continue;
		if (average)
			dcg_net_array_write(net, i, DCG_AVERAGE, v);
		for (size_t j = 0; j < a->count; j++)
			v[j] = 0;
		dcg_net_array_write(net, i, DCG_MOMENT1, v);
		dcg_net_array_write(net, i, DCG_MOMENT2, v);
	}
	net->batches_tracked = 0;
	dcg_free(v);
	return 0;
}

void dcg_net_copy(struct dcg_net *to, struct dcg_net *from, enum dcg_part part, float *temporary)
{
	for (int i = 0; i < from->arrays; i++) {
		dcg_net_array_read(from, i, part, temporary);
		dcg_net_array_write(to, i, DCG_VALUE, temporary);
	}
	to->batches_tracked = from->batches_tracked;
}

struct dcg_tensor *dcg_net_forward(struct dcg_net *net, const struct dcg_tensor *input, enum dcg_bn_mode mode)
{
	struct dcg_backend *be = net->be;
	for (int i = 0; i < net->layers; i++) {
		struct layer *l = &net->layer[i];
		struct dcg_tensor *y = l->linear ? l->linear : l->out;
		if (l->spec.transposed)
			be->ops->conv_backward_data(be, l->conv, input, y);
		else
			be->ops->conv_forward(be, l->conv, input, y);
		if (l->bn)
			be->ops->bn_forward(be, l->bn, y, l->out, l->spec.act, mode);
		else if (l->spec.act != DCG_LINEAR)
			be->ops->act_forward(be, y, l->out, l->spec.act);
		input = l->out;
	}
	if (mode == DCG_BN_BATCH)
		net->batches_tracked++;
	return net->layer[net->layers - 1].out;
}

struct dcg_tensor *dcg_net_activation(struct dcg_net *net, int layer)
{
	return net->layer[layer].out;
}

void dcg_net_backward(struct dcg_net *net, const struct dcg_tensor *input, struct dcg_tensor *doutput, struct dcg_tensor *dinput, int grads)
{
	struct dcg_backend *be = net->be;
	struct dcg_tensor *d = doutput;
	for (int i = net->layers - 1; i >= 0; i--) {
		struct layer *l = &net->layer[i];
		const struct dcg_tensor *x = i ? net->layer[i - 1].out : input;
		struct dcg_tensor *dx = i ? net->layer[i - 1].dout : dinput;
		if (l->bn)
			be->ops->bn_backward(be, l->bn, l->linear ? l->linear : l->out, l->out, d, d, l->spec.act, grads);
		else if (l->spec.act != DCG_LINEAR)
			be->ops->act_backward(be, l->out, d, d, l->spec.act);
		/* A transposed layer's input is the convolution's small side. */
		if (grads)
			be->ops->conv_backward_weights(be, l->conv, l->spec.transposed ? d : x, l->spec.transposed ? x : d, grads == DCG_GRADS_ADD);
		if (dx && l->spec.transposed)
			be->ops->conv_forward(be, l->conv, d, dx);
		else if (dx)
			be->ops->conv_backward_data(be, l->conv, d, dx);
		d = dx;
	}
}

void dcg_net_adam(struct dcg_net *net, const struct dcg_adam *hp)
{
	net->be->ops->adam(net->be, net->param, net->params, hp);
}
