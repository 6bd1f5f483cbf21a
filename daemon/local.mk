# The daemon: everything it is made of is in convenience libraries.
bin_PROGRAMS += dcgand
dcgand_SOURCES = \
	daemon/config.c daemon/describe.c daemon/files.c daemon/files.h daemon/log.c daemon/log.h daemon/main.c daemon/notify.c daemon/notify.h \
	daemon/options.c daemon/options.h daemon/serve.c daemon/serve.h daemon/signals.c daemon/signals.h \
	daemon/table.c daemon/table.h daemon/watchdog.c daemon/watchdog.h
dcgand_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS) $(INIH_CFLAGS)
dcgand_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la libdcgan-core.la $(INIH_LIBS)
