libdcgan_core_la_SOURCES +=
dcgannninclude_HEADERS = core/nn/arch.h core/nn/net.h core/nn/gan.h
