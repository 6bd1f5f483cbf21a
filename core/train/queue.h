/* The trainer's events on their way out: a bounded queue, all of its memory taken at once.
 * Any number of threads push, one takes. */
#ifndef DCG_TRAIN_QUEUE_H
#define DCG_TRAIN_QUEUE_H

#include "train/trainer.h"

struct dcg_queue;

int dcg_queue_new(struct dcg_queue **ret, int capacity, struct dcg_error *err);
void dcg_queue_free(struct dcg_queue *q);
/* Waits while the queue is full; once it is closed, drops the event instead. */
void dcg_queue_push(struct dcg_queue *q, const struct dcg_event *event);
/* As dcg_trainer_next. */
int dcg_queue_take(struct dcg_queue *q, struct dcg_event *ret, int timeout_ms);
/* Nobody will take any more: whoever waits to push goes on. */
void dcg_queue_close(struct dcg_queue *q);

#endif
