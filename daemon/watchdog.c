#include "daemon/watchdog.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"

enum { LOOKS = 4, ANSWER_MS = 5000 }; /* looks a period */

int64_t dcg_clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void dcg_watchdog_begin(struct dcg_watchdog *w)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	*w = (struct dcg_watchdog){ 0 };
	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return;
	errno = 0;
	long long v = strtoll(usec, &end, 10);
	if (errno || *end || v < LOOKS * 1000 || v / 1000 > INT32_MAX) {
		dcg_log(DCG_API_WARNING, "WATCHDOG_USEC: expected microseconds, from 4000 on, found \"%.40s\": there will be no watchdog", usec);
		return;
	}
	w->period_ms = v / 1000;
	w->next_ms = w->moved_ms = dcg_clock_ms();
}

int dcg_watchdog_wait(const struct dcg_watchdog *w, int max_ms)
{
	if (!w->period_ms)
		return max_ms;
	int64_t left = w->next_ms - dcg_clock_ms();
	if (left < 0)
		left = 0;
	return max_ms < 0 || left < max_ms ? (int)left : max_ms;
}

/* Log the beginning and the end of a standstill, not its whole length. */
static void note(int *told, int bad, const char *what, const char *why)
{
	if (bad && !*told)
		dcg_log(DCG_API_WARNING, "watchdog: %s: %s", what, why);
	else if (!bad && *told)
		dcg_log(DCG_API_INFO, "watchdog: %s again", what);
	*told = bad;
}

void dcg_watchdog_look(struct dcg_watchdog *w, struct dcg_api *api, struct dcg_jobs *jobs)
{
	struct dcg_error err;
	int64_t now = dcg_clock_ms();
	if (!w->period_ms || now < w->next_ms)
		return;
	w->next_ms = now + w->period_ms / LOOKS;
	int r = dcg_api_answers(api, (int)(w->period_ms / LOOKS < ANSWER_MS ? w->period_ms / LOOKS : ANSWER_MS), &err);
	if (r == DCG_ECANCELLED) { /* the signal first, then another look */
		w->next_ms = now;
		return;
	}
	int moving = dcg_jobs_moving(jobs, &w->seen);
	if (moving)
		w->moved_ms = now;
	/* Short steps come many a look; only what takes half the period is worth a line. */
	note(&w->worker, !moving && now - w->moved_ms >= w->period_ms / 2, "training moves", "not since half of the watchdog's time");
	note(&w->http, r != 0, "HTTP answers", r ? err.text : "");
	if (moving && !r)
		dcg_notify("WATCHDOG=1");
}
