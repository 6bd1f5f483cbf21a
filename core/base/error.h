/* Errors: the bottom of the house; every room may include this.
 *
 * Functions return 0 or a negative DCG_E* code and leave their out-parameters
 * untouched on failure. Those that meet the outside world also fill a
 * struct dcg_error, owned by the caller, whose text says what was wrong and
 * where (file, offset, expected, found) in one line fit for a user.
 * The library never exits, aborts on input, or prints. Any thread.
 */
#ifndef DCG_BASE_ERROR_H
#define DCG_BASE_ERROR_H

#include <stdarg.h>

enum dcg_errno {
	DCG_OK = 0,
	DCG_ENOMEM = -1,       /* an allocation failed */
	DCG_EINVAL = -2,       /* an argument or parameter is out of its range */
	DCG_EIO = -3,          /* the operating system could not read or write */
	DCG_ENOENT = -4,       /* the named thing does not exist */
	DCG_EFORMAT = -5,      /* bytes from outside are not what they should be */
	DCG_EUNSUPPORTED = -6, /* well-formed, but not something we do */
	DCG_ENONFINITE = -7,   /* a loss became NaN or infinite */
	DCG_ECANCELLED = -8,   /* stopped because somebody asked */
	DCG_EBUSY = -9,        /* in use by another */
	DCG_ESTATE = -10,      /* not allowed in the present state */
	DCG_ENOSPC = -11,      /* the disk is full */
	DCG_EVERSION = -12,    /* written by a newer version */
	DCG_EEXIST = -13,      /* already there */
	DCG_ETHREAD = -14,     /* a thread could not be started */
	DCG_EEND = -15,        /* nothing more will come */
	DCG_ETIMEOUT = -16,    /* nothing came in time */
	DCG_EACCESS = -17,     /* permission denied, or outside an allowed root */
	DCG_ESTALE = -18,      /* changed since the caller looked */
	DCG_EMFILE = -19,      /* too many files are open */
	DCG_EDAMAGED = -20,    /* what we stored ourselves is no longer what it was */
};

struct dcg_error {
	int code;       /* DCG_E* */
	char text[480]; /* one line, no trailing full stop or newline */
};

/* "out of memory"; never NULL, static storage. */
const char *dcg_strerror(int code);
/* "ENOMEM"; never NULL, static storage. */
const char *dcg_errname(int code);

/* For want of what others may give back, room on the disk or files to open: it may work later. */
int dcg_error_is_want(int code);

/* Fill *err (which may be NULL) and return code. */
int dcg_error_set(struct dcg_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As dcg_error_set, with the code mapped from an errno value and ": strerror" appended. */
int dcg_error_sys(struct dcg_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Put "context: " before the text already there; returns err's code (code if err is NULL). */
int dcg_error_prefix(struct dcg_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
