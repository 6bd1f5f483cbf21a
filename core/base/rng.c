#include "base/rng.h"

#include <math.h>

struct block {
	uint32_t v[4];
};

static struct block philox(uint64_t counter, uint64_t stream, uint64_t seed)
{
	uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
	uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c0 = n0, c1 = (uint32_t)p1, c2 = n2, c3 = (uint32_t)p0;
		k0 += 0x9E3779B9, k1 += 0xBB67AE85;
	}
	return (struct block){ { c0, c1, c2, c3 } };
}

static struct block next(struct dcg_rng *rng)
{
	return philox(rng->counter++, rng->stream, rng->seed);
}

void dcg_rng_init(struct dcg_rng *rng, uint64_t seed, uint64_t stream)
{
	*rng = (struct dcg_rng){ .seed = seed, .stream = stream };
}

uint64_t dcg_rng_u64(struct dcg_rng *rng)
{
	struct block b = next(rng);
	return (uint64_t)b.v[1] << 32 | b.v[0];
}

uint32_t dcg_rng_below(struct dcg_rng *rng, uint32_t n)
{
	/* Lemire's multiply-shift with rejection. */
	uint64_t m = (uint64_t)(uint32_t)dcg_rng_u64(rng) * n;
	if ((uint32_t)m < n)
		for (uint32_t threshold = -n % n; (uint32_t)m < threshold;)
			m = (uint64_t)(uint32_t)dcg_rng_u64(rng) * n;
	return (uint32_t)(m >> 32);
}

void dcg_rng_uniform(struct dcg_rng *rng, float *out, size_t count, float lo, float hi)
{
	for (size_t i = 0; i < count; i += 4) {
		struct block b = next(rng);
		for (size_t j = 0; j < 4 && i + j < count; j++) /* 24 bits: exact in a float, never 1 */
			out[i + j] = lo + (hi - lo) * ((float)(b.v[j] >> 8) * 0x1p-24f);
	}
}

void dcg_rng_normal(struct dcg_rng *rng, float *out, size_t count, float mean, float std)
{
	for (size_t i = 0; i < count; i += 4) {
		struct block b = next(rng);
		for (size_t j = 0; j < 4 && i + j < count; j += 2) {
			double u = ((double)b.v[j] + 1) * 0x1p-32, v = (double)b.v[j + 1] * 0x1p-32;
			double r = sqrt(-2 * log(u)), a = 6.283185307179586 * v;
			out[i + j] = (float)(mean + std * r * cos(a));
			if (i + j + 1 < count)
				out[i + j + 1] = (float)(mean + std * r * sin(a));
		}
	}
}

void dcg_rng_permutation(struct dcg_rng *rng, uint32_t *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = dcg_rng_below(rng, i + 1);
		out[i] = out[j];
		out[j] = i;
	}
}
