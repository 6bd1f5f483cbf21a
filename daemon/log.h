/* Lines for a person, or the journal, on standard error. Any thread. */
#ifndef DCG_DAEMON_LOG_H
#define DCG_DAEMON_LOG_H

#include "api/api.h"

/* level: "error", "warning", "info" or "debug"; -1 for another. Call once, first. */
int dcg_log_begin(const char *level);
void dcg_log(enum dcg_api_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Shaped for struct dcg_api_config. */
void dcg_log_line(void *user, enum dcg_api_level level, const char *text);

#endif
