/* The steps of the sliced Wasserstein distance; only for core/explore and its tests, not
 * installed. Nothing here allocates or fails. */
#ifndef DCG_EXPLORE_SWD_PARTS_H
#define DCG_EXPLORE_SWD_PARTS_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
	DCG_SWD_PATCH = 7,
	DCG_SWD_BLOCK = 16, /* directions projected on at once */
};

/* Pictures as float [h][w][c]. The coarser one is [(h+1)/2][(w+1)/2][c]; the filter is
 * (1 4 6 4 1)/16 on both axes, borders mirrored without doubling the edge. temp: h * w * c. */
void dcg_swd_halve(const float *in, int h, int w, int c, float *out, float *temp);
/* fine -= coarse enlarged: what halving lost. temp: 2 h w c. */
void dcg_swd_detail(float *fine, const float *coarse, int h, int w, int c, float *temp);

/* Patches of one level of one picture's pyramid: corners [patches][2] of (y, x), out
 * [patches][49 c]. scratch: dcg_swd_scratch(h, w, c) floats. */
void dcg_swd_describe(const uint8_t *picture, int h, int w, int c, int level, int levels, const int *corners, int patches, float *out, float *scratch);
size_t dcg_swd_scratch(int h, int w, int c);

/* columns[k][i] = x[i] . direction k: x [n][d], directions [d][16], columns [16][n]. The first that is
 * usable on this processor is taken; all give the same bits. The list ends without a name. */
struct dcg_swd_projector {
	const char *name;
	int (*usable)(void);
	void (*project)(const float *x, size_t n, int d, const float *directions, float *columns);
};
extern const struct dcg_swd_projector dcg_swd_projectors[];

/* The n values of a and of b sorted in place; temp: n. */
double dcg_swd_wasserstein(float *a, float *b, size_t n, uint32_t *temp);

/* Sum over the first `used` directions of a block of their Wasserstein-1 distances. a, b: [n][d];
 * directions: [d][16]; columns: 2 * 16 * n floats; temp: n. */
double dcg_swd_block(const float *a, const float *b, size_t n, int d, const float *directions, int used, float *columns, uint32_t *temp);

#pragma GCC visibility pop

#endif
