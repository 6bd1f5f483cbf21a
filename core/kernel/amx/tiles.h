/* The AMX tile instructions that the convolutions of this folder are written in: eight
 * registers of up to 16 rows of 64 bytes, and a product of two of them into a third:
 *
 *   tile_configure(shapes)     rows and bytes a row of each tile; all become zero
 *   tile_zero(t)
 *   tile_load(t, from, step)   rows `step` bytes apart
 *   tile_stream(t, from, step) the same for what will not be needed again soon
 *   tile_store(t, to, step)
 *   tile_dot(c, a, b)          c += a . b: a [m][k pairs] of bf16, b [k][n pairs], c [m][n] fp32
 *   tile_release()             give the registers up
 *
 * t, a, b, c are constants 0 to 7. The registers are the thread's: each configures its own.
 *
 * With DCG_TILES_PLAIN the same in plain C (Intel's Software Developer's Manual, volume 2,
 * AMX), for tests on processors that have no tiles. What the processor refuses, with #UD or, in
 * a configuration, #GP, traps there too.
 *
 * With DCG_TILES_LOADS tiles are loaded and stored, line by line into nowhere and zeros, but not
 * multiplied: bench/ measures with them what is around the multiplier where there is none. Of a tile
 * that is not whole a row's first four bytes are loaded. */
#ifndef DCG_KERNEL_AMX_TILES_H
#define DCG_KERNEL_AMX_TILES_H

#include <stdint.h>
#include <string.h>

enum { TILE_ROWS = 16, TILE_ROW = 64, TILE = TILE_ROWS * TILE_ROW /* bytes */ };

struct tile_shapes {
	uint8_t palette, start_row, zeros[14]; /* palette 1 */
	uint16_t row_bytes[16];                /* of the first eight; 0: not in use */
	uint8_t rows[16];
};
_Static_assert(sizeof(struct tile_shapes) == 64, "the processor's format");

#if defined DCG_TILES_LOADS

#include <immintrin.h>

static _Thread_local struct tile_shapes tile_shapes;

static inline void tile_configure(const struct tile_shapes *shapes) { tile_shapes = *shapes; }
static inline void tile_zero(int t) { (void)t; }
#define TILE_TOUCH(instruction, at) __asm__ volatile(instruction : : "r"(at) : "xmm31", "memory")
static inline __attribute__((always_inline)) void tile_load(int t, const void *from, size_t step)
{
	const char *row = from;
	if (tile_shapes.rows[t] == TILE_ROWS && tile_shapes.row_bytes[t] == TILE_ROW) {
		_Pragma("GCC unroll 16")
		for (int i = 0; i < TILE_ROWS; i++)
			TILE_TOUCH("vmovups (%0), %%zmm31", row + (size_t)i * step);
	} else {
		for (int i = 0; i < tile_shapes.rows[t]; i++)
			TILE_TOUCH("vmovd (%0), %%xmm31", row + (size_t)i * step);
	}
}
static inline __attribute__((always_inline)) void tile_stream(int t, const void *from, size_t step) { tile_load(t, from, step); }
static inline void tile_store(int t, void *to, size_t step)
{
	for (int i = 0; i < tile_shapes.rows[t]; i++)
		memset((char *)to + (size_t)i * step, 0, tile_shapes.row_bytes[t]);
}
static inline void tile_dot(int c, int a, int b) { (void)c, (void)a, (void)b; }
static inline void tile_release(void) { }

#elif !defined DCG_TILES_PLAIN

#include <immintrin.h>

/* gcc 12's intrinsics do not say that they read and write memory. */
#define TILE_ORDERED(instruction) \
	do { \
		__asm__ volatile("" : : : "memory"); \
		instruction; \
		__asm__ volatile("" : : : "memory"); \
	} while (0)
#define tile_configure(shapes) TILE_ORDERED(_tile_loadconfig(shapes))
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, from, step) TILE_ORDERED(_tile_loadd(t, from, step))
#define tile_stream(t, from, step) TILE_ORDERED(_tile_stream_loadd(t, from, step))
#define tile_store(t, to, step) TILE_ORDERED(_tile_stored(t, to, step))
#define tile_dot(c, a, b) _tile_dpbf16ps(c, a, b)
#define tile_release() _tile_release()

#else

static _Thread_local struct {
	struct tile_shapes shapes;
	union {
		unsigned char bytes[TILE_ROW];
		uint32_t pair[TILE_ROWS];
		float value[TILE_ROWS];
	} row[8][TILE_ROWS];
} tile_file;

static inline void tile_must(int holds)
{
	if (!holds)
		__builtin_trap();
}

static inline void tile_configure(const struct tile_shapes *shapes)
{
	tile_must(shapes->palette == 1 && shapes->start_row == 0);
	for (int t = 0; t < 16; t++)
		tile_must(shapes->rows[t] <= TILE_ROWS && shapes->row_bytes[t] <= TILE_ROW && !shapes->rows[t] == !shapes->row_bytes[t] && (t < 8 || !shapes->rows[t]));
	memset(&tile_file, 0, sizeof tile_file);
	tile_file.shapes = *shapes;
}

static inline void tile_zero(int t)
{
	tile_must(tile_file.shapes.rows[t]);
	memset(tile_file.row[t], 0, TILE);
}

static inline void tile_load(int t, const void *from, size_t step)
{
	tile_zero(t);
	for (int i = 0; i < tile_file.shapes.rows[t]; i++)
		memcpy(tile_file.row[t][i].bytes, (const char *)from + (size_t)i * step, tile_file.shapes.row_bytes[t]);
}

static inline void tile_stream(int t, const void *from, size_t step)
{
	tile_load(t, from, step);
}

static inline void tile_store(int t, void *to, size_t step)
{
	tile_must(tile_file.shapes.rows[t]);
	for (int i = 0; i < tile_file.shapes.rows[t]; i++)
		memcpy((char *)to + (size_t)i * step, tile_file.row[t][i].bytes, tile_file.shapes.row_bytes[t]);
}

/* Even and odd k in sums of their own, from zero, then both into c. Products of two bf16 are
 * exact in fp32, so that a multiplication and an addition are a fused one. Whoever calls
 * flushes denormals, as the processor does here in any case. Beyond a tile's shape all is
 * zero, and stays so. */
static void tile_dot(int c, int a, int b)
{
	const struct tile_shapes *s = &tile_file.shapes;
	union {
		uint32_t bits[2][TILE_ROWS];
		float value[2][TILE_ROWS];
	} right;
	float sum[TILE_ROWS][2][TILE_ROWS] = { 0 };
	tile_must(s->rows[c] && s->rows[c] == s->rows[a] && s->row_bytes[c] == s->row_bytes[b] && s->row_bytes[a] == 4 * s->rows[b]);
	for (int k = 0; k < s->rows[b]; k++) {
		for (int j = 0; j < TILE_ROWS; j++) {
			right.bits[0][j] = tile_file.row[b][k].pair[j] << 16;
			right.bits[1][j] = tile_file.row[b][k].pair[j] & 0xffff0000;
		}
		for (int i = 0; i < s->rows[a]; i++) {
			uint32_t pair = tile_file.row[a][i].pair[k], even = pair << 16, odd = pair & 0xffff0000;
			float left[2];
			memcpy(&left[0], &even, sizeof even);
			memcpy(&left[1], &odd, sizeof odd);
			for (int j = 0; j < TILE_ROWS; j++)
				sum[i][0][j] += left[0] * right.value[0][j];
			for (int j = 0; j < TILE_ROWS; j++)
				sum[i][1][j] += left[1] * right.value[1][j];
		}
	}
	for (int i = 0; i < s->rows[c]; i++)
		for (int j = 0; j < TILE_ROWS; j++)
			tile_file.row[c][i].value[j] += sum[i][0][j] + sum[i][1][j];
}

static inline void tile_release(void)
{
	memset(&tile_file.shapes, 0, sizeof tile_file.shapes);
}

#endif
#endif
