kernel_test_fixture = tests/kernel/fixture.c tests/kernel/fixture.h
kernel_tests = tests/kernel/test_backend tests/kernel/test_ref tests/kernel/test_tables
check_PROGRAMS += $(kernel_tests)
TESTS += $(kernel_tests)

tests_kernel_test_backend_SOURCES = tests/kernel/test_backend.c $(kernel_test_fixture)
tests_kernel_test_backend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_backend_LDADD = $(test_ldadd)
tests_kernel_test_ref_SOURCES = tests/kernel/test_ref.c $(kernel_test_fixture)
tests_kernel_test_ref_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_ref_LDADD = $(test_ldadd)
tests_kernel_test_tables_SOURCES = tests/kernel/test_tables.c $(kernel_test_fixture)
tests_kernel_test_tables_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_tables_LDADD = $(test_ldadd)
