#define DCG_AVX2
#define DCG_TABLE dcg_ops_avx2
#define DCG_TABLE_NAME "avx2"
#include "kernel/simd/table.inc.c"
