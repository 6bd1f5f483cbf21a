libdcgan_core_la_SOURCES += \
	core/data/dataset.c core/data/dataset_file.c core/data/dataset_file.h core/data/dataset_prepare.c \
	core/data/decode.h core/data/decode_jpeg.c core/data/decode_png.c core/data/decode_webp.c core/data/exif.c \
	core/data/picture.c core/data/picture_fit.c core/data/picture_png.c \
	core/data/source.c core/data/source_cifar.c core/data/source_file.c core/data/source_folder.c \
	core/data/source_idx.c core/data/source_impl.h
dcgandatainclude_HEADERS = core/data/picture.h core/data/source.h core/data/dataset.h
