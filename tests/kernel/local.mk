kernel_test_fixture = tests/kernel/fixture.c tests/kernel/fixture.h
kernel_tests = tests/kernel/test_backend tests/kernel/test_pending tests/kernel/test_ref tests/kernel/test_tables
check_PROGRAMS += $(kernel_tests)
TESTS += $(kernel_tests)

tests_kernel_test_backend_SOURCES = tests/kernel/test_backend.c $(kernel_test_fixture)
tests_kernel_test_backend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_backend_LDADD = $(test_ldadd)
tests_kernel_test_pending_SOURCES = tests/kernel/test_pending.c $(kernel_test_fixture)
tests_kernel_test_pending_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_pending_LDADD = $(test_ldadd)
tests_kernel_test_ref_SOURCES = tests/kernel/test_ref.c $(kernel_test_fixture)
tests_kernel_test_ref_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_ref_LDADD = $(test_ldadd)
tests_kernel_test_tables_SOURCES = tests/kernel/test_tables.c $(kernel_test_fixture)
tests_kernel_test_tables_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_tables_LDADD = $(test_ldadd)

# Convolutions on tiles: in plain C everywhere; tiles alone in plain C, where the processor has what the rest
# needs; and with the processor's where it has them.
if X86
check_PROGRAMS += tests/kernel/test_amx_plain
TESTS += tests/kernel/test_amx_plain
tests_kernel_test_amx_plain_SOURCES = tests/kernel/test_amx.c tests/kernel/tile_turn.inc.h $(kernel_test_fixture) core/kernel/amx/amx.c $(AMX_FILES)
tests_kernel_test_amx_plain_CPPFLAGS = $(AM_CPPFLAGS) -DDCG_TILES_PLAIN -DDCG_SIDES_PLAIN
tests_kernel_test_amx_plain_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_amx_plain_LDADD = $(test_ldadd)
check_PROGRAMS += tests/kernel/test_amx_sides
check_LTLIBRARIES += tests/kernel/libamx-sides.la
TESTS += tests/kernel/test_amx_sides
tests_kernel_libamx_sides_la_SOURCES = core/kernel/amx/amx.c $(AMX_FILES)
tests_kernel_libamx_sides_la_CPPFLAGS = $(AM_CPPFLAGS) -DDCG_TILES_PLAIN
tests_kernel_libamx_sides_la_CFLAGS = $(SIMD_CFLAGS) $(AVX512_CFLAGS) -mavx512bf16
tests_kernel_test_amx_sides_SOURCES = tests/kernel/test_amx.c tests/kernel/tile_turn.inc.h $(kernel_test_fixture)
tests_kernel_test_amx_sides_CPPFLAGS = $(AM_CPPFLAGS) -DDCG_TILES_PLAIN -DTEST_SIDES
tests_kernel_test_amx_sides_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_amx_sides_LDADD = tests/kernel/libamx-sides.la $(test_ldadd)
if AMX
check_PROGRAMS += tests/kernel/test_amx
TESTS += tests/kernel/test_amx tests/kernel/test_amx_code.sh
tests_kernel_test_amx_SOURCES = tests/kernel/test_amx.c tests/kernel/tile_turn.c tests/kernel/tile_turn.inc.h $(kernel_test_fixture)
tests_kernel_test_amx_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_HARDWARE
tests_kernel_test_amx_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_kernel_test_amx_LDADD = $(test_ldadd)
endif
endif
EXTRA_DIST += tests/kernel/test_amx_code.sh
