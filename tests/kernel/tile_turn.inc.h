/* c = (c + a . b) of one pair of tiles, times over, in whichever definition of the tile functions
 * was included. The including file defines TURN, the function's name. */
void TURN(const struct tile_shapes *shapes, const void *a, const void *b, float *c, size_t step, int times);

void TURN(const struct tile_shapes *shapes, const void *a, const void *b, float *c, size_t step, int times)
{
	tile_configure(shapes);
	tile_load(0, c, step);
	tile_stream(4, a, step);
	tile_load(6, b, step);
	for (int i = 0; i < times; i++)
		tile_dot(0, 4, 6);
	tile_store(0, c, step);
	tile_zero(0);
	tile_release();
}
