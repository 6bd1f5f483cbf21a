/* Folders of pictures: what is found, in which order, under which label, and what is not. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

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

/* A grey picture of one value, as PNG whatever its name says. */
static void put(const char *name, int value, int w, int h)
{
	struct dcg_error err;
	uint8_t *pixels = malloc((size_t)(w * h)), *bytes;
	size_t size;
	memset(pixels, value, (size_t)(w * h));
	struct dcg_picture p = { .width = w, .height = h, .channels = 1, .pixels = pixels };
	ck_assert_int_eq(dcg_picture_png(&p, &bytes, &size, &err), 0);
	write_file(in_folder(folder, name), bytes, size);
	free(bytes);
	free(pixels);
}

static struct dcg_source *open_folder(const char *name)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, in_folder(folder, name), DCG_SOURCE_AUTO, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_eq(dcg_source_info(s)->format, DCG_SOURCE_FOLDER);
	return s;
}

/* -1000 + code for an error. */
static int value_of(struct dcg_source *s, uint32_t i, int *ret_label, struct dcg_error *err)
{
	struct dcg_picture p;
	int r = dcg_source_read(s, i, &p, ret_label, err);
	if (r)
		return -1000 + r;
	int v = p.pixels[0];
	dcg_picture_done(&p);
	return v;
}

START_TEST(order_and_classes)
{
	put("d/zebra/b.JPG", 1, 3, 2);
	put("d/zebra/a/deep/x.webp", 2, 3, 2);
	put("d/ant/2.png", 3, 3, 2);
	put("d/ant/10.Jpeg", 4, 3, 2);
	put("d/ant-eater/1.PNG", 5, 3, 2); /* '-' sorts before '/' */
	put("d/top.png", 6, 3, 2);
	put("d/.hidden/x.png", 7, 3, 2);
	put("d/ant/.x.png", 7, 3, 2);
	put("d/ant/readme.txt", 7, 3, 2);
	put("d/ant/png", 7, 3, 2);
	mkdir(in_folder(folder, "d/none"), 0700);
	struct dcg_source *s = open_folder("d");
	const struct dcg_source_info *info = dcg_source_info(s);
	static const int values[] = { 5, 4, 3, 6, 2, 1 }, labels[] = { 1, 0, 0, -1, 2, 2 };
	ck_assert_uint_eq(info->count, 6);
	ck_assert_int_eq(info->width, 3);
	ck_assert_int_eq(info->height, 2);
	ck_assert_int_eq(info->channels, 1);
	ck_assert_int_eq(info->classes, 3);
	ck_assert_str_eq(dcg_source_class_name(s, 0), "ant");
	ck_assert_str_eq(dcg_source_class_name(s, 1), "ant-eater");
	ck_assert_str_eq(dcg_source_class_name(s, 2), "zebra");
	for (uint32_t i = 0; i < 6; i++) {
		struct dcg_error err;
		int label;
		ck_assert_int_eq(value_of(s, i, &label, &err), values[i]);
		ck_assert_int_eq(label, labels[i]);
	}
	dcg_source_close(s);
}
END_TEST

START_TEST(links_and_others_are_passed_over)
{
	put("d/a.png", 1, 3, 2);
	put("outside/b.png", 2, 3, 2);
	ck_assert_int_eq(symlink("../outside/b.png", in_folder(folder, "d/b.png")), 0);
	ck_assert_int_eq(symlink("../outside", in_folder(folder, "d/c")), 0);
	ck_assert_int_eq(mkfifo(in_folder(folder, "d/d.png"), 0600), 0);
	struct dcg_source *s = open_folder("d");
	ck_assert_uint_eq(dcg_source_info(s)->count, 1);
	ck_assert_int_eq(dcg_source_info(s)->classes, 0);
	dcg_source_close(s);
}
END_TEST

/* -> what opening by a path says that is taken for resolved, below the test's folder, which is. */
static int open_resolved(const char *name, struct dcg_error *err)
{
	struct dcg_source *s;
	char path[PATH_MAX + 100];
	ck_assert_ptr_nonnull(realpath(folder, path));
	strcat(strcat(path, "/"), name);
	int r = dcg_source_open_resolved(&s, path, DCG_SOURCE_AUTO, err);
	if (!r)
		dcg_source_close(s);
	return r;
}

/* Swapped for a link after it was judged: the folder itself, one above it, or one above a file. */
START_TEST(a_resolved_path_has_no_links)
{
	struct dcg_error err;
	put("outside/d/a.png", 1, 3, 2);
	put("in/d/a.png", 2, 3, 2);
	ck_assert_int_eq(open_resolved("in/d", &err), 0);
	ck_assert_int_eq(symlink("../outside/d", in_folder(folder, "in/e")), 0);
	ck_assert_int_eq(symlink("outside", in_folder(folder, "to")), 0);
	dcg_source_close(open_folder("in/e"));
	dcg_source_close(open_folder("to/d"));
	static const char *const links[] = { "in/e", "in/e/", "to/d", "to/d/a.png" };
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		ck_assert_int_eq(open_resolved(links[i], &err), DCG_EACCESS);
		ck_assert_ptr_nonnull(strstr(err.text, ": symbolic links are not followed"));
	}
}
END_TEST

/* Swapped for something else between listing and reading: never followed, never waited for. */
START_TEST(nothing_outside_is_reached_later)
{
	struct dcg_error err;
	int label;
	put("d/a/x.png", 1, 3, 2);
	put("d/b/x.png", 2, 3, 2);
	put("d/c/x.png", 3, 3, 2);
	put("d/e/x.png", 4, 3, 2);
	put("outside/x.png", 99, 3, 2);
	struct dcg_source *s = open_folder("d");
	rename(in_folder(folder, "d/a"), in_folder(folder, "old"));
	ck_assert_int_eq(symlink("../outside", in_folder(folder, "d/a")), 0);
	unlink(in_folder(folder, "d/b/x.png"));
	ck_assert_int_eq(symlink("../../outside/x.png", in_folder(folder, "d/b/x.png")), 0);
	unlink(in_folder(folder, "d/c/x.png"));
	ck_assert_int_eq(mkfifo(in_folder(folder, "d/c/x.png"), 0600), 0);
	unlink(in_folder(folder, "d/e/x.png"));
	int r = value_of(s, 0, &label, &err);
	ck_assert(r == -1000 + DCG_EACCESS || r == -1000 + DCG_ENOENT);
	ck_assert_int_eq(value_of(s, 1, &label, &err), -1000 + DCG_EACCESS);
	ck_assert_str_eq(err.text, "b/x.png: symbolic links are not followed");
	ck_assert_int_eq(value_of(s, 2, &label, &err), -1000 + DCG_EACCESS);
	ck_assert_int_eq(value_of(s, 3, &label, &err), -1000 + DCG_ENOENT);
	dcg_source_close(s);
}
END_TEST

START_TEST(broken_pictures_are_named)
{
	struct dcg_error err;
	int label;
	write_file(in_folder(folder, "d/a/1.png"), "not a picture", 13);
	write_file(in_folder(folder, "d/a/\xff\xc3\n.jpg"), "", 0);
	put("d/b/2.png", 50, 7, 9);
	struct dcg_source *s = open_folder("d");
	ck_assert_int_eq(dcg_source_info(s)->width, 7); /* of the first that can be read */
	ck_assert_int_eq(dcg_source_info(s)->height, 9);
	ck_assert_int_eq(value_of(s, 0, &label, &err), -1000 + DCG_EFORMAT);
	ck_assert_str_eq(err.text, "a/1.png: neither JPEG nor PNG nor WebP");
	ck_assert_int_eq(value_of(s, 1, &label, &err), -1000 + DCG_EFORMAT);
	ck_assert_str_eq(err.text, "a/\?\?\?.jpg: neither JPEG nor PNG nor WebP");
	ck_assert_int_eq(value_of(s, 2, &label, &err), 50);
	ck_assert_int_eq(label, 1);
	dcg_source_close(s);
}
END_TEST

static void expect_refused(const char *name, int code, const char *word)
{
	struct dcg_source *s;
	struct dcg_error err = { 0 };
	int r = dcg_source_open(&s, in_folder(folder, name), DCG_SOURCE_FOLDER, &err);
	ck_assert_msg(r == code, "expected %d, found %d: %s", code, r, err.text);
	ck_assert_msg(strstr(err.text, word) && !strstr(err.text, folder), "%s", err.text);
}

START_TEST(folders_that_are_none)
{
	mkdir(in_folder(folder, "empty"), 0700);
	expect_refused("empty", DCG_ENOENT, "empty: no ");
	write_file(in_folder(folder, "broken/x.png"), "", 0);
	write_file(in_folder(folder, "broken/y.png"), "", 0);
	expect_refused("broken", DCG_EFORMAT, "broken: none of its 2 pictures can be read: x.png: neither");
	write_file(in_folder(folder, "file.png"), "", 0);
	expect_refused("file.png", DCG_EFORMAT, "file.png");
	expect_refused("absent", DCG_ENOENT, "absent");
	char deep[200] = "deep";
	for (int i = 0; i < 40; i++)
		strcat(deep, "/d");
	strcat(deep, "/x.png");
	put(deep, 1, 2, 2);
	expect_refused("deep", DCG_EUNSUPPORTED, "deep");
}
END_TEST

START_TEST(more_folders_than_classes)
{
	for (int i = 0; i <= DCG_MAX_CLASSES; i++) {
		char name[64];
		snprintf(name, sizeof name, "d/%d/x.png", i);
		put(name, 1, 1, 1);
	}
	struct dcg_source *s = open_folder("d");
	struct dcg_error err;
	int label;
	ck_assert_uint_eq(dcg_source_info(s)->count, DCG_MAX_CLASSES + 1);
	ck_assert_int_eq(dcg_source_info(s)->classes, 0);
	ck_assert_int_eq(value_of(s, 5, &label, &err), 1);
	ck_assert_int_eq(label, -1);
	dcg_source_close(s);
	unlink(in_folder(folder, "d/0/x.png"));
	s = open_folder("d");
	ck_assert_int_eq(dcg_source_info(s)->classes, DCG_MAX_CLASSES);
	dcg_source_close(s);
}
END_TEST

START_TEST(fingerprint_follows_the_files)
{
	char prints[5][65];
	put("d/a.png", 1, 3, 2);
	put("d/b.png", 2, 3, 2);
	for (int k = 0; k < 5; k++) {
		if (k == 2)
			put("d/b.png", 2, 30, 20); /* another size */
		if (k == 3)
			rename(in_folder(folder, "d/b.png"), in_folder(folder, "d/c.png"));
		if (k == 4) {
			struct timespec times[2] = { { .tv_sec = 1000, .tv_nsec = 1 }, { .tv_sec = 1000, .tv_nsec = 1 } };
			ck_assert_int_eq(utimensat(-1, in_folder(folder, "d/a.png"), times, 0), 0);
		}
		struct dcg_source *s = open_folder("d");
		strcpy(prints[k], dcg_source_info(s)->fingerprint);
		dcg_source_close(s);
	}
	ck_assert_str_eq(prints[0], prints[1]);
	for (int k = 2; k < 5; k++)
		ck_assert_str_ne(prints[k], prints[k - 1]);
}
END_TEST

START_TEST(long_names_show_their_end)
{
	char name[300] = "d/";
	memset(name + 2, 'y', 240);
	strcpy(name + 242, "/");
	memset(name + 243, 'x', 40);
	strcpy(name + 283, ".png");
	put("d/a.png", 1, 1, 1);
	write_file(in_folder(folder, name), "", 0);
	struct dcg_source *s = open_folder("d");
	struct dcg_error err;
	int label;
	ck_assert_int_eq(value_of(s, 1, &label, &err), -1000 + DCG_EFORMAT);
	ck_assert_int_eq(strncmp(err.text, "...yyy", 6), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "x.png: neither"));
	ck_assert_uint_lt(strlen(dcg_source_class_name(s, 0)), DCG_CLASS_NAME);
	dcg_source_close(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("folder");
	TCase *t = tcase_create("folder");
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, order_and_classes);
	tcase_add_test(t, links_and_others_are_passed_over);
	tcase_add_test(t, a_resolved_path_has_no_links);
	tcase_add_test(t, nothing_outside_is_reached_later);
	tcase_add_test(t, broken_pictures_are_named);
	tcase_add_test(t, folders_that_are_none);
	tcase_add_test(t, more_folders_than_classes);
	tcase_add_test(t, fingerprint_follows_the_files);
	tcase_add_test(t, long_names_show_their_end);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
