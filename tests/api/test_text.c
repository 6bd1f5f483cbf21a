/* Numbers as text, against printf's. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/text.h"
#include "tests/tap.h"

static void same_float(float v)
{
	struct dcg_text t = { 0 };
	char expected[40];
	snprintf(expected, sizeof expected, "%.9g", (double)v);
	dcg_text_float(&t, v);
	ck_assert_str_eq(t.data, expected);
	dcg_text_done(&t);
}

START_TEST(floats_are_as_printf_writes_them)
{
	static const float some[] = { 0, 1, 0.5f, 0.1f, 1e-4f, 9.9999e-5f, 0.00099999997f, 0.69314718f, 2.f / 3, 99999.9922f, 1e8f, 999999936, 1e9f, 4294967296.f,
		3.4028235e38f, 1e-45f, 123456.789f };
	for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
		same_float(some[i]);
		if (some[i] != 0)
			same_float(-some[i]);
	}
	/* All orders of magnitude, and all patterns of the last bits. */
	for (uint32_t bits = 1; bits < 0x7f800000; bits += 16381) {
		float v;
		memcpy(&v, &bits, sizeof v);
		same_float(v);
	}
}
END_TEST

START_TEST(whole_numbers_are_as_printf_writes_them)
{
	static const int64_t some[] = { 0, 1, 9, 10, -1, -10, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 1000000, 999999999999 };
	for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
		struct dcg_text t = { 0 };
		char expected[40];
		snprintf(expected, sizeof expected, "%" PRId64, some[i]);
		dcg_text_whole(&t, some[i]);
		ck_assert_str_eq(t.data, expected);
		dcg_text_done(&t);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *t = tcase_create("text");
	tcase_add_test(t, floats_are_as_printf_writes_them);
	tcase_add_test(t, whole_numbers_are_as_printf_writes_them);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
