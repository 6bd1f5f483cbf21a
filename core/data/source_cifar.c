/* The binary versions of CIFAR-10 and CIFAR-100: records of one label (CIFAR-100: the
 * coarse, then the fine one, which is the label here) and 32x32 pixels as three planes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/decode.h"
#include "data/source_impl.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, MAX_FILES = 1000 };

struct part {
	char *path;
	uint32_t first, count; /* records */
};

struct cifar {
	struct part *parts;
	int count, open; /* open: index of the part that fd is of, -1 */
	int fd;
	int labels; /* bytes before the pixels */
};

static void close_cifar(void *impl)
{
	struct cifar *x = impl;
	if (!x)
		return;
	for (int i = 0; i < x->count; i++)
		free(x->parts[i].path);
	if (x->open >= 0)
		close(x->fd);
	free(x->parts);
	free(x);
}

static int read_record(struct cifar *x, uint64_t record, uint8_t *bytes, size_t size)
{
	size_t done = 0;
	while (done < size) {
		ssize_t n = pread(x->fd, bytes + done, size - done, (off_t)(record * size + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EPIPE; /* shrunk since it was opened */
		done += (size_t)n;
	}
	return 0;
}

static int read_cifar(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err)
{
	struct cifar *x = s->impl;
	uint8_t record[2 + PIXELS];
	char name[DCG_SOURCE_NAME];
	int k = 0, r;
	while (i - x->parts[k].first >= x->parts[k].count)
		k++;
	const struct part *part = &x->parts[k];
	if (x->open != k) {
		struct stat st;
		int fd;
		r = dcg_source_open_file(s, part->path, &fd, &st, err);
		if (r)
			return r;
		if (x->open >= 0)
			close(x->fd);
		x->fd = fd;
		x->open = k;
	}
	dcg_source_show_name(name, sizeof name, part->path);
	int e = read_record(x, i - part->first, record, (size_t)(x->labels + PIXELS));
	if (e == EPIPE)
		return dcg_error_set(err, DCG_EFORMAT, "%s: ends before record %u", name, i - part->first);
	if (e)
		return dcg_error_sys(err, e, "%s: cannot read record %u", name, i - part->first);
	int label = record[x->labels - 1];
	if (label >= s->info.classes)
		return dcg_error_set(err, DCG_EFORMAT, "%s: record %u: expected a label below %d, found %d", name, i - part->first, s->info.classes, label);
	struct dcg_picture p;
	r = dcg_decode_alloc(&p, SIDE, SIDE, 3, err);
	if (r)
		return r;
	const uint8_t *planes = record + x->labels;
	for (int q = 0; q < PLANE; q++)
		for (int c = 0; c < 3; c++)
			p.pixels[3 * q + c] = planes[c * PLANE + q];
	*ret = p;
	*ret_label = label;
	return 0;
}

static const struct dcg_source_ops ops = { .read = read_cifar, .close = close_cifar };

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct part *)a)->path, ((const struct part *)b)->path);
}

static int add_part(struct cifar *x, const char *path, struct dcg_error *err)
{
	if (x->count == MAX_FILES)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "more than %d files", MAX_FILES);
	struct part *more = realloc(x->parts, (size_t)(x->count + 1) * sizeof *more);
	if (more)
		x->parts = more;
	char *copy = more ? strdup(path) : NULL;
	if (!copy)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	x->parts[x->count++] = (struct part){ .path = copy };
	return 0;
}

static int list_parts(struct dcg_source *s, struct cifar *x, const char *pattern, struct dcg_error *err)
{
	int r = 0, fd = openat(s->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		r = dcg_error_sys(err, errno, "%s: cannot list", s->base_name);
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *d; !r && (d = readdir(dir));)
		if (fnmatch(pattern, d->d_name, FNM_PERIOD) == 0 && dcg_source_has_file(s, d->d_name))
			r = add_part(x, d->d_name, err);
	closedir(dir);
	if (!r && x->count == 0)
		r = dcg_error_set(err, DCG_ENOENT, "%s: expected %s in it", s->base_name, pattern);
	if (!r)
		qsort(x->parts, (size_t)x->count, sizeof *x->parts, by_path);
	return r;
}

static const char *pattern_of(int fine)
{
	return fine ? "train.bin" : "data_batch_*.bin";
}

/* Whole records, at least one? */
static int good_length(const struct stat *st, int fine)
{
	return st->st_size > 0 && st->st_size % (1 + fine + PIXELS) == 0;
}

int dcg_source_is_cifar(struct dcg_source *s, const char *file, int fine)
{
	struct stat st;
	size_t n = file ? strlen(file) : 0;
	int fd;
	if (!file)
		return dcg_source_has_file(s, fine ? "train.bin" : "data_batch_1.bin");
	if (n < 4 || strcmp(file + n - 4, ".bin") != 0 || dcg_source_open_file(s, file, &fd, &st, NULL))
		return 0;
	close(fd);
	return good_length(&st, fine);
}

int dcg_source_open_cifar(struct dcg_source *s, const char *file, int fine, struct dcg_error *err)
{
	struct cifar *x = calloc(1, sizeof *x);
	if (!x)
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", s->base_name);
	x->open = -1;
	x->labels = 1 + fine;
	s->impl = x;
	s->ops = &ops;
	s->info.width = s->info.height = SIDE;
	s->info.channels = 3;
	int r = file ? add_part(x, file, err) : list_parts(s, x, pattern_of(fine), err);
	for (int i = 0; !r && i < x->count; i++) {
		struct stat st;
		char name[DCG_SOURCE_NAME];
		int fd;
		r = dcg_source_open_file(s, x->parts[i].path, &fd, &st, err);
		if (r)
			break;
		close(fd);
		dcg_source_show_name(name, sizeof name, x->parts[i].path);
		uint64_t records = (uint64_t)st.st_size / (uint64_t)(x->labels + PIXELS);
		if (!good_length(&st, fine))
			r = dcg_error_set(err, DCG_EFORMAT, "%s: expected records of %d bytes, found %lld bytes", name, x->labels + PIXELS, (long long)st.st_size);
		else if (records > DCG_SOURCE_MAX_COUNT - s->info.count)
			r = dcg_error_set(err, DCG_EUNSUPPORTED, "%s: more than %d pictures", name, DCG_SOURCE_MAX_COUNT);
		else {
			x->parts[i].first = s->info.count;
			x->parts[i].count = (uint32_t)records;
			s->info.count += (uint32_t)records;
			dcg_source_fingerprint_add(s, x->parts[i].path, &st);
		}
	}
	if (!r)
		r = dcg_source_set_classes(s, fine ? 100 : 10, NULL, err);
	if (!r)
		r = dcg_source_read_class_names(s, fine ? "fine_label_names.txt" : "batches.meta.txt", err);
	return r;
}
