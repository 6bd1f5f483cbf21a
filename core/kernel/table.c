#include "kernel/table.h"

#include <cblas.h>
#include <fenv.h>
#include <pthread.h>
#include <unistd.h>

#include "base/memory.h"

int dcg_table_backend(struct dcg_backend **ret, const char *name, dcg_table_open *open, dcg_table_overlay *const overlays[DCG_TABLE_OVERLAYS], int threads, struct dcg_error *err)
{
	struct dcg_pool *pool = NULL;
	struct dcg_base *base = NULL;
	int e = dcg_pool_new(&pool, threads, err);
	if (e)
		return e;
	e = open(&base, err);
	if (e) {
		dcg_pool_free(pool);
		return e;
	}
	for (int i = 0; i < DCG_TABLE_OVERLAYS && overlays[i]; i++)
		overlays[i](&base->table);
	base->table.name = name;
	base->be.ops = &base->table;
	base->be.pool = pool;
	*ret = &base->be;
	return 0;
}

static void one_thread(void)
{
	openblas_set_num_threads(1);
}

void dcg_table_one_blas_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, one_thread);
}

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

/* Far beyond any network, and small enough that tables may count rows (pictures times
 * pixels), columns and taps in an int, rounded up to their blocks. */
enum { MOST = 1 << 20, MOST_SIDE = 1 << 15, MOST_PRODUCT = 1 << 29 };

_Static_assert(sizeof(size_t) >= 8, "all products of sizes within these limits fit a size_t");

static int product_ok(long long a, long long b, long long c)
{
	return a <= MOST_PRODUCT && b <= MOST_PRODUCT && a * b <= MOST_PRODUCT && a * b * c <= MOST_PRODUCT;
}

int dcg_shape_check(struct dcg_shape s, size_t *count, struct dcg_error *err)
{
	if (s.n < 1 || s.c < 1 || s.h < 1 || s.w < 1 || s.n > MOST || s.c > MOST || s.h > MOST_SIDE || s.w > MOST_SIDE)
		return dcg_error_set(err, DCG_EINVAL, "tensor: expected 1 to %d pictures and channels and 1 to %d pixels a side, found %dx%dx%dx%d",
				     MOST, MOST_SIDE, s.n, s.c, s.h, s.w);
	if (!product_ok(s.h, s.w, s.n))
		return dcg_error_set(err, DCG_EINVAL, "tensor: expected at most %d pixels, found %d pictures of %dx%d", MOST_PRODUCT, s.n, s.h, s.w);
	*count = (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
	return 0;
}

static int side_ok(int big, int small, int tap, int stride, int pad)
{
	return big + 2 * pad >= tap && small == (big + 2 * pad - tap) / stride + 1;
}

static int in_range(int v, int least, int most)
{
	return v >= least && v <= most;
}

int dcg_geometry_check(const struct dcg_conv_geometry *g, int batch, size_t *weights, struct dcg_error *err)
{
	size_t count;
	int e = dcg_shape_check((struct dcg_shape){ batch, g->c, g->h, g->w }, &count, err);
	if (!e)
		e = dcg_shape_check((struct dcg_shape){ batch, g->k, g->p, g->q }, &count, err);
	if (e)
		return dcg_error_prefix(err, e, "convolution");
	if (!in_range(g->r, 1, MOST_SIDE) || !in_range(g->s, 1, MOST_SIDE) || !in_range(g->stride, 1, MOST_SIDE) || !in_range(g->pad, 0, MOST_SIDE))
		return dcg_error_set(err, DCG_EINVAL, "convolution: expected kernel, stride and pad up to %d, found %dx%d, stride %d, pad %d",
				     MOST_SIDE, g->r, g->s, g->stride, g->pad);
	if (!side_ok(g->h, g->p, g->r, g->stride, g->pad) || !side_ok(g->w, g->q, g->s, g->stride, g->pad))
		return dcg_error_set(err, DCG_EINVAL, "convolution: %dx%d by %dx%d, stride %d, pad %d does not give %dx%d",
				     g->h, g->w, g->r, g->s, g->stride, g->pad, g->p, g->q);
	if (!product_ok(g->r, g->s, g->c) || !product_ok(g->r, g->s, g->k) || !product_ok(g->stride, g->stride, batch))
		return dcg_error_set(err, DCG_EINVAL, "convolution: %dx%dx%d to %dx%dx%d by %dx%d, stride %d, batch %d is too large",
				     g->c, g->h, g->w, g->k, g->p, g->q, g->r, g->s, g->stride, batch);
	*weights = (size_t)g->k * (size_t)g->c * (size_t)g->r * (size_t)g->s;
	return 0;
}
