# Tests mirror the tree. Each prints TAP: C programs through tests/tap.h (Debian's check),
# the others by themselves.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	PYTHON='$(PYTHON)' CC='$(CC)' PYTHONDONTWRITEBYTECODE=1 CK_DEFAULT_TIMEOUT=60; \
	export top_srcdir top_builddir PYTHON CC PYTHONDONTWRITEBYTECODE CK_DEFAULT_TIMEOUT;
TEST_EXTENSIONS = .py .sh
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON)
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
test_ldadd = libdcgan-core.la $(CHECK_LIBS)
EXTRA_DIST += tests/tap.h

if HAVE_CHECK
include tests/base/local.mk
include tests/kernel/local.mk
include tests/nn/local.mk
include tests/data/local.mk
include tests/explore/local.mk
include tests/train/local.mk
if DAEMON
include tests/store/local.mk
include tests/jobs/local.mk
endif
endif
if DAEMON
include tests/api/local.mk
include tests/daemon/local.mk
include tests/faults/local.mk
include tests/web/local.mk
include tests/system/local.mk
endif
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/layers/local.mk

# For ./check: what there is to run. Under the address and undefined-behaviour sanitizers that
# is the C programs and, of the service's tests, those that say something there and do not
# take long; under the thread sanitizer these alone, without the programs.
unit_tests = $(filter $(check_PROGRAMS),$(TESTS))
service_tests = $(filter tests/api/test_crowd.py tests/api/test_hostile.py tests/api/test_routes.py,$(TESTS))
list-tests:
	@printf '%s\n' $(TESTS)
list-sanitized-tests:
	@printf '%s\n' $(unit_tests) $(service_tests)
list-service-tests:
	@printf '%s\n' $(service_tests)
check-sanitized:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(unit_tests) $(service_tests)'
check-service:
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(service_tests)' check_PROGRAMS= check_LTLIBRARIES=
.PHONY: list-tests list-sanitized-tests list-service-tests check-sanitized check-service
