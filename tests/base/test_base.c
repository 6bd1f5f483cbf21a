#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>
#include <sched.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/sha256.h"
#include "tests/tap.h"

START_TEST(errors_have_names_and_texts)
{
	ck_assert_str_eq(dcg_errname(DCG_EFORMAT), "EFORMAT");
	for (int e = DCG_EDAMAGED; e <= 0; e++)
		ck_assert_str_ne(dcg_errname(e), "EUNKNOWN");
	ck_assert_str_eq(dcg_strerror(-1000), "unknown error");
	struct dcg_error err;
	ck_assert_int_eq(dcg_error_set(&err, DCG_EIO, "a\nb"), DCG_EIO);
	ck_assert_str_eq(err.text, "a b");
	dcg_error_prefix(&err, DCG_EIO, "file %d", 3);
	ck_assert_str_eq(err.text, "file 3: a b");
}
END_TEST

/* Known answers of Random123's kat_vectors for philox4x32-10. */
START_TEST(rng_known_answers)
{
	struct dcg_rng zeros = { 0, 0, 0 }, ones = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
	struct dcg_rng pi = { UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e), UINT64_C(0x85a308d3243f6a88) };
	ck_assert_uint_eq(dcg_rng_u64(&zeros), UINT64_C(0xe169c58d6627e8d5));
	ck_assert_uint_eq(dcg_rng_u64(&ones), UINT64_C(0x41c83b0e408f276d));
	ck_assert_uint_eq(dcg_rng_u64(&pi), UINT64_C(0x94fdccebd16cfe09));
}
END_TEST

START_TEST(rng_distributions)
{
	enum { N = 200000 };
	float *v = malloc(N * sizeof *v);
	struct dcg_rng r;
	dcg_rng_init(&r, 42, DCG_STREAM_Z);
	dcg_rng_normal(&r, v, N, 0, 1);
	double m1 = 0, m2 = 0, m4 = 0;
	for (int i = 0; i < N; i++)
		m1 += v[i], m2 += v[i] * v[i], m4 += pow(v[i], 4);
	ck_assert(fabs(m1 / N) < 0.01 && fabs(m2 / N - 1) < 0.02 && fabs(m4 / N - 3) < 0.1);
	dcg_rng_uniform(&r, v, N, -1, 1);
	m1 = m2 = 0;
	for (int i = 0; i < N; i++) {
		ck_assert(v[i] >= -1 && v[i] < 1);
		m1 += v[i], m2 += v[i] * v[i];
	}
	ck_assert(fabs(m1 / N) < 0.01 && fabs(m2 / N - 1. / 3) < 0.01);
	free(v);
}
END_TEST

START_TEST(rng_resumes_from_its_three_numbers)
{
	float a[30], b[30];
	struct dcg_rng r, copy;
	dcg_rng_init(&r, 7, 9);
	dcg_rng_normal(&r, a, 10, 0, 1);
	copy = r;
	dcg_rng_normal(&r, a, 30, 0, 1);
	dcg_rng_normal(&copy, b, 30, 0, 1);
	ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(permutation_is_one)
{
	enum { N = 1000 };
	uint32_t p[N];
	char seen[N] = { 0 };
	struct dcg_rng r;
	dcg_rng_init(&r, 1, DCG_STREAM_ORDER);
	dcg_rng_permutation(&r, p, N);
	int fixed = 0;
	for (int i = 0; i < N; i++) {
		ck_assert(p[i] < N && !seen[p[i]]);
		seen[p[i]] = 1;
		fixed += p[i] == (uint32_t)i;
	}
	ck_assert_int_lt(fixed, 10);
}
END_TEST

struct sum {
	atomic_int calls;
	int seen[1000];
	int threads;
};

static void add(void *ctx, int task, int worker)
{
	struct sum *s = ctx;
	if (worker < 0 || worker >= s->threads)
		abort();
	s->seen[task]++;
	atomic_fetch_add(&s->calls, 1);
}

START_TEST(pool_runs_each_task_once)
{
	struct dcg_pool *p;
	ck_assert_int_eq(dcg_pool_new(&p, _i, NULL), 0);
	for (int round = 0; round < 300; round++) {
		struct sum s = { .threads = dcg_pool_threads(p) };
		int tasks = round * 3 % 1000;
		dcg_pool_run(p, add, &s, tasks);
		ck_assert_int_eq(s.calls, tasks);
		for (int i = 0; i < tasks; i++)
			ck_assert_int_eq(s.seen[i], 1);
		if (round % 100 == 99)
			usleep(5000); /* let the workers fall asleep */
	}
	dcg_pool_free(p);
}
END_TEST

/* A worker that is held up (by its processor or its task) leaves nothing undone but that task. */
static void hold_up_the_first(void *ctx, int task, int worker)
{
	struct sum *s = ctx;
	if (task == 0)
		while (atomic_load(&s->calls) < 99)
			sched_yield();
	add(ctx, task, worker);
}

START_TEST(pool_takes_over_what_a_held_up_worker_leaves)
{
	struct dcg_pool *p;
	ck_assert_int_eq(dcg_pool_new(&p, _i, NULL), 0);
	struct sum s = { .threads = dcg_pool_threads(p) };
	dcg_pool_run(p, hold_up_the_first, &s, 100);
	ck_assert_int_eq(s.calls, 100);
	dcg_pool_free(p);
}
END_TEST

START_TEST(pool_refuses_odd_counts)
{
	struct dcg_pool *p;
	struct dcg_error err;
	ck_assert_int_eq(dcg_pool_new(&p, -1, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_pool_new(&p, 1000, &err), DCG_EINVAL);
	ck_assert(strstr(err.text, "1000"));
}
END_TEST

START_TEST(alloc_is_aligned_and_checked)
{
	char *p = dcg_alloc(3, 5), *q = dcg_alloc(5, 1 << 20);
	ck_assert_uint_eq((uintptr_t)p % 64, 0);
	ck_assert_uint_eq((uintptr_t)q % (2 << 20), 0);
	for (int i = 0; i < 15; i++)
		ck_assert_int_eq(p[i], 0);
	dcg_free(p);
	dcg_free(q);
	ck_assert_ptr_null(dcg_alloc(SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(sha256_known_answer)
{
	char hex[DCG_SHA256_HEX];
	dcg_sha256("abc", 3, hex); /* FIPS 180-4 */
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(secrets)
{
	uint8_t key[DCG_DIGEST_BYTES] = { 0 }, code[DCG_DIGEST_BYTES], back[DCG_DIGEST_BYTES], random[2][40] = { { 0 } };
	char hex[2 * DCG_DIGEST_BYTES + 1];
	struct dcg_error err;
	/* RFC 4231, test case 2: HMAC pads a short key with zeros, so they may be there before. */
	memcpy(key, "Jefe", 4);
	dcg_secret_mac(key, "what do ya want for nothing?", 28, code);
	dcg_hex(code, sizeof code, hex);
	ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	ck_assert_int_eq(dcg_unhex(hex, sizeof back, back), 0);
	ck_assert(dcg_secret_equal(code, back, sizeof code));
	for (size_t i = 0; i < sizeof code; i++) {
		back[i] ^= 0x80;
		ck_assert(!dcg_secret_equal(code, back, sizeof code));
		back[i] ^= 0x80;
	}
	for (const char *bad = "gG /:@`A"; *bad; bad++)
		for (int at = 0; at < 2; at++) {
			char pair[3] = "00";
			pair[at] = *bad;
			ck_assert_int_eq(dcg_unhex(pair, 1, back), -1);
		}
	ck_assert_int_eq(dcg_unhex("0", 1, back), -1); /* it ends early */
	ck_assert_int_eq(dcg_secret_random(random[0], sizeof random[0], &err), 0);
	ck_assert_int_eq(dcg_secret_random(random[1], sizeof random[1], &err), 0);
	ck_assert_mem_ne(random[0], random[1], sizeof random[0]);
}
END_TEST

static int entries(const char *dir)
{
	int n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' || dcg_file_is_temporary(e->d_name);
	closedir(d);
	return n;
}

START_TEST(files_are_whole_or_absent)
{
	char dir[] = "/tmp/dcg-test-XXXXXX", path[64], sub[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/x", dir);
	struct dcg_file f;
	struct dcg_error err;
	ck_assert_int_eq(dcg_file_begin(&f, path, 100, &err), 0);
	ck_assert_int_eq(dcg_file_write_all(f.fd, "half", 4, &err), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(entries(dir), 1); /* the temporary, known as one */
	dcg_file_abort(&f);
	dcg_file_abort(&f);
	ck_assert_int_eq(entries(dir), 0);
	ck_assert_int_eq(dcg_file_write_atomic(path, "whole", 5, &err), 0);
	ck_assert_int_eq(dcg_file_write_atomic(path, "again", 5, &err), 0);
	ck_assert_int_eq(entries(dir), 1);
	char *data;
	size_t size;
	ck_assert_int_eq(dcg_file_read(path, 5, &data, &size, &err), 0);
	ck_assert_str_eq(data, "again");
	free(data);
	ck_assert_int_eq(dcg_file_read(path, 4, &data, &size, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_file_read(dir, 100, &data, &size, &err), DCG_EINVAL);
	snprintf(sub, sizeof sub, "%s/none/x", dir);
	ck_assert_int_eq(dcg_file_write_atomic(sub, "x", 1, &err), DCG_ENOENT);
	ck_assert(strstr(err.text, "none"));
	snprintf(sub, sizeof sub, "%s/a/b/c", dir);
	ck_assert_int_eq(dcg_file_make_folder(sub, &err), 0);
	ck_assert_int_eq(dcg_file_make_folder(sub, &err), 0);
	ck_assert_int_ne(dcg_file_make_folder(path, &err), 0);
	ck_assert(!dcg_file_is_temporary("x.tmp") && !dcg_file_is_temporary(".tmp"));
	snprintf(sub, sizeof sub, "rm -r '%s'", dir);
	ck_assert_int_eq(system(sub), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base");
	TCase *c = tcase_create("base");
	tcase_add_test(c, errors_have_names_and_texts);
	tcase_add_test(c, rng_known_answers);
	tcase_add_test(c, rng_distributions);
	tcase_add_test(c, rng_resumes_from_its_three_numbers);
	tcase_add_test(c, permutation_is_one);
	tcase_add_loop_test(c, pool_runs_each_task_once, 1, 6);
	tcase_add_loop_test(c, pool_takes_over_what_a_held_up_worker_leaves, 2, 6);
	tcase_add_test(c, pool_refuses_odd_counts);
	tcase_add_test(c, alloc_is_aligned_and_checked);
	tcase_add_test(c, sha256_known_answer);
	tcase_add_test(c, secrets);
	tcase_add_test(c, files_are_whole_or_absent);
	suite_add_tcase(s, c);
	return tap_run(s);
}
