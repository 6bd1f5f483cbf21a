dist_doc_DATA = README.md docs/admin.md docs/api.md docs/performance.md docs/example.c
EXTRA_DIST += docs/images/dashboard.png docs/images/fashion-mnist-epoch-0.png \
	docs/images/fashion-mnist-epoch-1.png docs/images/fashion-mnist-epoch-4.png \
	docs/images/fashion-mnist-epoch-10.png
dist_man_MANS += docs/libdcgan.3
if DAEMON
dist_man_MANS += docs/dcgand.8 docs/dcgand.conf.5
endif
