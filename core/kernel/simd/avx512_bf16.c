#define DCG_AVX512
#define DCG_BF16
#define DCG_TABLE dcg_ops_avx512_bf16
#define DCG_TABLE_NAME "avx512-bf16"
#include "kernel/simd/table.inc.c"
