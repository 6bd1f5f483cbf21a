/* The configuration file. inih takes lines apart; what it would cut, join or pass over in
 * silence is found before it sees the line, so that no fault goes untold. */
#include "config.h"

#include <ctype.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/table.h"

enum { FILE_MAX = 256 << 10, LINE_MAX_BYTES = 4200 };

struct reader {
	const char *path, *at, *end;
	int line;
	char section[32]; /* of the table; "" before the first, and "?" in an unknown one */
	int given_at[DCG_OPTION_ROWS_MAX]; /* the line that each row was given in */
	struct dcg_options *o;
	struct dcg_faults *faults;
};

static int has_section(const char *name, size_t size)
{
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++)
		if (r->section && strlen(r->section) == size && memcmp(r->section, name, size) == 0)
			return 1;
	return 0;
}

static const char *sections(char buf[200])
{
	const char *last = "";
	size_t n = 0;
	for (const struct dcg_option_row *r = dcg_option_rows; r->name; r++)
		if (r->section && strcmp(r->section, last) != 0) {
			last = r->section;
			n += (size_t)snprintf(buf + n, 200 - n, "%s[%s]", n ? ", " : "", last);
		}
	return buf;
}

static int has_comment(const char *s, size_t size)
{
	for (size_t i = 1; i < size; i++)
		if (s[i] == ';' && isspace((unsigned char)s[i - 1]))
			return 1;
	return 0;
}

/* A control character in s, or -1. */
static int control(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)s[i] == 0x7f || ((unsigned char)s[i] < ' ' && s[i] != '\t'))
			return (unsigned char)s[i];
	return -1;
}

const char *dcg_config_unfit(const char *name, const char *value)
{
	size_t n = strlen(value);
	if (strlen(name) + n + 8 > LINE_MAX_BYTES)
		return "it is too long";
	if (control(value, n) >= 0)
		return "it has a control character";
	if (has_comment(value, n) || *value == ';')
		return "it has a semicolon that would begin a comment";
	if (n && (isspace((unsigned char)value[0]) || isspace((unsigned char)value[n - 1])))
		return "it begins or ends with white space";
	return NULL;
}

/* Is this line fit for inih? Headers of sections are judged here. */
static int judge(struct reader *f, const char *s, size_t n, size_t room)
{
	char known[200];
	const char *equals;
	int c = control(s, n);
	if (n > room)
		dcg_fault(f->faults, "%s:%d: expected a line of at most %zu bytes, found %zu", f->path, f->line, room, n);
	else if (c >= 0)
		dcg_fault(f->faults, "%s:%d: expected text, found the control character 0x%02x", f->path, f->line, c);
	else if (*s == '[' && has_section(s + 1, n - 2) && s[n - 1] == ']')
		return snprintf(f->section, sizeof f->section, "%.*s", (int)n - 2, s + 1);
	else if (*s == '[') {
		strcpy(f->section, "?");
		dcg_fault(f->faults, "%s:%d: expected one of the sections %s, found \"%.*s\"", f->path, f->line, sections(known), (int)(n < 100 ? n : 100), s);
	} else if (has_comment(s, n))
		dcg_fault(f->faults, "%s:%d: expected the comment on a line of its own, found a semicolon after white space", f->path, f->line);
	else if (!(equals = memchr(s, '=', n)) || equals == s || memchr(s, ':', (size_t)(equals - s))) /* inih would split at the colon */
		dcg_fault(f->faults, "%s:%d: expected NAME = VALUE, found \"%.*s\"", f->path, f->line, (int)(n < 100 ? n : 100), s);
	else
		return 1;
	return 0;
}

/* For inih: the next line that says something, without white space around it (a leading one
 * would continue the line before). */
static char *next_line(char *into, int size, void *reader)
{
	struct reader *f = reader;
	while (f->at < f->end) {
		const char *s = f->at, *e = memchr(s, '\n', (size_t)(f->end - s));
		f->at = e ? e + 1 : f->end;
		e = e ? e : f->end;
		if (++f->line == 1 && e - s >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
			s += 3;
		while (s < e && isspace((unsigned char)*s))
			s++;
		while (s < e && isspace((unsigned char)e[-1]))
			e--;
		size_t n = (size_t)(e - s);
		if (n == 0 || *s == '#' || *s == ';' || !judge(f, s, n, (size_t)size - 3))
			continue;
		memcpy(into, s, n);
		into[n] = 0;
		return into;
	}
	return NULL;
}

/* From inih. Its section is not used: it cuts long names. */
static int take(void *reader, const char *section, const char *name, const char *value)
{
	struct reader *f = reader;
	struct dcg_error err;
	(void)section;
	if (!name || !value || strcmp(f->section, "?") == 0) /* that was told at the section */
		return 1;
	const struct dcg_option_row *row = dcg_option_find(name, strlen(name));
	if (!row || !row->section) {
		dcg_fault(f->faults, row ? "%s:%d: \"%.100s\" can be given on the command line only" : "%s:%d: unknown name \"%.100s\"", f->path, f->line, name);
		return 1;
	}
	if (strcmp(row->section, f->section) != 0) {
		dcg_fault(f->faults, "%s:%d: %s: expected in section [%s], found %s%s%s", f->path, f->line, name, row->section,
			*f->section ? "in [" : "before any section", f->section, *f->section ? "]" : "");
		return 1;
	}
	int *given = &f->given_at[row - dcg_option_rows];
	if (*given && row->type != DCG_OPTION_LIST) {
		dcg_fault(f->faults, "%s:%d: %s: expected once, found already in line %d", f->path, f->line, name, *given);
		return 1;
	}
	int r = dcg_option_set(f->o, row, value, &err);
	dcg_fault_note(f->faults, r);
	if (r)
		dcg_fault(f->faults, "%s:%d: %s: %s", f->path, f->line, name, err.text);
	*given = f->line;
	return 1;
}

int dcg_config_read(struct dcg_options *o, const char *path, struct dcg_faults *faults)
{
	struct dcg_error err;
	char *text;
	size_t size;
	int before = faults->count;
	int r = dcg_file_read(path, FILE_MAX, &text, &size, &err);
	dcg_fault_note(faults, r);
	if (r) {
		dcg_fault(faults, "%s", err.text);
		return r;
	}
#if HAVE_DECL_INI_MAX_LINE
	ini_max_line = LINE_MAX_BYTES + 3; /* else as inih was built, which is 200 */
#endif
	struct reader f = { .path = path, .at = text, .end = text + size, .o = o, .faults = faults };
	r = ini_parse_stream(next_line, &f, take, &f);
	if (r && faults->count == before) {
		dcg_fault_note(faults, r > 0 ? 0 : DCG_ENOMEM);
		dcg_fault(faults, r > 0 ? "%s: expected NAME = VALUE, found something else" : "%s: out of memory", path);
	}
	free(text);
	return faults->count == before ? 0 : DCG_EINVAL;
}
