/* Prepared data sets: what goes in comes out; damage of any byte is found; made anew
 * when, and only when, it must be. */
#include <dirent.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/file.h"
#include "data/dataset.h"
#include "tests/data/images.h"
#include "tests/tap.h"

static char *folder;

static void setup(void)
{
	folder = make_folder();
	mkdir(in_folder(folder, "cache"), 0700);
}

static void teardown(void)
{
	drop_folder(folder);
}

static const char *cache(void)
{
	return in_folder(folder, "cache/x.data");
}

static void put(const char *name, int value, int c, int w, int h)
{
	struct dcg_error err;
	uint8_t *pixels = malloc((size_t)(w * h * c)), *bytes;
	size_t size;
	memset(pixels, value, (size_t)(w * h * c));
	struct dcg_picture p = { .width = w, .height = h, .channels = c, .pixels = pixels };
	ck_assert_int_eq(dcg_picture_png(&p, &bytes, &size, &err), 0);
	write_file(in_folder(folder, name), bytes, size);
	free(bytes);
	free(pixels);
}

static struct dcg_source *open_source(void)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, in_folder(folder, "d"), DCG_SOURCE_AUTO, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	return s;
}

/* Two classes of three; grey and colour, of several sizes. */
static struct dcg_source *small_source(void)
{
	for (int i = 0; i < 6; i++) {
		char name[32];
		snprintf(name, sizeof name, "d/%s/%d.png", i < 3 ? "cat" : "dog", i);
		put(name, 10 * i + 5, i % 2 ? 3 : 1, 8 + i, 11 - i);
	}
	return open_source();
}

struct heard {
	uint32_t done, count;
	int progress, cancel_at, asked, bad;
	char why[480];
};

static void on_progress(void *user, uint32_t done, uint32_t count)
{
	struct heard *h = user;
	ck_assert(done >= h->done && done <= count);
	h->done = done;
	h->count = count;
	h->progress++;
}

static int on_cancelled(void *user)
{
	struct heard *h = user;
	return h->asked++ == h->cancel_at;
}

static void on_bad_file(void *user, const struct dcg_error *why)
{
	struct heard *h = user;
	h->bad++;
	strcpy(h->why, why->text);
}

static struct dcg_prepare how_to(int size, int channels, struct heard *h)
{
	*h = (struct heard){ .cancel_at = -1 };
	return (struct dcg_prepare){ .size = size, .channels = channels, .progress = on_progress, .cancelled = on_cancelled, .bad_file = on_bad_file, .user = h };
}

static void expect_only_cache(int there)
{
	int files = 0;
	DIR *dir = opendir(in_folder(folder, "cache"));
	for (struct dirent *d; (d = readdir(dir));)
		files += d->d_name[0] != '.' || strlen(d->d_name) > 2;
	closedir(dir);
	ck_assert_int_eq(files, there);
}

static struct dcg_dataset *open_cache(void)
{
	struct dcg_dataset *ds;
	struct dcg_error err = { 0 };
	int r = dcg_dataset_open(&ds, cache(), &err);
	ck_assert_msg(r == 0, "%s", err.text);
	return ds;
}

START_TEST(what_goes_in_comes_out)
{
	struct heard heard;
	struct dcg_error err = { 0 };
	struct dcg_source *s = small_source();
	struct dcg_prepare how = how_to(4 + _i, _i % 2 ? 3 : 1, &heard);
	int r = dcg_dataset_prepare(cache(), s, &how, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	expect_only_cache(1);
	ck_assert_uint_eq(heard.done, 6);
	ck_assert_uint_eq(heard.count, 6);
	struct dcg_dataset *ds = open_cache();
	const struct dcg_dataset_info *info = dcg_dataset_info(ds);
	ck_assert_uint_eq(info->count, 6);
	ck_assert_int_eq(info->size, how.size);
	ck_assert_int_eq(info->channels, how.channels);
	ck_assert_int_eq(info->classes, 2);
	ck_assert_uint_eq(info->skipped, 0);
	ck_assert_str_eq(info->fingerprint, dcg_source_info(s)->fingerprint);
	ck_assert_str_eq(dcg_dataset_class_name(ds, 0), "cat");
	ck_assert_str_eq(dcg_dataset_class_name(ds, 1), "dog");
	ck_assert_str_eq(dcg_dataset_class_name(ds, 2), "");
	ck_assert_str_eq(dcg_dataset_class_name(ds, -1), "");
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_int_eq(dcg_dataset_label(ds, i), i >= 3);
		for (int k = 0; k < how.size * how.size * how.channels; k++)
			ck_assert_uint_eq(dcg_dataset_picture(ds, i)[k], 10 * i + 5);
	}
	dcg_dataset_close(ds);
	dcg_source_close(s);
}
END_TEST

/* The same as reading and fitting each by itself, over more than the writer's buffer. */
START_TEST(many_pictures)
{
	enum { COUNT = 700, SIZE = 24 };
	uint8_t *idx = calloc(1, 16 + COUNT * 20 * 30), fitted[SIZE * SIZE * 3];
	memcpy(idx, "\0\0\x08\3\0\0\2\xbc\0\0\0\x14\0\0\0\x1e", 16);
	for (int i = 0; i < COUNT * 600; i++)
		idx[16 + i] = (uint8_t)(i * 7 ^ i >> 5 ^ i >> 11);
	write_gz(in_folder(folder, "d/train-images-idx3-ubyte.gz"), idx, 16 + COUNT * 600);
	struct heard heard;
	struct dcg_error err = { 0 };
	struct dcg_source *s = open_source();
	struct dcg_prepare how = how_to(SIZE, 3, &heard);
	struct dcg_dataset *ds;
	int r = dcg_dataset_load(&ds, cache(), s, &how, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_ge(heard.progress, COUNT / 64);
	ck_assert_int_ge(heard.asked, COUNT / 64);
	ck_assert_int_eq(dcg_dataset_info(ds)->classes, 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct dcg_picture p = { .width = 30, .height = 20, .channels = 1, .pixels = idx + 16 + i * 600 };
		ck_assert_int_eq(dcg_picture_fit(&p, SIZE, 3, fitted, &err), 0);
		ck_assert_int_eq(memcmp(dcg_dataset_picture(ds, i), fitted, sizeof fitted), 0);
		ck_assert_int_eq(dcg_dataset_label(ds, i), -1);
	}
	dcg_dataset_close(ds);
	dcg_source_close(s);
	free(idx);
}
END_TEST

static ino_t inode(void)
{
	struct stat st;
	ck_assert_int_eq(stat(cache(), &st), 0);
	return st.st_ino;
}

/* Loads, and tells whether that made the file anew. */
static int remade(struct dcg_source *s, struct dcg_prepare how)
{
	struct dcg_dataset *ds;
	struct dcg_error err = { 0 };
	struct heard heard = { .cancel_at = -1 };
	how.user = &heard;
	int r = dcg_dataset_load(&ds, cache(), s, &how, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_eq(dcg_dataset_info(ds)->size, how.size);
	ck_assert_int_eq(dcg_dataset_info(ds)->channels, how.channels);
	dcg_dataset_close(ds);
	return heard.progress > 0;
}

START_TEST(made_anew_when_it_must_be)
{
	struct heard heard;
	struct dcg_source *s = small_source();
	struct dcg_prepare how = how_to(8, 3, &heard);
	ck_assert(remade(s, how));
	ino_t first = inode();
	ck_assert(!remade(s, how));
	ck_assert_uint_eq(inode(), first);
	how.size = 9;
	ck_assert(remade(s, how));
	how.channels = 1;
	ck_assert(remade(s, how));
	ck_assert(!remade(s, how));
	ck_assert_int_eq(truncate(cache(), 300), 0);
	ck_assert(remade(s, how));
	write_file(cache(), "something else", 14);
	ck_assert(remade(s, how));
	ck_assert_int_eq(unlink(cache()), 0);
	ck_assert(remade(s, how));
	ck_assert(!remade(s, how));
	dcg_source_close(s);
	put("d/dog/9.png", 200, 1, 5, 5); /* the source changed */
	s = open_source();
	ck_assert(remade(s, how));
	ck_assert(!remade(s, how));
	expect_only_cache(1);
	dcg_source_close(s);
}
END_TEST

START_TEST(broken_files_are_skipped_or_fail)
{
	struct heard heard;
	struct dcg_error err = { 0 };
	struct dcg_dataset *ds;
	dcg_source_close(small_source());
	write_file(in_folder(folder, "d/cat/11.png"), "\x89PNG\r\n\x1a\n", 8);
	write_file(in_folder(folder, "d/dog/x.jpg"), "", 0);
	struct dcg_source *s = open_source();
	struct dcg_prepare how = how_to(8, 1, &heard);
	ck_assert_int_eq(dcg_dataset_load(&ds, cache(), s, &how, &err), 0);
	ck_assert_uint_eq(dcg_dataset_info(ds)->count, 6);
	ck_assert_uint_eq(dcg_dataset_info(ds)->skipped, 2);
	ck_assert_int_eq(heard.bad, 2);
	ck_assert_str_eq(heard.why, "dog/x.jpg: neither JPEG nor PNG nor WebP");
	for (uint32_t i = 0; i < 6; i++) { /* labels stay with their pictures */
		ck_assert_int_eq(dcg_dataset_label(ds, i), i >= 3);
		ck_assert_uint_eq(dcg_dataset_picture(ds, i)[0], 10 * i + 5);
	}
	dcg_dataset_close(ds);
	/* A file with pictures left out will not do for whoever wants them all. */
	how = how_to(8, 1, &heard);
	how.on_error = DCG_ON_ERROR_FAIL;
	ck_assert_int_eq(dcg_dataset_load(&ds, cache(), s, &how, &err), DCG_EFORMAT);
	ck_assert_int_eq(strncmp(err.text, "cat/11.png: PNG: ", 17), 0);
	ck_assert_int_eq(heard.bad, 0);
	expect_only_cache(1); /* the old one is still there, the attempt is not */
	dcg_source_close(s);
}
END_TEST

/* Hears of broken files' names in order. */
static void on_bad_in_order(void *user, const struct dcg_error *why)
{
	struct heard *h = user;
	char name[16];
	snprintf(name, sizeof name, "%03d.png", 13 * h->bad++ + 5);
	ck_assert_msg(strncmp(why->text, name, strlen(name)) == 0, "%s: %s", name, why->text);
}

/* Every 13th of 200 files is broken. */
START_TEST(threads_make_no_difference)
{
	enum { COUNT = 200, BROKEN = 15 };
	static const int threads[] = { 1, 2, 3, 8, 200, 0 };
	struct heard heard;
	struct dcg_error err = { 0 };
	char *first = NULL, *bytes, name[32];
	size_t first_size = 0, size;
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "d/%03d.png", i);
		if (i % 13 == 5)
			write_file(in_folder(folder, name), "broken", 6);
		else
			put(name, i, i % 2 ? 3 : 1, 1 + i % 60, 61 - i % 60);
	}
	struct dcg_source *s = open_source();
	ck_assert(dcg_source_info(s)->concurrent);
	for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
		struct dcg_prepare how = how_to(30, 3, &heard);
		how.threads = threads[t];
		how.bad_file = on_bad_in_order;
		ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), 0);
		ck_assert_int_eq(heard.bad, BROKEN);
		ck_assert_int_eq(dcg_file_read(cache(), 1 << 20, &bytes, &size, &err), 0);
		if (!first)
			first = bytes, first_size = size;
		ck_assert_uint_eq(size, first_size);
		ck_assert_int_eq(memcmp(bytes, first, size), 0);
		if (bytes != first)
			free(bytes);
		how = how_to(30, 3, &heard);
		how.threads = threads[t];
		how.on_error = DCG_ON_ERROR_FAIL;
		ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EFORMAT);
		ck_assert_str_eq(err.text, "005.png: neither JPEG nor PNG nor WebP");
		ck_assert_int_eq(heard.bad, 0);
	}
	struct dcg_dataset *ds = open_cache();
	for (uint32_t k = 0, i = 0; i < COUNT; i++)
		if (i % 13 != 5)
			ck_assert_uint_eq(dcg_dataset_picture(ds, k++)[0], i);
	dcg_dataset_close(ds);
	struct dcg_prepare how = how_to(30, 3, &heard);
	how.threads = -1;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EINVAL);
	ck_assert_str_eq(err.text, "x.data: threads: expected 0 to 256, found -1");
	free(first);
	dcg_source_close(s);
}
END_TEST

/* Large pictures, so that few are made together. */
START_TEST(few_at_a_time)
{
	enum { COUNT = 40, SIZE = 600 };
	struct heard heard;
	struct dcg_error err = { 0 };
	char name[32];
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "d/%02d.png", i);
		put(name, 5 * i, 1, 20, 20);
	}
	struct dcg_source *s = open_source();
	struct dcg_prepare how = how_to(SIZE, 3, &heard);
	how.threads = 2;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), 0);
	ck_assert_int_ge(heard.asked, 3);
	struct dcg_dataset *ds = open_cache();
	ck_assert_uint_eq(dcg_dataset_info(ds)->count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(dcg_dataset_picture(ds, i)[0], 5 * i);
		ck_assert_uint_eq(dcg_dataset_picture(ds, i)[SIZE * SIZE * 3 - 1], 5 * i);
	}
	dcg_dataset_close(ds);
	dcg_source_close(s);
}
END_TEST

/* Of a source that is read in order: pictures before and after one with a label that there is not. */
/* _i: in the first pictures that are read, with others read ahead, or in the last. */
START_TEST(broken_in_the_middle)
{
	enum { COUNT = 100, RECORD = 3073 };
	const int bad = _i ? 70 : 10;
	struct heard heard;
	struct dcg_error err = { 0 };
	uint8_t *records = malloc(COUNT * RECORD);
	for (int i = 0; i < COUNT; i++) {
		memset(records + i * RECORD, 2 * i, RECORD);
		records[i * RECORD] = i == bad ? 10 : (uint8_t)(i % 10);
	}
	write_file(in_folder(folder, "d/data_batch_1.bin"), records, COUNT * RECORD);
	free(records);
	struct dcg_source *s = open_source();
	struct dcg_prepare how = how_to(32, 3, &heard);
	how.threads = 3;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), 0);
	ck_assert_int_eq(heard.bad, 1);
	struct dcg_dataset *ds = open_cache();
	ck_assert_uint_eq(dcg_dataset_info(ds)->count, COUNT - 1);
	for (uint32_t k = 0; k < COUNT - 1; k++) {
		uint32_t i = k + (k >= (uint32_t)bad);
		ck_assert_uint_eq(dcg_dataset_picture(ds, k)[3071], 2 * i);
		ck_assert_int_eq(dcg_dataset_label(ds, k), i % 10);
	}
	dcg_dataset_close(ds);
	how = how_to(32, 3, &heard);
	how.threads = 3;
	how.on_error = DCG_ON_ERROR_FAIL;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EFORMAT);
	expect_only_cache(1);
	dcg_source_close(s);
}
END_TEST

START_TEST(nothing_left_is_an_error)
{
	struct heard heard;
	struct dcg_error err = { 0 };
	put("d/a.png", 1, 1, 4, 4);
	struct dcg_source *s = open_source();
	write_file(in_folder(folder, "d/a.png"), "gone bad", 8);
	struct dcg_prepare how = how_to(8, 1, &heard);
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EFORMAT);
	ck_assert_str_eq(err.text, "none of 1 pictures could be read: a.png: neither JPEG nor PNG nor WebP");
	how.size = 0;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EINVAL);
	how.size = 5000;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EINVAL);
	how.size = 8, how.channels = 2;
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_EINVAL);
	expect_only_cache(0);
	dcg_source_close(s);
}
END_TEST

START_TEST(cancelled)
{
	struct heard heard;
	struct dcg_error err = { 0 };
	uint8_t *idx = calloc(1, 16 + 1000);
	memcpy(idx, "\0\0\x08\3\0\0\3\xe8\0\0\0\1\0\0\0\1", 16);
	write_file(in_folder(folder, "d/train-images-idx3-ubyte"), idx, 16 + 1000);
	free(idx);
	struct dcg_source *s = open_source();
	for (int at = 0; at < 3; at++) {
		struct dcg_prepare how = how_to(8, 1, &heard);
		heard.cancel_at = at;
		ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), DCG_ECANCELLED);
		ck_assert_int_eq(heard.asked, at + 1);
		expect_only_cache(0);
	}
	dcg_source_close(s);
}
END_TEST

static int open_bytes(const uint8_t *bytes, size_t size, struct dcg_error *err)
{
	struct dcg_dataset *ds = (void *)&ds;
	*err = (struct dcg_error){ 0 };
	write_file(cache(), bytes, size);
	int r = dcg_dataset_open(&ds, cache(), err);
	if (r == 0)
		dcg_dataset_close(ds);
	else
		ck_assert_msg(ds == (void *)&ds && !strstr(err->text, folder) && strstr(err->text, "x.data"), "%s", err->text);
	return r;
}

static struct blob small_cache(void)
{
	struct heard heard;
	struct dcg_error err;
	struct blob b;
	char *bytes;
	struct dcg_source *s = small_source();
	struct dcg_prepare how = how_to(4, 1, &heard);
	ck_assert_int_eq(dcg_dataset_prepare(cache(), s, &how, &err), 0);
	dcg_source_close(s);
	ck_assert_int_eq(dcg_file_read(cache(), 1 << 20, &bytes, &b.size, &err), 0);
	b.bytes = (uint8_t *)bytes;
	ck_assert_uint_eq(b.size, 192 + 6 * 16 + 6 * 2 + 2 * 64);
	return b;
}

START_TEST(any_damage_is_found)
{
	struct blob b = small_cache();
	struct dcg_error err;
	for (size_t n = 0; n < b.size; n++)
		ck_assert_int_eq(open_bytes(b.bytes, n, &err), DCG_EFORMAT);
	for (size_t i = 0; i < b.size; i++) {
		b.bytes[i] ^= 1 << i % 8;
		int r = open_bytes(b.bytes, b.size, &err);
		ck_assert_msg(r == DCG_EFORMAT || (r == DCG_EVERSION && i >= 8 && i < 12), "byte %zu: %d", i, r);
		b.bytes[i] ^= 1 << i % 8;
	}
	b.bytes = realloc(b.bytes, b.size + 1);
	b.bytes[b.size] = 0;
	ck_assert_int_eq(open_bytes(b.bytes, b.size + 1, &err), DCG_EFORMAT);
	ck_assert_int_eq(open_bytes(b.bytes, b.size, &err), 0);
	ck_assert_int_eq(open_bytes((const uint8_t *)"", 0, &err), DCG_EFORMAT);
	free(b.bytes);
}
END_TEST

static void put_number(uint8_t *p, uint64_t v, int bytes)
{
	for (; bytes--; v >>= 8)
		*p++ = (uint8_t)v;
}

/* As small_cache, changed, with checksums that are right. */
static int open_forged(const struct blob *b, size_t at, uint64_t v, int bytes, struct dcg_error *err)
{
	uint8_t *copy = malloc(b->size);
	memcpy(copy, b->bytes, b->size);
	put_number(copy + at, v, bytes);
	put_number(copy + 128, crc32(0, copy + 192, (unsigned)b->size - 192), 4);
	put_number(copy + 132, crc32(0, copy, 132), 4);
	int r = open_bytes(copy, b->size, err);
	free(copy);
	return r;
}

START_TEST(forged_files_are_refused)
{
	struct blob b = small_cache();
	struct dcg_error err;
	size_t labels = 192 + 96, names = labels + 12;
	static const uint64_t wild[] = { 0, 1, 5, 7, 0x7fffffff, 0x80000000, 0xffffffff };
	for (size_t at = 8; at < 28; at += 4) /* version, count, size, channels, classes */
		for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
			int same = wild[i] == (uint64_t[]){ 1, 6, 4, 1, 2 }[(at - 8) / 4];
			int r = open_forged(&b, at, wild[i], 4, &err);
			ck_assert_msg(same ? r == 0 : r == DCG_EFORMAT || (at == 8 && r == DCG_EVERSION), "%zu = %llx: %d", at, (unsigned long long)wild[i], r);
		}
	for (size_t at = 32; at < 64; at += 8) /* offsets and length */
		for (size_t i = 0; i < sizeof wild / sizeof *wild; i++)
			ck_assert_int_eq(open_forged(&b, at, wild[i] << 31, 8, &err), DCG_EFORMAT);
	ck_assert_int_eq(open_forged(&b, 70, 'G', 1, &err), DCG_EFORMAT);        /* fingerprint */
	ck_assert_int_eq(open_forged(&b, 140, 1, 1, &err), DCG_EFORMAT);         /* the rest of the header */
	ck_assert_int_eq(open_forged(&b, labels, 2, 2, &err), DCG_EFORMAT);      /* a class too far */
	ck_assert_int_eq(open_forged(&b, labels, 0x8000, 2, &err), DCG_EFORMAT);
	ck_assert_int_eq(open_forged(&b, labels, 0xffff, 2, &err), 0);           /* none */
	ck_assert_int_eq(open_forged(&b, names, 0xff, 1, &err), DCG_EFORMAT);    /* not UTF-8 */
	ck_assert_int_eq(open_forged(&b, names, '\n', 1, &err), DCG_EFORMAT);
	ck_assert_int_eq(open_forged(&b, names, 'x', 1, &err), 0);
	memset(b.bytes + names, 'x', 64);                                        /* no end */
	ck_assert_int_eq(open_forged(&b, 192, 0, 1, &err), DCG_EFORMAT);
	free(b.bytes);
}
END_TEST

START_TEST(not_a_file)
{
	struct dcg_dataset *ds;
	struct dcg_error err;
	ck_assert_int_eq(dcg_dataset_open(&ds, cache(), &err), DCG_ENOENT);
	ck_assert_int_eq(mkfifo(cache(), 0600), 0);
	ck_assert_int_eq(dcg_dataset_open(&ds, cache(), &err), DCG_EFORMAT);
	dcg_dataset_close(NULL);
	dcg_source_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dataset");
	TCase *t = tcase_create("dataset");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, what_goes_in_comes_out, 0, 6);
	tcase_add_test(t, many_pictures);
	tcase_add_test(t, made_anew_when_it_must_be);
	tcase_add_test(t, broken_files_are_skipped_or_fail);
	tcase_add_test(t, threads_make_no_difference);
	tcase_add_test(t, few_at_a_time);
	tcase_add_loop_test(t, broken_in_the_middle, 0, 2);
	tcase_add_test(t, nothing_left_is_an_error);
	tcase_add_test(t, cancelled);
	tcase_add_test(t, any_damage_is_found);
	tcase_add_test(t, forged_files_are_refused);
	tcase_add_test(t, not_a_file);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
