/* The one table of options, for the command line, the configuration file, --help and
 * --print-config. Pure functions on a struct dcg_options; one thread.
 */
#ifndef DCG_DAEMON_TABLE_H
#define DCG_DAEMON_TABLE_H

#include <stddef.h>

#include "daemon/options.h"

enum dcg_option_type { DCG_OPTION_TEXT, DCG_OPTION_LIST, DCG_OPTION_WHOLE, DCG_OPTION_CHOICE, DCG_OPTION_FLAG };

struct dcg_option_row {
	const char *name;
	const char *section;  /* of the file; NULL: on the command line alone */
	const char *argument; /* NULL: takes none */
	enum dcg_option_type type;
	size_t offset;        /* in struct dcg_options */
	int min, max;         /* of DCG_OPTION_WHOLE */
	int reload;           /* changes in a running daemon, too */
	const char *fallback, *help;
	int (*check)(const char *value, struct dcg_error *err); /* may be NULL */
};

/* Ends with a row without a name; those of a section stand together. */
extern const struct dcg_option_row dcg_option_rows[];
enum { DCG_OPTION_ROWS_MAX = 24 };

const struct dcg_option_row *dcg_option_find(const char *name, size_t size);
/* "error", "warning" ... by number; NULL past the last. */
const char *dcg_option_choice(int number);
/* Check value and put a copy of it in place; a list grows. The text says what was expected and
 * found, but not where. DCG_EINVAL, DCG_ENOMEM. */
int dcg_option_set(struct dcg_options *o, const struct dcg_option_row *row, const char *value, struct dcg_error *err);
void dcg_option_clear(struct dcg_options *o, const struct dcg_option_row *row);
/* The value number i (0, but for lists) as text, or NULL. buf is used for numbers. */
const char *dcg_option_value(const struct dcg_options *o, const struct dcg_option_row *row, int i, char buf[16]);
/* Are they the same in both? */
int dcg_option_equal(const struct dcg_options *a, const struct dcg_options *b, const struct dcg_option_row *row);

/* config.c: set what the file says; every fault is told with its place. */
int dcg_config_read(struct dcg_options *o, const char *path, struct dcg_faults *faults);
/* Why value cannot stand in the file, or NULL. */
const char *dcg_config_unfit(const char *name, const char *value);

#endif
