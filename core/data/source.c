#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sha256.h"
#include "data/source_impl.h"

static const char *const format_names[] = {
	[DCG_SOURCE_AUTO] = "auto",
	[DCG_SOURCE_IDX] = "idx",
	[DCG_SOURCE_CIFAR10] = "cifar10",
	[DCG_SOURCE_CIFAR100] = "cifar100",
	[DCG_SOURCE_FOLDER] = "folder",
};

static int open_folder(const char *path, int resolved)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	return resolved ? (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how) : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Opens the folder, or the folder that the file is in, whose name is then copied to
 * *ret_file (NULL for a folder; the caller frees it). */
static int open_root(struct dcg_source *s, const char *path, int resolved, char **ret_file, struct dcg_error *err)
{
	struct stat st;
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	char *copy = strndup(path, n);
	if (!copy)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	char *slash = strrchr(copy, '/'), *file = NULL;
	const char *base = slash && slash[1] ? slash + 1 : copy, *folder = copy;
	int r = 0;
	dcg_source_show_name(s->base_name, sizeof s->base_name, base);
	if (stat(copy, &st) < 0) {
		r = dcg_error_sys(err, errno, "%s: cannot open", s->base_name);
		goto done;
	}
	if (!S_ISDIR(st.st_mode)) {
		file = strdup(base);
		if (!file) {
			r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
			goto done;
		}
		if (slash)
			slash[slash == copy] = '\0'; /* "/file" is in "/" */
		folder = slash ? copy : ".";
	}
	s->folder = open_folder(folder, resolved);
	if (s->folder < 0 && errno == ELOOP)
		r = dcg_error_set(err, DCG_EACCESS, "%s: symbolic links are not followed", s->base_name);
	else if (s->folder < 0)
		r = dcg_error_sys(err, errno, "%s: cannot open", s->base_name);
done:
	free(copy);
	if (r)
		free(file);
	else
		*ret_file = file;
	return r;
}

static enum dcg_source_format guess(struct dcg_source *s, const char *file)
{
	if (dcg_source_is_idx(s, file))
		return DCG_SOURCE_IDX;
	if (dcg_source_is_cifar(s, file, 0))
		return DCG_SOURCE_CIFAR10;
	if (dcg_source_is_cifar(s, file, 1))
		return DCG_SOURCE_CIFAR100;
	return DCG_SOURCE_FOLDER;
}

static int open_source(struct dcg_source **ret, const char *path, int resolved, enum dcg_source_format format, struct dcg_error *err)
{
	if ((unsigned)format > DCG_SOURCE_FOLDER)
		return dcg_error_set(err, DCG_EINVAL, "data set format %d is not known", (int)format);
	struct dcg_source *s = calloc(1, sizeof *s);
	if (!s)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	s->folder = -1;
	char *file = NULL;
	int r = open_root(s, path, resolved, &file, err);
	if (r)
		goto done;
	if (format == DCG_SOURCE_AUTO)
		format = guess(s, file);
	s->info.format = format;
	s->info.format_name = format_names[format];
	dcg_sha256(s->info.format_name, strlen(s->info.format_name), s->info.fingerprint);
	switch (format) {
	case DCG_SOURCE_IDX:
		r = dcg_source_open_idx(s, file, err);
		break;
	case DCG_SOURCE_CIFAR10:
	case DCG_SOURCE_CIFAR100:
		r = dcg_source_open_cifar(s, file, format == DCG_SOURCE_CIFAR100, err);
		break;
	default:
		r = file ? dcg_error_set(err, DCG_EFORMAT, "%s: expected a folder of pictures, IDX or CIFAR binaries", s->base_name) :
			dcg_source_open_folder(s, err);
	}
done:
	free(file);
	if (r)
		dcg_source_close(s);
	else
		*ret = s;
	return r;
}

int dcg_source_open(struct dcg_source **ret, const char *path, enum dcg_source_format format, struct dcg_error *err)
{
	return open_source(ret, path, 0, format, err);
}

int dcg_source_open_resolved(struct dcg_source **ret, const char *path, enum dcg_source_format format, struct dcg_error *err)
{
	return open_source(ret, path, 1, format, err);
}

void dcg_source_close(struct dcg_source *s)
{
	if (!s)
		return;
	if (s->ops)
		s->ops->close(s->impl);
	if (s->folder >= 0)
		close(s->folder);
	free(s->class_names);
	free(s);
}

const struct dcg_source_info *dcg_source_info(const struct dcg_source *s)
{
	return &s->info;
}

const char *dcg_source_class_name(const struct dcg_source *s, int label)
{
	if (label < 0 || label >= s->info.classes)
		return "";
	return s->class_names[label];
}

int dcg_source_read(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err)
{
	if (i >= s->info.count)
		return dcg_error_set(err, DCG_EINVAL, "picture %u of %u", i, s->info.count);
	return s->ops->read(s, i, ret, ret_label, err);
}
