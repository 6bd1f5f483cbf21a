# The store: a convenience library for the daemon and its tests.
noinst_LTLIBRARIES += libdcgstore.la
libdcgstore_la_SOURCES = \
	store/datasets.c store/events.c store/files.c store/internal.h store/jobs.c store/keys.c store/lock.c \
	store/metrics.c store/reader.c store/schema.c store/schema.h store/sql.c store/sql.h \
	store/sql_rows.c store/stats.c store/store.c store/store.h store/sweep.c store/tables.c store/transaction.c
libdcgstore_la_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
libdcgstore_la_LIBADD = libdcgan-core.la $(SQLITE_LIBS) $(PTHREAD_LIBS)
