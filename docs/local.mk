dist_doc_DATA = README.md docs/admin.md docs/api.md docs/example.c
dist_man_MANS += docs/libdcgan.3
if DAEMON
dist_man_MANS += docs/dcgand.8 docs/dcgand.conf.5
endif
