libdcgan_core_la_SOURCES +=
dcgandatainclude_HEADERS = core/data/picture.h core/data/source.h core/data/dataset.h
