/* What the kernel tables share: how one is put together, its memory, its loops.
 * Private to core/kernel/.
 *
 * A table is made by one `open`, which fixes the layout of tensors and parameters, and
 * by overlays, applied in order, each of which fills in or replaces the operations that
 * it knows (better). A faster instruction set on a layout that exists already is one
 * more row in kernel.c: the same open, the same overlays, and its own after them.
 */
#ifndef DCG_KERNEL_TABLE_H
#define DCG_KERNEL_TABLE_H

#include "kernel/kernel.h"

/* What every table's own backend struct begins with. */
struct dcg_base {
	struct dcg_backend be; /* first: the pointer that callers hold */
	struct dcg_ops table;  /* what be.ops points to */
	size_t bytes;          /* taken by dcg_table_alloc and not given back yet */
};

typedef int dcg_table_open(struct dcg_base **ret, struct dcg_error *err);
typedef void dcg_table_overlay(struct dcg_ops *ops);

/* A backend of one open and its overlays, up to the first that is NULL. name: kept. */
enum { DCG_TABLE_OVERLAYS = 8 };
int dcg_table_backend(struct dcg_backend **ret, const char *name, dcg_table_open *open, dcg_table_overlay *const overlays[DCG_TABLE_OVERLAYS], int threads, struct dcg_error *err);

dcg_table_open dcg_ref_open, dcg_openblas_open, dcg_simd_open, dcg_simd_open_bf16;
dcg_table_overlay dcg_ref_basics, dcg_ref_layers;
dcg_table_overlay dcg_openblas_tensors, dcg_openblas_pictures, dcg_openblas_params, dcg_openblas_convs;
dcg_table_overlay dcg_openblas_norms, dcg_openblas_activations;
dcg_table_overlay dcg_simd_avx2, dcg_simd_avx512, dcg_simd_avx512_bf16;
dcg_table_overlay dcg_amx; /* convolutions, over dcg_simd_avx512_bf16 */

/* Zeroed memory for count * size bytes, aligned to 64; *ret is NULL on failure too, so
 * that one _free path undoes a constructor. All that a backend holds together may not
 * pass the machine's physical memory: a job that asks for too much gets DCG_ENOMEM
 * instead of the kernel's OOM killer. what names the thing in err. */
int dcg_table_alloc(struct dcg_backend *be, void **ret, size_t count, size_t size, const char *what, struct dcg_error *err);
void dcg_table_free(void *p);
int dcg_table_floats(struct dcg_backend *be, float **ret, size_t count, const char *what, struct dcg_error *err);

/* Has OpenBLAS compute on the thread that calls it: a table that uses it opens with this. The number
 * belongs to the process, not to us; but its own threads would only fight with ours. */
void dcg_table_one_blas_thread(void);

/* dcg_pool_run with denormals flushed on the calling thread as on the others, so that
 * it does not matter which of them runs a task. */
void dcg_table_run(struct dcg_backend *be, dcg_pool_fn *fn, void *ctx, int tasks);

/* DCG_EINVAL unless all dimensions are at least 1 and so small that rows (n h w), taps
 * times channels and the like fit an int, rounded up to any block. *count: of floats. */
int dcg_shape_check(struct dcg_shape s, size_t *count, struct dcg_error *err);
/* The same, and the formula in kernel.h. *weights: of floats. */
int dcg_geometry_check(const struct dcg_conv_geometry *g, int batch, size_t *weights, struct dcg_error *err);

#endif
