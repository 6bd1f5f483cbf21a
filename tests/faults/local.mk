# The daemon when it dies, and when what it calls fails: behind a shim that comes between it and the C library.
check_LTLIBRARIES += tests/faults/shim.la
tests_faults_shim_la_SOURCES = tests/faults/shim.c tests/faults/shim.h tests/faults/shim_calls.c \
	tests/faults/shim_memory.c tests/faults/shim_sqlite.c
tests_faults_shim_la_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_faults_shim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
EXTRA_DIST += tests/faults/faults.py tests/faults/ledger.py tests/faults/test_calls.py tests/faults/test_kills.py
if HAVE_PYTHON
TESTS += tests/faults/test_calls.py tests/faults/test_kills.py
endif
