/* Sliced Wasserstein distance between two sets of pictures: Karras et al., "Progressive
 * growing of GANs", ICLR 2018, section 5. Smaller is more alike; 0 for a set and itself.
 *
 * Each picture becomes a Laplacian pyramid of levels of half the size each, down to 16
 * pixels. From each level 7x7 patches are taken at random (by default 128 a picture),
 * normalised to mean 0 and standard deviation 1 for each channel over the set, and
 * projected on random directions (by default 512); the distance is the mean over the
 * directions of the Wasserstein-1 distance between the two sets of projections, times
 * 1000. Unlike in the authors' code the patches of picture i are at the same places in
 * both sets, and all randomness comes from the seed: equal input, equal result, for any
 * number of threads.
 *
 * Memory, N = count * patches: 8 N (49 c) bytes, and 132 N bytes a thread: with the
 * defaults and 512 pictures 34 MB in grey and 86 MB in colour on one thread. Threads that would take
 * more than 256 MB together are left out: the calling one works alone.
 */
#ifndef DCG_EXPLORE_SWD_H
#define DCG_EXPLORE_SWD_H

#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"

enum { DCG_SWD_LEVELS = 9, DCG_SWD_SMALLEST = 16, DCG_SWD_LARGEST = 4096 };

struct dcg_swd {
	int levels;
	int height[DCG_SWD_LEVELS], width[DCG_SWD_LEVELS]; /* the finest first */
	double distance[DCG_SWD_LEVELS];                   /* times 1000 */
	double mean;                                       /* over the levels */
};

struct dcg_swd_how {
	uint64_t seed;
	int patches, projections; /* 1 .. 1024, 1 .. 4096; 0: the defaults */
	struct dcg_pool *pool;    /* NULL: the calling thread alone */
	int (*cancelled)(void *user); /* asked a few times a level, on the calling thread; may be NULL */
	void *user;
};

/* a, b: count (1 .. 65536) pictures each, [h][w][c], h and w 16 .. 4096, c 1 or 3.
 * DCG_EINVAL, DCG_ENOMEM, DCG_ECANCELLED. */
int dcg_swd(struct dcg_swd *ret, const uint8_t *a, const uint8_t *b, int count, int h, int w, int c, const struct dcg_swd_how *how, struct dcg_error *err);

#endif
