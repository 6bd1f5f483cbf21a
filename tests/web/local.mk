# The page in headless Chromium against the daemon; one skip line where there is no Chromium.
if HAVE_PYTHON
TESTS += tests/web/test_login.py tests/web/test_page.py
endif
EXTRA_DIST += tests/web/test_login.py tests/web/test_page.py tests/web/webdriver.py
