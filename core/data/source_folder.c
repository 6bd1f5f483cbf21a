/* A tree of pictures. Sorted bytewise by path below the folder; what is hidden, or a
 * symbolic link, is passed over; the folders at the first level that hold pictures are
 * the classes, sorted too (more of them than DCG_MAX_CLASSES: no labels). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/source_impl.h"

enum {
	MAX_DEPTH = 32,
	MAX_FILES = 20000000,
	MAX_FILE_BYTES = 256 << 20,
	MAX_TRIES = 1000, /* broken pictures passed over in search of the first size */
};

struct entry {
	char *path;
	int label;
	off_t size; /* as it was when listed */
	struct timespec time;
};

struct tree {
	struct entry *entries;
	size_t count, room;
};

static void close_tree(void *impl)
{
	struct tree *t = impl;
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->entries[i].path);
	free(t->entries);
	free(t);
}

static int is_picture(const char *name)
{
	static const char *const extensions[] = { ".jpg", ".jpeg", ".png", ".webp" };
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && i < sizeof extensions / sizeof *extensions; i++)
		if (strcasecmp(dot, extensions[i]) == 0)
			return 1;
	return 0;
}

static int add_file(struct tree *t, char *path, const struct stat *st, struct dcg_error *err)
{
	if (t->count == MAX_FILES)
		return dcg_error_set(err, DCG_EUNSUPPORTED, "more than %d pictures", MAX_FILES);
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 256;
		struct entry *more = realloc(t->entries, room * sizeof *more);
		if (!more)
			return dcg_error_set(err, DCG_ENOMEM, "out of memory");
		t->entries = more;
		t->room = room;
	}
	t->entries[t->count++] = (struct entry){ .path = path, .label = -1, .size = st->st_size, .time = st->st_mtim };
	return 0;
}

/* Lists the folder `name` in parent, whose path is "" or ends with a slash. */
static int scan(struct dcg_source *s, int parent, const char *name, const char *path, int depth, struct dcg_error *err)
{
	char shown[DCG_SOURCE_NAME];
	int r = 0, fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	dcg_source_show_name(shown, sizeof shown, *path ? path : s->base_name);
	if (!dir) {
		r = dcg_error_sys(err, errno, "%s: cannot list", shown);
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (!r) {
		struct stat st;
		char *child;
		errno = 0;
		struct dirent *d = readdir(dir);
		if (!d) {
			if (errno)
				r = dcg_error_sys(err, errno, "%s: cannot list", shown);
			break;
		}
		if (d->d_name[0] == '.' || (d->d_type != DT_DIR && d->d_type != DT_UNKNOWN && !is_picture(d->d_name)))
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT) /* gone meanwhile */
				continue;
			r = dcg_error_sys(err, errno, "%s: cannot stat what is in it", shown);
			break;
		}
		int folder = S_ISDIR(st.st_mode);
		if (!folder && (!S_ISREG(st.st_mode) || !is_picture(d->d_name)))
			continue;
		if (asprintf(&child, "%s%s%s", path, d->d_name, folder ? "/" : "") < 0) {
			r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
		} else if (!folder) {
			r = add_file(s->impl, child, &st, err);
			if (r)
				free(child);
		} else {
			r = depth < MAX_DEPTH ? scan(s, fd, d->d_name, child, depth + 1, err) :
				dcg_error_set(err, DCG_EUNSUPPORTED, "%s: folders in folders more than %d deep", shown, MAX_DEPTH);
			free(child);
		}
	}
	closedir(dir);
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first-level folders, in the order of the sorted files, are together but not in
 * order themselves ("a-b/" is before "a/"). */
static int label(struct dcg_source *s, struct dcg_error *err)
{
	struct tree *t = s->impl;
	char *names[DCG_MAX_CLASSES + 1];
	int classes = 0, r = 0;
	size_t n = 0;
	for (size_t i = 0; i < t->count && classes <= DCG_MAX_CLASSES; i++) {
		const char *path = t->entries[i].path, *slash = strchr(path, '/');
		if (!slash || (classes && n == (size_t)(slash - path) && strncmp(names[classes - 1], path, n) == 0))
			continue;
		n = (size_t)(slash - path);
		names[classes] = strndup(path, n);
		if (!names[classes]) {
			r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
			break;
		}
		classes++;
	}
	if (!r && classes <= DCG_MAX_CLASSES) {
		qsort(names, (size_t)classes, sizeof *names, by_name);
		r = dcg_source_set_classes(s, classes, (const char *const *)names, err);
		for (size_t i = 0; !r && i < t->count; i++) {
			char *path = t->entries[i].path, *slash = strchr(path, '/'), **found;
			if (!slash)
				continue;
			*slash = '\0';
			found = bsearch(&path, names, (size_t)classes, sizeof *names, by_name);
			*slash = '/';
			t->entries[i].label = found ? (int)(found - names) : -1;
		}
	}
	for (int i = 0; i < classes; i++)
		free(names[i]);
	return r;
}

static int read_tree(struct dcg_source *s, uint32_t i, struct dcg_picture *ret, int *ret_label, struct dcg_error *err)
{
	const struct entry *e = &((struct tree *)s->impl)->entries[i];
	uint8_t *bytes;
	size_t size;
	int r = dcg_source_read_file(s, e->path, MAX_FILE_BYTES, &bytes, &size, err);
	if (r)
		return r;
	r = dcg_picture_decode(ret, bytes, size, err);
	free(bytes);
	if (r) {
		char name[DCG_SOURCE_NAME];
		dcg_source_show_name(name, sizeof name, e->path);
		return dcg_error_prefix(err, r, "%s", name);
	}
	*ret_label = e->label;
	return 0;
}

static const struct dcg_source_ops ops = { .read = read_tree, .close = close_tree };

static int find_first_size(struct dcg_source *s, struct dcg_error *err)
{
	struct dcg_error first = { 0 }, why;
	for (uint32_t i = 0; i < s->info.count && i < MAX_TRIES; i++) {
		struct dcg_picture p;
		int unused, r = read_tree(s, i, &p, &unused, &why);
		if (r == 0) {
			s->info.width = p.width;
			s->info.height = p.height;
			s->info.channels = p.channels;
			dcg_picture_done(&p);
			return 0;
		}
		if (r == DCG_ENOMEM)
			return dcg_error_set(err, r, "%s", why.text);
		if (!first.code)
			first = why;
	}
	return dcg_error_set(err, first.code, "%s: none of %s%u pictures can be read: %s", s->base_name,
	                     s->info.count > MAX_TRIES ? "the first " : "its ", s->info.count > MAX_TRIES ? MAX_TRIES : s->info.count, first.text);
}

int dcg_source_open_folder(struct dcg_source *s, struct dcg_error *err)
{
	struct tree *t = calloc(1, sizeof *t);
	if (!t)
		return dcg_error_set(err, DCG_ENOMEM, "%s: out of memory", s->base_name);
	s->impl = t;
	s->ops = &ops;
	int r = scan(s, s->folder, ".", "", 1, err);
	if (r)
		return r;
	if (t->count == 0)
		return dcg_error_set(err, DCG_ENOENT, "%s: no .jpg, .jpeg, .png or .webp files in it", s->base_name);
	qsort(t->entries, t->count, sizeof *t->entries, by_path);
	s->info.count = (uint32_t)t->count;
	s->info.concurrent = 1; /* files of their own */
	for (size_t i = 0; i < t->count; i++) {
		struct stat st = { .st_size = t->entries[i].size, .st_mtim = t->entries[i].time };
		dcg_source_fingerprint_add(s, t->entries[i].path, &st);
	}
	r = label(s, err);
	if (!r)
		r = find_first_size(s, err);
	return r;
}
