# The service from outside: a daemon a program, on a free port of 127.0.0.1.
api_tests = \
	tests/api/test_announced.py tests/api/test_bodies.py tests/api/test_conditions.py tests/api/test_crowd.py tests/api/test_events.py \
	tests/api/test_hostile.py tests/api/test_http.py \
	tests/api/test_lifecycle.py tests/api/test_metrics.py tests/api/test_room.py tests/api/test_routes.py \
	tests/api/test_schemathesis.py tests/api/test_start.py tests/api/test_tokens.py tests/api/test_unix.py
EXTRA_DIST += tests/api/dcgand.py tests/api/pypi.py tests/api/schemathesis.txt $(api_tests)
if HAVE_CHECK
check_PROGRAMS += tests/api/test_peers tests/api/test_text
TESTS += tests/api/test_peers tests/api/test_text
tests_api_test_peers_SOURCES = tests/api/test_peers.c
tests_api_test_peers_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(CJSON_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_api_test_peers_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la $(test_ldadd) $(MICROHTTPD_LIBS) $(CJSON_LIBS)
tests_api_test_text_SOURCES = tests/api/test_text.c
tests_api_test_text_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_api_test_text_LDADD = libdcgapi.la $(test_ldadd)
endif
if HAVE_PYTHON
TESTS += $(api_tests)
endif
