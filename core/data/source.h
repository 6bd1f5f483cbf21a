/* Where training pictures come from: IDX files, CIFAR binaries, folders of images.
 *
 * A source is opened by path, looked at (dcg_source_info), and its pictures are read
 * one by one, in a fixed order that depends only on the files' names and contents.
 * One thread at a time per source, but for dcg_source_read where info.concurrent says so.
 */
#ifndef DCG_DATA_SOURCE_H
#define DCG_DATA_SOURCE_H

#include "data/picture.h"

enum dcg_source_format {
	DCG_SOURCE_AUTO,    /* by looking */
	DCG_SOURCE_IDX,     /* MNIST's format, gzip'd or not; a folder with train-images-idx3-ubyte[.gz]
	                       (and train-labels-idx1-ubyte[.gz]) or the images file itself */
	DCG_SOURCE_CIFAR10, /* binary version: a folder with data_batch_*.bin, or one such file */
	DCG_SOURCE_CIFAR100,
	DCG_SOURCE_FOLDER,  /* JPEG/PNG/WebP, recursive, sorted by name; first-level folders are classes */
};

enum { DCG_MAX_CLASSES = 1000, DCG_CLASS_NAME = 64 };

struct dcg_source_info {
	enum dcg_source_format format;
	const char *format_name;   /* "idx", "cifar10" ... */
	uint32_t count;            /* pictures (files, for a folder: some may turn out broken) */
	int width, height;         /* of the first picture that can be read */
	int channels;
	int classes;               /* 0: no labels */
	int concurrent;            /* any number of threads may read pictures at a time */
	char fingerprint[65];      /* sha256 of names, sizes and times: changes when the source does */
};

struct dcg_source;

int dcg_source_open(struct dcg_source **ret, const char *path, enum dcg_source_format format, struct dcg_error *err);
/* By a path that was resolved and judged: a symbolic link in it was put there since, and is not followed (DCG_EACCESS). */
int dcg_source_open_resolved(struct dcg_source **ret, const char *path, enum dcg_source_format format, struct dcg_error *err);
void dcg_source_close(struct dcg_source *s);
const struct dcg_source_info *dcg_source_info(const struct dcg_source *s);
const char *dcg_source_class_name(const struct dcg_source *s, int label); /* "3" when it has no name */
/* Picture i; label -1 when there is none. On failure err names the file (below the source's
 * own path, never an absolute one). DCG_EFORMAT, DCG_EUNSUPPORTED, DCG_ENOENT, DCG_EACCESS:
 * this picture cannot be had, others can. DCG_EIO: the source as a whole is not to be
 * trusted: the disk fails, or a gzip'd IDX file is damaged, which is often found only by
 * the checksum after its last picture. */
int dcg_source_read(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err);

#endif
