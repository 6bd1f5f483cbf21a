#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "data/dataset_file.h"
#include "data/source_impl.h"

struct dcg_dataset {
	struct dcg_dataset_info info;
	struct dcg_dataset_layout layout;
	uint8_t *map; /* layout.end bytes, read-only */
};

int dcg_dataset_label(const struct dcg_dataset *ds, uint32_t i)
{
	if (!ds->info.classes)
		return -1;
	const uint8_t *p = ds->map + ds->layout.labels + 2 * (uint64_t)i;
	return (int16_t)(p[0] | p[1] << 8);
}

const char *dcg_dataset_class_name(const struct dcg_dataset *ds, int label)
{
	if (label < 0 || label >= ds->info.classes)
		return "";
	return (const char *)ds->map + ds->layout.names + (uint64_t)label * DCG_CLASS_NAME;
}

const uint8_t *dcg_dataset_picture(const struct dcg_dataset *ds, uint32_t i)
{
	return ds->map + DCG_DATASET_HEADER + i * ds->layout.picture_bytes;
}

const struct dcg_dataset_info *dcg_dataset_info(const struct dcg_dataset *ds)
{
	return &ds->info;
}

/* A checksum guards against accidents only: whoever can write the file can compute it. */
static int check_body(const struct dcg_dataset *ds, uint32_t expected, struct dcg_error *err)
{
	if (crc32_z(0, ds->map + DCG_DATASET_HEADER, ds->layout.end - DCG_DATASET_HEADER) != expected)
		return dcg_error_set(err, DCG_EFORMAT, "damaged: the checksum differs");
	for (uint32_t i = 0; i < ds->info.count; i++) {
		int label = dcg_dataset_label(ds, i);
		if (label < -1 || (label >= 0 && label >= ds->info.classes))
			return dcg_error_set(err, DCG_EFORMAT, "picture %u: expected a label below %d, found %d", i, ds->info.classes, label);
	}
	for (int c = 0; c < ds->info.classes; c++) {
		char shown[DCG_CLASS_NAME];
		const char *name = dcg_dataset_class_name(ds, c);
		if (memchr(name, '\0', DCG_CLASS_NAME))
			dcg_source_show_name(shown, sizeof shown, name);
		if (!memchr(name, '\0', DCG_CLASS_NAME) || strcmp(name, shown) != 0)
			return dcg_error_set(err, DCG_EFORMAT, "class %d has no proper name", c);
	}
	return 0;
}

int dcg_dataset_open(struct dcg_dataset **ret, const char *path, struct dcg_error *err)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	uint8_t header[DCG_DATASET_HEADER];
	struct stat st;
	uint32_t crc;
	int r = 0, fd = -1;
	struct dcg_dataset *ds = calloc(1, sizeof *ds);
	if (!ds)
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = dcg_error_sys(err, errno, "%s: cannot open", name);
		goto done;
	}
	ssize_t n = S_ISREG(st.st_mode) ? pread(fd, header, sizeof header, 0) : 0;
	if (n < 0) {
		r = dcg_error_sys(err, errno, "%s: cannot read", name);
		goto done;
	}
	r = n == (ssize_t)sizeof header ? dcg_dataset_decode(header, (uint64_t)st.st_size, &ds->info, &crc, err) :
		dcg_error_set(err, DCG_EFORMAT, "not a prepared data set");
	if (r)
		goto named;
	ds->layout = dcg_dataset_layout(&ds->info);
	void *map = mmap(NULL, ds->layout.end, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		r = dcg_error_sys(err, errno, "%s: cannot map", name);
		goto done;
	}
	ds->map = map;
	madvise(map, ds->layout.end, MADV_SEQUENTIAL); /* hints: failure costs only speed */
	r = check_body(ds, crc, err);
	madvise(map, ds->layout.end, MADV_NORMAL);
named:
	if (r)
		dcg_error_prefix(err, r, "%s", name);
done:
	if (fd >= 0)
		close(fd);
	if (r)
		dcg_dataset_close(ds);
	else
		*ret = ds;
	return r;
}

void dcg_dataset_close(struct dcg_dataset *ds)
{
	if (!ds)
		return;
	if (ds->map)
		munmap(ds->map, ds->layout.end);
	free(ds);
}

/* Is it what prepare would make? One with pictures left out is not, for whoever does
 * not want any left out. */
static int usable(const struct dcg_dataset_info *info, const struct dcg_source *source, const struct dcg_prepare *how)
{
	return info->size == how->size && info->channels == how->channels &&
	       strcmp(info->fingerprint, dcg_source_info(source)->fingerprint) == 0 &&
	       (info->skipped == 0 || how->on_error == DCG_ON_ERROR_SKIP);
}

int dcg_dataset_load(struct dcg_dataset **ret, const char *path, struct dcg_source *source, const struct dcg_prepare *how, struct dcg_error *err)
{
	struct dcg_dataset *ds = NULL;
	int r = dcg_dataset_open(&ds, path, err);
	if (r == 0 && usable(&ds->info, source, how)) {
		*ret = ds;
		return 0;
	}
	dcg_dataset_close(ds);
	if (r && r != DCG_ENOENT && r != DCG_EFORMAT && r != DCG_EVERSION)
		return r;
	r = dcg_dataset_prepare(path, source, how, err);
	return r ? r : dcg_dataset_open(ret, path, err);
}
