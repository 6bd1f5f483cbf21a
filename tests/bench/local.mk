if HAVE_PYTHON
TESTS += tests/bench/test_instructions.py tests/bench/test_measuring.py
endif
EXTRA_DIST += tests/bench/test_instructions.py tests/bench/test_measuring.py tests/bench/instructions.json
