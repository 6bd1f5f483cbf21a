/* The backend: whole operations on a batch, through one table of functions.
 *
 * Layers call these and know nothing of instruction sets, BLAS, memory layouts or
 * number formats. A backend may sit on a CPU or elsewhere; tensors, convolutions,
 * batch norms and parameters are opaque and in the layout the backend likes best.
 * What crosses the boundary is plain: float NCHW, float parameters in PyTorch's
 * order, 8-bit pictures [N][H][W][C].
 *
 * Thread: one backend and all that was made from it belong to one thread at a time
 * (which may change); inside, operations use the backend's own pool.
 * Results are bit-identical for any number of threads.
 * Errors: constructors return DCG_E* and fill err; operations cannot fail.
 * Ownership: *_new gives to the caller, *_free takes NULL. Everything must be freed
 * before its backend is closed. Operations allocate nothing: all scratch memory is
 * taken by the constructors.
 */
#ifndef DCG_KERNEL_KERNEL_H
#define DCG_KERNEL_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"

struct dcg_backend;
struct dcg_tensor; /* activations [N][C][H][W] */
struct dcg_conv;   /* a convolution of fixed geometry with its weights */
struct dcg_bn;     /* a batch normalisation with its gain, bias and statistics */
struct dcg_param;  /* a trained array: value, gradient, Adam moments, average */

struct dcg_shape {
	int n, c, h, w;
};

/* The convolution that maps the big side [C][H][W] to the small side [K][P][Q],
 * P = (H + 2 pad - R) / stride + 1, with weights [K][C][R][S] (PyTorch's Conv2d).
 * A transposed convolution is the same object used in the other direction: its
 * input is the small side, its weights are ConvTranspose2d's [in = K][out = C][R][S]. */
struct dcg_conv_geometry {
	int c, h, w;
	int k, p, q;
	int r, s;
	int stride, pad;
};

enum dcg_activation { DCG_LINEAR, DCG_RELU, DCG_LEAKY_RELU /* slope 0.2 */, DCG_TANH };
#define DCG_LEAKY_SLOPE 0.2f

enum dcg_bn_mode {
	DCG_BN_BATCH,   /* statistics of this batch; running ones follow with momentum 0.1 */
	DCG_BN_FROZEN,  /* statistics of this batch; running ones left alone */
	DCG_BN_RUNNING, /* running statistics */
};
#define DCG_BN_EPS 1e-5f
#define DCG_BN_MOMENTUM 0.1f

enum dcg_part { DCG_VALUE, DCG_GRAD, DCG_MOMENT1, DCG_MOMENT2, DCG_AVERAGE, DCG_PARTS };

struct dcg_adam { /* Kingma & Ba 2014, algorithm 1, with L2: g += weight_decay * w */
	float lr, beta1, beta2, eps, weight_decay;
	int64_t t;     /* this update's number, from 1 */
	float average; /* after the update: AVERAGE = average * AVERAGE + (1 - average) * VALUE; 0 = off */
};

struct dcg_bce {
	float loss;        /* mean over the batch of -y log s(x) - (1-y) log(1 - s(x)), s = sigmoid */
	float mean_output; /* mean of s(x) */
};

struct dcg_ops {
	const char *name; /* "ref", "openblas" ... */
	/* 1: bn_forward with DCG_RELU, DCG_LEAKY_RELU or DCG_LINEAR may have x for y even if a
	 * backward follows, which then takes the same tensor for both. A tensor that was
	 * normalised or activated in place is to be read by convolutions, transfers and that
	 * backward alone. */
	int in_place;

	/* Tensors. New ones hold zeros. What is stored is rounded to the table's number format. */
	int (*tensor_new)(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_error *err);
	/* A tensor on the memory of another one, which must be at least as large and outlive it:
	 * writing one destroys the other. It begins behind `after`, a view of the same memory, or
	 * at the start (NULL). */
	int (*tensor_view)(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err);
	void (*tensor_free)(struct dcg_tensor *t);
	void (*tensor_write)(struct dcg_backend *be, struct dcg_tensor *t, const float *nchw);
	void (*tensor_read)(struct dcg_backend *be, const struct dcg_tensor *t, float *nchw);
	/* Pictures [N][H][W][C], 0..255, to [-1,1] and back (rounded, clamped). flip: N flags,
	 * non-zero mirrors that picture left-right; NULL for none. */
	void (*tensor_from_images)(struct dcg_backend *be, struct dcg_tensor *t, const uint8_t *nhwc, const uint8_t *flip);
	void (*tensor_to_images)(struct dcg_backend *be, const struct dcg_tensor *t, uint8_t *nhwc);

	/* Convolutions for batches of exactly batch pictures. The big tensors are
	 * [batch][C][H][W], the small ones [batch][K][P][Q]. */
	int (*conv_new)(struct dcg_backend *be, struct dcg_conv **ret, const struct dcg_conv_geometry *g, int batch, struct dcg_error *err);
	void (*conv_free)(struct dcg_conv *conv);
	struct dcg_param *(*conv_weights)(struct dcg_conv *conv); /* [K][C][R][S]; owned by conv */
	/* small = conv(big): Conv2d forward; ConvTranspose2d backward with respect to its input. */
	void (*conv_forward)(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, struct dcg_tensor *small);
	/* big = conv^T(small): Conv2d backward with respect to its input; ConvTranspose2d forward. */
	void (*conv_backward_data)(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *small, struct dcg_tensor *big);
	/* GRAD (+)= d(sum small . conv(big)) / d weights. accumulate 0 overwrites. */
	void (*conv_backward_weights)(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate);

	/* Batch normalisation over N, H, W for each channel (biased variance to normalise,
	 * unbiased in the running variance, as PyTorch), and the activation after it:
	 * y = act(gain * (x - mean) / sqrt(var + eps) + bias). y may be x only if no
	 * backward follows, or with in_place. backward uses x, y and the statistics of the forward that came
	 * last; dy may be dx. */
	int (*bn_new)(struct dcg_backend *be, struct dcg_bn **ret, struct dcg_shape shape, struct dcg_error *err);
	void (*bn_free)(struct dcg_bn *bn);
	struct dcg_param *(*bn_gain)(struct dcg_bn *bn); /* [C]; new ones hold 1 */
	struct dcg_param *(*bn_bias)(struct dcg_bn *bn); /* [C]; new ones hold 0 */
	/* Running mean [C], variance [C]; new ones hold 0 and 1. */
	void (*bn_statistics_read)(struct dcg_backend *be, const struct dcg_bn *bn, float *mean, float *var);
	void (*bn_statistics_write)(struct dcg_backend *be, struct dcg_bn *bn, const float *mean, const float *var);
	void (*bn_forward)(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act, enum dcg_bn_mode mode);
	/* With param_grads 0 the gradients of gain and bias are left alone; 1 overwrites, 2 accumulates. */
	void (*bn_backward)(struct dcg_backend *be, struct dcg_bn *bn, const struct dcg_tensor *x, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act, int param_grads);

	/* Activation alone. y may be x; dx may be dy. The derivative comes from the output y. */
	void (*act_forward)(struct dcg_backend *be, const struct dcg_tensor *x, struct dcg_tensor *y, enum dcg_activation act);
	void (*act_backward)(struct dcg_backend *be, const struct dcg_tensor *y, const struct dcg_tensor *dy, struct dcg_tensor *dx, enum dcg_activation act);

	/* Binary cross-entropy of logits [N][1][1][1] against one target for all (paper,
	 * section 4), stable: max(x,0) - x y + log(1 + exp(-|x|)). dlogits (NULL if not
	 * wanted) = (s(x) - target) / N. Reductions in double. */
	void (*bce)(struct dcg_backend *be, const struct dcg_tensor *logits, float target, struct dcg_tensor *dlogits, struct dcg_bce *ret);

	/* Parameters, all parts in PyTorch's order. Writing VALUE also refreshes whatever
	 * copies the backend keeps. Parts start as zeros. */
	size_t (*param_count)(const struct dcg_param *p); /* number of floats */
	void (*param_read)(struct dcg_backend *be, const struct dcg_param *p, enum dcg_part part, float *out);
	void (*param_write)(struct dcg_backend *be, struct dcg_param *p, enum dcg_part part, const float *in);
	/* From now on p's GRAD lies in the memory of `of`'s, which must have at least as many floats
	 * and outlive p's use: writing one destroys the other. */
	void (*param_share_grad)(struct dcg_param *p, struct dcg_param *of);
	/* One Adam update of count parameters from GRAD. */
	void (*adam)(struct dcg_backend *be, struct dcg_param *const *params, int count, const struct dcg_adam *hp);

	void (*close)(struct dcg_backend *be); /* called by dcg_backend_close */
};

/* What every backend begins with; each table's own struct embeds it first. */
struct dcg_backend {
	const struct dcg_ops *ops;
	struct dcg_pool *pool; /* owned */
};

/* kernel: "auto" or a name of dcg_kernel_names(); precision: "auto", "fp32" or "bf16"
 * (tensors and products in bf16, sums, parameters and everything else in fp32); both "auto": the fastest;
 * threads as dcg_pool_new. Unknown or unavailable here: DCG_EINVAL/DCG_EUNSUPPORTED
 * with the choices in err. */
int dcg_backend_open(struct dcg_backend **ret, const char *kernel, const char *precision, int threads, struct dcg_error *err);
void dcg_backend_close(struct dcg_backend *be);

/* Would dcg_backend_open find a table for these two? The same errors. */
int dcg_kernel_check(const char *kernel, const char *precision, struct dcg_error *err);
/* Bytes of a value in its tensors: 2 or 4; 4 where there is no such table. */
size_t dcg_kernel_value_bytes(const char *kernel, const char *precision);

/* NULL-terminated list of the kernel tables this build and this processor can run. */
const char *const *dcg_kernel_names(void);

#endif
