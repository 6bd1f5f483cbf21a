noinst_LTLIBRARIES += libdcgjobs.la
libdcgjobs_la_SOURCES = \
	jobs/act.c jobs/datasets.c jobs/edit.c jobs/files.c jobs/generate.c jobs/jobs.c jobs/json.c jobs/memory.c jobs/params.c jobs/prepare.c \
	jobs/record.c jobs/recover.c jobs/retain.c jobs/room.c jobs/roots.c jobs/state.c jobs/submit.c jobs/text.c jobs/worker.c \
	jobs/jobs.h jobs/params.h jobs/private.h
libdcgjobs_la_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS)
libdcgjobs_la_LIBADD = libdcgstore.la libdcgan-core.la $(CJSON_LIBS) $(PTHREAD_LIBS)
