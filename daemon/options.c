#include "daemon/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum type { TYPE_TEXT, TYPE_LIST, TYPE_WHOLE, TYPE_FLAG };

struct row {
	const char *name, *argument; /* argument NULL: takes none */
	enum type type;
	size_t offset;
	int min, max; /* TYPE_WHOLE */
	const char *fallback, *help;
};

#define FIELD(f) offsetof(struct dcg_options, f)
static const struct row rows[] = {
	{ "listen", "ADDRESS:PORT", TYPE_TEXT, FIELD(listen), 0, 0, "127.0.0.1:8080", "where to serve HTTP: a loopback address; port 0 takes a free one" },
	{ "state-dir", "DIR", TYPE_TEXT, FIELD(state_dir), 0, 0, "./var", "where jobs, pictures and checkpoints are kept (default: $STATE_DIRECTORY, else ./var)" },
	{ "dataset-root", "DIR", TYPE_LIST, FIELD(dataset_roots), 0, 0, NULL, "folder below which data sets may be registered; may be given again" },
	{ "allowed-host", "NAME", TYPE_LIST, FIELD(allowed_hosts), 0, 0, NULL, "name that clients may use for this daemon besides localhost; may be given again" },
	{ "web-dir", "DIR", TYPE_TEXT, FIELD(web_dir), 0, 0, NULL, "serve the page from here instead of the one built in" },
	{ "heartbeat-s", "SECONDS", TYPE_WHOLE, FIELD(heartbeat_s), 1, 3600, "15", "silence after which an event stream says that it lives" },
	{ "request-timeout-s", "SECONDS", TYPE_WHOLE, FIELD(request_timeout_s), 1, 3600, "30", "for a request's headers to arrive; twice that for its body" },
	{ "max-connections", "N", TYPE_WHOLE, FIELD(max_connections), 8, 16384, "512", "HTTP connections at a time" },
	{ "max-streams", "N", TYPE_WHOLE, FIELD(max_streams), 1, 4096, "64", "event streams at a time" },
	{ "max-queued", "N", TYPE_WHOLE, FIELD(max_queued), 1, 1000000, "1000", "jobs that may wait" },
	{ "log-level", "LEVEL", TYPE_TEXT, FIELD(log_level), 0, 0, "info", "error, warning, info or debug" },
	{ "help", NULL, TYPE_FLAG, FIELD(help), 0, 0, NULL, "show this and exit" },
	{ "version", NULL, TYPE_FLAG, FIELD(version), 0, 0, NULL, "show the version and exit" },
	{ 0 },
};

static int set(struct dcg_options *o, const struct row *row, const char *value, struct dcg_error *err)
{
	void *field = (char *)o + row->offset;
	char *end;
	long v;
	int n = 0;
	switch (row->type) {
	case TYPE_TEXT:
		if (!*value)
			return dcg_error_set(err, DCG_EINVAL, "--%s: expected %s, found nothing", row->name, row->argument);
		*(const char **)field = value;
		break;
	case TYPE_LIST:
		while (((const char **)field)[n])
			n++;
		if (!*value || n == DCG_OPTION_LIST_MAX)
			return dcg_error_set(err, DCG_EINVAL, "--%s: expected %s, at most %d times", row->name, row->argument, DCG_OPTION_LIST_MAX);
		((const char **)field)[n] = value;
		break;
	case TYPE_WHOLE:
		v = strtol(value, &end, 10);
		if (!*value || *end || v < row->min || v > row->max)
			return dcg_error_set(err, DCG_EINVAL, "--%s: expected a whole number from %d to %d, found \"%s\"", row->name, row->min, row->max, value);
		*(int *)field = (int)v;
		break;
	case TYPE_FLAG:
		*(int *)field = 1;
		break;
	}
	return 0;
}

static const struct row *find(const char *name, size_t size)
{
	for (const struct row *r = rows; r->name; r++)
		if (strlen(r->name) == size && memcmp(r->name, name, size) == 0)
			return r;
	return NULL;
}

int dcg_options_parse(struct dcg_options *o, int argc, char **argv, struct dcg_error *err)
{
	memset(o, 0, sizeof *o);
	for (const struct row *row = rows; row->name; row++)
		if (row->fallback)
			set(o, row, row->fallback, NULL);
	/* systemd's StateDirectory= may name several, separated by colons. */
	const char *state = getenv("STATE_DIRECTORY");
	if (state && *state && !strchr(state, ':'))
		o->state_dir = state;
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		if (strncmp(name, "--", 2) != 0)
			return dcg_error_set(err, DCG_EINVAL, "expected an option, found \"%s\"", name);
		name += 2;
		size_t n = strcspn(name, "=");
		const struct row *row = find(name, n);
		if (!row)
			return dcg_error_set(err, DCG_EINVAL, "unknown option \"%s\"", argv[i]);
		const char *value = name[n] ? name + n + 1 : NULL;
		if (row->type == TYPE_FLAG ? value != NULL : !value && !(value = argv[++i]))
			return dcg_error_set(err, DCG_EINVAL, "--%s: expected %s", row->name, row->argument ? row->argument : "no value");
		int r = set(o, row, value, err);
		if (r)
			return r;
	}
	return 0;
}

void dcg_options_help(FILE *out)
{
	fputs("Usage: dcgand [OPTION...]\n\nTrain DCGANs as a service: an HTTP API, a page, SQLite. Runs in the foreground until\n"
	      "SIGINT or SIGTERM, which save a checkpoint first; the job goes on at the next start.\n\nOptions:\n", out);
	for (const struct row *r = rows; r->name; r++) {
		char left[64];
		snprintf(left, sizeof left, "--%s%s%s", r->name, r->argument ? " " : "", r->argument ? r->argument : "");
		fprintf(out, "  %-28s %s", left, r->help);
		if (r->fallback && !strstr(r->help, "default"))
			fprintf(out, " (default: %s)", r->fallback);
		fputc('\n', out);
	}
}
