/* Random changes of an input that keep some of its structure. */
#ifndef DCG_TESTS_FUZZ_MUTATE_H
#define DCG_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_bytes {
	uint8_t *data;
	size_t size;
};

struct fuzz_dictionary {
	struct fuzz_bytes token[256];
	int count;
};

struct fuzz_random {
	uint64_t state;
};
/* 0 .. below-1. */
size_t fuzz_random(struct fuzz_random *r, size_t below);

/* A file of libFuzzer's format: name="text with \xNN", a line a token; # begins a comment. 0;
 * the number of the line that is none; -1: there is no such file. */
int fuzz_dictionary_read(struct fuzz_dictionary *d, const char *path);

/* Change in (with room for `room` bytes) in one to a few ways; other: another input to take pieces of. */
void fuzz_mutate(struct fuzz_random *r, const struct fuzz_dictionary *d, struct fuzz_bytes *in, size_t room, const struct fuzz_bytes *other);

#endif
