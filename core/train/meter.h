/* How fast training goes: pictures a second over about the last second, and the time that
 * is left. Plain data; one thread at a time. */
#ifndef DCG_TRAIN_METER_H
#define DCG_TRAIN_METER_H

#include <stdint.h>

enum { DCG_METER_MARKS = 32 };

struct dcg_meter {
	struct {
		int64_t at_ns, pictures;
	} mark[DCG_METER_MARKS]; /* a ring: where the count stood, a mark each 50 ms or more */
	int first, count;
	int64_t pictures;   /* so far */
	int64_t last_ns;    /* end of the step before */
	double step_s;      /* average time of a step, weighted towards the last half minute; 0: none yet */
	double images_per_s;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t dcg_meter_now(void);
/* Steps begin, for the first time or after a pause: the averages remain. */
void dcg_meter_start(struct dcg_meter *m, int64_t now_ns);
/* A step that used so many pictures ended. Refreshes images_per_s and step_s. */
void dcg_meter_step(struct dcg_meter *m, int64_t now_ns, int64_t pictures);

#endif
