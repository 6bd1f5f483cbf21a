# Speed, against ceilings and a peer: built by "make bench", which runs bench/run, and for a test.
check_PROGRAMS += bench/dcgan-bench
bench_dcgan_bench_SOURCES = bench/bench.c bench/bench.h bench/ceilings.c bench/count.c bench/layers.c bench/step.c
bench_dcgan_bench_LDADD =
if X86
check_LTLIBRARIES += bench/libamx-loads.la
bench_libamx_loads_la_SOURCES = core/kernel/amx/amx.c $(AMX_FILES)
bench_libamx_loads_la_CPPFLAGS = $(AM_CPPFLAGS) -DDCG_TILES_LOADS
bench_libamx_loads_la_CFLAGS = $(SIMD_CFLAGS) $(AVX512_CFLAGS) -mavx512bf16
bench_dcgan_bench_LDADD += bench/libamx-loads.la
endif
bench_dcgan_bench_LDADD += libdcgan-core.la
CLEANFILES += bench/dcgan-bench
EXTRA_DIST += bench/bars bench/measure.py bench/peer.py bench/run bench/scale bench/service bench/README.md

bench: bench/dcgan-bench
	$(PYTHON) $(top_srcdir)/bench/run --program bench/dcgan-bench $(BENCH_ARGS)
bench-bars: bench/dcgan-bench
	$(PYTHON) $(top_srcdir)/bench/bars --program bench/dcgan-bench $(BENCH_ARGS)
if DAEMON
bench-service: dcgand bench/dcgan-bench
	$(PYTHON) $(top_srcdir)/bench/service --program ./dcgand --bench-program bench/dcgan-bench $(BENCH_ARGS)
endif
.PHONY: bench bench-bars bench-service
