/* The parameters of a training run, in one table.
 *
 * A row names a field of a plain struct with its type, range, default and help. The
 * same rows validate JSON, fill defaults, write checkpoints' metadata, the OpenAPI
 * schema and the documentation; the service adds rows of its own (jobs/params.h) to
 * the same machinery. Tables are constant; functions are pure; any thread.
 */
#ifndef DCG_TRAIN_PARAMS_H
#define DCG_TRAIN_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "data/dataset.h"
#include "nn/gan.h"

enum dcg_z_dist { DCG_Z_NORMAL, DCG_Z_UNIFORM };
enum dcg_schedule {
	DCG_SCHEDULE_TOGETHER,  /* a step updates D, then G on the same z (pytorch/examples) */
	DCG_SCHEDULE_ALTERNATE, /* every update has a minibatch of its own, G's leaves the real
	                           pictures unused (the authors' code) */
};
enum { DCG_PARAM_TEXT = 64 };

struct dcg_train_params {
	char preset[DCG_PARAM_TEXT];
	int64_t seed;
	int arch; /* enum dcg_arch */
	int size, channels; /* 0 = from the data set, see dcg_train_params_resolve */
	int ngf, ndf, z_dim, z_dist;
	int epochs;
	int64_t max_steps; /* 0 = no limit besides epochs */
	int batch_size, schedule, d_steps, g_steps;
	double lr_g, lr_d, beta1, beta2, weight_decay, label_smoothing, ema;
	int sample_bn; /* 0 = batch statistics, 1 = running ones */
	int flip;
	int threads; /* 0 = one per processor */
	char precision[DCG_PARAM_TEXT], kernel[DCG_PARAM_TEXT];
	int sample_every; /* epochs; 0 = only at the end */
	int sample_count;
	int checkpoint_every;  /* epochs; 0 = only at the end */
	int checkpoint_minutes; /* also after so many minutes; 0 = off */
	int swd_images; /* pictures that a checkpoint's score compares; 0 = no scores */
	int keep_last, keep_every;
	int on_error; /* enum dcg_on_error */
};

enum dcg_param_type { DCG_TYPE_INT, DCG_TYPE_INT64, DCG_TYPE_NUMBER, DCG_TYPE_BOOL, DCG_TYPE_CHOICE, DCG_TYPE_TEXT };

struct dcg_param_row {
	const char *name;
	enum dcg_param_type type; /* of the field: int, int64_t, double, int, int, char[DCG_PARAM_TEXT] */
	size_t offset;            /* of the field in its struct */
	double min, max;          /* INT, INT64, NUMBER: inclusive. TEXT: least and most bytes */
	const char *fallback;     /* default, as text; presets override it */
	const char *const *choices; /* CHOICE: the field is the index. TEXT: allowed values, or NULL
	                               for any. INT: allowed numbers as text, or NULL */
	const char *help;         /* one sentence */
};

extern const struct dcg_param_row dcg_train_rows[]; /* ends with a NULL name */

struct dcg_preset {
	const char *name, *help;
	const char *const *settings; /* name, value, name, value, ..., NULL */
};
extern const struct dcg_preset dcg_presets[]; /* ends with a NULL name */

/* Set one field from text. DCG_EINVAL with "expected ..., found ..." when it will not do. */
int dcg_param_set(const struct dcg_param_row *row, void *base, const char *text, struct dcg_error *err);
/* The row's expectation in words: "a whole number from 1 to 4096". Returns buf. */
const char *dcg_param_expected(const struct dcg_param_row *row, char *buf, size_t size);
const struct dcg_param_row *dcg_param_find(const struct dcg_param_row *rows, const char *name);
/* Set every field to its fallback. */
void dcg_param_defaults(const struct dcg_param_row *rows, void *base);

/* Defaults, then the preset's settings. DCG_EINVAL for an unknown preset. */
int dcg_train_params_init(struct dcg_train_params *p, const char *preset, struct dcg_error *err);
/* Fill in what was left to the data set: channels 0 becomes its channels, size 0 the
 * largest supported size that is not above its shorter side (at least 16, at most 64). */
void dcg_train_params_resolve(struct dcg_train_params *p, const struct dcg_source_info *info);
/* What the table cannot say field by field (does the architecture allow the size?, ...).
 * *ret_field (may be NULL) gets the name of the field at fault. */
int dcg_train_params_check(const struct dcg_train_params *p, const char **ret_field, struct dcg_error *err);
struct dcg_gan_config dcg_train_params_gan(const struct dcg_train_params *p);
/* Updates that one pass over `count` pictures gives room for; at least 1. */
int64_t dcg_train_params_steps_per_epoch(const struct dcg_train_params *p, uint32_t count);
/* Is the end of this epoch (1 is the first) scored? Every epoch's is,
 * but of short epochs only so many that scoring stays a small part of the work: one whenever
 * DCG_SWD_EVERY * swd_images more pictures were seen. */
enum { DCG_SWD_EVERY = 64 };
int dcg_train_params_scores(const struct dcg_train_params *p, uint32_t count, int64_t epoch);

#endif
