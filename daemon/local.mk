# The daemon: everything it is made of is in convenience libraries.
bin_PROGRAMS += dcgand
dcgand_SOURCES = \
	daemon/log.c daemon/log.h daemon/main.c daemon/notify.c daemon/notify.h daemon/options.c daemon/options.h
dcgand_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS)
dcgand_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la libdcgan-core.la
