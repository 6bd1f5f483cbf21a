#include <string.h>

#include "explore/swd_parts.h"

static int mirror(int i, int n)
{
	return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

/* One axis of `inner` interleaved values. Down: out[o] is the filter around in[2 o]. Up:
 * the filter, doubled, over in with a zero after each value, which leaves 3 or 2 taps. */
static void resample(const float *in, int n_in, float *out, int n_out, int inner, int up)
{
	static const float filter[5] = { 1 / 16.f, 4 / 16.f, 6 / 16.f, 4 / 16.f, 1 / 16.f };
	for (int o = 0; o < n_out; o++, out += inner) {
		memset(out, 0, (size_t)inner * sizeof *out);
		for (int t = -2; t <= 2; t++) {
			int at = up ? mirror(o + t, n_out) : mirror(2 * o + t, n_in);
			if (up && at % 2)
				continue;
			const float *from = in + (size_t)(up ? at / 2 : at) * (size_t)inner;
			float weight = up ? 2 * filter[t + 2] : filter[t + 2];
			for (int i = 0; i < inner; i++)
				out[i] += weight * from[i];
		}
	}
}

void dcg_swd_halve(const float *in, int h, int w, int c, float *out, float *temp)
{
	int h2 = (h + 1) / 2, w2 = (w + 1) / 2;
	resample(in, h, temp, h2, w * c, 0);
	for (int y = 0; y < h2; y++)
		resample(temp + (size_t)y * (size_t)(w * c), w, out + (size_t)y * (size_t)(w2 * c), w2, c, 0);
}

void dcg_swd_detail(float *fine, const float *coarse, int h, int w, int c, float *temp)
{
	int h2 = (h + 1) / 2, w2 = (w + 1) / 2;
	size_t line = (size_t)(w * c), line2 = (size_t)(w2 * c);
	float *wide = temp, *up = temp + (size_t)h2 * line;
	for (int y = 0; y < h2; y++)
		resample(coarse + (size_t)y * line2, w2, wide + (size_t)y * line, w, c, 1);
	resample(wide, h2, up, h, w * c, 1);
	for (size_t i = 0; i < (size_t)h * line; i++)
		fine[i] -= up[i];
}

size_t dcg_swd_scratch(int h, int w, int c)
{
	return 4 * (size_t)h * (size_t)w * (size_t)c; /* this level, the next, and detail's two */
}

void dcg_swd_describe(const uint8_t *picture, int h, int w, int c, int level, int levels, const int *corners, int patches, float *out, float *scratch)
{
	size_t size = (size_t)h * (size_t)w * (size_t)c;
	float *now = scratch, *next = scratch + size, *temp = scratch + 2 * size;
	for (size_t i = 0; i < size; i++)
		now[i] = picture[i];
	for (int l = 0; l <= level && l < levels - 1; l++) {
		dcg_swd_halve(now, h, w, c, next, temp);
		if (l == level) {
			dcg_swd_detail(now, next, h, w, c, temp);
			break;
		}
		float *swap = now;
		now = next, next = swap;
		h = (h + 1) / 2, w = (w + 1) / 2;
	}
	size_t line = (size_t)DCG_SWD_PATCH * (size_t)c;
	for (int p = 0; p < patches; p++)
		for (int y = 0; y < DCG_SWD_PATCH; y++, out += line)
			memcpy(out, now + ((size_t)(corners[2 * p] + y) * (size_t)w + (size_t)corners[2 * p + 1]) * (size_t)c, line * sizeof *out);
}
