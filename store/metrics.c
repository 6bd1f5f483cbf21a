/* Points of charts. Beside each run of BLOCK steps stands what it comes to (metric_blocks),
 * so that a chart of a million points reads thousands of rows: at 0.1 us a point SQLite
 * would take 0.1 s for one series, and three times that for its own GROUP BY, which sorts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

enum { BLOCK = 128 }; /* steps; part of the file's format */

static const int64_t max_step = INT64_C(1) << 53; /* what JSON can say exactly */

static const char *const series_names[DCG_SERIES_COUNT] = {
	[DCG_SERIES_LOSS_D] = "loss_d", [DCG_SERIES_LOSS_G] = "loss_g", [DCG_SERIES_D_REAL] = "d_real",
	[DCG_SERIES_D_FAKE] = "d_fake", [DCG_SERIES_D_FAKE_AFTER] = "d_fake_after",
	[DCG_SERIES_IMAGES_PER_S] = "images_per_s", [DCG_SERIES_SWD] = "swd", [DCG_SERIES_MS_SSIM] = "ms_ssim",
};

const char *dcg_series_name(enum dcg_series s)
{
	return (unsigned)s < DCG_SERIES_COUNT ? series_names[s] : "unknown";
}

int dcg_series_from_name(const char *name)
{
	for (int i = 0; name && i < DCG_SERIES_COUNT; i++)
		if (strcmp(name, series_names[i]) == 0)
			return i;
	return DCG_EINVAL;
}

/* --- Buckets ------------------------------------------------------------------------ */

/* A point is a bucket of one. */
static struct dcg_metric_bucket read_point(struct dcg_sql *q)
{
	int64_t step = dcg_sql_int(q);
	double v = dcg_sql_real(q);
	return (struct dcg_metric_bucket){ step, step, 1, step, step, v, v, v };
}

static struct dcg_metric_bucket read_block(struct dcg_sql *q)
{
	struct dcg_metric_bucket b;
	b.first_step = dcg_sql_int(q);
	b.last_step = dcg_sql_int(q);
	b.count = dcg_sql_int(q);
	b.min_step = dcg_sql_int(q);
	b.max_step = dcg_sql_int(q);
	b.min = dcg_sql_real(q);
	b.max = dcg_sql_real(q);
	b.last = dcg_sql_real(q);
	if (b.count < 1 || b.count > BLOCK || b.first_step < 0 || b.last_step < b.first_step || b.last_step - b.first_step >= BLOCK)
		dcg_sql_fail(q, DCG_EDAMAGED, DCG_STORE_FILE ": metric_blocks: %lld points at steps %lld to %lld; " DCG_STORE_REMEDY,
			(long long)b.count, (long long)b.first_step, (long long)b.last_step);
	return b;
}

/* b takes in what comes after it. Of equal extremes the first is kept. */
static void merge(struct dcg_metric_bucket *b, const struct dcg_metric_bucket *next)
{
	if (next->min < b->min)
		b->min = next->min, b->min_step = next->min_step;
	if (next->max > b->max)
		b->max = next->max, b->max_step = next->max_step;
	b->last = next->last;
	b->last_step = next->last_step;
	b->count += next->count;
}

/* --- Writing ------------------------------------------------------------------------ */

#define POINTS "SELECT step, value FROM metrics WHERE job=? AND series=? AND step BETWEEN ? AND ? ORDER BY step"

static void bind_range(struct dcg_sql *q, int64_t job, int series, int64_t from, int64_t to)
{
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, series);
	dcg_sql_bind_int(q, from);
	dcg_sql_bind_int(q, to);
}

/* Make the block's row anew from its points. */
static void refresh_block(struct dcg_sql *q, int64_t job, int series, int64_t block)
{
	struct dcg_metric_bucket b = { 0 };
	dcg_sql_start(q, POINTS);
	bind_range(q, job, series, block * BLOCK, block * BLOCK + BLOCK - 1);
	while (dcg_sql_step(q) > 0) {
		struct dcg_metric_bucket p = read_point(q);
		if (b.count)
			merge(&b, &p);
		else
			b = p;
	}
	if (!b.count) {
		dcg_sql_start(q, "DELETE FROM metric_blocks WHERE job=? AND series=? AND block=?");
		dcg_sql_bind_int(q, job);
		dcg_sql_bind_int(q, series);
		dcg_sql_bind_int(q, block);
		dcg_sql_run(q);
		return;
	}
	dcg_sql_start(q, "INSERT OR REPLACE INTO metric_blocks(job, series, block, first_step, last_step, count, min_step, max_step,"
		" min, max, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, series);
	dcg_sql_bind_int(q, block);
	dcg_sql_bind_int(q, b.first_step);
	dcg_sql_bind_int(q, b.last_step);
	dcg_sql_bind_int(q, b.count);
	dcg_sql_bind_int(q, b.min_step);
	dcg_sql_bind_int(q, b.max_step);
	dcg_sql_bind_real(q, b.min);
	dcg_sql_bind_real(q, b.max);
	dcg_sql_bind_real(q, b.last);
	dcg_sql_run(q);
}

static void append_series(struct dcg_sql *q, int64_t job, int series, const struct dcg_metric_row *rows, size_t count)
{
	int64_t block = -1; /* the one being written to */
	for (size_t i = 0; i < count && !q->error.code; i++) {
		if (isnan(rows[i].value[series]))
			continue;
		if (block >= 0 && block != rows[i].step / BLOCK)
			refresh_block(q, job, series, block);
		block = rows[i].step / BLOCK;
		dcg_sql_start(q, "INSERT OR REPLACE INTO metrics(job, series, step, value) VALUES (?, ?, ?, ?)");
		dcg_sql_bind_int(q, job);
		dcg_sql_bind_int(q, series);
		dcg_sql_bind_int(q, rows[i].step);
		dcg_sql_bind_real(q, rows[i].value[series]);
		dcg_sql_run(q);
	}
	if (block >= 0)
		refresh_block(q, job, series, block);
}

int dcg_store_metrics_append(struct dcg_store_tx *tx, int64_t job, const struct dcg_metric_row *rows, size_t count)
{
	struct dcg_sql *q = tx->sql;
	for (size_t i = 0; i < count; i++)
		if (rows[i].step < 0 || rows[i].step > max_step)
			return dcg_sql_fail(q, DCG_EINVAL, "a point at step %lld", (long long)rows[i].step);
	dcg_sql_start(q, "SELECT 1 FROM jobs WHERE id=?");
	dcg_sql_bind_int(q, job);
	if (dcg_sql_step(q) == 0)
		dcg_sql_fail(q, DCG_ENOENT, "there is no job %lld", (long long)job);
	for (int series = 0; series < DCG_SERIES_COUNT; series++)
		append_series(q, job, series, rows, count);
	dcg_sql_end(q);
	return q->error.code;
}

int dcg_store_metrics_truncate(struct dcg_store_tx *tx, int64_t job, int64_t step)
{
	struct dcg_sql *q = tx->sql;
	if (step > max_step)
		step = max_step;
	for (int series = 0; series < DCG_SERIES_COUNT; series++) {
		dcg_sql_start(q, "DELETE FROM metrics WHERE job=? AND series=? AND step>?");
		dcg_sql_bind_int(q, job);
		dcg_sql_bind_int(q, series);
		dcg_sql_bind_int(q, step);
		dcg_sql_run(q);
		dcg_sql_start(q, "DELETE FROM metric_blocks WHERE job=? AND series=? AND block>?");
		dcg_sql_bind_int(q, job);
		dcg_sql_bind_int(q, series);
		dcg_sql_bind_int(q, step < 0 ? -1 : step / BLOCK);
		dcg_sql_run(q);
		if (step >= 0)
			refresh_block(q, job, series, step / BLOCK);
	}
	return q->error.code;
}

/* --- Reading ------------------------------------------------------------------------ */

struct chart {
	int64_t origin, width; /* bucket i: steps from origin + i * width */
	struct dcg_metric_bucket *bucket;
	size_t count, capacity;
	int64_t total;
};

static void add(struct dcg_sql *q, struct chart *c, const struct dcg_metric_bucket *b)
{
	if (q->error.code)
		return;
	c->total += b->count;
	if (c->count) {
		struct dcg_metric_bucket *newest = &c->bucket[c->count - 1];
		if ((newest->first_step - c->origin) / c->width == (b->first_step - c->origin) / c->width) {
			merge(newest, b);
			return;
		}
	}
	void *p = c->bucket;
	if (!dcg_sql_grow(q, &p, &c->capacity, c->count, sizeof *c->bucket)) {
		c->bucket = p;
		c->bucket[c->count++] = *b;
	}
}

static void add_points(struct dcg_sql *q, struct chart *c, int64_t job, int series, int64_t from, int64_t to)
{
	dcg_sql_start(q, POINTS);
	bind_range(q, job, series, from, to);
	while (dcg_sql_step(q) > 0) {
		struct dcg_metric_bucket p = read_point(q);
		add(q, c, &p);
	}
	dcg_sql_end(q);
}

static void add_blocks(struct dcg_sql *q, struct chart *c, int64_t job, int series, int64_t from, int64_t to)
{
	dcg_sql_start(q, "SELECT first_step, last_step, count, min_step, max_step, min, max, last FROM metric_blocks"
		" WHERE job=? AND series=? AND block BETWEEN ? AND ? ORDER BY block");
	bind_range(q, job, series, from, to);
	while (dcg_sql_step(q) > 0) {
		struct dcg_metric_bucket b = read_block(q);
		add(q, c, &b);
	}
	dcg_sql_end(q);
}

/* The first and last step there is a point at; 0 if there is none. */
static int ends(struct dcg_sql *q, int64_t job, int series, int64_t from, int64_t to, int64_t *first, int64_t *last)
{
	/* A deleted job has no points, also while some wait to be swept. */
	dcg_sql_start(q, "SELECT step FROM metrics WHERE job=?1 AND series=?2 AND step BETWEEN ?3 AND ?4"
		" AND EXISTS (SELECT 1 FROM jobs WHERE id=?1) ORDER BY step LIMIT 1");
	bind_range(q, job, series, from, to);
	if (dcg_sql_step(q) <= 0)
		return 0;
	*first = dcg_sql_int(q);
	dcg_sql_start(q, "SELECT max(step) FROM metrics WHERE job=? AND series=? AND step BETWEEN ? AND ?");
	bind_range(q, job, series, from, to);
	*last = dcg_sql_step(q) > 0 ? dcg_sql_int(q) : 0;
	return !q->error.code;
}

int dcg_store_metrics_read(struct dcg_store *s, int64_t job, enum dcg_series series, int64_t from, int64_t to, int max_points,
	struct dcg_metric_bucket **ret, size_t *ret_count, int64_t *ret_total, struct dcg_error *err)
{
	if ((unsigned)series >= DCG_SERIES_COUNT || max_points < 1)
		return dcg_error_set(err, DCG_EINVAL, "metrics: series %d, at most %d points", (int)series, max_points);
	struct dcg_sql *q;
	struct chart c = { 0 };
	int64_t first, last;
	if (from < 0)
		from = 0;
	if (to > max_step)
		to = max_step;
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	if (ends(q, job, (int)series, from, to, &first, &last)) {
		c.origin = first;
		c.width = (last - first) / max_points + 1;
		if (c.width <= BLOCK) {
			add_points(q, &c, job, (int)series, first, last);
		} else {
			/* Buckets of whole blocks; only blocks wholly inside are taken as such. */
			int64_t inner = (first + BLOCK - 1) / BLOCK, outer = (last + 1) / BLOCK;
			c.origin = first / BLOCK * BLOCK;
			c.width = ((last / BLOCK - first / BLOCK) / max_points + 1) * BLOCK;
			if (inner < outer) {
				add_points(q, &c, job, (int)series, first, inner * BLOCK - 1);
				add_blocks(q, &c, job, (int)series, inner, outer - 1);
				add_points(q, &c, job, (int)series, outer * BLOCK, last);
			} else {
				add_points(q, &c, job, (int)series, first, last);
			}
		}
	}
	r = dcg_store_read_end(s, q, err);
	if (r) {
		free(c.bucket);
		return r;
	}
	*ret = c.bucket;
	*ret_count = c.count;
	*ret_total = c.total;
	return 0;
}
