libdcgan_core_la_SOURCES += core/nn/arch.c core/nn/gan.c core/nn/net.c
dcgannninclude_HEADERS = core/nn/arch.h core/nn/gan.h core/nn/net.h
