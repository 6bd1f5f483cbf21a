libdcgan_core_la_SOURCES += \
	core/base/error.c core/base/file.c core/base/memory.c core/base/pool.c core/base/rng.c \
	core/base/secret.c core/base/sha256.c
dcganbaseinclude_HEADERS = \
	core/base/error.h core/base/file.h core/base/memory.h core/base/pool.h core/base/rng.h \
	core/base/secret.h core/base/sha256.h
