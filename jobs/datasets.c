#include "jobs/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char fashion_mnist[] = "/usr/share/datasets/fashion-mnist";

/* --- Registering ----------------------------------------------------------------------------- */

static int is_name(const char *s)
{
	size_t n = strlen(s);
	return n && n < sizeof ((struct dcg_dataset_row *)0)->name && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n &&
		s[0] != '.' && s[0] != '_' && s[0] != '-';
}

struct request {
	const char *name, *path, *format;
};

static void parse(const cJSON *body, struct request *q, struct dcg_invalid *inv)
{
	const cJSON *m;
	*q = (struct request){ .format = "auto" };
	cJSON_ArrayForEach(m, body) {
		if (dcg_json_repeated(body, m))
			dcg_invalid_member(inv, m->string, "given twice");
		else if (strcmp(m->string, "name") == 0)
			dcg_json_text(m, 63, &q->name, inv);
		else if (strcmp(m->string, "path") == 0)
			dcg_json_text(m, PATH_MAX - 1, &q->path, inv);
		else if (strcmp(m->string, "format") == 0)
			dcg_json_text(m, 15, &q->format, inv);
		else
			dcg_invalid_member(inv, m->string, "unknown field");
	}
	/* A text that would not do has its fault already, which is the one that is kept. */
	if (!q->name)
		dcg_invalid_member(inv, "name", "required: a name for the data set");
	else if (!is_name(q->name))
		dcg_invalid_member(inv, "name", "expected small letters, digits, '.', '_' and '-', the first a letter or digit, found \"%s\"", q->name);
	if (!q->path)
		dcg_invalid_member(inv, "path", "required: a file or folder");
	if (dcg_source_format_from_name(q->format) < 0)
		dcg_invalid_member(inv, "format", "expected one of auto, idx, cifar10, cifar100, folder, found \"%s\"", q->format);
}

static int look(const char *path, enum dcg_source_format format, struct dcg_dataset_row *row, struct dcg_error *err)
{
	struct dcg_source *s;
	int r = (row->builtin ? dcg_source_open : dcg_source_open_resolved)(&s, path, format, err);
	if (r)
		return r;
	const struct dcg_source_info *info = dcg_source_info(s);
	snprintf(row->format, sizeof row->format, "%s", info->format_name);
	row->count = info->count;
	row->width = info->width;
	row->height = info->height;
	row->channels = info->channels;
	row->classes = info->classes;
	dcg_source_close(s);
	return 0;
}

/* overwrite 0: DCG_EEXIST if there is one of that name. */
static int put(struct dcg_jobs *j, const struct dcg_dataset_row *row, int overwrite, struct dcg_error *err)
{
	struct dcg_dataset_row old;
	struct dcg_store_tx *tx;
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	if (!overwrite) {
		r = dcg_store_dataset_get(j->store, row->name, &old, err);
		if (!r) {
			dcg_dataset_row_done(&old);
			r = dcg_error_set(err, DCG_EEXIST, "there is a data set \"%s\" already", row->name);
		}
		if (r != DCG_ENOENT) {
			dcg_store_rollback(tx);
			return r;
		}
	}
	dcg_store_dataset_put(tx, row);
	return dcg_jobs_commit(j, tx, 0, err);
}

int dcg_jobs_dataset_register(struct dcg_jobs *j, const cJSON *body, char ret_name[64], struct dcg_invalid *inv)
{
	struct request q;
	char path[PATH_MAX];
	struct dcg_error err;
	dcg_invalid_init(inv);
	if (!cJSON_IsObject(body))
		return dcg_invalid_fail(inv, DCG_EINVAL, "expected an object");
	parse(body, &q, inv);
	int r = dcg_invalid_close(inv);
	if (r)
		return r;
	r = dcg_roots_resolve(j, q.path, path, &err);
	if (r == DCG_EACCESS)
		return dcg_invalid_fail(inv, r, "the path cannot be used: %s", err.text);
	if ((r = r ? r : dcg_room_is_low(j, &err)) == DCG_ENOSPC)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	struct dcg_dataset_row row = { .path = path, .created_ms = dcg_store_now_ms() };
	snprintf(row.name, sizeof row.name, "%s", q.name);
	if (!r)
		r = look(path, (enum dcg_source_format)dcg_source_format_from_name(q.format), &row, &err);
	if (r == DCG_ENOMEM || r == DCG_EMFILE)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	if (r) {
		dcg_text_hide(err.text, path);
		dcg_invalid_member(inv, "path", "expected a data set: %s", err.text);
		return dcg_invalid_close(inv);
	}
	if ((r = put(j, &row, 0, &err)))
		return dcg_invalid_fail(inv, r == DCG_EEXIST ? DCG_ESTATE : r, "%s", err.text);
	snprintf(ret_name, sizeof row.name, "%s", row.name);
	return 0;
}

int dcg_datasets_builtin(struct dcg_jobs *j, struct dcg_error *err)
{
	struct dcg_dataset_row old, row = { .name = "fashion-mnist", .builtin = 1, .created_ms = dcg_store_now_ms() };
	struct dcg_store_tx *tx;
	char path[sizeof fashion_mnist];
	memcpy(path, fashion_mnist, sizeof path);
	row.path = path;
	int r = dcg_store_dataset_get(j->store, row.name, &old, err);
	if (r && r != DCG_ENOENT)
		return r;
	int known = !r, ours = known && old.builtin;
	if (known) {
		row.created_ms = old.created_ms;
		dcg_dataset_row_done(&old);
	}
	if (known && !ours) /* somebody registered another by that name */
		return 0;
	/* Not there, or not readable: then there is none. */
	if (!look(path, DCG_SOURCE_AUTO, &row, NULL))
		return put(j, &row, 1, err);
	if (!known)
		return 0;
	if ((r = dcg_store_begin(j->store, 1, &tx, err)))
		return r;
	dcg_store_dataset_delete(tx, row.name);
	return dcg_jobs_commit(j, tx, 0, err);
}

/* --- Deleting --------------------------------------------------------------------------------- */

struct live {
	const char *dataset;
	int64_t job;
};

static int uses(void *user, struct dcg_job_row *row, struct dcg_error *err)
{
	struct live *l = user;
	(void)err;
	if (!dcg_job_is_final(row->state) && strcmp(row->dataset, l->dataset) == 0)
		l->job = row->id;
	return 0;
}

int dcg_jobs_dataset_delete(struct dcg_jobs *j, const char *name, struct dcg_error *err)
{
	struct dcg_dataset_row row;
	struct dcg_store_tx *tx;
	struct live live = { .dataset = name };
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	if (!(r = dcg_store_dataset_get(j->store, name, &row, err))) {
		if (row.builtin)
			r = dcg_error_set(err, DCG_ESTATE, "the data set \"%s\" is built in and cannot be deleted", name);
		dcg_dataset_row_done(&row);
	}
	for (int state = 0; !r && state < DCG_JOB_STATES; state++)
		if (!dcg_job_is_final(state))
			r = dcg_jobs_each(j, state, uses, &live, err);
	if (!r && live.job)
		r = dcg_error_set(err, DCG_ESTATE, "the data set \"%s\" cannot be deleted: job %lld uses it", name, (long long)live.job);
	if (r) {
		dcg_store_rollback(tx);
		return r;
	}
	dcg_store_dataset_delete(tx, name);
	if (!(r = dcg_jobs_commit(j, tx, 0, err)))
		dcg_prepared_sweep(j, name);
	return r;
}

/* --- Looking ------------------------------------------------------------------------------------ */

enum { PREVIEW_PICTURES = 64, PREVIEW_COLUMNS = 8, PREVIEW_SIDE = 64, PREVIEW_GAP = 2, PREVIEW_TRIES = 256 };

int dcg_jobs_dataset_preview(struct dcg_jobs *j, const char *name, uint8_t **ret_png, size_t *ret_size, struct dcg_error *err)
{
	struct dcg_dataset_row row;
	struct dcg_source *source;
	struct dcg_picture grid = { 0 };
	struct dcg_error why;
	int count = 0;
	int r = dcg_store_dataset_get(j->store, name, &row, err);
	if (r)
		return r;
	r = dcg_dataset_source(j, &row, &source, &why);
	dcg_dataset_row_done(&row);
	if (r) /* DCG_ENOENT would say that there is no such data set, DCG_EACCESS that it is the asker's fault */
		return dcg_error_set(err, r == DCG_ENOENT || r == DCG_EACCESS ? DCG_ESTATE : r, "%s", why.text);
	const struct dcg_source_info *info = dcg_source_info(source);
	int side = info->width < info->height ? info->width : info->height, channels = info->channels == 1 ? 1 : 3;
	side = side > PREVIEW_SIDE ? PREVIEW_SIDE : side < 1 ? 1 : side;
	size_t picture = (size_t)side * (size_t)side * (size_t)channels;
	uint8_t *pixels = malloc(PREVIEW_PICTURES * picture);
	if (!pixels)
		r = dcg_error_set(err, DCG_ENOMEM, "out of memory");
	for (uint32_t i = 0; !r && i < info->count && i < PREVIEW_TRIES && count < PREVIEW_PICTURES; i++) {
		struct dcg_picture p;
		int label;
		if (dcg_source_read(source, i, &p, &label, NULL)) /* training tells of those */
			continue;
		if (!dcg_picture_fit(&p, side, channels, pixels + (size_t)count * picture, NULL))
			count++;
		dcg_picture_done(&p);
	}
	if (!r && !count)
		r = dcg_error_set(err, DCG_EFORMAT, "data set \"%s\": none of the first pictures can be read", name);
	if (!r)
		r = dcg_picture_grid(&grid, pixels, count, side, side, channels, count < PREVIEW_COLUMNS ? count : PREVIEW_COLUMNS, PREVIEW_GAP, err);
	if (!r)
		r = dcg_picture_png(&grid, ret_png, ret_size, err);
	dcg_picture_done(&grid);
	free(pixels);
	dcg_source_close(source);
	return r;
}
