dist_doc_DATA = README.md docs/admin.md docs/api.md docs/example.c docs/performance.md docs/quality.md
EXTRA_DIST += docs/images/compare.png docs/images/dashboard.png \
	docs/images/faces.png docs/images/faces-epoch-1.png docs/images/faces-epoch-3.png docs/images/faces-epoch-5.png \
	docs/images/faces-pytorch-preset.png docs/images/precision-faces.svg docs/images/precision-fashion-mnist.svg docs/images/scale.svg \
	docs/images/fashion-mnist-epoch-0.png \
	docs/images/fashion-mnist-epoch-1.png docs/images/fashion-mnist-epoch-4.png \
	docs/images/fashion-mnist-epoch-10.png
dist_man_MANS += docs/libdcgan.3
if DAEMON
dist_man_MANS += docs/dcgand.8 docs/dcgand.conf.5
endif
