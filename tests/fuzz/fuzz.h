/* What a fuzz target gives and may use. A target is one function of libFuzzer's shape, so that
 * clang's -fsanitize=fuzzer can drive it as well as tests/fuzz/driver.c.
 *
 * A target checks more than that nothing crashes: what must hold of any input, it says with
 * fuzz_check. It leaves no state behind that the next call could see. One thread.
 */
#ifndef DCG_TESTS_FUZZ_H
#define DCG_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FUZZ_INPUT_MAX = 32 << 10 }; /* bytes of an input that the driver makes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Seeds that are better made than kept: input number i, malloc'd (NULL: no more). Each target
 * has one. */
uint8_t *fuzz_seed(int i, size_t *ret_size);
/* Roughly how many inputs a second a sanitized build manages: `make check` gives every target
 * about the same time with a number of inputs that depends on no clock. */
extern const int fuzz_pace;

#define fuzz_check(condition, ...) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: does not hold: %s: ", __FILE__, __LINE__, #condition); \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr); \
		abort(); \
	} \
} while (0)

/* A folder for the process, in memory where there is such a file system; removed at exit. */
const char *fuzz_folder(void);
/* Its file name, in static storage, holding these bytes. */
const char *fuzz_file(const char *name, const void *data, size_t size);
void fuzz_remove(const char *path); /* with all below it */
/* A NUL-terminated copy, malloc'd: reading past the end is seen by a sanitizer. */
char *fuzz_text(const uint8_t *data, size_t size);

#endif
