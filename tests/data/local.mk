data_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JPEG_CFLAGS) $(PNG_CFLAGS) $(WEBP_CFLAGS) $(ZLIB_CFLAGS)
data_test_ldadd = $(test_ldadd) $(JPEG_LIBS) $(PNG_LIBS) $(WEBP_LIBS) $(ZLIB_LIBS)
data_test_helpers = tests/data/images.c tests/data/images.h

check_PROGRAMS += tests/data/test_dataset
TESTS += tests/data/test_dataset
tests_data_test_dataset_SOURCES = tests/data/test_dataset.c $(data_test_helpers)
tests_data_test_dataset_CFLAGS = $(data_test_cflags)
tests_data_test_dataset_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_decode
TESTS += tests/data/test_decode
tests_data_test_decode_SOURCES = tests/data/test_decode.c $(data_test_helpers)
tests_data_test_decode_CFLAGS = $(data_test_cflags)
tests_data_test_decode_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_fashion_mnist
TESTS += tests/data/test_fashion_mnist
tests_data_test_fashion_mnist_SOURCES = tests/data/test_fashion_mnist.c $(data_test_helpers)
tests_data_test_fashion_mnist_CFLAGS = $(data_test_cflags)
tests_data_test_fashion_mnist_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_fit
TESTS += tests/data/test_fit
tests_data_test_fit_SOURCES = tests/data/test_fit.c $(data_test_helpers)
tests_data_test_fit_CFLAGS = $(data_test_cflags)
tests_data_test_fit_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_folder
TESTS += tests/data/test_folder
tests_data_test_folder_SOURCES = tests/data/test_folder.c $(data_test_helpers)
tests_data_test_folder_CFLAGS = $(data_test_cflags)
tests_data_test_folder_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_hostile
TESTS += tests/data/test_hostile
tests_data_test_hostile_SOURCES = tests/data/test_hostile.c $(data_test_helpers)
tests_data_test_hostile_CFLAGS = $(data_test_cflags)
tests_data_test_hostile_LDADD = $(data_test_ldadd)

check_PROGRAMS += tests/data/test_source
TESTS += tests/data/test_source
tests_data_test_source_SOURCES = tests/data/test_source.c $(data_test_helpers)
tests_data_test_source_CFLAGS = $(data_test_cflags)
tests_data_test_source_LDADD = $(data_test_ldadd)
