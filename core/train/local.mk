libdcgan_core_la_SOURCES += core/train/params.c core/train/params_json.c
dcgantraininclude_HEADERS = core/train/params.h core/train/params_json.h core/train/checkpoint.h \
	core/train/sampler.h core/train/trainer.h
