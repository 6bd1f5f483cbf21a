#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/internal.h"

static int64_t size_of(const char *path, const char *ending)
{
	char name[4096];
	struct stat st;
	int n = snprintf(name, sizeof name, "%s%s", path, ending);
	return n > 0 && (size_t)n < sizeof name && !stat(name, &st) ? (int64_t)st.st_size : 0;
}

int dcg_store_stats(struct dcg_store *s, struct dcg_store_stats *ret, struct dcg_error *err)
{
	struct dcg_sql *q;
	struct dcg_store_stats stats;
	memset(&stats, 0, sizeof stats);
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT state, count(*) FROM jobs GROUP BY state");
	while (dcg_sql_step(q) > 0) {
		char state[16];
		dcg_sql_array(q, state, sizeof state);
		int known = q->error.code ? -1 : dcg_job_state_from_name(state);
		if (known >= 0)
			stats.jobs[known] = dcg_sql_int(q);
	}
	dcg_sql_end(q);
	stats.newest_event = dcg_sql_value(q, "SELECT newest FROM event_counter");
	r = dcg_store_read_end(s, q, err);
	stats.bytes = size_of(s->path, "") + size_of(s->path, "-wal");
	if (!r)
		*ret = stats;
	return r;
}
