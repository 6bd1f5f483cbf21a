/* What the tests of core/train share: a folder, a small data set, small networks, and a run
 * with all that it told. Failures end the test (check's assertions). */
#ifndef DCG_TESTS_TRAIN_FIXTURE_H
#define DCG_TESTS_TRAIN_FIXTURE_H

#include "tests/tap.h"
#include "train/sampler.h"
#include "train/trainer.h"

/* A new temporary folder, removed with all it holds when the test's process ends. */
const char *fixture_folder(void);
/* "folder/name" in static storage, good for the next 7 calls. */
const char *fixture_path(const char *name);

/* count grey pictures 16x16, each a bright disc on dark somewhere. */
struct dcg_dataset *fixture_dataset(int count);
/* Pictures 16x16x1, networks of width 2, z of 8, batches of 4, one thread, 2 epochs,
 * a sample of 5 and a checkpoint each epoch. */
struct dcg_train_params fixture_params(void);

/* Networks with the initial weights of the parameters; their backend is be. */
struct dcg_gan *fixture_gan(const struct dcg_train_params *p, struct dcg_backend **be);
void fixture_gan_free(struct dcg_gan *gan, struct dcg_backend *be);
/* Every array of both networks in the file's order, malloc'd. */
float *fixture_weights(struct dcg_gan *gan, size_t *ret_count);

struct run {
	struct dcg_event *event;
	int count;
};
struct dcg_trainer *fixture_trainer(const struct dcg_train_params *p, const struct dcg_dataset *ds, const char *resume);
/* The next event, kept in run; 60 seconds without one fail the test. */
const struct dcg_event *run_next(struct run *run, struct dcg_trainer *t);
/* All events up to one of this type and, unless step is negative, this step. */
const struct dcg_event *run_until(struct run *run, struct dcg_trainer *t, enum dcg_event_type type, int64_t step);
/* Starts it, takes events to the end, frees it, checks their order. */
struct run run_all(struct dcg_trainer *t);
/* STARTED first, END last, metrics of consecutive steps, everything else after the metric of
 * its step. */
void run_check_order(const struct run *run, int64_t first_step);
int run_count(const struct run *run, enum dcg_event_type type);
/* The last of its type; NULL: none. */
const struct dcg_event *run_last(const struct run *run, enum dcg_event_type type);
void run_done(struct run *run);

#endif
