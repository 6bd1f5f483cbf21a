#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *text;
} table[] = {
	[-DCG_OK] = { "OK", "no error" },
	[-DCG_ENOMEM] = { "ENOMEM", "out of memory" },
	[-DCG_EINVAL] = { "EINVAL", "invalid argument" },
	[-DCG_EIO] = { "EIO", "input/output error" },
	[-DCG_ENOENT] = { "ENOENT", "not found" },
	[-DCG_EFORMAT] = { "EFORMAT", "malformed data" },
	[-DCG_EUNSUPPORTED] = { "EUNSUPPORTED", "not supported" },
	[-DCG_ENONFINITE] = { "ENONFINITE", "a loss is not finite" },
	[-DCG_ECANCELLED] = { "ECANCELLED", "cancelled" },
	[-DCG_EBUSY] = { "EBUSY", "in use" },
	[-DCG_ESTATE] = { "ESTATE", "not allowed in this state" },
	[-DCG_ENOSPC] = { "ENOSPC", "no space left on the device" },
	[-DCG_EVERSION] = { "EVERSION", "written by a newer version" },
	[-DCG_EEXIST] = { "EEXIST", "already exists" },
	[-DCG_ETHREAD] = { "ETHREAD", "a thread could not be started" },
	[-DCG_EEND] = { "EEND", "end" },
	[-DCG_ETIMEOUT] = { "ETIMEOUT", "timed out" },
	[-DCG_EACCESS] = { "EACCESS", "access denied" },
	[-DCG_ESTALE] = { "ESTALE", "changed meanwhile" },
	[-DCG_EMFILE] = { "EMFILE", "too many files are open" },
	[-DCG_EDAMAGED] = { "EDAMAGED", "stored data is damaged" },
};

static int known(int code)
{
	return code <= 0 && code > -(int)(sizeof table / sizeof *table) && table[-code].name;
}

const char *dcg_strerror(int code)
{
	return known(code) ? table[-code].text : "unknown error";
}

const char *dcg_errname(int code)
{
	return known(code) ? table[-code].name : "EUNKNOWN";
}

int dcg_error_is_want(int code)
{
	return code == DCG_ENOSPC || code == DCG_EMFILE;
}

static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
}

static int set_va(struct dcg_error *err, int code, const char *suffix, const char *fmt, va_list ap)
{
	if (!err)
		return code;
	err->code = code;
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	if (suffix && n >= 0 && (size_t)n < sizeof err->text)
		snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", suffix);
	one_line(err->text);
	return code;
}

int dcg_error_set(struct dcg_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_va(err, code, NULL, fmt, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM: return DCG_ENOMEM;
	case EINVAL: return DCG_EINVAL;
	case ENOENT: case ENOTDIR: return DCG_ENOENT;
	case ENOSPC: case EDQUOT: case EFBIG: return DCG_ENOSPC;
	case EMFILE: case ENFILE: return DCG_EMFILE;
	case EACCES: case EPERM: case EROFS: case EXDEV: case ELOOP: return DCG_EACCESS;
	case EEXIST: return DCG_EEXIST;
	case EBUSY: case EWOULDBLOCK: return DCG_EBUSY;
	default: return DCG_EIO;
	}
}

int dcg_error_sys(struct dcg_error *err, int errnum, const char *fmt, ...)
{
	char text[128];
	int code = code_of_errno(errnum);
	va_list ap;
	va_start(ap, fmt);
	set_va(err, code, strerror_r(errnum, text, sizeof text), fmt, ap);
	va_end(ap);
	return code;
}

int dcg_error_prefix(struct dcg_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char old[sizeof err->text];
	memcpy(old, err->text, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	code = set_va(err, err->code ? err->code : code, old, fmt, ap);
	va_end(ap);
	return code;
}
