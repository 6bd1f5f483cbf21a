#include "jobs/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* Only what looks like ours is ever removed, and no symbolic link is followed on the way:
 * somebody may have put other things into the state folder. */

static const char *const subfolders[] = { [DCG_FILE_SAMPLE] = "samples", [DCG_FILE_CHECKPOINT] = "checkpoints" };
static const char *const endings[] = { [DCG_FILE_SAMPLE] = ".png", [DCG_FILE_CHECKPOINT] = ".safetensors" };

/* "step-0000000123.png" */
static int is_ours(const char *name, enum dcg_file_kind kind)
{
	if (strncmp(name, "step-", 5) != 0)
		return 0;
	size_t digits = strspn(name + 5, "0123456789");
	return digits && strcmp(name + 5 + digits, endings[kind]) == 0;
}

char *dcg_job_folder(const struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind)
{
	char *path;
	return asprintf(&path, "%s/jobs/%lld/%s", j->state_folder, (long long)id, subfolders[kind]) < 0 ? NULL : path;
}

int dcg_job_make_folders(const struct dcg_jobs *j, int64_t id, struct dcg_error *err)
{
	int r = 0;
	for (int kind = 0; !r && kind < 2; kind++) {
		char *path = dcg_job_folder(j, id, kind);
		r = path ? dcg_file_make_folder(path, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
		free(path);
	}
	return r;
}

char *dcg_prepared_path(const struct dcg_jobs *j, const char *name, int size, int channels)
{
	char *path;
	return asprintf(&path, "%s/datasets/%s-%d-%d.data", j->state_folder, name, size, channels) < 0 ? NULL : path;
}

char *dcg_jobs_file_path(struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row)
{
	char *path;
	if (!is_ours(row->name, kind))
		return NULL;
	return asprintf(&path, "%s/jobs/%lld/%s/%s", j->state_folder, (long long)row->job, subfolders[kind], row->name) < 0 ? NULL : path;
}

/* The folder's descriptor, or -1. */
static int open_folder(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_job_folder(const struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind)
{
	char *path = dcg_job_folder(j, id, kind);
	int fd = path ? open_folder(AT_FDCWD, path) : -1;
	free(path);
	return fd;
}

int dcg_job_file_present(const struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row)
{
	struct stat st;
	if (!is_ours(row->name, kind))
		return 0;
	int dir = open_job_folder(j, row->job, kind);
	int there = dir >= 0 && fstatat(dir, row->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	/* Only who looked can say that it is lost: too many open files, or no memory, must not cost it its row. */
	int unseen = !there && errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
	if (dir >= 0)
		close(dir);
	return unseen || (there && S_ISREG(st.st_mode) && st.st_size == row->size);
}

int dcg_job_file_verify(const struct dcg_jobs *j, enum dcg_file_kind kind, const struct dcg_file_row *row, struct dcg_error *err)
{
	struct stat st;
	char hex[DCG_SHA256_HEX];
	if (!is_ours(row->name, kind))
		return dcg_error_set(err, DCG_EFORMAT, "%s: not a name of ours", row->name);
	int r = 0, fd = -1, dir = open_job_folder(j, row->job, kind);
	if (dir < 0 || (fd = openat(dir, row->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0 || fstat(fd, &st) < 0)
		r = dcg_error_sys(err, errno, "%s: cannot open", row->name);
	else if (!S_ISREG(st.st_mode) || st.st_size != row->size)
		r = dcg_error_set(err, DCG_EFORMAT, "%s: damaged: expected %lld bytes, found %lld", row->name, (long long)row->size, (long long)st.st_size);
	else if (dcg_sha256_fd(fd, hex, err))
		r = dcg_error_prefix(err, DCG_EIO, "%s", row->name);
	else if (strcmp(hex, row->sha256) != 0)
		r = dcg_error_set(err, DCG_EFORMAT, "%s: damaged: expected sha256 %.16s..., found %.16s...", row->name, row->sha256, hex);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return r;
}

int dcg_job_checkpoint_need(const struct dcg_jobs *j, const struct dcg_file_row *row, struct dcg_error *err)
{
	int r = dcg_job_file_verify(j, DCG_FILE_CHECKPOINT, row, err);
	if (r != DCG_EFORMAT && r != DCG_ENOENT)
		return r;
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, "; put a backup of it in its place, or use another checkpoint");
	return r;
}

void dcg_job_file_unlink(const struct dcg_jobs *j, enum dcg_file_kind kind, int64_t job, const char *name)
{
	int dir = open_job_folder(j, job, kind);
	if (dir >= 0 && is_ours(name, kind))
		unlinkat(dir, name, 0);
	if (dir >= 0)
		close(dir);
}

/* Unlink what fn says, of the folder fd, which is closed. */
static void sweep(int fd, int (*fn)(void *user, const char *name), void *user)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (fn(user, e->d_name))
			unlinkat(dirfd(dir), e->d_name, 0); /* a folder stays: EISDIR */
	closedir(dir);
}

struct known {
	enum dcg_file_kind kind;
	const char **names; /* sorted */
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int is_stray(void *user, const char *name)
{
	struct known *k = user;
	if (dcg_file_is_temporary(name))
		return 1;
	return is_ours(name, k->kind) && (!k->count || !bsearch(&name, k->names, k->count, sizeof *k->names, by_name));
}

void dcg_job_folder_sweep(const struct dcg_jobs *j, int64_t id, enum dcg_file_kind kind, const struct dcg_file_row *rows, size_t count)
{
	struct known k = { .kind = kind, .count = count };
	if (count) {
		k.names = malloc(count * sizeof *k.names);
		if (!k.names)
			return; /* nothing is known to be a stray */
		for (size_t i = 0; i < count; i++)
			k.names[i] = rows[i].name;
		qsort(k.names, count, sizeof *k.names, by_name);
	}
	sweep(open_job_folder(j, id, kind), is_stray, &k);
	free(k.names);
}

void dcg_job_folder_remove(const struct dcg_jobs *j, int64_t id)
{
	char *path;
	for (int kind = 0; kind < 2; kind++)
		dcg_job_folder_sweep(j, id, kind, NULL, 0);
	if (asprintf(&path, "%s/jobs/%lld", j->state_folder, (long long)id) < 0)
		return;
	int fd = open_folder(AT_FDCWD, path);
	for (int kind = 0; fd >= 0 && kind < 2; kind++)
		unlinkat(fd, subfolders[kind], AT_REMOVEDIR);
	if (fd >= 0)
		close(fd);
	rmdir(path); /* and stays if somebody put something into it */
	free(path);
}

static int is_temporary(void *user, const char *name)
{
	(void)user;
	return dcg_file_is_temporary(name);
}

void dcg_state_sweep(const struct dcg_jobs *j)
{
	sweep(open_folder(AT_FDCWD, j->state_folder), is_temporary, NULL);
}

static char *mark_path(const struct dcg_jobs *j)
{
	char *path;
	return asprintf(&path, "%s/dcgand.unsynced", j->state_folder) < 0 ? NULL : path;
}

/* Not synced: the disk has just failed at that, and if the power takes it, a death more is counted. */
void dcg_jobs_spare(struct dcg_jobs *j)
{
	char *path = mark_path(j);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
	if (fd >= 0)
		close(fd);
	free(path);
}

int dcg_state_marked(const struct dcg_jobs *j)
{
	char *path = mark_path(j);
	int there = path && access(path, F_OK) == 0;
	free(path);
	return there;
}

void dcg_state_unmark(const struct dcg_jobs *j)
{
	char *path = mark_path(j);
	if (path)
		unlink(path);
	free(path);
}

struct prepared {
	const struct dcg_jobs *j;
	const char *name;
};

/* NAME-SIZE-CHANNELS.data, looked at from its end: NAME may hold hyphens too. */
static int is_prepared_of_none(void *user, const char *file)
{
	struct prepared *p = user;
	char name[256];
	size_t n = strlen(file);
	if (dcg_file_is_temporary(file))
		return !p->name; /* at start nobody is writing; else somebody may be */
	if (n < 6 || n >= sizeof name || strcmp(file + n - 5, ".data") != 0)
		return 0;
	memcpy(name, file, n - 5);
	name[n - 5] = '\0';
	for (int i = 0; i < 2; i++) {
		char *dash = strrchr(name, '-');
		if (!dash || !dash[1] || dash[1 + strspn(dash + 1, "0123456789")])
			return 0;
		*dash = '\0';
	}
	if (p->name)
		return strcmp(name, p->name) == 0;
	struct dcg_dataset_row row;
	int r = dcg_store_dataset_get(p->j->store, name, &row, NULL);
	if (!r)
		dcg_dataset_row_done(&row);
	return r == DCG_ENOENT;
}

void dcg_prepared_sweep(const struct dcg_jobs *j, const char *name)
{
	struct prepared p = { .j = j, .name = name };
	char *path;
	if (asprintf(&path, "%s/datasets", j->state_folder) < 0)
		return;
	sweep(open_folder(AT_FDCWD, path), is_prepared_of_none, &p);
	free(path);
}

int dcg_job_files(const struct dcg_jobs *j, enum dcg_file_kind kind, int64_t job, int64_t after_step,
	struct dcg_file_row **ret, size_t *ret_count, struct dcg_error *err)
{
	struct dcg_file_row *all = NULL, *page;
	size_t count = 0, n;
	do {
		int r = dcg_store_files(j->store, kind, job, after_step, DCG_PAGE, NULL, &page, &n, err);
		if (r) {
			free(all);
			return r;
		}
		struct dcg_file_row *bigger = n ? realloc(all, (count + n) * sizeof *all) : all;
		if (n && !bigger) {
			free(page);
			free(all);
			return dcg_error_set(err, DCG_ENOMEM, "out of memory");
		}
		all = bigger;
		if (n) {
			memcpy(all + count, page, n * sizeof *all);
			after_step = page[n - 1].step;
		}
		count += n;
		free(page);
	} while (n == DCG_PAGE);
	*ret = all;
	*ret_count = count;
	return 0;
}
