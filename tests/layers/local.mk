EXTRA_DIST += tests/layers/test_docs.py tests/layers/test_layers.py tests/layers/test_outside.py
if HAVE_PYTHON
TESTS += tests/layers/test_docs.py tests/layers/test_layers.py tests/layers/test_outside.py
endif
