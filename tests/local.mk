# Tests mirror the tree. Each prints TAP: C programs through tests/tap.h (Debian's check),
# the others by themselves.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	PYTHON='$(PYTHON)' CC='$(CC)' PYTHONDONTWRITEBYTECODE=1; \
	export top_srcdir top_builddir PYTHON CC PYTHONDONTWRITEBYTECODE;
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
include tests/web/local.mk
include tests/system/local.mk
endif
include tests/bench/local.mk
include tests/layers/local.mk

# For ./check: what there is to run, and the C programs alone (under sanitizers the
# service's tests would test the same code again, slowly).
unit_tests = $(filter $(check_PROGRAMS),$(TESTS))
list-tests:
	@printf '%s\n' $(TESTS)
list-unit-tests:
	@printf '%s\n' $(unit_tests)
check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(unit_tests)'
.PHONY: list-tests list-unit-tests check-unit
