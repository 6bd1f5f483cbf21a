/* The reader of safetensors believes nothing. */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/train/fixture.h"
#include "train/safetensors.h"

/* A file with this header and so many bytes of arrays. */
static const char *make_file(const char *json, uint64_t header_size, size_t data_size)
{
	struct dcg_error err;
	const char *path = fixture_path("x.safetensors");
	size_t n = strlen(json);
	unsigned char *bytes = calloc(1, 8 + n + data_size);
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(header_size >> 8 * i);
	memcpy(bytes + 8, json, n);
	for (size_t i = 0; i < data_size; i++)
		bytes[8 + n + i] = (unsigned char)i;
	ck_assert_msg(!dcg_file_write_atomic(path, bytes, 8 + n + data_size, &err), "%s", err.text);
	free(bytes);
	return path;
}

static int open_json(const char *json, size_t data_size, struct dcg_safetensors **ret, struct dcg_error *err)
{
	return dcg_safetensors_open(ret, make_file(json, strlen(json), data_size), err);
}

#define A(shape, offsets) "\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define B(shape, offsets) "\"b\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

START_TEST(well_formed_files_are_read)
{
	struct dcg_safetensors *s;
	struct dcg_error err;
	float v[6];
	int64_t n;
	ck_assert_msg(!open_json("{\"__metadata__\":{\"k\":\"v\",\"l\":\"\"}," B("[2,3]", "[8,32]") ","
		"\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
		"\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[8,8]}}   ", 32, &s, &err), "%s", err.text);
	ck_assert_uint_eq(dcg_safetensors_count(s), 3);
	ck_assert_str_eq(dcg_safetensors_at(s, 0)->name, "a");
	ck_assert_str_eq(dcg_safetensors_at(s, 2)->name, "e");
	ck_assert_str_eq(dcg_safetensors_metadata(s, "k"), "v");
	ck_assert_ptr_null(dcg_safetensors_metadata(s, "K"));
	ck_assert_ptr_null(dcg_safetensors_find(s, "c"));
	const struct dcg_safetensor *t = dcg_safetensors_find(s, "b");
	ck_assert_int_eq(t->dims, 2);
	ck_assert_int_eq(t->dim[1], 3);
	ck_assert_int_eq(dcg_safetensors_read(s, t, v, &err), 0);
	ck_assert_int_eq(((unsigned char *)v)[23], 31);
	ck_assert_int_eq(dcg_safetensors_read(s, dcg_safetensors_find(s, "a"), &n, &err), 0);
	ck_assert_int_eq(n, INT64_C(0x0706050403020100));
	ck_assert_int_eq(dcg_safetensors_read(s, dcg_safetensors_find(s, "e"), v, &err), 0);
	dcg_safetensors_close(s);
	ck_assert_int_eq(open_json("{}", 0, &s, &err), 0); /* nothing is something */
	dcg_safetensors_close(s);
}
END_TEST

static const struct {
	const char *json;
	size_t data;
	int code;
	const char *text;
} bad[] = {
	{ "", 0, DCG_EFORMAT, "not a JSON object" },
	{ "[]", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{\"1\":1,", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{\"1", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{\"1\":", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{\"1\":nul", 0, DCG_EFORMAT, "not a JSON object" },
	{ "{}x", 0, DCG_EFORMAT, "follows the header" },
	{ "{" A("[1]", "[0,4]") "}", 3, DCG_EFORMAT, "not within the file's 3 bytes" },
	{ "{" A("[1]", "[0,4]") "}", 5, DCG_EFORMAT, "take 4 bytes, the file has 5" },
	{ "{" A("[1]", "[4,8]") "}", 8, DCG_EFORMAT, "there is a hole" },
	{ "{" A("[1]", "[0,4]") "," B("[1]", "[8,12]") "}", 12, DCG_EFORMAT, "b begins at byte 8 of the arrays, expected 4 (there is a hole)" },
	{ "{" A("[2]", "[0,8]") "," B("[1]", "[4,8]") "}", 8, DCG_EFORMAT, "they overlap" },
	{ "{" A("[1]", "[0,4]") "," B("[1]", "[0,4]") "}", 4, DCG_EFORMAT, "they overlap" },
	{ "{" A("[1]", "[0,4]") "," A("[1]", "[4,8]") "}", 8, DCG_EFORMAT, "a is given twice" },
	{ "{" A("[2]", "[0,4]") "}", 4, DCG_EFORMAT, "takes 8 bytes, its data_offsets give it 4" },
	{ "{" A("[0]", "[0,4]") "}", 4, DCG_EFORMAT, "takes 0 bytes" },
	{ "{" A("[1]", "[4,0]") "}", 4, DCG_EFORMAT, "data_offsets 4 to 0" },
	{ "{" A("[1]", "[-4,0]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "[0,4,8]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "[0]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "[0.5,4.5]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "[0,1e30]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "[0,18446744073709551620]") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[1]", "{\"x\":0,\"y\":4}") "}", 4, DCG_EFORMAT, "not two positions" },
	{ "{" A("[-1]", "[0,4]") "}", 4, DCG_EFORMAT, "dimension 0" },
	{ "{" A("[1.5]", "[0,4]") "}", 4, DCG_EFORMAT, "dimension 0" },
	{ "{" A("[1,\"1\"]", "[0,4]") "}", 4, DCG_EFORMAT, "dimension 1" },
	{ "{" A("[4294967296,4294967296]", "[0,0]") "}", 0, DCG_EFORMAT, "more elements than can be counted" },
	{ "{" A("[2147483648,2147483648,1]", "[0,0]") "}", 0, DCG_EFORMAT, "more elements than can be counted" },
	{ "{" A("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, DCG_EUNSUPPORTED, "more than 8 dimensions" },
	{ "{" A("4", "[0,4]") "}", 4, DCG_EFORMAT, "not a list" },
	{ "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, DCG_EUNSUPPORTED, "its dtype is F16" },
	{ "{\"a\":{\"dtype\":\"F\\n\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "its dtype is no name" },
	{ "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "its dtype is not a text" },
	{ "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "its dtype is not a text" },
	{ "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "its shape is not a list" },
	{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, DCG_EFORMAT, "not two positions" },
	{ "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "given twice" },
	{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, DCG_EFORMAT, "unknown name" },
	{ "{\"a\":[0,4]}", 4, DCG_EFORMAT, "expected an object" },
	{ "{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "the name of array 0" },
	{ "{\"a\\u0007\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, DCG_EFORMAT, "the name of array 0" },
	{ "{\"__metadata__\":1}", 0, DCG_EFORMAT, "not an object" },
	{ "{\"__metadata__\":{\"a\":1}}", 0, DCG_EFORMAT, "not a text" },
	{ "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, DCG_EFORMAT, "gives a text twice" },
	{ "{\"__metadata__\":{},\"__metadata__\":{}}", 0, DCG_EFORMAT, "__metadata__ is given twice" },
};

START_TEST(malformed_headers_are_refused)
{
	struct dcg_safetensors *s = (void *)&bad;
	struct dcg_error err = { 0 };
	ck_assert_int_eq(open_json(bad[_i].json, bad[_i].data, &s, &err), bad[_i].code);
	ck_assert_msg(strstr(err.text, bad[_i].text) != NULL, "%s: %s", bad[_i].json, err.text);
	ck_assert_msg(strstr(err.text, "x.safetensors: ") != NULL, "%s", err.text);
	ck_assert_ptr_eq(s, (void *)&bad); /* untouched */
}
END_TEST

static int open_sized(uint64_t header_size, const char *json, struct dcg_error *err)
{
	struct dcg_safetensors *s;
	return dcg_safetensors_open(&s, make_file(json, header_size, 0), err);
}

START_TEST(header_lengths_are_believed_only_within_the_file)
{
	static const uint64_t sizes[] = { 3, 1 << 20, (1 << 20) + 1, INT64_MAX, UINT64_MAX - 7, UINT64_MAX };
	struct dcg_error err;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		ck_assert_int_eq(open_sized(sizes[i], "{}", &err), DCG_EFORMAT);
	ck_assert_int_eq(open_sized(1, "{}", &err), DCG_EFORMAT); /* "{", and "}" as an array */
	for (size_t n = 0; n < 8; n++) {
		struct dcg_safetensors *s;
		ck_assert_int_eq(dcg_file_write_atomic(fixture_path("short"), "\0\0\0\0\0\0\0", n, &err), 0);
		ck_assert_int_eq(dcg_safetensors_open(&s, fixture_path("short"), &err), DCG_EFORMAT);
	}
}
END_TEST

START_TEST(deep_and_wide_json_is_refused)
{
	enum { DEEP = 200000 };
	struct dcg_safetensors *s;
	struct dcg_error err;
	char *json = malloc(DEEP + 16);
	memcpy(json, "{\"a\":", 5);
	memset(json + 5, '[', DEEP);
	json[5 + DEEP] = '\0';
	ck_assert_int_eq(open_json(json, 0, &s, &err), DCG_EFORMAT);
	free(json);
	char name[DCG_SAFETENSORS_NAME + 64], head[DCG_SAFETENSORS_NAME + 1];
	for (int n = DCG_SAFETENSORS_NAME - 1; n <= DCG_SAFETENSORS_NAME; n++) {
		memset(head, 'n', (size_t)n);
		head[n] = '\0';
		snprintf(name, sizeof name, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", head);
		int r = open_json(name, 4, &s, &err);
		ck_assert_int_eq(r, n < DCG_SAFETENSORS_NAME ? 0 : DCG_EFORMAT);
		if (!r)
			dcg_safetensors_close(s);
	}
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	struct dcg_safetensors *s;
	struct dcg_error err;
	ck_assert_int_eq(dcg_safetensors_open(&s, fixture_path("none"), &err), DCG_ENOENT);
	ck_assert_int_lt(dcg_safetensors_open(&s, fixture_folder(), &err), 0);
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	ck_assert_int_eq(dcg_safetensors_open(&s, fixture_path("fifo"), &err), DCG_EINVAL); /* does not hang */
}
END_TEST

START_TEST(a_file_cut_short_while_open_is_an_error)
{
	struct dcg_safetensors *s;
	struct dcg_error err;
	float v[4];
	const char *json = "{" A("[4]", "[0,16]") "}";
	const char *path = make_file(json, strlen(json), 16);
	ck_assert_int_eq(dcg_safetensors_open(&s, path, &err), 0);
	ck_assert_int_eq(truncate(path, (off_t)(8 + strlen(json) + 8)), 0);
	ck_assert_int_eq(dcg_safetensors_read(s, dcg_safetensors_at(s, 0), v, &err), DCG_EFORMAT);
	ck_assert_msg(strstr(err.text, "8 more expected") != NULL, "%s", err.text);
	dcg_safetensors_close(s);
}
END_TEST

START_TEST(headers_written_are_aligned_and_read_back)
{
	struct dcg_safetensor t[] = {
		{ .name = "n", .dtype = DCG_DTYPE_I64 },
		{ .name = "w", .dtype = DCG_DTYPE_F32, .dims = 2, .dim = { 3, 5 } },
	};
	struct dcg_safetensors *s;
	struct dcg_error err;
	for (int pad = 0; pad < 9; pad++) {
		char text[16] = "";
		memset(text, 'x', (size_t)pad);
		const char *const metadata[] = { "quote\"d", "line\n", "k", text, NULL };
		char *bytes;
		size_t size;
		ck_assert_int_eq(dcg_safetensors_header(t, 2, metadata, &bytes, &size, &err), 0);
		ck_assert_uint_eq(size % 8, 0);
		ck_assert_uint_eq(t[1].offset, 8);
		ck_assert_uint_eq(t[1].size, 60);
		bytes = realloc(bytes, size + 68);
		memset(bytes + size, 0, 68);
		ck_assert_int_eq(dcg_file_write_atomic(fixture_path("w"), bytes, size + 68, &err), 0);
		free(bytes);
		ck_assert_msg(!dcg_safetensors_open(&s, fixture_path("w"), &err), "%s", err.text);
		ck_assert_str_eq(dcg_safetensors_metadata(s, "quote\"d"), "line\n");
		ck_assert_str_eq(dcg_safetensors_metadata(s, "k"), text);
		ck_assert_int_eq(dcg_safetensors_find(s, "w")->dim[1], 5);
		dcg_safetensors_close(s);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("safetensors");
	TCase *c = tcase_create("safetensors");
	tcase_add_test(c, well_formed_files_are_read);
	tcase_add_loop_test(c, malformed_headers_are_refused, 0, (int)(sizeof bad / sizeof *bad));
	tcase_add_test(c, header_lengths_are_believed_only_within_the_file);
	tcase_add_test(c, deep_and_wide_json_is_refused);
	tcase_add_test(c, what_is_no_file_is_refused);
	tcase_add_test(c, a_file_cut_short_while_open_is_an_error);
	tcase_add_test(c, headers_written_are_aligned_and_read_back);
	suite_add_tcase(s, c);
	return tap_run(s);
}
