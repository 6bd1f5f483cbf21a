/* Readers of IDX and CIFAR files, written here in the exact formats. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "data/source.h"
#include "tests/data/images.h"
#include "tests/tap.h"

static char *folder;

static void setup(void)
{
	folder = make_folder();
}

static void teardown(void)
{
	drop_folder(folder);
}

static struct dcg_source *open_as(const char *name, enum dcg_source_format format)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, in_folder(folder, name), format, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	return s;
}

static void expect_refused(const char *name, enum dcg_source_format format, int code, const char *word)
{
	struct dcg_source *s = (void *)&s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, in_folder(folder, name), format, &err);
	ck_assert_msg(r == code, "expected %d, found %d: %s", code, r, err.text);
	ck_assert_ptr_eq(s, (void *)&s);
	ck_assert_msg(strstr(err.text, word) != NULL, "expected \"%s\" in: %s", word, err.text);
	ck_assert_msg(strstr(err.text, folder) == NULL, "absolute path in: %s", err.text);
}

/* An IDX file: header from dims, then sample i of picture k is 7 k + i. */
static struct blob make_idx(const uint32_t *dims, int n, size_t elements)
{
	struct blob b = { .size = 4 + 4 * (size_t)n + elements };
	b.bytes = calloc(1, b.size + 64);
	b.bytes[2] = 8;
	b.bytes[3] = (uint8_t)n;
	size_t each = 1;
	for (int i = 0; i < n; i++) {
		each *= i ? dims[i] : 1;
		for (int k = 0; k < 4; k++)
			b.bytes[4 + 4 * i + k] = (uint8_t)(dims[i] >> (24 - 8 * k));
	}
	for (size_t i = 0; i < elements; i++)
		b.bytes[4 + 4 * (size_t)n + i] = (uint8_t)(i / each * 7 + i % each);
	return b;
}

static void put_idx(const char *name, const uint32_t *dims, int n, size_t elements, int gz)
{
	struct blob b = make_idx(dims, n, elements);
	(gz ? write_gz : write_file)(in_folder(folder, name), b.bytes, b.size);
	free(b.bytes);
}

static void put_labels(const char *name, const char *labels, int gz)
{
	uint8_t bytes[256] = { 0, 0, 8, 1 };
	size_t n = strlen(labels);
	bytes[7] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		bytes[8 + i] = (uint8_t)(labels[i] - '0');
	(gz ? write_gz : write_file)(in_folder(folder, name), bytes, 8 + n);
}

static void expect_picture(struct dcg_source *s, uint32_t i, int w, int h, int c, const uint8_t *pixels, int label)
{
	struct dcg_picture p;
	struct dcg_error err = { 0 };
	int found, r = dcg_source_read(s, i, &p, &found, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_eq(p.width, w);
	ck_assert_int_eq(p.height, h);
	ck_assert_int_eq(p.channels, c);
	ck_assert_int_eq(found, label);
	ck_assert_int_eq(memcmp(p.pixels, pixels, (size_t)(w * h * c)), 0);
	dcg_picture_done(&p);
}

START_TEST(idx)
{
	int gz = _i & 1, colour = _i & 2;
	uint32_t dims[4] = { 6, 4, 5, 3 };
	int c = colour ? 3 : 1;
	put_idx(gz ? "d/train-images-idx3-ubyte.gz" : "d/train-images-idx3-ubyte", dims, colour ? 4 : 3, (size_t)(6 * 20 * c), gz);
	put_labels(gz ? "d/train-labels-idx1-ubyte" : "d/train-labels-idx1-ubyte.gz", "203121", !gz); /* the pair may be mixed */
	for (int by_file = 0; by_file < 2; by_file++) {
		struct dcg_source *s = open_as(!by_file ? "d/" : gz ? "d/train-images-idx3-ubyte.gz" : "d/train-images-idx3-ubyte", DCG_SOURCE_AUTO);
		const struct dcg_source_info *info = dcg_source_info(s);
		ck_assert_int_eq(info->format, DCG_SOURCE_IDX);
		ck_assert_str_eq(info->format_name, "idx");
		ck_assert_uint_eq(info->count, 6);
		ck_assert_int_eq(info->width, 5);
		ck_assert_int_eq(info->height, 4);
		ck_assert_int_eq(info->channels, c);
		ck_assert_int_eq(info->classes, 4);
		ck_assert_uint_eq(strlen(info->fingerprint), 64);
		ck_assert_str_eq(dcg_source_class_name(s, 3), "3");
		ck_assert_str_eq(dcg_source_class_name(s, 4), "");
		static const uint32_t order[] = { 0, 1, 2, 3, 4, 5, 3, 0, 5, 5, 1 };
		for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
			uint8_t pixels[60];
			for (int i = 0; i < 20 * c; i++)
				pixels[i] = (uint8_t)(order[k] * 7 + (uint32_t)i);
			expect_picture(s, order[k], 5, 4, c, pixels, "203121"[order[k]] - '0');
		}
		struct dcg_picture p;
		struct dcg_error err;
		int label;
		ck_assert_int_eq(dcg_source_read(s, 6, &p, &label, &err), DCG_EINVAL);
		dcg_source_close(s);
	}
}
END_TEST

START_TEST(idx_without_labels_and_with_known_ones)
{
	uint32_t dims[3] = { 10, 2, 2 };
	put_idx("a/train-images-idx3-ubyte", dims, 3, 40, 0);
	struct dcg_source *s = open_as("a", DCG_SOURCE_IDX);
	ck_assert_int_eq(dcg_source_info(s)->classes, 0);
	expect_picture(s, 1, 2, 2, 1, (const uint8_t[]){ 7, 8, 9, 10 }, -1);
	dcg_source_close(s);
	put_idx("fashion-mnist/train-images-idx3-ubyte", dims, 3, 40, 0);
	put_labels("fashion-mnist/train-labels-idx1-ubyte", "0123456789", 0);
	s = open_as("fashion-mnist///", DCG_SOURCE_IDX);
	ck_assert_str_eq(dcg_source_class_name(s, 0), "T-shirt/top");
	ck_assert_str_eq(dcg_source_class_name(s, 9), "Ankle boot");
	dcg_source_close(s);
	put_idx("mnist/train-images-idx3-ubyte", dims, 3, 40, 0);
	put_labels("mnist/train-labels-idx1-ubyte", "0123456789", 0);
	s = open_as("mnist", DCG_SOURCE_IDX);
	ck_assert_str_eq(dcg_source_class_name(s, 9), "9");
	dcg_source_close(s);
}
END_TEST

START_TEST(idx_that_is_wrong)
{
	uint32_t dims[4] = { 6, 4, 5, 2 };
	put_idx("short", dims, 3, 119, 0);
	expect_refused("short", DCG_SOURCE_AUTO, DCG_EFORMAT, "expected 136 bytes");
	put_idx("long", dims, 3, 121, 0);
	expect_refused("long", DCG_SOURCE_AUTO, DCG_EFORMAT, "found 137");
	put_idx("short.gz", dims, 3, 119, 1);
	expect_refused("short.gz", DCG_SOURCE_AUTO, DCG_EFORMAT, "expected 136 bytes");
	put_idx("long.gz", dims, 3, 121, 1);
	expect_refused("long.gz", DCG_SOURCE_AUTO, DCG_EFORMAT, "found at least 137");
	put_idx("four", dims, 4, 240, 0);
	expect_refused("four", DCG_SOURCE_AUTO, DCG_EFORMAT, "4 dimensions");
	put_idx("one", dims, 1, 6, 0);
	expect_refused("one", DCG_SOURCE_AUTO, DCG_EFORMAT, "1 dimensions");
	uint32_t none[3] = { 0, 4, 5 }, flat[3] = { 6, 0, 5 }, huge[3] = { UINT32_MAX, UINT32_MAX, UINT32_MAX }, wide[3] = { 1, 40000, 1 };
	put_idx("none", none, 3, 0, 0);
	expect_refused("none", DCG_SOURCE_IDX, DCG_EFORMAT, "pictures, found 0");
	put_idx("flat", flat, 3, 0, 0);
	expect_refused("flat", DCG_SOURCE_IDX, DCG_EFORMAT, "empty");
	put_idx("huge", huge, 3, 100, 0);
	expect_refused("huge", DCG_SOURCE_IDX, DCG_EFORMAT, "4294967295");
	put_idx("wide", wide, 3, 40000, 0);
	expect_refused("wide", DCG_SOURCE_IDX, DCG_EUNSUPPORTED, "40000");
	write_file(in_folder(folder, "float"), "\0\0\x0d\3\0\0\0\1\0\0\0\1\0\0\0\1....", 20);
	expect_refused("float", DCG_SOURCE_IDX, DCG_EFORMAT, "0d");
	write_file(in_folder(folder, "cut"), "\0\0\x08\3\0\0\0\1\0\0", 10);
	expect_refused("cut", DCG_SOURCE_IDX, DCG_EFORMAT, "ends early");
	write_file(in_folder(folder, "empty"), "", 0);
	expect_refused("empty", DCG_SOURCE_IDX, DCG_EFORMAT, "ends early");
	expect_refused("missing", DCG_SOURCE_AUTO, DCG_ENOENT, "missing");
	mkdir(in_folder(folder, "nothing"), 0700);
	expect_refused("nothing", DCG_SOURCE_IDX, DCG_ENOENT, "train-images");

	put_idx("l/train-images-idx3-ubyte", dims, 3, 120, 0);
	put_labels("l/train-labels-idx1-ubyte", "12345", 0);
	expect_refused("l", DCG_SOURCE_AUTO, DCG_EFORMAT, "expected 6 labels, as many as pictures, found 5");
	write_file(in_folder(folder, "l/train-labels-idx1-ubyte"), "\0\0\x08\1\0\0\0\6\1\2\3\4\5", 13);
	expect_refused("l", DCG_SOURCE_AUTO, DCG_EFORMAT, "train-labels-idx1-ubyte: the file ends early");
	write_file(in_folder(folder, "l/train-labels-idx1-ubyte"), "\0\0\x08\1\0\0\0\6\1\2\3\4\5\6\7", 15);
	expect_refused("l", DCG_SOURCE_AUTO, DCG_EFORMAT, "after the last label");
}
END_TEST

/* Damage inside a gzip'd file is found while, or at the latest after, its pictures are
 * read in order; what is before it stays readable. */
START_TEST(idx_damaged_inside)
{
	enum { COUNT = 8000 }; /* more than zlib unpacks at once */
	static const char *const what[] = { "noise in the middle", "a bit of a stored byte", "the checksum" };
	uint32_t dims[3] = { COUNT, 8, 8 };
	struct blob b = make_idx(dims, 3, COUNT * 64);
	struct dcg_rng rng;
	struct dcg_error err = { 0 };
	struct dcg_picture p;
	int label, r = 0;
	uint32_t i = 0;
	dcg_rng_init(&rng, 5, 0);
	for (size_t k = 16; k < b.size; k++)
		b.bytes[k] = (uint8_t)dcg_rng_below(&rng, 256); /* so that gzip stores it as it is */
	write_gz(in_folder(folder, "x.gz"), b.bytes, b.size);
	FILE *f = fopen(in_folder(folder, "x.gz"), "r+b");
	fseek(f, _i == 2 ? -8 : 300000, _i == 2 ? SEEK_END : SEEK_SET);
	int byte = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(byte ^ 1, f);
	if (_i == 0) {
		uint8_t noise[4000];
		for (int k = 0; k < 4000; k++)
			noise[k] = (uint8_t)(k * 7);
		fseek(f, 300000, SEEK_SET);
		ck_assert_uint_eq(fwrite(noise, 1, sizeof noise, f), sizeof noise);
	}
	fclose(f);
	struct dcg_source *s;
	r = dcg_source_open(&s, in_folder(folder, "x.gz"), DCG_SOURCE_IDX, &err);
	ck_assert_msg(r == 0, "%s: %s", what[_i], err.text);
	for (; i < COUNT && r == 0; i++)
		if ((r = dcg_source_read(s, i, &p, &label, &err)) == 0)
			dcg_picture_done(&p);
	ck_assert_msg(r == DCG_EIO, "%s: %d after %u pictures", what[_i], r, i);
	ck_assert_ptr_nonnull(strstr(err.text, "x.gz: picture"));
	ck_assert_uint_gt(i, 1000);
	expect_picture(s, 0, 8, 8, 1, b.bytes + 16, -1);
	ck_assert_int_eq(dcg_source_read(s, COUNT - 1, &p, &label, &err), DCG_EIO);
	dcg_source_close(s);
	free(b.bytes);
}
END_TEST

/* Members one after another, as some parallel compressors write them. */
START_TEST(idx_in_two_gzip_members)
{
	uint32_t dims[3] = { 6, 4, 5 };
	struct blob b = make_idx(dims, 3, 120);
	write_gz(in_folder(folder, "1"), b.bytes, 50);
	write_gz(in_folder(folder, "2"), b.bytes + 50, b.size - 50);
	char command[1024];
	snprintf(command, sizeof command, "cat '%s' '%s' > '%s'", in_folder(folder, "1"), in_folder(folder, "2"), in_folder(folder, "both.gz"));
	ck_assert_int_eq(system(command), 0);
	struct dcg_source *s = open_as("both.gz", DCG_SOURCE_AUTO);
	for (uint32_t i = 0; i < 6; i++)
		expect_picture(s, i, 5, 4, 1, b.bytes + 16 + 20 * i, -1);
	dcg_source_close(s);
	free(b.bytes);
}
END_TEST

START_TEST(idx_mutations_never_crash)
{
	uint32_t dims[3] = { 6, 4, 5 };
	struct dcg_rng rng;
	struct dcg_error err;
	uint8_t images[512], labels[512] = "\0\0\x08\1\0\0\0\6\1\2\3\4\5\6";
	struct blob b = make_idx(dims, 3, 120);
	size_t size = b.size, label_size = 14;
	int refused = 0;
	if (_i) { /* packed: take what gzip wrote */
		write_gz(in_folder(folder, "packed"), b.bytes, b.size);
		FILE *f = fopen(in_folder(folder, "packed"), "rb");
		size = fread(images, 1, sizeof images, f);
		fclose(f);
	} else {
		memcpy(images, b.bytes, size);
	}
	dcg_rng_init(&rng, 11, (uint64_t)_i);
	for (int m = 0; m < 400; m++) {
		uint8_t *at = m % 4 ? &images[dcg_rng_below(&rng, _i ? (uint32_t)size : 24)] : &labels[dcg_rng_below(&rng, (uint32_t)label_size)], was = *at;
		*at = m % 3 ? (uint8_t)dcg_rng_below(&rng, 256) : (uint8_t)(was ^ 1 << dcg_rng_below(&rng, 8));
		write_file(in_folder(folder, "m/train-images-idx3-ubyte"), images, size);
		write_file(in_folder(folder, "m/train-labels-idx1-ubyte"), labels, label_size);
		struct dcg_source *s;
		int label, r = dcg_source_open(&s, in_folder(folder, "m"), DCG_SOURCE_AUTO, &err);
		refused += r != 0;
		for (uint32_t i = 0; r == 0 && i < dcg_source_info(s)->count; i++) {
			struct dcg_picture p;
			if (dcg_source_read(s, i, &p, &label, &err) == 0) {
				ck_assert(label >= 0 && label < dcg_source_info(s)->classes);
				dcg_picture_done(&p);
			}
		}
		if (r == 0)
			dcg_source_close(s);
		*at = was;
	}
	ck_assert_int_gt(refused, 100);
	free(b.bytes);
}
END_TEST

/* Records whose planes are 1 + k, 101 + k, 201 + k but for a ramp at the start of each. */
static void put_cifar(const char *name, int records, int first, int fine, int label)
{
	size_t each = (size_t)(3073 + fine);
	uint8_t *bytes = calloc((size_t)records, each);
	for (int k = 0; k < records; k++) {
		uint8_t *r = bytes + (size_t)k * each;
		if (fine)
			r[0] = 19;
		r[fine] = (uint8_t)(label + k);
		for (int i = 0; i < 3072; i++)
			r[1 + fine + i] = (uint8_t)(1 + first + k + 100 * (i / 1024) + (i % 1024 < 4 ? i % 1024 * 10 : 0));
	}
	write_file(in_folder(folder, name), bytes, (size_t)records * each);
	free(bytes);
}

static void expect_cifar(struct dcg_source *s, uint32_t i, int label)
{
	uint8_t pixels[3072];
	for (int q = 0; q < 1024; q++)
		for (int c = 0; c < 3; c++)
			pixels[3 * q + c] = (uint8_t)(1 + i + 100 * (uint32_t)c + (q < 4 ? (uint32_t)q * 10 : 0));
	expect_picture(s, i, 32, 32, 3, pixels, label);
}

START_TEST(cifar10)
{
	static const char meta[] = "airplane\nautomobile\nbird\r\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
	put_cifar("c/data_batch_2.bin", 3, 2, 0, 5);
	put_cifar("c/data_batch_1.bin", 2, 0, 0, 0);
	put_cifar("c/test_batch.bin", 4, 0, 0, 3);
	struct dcg_source *s = open_as("c", DCG_SOURCE_AUTO);
	ck_assert_int_eq(dcg_source_info(s)->format, DCG_SOURCE_CIFAR10);
	ck_assert_uint_eq(dcg_source_info(s)->count, 5);
	ck_assert_int_eq(dcg_source_info(s)->classes, 10);
	ck_assert_str_eq(dcg_source_class_name(s, 9), "9");
	char before[65];
	strcpy(before, dcg_source_info(s)->fingerprint);
	for (int k = 4; k >= 0; k--)
		expect_cifar(s, (uint32_t)k, k < 2 ? k : k + 3);
	dcg_source_close(s);
	write_file(in_folder(folder, "c/batches.meta.txt"), meta, sizeof meta - 1);
	s = open_as("c/", DCG_SOURCE_CIFAR10);
	ck_assert_str_eq(dcg_source_class_name(s, 2), "bird");
	ck_assert_str_eq(dcg_source_class_name(s, 9), "truck");
	ck_assert_str_ne(dcg_source_info(s)->fingerprint, before);
	dcg_source_close(s);
	s = open_as("c/test_batch.bin", DCG_SOURCE_AUTO);
	ck_assert_int_eq(dcg_source_info(s)->format, DCG_SOURCE_CIFAR10);
	ck_assert_uint_eq(dcg_source_info(s)->count, 4);
	expect_cifar(s, 3, 6);
	dcg_source_close(s);
}
END_TEST

START_TEST(cifar100)
{
	char names[100 * 10] = "";
	for (int i = 0; i < 100; i++)
		sprintf(names + strlen(names), "thing%d\n", i);
	put_cifar("c/train.bin", 5, 0, 1, 93);
	put_cifar("c/test.bin", 1, 0, 1, 0);
	write_file(in_folder(folder, "c/fine_label_names.txt"), names, strlen(names));
	struct dcg_source *s = open_as("c", DCG_SOURCE_AUTO);
	ck_assert_int_eq(dcg_source_info(s)->format, DCG_SOURCE_CIFAR100);
	ck_assert_str_eq(dcg_source_info(s)->format_name, "cifar100");
	ck_assert_uint_eq(dcg_source_info(s)->count, 5);
	ck_assert_int_eq(dcg_source_info(s)->classes, 100);
	ck_assert_str_eq(dcg_source_class_name(s, 97), "thing97");
	for (uint32_t i = 0; i < 5; i++)
		expect_cifar(s, i, 93 + (int)i);
	dcg_source_close(s);
	s = open_as("c/test.bin", DCG_SOURCE_AUTO);
	ck_assert_int_eq(dcg_source_info(s)->format, DCG_SOURCE_CIFAR100);
	dcg_source_close(s);
}
END_TEST

START_TEST(cifar_that_is_wrong)
{
	struct dcg_picture p;
	struct dcg_error err = { 0 };
	int label;
	put_cifar("label.bin", 3, 0, 0, 8); /* 8 9 10 */
	struct dcg_source *s = open_as("label.bin", DCG_SOURCE_AUTO);
	ck_assert_int_eq(dcg_source_read(s, 2, &p, &label, &err), DCG_EFORMAT);
	ck_assert_str_eq(err.text, "label.bin: record 2: expected a label below 10, found 10");
	expect_cifar(s, 1, 9);
	ck_assert_int_eq(truncate(in_folder(folder, "label.bin"), 3073 + 100), 0); /* shrinks while open */
	ck_assert_int_eq(dcg_source_read(s, 1, &p, &label, &err), DCG_EFORMAT);
	expect_cifar(s, 0, 8);
	dcg_source_close(s);
	expect_refused("label.bin", DCG_SOURCE_CIFAR10, DCG_EFORMAT, "3173");
	expect_refused("label.bin", DCG_SOURCE_AUTO, DCG_EFORMAT, "label.bin");
	write_file(in_folder(folder, "c/data_batch_1.bin"), "", 0);
	expect_refused("c", DCG_SOURCE_AUTO, DCG_EFORMAT, "data_batch_1.bin");
	expect_refused("c", DCG_SOURCE_CIFAR100, DCG_ENOENT, "train.bin");
	expect_refused("c", (enum dcg_source_format)77, DCG_EINVAL, "77");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *t = tcase_create("source");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, idx, 0, 4);
	tcase_add_test(t, idx_without_labels_and_with_known_ones);
	tcase_add_test(t, idx_that_is_wrong);
	tcase_add_loop_test(t, idx_damaged_inside, 0, 3);
	tcase_add_test(t, idx_in_two_gzip_members);
	tcase_add_loop_test(t, idx_mutations_never_crash, 0, 2);
	tcase_add_test(t, cifar10);
	tcase_add_test(t, cifar100);
	tcase_add_test(t, cifar_that_is_wrong);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
