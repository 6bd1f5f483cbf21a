/* Points and charts, against plain recomputation. */
#include <time.h>

#include "base/rng.h"
#include "tests/store/faults.h"
#include "tests/store/folder.h"

enum { N = 30000 };

struct point {
	int64_t step;
	double value;
};

static struct point points[DCG_SERIES_COUNT][N]; /* what should be there, in order */
static size_t count[DCG_SERIES_COUNT];
static struct dcg_rng rng;
static int64_t job;

/* Steps with gaps of many sizes; each series with points missing; a few extremes. Returns the last step. */
static int64_t fill(int rows_wanted, int64_t step)
{
	struct dcg_metric_row *rows = malloc((size_t)rows_wanted * sizeof *rows);
	for (int i = 0; i < rows_wanted; i++) {
		step += dcg_rng_below(&rng, 50) ? 1 : dcg_rng_below(&rng, 1000);
		rows[i].step = step;
		for (int s = 0; s < DCG_SERIES_COUNT; s++) {
			double v = dcg_rng_below(&rng, 2000001) / 1e6 - 1;
			if (dcg_rng_below(&rng, 2000) == 0)
				v *= 1e12;
			if (dcg_rng_below(&rng, 10) == 0 || s == DCG_SERIES_IMAGES_PER_S)
				v = NAN;
			rows[i].value[s] = v;
			if (!isnan(v))
				points[s][count[s]++] = (struct point){ step, v };
		}
	}
	for (int i = 0, n; i < rows_wanted; i += n) { /* in batches of many sizes */
		n = 1 + (int)dcg_rng_below(&rng, 300);
		if (n > rows_wanted - i)
			n = rows_wanted - i;
		struct dcg_store_tx *tx = begin(0);
		ok(dcg_store_metrics_append(tx, job, rows + i, (size_t)n));
		commit(tx);
	}
	free(rows);
	return step;
}

/* Whatever the buckets' edges, each must say the truth about its own steps, together they
 * must hold every point in the range, and they must be of one width. */
static void check_chart(enum dcg_series s, int64_t from, int64_t to, int max_points)
{
	struct dcg_metric_bucket *b = NULL;
	size_t n = 99, i = 0;
	int64_t total = 99, expected = 0;
	ok(dcg_store_metrics_read(store, job, s, from, to, max_points, &b, &n, &total, &err));
	const struct point *p = points[s], *end = p + count[s], *first, *last;
	while (p < end && p->step < from)
		p++;
	first = p;
	ck_assert_uint_le(n, (size_t)max_points);
	for (i = 0; i < n; i++) {
		ck_assert(p < end && b[i].first_step == p->step);
		struct dcg_metric_bucket want = { .first_step = p->step, .min = p->value, .max = p->value, .min_step = p->step, .max_step = p->step };
		for (; p < end && p->step <= b[i].last_step; p++) {
			if (p->value < want.min)
				want.min = p->value, want.min_step = p->step;
			if (p->value > want.max)
				want.max = p->value, want.max_step = p->step;
			want.last = p->value, want.last_step = p->step;
			want.count++;
		}
		ck_assert_msg(!memcmp(&want, &b[i], sizeof want), "bucket %zu of %zu, series %d, %lld to %lld in %d", i, n, (int)s,
			(long long)from, (long long)to, max_points);
		expected += want.count;
	}
	ck_assert(p == end || p->step > to);
	ck_assert_int_eq(total, expected);
	if (n) {
		last = p - 1;
		ck_assert(b[0].first_step == first->step && b[n - 1].last_step == last->step);
		ck_assert(first->step >= from && last->step <= to);
		/* Equal width: a grid exists on which each bucket has a cell of its own. The first bucket's
		 * cell may begin up to a block before it. */
		int64_t w = (last->step - first->step) / max_points + 1, origin = first->step;
		if (w > 128) {
			origin = first->step / 128 * 128;
			w = ((last->step / 128 - first->step / 128) / max_points + 1) * 128;
		}
		for (i = 0; i < n; i++) {
			ck_assert_int_eq((b[i].first_step - origin) / w, (b[i].last_step - origin) / w);
			if (i)
				ck_assert_int_lt((b[i - 1].first_step - origin) / w, (b[i].first_step - origin) / w);
		}
		if ((int64_t)max_points > last->step - first->step)
			ck_assert_int_eq((int64_t)n, total); /* room for every point by itself */
	}
	free(b);
}

static void check_charts(int rounds)
{
	int64_t top = count[0] ? points[0][count[0] - 1].step : 10;
	static const int sizes[] = { 1, 2, 3, 10, 100, 1000, 100000 };
	for (int s = 0; s < DCG_SERIES_COUNT; s++)
		for (int m = 0; m < 7; m++)
			check_chart((enum dcg_series)s, 0, INT64_MAX, sizes[m]);
	for (int i = 0; i < rounds; i++) {
		int64_t from = dcg_rng_below(&rng, (uint32_t)top), to = dcg_rng_below(&rng, 4) ? dcg_rng_below(&rng, (uint32_t)top) : INT64_MAX;
		if (i % 7 == 0)
			to = from + dcg_rng_below(&rng, 400); /* inside a block or two */
		check_chart((enum dcg_series)dcg_rng_below(&rng, DCG_SERIES_COUNT), i % 11 ? from : INT64_MIN, to, 1 + (int)dcg_rng_below(&rng, i % 2 ? 20 : 2000));
	}
}

static void metrics_setup(void)
{
	setup();
	dcg_rng_init(&rng, 20240501, 0);
	add_job("other", "d", 0, 1);
	job = add_job("j", "d", 0, 1);
}

START_TEST(charts_equal_recomputation)
{
	/* A neighbour on either side, to be left alone. */
	struct dcg_metric_row row = { .step = 3, .value = { 1e30, 1e30, 1e30, 1e30, 1e30, 1e30 } };
	int64_t after = add_job("after", "d", 0, 1);
	struct dcg_store_tx *tx = begin(0);
	ok(dcg_store_metrics_append(tx, job - 1, &row, 1));
	ok(dcg_store_metrics_append(tx, after, &row, 1));
	commit(tx);
	check_charts(20); /* of nothing */
	int64_t step = fill(1, 0);
	check_charts(20);
	fill(7000, step);
	check_charts(600);
	reopen();
	check_charts(50);
	/* Nobody's points. */
	struct dcg_metric_bucket *b;
	size_t n;
	int64_t total;
	ok(dcg_store_metrics_read(store, 99, DCG_SERIES_LOSS_D, 0, INT64_MAX, 10, &b, &n, &total, &err));
	ck_assert(n == 0 && total == 0);
	ok(dcg_store_metrics_read(store, job, DCG_SERIES_LOSS_D, 500, 400, 10, &b, &n, &total, &err));
	ck_assert(n == 0 && total == 0);
	fails(dcg_store_metrics_read(store, job, DCG_SERIES_LOSS_D, 0, 1, 0, &b, &n, &total, &err), DCG_EINVAL);
	fails(dcg_store_metrics_read(store, job, DCG_SERIES_COUNT, 0, 1, 1, &b, &n, &total, &err), DCG_EINVAL);
	tx = begin(0);
	fails(dcg_store_metrics_append(tx, 99, &row, 1), DCG_ENOENT);
	dcg_store_rollback(tx);
	tx = begin(0);
	row.step = -1;
	fails(dcg_store_metrics_append(tx, job, &row, 1), DCG_EINVAL);
	dcg_store_rollback(tx);
	check_charts(20);
}
END_TEST

START_TEST(truncated_and_written_again)
{
	int64_t top = fill(3000, 0);
	int64_t cuts[] = { INT64_MAX, top + 5, top - 100, top / 128 * 128 - 1, top / 2, top / 4 / 128 * 128, 127, 0, -1 };
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		struct dcg_store_tx *tx = begin(1);
		ok(dcg_store_metrics_truncate(tx, job, 0));
		dcg_store_rollback(tx); /* no trace */
		tx = begin(1);
		ok(dcg_store_metrics_truncate(tx, job, cuts[i]));
		commit(tx);
		for (int s = 0; s < DCG_SERIES_COUNT; s++)
			while (count[s] && points[s][count[s] - 1].step > cuts[i])
				count[s]--;
		check_charts(40);
		if (i % 2) {
			fill(200, cuts[i] + 1);
			check_charts(20);
		}
	}
}
END_TEST

START_TEST(a_point_given_twice_is_replaced)
{
	struct dcg_metric_row row;
	struct dcg_store_tx *tx = begin(0);
	for (int s = 0; s < DCG_SERIES_COUNT; s++)
		row.value[s] = NAN;
	for (int i = 0; i < 1000; i++) { /* out of order on purpose: back and forth between blocks */
		row.step = i * 37 % 1000;
		row.value[0] = (double)row.step;
		ok(dcg_store_metrics_append(tx, job, &row, 1));
	}
	row.step = 400;
	row.value[0] = -INFINITY;
	ok(dcg_store_metrics_append(tx, job, &row, 1));
	commit(tx);
	for (int i = 0; i < 1000; i++)
		points[0][i] = (struct point){ i, i == 400 ? (double)-INFINITY : i };
	count[0] = 1000;
	check_charts(200);
}
END_TEST

/* 150,000 points go away in pieces; nobody sees one of them meanwhile. */
START_TEST(deleted_points_are_swept)
{
	enum { ROWS = 25000 };
	struct dcg_metric_row *rows = calloc(ROWS, sizeof *rows);
	for (int i = 0; i < ROWS; i++)
		rows[i].step = i;
	struct dcg_store_tx *tx = begin(0);
	ok(dcg_store_metrics_append(tx, job, rows, ROWS));
	ok(dcg_store_metrics_append(tx, job - 1, rows, 300));
	commit(tx);
	free(rows);
	tx = begin(1);
	ok(dcg_store_job_delete(tx, job));
	commit(tx);
	int64_t gone = job;
	for (int i = 0; i < 12; i++) {
		check_charts(3); /* no points expected */
		if (i == 3)
			reopen();
		tx = begin(0);
		commit(tx);
	}
	dcg_store_close(store);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM metrics"), DCG_SERIES_COUNT * 300);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM metric_blocks"), DCG_SERIES_COUNT * 3);
	ck_assert_int_eq(sql(database, "SELECT count(*) FROM deleted_jobs"), 0);
	ok(dcg_store_open(&store, folder, &err));
	job = gone - 1;
	struct dcg_metric_bucket *b;
	size_t n;
	int64_t total;
	ok(dcg_store_metrics_read(store, job, DCG_SERIES_LOSS_D, 0, INT64_MAX, 1, &b, &n, &total, &err));
	ck_assert_int_eq(total, 300);
	free(b);
}
END_TEST

/* Seconds of this thread's own work: the machine may be busy with other tests. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 100,000 steps of all series, in batches as a quarter of a second brings them; then the
 * charts of all, which take about 3 ms. */
START_TEST(large_charts_are_quick)
{
	enum { STEPS = 100000, BATCH = 250 };
	struct dcg_metric_row rows[BATCH];
	double t = now();
	for (int i = 0; i < STEPS; i += BATCH) {
		for (int k = 0; k < BATCH; k++) {
			rows[k].step = i + k;
			for (int s = 0; s < DCG_SERIES_COUNT; s++)
				rows[k].value[s] = (i + k) % (1000 + s) == 0 ? 100 : 1. / (1 + k);
		}
		struct dcg_store_tx *tx = begin(0);
		ok(dcg_store_metrics_append(tx, job, rows, BATCH));
		commit(tx);
	}
	double written = now() - t;
	t = now();
	for (int s = 0; s < DCG_SERIES_COUNT; s++) {
		struct dcg_metric_bucket *b;
		size_t n;
		int64_t total, spikes = 0;
		ok(dcg_store_metrics_read(store, job, (enum dcg_series)s, 0, INT64_MAX, 500, &b, &n, &total, &err));
		ck_assert_int_eq(total, STEPS);
		for (size_t i = 0; i < n; i++)
			spikes += b[i].max == 100;
		ck_assert_int_eq(spikes, (STEPS - 1) / (1000 + s) + 1); /* none is lost */
		free(b);
	}
	double read = now() - t;
	printf("# %d steps of %d series: written in %.2f s, %d charts of 500 buckets in %.1f ms\n", STEPS, DCG_SERIES_COUNT,
		written, DCG_SERIES_COUNT, read * 1e3);
	ck_assert_msg(read < 0.1, "%g s for the charts", read);
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: metrics", &c);
	tcase_add_checked_fixture(c, metrics_setup, teardown);
	tcase_add_test(c, charts_equal_recomputation);
	tcase_add_test(c, truncated_and_written_again);
	tcase_add_test(c, a_point_given_twice_is_replaced);
	tcase_add_test(c, deleted_points_are_swept);
	tcase_add_test(c, large_charts_are_quick);
	return tap_run(s);
}
