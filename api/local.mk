# The HTTP service: a convenience library for the daemon.
noinst_LTLIBRARIES += libdcgapi.la
libdcgapi_la_SOURCES = \
	api/access.c api/access.h api/api.h api/body.c api/cookies.c api/cookies.h api/failures.c api/failures.h api/guard.c api/handlers.h api/listen.c api/negotiate.c api/openapi.c \
	api/pages.c api/pages.h api/peer.c api/reply.c api/reply.h api/reply_file.c api/request.c \
	api/request.h api/router.c api/routes.c api/routes_daemon.c api/routes_datasets.c \
	api/routes_files.c api/routes_generate.c api/routes_jobs.c api/routes_metrics.c \
	api/routes_prometheus.c api/routes_session.c api/schemas.c api/schemas.h api/self.c api/server.c api/server.h \
	api/sse.c api/text.c api/text.h api/tokens.c api/tokens.h api/traffic.c api/traffic.h api/worker.c
nodist_libdcgapi_la_SOURCES = api/pages_data.c
libdcgapi_la_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) $(CJSON_CFLAGS)
libdcgapi_la_LIBADD = libdcgan-core.la $(MICROHTTPD_LIBS) $(CJSON_LIBS) $(PTHREAD_LIBS)

# The page is built into the program, so that the program works from anywhere.
EXTRA_DIST += api/embed.sh
CLEANFILES += api/pages_data.c
api/pages_data.c: $(web_files) api/embed.sh $(CHARTJS)
	$(AM_V_GEN)$(MKDIR_P) api && $(SHELL) $(srcdir)/api/embed.sh $(web_files:%=$(srcdir)/%) \
		chart.js=$(CHARTJS) > $@.tmp && mv $@.tmp $@
