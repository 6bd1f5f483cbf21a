#define DCG_AVX2
#define DCG_TABLE dcg_simd_avx2
#include "kernel/simd/table.inc.h"
