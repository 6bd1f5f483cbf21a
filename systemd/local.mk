# Units. The service names the program and its configuration where they are installed.
EXTRA_DIST += systemd/dcgand.service.in systemd/dcgand.socket
CLEANFILES += systemd/dcgand.service
noinst_DATA = systemd/dcgand.service
systemd/dcgand.service: $(srcdir)/systemd/dcgand.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's|@bindir[@]|$(bindir)|' -e 's|@sysconfdir[@]|$(sysconfdir)|' \
		$(srcdir)/systemd/dcgand.service.in > $@.tmp && mv $@.tmp $@
if SYSTEMD
systemdsystemunit_DATA = systemd/dcgand.service systemd/dcgand.socket
endif
