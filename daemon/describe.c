/* The table of options, for people: --help, and the configuration file. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/table.h"

static int names_default(const struct dcg_option_row *row)
{
	return strstr(row->help, "default") != NULL;
}

void dcg_options_help(FILE *out)
{
	fputs("Usage: dcgand [OPTION...]\n\nTrain DCGANs as a service: an HTTP API, a page, SQLite. Runs in the foreground until\n"
	      "SIGINT or SIGTERM, which save a checkpoint first; the job goes on at the next start.\n\nOptions:\n", out);
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++) {
		char left[64];
		snprintf(left, sizeof left, "--%s%s%s", r->name, r->argument ? " " : "", r->argument ? r->argument : "");
		fprintf(out, "  %-28s %s", left, r->help);
		if (r->fallback && !names_default(r))
			fprintf(out, " (default: %s)", r->fallback);
		fputc('\n', out);
	}
}

/* A comment of lines of at most 80 columns. */
static void comment(FILE *out, const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (column == 0 || column + 1 + n > 80) {
			fputs(column ? "\n#" : "#", out);
			column = 1;
		}
		fprintf(out, " %.*s", (int)n, text);
		column += n + 1;
		text += n + (text[n] == ' ');
	}
	fputc('\n', out);
}

static void describe(FILE *out, const struct dcg_option_row *row)
{
	char text[400], range[64] = "";
	if (row->type == DCG_OPTION_WHOLE)
		snprintf(range, sizeof range, "; %d to %d", row->min, row->max);
	snprintf(text, sizeof text, "%c%s%s.%s", toupper((unsigned char)row->help[0]), row->help + 1, range,
		row->reload ? " Changes on reload." : "");
	comment(out, text);
}

/* The value that would hold without a file, too. */
static int is_default(const struct dcg_option_row *row, const char *value)
{
	return row->fallback && strcmp(row->fallback, value) == 0 && !(names_default(row) && getenv("STATE_DIRECTORY"));
}

int dcg_options_print(const struct dcg_options *o, FILE *out, struct dcg_error *err)
{
	const char *section = "", *value, *why;
	char buf[16];
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++)
		for (int i = 0; r->section && (value = dcg_option_value(o, r, i, buf)); i++)
			if ((why = dcg_config_unfit(r->name, value)))
				return dcg_error_set(err, DCG_EUNSUPPORTED, "%s: a file cannot hold this value, because %s", r->name, why);
	comment(out, "Configuration of dcgand: see dcgand.conf(5). Lines that begin with # are comments; those that look like a setting "
		"show the default, or what a value looks like. The command line wins over this file.");
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++) {
		if (!r->section)
			continue;
		if (strcmp(section, r->section) != 0)
			fprintf(out, "\n[%s]\n", section = r->section);
		fputc('\n', out);
		describe(out, r);
		if (!dcg_option_value(o, r, 0, buf))
			fprintf(out, "#%s = %s\n", r->name, r->argument);
		for (int i = 0; (value = dcg_option_value(o, r, i, buf)); i++)
			fprintf(out, "%s%s = %s\n", is_default(r, value) ? "#" : "", r->name, value);
	}
	return 0;
}
