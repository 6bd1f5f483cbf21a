#include "train/meter.h"

#include <math.h>
#include <time.h>

static const int64_t mark_ns = 50000000, window_ns = 1000000000;
static const double average_s = 30;

int64_t dcg_meter_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void mark(struct dcg_meter *m, int64_t now_ns)
{
	if (m->count == DCG_METER_MARKS) {
		m->first = (m->first + 1) % DCG_METER_MARKS;
		m->count--;
	}
	int i = (m->first + m->count++) % DCG_METER_MARKS;
	m->mark[i].at_ns = now_ns;
	m->mark[i].pictures = m->pictures;
}

void dcg_meter_start(struct dcg_meter *m, int64_t now_ns)
{
	m->first = m->count = 0;
	m->last_ns = now_ns;
	mark(m, now_ns);
}

void dcg_meter_step(struct dcg_meter *m, int64_t now_ns, int64_t pictures)
{
	double s = (double)(now_ns - m->last_ns) * 1e-9;
	double weight = -expm1(-s / average_s);
	m->step_s = m->step_s > 0 ? m->step_s + weight * (s - m->step_s) : s;
	m->last_ns = now_ns;
	m->pictures += pictures;
	/* The oldest mark that is needed is the newest one before the window. */
	while (m->count > 1 && now_ns - m->mark[(m->first + 1) % DCG_METER_MARKS].at_ns >= window_ns) {
		m->first = (m->first + 1) % DCG_METER_MARKS;
		m->count--;
	}
	int64_t span = now_ns - m->mark[m->first].at_ns;
	if (span > 0)
		m->images_per_s = (double)(m->pictures - m->mark[m->first].pictures) / ((double)span * 1e-9);
	if (now_ns - m->mark[(m->first + m->count - 1) % DCG_METER_MARKS].at_ns >= mark_ns)
		mark(m, now_ns);
}
