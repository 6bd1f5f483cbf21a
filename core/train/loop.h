/* A trainer from the inside: what trainer.c builds and loop.c runs. */
#ifndef DCG_TRAIN_LOOP_H
#define DCG_TRAIN_LOOP_H

#include <pthread.h>

#include "train/background.h"
#include "train/feed.h"
#include "train/meter.h"
#include "train/trainer.h"

struct dcg_trainer {
	/* Set by dcg_trainer_new, const afterwards. */
	struct dcg_train_params params;
	int64_t steps_per_epoch, steps_total;
	int resumed, wait_for_room;
	struct dcg_queue *queue;           /* has a lock of its own */
	struct dcg_background *background; /* likewise */

	/* The training thread's, once it runs. */
	struct dcg_backend *backend;
	struct dcg_gan *gan;
	struct dcg_feed *feed;
	struct dcg_train_state state;
	struct dcg_meter meter;
	int64_t sample_step;   /* last asked for; -1: none */
	int64_t checkpoint_ns; /* when one was asked for, or the trainer made */

	pthread_t thread;
	int started; /* owner's */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t commanded;
	int want_pause, want_stop, want_abort, want_sample, want_checkpoint;
};

/* The training thread; arg is the trainer. */
void *dcg_trainer_loop(void *arg);

#endif
