#include "jobs/private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PICTURES = 1024, DEFAULT_PICTURES = 64, OTHER_VALUES = 16 };

struct request {
	int64_t n, seed, columns;
	const cJSON *z; /* NULL: from seed */
};

int dcg_jobs_generate_values(struct dcg_jobs *j, int64_t checkpoint, size_t *ret, struct dcg_invalid *inv)
{
	struct dcg_file_row file;
	struct dcg_job_row job;
	struct dcg_error err;
	dcg_invalid_init(inv);
	int r = dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, checkpoint, &file, &err);
	if (!r)
		r = dcg_store_job_get(j->store, file.job, &job, &err);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	const struct dcg_param_row *row = dcg_param_find(dcg_train_rows, "z_dim");
	cJSON *params = cJSON_Parse(job.params_json);
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(params, row->name);
	double z_dim = cJSON_IsNumber(v) && v->valuedouble >= row->min && v->valuedouble <= row->max ? v->valuedouble : row->max;
	cJSON_Delete(params);
	dcg_job_row_done(&job);
	*ret = MOST_PICTURES * ((size_t)z_dim + 1) + OTHER_VALUES;
	return 0;
}

static void parse(const cJSON *body, struct request *q, struct dcg_invalid *inv)
{
	const cJSON *m, *n = NULL, *seed = NULL;
	*q = (struct request){ .n = DEFAULT_PICTURES, .seed = 1 };
	cJSON_ArrayForEach(m, body) {
		if (dcg_json_repeated(body, m)) {
			dcg_invalid_member(inv, m->string, "given twice");
		} else if (strcmp(m->string, "n") == 0) {
			dcg_json_whole(n = m, 1, MOST_PICTURES, &q->n, inv);
		} else if (strcmp(m->string, "seed") == 0) {
			dcg_json_whole(seed = m, 0, 9007199254740991.0, &q->seed, inv);
		} else if (strcmp(m->string, "columns") == 0) {
			dcg_json_whole(m, 1, MOST_PICTURES, &q->columns, inv);
		} else if (strcmp(m->string, "z") != 0) {
			dcg_invalid_member(inv, m->string, "unknown field");
		} else if (!cJSON_IsArray(m) || cJSON_GetArraySize(m) < 1 || cJSON_GetArraySize(m) > MOST_PICTURES) {
			dcg_invalid_member(inv, "z", "expected an array of 1 to %d arrays of numbers", MOST_PICTURES);
		} else {
			q->z = m;
			q->n = cJSON_GetArraySize(m);
		}
	}
	if (q->z && n)
		dcg_invalid_member(inv, "n", "not together with z, whose length it is");
	if (q->z && seed)
		dcg_invalid_member(inv, "seed", "not together with z");
}

/* z [n][z_dim] from the request's arrays. */
static void read_z(const cJSON *rows, int z_dim, float *out, struct dcg_invalid *inv)
{
	const cJSON *row, *v;
	int i = 0;
	cJSON_ArrayForEach(row, rows) {
		char pointer[48];
		int k = 0;
		snprintf(pointer, sizeof pointer, "/z/%d", i++);
		if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != z_dim) {
			dcg_invalid_at(inv, pointer, "expected an array of %d numbers", z_dim);
			continue;
		}
		cJSON_ArrayForEach(v, row) {
			if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= FLT_MAX)) {
				snprintf(pointer, sizeof pointer, "/z/%d/%d", i - 1, k);
				dcg_invalid_at(inv, pointer, "expected a number that fits 32-bit floating point");
			} else {
				out[(size_t)(i - 1) * (size_t)z_dim + (size_t)k] = (float)v->valuedouble;
			}
			k++;
		}
	}
}

/* The sampler of a checkpoint, from the last request if that was for the same file; under
 * generate_lock. Known by its sum: rows of the same step keep their id. */
static int open_sampler(struct dcg_jobs *j, const struct dcg_file_row *file, struct dcg_error *err)
{
	struct dcg_sampler *s;
	if (j->sampler && strcmp(j->sampler_sha256, file->sha256) == 0)
		return 0;
	int r = dcg_job_checkpoint_need(j, file, err);
	if (r)
		return r;
	char *path = dcg_jobs_file_path(j, DCG_FILE_CHECKPOINT, file);
	/* One thread: the others are busy training. */
	r = path ? dcg_sampler_open(&s, path, 1, err) : dcg_error_set(err, DCG_ENOMEM, "out of memory");
	free(path);
	if (r)
		return r;
	if (j->sampler)
		dcg_sampler_free(j->sampler);
	j->sampler = s;
	snprintf(j->sampler_sha256, sizeof j->sampler_sha256, "%s", file->sha256);
	return 0;
}

/* Pictures are nothing durable: when the daemon is to end they are not waited for. */
static int is_stopping(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	int stopping = j->stopping;
	pthread_mutex_unlock(&j->lock);
	return stopping;
}

/* As the sampler would, but may be cut: under generate_lock. */
static int draw_batches(struct dcg_jobs *j, struct dcg_generated *g)
{
	size_t picture = (size_t)g->size * (size_t)g->size * (size_t)g->channels;
	int batch = dcg_sampler_batch(j->sampler);
	for (int i = 0; i < g->n; i += batch) {
		if (is_stopping(j))
			return DCG_ECANCELLED;
		dcg_sampler_draw(j->sampler, g->z + (size_t)i * (size_t)g->z_dim, g->n - i < batch ? g->n - i : batch, g->pictures + (size_t)i * picture);
	}
	return 0;
}

/* Under generate_lock. */
static int draw(struct dcg_jobs *j, const struct request *q, struct dcg_generated *ret, struct dcg_invalid *inv)
{
	const struct dcg_train_params *p = dcg_sampler_params(j->sampler);
	struct dcg_generated g = { .n = (int)q->n, .size = p->size, .channels = p->channels, .z_dim = p->z_dim, .columns = (int)q->columns };
	size_t n = (size_t)g.n, picture = (size_t)g.size * (size_t)g.size * (size_t)g.channels;
	int r = 0;
	g.z = calloc(n * (size_t)g.z_dim, sizeof *g.z);
	g.pictures = malloc(n * picture);
	if (!g.z || !g.pictures) {
		r = dcg_invalid_fail(inv, DCG_ENOMEM, "out of memory");
	} else if (q->z) {
		read_z(q->z, g.z_dim, g.z, inv);
		r = dcg_invalid_close(inv);
	} else {
		dcg_sampler_noise(p, (uint64_t)q->seed, g.n, g.z);
	}
	if (!r && (r = draw_batches(j, &g)))
		dcg_invalid_fail(inv, r, "the daemon is stopping");
	if (r) {
		dcg_generated_done(&g);
		return r;
	}
	*ret = g;
	return 0;
}

int dcg_jobs_generate(struct dcg_jobs *j, int64_t checkpoint, const cJSON *body, struct dcg_generated *ret, struct dcg_invalid *inv)
{
	struct request q;
	struct dcg_file_row file;
	struct dcg_error err;
	dcg_invalid_init(inv);
	int r = dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, checkpoint, &file, &err);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	if (body && !cJSON_IsObject(body))
		return dcg_invalid_fail(inv, DCG_EINVAL, "expected an object");
	parse(body, &q, inv);
	if ((r = dcg_invalid_close(inv)))
		return r;
	pthread_mutex_lock(&j->generate_lock);
	r = is_stopping(j) ? dcg_error_set(&err, DCG_ECANCELLED, "the daemon is stopping") : open_sampler(j, &file, &err);
	if (r) {
		struct dcg_error gone;
		dcg_text_hide(err.text, j->state_folder);
		/* A job that trains removes old checkpoints at any time, this one since we looked. If the
		 * row is there and the file is not, that is our fault and not the asker's. */
		if (r == DCG_ENOENT && dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, checkpoint, &file, &gone) == DCG_ENOENT)
			dcg_invalid_fail(inv, r, "%s", gone.text);
		else
			dcg_invalid_fail(inv, r == DCG_ENOENT ? DCG_EIO : r, "checkpoint %lld: %s", (long long)checkpoint, err.text);
		r = inv->code;
	} else {
		r = draw(j, &q, ret, inv);
	}
	pthread_mutex_unlock(&j->generate_lock);
	return r;
}

void dcg_generated_done(struct dcg_generated *g)
{
	free(g->z);
	free(g->pictures);
	*g = (struct dcg_generated){ 0 };
}
