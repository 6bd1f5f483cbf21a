#include "explore/swd.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "explore/swd_parts.h"

enum {
	MAX_SCRATCH = 256 << 20,     /* for more than one thread */
	MAX_COUNT = 65536, MAX_PATCHES = 1024, MAX_PROJECTIONS = 4096,
	ROUNDS = 4,                  /* of directions a level, so as to be cancelled between them */
	STREAMS_A_LEVEL = 1 << 20,   /* directions, then a stream a picture */
};

struct work {
	const uint8_t *pictures[2]; /* the two sets */
	int count, h, w, c;         /* of the full pictures */
	int level, levels, level_h, level_w;
	int patches, d;             /* d: values of a patch */
	size_t n;                   /* patches of a set */
	uint64_t seed;
	float *patch_values[2];     /* [n][d] */
	double *moments[2];         /* [count][c][2]: sum and sum of squares */
	float *directions;          /* [blocks][d][16] */
	int projections, first_block;
	double *sums;               /* [blocks] */
	char *scratch;              /* worker_bytes for each worker */
	size_t worker_bytes;
};

static void run(const struct dcg_swd_how *how, dcg_pool_fn *fn, struct work *k, int tasks)
{
	if (how->pool)
		dcg_pool_run(how->pool, fn, k, tasks);
	else
		for (int i = 0; i < tasks; i++)
			fn(k, i, 0);
}

static uint64_t stream(const struct work *k, int index)
{
	return DCG_STREAM_SWD + (uint64_t)k->level * STREAMS_A_LEVEL + (uint64_t)index;
}

/* task: a picture. Its patches in both sets, and their sums. */
static void describe(void *ctx, int task, int worker)
{
	struct work *k = ctx;
	struct dcg_rng rng;
	int corners[2 * MAX_PATCHES];
	dcg_rng_init(&rng, k->seed, stream(k, 1 + task));
	for (int p = 0; p < k->patches; p++) {
		corners[2 * p] = (int)dcg_rng_below(&rng, (uint32_t)(k->level_h - DCG_SWD_PATCH + 1));
		corners[2 * p + 1] = (int)dcg_rng_below(&rng, (uint32_t)(k->level_w - DCG_SWD_PATCH + 1));
	}
	size_t picture = (size_t)k->h * (size_t)k->w * (size_t)k->c, values = (size_t)k->patches * (size_t)k->d;
	for (int set = 0; set < 2; set++) {
		float *out = k->patch_values[set] + (size_t)task * values;
		double *m = k->moments[set] + (size_t)task * (size_t)k->c * 2;
		dcg_swd_describe(k->pictures[set] + (size_t)task * picture, k->h, k->w, k->c, k->level, k->levels, corners, k->patches, out,
		                 (float *)(void *)(k->scratch + (size_t)worker * k->worker_bytes));
		memset(m, 0, (size_t)k->c * 2 * sizeof *m);
		for (size_t i = 0; i < values; i += (size_t)k->c)
			for (int c = 0; c < k->c; c++) {
				m[2 * c] += out[i + (size_t)c];
				m[2 * c + 1] += (double)out[i + (size_t)c] * out[i + (size_t)c];
			}
	}
}

/* Mean 0 and standard deviation 1 for each channel; a channel without contrast: zeros. */
static void normalise(struct work *k, int set)
{
	double values = (double)k->n * (DCG_SWD_PATCH * DCG_SWD_PATCH);
	float mean[3], scale[3];
	for (int c = 0; c < k->c; c++) {
		double sum = 0, squares = 0;
		for (int i = 0; i < k->count; i++) {
			sum += k->moments[set][(size_t)(i * k->c + c) * 2];
			squares += k->moments[set][(size_t)(i * k->c + c) * 2 + 1];
		}
		double variance = squares / values - sum / values * (sum / values);
		mean[c] = (float)(sum / values);
		scale[c] = variance > 1e-9 ? (float)(1 / sqrt(variance)) : 0;
	}
	float *v = k->patch_values[set];
	for (size_t i = 0; i < k->n * (size_t)k->d; i += (size_t)k->c)
		for (int c = 0; c < k->c; c++)
			v[i + (size_t)c] = (v[i + (size_t)c] - mean[c]) * scale[c];
}

/* Uniformly distributed on the sphere. */
static void choose_directions(struct work *k)
{
	struct dcg_rng rng;
	float one[3 * DCG_SWD_PATCH * DCG_SWD_PATCH];
	dcg_rng_init(&rng, k->seed, stream(k, 0));
	for (int p = 0; p < k->projections; p++) {
		double squares = 0;
		float *to = k->directions + (size_t)(p / DCG_SWD_BLOCK) * (size_t)k->d * DCG_SWD_BLOCK + p % DCG_SWD_BLOCK;
		dcg_rng_normal(&rng, one, (size_t)k->d, 0, 1);
		for (int i = 0; i < k->d; i++)
			squares += (double)one[i] * one[i];
		for (int i = 0; i < k->d; i++)
			to[i * DCG_SWD_BLOCK] = (float)(one[i] / sqrt(squares));
	}
}

/* task: a block of directions of this round. */
static void measure(void *ctx, int task, int worker)
{
	struct work *k = ctx;
	int block = k->first_block + task, used = k->projections - block * DCG_SWD_BLOCK;
	float *columns = (float *)(void *)(k->scratch + (size_t)worker * k->worker_bytes);
	k->sums[block] = dcg_swd_block(k->patch_values[0], k->patch_values[1], k->n, k->d, k->directions + (size_t)block * (size_t)k->d * DCG_SWD_BLOCK,
	                               used < DCG_SWD_BLOCK ? used : DCG_SWD_BLOCK, columns, (uint32_t *)(void *)(columns + 2 * DCG_SWD_BLOCK * k->n));
}

/* *ret: the distance of level k->level. */
static int measure_level(struct work *k, const struct dcg_swd_how *how, double *ret)
{
	int blocks = (k->projections + DCG_SWD_BLOCK - 1) / DCG_SWD_BLOCK;
	double sum = 0;
	run(how, describe, k, k->count);
	normalise(k, 0);
	normalise(k, 1);
	choose_directions(k);
	for (int round = 0; round < ROUNDS; round++) {
		if (how->cancelled && how->cancelled(how->user))
			return DCG_ECANCELLED;
		k->first_block = blocks * round / ROUNDS;
		run(how, measure, k, blocks * (round + 1) / ROUNDS - k->first_block);
	}
	for (int i = 0; i < blocks; i++)
		sum += k->sums[i];
	*ret = 1000 * sum / k->projections;
	return 0;
}

static int in_range(int found, int min, int max, const char *what, struct dcg_error *err)
{
	if (found >= min && found <= max)
		return 0;
	return dcg_error_set(err, DCG_EINVAL, "sliced Wasserstein distance: %s: expected %d to %d, found %d", what, min, max, found);
}

static int check(int count, int h, int w, int c, const struct work *k, struct dcg_error *err)
{
	int r = in_range(count, 1, MAX_COUNT, "pictures", err);
	if (!r)
		r = in_range(h, DCG_SWD_SMALLEST, DCG_SWD_LARGEST, "height", err);
	if (!r)
		r = in_range(w, DCG_SWD_SMALLEST, DCG_SWD_LARGEST, "width", err);
	if (!r)
		r = in_range(c == 2 ? 0 : c, 1, 3, "channels", err);
	if (!r)
		r = in_range(k->patches, 1, MAX_PATCHES, "patches", err);
	if (!r)
		r = in_range(k->projections, 1, MAX_PROJECTIONS, "projections", err);
	return r;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

int dcg_swd(struct dcg_swd *ret, const uint8_t *a, const uint8_t *b, int count, int h, int w, int c, const struct dcg_swd_how *how, struct dcg_error *err)
{
	struct work k = {
		.pictures = { a, b }, .count = count, .h = h, .w = w, .c = c, .seed = how->seed,
		.patches = how->patches ? how->patches : 128, .projections = how->projections ? how->projections : 512,
	};
	struct dcg_swd found = { 0 };
	int r = check(count, h, w, c, &k, err);
	if (r)
		return r;
	do {
		found.height[found.levels] = h;
		found.width[found.levels] = w;
		found.levels++;
		h = (h + 1) / 2, w = (w + 1) / 2;
	} while (h >= DCG_SWD_SMALLEST && w >= DCG_SWD_SMALLEST);

	struct dcg_swd_how with = *how;
	size_t threads = how->pool ? (size_t)dcg_pool_threads(how->pool) : 1;
	size_t blocks = (size_t)(k.projections + DCG_SWD_BLOCK - 1) / DCG_SWD_BLOCK;
	k.levels = found.levels;
	k.d = DCG_SWD_PATCH * DCG_SWD_PATCH * c;
	k.n = (size_t)count * (size_t)k.patches;
	k.worker_bytes = larger(dcg_swd_scratch(k.h, k.w, c), (2 * DCG_SWD_BLOCK + 1) * k.n) * sizeof(float);
	k.worker_bytes = (k.worker_bytes + 63) / 64 * 64;
	if (threads > MAX_SCRATCH / k.worker_bytes)
		with.pool = NULL, threads = 1;
	for (int set = 0; set < 2; set++) {
		k.patch_values[set] = dcg_alloc(k.n * (size_t)k.d, sizeof(float));
		k.moments[set] = dcg_alloc((size_t)count * (size_t)c * 2, sizeof(double));
	}
	k.directions = dcg_alloc(blocks * (size_t)k.d * DCG_SWD_BLOCK, sizeof(float));
	k.sums = dcg_alloc(blocks, sizeof(double));
	k.scratch = dcg_alloc(threads, k.worker_bytes);
	if (!k.patch_values[0] || !k.patch_values[1] || !k.moments[0] || !k.moments[1] || !k.directions || !k.sums || !k.scratch)
		r = dcg_error_set(err, DCG_ENOMEM, "sliced Wasserstein distance: out of memory");
	for (k.level = 0; !r && k.level < k.levels; k.level++) {
		k.level_h = found.height[k.level];
		k.level_w = found.width[k.level];
		r = measure_level(&k, &with, &found.distance[k.level]);
		if (r)
			dcg_error_set(err, r, "sliced Wasserstein distance: cancelled");
		found.mean += found.distance[k.level] / k.levels;
	}
	for (int set = 0; set < 2; set++) {
		dcg_free(k.patch_values[set]);
		dcg_free(k.moments[set]);
	}
	dcg_free(k.directions);
	dcg_free(k.sums);
	dcg_free(k.scratch);
	if (!r)
		*ret = found;
	return r;
}
