/* The vector type that the .inc.h files of this folder are written in. The including file defines
 * DCG_AVX512 (16 floats) or DCG_AVX2 (8), and may define DCG_BF16 (tensors and products in bf16). */
#ifndef DCG_KERNEL_SIMD_VEC_H
#define DCG_KERNEL_SIMD_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernel/simd/simd.h"

/* Loops of a constant number of turns over vectors in registers: at -O2 too. */
#define UNROLL _Pragma("GCC unroll 36")

#if defined DCG_AVX512
enum { VW = 16 };
typedef __m512 vf;
typedef __mmask16 vmask;
#define V(op) _mm512_##op
static inline vmask vfirst(int lanes) { return (vmask)((1U << lanes) - 1); }
static inline vf vload_first(const float *p, vmask lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
static inline vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
#else
enum { VW = 8 };
typedef __m256 vf;
typedef __m256i vmask;
#define V(op) _mm256_##op
static inline vmask vfirst(int lanes) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
static inline vf vload_first(const float *p, vmask lanes) { return _mm256_maskload_ps(p, lanes); }
static inline vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
#endif

/* vfirst: a mask of the first lanes; vload_first: those, the others zeros. */
static inline vf vload(const float *p) { return V(loadu_ps)(p); }
static inline void vstore(float *p, vf v) { V(storeu_ps)(p, v); }
static inline vf vset(float x) { return V(set1_ps)(x); }
static inline vf vzero(void) { return V(setzero_ps)(); }
static inline vf vadd(vf a, vf b) { return V(add_ps)(a, b); }
static inline vf vsub(vf a, vf b) { return V(sub_ps)(a, b); }
static inline vf vmul(vf a, vf b) { return V(mul_ps)(a, b); }
static inline vf vfma(vf a, vf b, vf c) { return V(fmadd_ps)(a, b, c); }

/* The transpose of VW vectors, in place: pairs of rows, pairs of pairs, then blocks of four lanes. */
static inline void vtranspose(vf *v)
{
	vf t[VW];
	UNROLL
	for (int i = 0; i < VW; i += 2) {
		t[i] = V(unpacklo_ps)(v[i], v[i + 1]);
		t[i + 1] = V(unpackhi_ps)(v[i], v[i + 1]);
	}
	UNROLL
	for (int i = 0; i < VW; i += 4) {
		v[i] = V(shuffle_ps)(t[i], t[i + 2], 0x44);
		v[i + 1] = V(shuffle_ps)(t[i], t[i + 2], 0xee);
		v[i + 2] = V(shuffle_ps)(t[i + 1], t[i + 3], 0x44);
		v[i + 3] = V(shuffle_ps)(t[i + 1], t[i + 3], 0xee);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
#if defined DCG_AVX512
		vf a = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x44), b = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xee);
		vf c = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x44), d = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xee);
		t[i] = _mm512_shuffle_f32x4(a, c, 0x88);
		t[i + 4] = _mm512_shuffle_f32x4(a, c, 0xdd);
		t[i + 8] = _mm512_shuffle_f32x4(b, d, 0x88);
		t[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
#else
		t[i] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20);
		t[i + 4] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
#endif
	}
	UNROLL
	for (int i = 0; i < VW; i++)
		v[i] = t[i];
}

/* Values: what tensors hold. Panels: what products are computed from, values too. fp32: a float
 * each. bf16: two consecutive k side by side in 4 bytes, so that both formats step 4 bytes of k
 * (UNIT k). */
#if defined DCG_BF16
typedef uint16_t value, panel;
enum { UNIT = 2 };
static inline float float_of(value v) { return dcg_simd_float_of(v); }
static inline value value_of(float x) { return dcg_simd_bf16_of(x); }
static inline vf value_load(const value *p)
{
	return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16);
}
static inline void value_store(value *p, vf v)
{
	_mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(v));
}
/* acc += a[k] b[k] + a[k+1] b[k+1]: a: 4 bytes for all lanes, b: VW pairs. */
static inline vf vdot(vf acc, const panel *a, __m512i b)
{
	int32_t pair;
	__builtin_memcpy(&pair, a, 4);
	return _mm512_dpbf16_ps(acc, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
}
typedef __m512i vpanel;
static inline vpanel panel_load(const panel *p) { return _mm512_loadu_si512(p); }
/* Two rows of k as pairs: both in one register, k1 in the upper half, then woven. */
static inline void panel_weave(panel *p, __m512i rows)
{
	const __m512i weave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	_mm512_storeu_si512(p, _mm512_permutexvar_epi16(weave, rows));
}
static inline void panel_store_rows(panel *p, vf k0, vf k1) { panel_weave(p, (__m512i)_mm512_cvtne2ps_pbh(k1, k0)); }
static inline void panel_copy_rows(panel *p, const value *k0, const value *k1)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)k0), high = _mm256_loadu_si256((const __m256i *)(const void *)k1);
	panel_weave(p, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}
#else
typedef float value, panel;
enum { UNIT = 1 };
static inline float float_of(value v) { return v; }
static inline value value_of(float x) { return x; }
static inline vf value_load(const value *p) { return vload(p); }
static inline void value_store(value *p, vf v) { vstore(p, v); }
typedef vf vpanel;
static inline vpanel panel_load(const panel *p) { return vload(p); }
#if defined DCG_AVX512
static inline vf vdot(vf acc, const panel *a, vpanel b) { return vfma(vset(*a), b, acc); }
#else
/* Of sixteen registers twelve are accumulators: gcc, free to choose which operand the sum replaces, keeps
 * some of them in memory. */
static inline vf vdot(vf acc, const panel *a, vpanel b)
{
	vf x = vset(*a);
	__asm__("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(x), "x"(b));
	return acc;
}
#endif
/* UNIT rows of k: here one. */
static inline void panel_store_rows(panel *p, vf k0, vf k1) { (void)k1, vstore(p, k0); }
static inline void panel_copy_rows(panel *p, const value *k0, const value *k1) { (void)k1, vstore(p, vload(k0)); }
#endif

/* n floats as values. */
static inline void values_store(value *to, const float *from, size_t n)
{
#if defined DCG_BF16
	for (; n >= VW; n -= VW, to += VW, from += VW)
		value_store(to, vload(from));
	for (size_t i = 0; i < n; i++)
		to[i] = value_of(from[i]);
#else
	memcpy(to, from, n * sizeof *to);
#endif
}

enum {
	NB = 2 * VW, /* columns of a packed panel */
	MR = VW == 16 ? 8 : 6, /* rows of a block of accumulators: MR x 2 vectors in registers */
};

#endif
