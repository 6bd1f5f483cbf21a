/* A checkpoint of the smallest networks there are, for targets that read one. */
#ifndef DCG_TESTS_FUZZ_CHECKPOINT_H
#define DCG_TESTS_FUZZ_CHECKPOINT_H

#include "nn/gan.h"
#include "train/checkpoint.h"

/* Size 16, one channel, width 1, z of 2. */
struct dcg_train_params fuzz_params(int with_average);
/* The file's bytes, malloc'd. */
char *fuzz_checkpoint(const struct dcg_train_params *p, size_t *ret_size);

#endif
