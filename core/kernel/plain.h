/* A tensor as one array of floats, in whatever order its table likes: that of the tables
 * `ref` and `openblas`. The operations of kernel.h with the same names. */
#ifndef DCG_KERNEL_PLAIN_H
#define DCG_KERNEL_PLAIN_H

#include "kernel/table.h"

struct dcg_tensor {
	struct dcg_shape shape;
	size_t count;
	float *at;
	int is_view; /* at belongs to another */
};

int dcg_plain_tensor_new(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_error *err);
int dcg_plain_tensor_view(struct dcg_backend *be, struct dcg_tensor **ret, struct dcg_shape shape, struct dcg_tensor *storage, const struct dcg_tensor *after, struct dcg_error *err);
void dcg_plain_tensor_free(struct dcg_tensor *t);

#endif
