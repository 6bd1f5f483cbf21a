/* Data sets as they come: IDX, CIFAR, folders of pictures.
 *
 * An input is a few files, each after a line "--FILE name" (or "--GZIP name", which is then
 * written compressed, so that changes are to what is inside). A line "--OPEN name" at the
 * beginning opens that one instead of their folder. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "data/source.h"
#include "tests/data/images.h"

const int fuzz_pace = 400;

enum { FILES_MAX = 8, NAME_MAX_BYTES = 60 };

/* --- Seeds ---------------------------------------------------------------------------------- */

static size_t idx(uint8_t *to, int dims, unsigned count, unsigned side)
{
	size_t n = 0;
	const unsigned d[] = { count, side, side };
	to[n++] = 0, to[n++] = 0, to[n++] = 8, to[n++] = (uint8_t)dims;
	for (int i = 0; i < dims; i++)
		for (int k = 24; k >= 0; k -= 8)
			to[n++] = (uint8_t)(d[i] >> k);
	for (unsigned i = 0; i < (dims == 1 ? count : count * side * side); i++)
		to[n++] = (uint8_t)(i % 10);
	return n;
}

static size_t put_name(uint8_t *to, const char *mark, const char *name)
{
	return (size_t)sprintf((char *)to, "%s %s\n", mark, name);
}

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	uint8_t *to = calloc(1, 16384), pixels[7 * 5 * 3] = { 0 };
	size_t n = 0;
	struct blob b = { NULL, 0 };
	switch (i) {
	case 0: case 1:
		n += put_name(to + n, i == 1 ? "--GZIP" : "--FILE", i == 1 ? "train-images-idx3-ubyte.gz" : "train-images-idx3-ubyte");
		n += idx(to + n, 3, 6, 5);
		n += put_name(to + n, i == 1 ? "--GZIP" : "--FILE", i == 1 ? "train-labels-idx1-ubyte.gz" : "train-labels-idx1-ubyte");
		n += idx(to + n, 1, 6, 0);
		break;
	case 2:
		n += put_name(to + n, "--OPEN", "pictures");
		n += put_name(to + n, "--FILE", "pictures");
		n += idx(to + n, 3, 3, 4);
		break;
	case 3:
		n += put_name(to + n, "--FILE", "data_batch_1.bin");
		for (int k = 0; k < 2 * 3073; k++)
			to[n++] = (uint8_t)(k % 3073 ? k : 3);
		n += put_name(to + n, "--FILE", "batches.meta.txt");
		n += (size_t)sprintf((char *)to + n, "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n");
		break;
	case 4:
		n += put_name(to + n, "--FILE", "train.bin");
		for (int k = 0; k < 3074; k++)
			to[n++] = (uint8_t)k;
		n += put_name(to + n, "--FILE", "fine_label_names.txt");
		n += (size_t)sprintf((char *)to + n, "apple\naquarium_fish\n");
		break;
	case 5:
		for (int k = 0; k < 3; k++) {
			static const char *const names[] = { "cats/a.jpg", "dogs/sub/b.webp", "c.JPEG" };
			b = k == 1 ? make_webp(pixels, 7, 5, 3, 60, 0) : make_jpeg(pixels, 7, 5, 3, 0, 0, 0);
			n += put_name(to + n, "--FILE", names[k]);
			memcpy(to + n, b.bytes, b.size);
			n += b.size;
			free(b.bytes);
		}
		break;
	default:
		free(to);
		return NULL;
	}
	*ret_size = n;
	return to;
}

/* --- Files ---------------------------------------------------------------------------------- */

/* A name below the folder, of which nothing leads out. */
static int good_name(const char *s)
{
	if (!*s || *s == '/' || strlen(s) > NAME_MAX_BYTES || strstr(s, "..") || s[strlen(s) - 1] == '/')
		return 0;
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			return 0;
	return 1;
}

static void put_file(const char *folder, const char *name, const uint8_t *data, size_t size, int zipped)
{
	char path[600];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	for (char *s = path + strlen(folder) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(path, 0700); /* there or not: fopen will tell */
	}
	if (zipped) {
		gzFile f = gzopen(path, "wb1");
		if (f && size)
			gzwrite(f, data, (unsigned)size);
		if (f)
			gzclose(f);
	} else {
		FILE *f = fopen(path, "wb");
		if (f && size)
			fwrite(data, 1, size, f);
		if (f)
			fclose(f);
	}
}

/* The next mark in s .. end, or end. */
static const uint8_t *next_mark(const uint8_t *s, const uint8_t *end)
{
	for (; end - s >= 7; s++)
		if (memcmp(s, "--FILE ", 7) == 0 || memcmp(s, "--GZIP ", 7) == 0 || memcmp(s, "--OPEN ", 7) == 0)
			return s;
	return end;
}

static void unpack(const char *folder, const uint8_t *data, size_t size, char open_name[NAME_MAX_BYTES + 1])
{
	const uint8_t *end = data + size, *s = next_mark(data, end);
	*open_name = 0;
	for (int files = 0; s < end && files < FILES_MAX; files++) {
		char name[NAME_MAX_BYTES + 2];
		const uint8_t *line = memchr(s, '\n', (size_t)(end - s)), *stop;
		if (!line)
			return;
		snprintf(name, sizeof name, "%.*s", (int)(line - s - 7), (const char *)s + 7);
		stop = next_mark(line, end);
		if (good_name(name) && s[2] == 'O')
			strcpy(open_name, name);
		else if (good_name(name))
			put_file(folder, name, line + 1, (size_t)(stop - line - 1), s[2] == 'G');
		s = stop;
	}
}

/* --- Reading -------------------------------------------------------------------------------- */

static void read_all(const char *path, enum dcg_source_format format, const char *private)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, path, format, &err);
	if (r) {
		fuzz_check(err.code == r && strlen(err.text) > 5, "%d %s", r, err.text);
		fuzz_check(!strstr(err.text, private), "a path of the server: %s", err.text);
		return;
	}
	const struct dcg_source_info *info = dcg_source_info(s);
	fuzz_check(info->count > 0 && info->width > 0 && info->height > 0, "%u %dx%d", info->count, info->width, info->height);
	fuzz_check(info->classes >= 0 && info->classes <= DCG_MAX_CLASSES, "%d classes", info->classes);
	for (int c = -1; c <= info->classes; c++)
		fuzz_check(strlen(dcg_source_class_name(s, c)) < DCG_CLASS_NAME, "class %d", c);
	/* Forwards, and once back. */
	uint32_t count = info->count < 20 ? info->count : 20;
	for (uint32_t i = 0; i <= count; i++) {
		struct dcg_picture p;
		int label;
		r = dcg_source_read(s, i < count ? i : 0, &p, &label, &err);
		if (r) {
			fuzz_check(!strstr(err.text, private), "a path of the server: %s", err.text);
			continue;
		}
		fuzz_check(label >= -1 && label < (info->classes ? info->classes : 1), "label %d of %d", label, info->classes);
		fuzz_check(p.width > 0 && p.height > 0, "%dx%d", p.width, p.height);
		volatile unsigned sum = 0;
		for (size_t k = 0; k < (size_t)p.width * (size_t)p.height * (size_t)p.channels; k++)
			sum = sum + p.pixels[k];
		dcg_picture_done(&p);
	}
	dcg_source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[400], path[600], name[NAME_MAX_BYTES + 1];
	snprintf(folder, sizeof folder, "%s/source", fuzz_folder());
	fuzz_check(mkdir(folder, 0700) == 0, "%s", folder);
	unpack(folder, data, size, name);
	snprintf(path, sizeof path, "%s%s%s", folder, *name ? "/" : "", name);
	for (int format = DCG_SOURCE_AUTO; format <= DCG_SOURCE_FOLDER; format++)
		read_all(path, (enum dcg_source_format)format, fuzz_folder());
	fuzz_remove(folder);
	return 0;
}
