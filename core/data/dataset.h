/* A prepared data set: pictures of one size in one memory-mapped file, so that
 * training never waits for decoding.
 *
 * dcg_dataset_prepare decodes a source once, in the background of whoever calls it
 * (it blocks; call it from a worker thread), and writes the file atomically.
 * dcg_dataset_open verifies header, length and checksum, and maps it read-only; what it
 * gives may be read by any number of threads.
 */
#ifndef DCG_DATA_DATASET_H
#define DCG_DATA_DATASET_H

#include "data/source.h"

struct dcg_dataset;

struct dcg_dataset_info {
	uint32_t count;
	int size, channels;   /* pictures are [size][size][channels] */
	int classes;          /* 0: no labels */
	uint32_t skipped;     /* pictures of the source that could not be read */
	char fingerprint[65]; /* of the source it was made from */
};

enum dcg_on_error { DCG_ON_ERROR_SKIP, DCG_ON_ERROR_FAIL };

struct dcg_prepare {
	int size, channels;
	enum dcg_on_error on_error;
	/* 0: one a processor; more than 8 count as 8. Each may hold a file and its picture: up to about
	 * 1 GB. What is made does not depend on them. */
	int threads;
	/* All may be NULL; the caller's thread calls them. progress is told now and then; cancelled is
	 * asked as often and stops the work with DCG_ECANCELLED; bad_file hears of each picture skipped. */
	void (*progress)(void *user, uint32_t done, uint32_t count);
	int (*cancelled)(void *user);
	void (*bad_file)(void *user, const struct dcg_error *why);
	void *user;
};

int dcg_dataset_prepare(const char *path, struct dcg_source *source, const struct dcg_prepare *how, struct dcg_error *err);
int dcg_dataset_open(struct dcg_dataset **ret, const char *path, struct dcg_error *err);
void dcg_dataset_close(struct dcg_dataset *ds);

const struct dcg_dataset_info *dcg_dataset_info(const struct dcg_dataset *ds);
const uint8_t *dcg_dataset_picture(const struct dcg_dataset *ds, uint32_t i); /* i < count */
int dcg_dataset_label(const struct dcg_dataset *ds, uint32_t i);             /* -1: none */
const char *dcg_dataset_class_name(const struct dcg_dataset *ds, int label);

/* The convenient way: open `path` if it was made from this source with this size and
 * these channels, else prepare it anew and open it. */
int dcg_dataset_load(struct dcg_dataset **ret, const char *path, struct dcg_source *source, const struct dcg_prepare *how, struct dcg_error *err);

#endif
