#include "daemon/table.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/tokens.h"

#define FIELD(f) offsetof(struct dcg_options, f)
#define TEXT DCG_OPTION_TEXT
#define LIST DCG_OPTION_LIST
#define WHOLE DCG_OPTION_WHOLE
#define FLAG DCG_OPTION_FLAG
enum { START, RELOAD };

const struct dcg_option_row dcg_option_rows[] = {
	{ "listen", "http", "ADDRESS:PORT", TEXT, FIELD(listen), 0, 0, START, "127.0.0.1:8080",
	  "where to serve HTTP: a loopback address, with tokens any other, or unix:/PATH; port 0 takes a free one", dcg_api_check_listen },
	{ "tokens", "http", "FILE", TEXT, FIELD(tokens), 0, 0, START, NULL,
	  "who may ask, and for what; read again on reload, too (default: $CREDENTIALS_DIRECTORY/tokens if it is there, else everybody may do everything)" },
	{ "session-hours", "http", "HOURS", WHOLE, FIELD(session_hours), 1, 8760, RELOAD, "168", "how long a log-in on the page lasts" },
	{ "allowed-host", "http", "NAME", LIST, FIELD(allowed_hosts), 0, 0, START, NULL,
	  "name that clients may use for this daemon besides localhost; may be given again", dcg_api_check_host },
	{ "web-dir", "http", "DIR", TEXT, FIELD(web_dir), 0, 0, START, NULL,
	  "serve the page from here instead of the one built in" },
	{ "heartbeat-s", "http", "SECONDS", WHOLE, FIELD(heartbeat_s), 1, 3600, RELOAD, "15",
	  "silence after which an event stream says that it lives" },
	{ "request-timeout-s", "http", "SECONDS", WHOLE, FIELD(request_timeout_s), 1, 3600, RELOAD, "30",
	  "for a request's headers to arrive; twice that for its body" },
	{ "max-connections", "http", "N", WHOLE, FIELD(max_connections), 8, 16384, START, "512", "HTTP connections at a time" },
	{ "max-streams", "http", "N", WHOLE, FIELD(max_streams), 1, 4096, RELOAD, "64", "event streams at a time" },
	{ "state-dir", "jobs", "DIR", TEXT, FIELD(state_dir), 0, 0, START, "./var",
	  "where jobs, pictures and checkpoints are kept (default: $STATE_DIRECTORY, else ./var)" },
	{ "dataset-root", "jobs", "DIR", LIST, FIELD(dataset_roots), 0, 0, START, NULL,
	  "folder below which data sets may be registered; may be given again" },
	{ "disk-reserve-mb", "jobs", "MIB", WHOLE, FIELD(disk_reserve_mb), 0, 100000000, START, "256",
	  "room that is kept free on the disk of the state folder, for the database; with less, jobs wait" },
	{ "max-queued", "jobs", "N", WHOLE, FIELD(max_queued), 1, 1000000, RELOAD, "1000", "jobs that may wait" },
	{ "nice", "jobs", "N", WHOLE, FIELD(nice), 0, 19, START, "0",
	  "how far training gives way to other programs, and to the daemon's own answers, where processors are short: see nice(1)" },
	{ "log-level", "log", "LEVEL", DCG_OPTION_CHOICE, FIELD(log_level), 0, 0, RELOAD, "info", "what to tell on standard error: error, warning, info or debug" },
	{ "config", NULL, "FILE", TEXT, FIELD(config), 0, 0, START, NULL, "read options from this file, too; the command line wins over it" },
	{ "check-config", NULL, NULL, FLAG, FIELD(check_config), 0, 0, START, NULL, "tell every fault of file and command line, and exit" },
	{ "print-config", NULL, NULL, FLAG, FIELD(print_config), 0, 0, START, NULL, "show what is in effect as a configuration file, and exit" },
	{ "new-token", NULL, "NAME", TEXT, FIELD(new_token), 0, 0, START, NULL,
	  "make a token, add it to the file of tokens, show its secret, and exit; needs --scope", dcg_tokens_check_name },
	{ "scope", NULL, "SCOPE", TEXT, FIELD(scope), 0, 0, START, NULL, "what the new token may do: read, write or admin", dcg_tokens_check_scope },
	{ "help", NULL, NULL, FLAG, FIELD(help), 0, 0, START, NULL, "show this and exit" },
	{ "version", NULL, NULL, FLAG, FIELD(version), 0, 0, START, NULL, "show the version and exit" },
	{ 0 },
};
_Static_assert(sizeof dcg_option_rows / sizeof *dcg_option_rows <= DCG_OPTION_ROWS_MAX, "raise DCG_OPTION_ROWS_MAX");

const struct dcg_option_row *dcg_option_find(const char *name, size_t size)
{
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++)
		if (strlen(r->name) == size && memcmp(r->name, name, size) == 0)
			return r;
	return NULL;
}

const char *dcg_option_choice(int number)
{
	static const char *const levels[] = { [DCG_API_ERROR] = "error", [DCG_API_WARNING] = "warning", [DCG_API_INFO] = "info", [DCG_API_DEBUG] = "debug" };
	return number >= 0 && (size_t)number < sizeof levels / sizeof *levels ? levels[number] : NULL;
}

static int whole(const char *text, int min, int max, int *ret)
{
	size_t n = strlen(text);
	if (n == 0 || n > 9 || strspn(text, "0123456789") != n)
		return -1;
	int v = (int)strtol(text, NULL, 10);
	if (v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}

int dcg_option_set(struct dcg_options *o, const struct dcg_option_row *row, const char *value, struct dcg_error *err)
{
	void *field = (char *)o + row->offset;
	char **slot = field;
	int n = 0;
	if (row->type != DCG_OPTION_FLAG && !*value)
		return dcg_error_set(err, DCG_EINVAL, "expected %s, found nothing", row->argument);
	int r = row->check ? row->check(value, err) : 0;
	if (r)
		return r;
	switch (row->type) {
	case DCG_OPTION_LIST:
		while (*slot)
			slot++;
		if (slot - (char **)field == DCG_OPTION_LIST_MAX)
			return dcg_error_set(err, DCG_EINVAL, "expected at most %d of these", DCG_OPTION_LIST_MAX);
		/* fall through */
	case DCG_OPTION_TEXT: {
		char *copy = strdup(value);
		if (!copy)
			return dcg_error_set(err, DCG_ENOMEM, "out of memory");
		free(*slot);
		*slot = copy;
		break;
	}
	case DCG_OPTION_WHOLE:
		if (whole(value, row->min, row->max, field))
			return dcg_error_set(err, DCG_EINVAL, "expected a whole number from %d to %d, found \"%.100s\"", row->min, row->max, value);
		break;
	case DCG_OPTION_CHOICE:
		while (dcg_option_choice(n) && strcmp(dcg_option_choice(n), value) != 0)
			n++;
		if (!dcg_option_choice(n))
			return dcg_error_set(err, DCG_EINVAL, "expected error, warning, info or debug, found \"%.100s\"", value);
		*(int *)field = n;
		break;
	case DCG_OPTION_FLAG:
		*(int *)field = 1;
		break;
	}
	return 0;
}

void dcg_option_clear(struct dcg_options *o, const struct dcg_option_row *row)
{
	char **slot = (char **)(void *)((char *)o + row->offset);
	if (row->type == DCG_OPTION_TEXT || row->type == DCG_OPTION_LIST)
		do {
			free(*slot);
			*slot++ = NULL;
		} while (row->type == DCG_OPTION_LIST && *slot);
}

const char *dcg_option_value(const struct dcg_options *o, const struct dcg_option_row *row, int i, char buf[16])
{
	const void *field = (const char *)o + row->offset;
	switch (row->type) {
	case DCG_OPTION_TEXT: return i ? NULL : *(char *const *)field;
	case DCG_OPTION_LIST: return ((char *const *)field)[i];
	case DCG_OPTION_CHOICE: return i ? NULL : dcg_option_choice(*(const int *)field);
	default:
		snprintf(buf, 16, "%d", *(const int *)field);
		return i ? NULL : buf;
	}
}

int dcg_option_equal(const struct dcg_options *a, const struct dcg_options *b, const struct dcg_option_row *row)
{
	char one[16], other[16];
	for (int i = 0;; i++) {
		const char *x = dcg_option_value(a, row, i, one), *y = dcg_option_value(b, row, i, other);
		if (!x || !y || strcmp(x, y) != 0)
			return !x && !y;
	}
}
