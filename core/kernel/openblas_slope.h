/* Activations for loops over plain floats; act is a constant after inlining, so that the
 * compiler makes vector code of each. */
#ifndef DCG_KERNEL_OPENBLAS_SLOPE_H
#define DCG_KERNEL_OPENBLAS_SLOPE_H

#include <math.h>

#include "kernel/openblas.h"

DCG_INLINE float dcg_activate(float x, const enum dcg_activation act)
{
	switch (act) {
	case DCG_RELU: return x > 0 ? x : 0;
	case DCG_LEAKY_RELU: return x > 0 ? x : x * DCG_LEAKY_SLOPE;
	case DCG_TANH: return tanhf(x);
	case DCG_LINEAR: break;
	}
	return x;
}

/* d activation / dx at output y. */
DCG_INLINE float dcg_slope(float y, const enum dcg_activation act)
{
	switch (act) {
	case DCG_RELU: return y > 0 ? 1 : 0;
	case DCG_LEAKY_RELU: return y > 0 ? 1 : DCG_LEAKY_SLOPE;
	case DCG_TANH: return 1 - y * y;
	case DCG_LINEAR: break;
	}
	return 1;
}

#endif
