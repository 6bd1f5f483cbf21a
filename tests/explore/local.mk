check_PROGRAMS += tests/explore/test_swd
TESTS += tests/explore/test_swd
tests_explore_test_swd_SOURCES = tests/explore/test_swd.c
tests_explore_test_swd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_explore_test_swd_LDADD = $(test_ldadd)
EXTRA_DIST += tests/explore/swd_reference.py
