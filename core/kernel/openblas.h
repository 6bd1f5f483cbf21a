/* The openblas table's types. Private to openblas*.c, and to later tables that keep its layout.
 *
 * The direct layout: activations are [pixel][N][C], so that each pixel of a batch is a
 * dense [N x C] matrix. A strided or transposed convolution at an output pixel is then
 * the sum, over the kernel taps that fall inside the image, of plain matrix products:
 * no im2col, no inserted zeros, no padding. Weights are [tap][K][C]: a slab a tap.
 *
 * OpenBLAS runs on one thread; the pool runs many products at once. Which products
 * there are, and in what order sums are added, follows from the geometry alone.
 */
#ifndef DCG_KERNEL_OPENBLAS_H
#define DCG_KERNEL_OPENBLAS_H

#include "kernel/plain.h"

/* All parts in the order that the operations like best; element (k, c, t) of PyTorch's
 * [K][C][T] lies at k step_k + c step_c + t step_t. */
struct dcg_param {
	int k, c, t;
	size_t step_k, step_c, step_t;
	size_t count;
	float *part[DCG_PARTS];
	int shares_grad; /* that part belongs to another */
};

struct dcg_conv {
	struct dcg_conv_geometry g;
	int batch;
	int thin; /* few big channels: openblas_thin.c, weights [K][tap][C] */
	int run;  /* thin: small pixels (of one row) a panel */
	int bands; /* thin: partial sums of the weights' gradient */
	struct dcg_param weights;
};

/* The backend. Scratch memory is shared by all convolutions, as they run one at a time. */
struct dcg_openblas {
	struct dcg_base base;
	float *scratch;
	size_t scratch_floats;
};

/* Grow the scratch memory to at least count floats; for constructors. */
int dcg_openblas_scratch(struct dcg_backend *be, size_t count, struct dcg_error *err);

int dcg_openblas_param_init(struct dcg_backend *be, struct dcg_param *p, int k, int c, int t, int thin, struct dcg_error *err);
void dcg_openblas_param_done(struct dcg_param *p);

/* Loops over elements: tasks of a fixed size. */
enum { DCG_OPENBLAS_CHUNK = 1 << 15 };
int dcg_openblas_chunks(size_t count);

/* Convolutions with fewer big channels than this gather panels of all taps. */
enum { DCG_OPENBLAS_THIN = 16 };
int dcg_openblas_thin_init(struct dcg_backend *be, struct dcg_conv *conv, struct dcg_error *err);
void dcg_openblas_thin_forward(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, struct dcg_tensor *small);
void dcg_openblas_thin_backward_data(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *small, struct dcg_tensor *big);
void dcg_openblas_thin_backward_weights(struct dcg_backend *be, struct dcg_conv *conv, const struct dcg_tensor *big, const struct dcg_tensor *small, int accumulate);

/* For loops that become good code once an argument is known: the activation, the number
 * of channels. Each is called from a switch with constants. */
#define DCG_INLINE static inline __attribute__((always_inline))

#endif
