#include "data/dataset_file.h"

#include <string.h>

#include <zlib.h>

static const char magic[8] = "DCGDATA\n";

/* Offsets in the header. */
enum {
	VERSION = 8, COUNT = 12, SIZE = 16, CHANNELS = 20, CLASSES = 24, SKIPPED = 28,
	PICTURES = 32, LABELS = 40, NAMES = 48, END = 56, FINGERPRINT = 64, BODY_CRC = 128, HEADER_CRC = 132, REST = 136,
};

static void put(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t get(const uint8_t *p, int bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

struct dcg_dataset_layout dcg_dataset_layout(const struct dcg_dataset_info *info)
{
	struct dcg_dataset_layout l;
	l.picture_bytes = (uint64_t)info->size * (uint64_t)info->size * (uint64_t)info->channels;
	l.labels = DCG_DATASET_HEADER + info->count * l.picture_bytes;
	l.names = l.labels + (info->classes ? 2 * (uint64_t)info->count : 0);
	l.end = l.names + (uint64_t)info->classes * DCG_CLASS_NAME;
	return l;
}

void dcg_dataset_encode(uint8_t h[DCG_DATASET_HEADER], const struct dcg_dataset_info *info, uint32_t body_crc)
{
	struct dcg_dataset_layout l = dcg_dataset_layout(info);
	memset(h, 0, DCG_DATASET_HEADER);
	memcpy(h, magic, sizeof magic);
	put(h + VERSION, DCG_DATASET_VERSION, 4);
	put(h + COUNT, info->count, 4);
	put(h + SIZE, (uint64_t)info->size, 4);
	put(h + CHANNELS, (uint64_t)info->channels, 4);
	put(h + CLASSES, (uint64_t)info->classes, 4);
	put(h + SKIPPED, info->skipped, 4);
	put(h + PICTURES, DCG_DATASET_HEADER, 8);
	put(h + LABELS, l.labels, 8);
	put(h + NAMES, l.names, 8);
	put(h + END, l.end, 8);
	memcpy(h + FINGERPRINT, info->fingerprint, sizeof info->fingerprint - 1);
	put(h + BODY_CRC, body_crc, 4);
	put(h + HEADER_CRC, crc32(0, h, HEADER_CRC), 4);
}

static int range(uint64_t found, uint64_t min, uint64_t max, const char *what, struct dcg_error *err)
{
	if (found >= min && found <= max)
		return 0;
	return dcg_error_set(err, DCG_EFORMAT, "%s: expected %llu to %llu, found %llu", what, (unsigned long long)min, (unsigned long long)max,
	                     (unsigned long long)found);
}

int dcg_dataset_decode(const uint8_t h[DCG_DATASET_HEADER], uint64_t length, struct dcg_dataset_info *ret, uint32_t *ret_body_crc, struct dcg_error *err)
{
	struct dcg_dataset_info info = { 0 };
	if (memcmp(h, magic, sizeof magic) != 0)
		return dcg_error_set(err, DCG_EFORMAT, "not a prepared data set");
	if (get(h + VERSION, 4) > DCG_DATASET_VERSION)
		return dcg_error_set(err, DCG_EVERSION, "version %u, at most %d is known", (unsigned)get(h + VERSION, 4), DCG_DATASET_VERSION);
	if (get(h + HEADER_CRC, 4) != crc32(0, h, HEADER_CRC))
		return dcg_error_set(err, DCG_EFORMAT, "the header is damaged");
	int r = range(get(h + VERSION, 4), DCG_DATASET_VERSION, DCG_DATASET_VERSION, "version", err);
	if (!r)
		r = range(get(h + COUNT, 4), 1, DCG_DATASET_MAX_COUNT, "pictures", err);
	if (!r)
		r = range(get(h + SIZE, 4), 1, DCG_DATASET_MAX_SIZE, "size", err);
	if (!r)
		r = range(get(h + CHANNELS, 4), 1, 3, "channels", err);
	if (!r)
		r = range(get(h + CLASSES, 4), 0, DCG_MAX_CLASSES, "classes", err);
	if (r)
		return r;
	info.count = (uint32_t)get(h + COUNT, 4);
	info.size = (int)get(h + SIZE, 4);
	info.channels = (int)get(h + CHANNELS, 4);
	info.classes = (int)get(h + CLASSES, 4);
	info.skipped = (uint32_t)get(h + SKIPPED, 4);
	memcpy(info.fingerprint, h + FINGERPRINT, sizeof info.fingerprint - 1);
	struct dcg_dataset_layout l = dcg_dataset_layout(&info);
	if (info.channels == 2 || strspn(info.fingerprint, "0123456789abcdef") != sizeof info.fingerprint - 1 ||
	    get(h + PICTURES, 8) != DCG_DATASET_HEADER || get(h + LABELS, 8) != l.labels || get(h + NAMES, 8) != l.names || get(h + END, 8) != l.end)
		return dcg_error_set(err, DCG_EFORMAT, "the header contradicts itself");
	for (int i = REST; i < DCG_DATASET_HEADER; i++)
		if (h[i])
			return dcg_error_set(err, DCG_EFORMAT, "the header contradicts itself");
	if (length != l.end)
		return dcg_error_set(err, DCG_EFORMAT, "expected %llu bytes, found %llu", (unsigned long long)l.end, (unsigned long long)length);
	*ret = info;
	*ret_body_crc = (uint32_t)get(h + BODY_CRC, 4);
	return 0;
}
