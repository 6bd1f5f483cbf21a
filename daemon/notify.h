/* systemd's sd_notify protocol and socket activation, without its library. */
#ifndef DCG_DAEMON_NOTIFY_H
#define DCG_DAEMON_NOTIFY_H

#include "base/error.h"

/* Send "READY=1\nSTATUS=..." to $NOTIFY_SOCKET; nothing without one. */
void dcg_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The socket handed over by systemd, close-on-exec, into *ret; 0: none. Call once, before threads. DCG_EINVAL: more than
 * one, of which all but one would take connections that nobody serves. */
int dcg_notify_socket(int *ret, struct dcg_error *err);

#endif
