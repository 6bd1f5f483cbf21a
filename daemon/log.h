/* Lines for a person, or the journal, on standard error. Any thread. */
#ifndef DCG_DAEMON_LOG_H
#define DCG_DAEMON_LOG_H

#include "api/api.h"

/* Call once, first. */
void dcg_log_begin(enum dcg_api_level most);
/* Lines of higher levels are not written from now on. */
void dcg_log_limit(enum dcg_api_level most);
void dcg_log(enum dcg_api_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Shaped for struct dcg_api_config. */
void dcg_log_line(void *user, enum dcg_api_level level, const char *text);

#endif
