#define DCG_AVX512
#define DCG_TABLE dcg_ops_avx512
#define DCG_TABLE_NAME "avx512"
#include "kernel/simd/table.inc.c"
