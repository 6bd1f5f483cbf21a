/* The texts in a checkpoint's header: what run it is of, and where that run stood.
 * Pure functions; any thread. */
#ifndef DCG_TRAIN_METADATA_H
#define DCG_TRAIN_METADATA_H

#include "train/checkpoint.h"

#define DCG_CHECKPOINT_FORMAT "dcgand-checkpoint"
enum { DCG_CHECKPOINT_VERSION = 1 };

/* JSON texts, malloc'd; NULL when out of memory. */
char *dcg_metadata_params(const struct dcg_train_params *p);
char *dcg_metadata_state(const struct dcg_train_state *s);

/* "format" and "version" (either may be NULL: not given). */
int dcg_metadata_check_format(const char *format, const char *version, struct dcg_error *err);
/* Every row of the table must be there, and nothing else. */
int dcg_metadata_parse_params(const char *json, struct dcg_train_params *ret, struct dcg_error *err);
int dcg_metadata_parse_state(const char *json, struct dcg_train_state *ret, struct dcg_error *err);

#endif
