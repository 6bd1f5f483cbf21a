libdcgan_core_la_SOURCES += core/kernel/kernel.c core/kernel/ref.c core/kernel/ref.h \
	core/kernel/ref_layers.c core/kernel/table.c core/kernel/table.h
dcgankernelinclude_HEADERS = core/kernel/kernel.h

# One convenience library for each instruction set, with its own flags. openblas's loops
# over elements rely on the compiler to make vector code of them; no target flags.
noinst_LTLIBRARIES += libdcgan-openblas.la
libdcgan_openblas_la_SOURCES = core/kernel/openblas.c core/kernel/openblas.h \
	core/kernel/openblas_activations.c core/kernel/openblas_conv.c core/kernel/openblas_norms.c \
	core/kernel/openblas_params.c core/kernel/openblas_pictures.c core/kernel/openblas_slope.h \
	core/kernel/openblas_thin.c
libdcgan_openblas_la_CFLAGS = $(AM_CFLAGS) $(OPENBLAS_CFLAGS) $(VECTOR_CFLAGS)
libdcgan_core_la_LIBADD += libdcgan-openblas.la
