# The whole daemon from outside, as its users meet it.
EXTRA_DIST += tests/system/dcgand.py tests/system/test_example.sh tests/system/test_faces.sh tests/system/test_kill.py \
	tests/system/test_manual.sh tests/system/test_plot.py tests/system/test_quickstart.py tests/system/test_readme.py
TESTS += tests/system/test_example.sh tests/system/test_faces.sh tests/system/test_manual.sh
if HAVE_PYTHON
TESTS += tests/system/test_kill.py tests/system/test_plot.py tests/system/test_quickstart.py tests/system/test_readme.py
endif
# What ./quickstart leaves in a build folder.
DISTCLEANFILES += make.log
