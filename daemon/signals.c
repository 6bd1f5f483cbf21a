#include "daemon/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int handler_fd = -1; /* the pipe's end for the handler */

/* A handler rather than signalfd: libraries (OpenBLAS) start threads before main, which do
 * not inherit a mask set here, and the default action in one of them ends the process. */
static void on_signal(int number)
{
	int e = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t n = write(handler_fd, &byte, 1); /* a full pipe holds enough of them */
	(void)n;
	errno = e;
}

int dcg_signals_take(int *ret_fd, struct dcg_error *err)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP };
	/* A reader that left, a file at its limit: the call that writes says so, too. */
	static const int ignored[] = { SIGPIPE, SIGXFSZ };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, ignore = { .sa_handler = SIG_IGN };
	int fd[2];
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return dcg_error_sys(err, errno, "cannot make a pipe");
	handler_fd = fd[1];
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &ignore, NULL);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		sigaction(taken[i], &action, NULL);
	*ret_fd = fd[0];
	return 0;
}

int dcg_signals_next(int fd)
{
	unsigned char byte;
	return read(fd, &byte, 1) == 1 ? byte : 0;
}
