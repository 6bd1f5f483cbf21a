#include "kernel/table.h"

#include <fenv.h>
#include <limits.h>
#include <unistd.h>

#include "base/memory.h"

/* Sits in the 64 bytes before the memory handed out. */
struct header {
	struct dcg_base *owner;
	size_t bytes;
};
enum { HEADER = 64 };

static size_t machine_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	size_t bytes;
	if (pages <= 0 || size <= 0 || __builtin_mul_overflow((size_t)pages, (size_t)size, &bytes))
		return SIZE_MAX;
	return bytes;
}

int dcg_table_alloc(struct dcg_backend *be, void **ret, size_t count, size_t size, const char *what, struct dcg_error *err)
{
	struct dcg_base *base = (struct dcg_base *)be;
	size_t bytes, total, machine = machine_bytes();
	*ret = NULL;
	if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, HEADER, &bytes))
		return dcg_error_set(err, DCG_ENOMEM, "%s: more memory than any machine has", what);
	if (__builtin_add_overflow(base->bytes, bytes, &total) || total > machine)
		return dcg_error_set(err, DCG_ENOMEM, "%s: needs %.1f MB on top of %.1f MB, this machine has %.1f MB", what,
				     (double)bytes / 1e6, (double)base->bytes / 1e6, (double)machine / 1e6);
	char *p = dcg_alloc(1, bytes);
	if (!p)
		return dcg_error_set(err, DCG_ENOMEM, "%s: no memory for %.1f MB", what, (double)bytes / 1e6);
	base->bytes = total;
	*(struct header *)p = (struct header){ base, bytes };
	*ret = p + HEADER;
	return 0;
}

void dcg_table_free(void *p)
{
	if (!p)
		return;
	struct header *h = (struct header *)((char *)p - HEADER);
	h->owner->bytes -= h->bytes;
	dcg_free(h);
}

int dcg_table_floats(struct dcg_backend *be, float **ret, size_t count, const char *what, struct dcg_error *err)
{
	void *p;
	int e = dcg_table_alloc(be, &p, count, sizeof **ret, what, err);
	*ret = p;
	return e;
}

void dcg_table_run(struct dcg_backend *be, dcg_pool_fn *fn, void *ctx, int tasks)
{
	fenv_t callers;
	fegetenv(&callers);
	dcg_flush_denormals();
	dcg_pool_run(be->pool, fn, ctx, tasks);
	fesetenv(&callers);
}

static int product(const int *factor, int n, size_t *ret)
{
	size_t count = 1;
	for (int i = 0; i < n; i++)
		if (__builtin_mul_overflow(count, (size_t)factor[i], &count))
			return DCG_ENOMEM;
	*ret = count;
	return 0;
}

int dcg_shape_check(struct dcg_shape s, size_t *count, struct dcg_error *err)
{
	if (s.n < 1 || s.c < 1 || s.h < 1 || s.w < 1)
		return dcg_error_set(err, DCG_EINVAL, "tensor: expected dimensions of at least 1, found %dx%dx%dx%d", s.n, s.c, s.h, s.w);
	if (s.h > INT_MAX / s.w)
		return dcg_error_set(err, DCG_EINVAL, "tensor: %dx%d pixels are too many", s.h, s.w);
	if (product((int[]){ s.n, s.c, s.h, s.w }, 4, count))
		return dcg_error_set(err, DCG_ENOMEM, "tensor: %dx%dx%dx%d floats are more memory than any machine has", s.n, s.c, s.h, s.w);
	return 0;
}

static int side_ok(int big, int small, int tap, int stride, int pad)
{
	long long padded = (long long)big + 2LL * pad;
	return padded >= tap && padded <= INT_MAX && small == (padded - tap) / stride + 1;
}

int dcg_geometry_check(const struct dcg_conv_geometry *g, int batch, size_t *weights, struct dcg_error *err)
{
	if (batch < 1 || g->c < 1 || g->h < 1 || g->w < 1 || g->k < 1 || g->p < 1 || g->q < 1 || g->r < 1 || g->s < 1 || g->stride < 1 || g->pad < 0)
		return dcg_error_set(err, DCG_EINVAL, "convolution: expected sizes of at least 1, found batch %d, %dx%dx%d to %dx%dx%d by %dx%d, stride %d, pad %d",
				     batch, g->c, g->h, g->w, g->k, g->p, g->q, g->r, g->s, g->stride, g->pad);
	if (!side_ok(g->h, g->p, g->r, g->stride, g->pad) || !side_ok(g->w, g->q, g->s, g->stride, g->pad))
		return dcg_error_set(err, DCG_EINVAL, "convolution: %dx%d by %dx%d, stride %d, pad %d does not give %dx%d",
				     g->h, g->w, g->r, g->s, g->stride, g->pad, g->p, g->q);
	if (g->h > INT_MAX / g->w || g->p > INT_MAX / g->q || g->r > INT_MAX / g->s)
		return dcg_error_set(err, DCG_EINVAL, "convolution: %dx%d by %dx%d are too many pixels", g->h, g->w, g->r, g->s);
	size_t any;
	if (product((int[]){ g->k, g->c, g->r, g->s }, 4, weights) || product((int[]){ batch, g->c, g->h, g->w }, 4, &any) ||
	    product((int[]){ batch, g->k, g->p, g->q }, 4, &any))
		return dcg_error_set(err, DCG_ENOMEM, "convolution: batch %d, %dx%dx%d to %dx%dx%d by %dx%d is more memory than any machine has",
				     batch, g->c, g->h, g->w, g->k, g->p, g->q, g->r, g->s);
	return 0;
}
