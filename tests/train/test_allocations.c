/* After its first step training takes no memory: malloc and its kin are counted here, in
 * every thread but the one that encodes files and the test's own. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/train/fixture.h"

static atomic_int counting, counted;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
enum { INTERPOSED = 0 }; /* malloc belongs to the sanitizer */
#else
enum { INTERPOSED = 1 };
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static void note(void)
{
	char name[16] = "";
	if (!atomic_load_explicit(&counting, memory_order_relaxed) || syscall(SYS_gettid) == getpid())
		return;
	prctl(PR_GET_NAME, name);
	if (strcmp(name, "dcg-files") != 0)
		atomic_fetch_add(&counted, 1);
}

void *malloc(size_t n)
{
	note();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	note();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	note();
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	note();
	return __libc_memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
	note();
	*ret = __libc_memalign(align, n);
	return *ret ? 0 : ENOMEM;
}
#endif

static void *allocate_once(void *arg)
{
	free(malloc(100 + (size_t)(arg != NULL)));
	return NULL;
}

START_TEST(the_counter_counts)
{
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, allocate_once, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(counted, 0);
	counting = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, allocate_once, NULL), 0);
	pthread_join(thread, NULL);
	counting = 0;
	ck_assert_int_ge(counted, INTERPOSED);
}
END_TEST

START_TEST(training_takes_no_memory_after_its_first_step)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_dataset *ds = fixture_dataset(26);
	struct dcg_event e;
	struct dcg_error err;
	unsigned long allocations = 0;
	int64_t last = 0;
	p.threads = 2;
	p.schedule = _i & 1;
	p.swd_images = _i & 2 ? 4 : 0; /* 256 pictures: about every 10th epoch */
	p.ema = 0.9;
	p.sample_bn = 1;
	p.flip = 1;
	p.epochs = 20;
	p.sample_every = p.checkpoint_every = 2;
	struct dcg_trainer *t = fixture_trainer(&p, ds, NULL);
	ck_assert_int_eq(dcg_trainer_start(t, &err), 0);
	do {
		ck_assert_int_eq(dcg_trainer_next(t, &e, 60000), 0);
		if (e.type == DCG_EVENT_STARTED)
			last = e.u.started.steps_total;
		if (e.type == DCG_EVENT_METRIC && e.step == 1) {
			allocations = dcg_alloc_count();
			counting = 1;
		}
	} while (e.type != DCG_EVENT_END && !(e.type == DCG_EVENT_METRIC && e.step == last));
	counting = 0;
	ck_assert_int_eq(e.type, DCG_EVENT_METRIC);
	ck_assert_int_ge(e.step, 60);
	ck_assert_int_eq(counted, 0);
	if (!p.swd_images) /* this counts the background's scores, too */
		ck_assert_uint_eq(dcg_alloc_count(), allocations);
	dcg_trainer_free(t);
	dcg_dataset_close(ds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("allocations");
	TCase *c = tcase_create("allocations");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, the_counter_counts);
	tcase_add_loop_test(c, training_takes_no_memory_after_its_first_step, 0, 4);
	suite_add_tcase(s, c);
	return tap_run(s);
}
