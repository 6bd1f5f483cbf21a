/* IDX, the format of MNIST and its successors: 00 00, element type, number of
 * dimensions, each dimension as four bytes big-endian, then the elements.
 *
 * zlib reads gzip'd and plain files alike. Pictures are read where they lie: reading in
 * order costs one pass over the file, going back in a gzip'd one starts it anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "data/decode.h"
#include "data/source_impl.h"

enum { TYPE_UBYTE = 8, MAX_LABEL_FILE_NAME = 512, MAX_INFLATION = 1032 };

struct idx {
	gzFile images;
	char name[DCG_SOURCE_NAME];
	uint32_t header;    /* bytes before the first picture */
	uint64_t bytes;     /* of a picture */
	uint32_t at;        /* picture that the stream stands at; UINT32_MAX: unknown */
	uint8_t *labels;    /* [count], or NULL */
};

static const char *const fashion[10] = {
	"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
};

static const char *const usual_names[] = {
	"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte", "train-images.idx3-ubyte.gz",
};

static uint32_t u32be(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void close_idx(void *impl)
{
	struct idx *x = impl;
	if (!x)
		return;
	if (x->images)
		gzclose_r(x->images);
	free(x->labels);
	free(x);
}

static const char *gz_reason(gzFile f)
{
	int code;
	const char *text = gzerror(f, &code);
	if (code == Z_OK || code == Z_BUF_ERROR || !*text)
		return "the file ends early";
	const char *after = strstr(text, ">: "); /* "<fd:7>: what was wrong" */
	return after ? after + 3 : text;
}

/* Opens and reads the header: *ret_dims of dims[4]. */
static int open_file(struct dcg_source *s, const char *path, gzFile *ret, struct stat *ret_stat, uint32_t dims[4], int *ret_dims, struct dcg_error *err)
{
	char name[DCG_SOURCE_NAME];
	uint8_t header[20];
	int fd, r = dcg_source_open_file(s, path, &fd, ret_stat, err);
	if (r)
		return r;
	dcg_source_show_name(name, sizeof name, path);
	gzFile f = gzdopen(fd, "rb");
	if (!f) {
		close(fd);
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", name);
	}
	gzbuffer(f, 1 << 17);
	int n = gzread(f, header, 4) == 4 ? header[3] : -1;
	if (n < 0)
		r = dcg_error_set(err, DCG_EFORMAT, "%s: %s", name, gz_reason(f));
	else if (header[0] != 0 || header[1] != 0 || header[2] != TYPE_UBYTE || n < 1 || n > 4)
		r = dcg_error_set(err, DCG_EFORMAT, "%s: expected an IDX file of bytes, found the first bytes %02x %02x %02x %02x", name,
		                  header[0], header[1], header[2], header[3]);
	else if (gzread(f, header + 4, 4 * (unsigned)n) != 4 * n)
		r = dcg_error_set(err, DCG_EFORMAT, "%s: %s", name, gz_reason(f));
	if (r) {
		gzclose_r(f);
		return r;
	}
	for (int i = 0; i < n; i++)
		dims[i] = u32be(header + 4 + 4 * i);
	*ret_dims = n;
	*ret = f;
	return 0;
}

/* Does the file hold exactly `expected` bytes once unpacked? gzip's last four bytes say
 * how many, modulo 2^32, and almost always can be believed; if they differ, count.
 * (Its checksum is compared when the last picture is read.) */
static int check_length(const struct dcg_source *s, const char *path, gzFile f, const struct stat *st, uint64_t expected, struct dcg_error *err)
{
	char name[DCG_SOURCE_NAME];
	uint64_t found = (uint64_t)st->st_size;
	dcg_source_show_name(name, sizeof name, path);
	if (!gzdirect(f)) {
		uint8_t tail[4], *buffer;
		struct stat again;
		int fd, n = 0, r = dcg_source_open_file(s, path, &fd, &again, err);
		if (r)
			return r;
		if (st->st_size >= 18 && pread(fd, tail, 4, st->st_size - 4) == 4 && expected / MAX_INFLATION <= found &&
		    ((uint32_t)tail[3] << 24 | (uint32_t)tail[2] << 16 | (uint32_t)tail[1] << 8 | tail[0]) == (uint32_t)expected) {
			close(fd);
			return 0;
		}
		close(fd);
		buffer = malloc(1 << 17);
		if (!buffer)
			return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", name);
		found = (uint64_t)gztell(f);
		while (found <= expected && (n = gzread(f, buffer, 1 << 17)) > 0)
			found += (uint64_t)n;
		free(buffer);
		if (n < 0)
			return dcg_error_set(err, DCG_EFORMAT, "%s: %s", name, gz_reason(f));
	}
	if (found != expected)
		return dcg_error_set(err, DCG_EFORMAT, "%s: expected %llu bytes from its header, found %s%llu", name, (unsigned long long)expected,
		                     found > expected && !gzdirect(f) ? "at least " : "", (unsigned long long)found);
	return 0;
}

static int read_labels(struct dcg_source *s, struct idx *x, const char *path, struct dcg_error *err)
{
	gzFile f;
	struct stat st;
	uint32_t dims[4];
	uint8_t more;
	int n, largest = 0, r = open_file(s, path, &f, &st, dims, &n, err);
	char name[DCG_SOURCE_NAME];
	if (r)
		return r;
	dcg_source_show_name(name, sizeof name, path);
	if (n != 1 || dims[0] != s->info.count) {
		r = n != 1 ? dcg_error_set(err, DCG_EFORMAT, "%s: expected one dimension, found %d", name, n) :
			dcg_error_set(err, DCG_EFORMAT, "%s: expected %u labels, as many as pictures, found %u", name, s->info.count, dims[0]);
		goto done;
	}
	x->labels = malloc(dims[0]);
	if (!x->labels) {
		r = dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", name);
		goto done;
	}
	if (gzread(f, x->labels, dims[0]) != (int)dims[0]) {
		r = dcg_error_set(err, DCG_EFORMAT, "%s: %s", name, gz_reason(f));
		goto done;
	}
	n = gzread(f, &more, 1);
	if (n) {
		r = dcg_error_set(err, DCG_EFORMAT, "%s: %s", name, n > 0 ? "goes on after the last label" : gz_reason(f));
		goto done;
	}
	dcg_source_fingerprint_add(s, path, &st);
	for (uint32_t i = 0; i < dims[0]; i++)
		largest = x->labels[i] > largest ? x->labels[i] : largest;
	r = dcg_source_set_classes(s, largest + 1, largest == 9 && strcmp(s->base_name, "fashion-mnist") == 0 ? fashion : NULL, err);
done:
	gzclose_r(f);
	return r;
}

/* "train-images-idx3-ubyte.gz" -> "train-labels-idx1-ubyte.gz". */
static int label_file_name(char to[MAX_LABEL_FILE_NAME], const char *images)
{
	const char *at = strstr(images, "images");
	size_t n = strlen(images);
	if (!at || n + 4 > MAX_LABEL_FILE_NAME)
		return 0;
	memcpy(to, images, n + 1);
	memcpy(to + (at - images), "labels", 6);
	char *idx = strstr(to, "idx3");
	if (!idx)
		idx = strstr(to, "idx4");
	if (idx)
		idx[3] = '1';
	return 1;
}

static int open_labels(struct dcg_source *s, struct idx *x, const char *images, struct dcg_error *err)
{
	char path[MAX_LABEL_FILE_NAME];
	if (!label_file_name(path, images))
		return 0;
	if (!dcg_source_has_file(s, path)) { /* packed and not, or the other way round */
		size_t n = strlen(path);
		if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
			path[n - 3] = '\0';
		else
			strcpy(path + n, ".gz"); /* label_file_name left room */
		if (!dcg_source_has_file(s, path))
			return 0;
	}
	return read_labels(s, x, path, err);
}

static int read_idx(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err)
{
	struct idx *x = s->impl;
	struct dcg_picture p;
	int r = dcg_decode_alloc(&p, s->info.width, s->info.height, s->info.channels, err);
	if (r)
		return r;
	if (x->at != i) {
		gzclearerr(x->images);
		x->at = i;
		if (gzseek(x->images, (z_off_t)(x->header + i * x->bytes), SEEK_SET) < 0)
			x->at = UINT32_MAX;
	}
	/* zlib compares the checksum when it is asked for more than there is. */
	uint8_t more;
	if (x->at == UINT32_MAX || gzread(x->images, p.pixels, (unsigned)x->bytes) != (int)x->bytes ||
	    (i + 1 == s->info.count && gzread(x->images, &more, 1) != 0)) {
		r = dcg_error_set(err, DCG_EIO, "%s: picture %u: %s", x->name, i, gz_reason(x->images));
		x->at = UINT32_MAX;
		dcg_picture_done(&p);
		return r;
	}
	x->at = i + 1;
	*ret = p;
	*ret_label = x->labels ? x->labels[i] : -1;
	return 0;
}

static const struct dcg_source_ops ops = { .read = read_idx, .close = close_idx };

static const char *usual_file(const struct dcg_source *s)
{
	for (size_t i = 0; i < sizeof usual_names / sizeof *usual_names; i++)
		if (dcg_source_has_file(s, usual_names[i]))
			return usual_names[i];
	return NULL;
}

int dcg_source_is_idx(struct dcg_source *s, const char *file)
{
	gzFile f;
	struct stat st;
	uint32_t dims[4];
	int n;
	if (!file)
		return usual_file(s) != NULL;
	if (open_file(s, file, &f, &st, dims, &n, NULL))
		return 0;
	gzclose_r(f);
	return 1;
}

int dcg_source_open_idx(struct dcg_source *s, const char *file, struct dcg_error *err)
{
	uint32_t dims[4] = { 0, 0, 0, 1 };
	struct stat st;
	int n;
	if (!file && !(file = usual_file(s)))
		return dcg_error_set(err, DCG_ENOENT, "%s: expected train-images-idx3-ubyte[.gz] in it", s->base_name);
	struct idx *x = calloc(1, sizeof *x);
	if (!x)
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", s->base_name);
	s->impl = x;
	s->ops = &ops;
	int r = open_file(s, file, &x->images, &st, dims, &n, err);
	if (r)
		return r;
	dcg_source_show_name(x->name, sizeof x->name, file);
	if (n < 3 || (n == 4 && dims[3] != 1 && dims[3] != 3))
		return dcg_error_set(err, DCG_EFORMAT, "%s: expected pictures [count][height][width] of bytes, optionally [1 or 3], found %d dimensions%s",
		                     x->name, n, n == 4 ? " with another last one" : "");
	if (dims[0] == 0 || dims[0] > DCG_SOURCE_MAX_COUNT)
		return dcg_error_set(err, DCG_EFORMAT, "%s: expected 1 to %d pictures, found %u", x->name, DCG_SOURCE_MAX_COUNT, dims[0]);
	r = dcg_decode_check_size(dims[2], dims[1], err);
	if (r)
		return dcg_error_prefix(err, r, "%s", x->name);
	s->info.count = dims[0];
	s->info.height = (int)dims[1];
	s->info.width = (int)dims[2];
	s->info.channels = (int)dims[3];
	x->bytes = (uint64_t)dims[1] * dims[2] * dims[3];
	x->header = 4 + 4 * (uint32_t)n;
	x->at = UINT32_MAX;
	dcg_source_fingerprint_add(s, file, &st);
	r = check_length(s, file, x->images, &st, x->header + dims[0] * x->bytes, err);
	if (r)
		return r;
	return open_labels(s, x, file, err);
}
