/* systemd's sd_notify protocol and socket activation, without its library. */
#ifndef DCG_DAEMON_NOTIFY_H
#define DCG_DAEMON_NOTIFY_H

/* Send "READY=1\nSTATUS=..." to $NOTIFY_SOCKET; nothing without one. */
void dcg_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The first socket handed over by systemd, close-on-exec; 0: none. Call once, before threads. */
int dcg_notify_socket(void);

#endif
