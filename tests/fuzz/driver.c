/* Drives a fuzz target: every seed, and then so many changed ones. Prints TAP.
 *
 * Everything follows from FUZZ_SEED, so that a failure comes again. Built with
 * -fsanitize-coverage=trace-pc (`make fuzz` does) it keeps inputs that reach new places, and
 * goes on from these; otherwise it changes the seeds alone. An input that kills the program is
 * left in FUZZ_OUT under the name TARGET-crash; one that takes longer than a minute as
 * TARGET-slow.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/mutate.h"

enum { SLOW_S = 60, MAP = 1 << 16, CHECK_S = 2 };

static struct {
	const char *name;
	char out[400];             /* path to leave the input at, without its end */
	const uint8_t *data;       /* what the target is at; NULL: nothing */
	size_t size;
	struct fuzz_bytes *corpus;
	size_t count, room;
	struct fuzz_dictionary dictionary;
} fuzz;

/* --- Coverage -------------------------------------------------------------------------------- */

static uint8_t seen[MAP], reached[MAP];
static uintptr_t before;

/* gcc calls this at every edge of what is built with trace-pc. It must not be traced itself. */
void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage, no_sanitize_address, no_sanitize_undefined)) void __sanitizer_cov_trace_pc(void)
{
	uintptr_t here = (uintptr_t)__builtin_return_address(0);
	uint8_t *c = &reached[((here >> 1) ^ (before << 4)) % MAP];
	*c = (uint8_t)(*c < 255 ? *c + 1 : 255);
	before = here >> 3;
}

/* How often counts in powers of two. Has this input been somewhere new? */
static int is_new(void)
{
	int found = 0;
	for (int i = 0; i < MAP; i++) {
		if (!reached[i])
			continue;
		uint8_t bit = (uint8_t)(1 << (reached[i] < 4 ? reached[i] - 1 : reached[i] < 8 ? 3 : reached[i] < 16 ? 4 : reached[i] < 32 ? 5 : reached[i] < 128 ? 6 : 7));
		found |= !(seen[i] & bit);
		seen[i] |= bit;
		reached[i] = 0;
	}
	return found;
}

static int places(void)
{
	int n = 0;
	for (int i = 0; i < MAP; i++)
		n += seen[i] != 0;
	return n;
}

/* --- Failures -------------------------------------------------------------------------------- */

/* Only calls that are legal in a signal handler. */
static void leave_input(const char *how)
{
	char path[450];
	if (!fuzz.data)
		return;
	strcpy(path, fuzz.out);
	strcat(path, how);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, fuzz.data, fuzz.size);
	const char *says[] = { "\n# the input is in ", path, "\n", n < 0 ? "# (it could not be written)\n" : "" };
	for (size_t i = 0; i < sizeof says / sizeof *says; i++)
		n = write(STDOUT_FILENO, says[i], strlen(says[i]));
	if (fd >= 0)
		close(fd);
	fuzz.data = NULL;
}

static void on_death(void)
{
	leave_input("-crash");
}

static void on_signal(int number)
{
	leave_input(number == SIGALRM ? "-slow" : "-crash");
	signal(number, SIG_DFL);
	raise(number);
}

/* There only in sanitized builds. */
extern void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	/* A request for too much memory is answered as on a machine without it. */
	return "allocator_may_return_null=1:max_allocation_size_mb=1024:hard_rss_limit_mb=3000:handle_abort=1:detect_leaks=1";
}
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void catch_failures(void)
{
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(on_death);
	else
		for (int i = 0; i < 4; i++)
			signal((int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGABRT }[i], on_signal);
	signal(SIGALRM, on_signal);
}

/* --- Inputs ---------------------------------------------------------------------------------- */

static void keep(const uint8_t *data, size_t size)
{
	if (fuzz.count == fuzz.room) {
		fuzz.room = fuzz.room ? 2 * fuzz.room : 64;
		fuzz.corpus = realloc(fuzz.corpus, fuzz.room * sizeof *fuzz.corpus);
	}
	uint8_t *copy = malloc(size + 1);
	fuzz_check(fuzz.corpus && copy, "out of memory");
	memcpy(copy, data, size);
	fuzz.corpus[fuzz.count++] = (struct fuzz_bytes){ copy, size };
}

static void run(const uint8_t *data, size_t size)
{
	/* Of exactly that size: one byte too many read is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	fuzz_check(copy != NULL, "out of memory");
	if (size)
		memcpy(copy, data, size);
	fuzz.size = size;
	fuzz.data = data;
	before = 0;
	alarm(SLOW_S);
	LLVMFuzzerTestOneInput(copy, size);
	alarm(0);
	fuzz.data = NULL;
	free(copy);
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* In the order of their names. */
static void read_folder(const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_visible, alphasort);
	for (int i = 0; i < n; i++) {
		static uint8_t bytes[1 << 20];
		char path[1024];
		snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
		free(names[i]);
		FILE *f = fopen(path, "rb");
		fuzz_check(f != NULL, "%s", path);
		keep(bytes, fread(bytes, 1, sizeof bytes, f));
		fclose(f);
	}
	free(names);
}

static void read_seeds(const char *folder)
{
	uint8_t *made;
	size_t size;
	for (int i = 0; (made = fuzz_seed(i, &size)); i++) {
		keep(made, size);
		free(made);
	}
	read_folder(folder);
	if (!fuzz.count)
		keep((const uint8_t *)"", 0);
}

static int dump(const char *folder)
{
	for (size_t i = 0; i < fuzz.count; i++) {
		char path[1024];
		snprintf(path, sizeof path, "%s/%s-seed-%03zu", folder, fuzz.name, i);
		FILE *f = fopen(path, "wb");
		if (!f || fwrite(fuzz.corpus[i].data, 1, fuzz.corpus[i].size, f) != fuzz.corpus[i].size || fclose(f)) {
			perror(path);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

/* --- The run --------------------------------------------------------------------------------- */

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long number_of(const char *name, long fallback)
{
	const char *s = getenv(name);
	return s && *s ? strtol(s, NULL, 10) : fallback;
}

/* Until `runs` inputs, or (seconds > 0) so long. */
static long explore(struct fuzz_random *r, long runs, double seconds)
{
	static uint8_t room[FUZZ_INPUT_MAX];
	double begin = now_s(), told = begin;
	long done = 0;
	for (; seconds > 0 ? now_s() - begin < seconds : done < runs; done++) {
		/* What was found last is worth more than what was there first. */
		size_t i = fuzz_random(r, 2) ? fuzz_random(r, fuzz.count) : fuzz.count - 1 - fuzz_random(r, fuzz.count < 20 ? fuzz.count : 20);
		struct fuzz_bytes in = { room, fuzz.corpus[i].size < sizeof room ? fuzz.corpus[i].size : sizeof room };
		memcpy(room, fuzz.corpus[i].data, in.size);
		fuzz_mutate(r, &fuzz.dictionary, &in, sizeof room, &fuzz.corpus[fuzz_random(r, fuzz.count)]);
		run(in.data, in.size);
		if (is_new() && fuzz.count < 20000)
			keep(in.data, in.size);
		if (seconds > 0 && now_s() - told > 30) {
			told = now_s();
			printf("# %.0f s: %ld inputs, %zu kept, %d places\n", told - begin, done, fuzz.count, places());
			fflush(stdout);
		}
	}
	return done;
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/'), *sources = getenv("top_srcdir"), *out = getenv("FUZZ_OUT");
	struct fuzz_random random = { (uint64_t)number_of("FUZZ_SEED", 1) * UINT64_C(0x9e3779b97f4a7c15) + 1 };
	char folder[600];
	fuzz.name = base ? base + 1 : argv[0];
	if (strncmp(fuzz.name, "lt-", 3) == 0)
		fuzz.name += 3;
	const char *target = strncmp(fuzz.name, "fuzz_", 5) == 0 ? fuzz.name + 5 : fuzz.name;
	snprintf(fuzz.out, sizeof fuzz.out, "%s/%s", out && *out ? out : ".", target);
	snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s.dict", sources ? sources : ".", target);
	int wrong = fuzz_dictionary_read(&fuzz.dictionary, folder);
	if (wrong) {
		if (wrong < 0)
			fprintf(stderr, "%s: cannot open (top_srcdir is where the sources are)\n", folder);
		else
			fprintf(stderr, "%s:%d: expected name=\"token\"\n", folder, wrong);
		return EXIT_FAILURE;
	}
	folder[strlen(folder) - strlen(".dict")] = 0;
	read_seeds(folder);
	if (argc == 3 && strcmp(argv[1], "--dump") == 0)
		return dump(argv[2]);
	catch_failures();
	if (argc > 1) { /* inputs by name */
		fuzz.count = 0;
		for (int i = 1; i < argc; i++) {
			static uint8_t bytes[1 << 20];
			FILE *f = fopen(argv[i], "rb");
			fuzz_check(f != NULL, "%s", argv[i]);
			run(bytes, fread(bytes, 1, sizeof bytes, f));
			fclose(f);
		}
		return EXIT_SUCCESS;
	}
	printf("1..2\n");
	fflush(stdout);
	size_t seeds = fuzz.count;
	for (size_t i = 0; i < seeds; i++) {
		run(fuzz.corpus[i].data, fuzz.corpus[i].size);
		is_new();
	}
	printf("ok 1 - %s: %zu seeds\n", target, seeds);
	fflush(stdout);
	double begin = now_s(), seconds = (double)number_of("FUZZ_SECONDS", 0);
	long done = explore(&random, number_of("FUZZ_RUNS", (long)fuzz_pace * CHECK_S), seconds);
	int leaked = __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check();
	printf("%sok 2 - %s: %ld changed inputs\n", leaked ? "not " : "", target, done);
	printf("# %.1f s, %zu inputs kept, %d places\n", now_s() - begin, fuzz.count, places());
	return leaked ? EXIT_FAILURE : EXIT_SUCCESS;
}
