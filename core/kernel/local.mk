libdcgan_core_la_SOURCES += core/kernel/kernel.c core/kernel/plain.c core/kernel/plain.h \
	core/kernel/ref.c core/kernel/ref.h core/kernel/ref_layers.c core/kernel/table.c core/kernel/table.h
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

if X86
noinst_LTLIBRARIES += libdcgan-avx2.la libdcgan-avx512.la libdcgan-avx512-bf16.la
SIMD_FILES = core/kernel/simd/backward.inc.h core/kernel/simd/choose.inc.h \
	core/kernel/simd/dot.inc.h core/kernel/simd/forward.inc.h \
	core/kernel/simd/gemm.inc.h core/kernel/simd/gradient.inc.h core/kernel/simd/layers.inc.h \
	core/kernel/simd/pack.inc.h \
	core/kernel/simd/passes.inc.h core/kernel/simd/pending.inc.h core/kernel/simd/product.inc.h \
	core/kernel/simd/projection.inc.h \
	core/kernel/simd/rows.inc.h core/kernel/simd/simd.h core/kernel/simd/table.inc.h \
	core/kernel/simd/thin.inc.h core/kernel/simd/thin_backward.inc.h \
	core/kernel/simd/thin_gradient.inc.h core/kernel/simd/vec.h core/kernel/simd/wino.inc.h \
	core/kernel/simd/wino3.inc.h core/kernel/simd/wino_2d.inc.h core/kernel/simd/wino_code.inc.h
SIMD_CFLAGS = $(AM_CFLAGS) $(OPENBLAS_CFLAGS) $(VECTOR_CFLAGS)
libdcgan_avx2_la_SOURCES = core/kernel/simd/avx2.c $(SIMD_FILES)
libdcgan_avx2_la_CFLAGS = $(SIMD_CFLAGS) -mavx2 -mfma
libdcgan_avx512_la_SOURCES = core/kernel/simd/avx512.c $(SIMD_FILES)
libdcgan_avx512_la_CFLAGS = $(SIMD_CFLAGS) $(AVX512_CFLAGS)
libdcgan_avx512_bf16_la_SOURCES = core/kernel/simd/avx512_bf16.c $(SIMD_FILES)
libdcgan_avx512_bf16_la_CFLAGS = $(SIMD_CFLAGS) $(AVX512_CFLAGS) -mavx512bf16
libdcgan_core_la_SOURCES += core/kernel/simd/simd.c core/kernel/simd/tensors.c
libdcgan_core_la_LIBADD += libdcgan-avx2.la libdcgan-avx512.la libdcgan-avx512-bf16.la
if AMX
noinst_LTLIBRARIES += libdcgan-amx.la
libdcgan_amx_la_SOURCES = core/kernel/amx/amx.c $(AMX_FILES)
libdcgan_amx_la_CFLAGS = $(SIMD_CFLAGS) $(AVX512_CFLAGS) -mavx512bf16 $(AMX_CFLAGS)
libdcgan_core_la_LIBADD += libdcgan-amx.la
endif
endif
AMX_FILES = core/kernel/amx/gradient.inc.h core/kernel/amx/product.inc.h core/kernel/amx/sides.inc.h core/kernel/amx/tiles.h
