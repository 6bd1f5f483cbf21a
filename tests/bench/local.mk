if HAVE_PYTHON
TESTS += tests/bench/test_instructions.py
endif
EXTRA_DIST += tests/bench/test_instructions.py tests/bench/instructions.json
