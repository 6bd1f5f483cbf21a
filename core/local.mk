# libdcgan. Everything is compiled once, into a convenience library that the
# installed library, the daemon and the tests share.
noinst_LTLIBRARIES += libdcgan-core.la
libdcgan_core_la_SOURCES =
libdcgan_core_la_CFLAGS = $(AM_CFLAGS) $(OPENBLAS_CFLAGS) $(CJSON_CFLAGS) $(JPEG_CFLAGS) \
	$(PNG_CFLAGS) $(WEBP_CFLAGS) $(ZLIB_CFLAGS) $(NETTLE_CFLAGS)
libdcgan_core_la_LIBADD = $(OPENBLAS_LIBS) $(CJSON_LIBS) $(JPEG_LIBS) $(PNG_LIBS) $(WEBP_LIBS) \
	$(ZLIB_LIBS) $(NETTLE_LIBS) $(PTHREAD_LIBS)

lib_LTLIBRARIES += libdcgan.la
libdcgan_la_SOURCES =
libdcgan_la_LIBADD = libdcgan-core.la
libdcgan_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -export-symbols-regex '^dcg_'

pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = core/libdcgan.pc

# Headers keep their rooms: <prefix>/include/dcgan/base/error.h.
dcganincludedir = $(includedir)/dcgan
dcganbaseincludedir = $(dcganincludedir)/base
dcgankernelincludedir = $(dcganincludedir)/kernel
dcgannnincludedir = $(dcganincludedir)/nn
dcgandataincludedir = $(dcganincludedir)/data
dcganexploreincludedir = $(dcganincludedir)/explore
dcgantrainincludedir = $(dcganincludedir)/train
dcganinclude_HEADERS = core/dcgan.h

include core/base/local.mk
include core/kernel/local.mk
include core/nn/local.mk
include core/data/local.mk
include core/explore/local.mk
include core/train/local.mk
