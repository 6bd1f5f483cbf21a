#define DCG_AVX512
#define DCG_BF16
#define DCG_TABLE dcg_simd_avx512_bf16
#include "kernel/simd/table.inc.h"
