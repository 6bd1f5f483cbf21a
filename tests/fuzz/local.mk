# Fuzz targets: each runs its seeds and some changed inputs as a test; "make fuzz" goes on for longer.
fuzz_driver = tests/fuzz/driver.c tests/fuzz/fuzz.h tests/fuzz/mutate.c tests/fuzz/mutate.h tests/fuzz/support.c
fuzz_pictures = tests/data/images.c tests/data/images.h
fuzz_cflags = $(AM_CFLAGS) $(JPEG_CFLAGS) $(PNG_CFLAGS) $(WEBP_CFLAGS) $(ZLIB_CFLAGS)
fuzz_ldadd = libdcgan-core.la $(JPEG_LIBS) $(PNG_LIBS) $(WEBP_LIBS) $(ZLIB_LIBS)
fuzz_checkpoint = tests/fuzz/checkpoint.c tests/fuzz/checkpoint.h
fuzz_targets = tests/fuzz/fuzz_checkpoint tests/fuzz/fuzz_picture tests/fuzz/fuzz_prepared tests/fuzz/fuzz_source

tests_fuzz_fuzz_checkpoint_SOURCES = tests/fuzz/fuzz_checkpoint.c $(fuzz_checkpoint) $(fuzz_driver)
tests_fuzz_fuzz_checkpoint_LDADD = libdcgan-core.la
tests_fuzz_fuzz_picture_SOURCES = tests/fuzz/fuzz_picture.c $(fuzz_driver) $(fuzz_pictures)
tests_fuzz_fuzz_picture_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_picture_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_prepared_SOURCES = tests/fuzz/fuzz_prepared.c $(fuzz_driver)
tests_fuzz_fuzz_prepared_LDADD = libdcgan-core.la $(ZLIB_LIBS)
tests_fuzz_fuzz_source_SOURCES = tests/fuzz/fuzz_source.c $(fuzz_driver) $(fuzz_pictures)
tests_fuzz_fuzz_source_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_source_LDADD = $(fuzz_ldadd)

if DAEMON
fuzz_targets += tests/fuzz/fuzz_config tests/fuzz/fuzz_request tests/fuzz/fuzz_tokens
tests_fuzz_fuzz_tokens_SOURCES = tests/fuzz/fuzz_tokens.c $(fuzz_driver)
tests_fuzz_fuzz_tokens_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la libdcgan-core.la
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(fuzz_driver) \
	daemon/config.c daemon/describe.c daemon/options.c daemon/options.h daemon/table.c daemon/table.h
tests_fuzz_fuzz_config_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS) $(INIH_CFLAGS)
tests_fuzz_fuzz_config_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la libdcgan-core.la $(INIH_LIBS)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(fuzz_checkpoint) $(fuzz_driver)
tests_fuzz_fuzz_request_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_fuzz_fuzz_request_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=MHD_create_response_from_buffer \
	-Wl,--wrap=MHD_create_response_from_buffer_with_free_callback -Wl,--wrap=MHD_create_response_from_fd_at_offset64
tests_fuzz_fuzz_request_LDADD = libdcgapi.la libdcgjobs.la libdcgstore.la libdcgan-core.la $(MICROHTTPD_LIBS) $(CJSON_LIBS)
endif

check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus

# In a build of its own, with sanitizers and (gcc) coverage to go by.
fuzz-targets: $(fuzz_targets)
fuzz:
	$(SHELL) $(top_srcdir)/tests/fuzz/run '$(abs_top_srcdir)' '$(abs_top_builddir)/fuzz' '$(FUZZ_TARGET)' '$(FUZZ_SECONDS)'
.PHONY: fuzz fuzz-targets
