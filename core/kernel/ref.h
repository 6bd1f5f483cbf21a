/* The reference table's types: everything plain float NCHW, parameters in PyTorch's
 * order. Private to ref.c and ref_layers.c. */
#ifndef DCG_KERNEL_REF_H
#define DCG_KERNEL_REF_H

#include "kernel/plain.h"

struct dcg_param {
	size_t count;
	float *part[DCG_PARTS];
	int shares_grad; /* that part belongs to another */
};

struct dcg_conv {
	struct dcg_conv_geometry g;
	int batch;
	struct dcg_param weights; /* [K][C][R][S] */
};

struct dcg_bn {
	struct dcg_shape shape;
	struct dcg_param gain, bias;        /* [C] */
	float *running_mean, *running_var;  /* [C] */
	double *mean, *inv_std;             /* [C], those of the last forward */
	enum dcg_bn_mode mode;              /* of the last forward */
};

int dcg_ref_param_init(struct dcg_backend *be, struct dcg_param *p, size_t count, struct dcg_error *err);
void dcg_ref_param_done(struct dcg_param *p);

#endif
