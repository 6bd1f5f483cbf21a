/* Memory that is refused once, at each place in our code (and cJSON's, for us) that asks for some:
 * what was asked fails with a reason or does without, nothing is leaked (where a sanitizer looks), and
 * the next manager finds all in order. */
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "tests/jobs/world.h"

enum { SITES = 1 << 14, DEPTH = 6, FEW = 12, MANY = 60 };

/* The linker sends our calls here (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_asprintf(char **ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static enum { OFF, RECORD, REFUSE } mode; /* set while no thread of ours runs */
static uintptr_t refused;      /* the site */
static atomic_int hits;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t sites[SITES]; /* guarded by lock while others run */
static size_t site_count;

static int refuse(void)
{
	void *frame[DEPTH];
	uintptr_t site = 5381;
	if (mode == OFF)
		return 0;
	int n = backtrace(frame, DEPTH);
	for (int i = 2; i < n; i++)
		site = site * 33 + (uintptr_t)frame[i];
	if (mode == REFUSE)
		return site == refused && atomic_fetch_add(&hits, 1) == 0;
	pthread_mutex_lock(&lock);
	size_t i = 0;
	while (i < site_count && sites[i] != site)
		i++;
	if (i == site_count && i < SITES)
		sites[site_count++] = site;
	pthread_mutex_unlock(&lock);
	return 0;
}

void *__wrap_malloc(size_t n)
{
	return refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return refuse() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return refuse() ? NULL : __real_aligned_alloc(align, n);
}

char *__wrap_strdup(const char *s)
{
	return refuse() ? NULL : __real_strdup(s);
}

int __wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	if (refuse())
		return -1;
	va_start(ap, fmt);
	int n = vasprintf(ret, fmt, ap);
	va_end(ap);
	return n;
}

static struct world w;
static cJSON *dataset, *job, *pictures;

/* Check's own asks for memory even for what is true. */
#define must(what, ...) do { \
	if (!(what)) { \
		mode = OFF; \
		ck_abort_msg(__VA_ARGS__); \
	} \
} while (0)

/* Nonzero must have its cause. */
static int failed(int r, const char *what, const char *text)
{
	if (r)
		must(atomic_load(&hits) > 0 && text[0], "%s: %s (%s), and no memory was refused", what, dcg_errname(r), text);
	return r;
}

/* Until the job is over; how. */
static enum dcg_job_state over(int64_t id)
{
	for (double end = now_s() + 60;; nap_ms(2)) {
		struct dcg_job_row row;
		if (dcg_store_job_get(dcg_jobs_store(w.jobs), id, &row, NULL) == 0) {
			enum dcg_job_state is = row.state;
			if (is == DCG_JOB_FAILED)
				must(row.error && row.error[0] && atomic_load(&hits) > 0, "job %lld failed: %s", (long long)id, row.error ? row.error : "");
			dcg_job_row_done(&row);
			if (is_over(is))
				return is;
		}
		must(now_s() < end, "job %lld does not end", (long long)id);
	}
}

/* A manager, from its beginning to its end. */
static void life(void)
{
	const char *roots[] = { w.data, NULL };
	struct dcg_jobs_config cfg = { .state_folder = w.state, .dataset_roots = roots };
	struct dcg_generated drawn;
	struct dcg_file_row checkpoint;
	char name[64];
	uint8_t *png;
	size_t size;
	int64_t id = 0;
	w.jobs = NULL;
	if (failed(dcg_jobs_new(&w.jobs, &cfg, &err), "new", err.text))
		return;
	if (failed(dcg_jobs_dataset_register(w.jobs, dataset, name, &inv), "register", inv.text) ||
	    failed(dcg_jobs_submit(w.jobs, job, &id, &inv), "submit", inv.text) || failed(dcg_jobs_start(w.jobs, &err), "start", err.text))
		goto done;
	if (over(id) == DCG_JOB_SUCCEEDED && !failed(dcg_store_file_find(dcg_jobs_store(w.jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &checkpoint, &err), "find", err.text) &&
	    !failed(dcg_jobs_generate(w.jobs, checkpoint.id, pictures, &drawn, &inv), "generate", inv.text))
		dcg_generated_done(&drawn);
	if (!failed(dcg_jobs_dataset_preview(w.jobs, "tiny", &png, &size, &err), "preview", err.text))
		free(png);
	failed(dcg_jobs_act(w.jobs, id, DCG_ACTION_PAUSE, 0, &err) == DCG_ESTATE ? 0 : DCG_ENOMEM, "pause of what is over", err.text);
	failed(dcg_jobs_delete(w.jobs, id, 0, &err), "delete", err.text);
done:
	dcg_jobs_free(w.jobs);
	w.jobs = NULL;
}

/* What the next one finds: it works, and nobody is left at work. */
static void afterlife(void)
{
	struct dcg_job_filter f = { .state = -1, .limit = 100 };
	struct dcg_job_row *rows;
	size_t n;
	world_start(&w);
	ok(dcg_store_jobs(dcg_jobs_store(w.jobs), &f, &rows, &n, &err));
	for (size_t i = 0; i < n; i++)
		over(rows[i].id);
	dcg_store_jobs_free(rows, n);
	int64_t id = 0;
	ck_assert_msg(dcg_jobs_submit(w.jobs, job, &id, &inv) == 0, "%s", inv.text);
	ck_assert_int_eq(over(id), DCG_JOB_SUCCEEDED);
	world_close(&w);
}

static void one_life(int how)
{
	atomic_store(&hits, 0);
	world_make(&w);
	mode = how;
	life();
	mode = OFF;
	if (how == REFUSE)
		afterlife();
	world_done(&w);
}

START_TEST(test_refused_once)
{
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = __wrap_malloc, .free_fn = free });
	dataset = cJSON_Parse("{\"name\":\"tiny\",\"path\":\"tiny\"}");
	job = cJSON_Parse("{" TINY ",\"epochs\":1,\"checkpoint_every\":1,\"sample_every\":1}");
	pictures = cJSON_Parse("{\"n\":2}");
	void *frame[2];
	backtrace(frame, 2); /* loads what it needs now */
	one_life(OFF);
	one_life(RECORD);
	size_t few = getenv("DCG_LONG") && getenv("DCG_LONG")[0] ? MANY : FEW, tried = 0, met = 0;
	ck_assert_uint_gt(site_count, 100);
	for (size_t i = 0; i < site_count; i += (site_count + few - 1) / few, tried++) {
		refused = sites[i];
		one_life(REFUSE);
		met += atomic_load(&hits) > 0;
	}
	printf("# %zu of %zu places that ask for memory, %zu met again\n", tried, site_count, met);
	ck_assert_uint_gt(met, tried / 2); /* which of them a life passes depends on how its threads run */
	cJSON_Delete(dataset);
	cJSON_Delete(job);
	cJSON_Delete(pictures);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 600);
	tcase_add_test(t, test_refused_once);
	suite_add_tcase(s, t);
	return tap_run(s);
}
