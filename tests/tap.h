/* main() of a unit test program: runs a check Suite and prints TAP, a line a test. */
#ifndef DCG_TESTS_TAP_H
#define DCG_TESTS_TAP_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static inline int tap_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Where the sources are, for test data: $top_srcdir when run by make check. */
static inline const char *tap_source_folder(void)
{
	const char *s = getenv("top_srcdir");
	return s ? s : ".";
}

#endif
