/* A state folder, a tiny data set below a root, and a manager on them, for each test. */
#ifndef DCG_TESTS_JOBS_WORLD_H
#define DCG_TESTS_JOBS_WORLD_H

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "jobs/jobs.h"
#include "tests/tap.h"

enum { PICTURES = 64, SIDE = 16, BATCH = 8, STEPS_PER_EPOCH = PICTURES / BATCH };

/* Parameters of a network so small that a step takes less than a millisecond, with a kernel
 * table that every machine has. */
#define TINY "\"dataset\":\"tiny\",\"size\":16,\"ngf\":2,\"ndf\":2,\"z_dim\":8,\"batch_size\":8,\"threads\":1,\"kernel\":\"openblas\",\"sample_count\":9,\"checkpoint_minutes\":0"

/* A job that would run for minutes; each test stops it. */
#define LONG "{" TINY ",\"epochs\":1000000,\"sample_every\":0,\"checkpoint_every\":0}"

struct world {
	char folder[200], state[256], data[256];
	struct dcg_jobs *jobs;
};

static struct dcg_error err;
static struct dcg_invalid inv;

#define ok(call) do { \
	int ok_ = (call); \
	ck_assert_msg(ok_ == 0, "%s: %s: %s", #call, dcg_errname(ok_), err.text); \
} while (0)
#define fails(call, code) do { \
	int fails_ = (call); \
	ck_assert_msg(fails_ == (code), "%s: %s, expected %s", #call, dcg_errname(fails_), dcg_errname(code)); \
} while (0)
#define says(text_) ck_assert_msg(strstr(err.text, text_) != NULL, "\"%s\" is not in \"%s\"", text_, err.text)

static inline void nap_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

static inline double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* IDX: pictures and labels that depend on their number alone. */
static inline void write_idx(const char *folder, int count, int side)
{
	char path[1024];
	size_t size = 16 + (size_t)count * (size_t)side * (size_t)side;
	uint8_t *b = calloc(1, size);
	b[2] = 8, b[3] = 3, b[6] = (uint8_t)(count >> 8), b[7] = (uint8_t)count, b[11] = (uint8_t)side, b[15] = (uint8_t)side;
	for (size_t i = 16; i < size; i++)
		b[i] = (uint8_t)((i * 2654435761u) >> 13 & (i / 97 % 2 ? 0xff : 0x3f));
	snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
	ok(dcg_file_write_atomic(path, b, size, &err));
	memset(b, 0, size);
	b[2] = 8, b[3] = 1, b[6] = (uint8_t)(count >> 8), b[7] = (uint8_t)count;
	for (int i = 0; i < count; i++)
		b[8 + i] = (uint8_t)(i % 3);
	snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", folder);
	ok(dcg_file_write_atomic(path, b, 8 + (size_t)count, &err));
	free(b);
}

static inline void world_make(struct world *w)
{
	char path[512];
	const char *tmp = getenv("TMPDIR");
	*w = (struct world){ 0 };
	snprintf(w->folder, sizeof w->folder, "%s/dcg-jobs-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(w->folder));
	snprintf(w->state, sizeof w->state, "%s/state", w->folder);
	snprintf(w->data, sizeof w->data, "%s/data", w->folder);
	snprintf(path, sizeof path, "%s/tiny", w->data);
	ok(dcg_file_make_folder(path, &err));
	write_idx(path, PICTURES, SIDE);
}

static inline int post_dataset(struct world *w, const char *text)
{
	char name[64];
	cJSON *body = cJSON_Parse(text);
	ck_assert_ptr_nonnull(body);
	int r = dcg_jobs_dataset_register(w->jobs, body, name, &inv);
	cJSON_Delete(body);
	return r;
}

/* The manager, without its worker. */
static inline void world_open(struct world *w)
{
	const char *roots[] = { w->data, NULL };
	struct dcg_jobs_config cfg = { .state_folder = w->state, .dataset_roots = roots };
	struct dcg_dataset_row row;
	ok(dcg_jobs_new(&w->jobs, &cfg, &err));
	if (dcg_store_dataset_get(dcg_jobs_store(w->jobs), "tiny", &row, NULL))
		ck_assert_int_eq(post_dataset(w, "{\"name\":\"tiny\",\"path\":\"tiny\"}"), 0);
	else
		dcg_dataset_row_done(&row);
}

static inline void world_start(struct world *w)
{
	world_open(w);
	ok(dcg_jobs_start(w->jobs, &err));
}

static inline void world_close(struct world *w)
{
	dcg_jobs_free(w->jobs);
	w->jobs = NULL;
}

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void world_done(struct world *w)
{
	world_close(w);
	nftw(w->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int post_job(struct world *w, const char *text, int64_t *ret_id)
{
	cJSON *body = cJSON_Parse(text);
	ck_assert_msg(body != NULL, "not JSON: %s", text);
	int r = dcg_jobs_submit(w->jobs, body, ret_id, &inv);
	cJSON_Delete(body);
	return r;
}

static inline int64_t submit(struct world *w, const char *text)
{
	int64_t id = 0;
	int r = post_job(w, text, &id);
	ck_assert_msg(r == 0, "%s: %s (%s %s)", text, inv.text, inv.count ? inv.field[0].pointer : "", inv.count ? inv.field[0].detail : "");
	return id;
}

static inline struct dcg_job_row get(struct world *w, int64_t id)
{
	struct dcg_job_row row;
	ok(dcg_store_job_get(dcg_jobs_store(w->jobs), id, &row, &err));
	return row;
}

static inline enum dcg_job_state state_of(struct world *w, int64_t id)
{
	struct dcg_job_row row = get(w, id);
	enum dcg_job_state s = row.state;
	dcg_job_row_done(&row);
	return s;
}

static inline int is_over(enum dcg_job_state s)
{
	return s == DCG_JOB_SUCCEEDED || s == DCG_JOB_FAILED || s == DCG_JOB_CANCELLED;
}

/* Until the job is in that state; 60 s, or its end in another one, fail the test. */
static inline void wait_state(struct world *w, int64_t id, enum dcg_job_state state)
{
	for (double end = now_s() + 60;; nap_ms(3)) {
		struct dcg_job_row row = get(w, id);
		enum dcg_job_state is = row.state;
		if (is != state && (is_over(is) || now_s() > end))
			ck_abort_msg("job %lld is %s at step %lld (%s), expected %s", (long long)id, dcg_job_state_name(is), (long long)row.step,
				row.error ? row.error : "no error", dcg_job_state_name(state));
		dcg_job_row_done(&row);
		if (is == state)
			return;
	}
}

/* Every step of every series that has a point for each, 1 to steps, once. */
static inline void check_metrics(struct world *w, int64_t id, int64_t steps)
{
	for (int s = 0; s < DCG_SERIES_OF_STEPS; s++) {
		struct dcg_metric_bucket *b;
		size_t n;
		int64_t total;
		ok(dcg_store_metrics_read(dcg_jobs_store(w->jobs), id, s, 0, steps + 1000000, 5000000, &b, &n, &total, &err));
		ck_assert_int_eq(total, steps);
		int64_t next = 1;
		for (size_t i = 0; i < n; i++) {
			ck_assert_int_eq(b[i].first_step, next);
			ck_assert_int_eq(b[i].count, b[i].last_step - b[i].first_step + 1);
			ck_assert(isfinite(b[i].last));
			next = b[i].last_step + 1;
		}
		ck_assert_int_eq(next, steps + 1);
		free(b);
	}
}

static inline const char *json_text(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
	ck_assert_msg(v != NULL, "no %s", name);
	return cJSON_IsString(v) ? v->valuestring : "";
}

static inline double json_number(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
	ck_assert_msg(v != NULL, "no %s", name);
	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* What a client that follows one job from its first event on sees: numbers without a gap,
 * states that follow each other, each step once (after what a rewind declares void). */
static inline void check_events(struct world *w, int64_t id, int64_t steps, int *ret_rewinds)
{
	struct dcg_event_row *rows;
	size_t count;
	int64_t oldest, newest, seq = 0, next = 1;
	char state[16] = "";
	int rewinds = 0, files[2] = { 0 };
	ok(dcg_store_events(dcg_jobs_store(w->jobs), 0, 0, 1000000, &rows, &count, &oldest, &newest, &err));
	ck_assert_int_eq(oldest, 1);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(rows[i].seq, ++seq);
		cJSON *o = cJSON_Parse(rows[i].data_json);
		ck_assert_ptr_nonnull(o);
		ck_assert_int_eq((int64_t)json_number(o, "job"), rows[i].job);
		ck_assert_int_eq(strlen(json_text(o, "at")), strlen("2026-11-23T12:00:00.123Z"));
		if (rows[i].job == id && strcmp(rows[i].type, "state") == 0) {
			ck_assert_str_eq(json_text(o, "previous"), state);
			snprintf(state, sizeof state, "%s", json_text(o, "state"));
			double to = json_number(o, "rewound_to");
			if (!isnan(to)) {
				ck_assert_int_le((int64_t)to, next - 1);
				next = (int64_t)to + 1;
				rewinds++;
			}
		} else if (rows[i].job == id && strcmp(rows[i].type, "metric") == 0) {
			const cJSON *v, *list = cJSON_GetObjectItemCaseSensitive(o, "steps"), *series = cJSON_GetObjectItemCaseSensitive(o, "series");
			cJSON_ArrayForEach(v, list)
				ck_assert_int_eq((int64_t)v->valuedouble, next++);
			ck_assert_int_eq(cJSON_GetArraySize(series), DCG_SERIES_OF_STEPS);
			for (int s = 0; s < DCG_SERIES_OF_STEPS; s++)
				ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(series, dcg_series_name(s))), cJSON_GetArraySize(list));
		} else if (rows[i].job == id && strcmp(rows[i].type, "score") == 0) {
			ck_assert_int_le((int64_t)json_number(o, "step"), next - 1);
			ck_assert(json_number(o, "swd") > 0 && json_number(o, "ms_ssim") >= 0 && json_number(o, "ms_ssim") <= 1);
		} else if (rows[i].job == id && strcmp(rows[i].type, "progress") == 0) {
			if (strcmp(json_text(o, "stage"), "training") == 0)
				ck_assert_int_eq((int64_t)json_number(o, "step"), next - 1);
		} else if (rows[i].job == id && (strcmp(rows[i].type, "sample") == 0 || strcmp(rows[i].type, "checkpoint") == 0)) {
			/* After the metrics of all steps up to it. */
			ck_assert_int_le((int64_t)json_number(o, "step"), next - 1);
			files[rows[i].type[0] == 'c']++;
		}
		cJSON_Delete(o);
	}
	ck_assert_int_eq(newest, seq);
	ck_assert_int_eq(next, steps + 1);
	ck_assert_int_gt(files[0], 0);
	ck_assert_int_gt(files[1], 0);
	dcg_store_events_free(rows, count);
	if (ret_rewinds)
		*ret_rewinds = rewinds;
}

/* The bytes of all tensors of a job's newest checkpoint; it must be of that step. */
static inline char *final_tensors(struct world *w, int64_t id, int64_t step, size_t *ret_size)
{
	struct dcg_file_row row;
	char *bytes;
	size_t size;
	uint64_t header;
	ok(dcg_store_file_find(dcg_jobs_store(w->jobs), DCG_FILE_CHECKPOINT, id, DCG_NEWEST, 0, &row, &err));
	ck_assert_int_eq(row.step, step);
	char *path = dcg_jobs_file_path(w->jobs, DCG_FILE_CHECKPOINT, &row);
	ok(dcg_file_read(path, 1 << 26, &bytes, &size, &err));
	ck_assert_int_eq((int64_t)size, row.size);
	free(path);
	memcpy(&header, bytes, 8);
	ck_assert_uint_lt(header, size - 8);
	*ret_size = size - 8 - header;
	memmove(bytes, bytes + 8 + header, *ret_size);
	return bytes;
}

static inline void check_same_tensors(struct world *a, int64_t job_a, struct world *b, int64_t job_b, int64_t step)
{
	size_t n, m;
	char *x = final_tensors(a, job_a, step, &n), *y = final_tensors(b, job_b, step, &m);
	ck_assert_uint_eq(n, m);
	ck_assert_int_eq(memcmp(x, y, n), 0);
	free(x);
	free(y);
}

static inline size_t count_files(struct world *w, enum dcg_file_kind kind, int64_t id, int64_t *steps, size_t room)
{
	struct dcg_file_row *rows;
	size_t n;
	ok(dcg_store_files(dcg_jobs_store(w->jobs), kind, id, -1, 100000, NULL, &rows, &n, &err));
	for (size_t i = 0; i < n && i < room; i++)
		steps[i] = rows[i].step;
	for (size_t i = 0; i < n; i++) {
		char *path = dcg_jobs_file_path(w->jobs, kind, &rows[i]);
		ck_assert_msg(access(path, R_OK) == 0, "%s is not there", path);
		free(path);
	}
	free(rows);
	return n;
}

/* Until something past that step is recorded. */
static inline void wait_step(struct world *w, int64_t id, int64_t step)
{
	for (double end = now_s() + 60;; nap_ms(3)) {
		struct dcg_job_row row = get(w, id);
		int64_t is = row.step;
		dcg_job_row_done(&row);
		if (is > step)
			return;
		ck_assert_msg(now_s() < end, "job %lld does not get past step %lld", (long long)id, (long long)step);
	}
}

static inline void wait_files(struct world *w, enum dcg_file_kind kind, int64_t id, size_t count)
{
	for (double end = now_s() + 30; count_files(w, kind, id, NULL, 0) < count; nap_ms(3))
		ck_assert_msg(now_s() < end, "job %lld: no file came", (long long)id);
}

/* What a refusal said of a field, "" if nothing. */
static inline const char *fault(const char *pointer)
{
	for (int i = 0; i < inv.count; i++)
		if (strcmp(inv.field[i].pointer, pointer) == 0)
			return inv.field[i].detail;
	return "";
}

#endif
