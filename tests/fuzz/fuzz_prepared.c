/* The prepared data set that training maps. Its checksums guard against accidents only, so
 * that each input is opened as it is, and again with the right sums. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include <zlib.h>

#include "data/dataset_file.h"

const int fuzz_pace = 4000;

enum { BODY_CRC = 128, HEADER_CRC = 132 };

static void set_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void sign(uint8_t *file, size_t size)
{
	set_u32(file + BODY_CRC, (uint32_t)crc32_z(0, file + DCG_DATASET_HEADER, size - DCG_DATASET_HEADER));
	set_u32(file + HEADER_CRC, (uint32_t)crc32_z(0, file, HEADER_CRC));
}

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	static const struct dcg_dataset_info infos[] = {
		{ .count = 3, .size = 4, .channels = 1 }, { .count = 2, .size = 2, .channels = 3, .classes = 2, .skipped = 1 },
	};
	if (i >= (int)(sizeof infos / sizeof *infos))
		return NULL;
	struct dcg_dataset_info info = infos[i];
	memset(info.fingerprint, 'a', sizeof info.fingerprint - 1);
	struct dcg_dataset_layout l = dcg_dataset_layout(&info);
	uint8_t *file = calloc(1, l.end);
	dcg_dataset_encode(file, &info, 0);
	for (int c = 0; c < info.classes; c++)
		strcpy((char *)file + l.names + c * DCG_CLASS_NAME, c ? "dog" : "cat");
	sign(file, l.end);
	*ret_size = l.end;
	return file;
}

static void read_all(const uint8_t *data, size_t size)
{
	struct dcg_dataset *ds;
	struct dcg_error err = { 0 };
	int r = dcg_dataset_open(&ds, fuzz_file("prepared", data, size), &err);
	if (r) {
		fuzz_check(err.code == r && strlen(err.text) > 5, "%d %s", r, err.text);
		return;
	}
	const struct dcg_dataset_info *info = dcg_dataset_info(ds);
	volatile unsigned sum = 0;
	for (uint32_t i = 0; i < info->count; i++) {
		const uint8_t *p = dcg_dataset_picture(ds, i);
		for (int k = 0; k < info->size * info->size * info->channels; k++)
			sum = sum + p[k];
		int label = dcg_dataset_label(ds, i);
		fuzz_check(label >= -1 && label < (info->classes ? info->classes : 1), "label %d of %d", label, info->classes);
	}
	for (int c = 0; c < info->classes; c++)
		fuzz_check(strlen(dcg_dataset_class_name(ds, c)) < DCG_CLASS_NAME, "class %d", c);
	dcg_dataset_close(ds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size);
	if (size <= DCG_DATASET_HEADER)
		return 0;
	uint8_t *signed_copy = malloc(size);
	fuzz_check(signed_copy != NULL, "out of memory");
	memcpy(signed_copy, data, size);
	sign(signed_copy, size);
	read_all(signed_copy, size);
	free(signed_copy);
	return 0;
}
