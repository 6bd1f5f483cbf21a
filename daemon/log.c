#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum dcg_api_level most = DCG_API_INFO; /* set before there are threads */
static int journal;

int dcg_log_begin(const char *level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	unsigned long device, inode;
	struct stat st;
	/* Does standard error go to the journal? Then each line begins with its priority. */
	const char *stream = getenv("JOURNAL_STREAM");
	journal = stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) &&
		st.st_dev == device && st.st_ino == inode;
	for (int i = 0; i < 4; i++)
		if (strcmp(level, names[i]) == 0) {
			most = (enum dcg_api_level)i;
			return 0;
		}
	return -1;
}

void dcg_log_line(void *user, enum dcg_api_level level, const char *text)
{
	static const int priority[] = { 3, 4, 6, 7 };
	static const char *const prefix[] = { "error: ", "warning: ", "", "debug: " };
	(void)user;
	if (level > most)
		return;
	if (journal)
		fprintf(stderr, "<%d>%s\n", priority[level], text);
	else
		fprintf(stderr, "dcgand: %s%s\n", prefix[level], text);
}

void dcg_log(enum dcg_api_level level, const char *fmt, ...)
{
	char text[800];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	dcg_log_line(NULL, level, text);
}
