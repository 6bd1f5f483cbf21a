/* The openblas table: opening, tensors. */
#include "kernel/openblas.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>

int dcg_openblas_open(struct dcg_base **ret, struct dcg_error *err)
{
	struct dcg_openblas *ob = calloc(1, sizeof *ob);
	if (!ob)
		return dcg_error_set(err, DCG_ENOMEM, "kernel openblas: out of memory");
	dcg_table_one_blas_thread();
	*ret = &ob->base;
	return 0;
}

static void openblas_close(struct dcg_backend *be)
{
	struct dcg_openblas *ob = (struct dcg_openblas *)be;
	dcg_table_free(ob->scratch);
	free(ob);
}

int dcg_openblas_scratch(struct dcg_backend *be, size_t count, struct dcg_error *err)
{
	struct dcg_openblas *ob = (struct dcg_openblas *)be;
	if (count <= ob->scratch_floats)
		return 0;
	float *scratch;
	int e = dcg_table_floats(be, &scratch, count, "scratch memory", err);
	if (e)
		return e;
	dcg_table_free(ob->scratch);
	ob->scratch = scratch;
	ob->scratch_floats = count;
	return 0;
}

int dcg_openblas_chunks(size_t count)
{
	return (int)((count + DCG_OPENBLAS_CHUNK - 1) / DCG_OPENBLAS_CHUNK);
}

/* A task is one picture: reads and writes NCHW in order. */
struct transfer {
	struct dcg_shape shape;
	float *direct;
	float *nchw;
	const float *from; /* NCHW to write from, or NULL to read into nchw */
};

static void transfer_task(void *ctx, int n, int worker)
{
	(void)worker;
	const struct transfer *j = ctx;
	const size_t N = (size_t)j->shape.n, C = (size_t)j->shape.c, HW = (size_t)j->shape.h * (size_t)j->shape.w;
	for (size_t c = 0; c < C; c++)
		for (size_t i = 0; i < HW; i++) {
			size_t plain = ((size_t)n * C + c) * HW + i, direct = (i * N + (size_t)n) * C + c;
			if (j->from)
				j->direct[direct] = j->from[plain];
			else
				j->nchw[plain] = j->direct[direct];
		}
}

static void tensor_write(struct dcg_backend *be, struct dcg_tensor *t, const float *nchw)
{
	struct transfer j = { t->shape, t->at, NULL, nchw };
	dcg_table_run(be, transfer_task, &j, t->shape.n);
}

static void tensor_read(struct dcg_backend *be, const struct dcg_tensor *t, float *nchw)
{
	struct transfer j = { t->shape, t->at, nchw, NULL };
	dcg_table_run(be, transfer_task, &j, t->shape.n);
}

void dcg_openblas_tensors(struct dcg_ops *ops)
{
	ops->close = openblas_close;
	ops->tensor_new = dcg_plain_tensor_new;
	ops->tensor_view = dcg_plain_tensor_view;
	ops->tensor_free = dcg_plain_tensor_free;
	ops->tensor_write = tensor_write;
	ops->tensor_read = tensor_read;
}
