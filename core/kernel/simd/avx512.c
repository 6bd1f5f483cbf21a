#define DCG_AVX512
#define DCG_TABLE dcg_simd_avx512
#include "kernel/simd/table.inc.h"
