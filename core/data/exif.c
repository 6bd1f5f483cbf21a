/* The one EXIF field that changes what a picture shows. */
#include "data/decode.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };

static unsigned u16(const uint8_t *p, int big)
{
	return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t u32(const uint8_t *p, int big)
{
	return big ? u16(p, 1) << 16 | u16(p + 2, 1) : u16(p + 2, 0) << 16 | u16(p, 0);
}

int dcg_exif_orientation(const uint8_t *tiff, size_t size)
{
	if (size < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M'))
		return 1;
	int big = tiff[0] == 'M';
	uint32_t at = u32(tiff + 4, big);
	if (u16(tiff + 2, big) != 42 || at > size - 2)
		return 1;
	unsigned count = u16(tiff + at, big);
	size_t entries = (size - at - 2) / ENTRY; /* that the block has room for */
	const uint8_t *entry = tiff + at + 2;
	for (size_t i = 0; i < count && i < entries; i++, entry += ENTRY) {
		if (u16(entry, big) != TAG_ORIENTATION)
			continue;
		unsigned value = u16(entry + 8, big);
		if (u16(entry + 2, big) == TYPE_SHORT && u32(entry + 4, big) == 1 && value >= 1 && value <= 8)
			return (int)value;
		return 1;
	}
	return 1;
}
