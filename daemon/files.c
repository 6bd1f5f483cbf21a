#include "daemon/files.h"

#include <errno.h>
#include <sys/resource.h>

#include "api/api.h"
#include "daemon/log.h"

/* OWN_FILES: standard streams, signals, 4 readers and the writer of the database (two each), and what
 * the worker, eight threads with it that read pictures (two each), its two threads for files and four for
 * requests open at a time. LEAST is that of max-connections. */
enum { OWN_FILES = 80, LEAST = 8 };

static int needed(int connections)
{
	return dcg_api_files(connections) + OWN_FILES;
}

int dcg_files_fit(int wanted, int *ret, struct dcg_error *err)
{
	struct rlimit limit;
	int n = wanted;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return dcg_error_sys(err, errno, "cannot tell how many files may be open");
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit more = { limit.rlim_max, limit.rlim_max };
		if (!setrlimit(RLIMIT_NOFILE, &more)) /* a filter of system calls may be against it */
			limit = more;
	}
	while (n >= LEAST && (rlim_t)needed(n) > limit.rlim_cur)
		n--;
	if (n < LEAST)
		return dcg_error_set(err, DCG_EMFILE, "at most %llu files may be open, and %d are needed: raise the limit (ulimit -n, LimitNOFILE=)",
			(unsigned long long)limit.rlim_cur, needed(LEAST));
	if (n < wanted)
		dcg_log(DCG_API_WARNING, "at most %llu files may be open, and %d connections need %d: serving %d at a time (raise ulimit -n, LimitNOFILE=, "
			"or lower max-connections)", (unsigned long long)limit.rlim_cur, wanted, needed(wanted), n);
	*ret = n;
	return 0;
}
