#include "jobs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What follows root in an absolute path; NULL if the path is not below it. */
static const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);
	while (n && root[n - 1] == '/')
		n--;
	if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	for (path += n; *path == '/'; path++)
		;
	return *path ? path : ".";
}

/* The canonical path of `path` below one root, by the kernel's own word: no "..", no
 * symbolic link leads out of it. */
static int resolve_in(const char *root, const char *path, char ret[PATH_MAX], struct dcg_error *err)
{
	char real_root[PATH_MAX], proc[64];
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	if (!realpath(root, real_root))
		return dcg_error_set(err, DCG_ENOENT, "there is no such file or folder");
	const char *rest = path;
	if (path[0] == '/' && !(rest = below(path, root)) && !(rest = below(path, real_root)))
		return dcg_error_set(err, DCG_EACCESS, "it is not below a folder that data sets may be in");
	int dir = open(real_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, rest, &how, sizeof how);
	int e = errno;
	if (dir >= 0)
		close(dir);
	if (fd < 0 && (e == EXDEV || e == ELOOP))
		return dcg_error_set(err, DCG_EACCESS, "it leads out of the folder that data sets may be in");
	if (fd < 0 && (e == ENOENT || e == ENOTDIR))
		return dcg_error_set(err, DCG_ENOENT, "there is no such file or folder");
	if (fd < 0)
		return dcg_error_sys(err, e, "it cannot be opened");
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(proc, ret, PATH_MAX - 1);
	e = errno;
	close(fd);
	if (n < 0)
		return dcg_error_sys(err, e, "it cannot be resolved");
	ret[n] = '\0';
	return 0;
}

/* The first root that has it; otherwise what the most hopeful one said. */
int dcg_roots_resolve(const struct dcg_jobs *j, const char *path, char ret[PATH_MAX], struct dcg_error *err)
{
	int r = dcg_error_set(err, DCG_EACCESS, "it is not below a folder that data sets may be in");
	for (char **root = j->roots; *root; root++) {
		struct dcg_error why;
		int one = resolve_in(*root, path, ret, &why);
		if (!one)
			return 0;
		if (root == j->roots || one != DCG_EACCESS) {
			r = one;
			*err = why;
		}
	}
	return r;
}

int dcg_source_format_from_name(const char *name)
{
	static const char *const names[] = {
		[DCG_SOURCE_AUTO] = "auto", [DCG_SOURCE_IDX] = "idx", [DCG_SOURCE_CIFAR10] = "cifar10",
		[DCG_SOURCE_CIFAR100] = "cifar100", [DCG_SOURCE_FOLDER] = "folder",
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return DCG_EINVAL;
}

int dcg_dataset_source(struct dcg_jobs *j, const struct dcg_dataset_row *row, struct dcg_source **ret, struct dcg_error *err)
{
	char now[PATH_MAX];
	struct dcg_error why;
	if (!row->builtin) {
		/* The roots, or what lies below them, may have changed since it was registered. */
		int r = dcg_roots_resolve(j, row->path, now, &why);
		if (!r && strcmp(now, row->path) != 0)
			r = dcg_error_set(&why, DCG_EACCESS, "it leads somewhere else than when it was registered");
		if (r)
			return dcg_error_set(err, r, "the source of data set \"%s\": %s", row->name, why.text);
	}
	int format = dcg_source_format_from_name(row->format);
	if (format < 0)
		return dcg_error_set(err, DCG_EFORMAT, "data set \"%s\" has an unknown format \"%s\"", row->name, row->format);
	int r = (row->builtin ? dcg_source_open : dcg_source_open_resolved)(ret, row->path, (enum dcg_source_format)format, &why);
	if (r) {
		dcg_text_hide(why.text, row->path);
		dcg_error_set(err, r, "the source of data set \"%s\": %s", row->name, why.text);
	}
	return r;
}
