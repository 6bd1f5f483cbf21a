/* Data sets: what may be registered, and what becomes of it. */
#include "tests/jobs/world.h"

static struct world w;

static void setup(void)
{
	char path[512];
	world_make(&w);
	/* Outside the root, and links to it from the inside. */
	snprintf(path, sizeof path, "%s/outside", w.folder);
	ok(dcg_file_make_folder(path, &err));
	write_idx(path, PICTURES, SIDE);
	char link[600];
	snprintf(link, sizeof link, "%s/escape", w.data);
	ck_assert_int_eq(symlink(path, link), 0);
	snprintf(link, sizeof link, "%s/escape-relative", w.data);
	ck_assert_int_eq(symlink("../outside", link), 0);
	snprintf(link, sizeof link, "%s/alias", w.data);
	ck_assert_int_eq(symlink("tiny", link), 0);
	world_open(&w);
}

static void teardown(void)
{
	world_done(&w);
}

static int register_path(const char *name, const char *path)
{
	char text[700];
	snprintf(text, sizeof text, "{\"name\":\"%s\",\"path\":\"%s\"}", name, path);
	return post_dataset(&w, text);
}

START_TEST(test_registered)
{
	struct dcg_dataset_row row;
	char path[512];
	ok(dcg_store_dataset_get(dcg_jobs_store(w.jobs), "tiny", &row, &err));
	ck_assert_int_eq(row.count, PICTURES);
	ck_assert_int_eq(row.width, SIDE);
	ck_assert_int_eq(row.height, SIDE);
	ck_assert_int_eq(row.channels, 1);
	ck_assert_int_eq(row.builtin, 0);
	ck_assert_str_eq(row.format, "idx");
	cJSON *o = dcg_jobs_dataset_json(w.jobs, &row, 1);
	ck_assert_str_eq(json_text(o, "name"), "tiny");
	ck_assert_str_eq(json_text(o, "preview"), "/datasets/tiny/preview.png");
	ck_assert_double_eq(json_number(o, "classes"), row.classes);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "class_names")), row.classes);
	char *text = cJSON_PrintUnformatted(o);
	ck_assert_msg(strstr(text, w.folder) == NULL, "a path of the server: %s", text);
	free(text);
	cJSON_Delete(o);
	dcg_dataset_row_done(&row);
	/* Absolute below the root, by a link that stays inside, a file alone. */
	snprintf(path, sizeof path, "%s/tiny", w.data);
	ck_assert_int_eq(register_path("absolute", path), 0);
	ck_assert_int_eq(register_path("by-link", "alias"), 0);
	ck_assert_int_eq(register_path("file", "tiny/train-images-idx3-ubyte"), 0);
	ck_assert_int_eq(register_path("tiny", "tiny"), DCG_ESTATE);
	ck_assert_int_eq(inv.code, DCG_ESTATE);
}
END_TEST

START_TEST(test_outside)
{
	char path[512];
	snprintf(path, sizeof path, "%s/outside", w.folder);
	const char *const paths[] = { path, "../outside", "tiny/../../outside", "escape", "escape-relative", "escape/train-images-idx3-ubyte",
		"/etc", "/", "..", "/proc/self/cwd", "/proc/1/root" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		ck_assert_msg(register_path("x", paths[i]) == DCG_EACCESS, "%s: %s", paths[i], dcg_errname(inv.code));
		ck_assert_int_eq(inv.code, DCG_EACCESS);
		ck_assert_msg(strstr(inv.text, w.folder) == NULL, "a path of the server: %s", inv.text);
	}
	/* A neighbour whose name begins as the root's. */
	snprintf(path, sizeof path, "%s-more", w.data);
	ok(dcg_file_make_folder(path, &err));
	write_idx(path, PICTURES, SIDE);
	ck_assert_int_eq(register_path("x", path), DCG_EACCESS);
	struct dcg_dataset_row row;
	fails(dcg_store_dataset_get(dcg_jobs_store(w.jobs), "x", &row, &err), DCG_ENOENT);
}
END_TEST

/* What was inside when it was registered, and is a link out of it now. */
START_TEST(test_swapped)
{
	char path[512];
	uint8_t *png;
	size_t size;
	ck_assert_int_eq(register_path("b", "tiny"), 0);
	snprintf(path, sizeof path, "%s/tiny", w.data);
	char moved[600];
	snprintf(moved, sizeof moved, "%s/moved", w.data);
	ck_assert_int_eq(rename(path, moved), 0);
	fails(dcg_jobs_dataset_preview(w.jobs, "b", &png, &size, &err), DCG_ESTATE);
	ck_assert_int_eq(err.code, DCG_ESTATE);
	ck_assert_int_eq(symlink("../outside", path), 0);
	fails(dcg_jobs_dataset_preview(w.jobs, "b", &png, &size, &err), DCG_ESTATE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("moved", path), 0);
	fails(dcg_jobs_dataset_preview(w.jobs, "b", &png, &size, &err), DCG_ESTATE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rename(moved, path), 0);
	ok(dcg_jobs_dataset_preview(w.jobs, "b", &png, &size, &err));
	free(png);
}
END_TEST

START_TEST(test_refused)
{
	static const struct { const char *body, *pointer; } tries[] = {
		{ "{\"path\":\"tiny\"}", "/name" }, { "{\"name\":\"x\"}", "/path" }, { "{\"name\":\"\",\"path\":\"tiny\"}", "/name" },
		{ "{\"name\":\"X\",\"path\":\"tiny\"}", "/name" }, { "{\"name\":\".x\",\"path\":\"tiny\"}", "/name" },
		{ "{\"name\":\"a/b\",\"path\":\"tiny\"}", "/name" }, { "{\"name\":5,\"path\":\"tiny\"}", "/name" },
		{ "{\"name\":\"x\",\"path\":\"\"}", "/path" }, { "{\"name\":\"x\",\"path\":[]}", "/path" },
		{ "{\"name\":\"x\",\"path\":\"nothing\"}", "/path" }, { "{\"name\":\"x\",\"path\":\"tiny/train-labels-idx1-ubyte\"}", "/path" },
		{ "{\"name\":\"x\",\"path\":\"tiny\",\"format\":\"zip\"}", "/format" }, { "{\"name\":\"x\",\"path\":\"tiny\",\"format\":\"cifar10\"}", "/path" },
		{ "{\"name\":\"x\",\"path\":\"tiny\",\"builtin\":true}", "/builtin" },
	};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		ck_assert_msg(post_dataset(&w, tries[i].body) == DCG_EINVAL, "%s: %s", tries[i].body, dcg_errname(inv.code));
		ck_assert_msg(inv.count == 1 && strcmp(inv.field[0].pointer, tries[i].pointer) == 0, "%s: %d faults, first at %s", tries[i].body,
			inv.count, inv.field[0].pointer);
		ck_assert_msg(strstr(inv.field[0].detail, w.folder) == NULL, "a path of the server: %s", inv.field[0].detail);
	}
	ck_assert_int_eq(post_dataset(&w, "[]"), DCG_EINVAL);
}
END_TEST

START_TEST(test_preview)
{
	uint8_t *png;
	size_t size;
	struct dcg_picture p;
	ok(dcg_jobs_dataset_preview(w.jobs, "tiny", &png, &size, &err));
	ck_assert_uint_gt(size, 100);
	ck_assert_int_eq(memcmp(png, "\x89PNG\r\n\x1a\n", 8), 0);
	ok(dcg_picture_decode(&p, png, size, &err));
	ck_assert_int_eq(p.width, 8 * SIDE + 7 * 2);
	ck_assert_int_eq(p.height, 8 * SIDE + 7 * 2);
	dcg_picture_done(&p);
	free(png);
	fails(dcg_jobs_dataset_preview(w.jobs, "nothing", &png, &size, &err), DCG_ENOENT);
}
END_TEST

START_TEST(test_delete)
{
	char path[512], other[512];
	snprintf(path, sizeof path, "%s/datasets/tiny-16-1.data", w.state);
	snprintf(other, sizeof other, "%s/datasets/tiny-2-16-1.data", w.state);
	ck_assert_int_eq(register_path("tiny-2", "tiny"), 0);
	ok(dcg_jobs_start(w.jobs, &err));
	wait_state(&w, submit(&w, "{" TINY ",\"epochs\":1}"), DCG_JOB_SUCCEEDED);
	wait_state(&w, submit(&w, "{\"size\":16,\"ngf\":2,\"ndf\":2,\"batch_size\":8,\"epochs\":1,\"dataset\":\"tiny-2\"}"), DCG_JOB_SUCCEEDED);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(access(other, F_OK), 0);
	int64_t id = submit(&w, "{" TINY ",\"epochs\":100000}");
	fails(dcg_jobs_dataset_delete(w.jobs, "tiny", &err), DCG_ESTATE);
	says("uses it");
	ok(dcg_jobs_act(w.jobs, id, DCG_ACTION_CANCEL, 0, &err));
	wait_state(&w, id, DCG_JOB_CANCELLED);
	ok(dcg_jobs_dataset_delete(w.jobs, "tiny", &err));
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(access(other, F_OK), 0);
	fails(dcg_jobs_dataset_delete(w.jobs, "tiny", &err), DCG_ENOENT);
	ck_assert_int_eq(post_job(&w, "{" TINY "}", &id), DCG_EINVAL);
	snprintf(path, sizeof path, "%s/tiny/train-images-idx3-ubyte", w.data);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* Only where Debian's package is; nothing is lost where it is not. */
START_TEST(test_builtin)
{
	struct dcg_dataset_row row;
	int there = access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", R_OK) == 0;
	int r = dcg_store_dataset_get(dcg_jobs_store(w.jobs), "fashion-mnist", &row, &err);
	ck_assert_int_eq(r, there ? 0 : DCG_ENOENT);
	if (!there)
		return;
	ck_assert_int_eq(row.builtin, 1);
	ck_assert_int_eq(row.count, 60000);
	ck_assert_int_eq(row.width, 28);
	ck_assert_int_eq(row.classes, 10);
	dcg_dataset_row_done(&row);
	fails(dcg_jobs_dataset_delete(w.jobs, "fashion-mnist", &err), DCG_ESTATE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("data sets");
	TCase *t = tcase_create("all");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_registered);
	tcase_add_test(t, test_outside);
	tcase_add_test(t, test_swapped);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_preview);
	tcase_add_test(t, test_delete);
	tcase_add_test(t, test_builtin);
	suite_add_tcase(s, t);
	return tap_run(s);
}
