/* The configuration: a file and command line words. What is taken is printed as a file, which
 * must be taken again and say the same.
 *
 * An input is the file's text; after a line "--ARGV" a word of the command line a line. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

#include "daemon/table.h"

const int fuzz_pace = 4000;

enum { WORDS_MAX = 20 };

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	(void)i, (void)ret_size;
	return NULL;
}

static void tell(void *user, const char *text)
{
	fuzz_check(*text && !strchr(text, '\n'), "a fault is told in one line: %s", text);
	++*(int *)user;
}

static int load(struct dcg_options *ret, int argc, char **argv)
{
	int told = 0;
	struct dcg_faults faults = { .tell = tell, .user = &told };
	int r = dcg_options_load(ret, argc, argv, &faults);
	fuzz_check((r == 0) == (told == 0), "%d with %d faults", r, told);
	return r;
}

/* The file after --print-config. */
static void print_again(const struct dcg_options *o)
{
	struct dcg_options again;
	struct dcg_error err;
	char *text = NULL, *argv[] = { (char[]){ "dcgand" }, (char[]){ "--config" }, NULL, NULL };
	size_t size;
	FILE *f = open_memstream(&text, &size);
	fuzz_check(f != NULL, "out of memory");
	int r = dcg_options_print(o, f, &err);
	fclose(f);
	if (!r) {
		char path[300];
		snprintf(path, sizeof path, "%s", fuzz_file("printed.conf", text, size));
		argv[2] = path;
		fuzz_check(load(&again, 3, argv) == 0, "not taken again:\n%s", text);
		for (const struct dcg_option_row *row = dcg_option_rows; row->name; row++)
			fuzz_check(!row->section || dcg_option_equal(o, &again, row), "%s differs:\n%s", row->name, text);
		dcg_options_done(&again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char program[] = "dcgand", option[] = "--config";
	char *argv[WORDS_MAX + 4] = { program }, path[300];
	struct dcg_options o;
	int argc = 1;
	char *text = fuzz_text(data, size), *words = strstr(text, "\n--ARGV\n");
	size_t file = words ? (size_t)(words - text) + 1 : size;
	snprintf(path, sizeof path, "%s", fuzz_file("dcgand.conf", data, file));
	if (file) {
		argv[argc++] = option;
		argv[argc++] = path;
	}
	if (words) {
		char *rest = words + 8, *word;
		/* Not another file: /dev/zero is no input of ours. */
		while (argc < WORDS_MAX && (word = strsep(&rest, "\n")))
			if (strncmp(word, "--config", 8) != 0)
				argv[argc++] = word;
	}
	if (!load(&o, argc, argv)) {
		print_again(&o);
		dcg_options_done(&o);
	}
	free(text);
	return 0;
}
