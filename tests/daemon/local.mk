# Configuration, systemd's protocols, units: the program as an administrator meets it.
daemon_tests = tests/daemon/test_backup.py tests/daemon/test_config.py tests/daemon/test_full_disk.py tests/daemon/test_limits.py tests/daemon/test_notify.py \
	tests/daemon/test_proxy.py tests/daemon/test_refused.py tests/daemon/test_rules.py \
	tests/daemon/test_stop.py tests/daemon/test_units.py
EXTRA_DIST += tests/daemon/manager.py $(daemon_tests)
if HAVE_PYTHON
TESTS += $(daemon_tests)
endif
