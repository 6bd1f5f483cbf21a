libdcgan_core_la_SOURCES += \
	core/explore/ms_ssim.c core/explore/swd.c core/explore/swd_parts.h core/explore/swd_project.c core/explore/swd_pyramid.c
dcganexploreinclude_HEADERS = core/explore/ms_ssim.h core/explore/swd.h
