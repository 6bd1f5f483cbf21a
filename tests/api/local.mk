# The service from outside: a daemon a program, on a free port of 127.0.0.1.
api_tests = \
	tests/api/test_crowd.py tests/api/test_events.py tests/api/test_hostile.py tests/api/test_http.py \
	tests/api/test_lifecycle.py tests/api/test_metrics.py tests/api/test_room.py tests/api/test_routes.py \
	tests/api/test_schemathesis.py tests/api/test_start.py tests/api/test_tokens.py tests/api/test_unix.py
EXTRA_DIST += tests/api/dcgand.py tests/api/pypi.py tests/api/schemathesis.txt $(api_tests)
if HAVE_PYTHON
TESTS += $(api_tests)
endif
