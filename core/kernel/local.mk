libdcgan_core_la_SOURCES +=
dcgankernelinclude_HEADERS = core/kernel/kernel.h
