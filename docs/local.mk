dist_doc_DATA = README.md docs/api.md docs/example.c
