/* Multi-scale structural similarity (Wang, Simoncelli and Bovik, 2003) between pictures of one
 * set, as a measure of diversity (Odena, Olah and Shlens, 2017): 1 when all are the same, lower
 * the more they differ. A generator that has collapsed scores far above the pictures it learned from.
 *
 * Five scales, each half the size of the one before (means of 2x2 pixels; an odd edge is
 * doubled), with weights 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333. At each scale
 * the means, variances and covariance under a Gaussian window of 11x11 and standard deviation
 * 1.5, wherever it lies wholly inside; C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2. The product over the
 * scales of the mean contrast-and-structure term, at the last scale of the whole SSIM,
 * each to the power of its weight and not below 0. Colours are planes of their own, their maps averaged
 * together. Where a scale is smaller than the window, the window is as large as the scale
 * and its standard deviation shrinks with it, as in the evaluation of progressive GAN: pictures
 * of 32 pixels have five scales, 32, 16, 8, 4 and 2, with windows of 11, 11, 8, 4 and 2.
 */
#ifndef DCG_EXPLORE_MS_SSIM_H
#define DCG_EXPLORE_MS_SSIM_H

#include <stdint.h>

#include "base/error.h"

enum { DCG_MS_SSIM_SCALES = 5, DCG_MS_SSIM_SMALLEST = 16, DCG_MS_SSIM_LARGEST = 4096 };

/* *ret: the mean over pairs of neighbours, picture i with i + 1 and the last with the first. pictures: count
 * (2 .. 65536), [h][w][c], h and w 16 .. 4096, c 1 or 3. cancelled (may be NULL) is asked
 * before each pair. Any thread; the same result everywhere. DCG_EINVAL, DCG_ENOMEM, DCG_ECANCELLED. */
int dcg_ms_ssim(double *ret, const uint8_t *pictures, int count, int h, int w, int c, int (*cancelled)(void *user), void *user, struct dcg_error *err);

#endif
