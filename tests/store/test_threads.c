/* Many readers and writers at once. Each read must show one moment: the job's step, its
 * events and its points always agree within what a read function returns, and no count ever
 * goes back. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "store/internal.h"
#include "tests/store/folder.h"

enum { WRITERS = 3, READERS = 7, TRANSACTIONS = 150 };

static atomic_int writers_left, failures;
static atomic_llong reads;

#define must(x) do { \
	if (!(x) && atomic_fetch_add(&failures, 1) == 0) \
		fprintf(stderr, "# line %d: %s\n", __LINE__, #x); \
} while (0)

static void *write_some(void *arg)
{
	int64_t job = 1 + (int64_t)(intptr_t)arg, seq, before = 0;
	struct dcg_error e = { 0 };
	for (int i = 1; i <= TRANSACTIONS; i++) {
		struct dcg_store_tx *tx;
		struct dcg_metric_row m = { .step = i };
		must(dcg_store_begin(store, i % 16 == 0, &tx, &e) == 0);
		must(dcg_store_metrics_append(tx, job, &m, 1) == 0);
		must(dcg_store_event_append(tx, job, "metric", "{}", &seq) == 0);
		must(dcg_store_event_append(tx, job, "metric", "{}", &seq) == 0);
		must(seq > before);
		if (i % 7 == 3) {
			dcg_store_rollback(tx);
			i--; /* the same again, until the dice of other threads make it differ */
			must(dcg_store_begin(store, 0, &tx, &e) == 0);
			i++;
			must(dcg_store_metrics_append(tx, job, &m, 1) == 0);
			must(dcg_store_event_append(tx, job, "metric", "{}", &seq) == 0);
			must(dcg_store_event_append(tx, job, "metric", "{}", &seq) == 0);
		}
		must(dcg_store_commit(tx, &e) == 0);
		before = seq;
	}
	atomic_fetch_sub(&writers_left, 1);
	return NULL;
}

static void *read_some(void *arg)
{
	int64_t job = 1 + (int64_t)(intptr_t)arg % WRITERS, points = 0, top = 0;
	struct dcg_error e = { 0 };
	while (atomic_load(&writers_left)) {
		struct dcg_metric_bucket *b = NULL;
		struct dcg_event_row *events = NULL;
		struct dcg_job_row row;
		size_t n = 0;
		int64_t total = 0, oldest = 0, newest = 0;
		must(dcg_store_metrics_read(store, job, DCG_SERIES_LOSS_G, 0, INT64_MAX, 2, &b, &n, &total, &e) == 0);
		must(total >= points && (n == 0 || b[n - 1].last_step == total));
		points = total;
		free(b);
		must(dcg_store_events(store, 0, 0, 100000, &events, &n, &oldest, &newest, &e) == 0);
		must((int64_t)n == newest && newest >= top && newest % 2 == 0);
		for (size_t i = 0; i < n; i++)
			must(events[i].seq == (int64_t)i + 1);
		top = newest;
		dcg_store_events_free(events, n);
		must(dcg_store_job_get(store, job, &row, &e) == 0);
		dcg_job_row_done(&row);
		atomic_fetch_add(&reads, 3);
	}
	return NULL;
}

START_TEST(readers_and_writers)
{
	pthread_t thread[WRITERS + READERS];
	for (int i = 0; i < WRITERS; i++)
		add_job("a", "d", 0, 1);
	atomic_store(&writers_left, WRITERS);
	for (intptr_t i = 0; i < WRITERS + READERS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, i < WRITERS ? write_some : read_some, (void *)i), 0);
	for (int i = 0; i < WRITERS + READERS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(atomic_load(&failures), 0);
	struct dcg_event_row *events;
	size_t n;
	int64_t oldest, newest;
	ok(dcg_store_events(store, 0, 0, 100000, &events, &n, &oldest, &newest, &err));
	ck_assert_int_eq((int64_t)n, 2 * WRITERS * TRANSACTIONS);
	dcg_store_events_free(events, n);
	printf("# %lld reads beside %d transactions\n", (long long)atomic_load(&reads), WRITERS * TRANSACTIONS);
	dcg_store_close(store);
	check_integrity(database);
	ok(dcg_store_open(&store, folder, &err));
}
END_TEST

static void *read_one(void *arg)
{
	struct dcg_job_row row;
	*(int *)arg = dcg_store_job_get(store, 1, &row, NULL);
	if (!*(int *)arg)
		dcg_job_row_done(&row);
	return NULL;
}

/* When no more files can be opened, reads go one after the other. */
START_TEST(readers_without_files)
{
	struct rlimit before;
	struct dcg_sql *q;
	struct timespec soon;
	pthread_t thread;
	int r = 1, spare = dup(0);
	add_job("a", "d", 0, 1);
	ok(dcg_store_read_begin(store, &q, &err)); /* opens the only one */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* For the database, or for its log, too. */
	close(spare);
	struct rlimit l = { (rlim_t)(spare + _i), before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_one, &r), 0);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 100000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	int waits = pthread_timedjoin_np(thread, NULL, &soon); /* nothing depends on how far it comes */
	ok(dcg_store_read_end(store, q, &err));
	if (waits)
		pthread_join(thread, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ok(r);
}
END_TEST

int main(void)
{
	TCase *c;
	Suite *s = suite_of("store: threads", &c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, readers_and_writers);
	tcase_add_loop_test(c, readers_without_files, 0, 3);
	return tap_run(s);
}
