/* What the kinds of source share; only for core/data, not installed.
 *
 * Every file is opened below the source's own folder, a component at a time, without
 * following symbolic links, so that nothing outside it can be reached; and is named in
 * errors by its path below that folder.
 */
#ifndef DCG_DATA_SOURCE_IMPL_H
#define DCG_DATA_SOURCE_IMPL_H

#include <sys/stat.h>

#include "data/source.h"

#pragma GCC visibility push(hidden)

enum {
	DCG_SOURCE_MAX_COUNT = 100000000,
	DCG_SOURCE_NAME = 256, /* room for a name that is fit to be shown */
};

struct dcg_source_ops {
	int (*read)(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err);
	void (*close)(void *impl); /* impl may be half made */
};

struct dcg_source {
	struct dcg_source_info info;
	const struct dcg_source_ops *ops; /* NULL until a kind has set impl */
	void *impl;
	int folder;                          /* descriptor; everything lies below it */
	char base_name[DCG_SOURCE_NAME];     /* last component of the source's path */
	char (*class_names)[DCG_CLASS_NAME]; /* [info.classes] */
};

/* The kinds. Each sets ops, impl and info (but for the format), adds its files to the
 * fingerprint, and leaves cleaning up to dcg_source_close. file: a name in s->folder,
 * or NULL when the folder itself was given. */
int dcg_source_open_idx(struct dcg_source *s, const char *file, struct dcg_error *err);
int dcg_source_open_cifar(struct dcg_source *s, const char *file, int fine, struct dcg_error *err);
int dcg_source_open_folder(struct dcg_source *s, struct dcg_error *err);

/* Does it look like one? */
int dcg_source_is_idx(struct dcg_source *s, const char *file);
int dcg_source_is_cifar(struct dcg_source *s, const char *file, int fine);

/* A regular file below the folder, open for reading. */
int dcg_source_open_file(const struct dcg_source *s, const char *path, int *ret_fd, struct stat *ret_stat, struct dcg_error *err);
/* All of it, in malloc'd memory, NUL-terminated. */
int dcg_source_read_file(const struct dcg_source *s, const char *path, size_t max_bytes, uint8_t **ret, size_t *ret_size, struct dcg_error *err);
int dcg_source_has_file(const struct dcg_source *s, const char *path);
/* Mixes a file's name, size and time into the fingerprint. */
void dcg_source_fingerprint_add(struct dcg_source *s, const char *path, const struct stat *st);
/* Sets info.classes and their names: numbers when names is NULL. */
int dcg_source_set_classes(struct dcg_source *s, int classes, const char *const *names, struct dcg_error *err);
/* Better names from a file of one a line, if there is one and it has enough of them. */
int dcg_source_read_class_names(struct dcg_source *s, const char *path, struct dcg_error *err);

/* A file name as valid UTF-8 without control characters; of a long one the end. */
void dcg_source_show_name(char *to, size_t size, const char *from);

#pragma GCC visibility pop

#endif
