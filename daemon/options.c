#include "daemon/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "daemon/table.h"

enum { FAULTS_TOLD = 20 };

void dcg_fault(struct dcg_faults *faults, const char *fmt, ...)
{
	char text[5000]; /* a path may be long */
	va_list ap;
	if (++faults->count > FAULTS_TOLD + 1)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	faults->tell(faults->user, faults->count > FAULTS_TOLD ? "and more: these were the first" : text);
}

void dcg_fault_note(struct dcg_faults *faults, int code)
{
	faults->passing |= code == DCG_ENOMEM || code == DCG_EMFILE;
}

static int set(struct dcg_options *o, const struct dcg_option_row *row, const char *value, struct dcg_faults *faults, struct dcg_error *err)
{
	int r = dcg_option_set(o, row, value, err);
	dcg_fault_note(faults, r);
	return r;
}

/* One look at the command line: what concerns option `only`, or (NULL) everything. */
static void read_words(struct dcg_options *o, int argc, char **argv, const struct dcg_option_row *only, struct dcg_faults *faults)
{
	char cleared[DCG_OPTION_ROWS_MAX] = { 0 };
	struct dcg_error err;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		size_t n = strcspn(word, "=");
		const struct dcg_option_row *row = strncmp(word, "--", 2) == 0 ? dcg_option_find(word + 2, n - 2) : NULL;
		if (!row) {
			if (!only)
				dcg_fault(faults, strncmp(word, "--", 2) ? "expected an option, found \"%.100s\"" : "unknown option \"%.100s\"", word);
			continue;
		}
		const char *value = word[n] ? word + n + 1 : NULL;
		if (row->type == DCG_OPTION_FLAG ? value != NULL : !value && !(value = i + 1 < argc ? argv[++i] : NULL)) {
			if (!only)
				dcg_fault(faults, "--%s: expected %s", row->name, row->argument ? row->argument : "no value");
			continue;
		}
		if (only && row != only)
			continue;
		/* A list given here replaces the file's. */
		if (!cleared[row - dcg_option_rows])
			dcg_option_clear(o, row);
		cleared[row - dcg_option_rows] = 1;
		if (set(o, row, value, faults, &err) && !only)
			dcg_fault(faults, "--%s: %s", row->name, err.text);
	}
}

/* systemd's LoadCredential=tokens:FILE is all that it takes. */
static void use_credential(struct dcg_options *o, struct dcg_faults *faults)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	struct dcg_error err;
	char *path;
	if (!folder || !*folder)
		return;
	if (asprintf(&path, "%s/tokens", folder) < 0) {
		dcg_fault_note(faults, DCG_ENOMEM);
		dcg_fault(faults, "CREDENTIALS_DIRECTORY: out of memory");
		return;
	}
	if (!access(path, F_OK) && set(o, dcg_option_find("tokens", 6), path, faults, &err))
		dcg_fault(faults, "CREDENTIALS_DIRECTORY: %s", err.text);
	free(path);
}

/* What no option can know alone. */
static void judge_together(const struct dcg_options *o, struct dcg_faults *faults)
{
	struct dcg_error err;
	if (!o->tokens && dcg_api_check_private(o->listen, &err))
		dcg_fault(faults, "listen: %s", err.text);
	if (o->new_token && !o->scope)
		dcg_fault(faults, "--new-token: expected --scope with it: read, write or admin");
	if (o->scope && !o->new_token)
		dcg_fault(faults, "--scope: expected --new-token with it");
	if (o->new_token && !o->tokens)
		dcg_fault(faults, "--new-token: expected --tokens FILE, or a --config file that says tokens = FILE");
}

int dcg_options_load(struct dcg_options *ret, int argc, char **argv, struct dcg_faults *faults)
{
	struct dcg_options o = { 0 };
	struct dcg_error err;
	for (const struct dcg_option_row *row = dcg_option_rows; row->name; row++)
		if (row->fallback && set(&o, row, row->fallback, faults, &err))
			dcg_fault(faults, "--%s: %s", row->name, err.text);
	/* systemd's StateDirectory= may name several, separated by colons. */
	const char *state = getenv("STATE_DIRECTORY");
	if (state && *state && !strchr(state, ':') && set(&o, dcg_option_find("state-dir", 9), state, faults, &err))
		dcg_fault(faults, "STATE_DIRECTORY: %s", err.text);
	use_credential(&o, faults);
	read_words(&o, argc, argv, dcg_option_find("config", 6), faults);
	read_words(&o, argc, argv, dcg_option_find("help", 4), faults);
	read_words(&o, argc, argv, dcg_option_find("version", 7), faults);
	if (o.config && !o.help && !o.version)
		dcg_config_read(&o, o.config, faults);
	read_words(&o, argc, argv, NULL, faults);
	if (!faults->count && !o.help && !o.version)
		judge_together(&o, faults);
	if (faults->count) {
		dcg_options_done(&o);
		return faults->passing ? DCG_ENOMEM : DCG_EINVAL;
	}
	*ret = o;
	return 0;
}

void dcg_options_done(struct dcg_options *o)
{
	for (const struct dcg_option_row *row = dcg_option_rows; row->name; row++)
		dcg_option_clear(o, row);
}

void dcg_options_reload(struct dcg_options *o, const struct dcg_options *to, void (*tell)(void *user, int in_effect, const char *text), void *user)
{
	char text[600], one[16], other[16];
	for (const struct dcg_option_row *row = dcg_option_rows; row->name; row++) {
		if (!row->section || dcg_option_equal(o, to, row))
			continue;
		if (row->type == DCG_OPTION_LIST) {
			snprintf(text, sizeof text, "%s: another list, which holds from the next start on", row->name);
		} else {
			const char *old = dcg_option_value(o, row, 0, one), *new = dcg_option_value(to, row, 0, other);
			snprintf(text, sizeof text, "%s: now %.200s instead of %.200s%s", row->name, new ? new : "not set", old ? old : "not set",
				row->reload ? "" : ", from the next start on");
			/* Only numbers and choices change in a running daemon, and these cannot fail. */
			if (row->reload)
				dcg_option_set(o, row, new, NULL);
		}
		tell(user, row->reload, text);
	}
}
