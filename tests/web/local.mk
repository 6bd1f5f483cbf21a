# The page in headless Chromium against the daemon; one skip line where there is no Chromium.
if HAVE_PYTHON
TESTS += tests/web/test_page.py tests/web/test_login.py tests/web/test_charts.py tests/web/test_access.py
endif
EXTRA_DIST += tests/web/test_page.py tests/web/test_login.py tests/web/test_charts.py tests/web/test_access.py \
	tests/web/scene.py tests/web/webdriver.py tests/web/npm.py
