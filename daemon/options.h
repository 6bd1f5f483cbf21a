/* The command line, from one table: parsing, --help and defaults. One thread. */
#ifndef DCG_DAEMON_OPTIONS_H
#define DCG_DAEMON_OPTIONS_H

#include <stdio.h>

#include "base/error.h"

enum { DCG_OPTION_LIST_MAX = 32 };

struct dcg_options { /* texts belong to argv, the environment or the program */
	const char *listen, *state_dir, *web_dir, *log_level;
	const char *dataset_roots[DCG_OPTION_LIST_MAX + 1]; /* NULL-terminated */
	const char *allowed_hosts[DCG_OPTION_LIST_MAX + 1]; /* NULL-terminated */
	int heartbeat_s, request_timeout_s, max_connections, max_streams, max_queued;
	int help, version;
};

/* DCG_EINVAL naming the option at fault. */
int dcg_options_parse(struct dcg_options *o, int argc, char **argv, struct dcg_error *err);
void dcg_options_help(FILE *out);

#endif
