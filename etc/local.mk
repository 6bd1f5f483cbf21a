# The configuration, as the program prints it. One that was edited stays: the new one is put beside it.
EXTRA_DIST += etc/dcgand.conf
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)"
	@conf="$(DESTDIR)$(sysconfdir)/dcgand.conf"; new="$$conf"; \
	if test -f "$$conf" && ! cmp -s "$(srcdir)/etc/dcgand.conf" "$$conf"; then \
		new="$$conf.new"; echo "$$conf was edited and stays; the new one is $$new"; \
	fi; \
	$(INSTALL_DATA) "$(srcdir)/etc/dcgand.conf" "$$new"
uninstall-local:
	@conf="$(DESTDIR)$(sysconfdir)/dcgand.conf"; rm -f "$$conf.new"; \
	if cmp -s "$(srcdir)/etc/dcgand.conf" "$$conf"; then rm -f "$$conf"; fi
