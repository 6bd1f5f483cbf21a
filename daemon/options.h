/* The configuration: defaults, then the environment, then a file, then the command line.
 * What options there are is one table (daemon/table.h). One thread.
 */
#ifndef DCG_DAEMON_OPTIONS_H
#define DCG_DAEMON_OPTIONS_H

#include <stdio.h>

#include "base/error.h"

enum { DCG_OPTION_LIST_MAX = 32 };

struct dcg_options { /* owns its texts */
	char *config, *listen, *state_dir, *web_dir, *tokens, *new_token, *scope;
	char *dataset_roots[DCG_OPTION_LIST_MAX + 1]; /* NULL-terminated */
	char *allowed_hosts[DCG_OPTION_LIST_MAX + 1]; /* NULL-terminated */
	int heartbeat_s, request_timeout_s, max_connections, max_streams, max_queued, disk_reserve_mb, nice, session_hours;
	int log_level; /* enum dcg_api_level */
	int check_config, print_config, help, version;
};

/* Who is told of each thing that is wrong, in one line that names its place. */
struct dcg_faults {
	void (*tell)(void *user, const char *text);
	void *user;
	int count;
	int passing; /* one is nothing that was read: there was no memory, or no file could be opened */
};
void dcg_fault(struct dcg_faults *faults, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Of the code why something was refused: whether it may pass. */
void dcg_fault_note(struct dcg_faults *faults, int code);

/* DCG_EINVAL: there were faults, all of which are told; DCG_ENOMEM: one of them may pass. Free *ret with dcg_options_done. */
int dcg_options_load(struct dcg_options *ret, int argc, char **argv, struct dcg_faults *faults);
void dcg_options_done(struct dcg_options *o);
/* Take over from `to` what may change in a running daemon; `tell` gets a line for each
 * option that differs: whether it is in effect now, or from the next start on. */
void dcg_options_reload(struct dcg_options *o, const struct dcg_options *to, void (*tell)(void *user, int in_effect, const char *text), void *user);

void dcg_options_help(FILE *out);
/* As a configuration file; what is as by default is there as a comment. DCG_EUNSUPPORTED for a
 * value that a file cannot hold (nothing is written then). */
int dcg_options_print(const struct dcg_options *o, FILE *out, struct dcg_error *err);

#endif
