/* Random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011), counter-based, so that the whole state is three integers
 * and any position of any stream can be named without generating what precedes it.
 *
 * A struct dcg_rng is plain data owned by the caller: copy it to fork, store its
 * three numbers to resume exactly. Not locked: one thread at a time.
 */
#ifndef DCG_BASE_RNG_H
#define DCG_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct dcg_rng {
	uint64_t seed;    /* key: the job's seed */
	uint64_t stream;  /* independent sequences of one seed: weights, z, epochs ... */
	uint64_t counter; /* blocks of 128 bits already used */
};

/* Streams used by the library, so that no two uses share numbers. The low 32 bits
 * of a stream may carry an index (an epoch, a layer). */
#define DCG_STREAM_WEIGHTS (UINT64_C(1) << 32) /* + parameter's index */
#define DCG_STREAM_Z       (UINT64_C(2) << 32) /* training noise */
#define DCG_STREAM_ORDER   (UINT64_C(3) << 32) /* + epoch: order of the data */
#define DCG_STREAM_FLIP    (UINT64_C(4) << 32) /* + epoch: horizontal flips */
#define DCG_STREAM_SAMPLE  (UINT64_C(5) << 32) /* fixed noise of sample grids, generate */
#define DCG_STREAM_PAD     (UINT64_C(6) << 32) /* noise that fills up a batch when sampling */
#define DCG_STREAM_SWD     (UINT64_C(7) << 32) /* quality: places of patches, directions */

void dcg_rng_init(struct dcg_rng *rng, uint64_t seed, uint64_t stream);
uint64_t dcg_rng_u64(struct dcg_rng *rng);
/* Unbiased in [0, n), n > 0. */
uint32_t dcg_rng_below(struct dcg_rng *rng, uint32_t n);
/* count values, uniform in [lo, hi). */
void dcg_rng_uniform(struct dcg_rng *rng, float *out, size_t count, float lo, float hi);
/* count values, normal (Box-Muller). */
void dcg_rng_normal(struct dcg_rng *rng, float *out, size_t count, float mean, float std);
/* A uniformly random order of 0 .. n-1 (Fisher-Yates). */
void dcg_rng_permutation(struct dcg_rng *rng, uint32_t *out, uint32_t n);

#endif
