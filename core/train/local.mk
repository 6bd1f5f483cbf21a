libdcgan_core_la_SOURCES += core/train/background.c core/train/background.h core/train/checkpoint.c \
	core/train/feed.c core/train/feed.h core/train/layout.c core/train/layout.h core/train/loop.c \
	core/train/loop.h core/train/metadata.c core/train/metadata.h core/train/meter.c \
	core/train/meter.h core/train/params.c core/train/params_json.c core/train/queue.c \
	core/train/queue.h core/train/safetensors.c core/train/safetensors.h \
	core/train/safetensors_write.c core/train/sampler.c core/train/score.c \
	core/train/snapshot.c core/train/trainer.c
dcgantraininclude_HEADERS = core/train/params.h core/train/params_json.h core/train/checkpoint.h \
	core/train/sampler.h core/train/score.h core/train/trainer.h
