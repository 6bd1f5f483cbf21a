#include "daemon/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int most = DCG_API_INFO;
static int journal; /* set before there are threads */

void dcg_log_begin(enum dcg_api_level limit)
{
	unsigned long device, inode;
	struct stat st;
	/* Does standard error go to the journal? Then each line begins with its priority. */
	const char *stream = getenv("JOURNAL_STREAM");
	journal = stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) &&
		st.st_dev == device && st.st_ino == inode;
	dcg_log_limit(limit);
}

void dcg_log_limit(enum dcg_api_level limit)
{
	atomic_store(&most, (int)limit);
}

void dcg_log_line(void *user, enum dcg_api_level level, const char *text)
{
	static const int priority[] = { 3, 4, 6, 7 };
	static const char *const prefix[] = { "error: ", "warning: ", "", "debug: " };
	(void)user;
	if ((int)level > atomic_load(&most))
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
