#include "jobs/private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/params_json.h"

enum { KEY_MS = 24 * 3600 * 1000 }; /* a request's key is known so long */

/* "expected one of: a, b, c; found "x"" */
static void unknown_dataset(struct dcg_jobs *j, const char *name, struct dcg_invalid *inv)
{
	struct dcg_dataset_row *rows;
	size_t count, n = 0;
	char known[180] = "";
	if (dcg_store_datasets(j->store, NULL, 20, NULL, &rows, &count, NULL)) {
		rows = NULL;
		count = 0;
	}
	for (size_t i = 0; i < count && n < sizeof known; i++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", rows[i].name);
	dcg_store_datasets_free(rows, count);
	dcg_invalid_member(inv, "dataset", "expected one of: %s; found \"%s\"", count ? known : "(none is registered)", name);
}

/* A start from old weights needs the same networks. */
static int judge_source(struct dcg_jobs *j, const struct dcg_job_params *p, int resolved, struct dcg_invalid *inv)
{
	static const char *const same[] = { "arch", "ngf", "ndf", "z_dim", "size", "channels" };
	struct dcg_file_row file;
	struct dcg_job_row job;
	struct dcg_job_params old;
	struct dcg_error err;
	int r = dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, p->from_checkpoint, &file, &err);
	if (r == DCG_ENOENT) {
		dcg_invalid_member(inv, "from_checkpoint", "there is no checkpoint %lld", (long long)p->from_checkpoint);
		return 0;
	}
	if (!r) /* its row goes with its checkpoints' */
		r = dcg_store_job_get(j->store, file.job, &job, &err);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	r = dcg_job_params_load(job.params_json, &old, &err);
	dcg_job_row_done(&job);
	if (r)
		return dcg_invalid_fail(inv, r, "checkpoint %lld: %s", (long long)file.id, err.text);
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		const struct dcg_param_row *row = dcg_param_find(dcg_train_rows, same[i]);
		int now = *(const int *)((const char *)&p->train + row->offset);
		int was = *(const int *)((const char *)&old.train + row->offset);
		int open = !now && !resolved && row->type == DCG_TYPE_INT; /* left to a data set that there is not */
		if (now == was || open)
			continue;
		if (row->type == DCG_TYPE_CHOICE)
			dcg_invalid_member(inv, row->name, "expected %s, as checkpoint %lld has; found %s", row->choices[was], (long long)file.id, row->choices[now]);
		else
			dcg_invalid_member(inv, row->name, "expected %d, as checkpoint %lld has; found %d", was, (long long)file.id, now);
	}
	return 0;
}

/* What the table alone cannot judge; sizes left open are taken from the data set. */
static int judge(struct dcg_jobs *j, struct dcg_job_params *p, struct dcg_invalid *inv)
{
	struct dcg_dataset_row row;
	struct dcg_error err;
	int resolved = 0, r = 0;
	if (p->dataset[0]) {
		r = dcg_store_dataset_get(j->store, p->dataset, &row, &err);
		if (!r) {
			struct dcg_source_info info = { .count = (uint32_t)row.count, .width = row.width, .height = row.height, .channels = row.channels };
			dcg_train_params_resolve(&p->train, &info);
			dcg_job_params_check(p, inv);
			resolved = 1;
			dcg_dataset_row_done(&row);
		} else if (r == DCG_ENOENT) {
			unknown_dataset(j, p->dataset, inv);
		} else {
			return dcg_invalid_fail(inv, r, "%s", err.text);
		}
	}
	return p->from_checkpoint ? judge_source(j, p, resolved, inv) : 0;
}

static int insert(struct dcg_store_tx *tx, const struct dcg_job_params *p, int64_t *ret_id)
{
	int r = DCG_ENOMEM;
	int64_t now = dcg_store_now_ms();
	struct dcg_job_row row = { .state = DCG_JOB_QUEUED, .priority = p->priority, .created_ms = now, .queue_ms = now,
		.images_per_s = NAN, .eta_s = NAN, .loss_d = NAN, .loss_g = NAN, .d_real = NAN, .d_fake = NAN };
	cJSON *params = dcg_job_params_json(p);
	char *text = params ? cJSON_PrintUnformatted(params) : NULL;
	row.name = strdup(p->name);
	row.dataset = strdup(p->dataset);
	row.params_json = text;
	if (!row.name || !row.dataset || !text)
		goto done;
	int64_t id = 0;
	dcg_store_job_insert(tx, &row, &id); /* a failure sticks */
	r = dcg_state_event(tx, id, dcg_job_state_name(DCG_JOB_QUEUED), NULL, NULL, -1);
	*ret_id = id;
done:
	cJSON_Delete(params);
	cJSON_free(text);
	free(row.name);
	free(row.dataset);
	return r;
}

/* Was this made before? 0 and *ret_id; DCG_ENOENT: no. */
static int find_made(struct dcg_jobs *j, const char *key, const char *request, int64_t since_ms, int64_t *ret_id, struct dcg_invalid *inv)
{
	struct dcg_key_row made;
	struct dcg_job_row row;
	struct dcg_error err;
	int r = dcg_store_key_get(j->store, key, since_ms, &made, &err);
	if (r == DCG_ENOENT)
		return r;
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	if (strcmp(made.request, request) != 0)
		return dcg_invalid_fail(inv, DCG_EINVAL, "the Idempotency-Key belongs to another request, which made job %lld", (long long)made.job);
	r = dcg_store_job_get(j->store, made.job, &row, &err);
	if (r == DCG_ENOENT)
		return dcg_invalid_fail(inv, DCG_ESTATE, "job %lld, which this Idempotency-Key made, was deleted", (long long)made.job);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	dcg_job_row_done(&row);
	*ret_id = made.job;
	return 0;
}

static int insert_key(struct dcg_store_tx *tx, const char *key, const char *request, int64_t id, int64_t forget_ms)
{
	struct dcg_key_row made = { .job = id, .created_ms = dcg_store_now_ms() };
	snprintf(made.key, sizeof made.key, "%s", key);
	snprintf(made.request, sizeof made.request, "%s", request);
	dcg_store_keys_forget(tx, forget_ms);
	return dcg_store_key_insert(tx, &made);
}

int dcg_jobs_submit(struct dcg_jobs *j, const cJSON *body, int64_t *ret_id, struct dcg_invalid *inv)
{
	return dcg_jobs_submit_once(j, body, NULL, NULL, ret_id, inv);
}

int dcg_jobs_submit_once(struct dcg_jobs *j, const cJSON *body, const char *key, const char *request_sha256, int64_t *ret_id, struct dcg_invalid *inv)
{
	struct dcg_job_params p;
	struct dcg_store_tx *tx;
	struct dcg_error err;
	struct dcg_store_stats stats;
	int64_t id = 0, since_ms = dcg_store_now_ms() - KEY_MS;
	if (key && (!key[0] || strlen(key) >= sizeof((struct dcg_key_row *)0)->key))
		return dcg_invalid_fail(inv, DCG_EINVAL, "the Idempotency-Key is empty or too long");
	int r = dcg_job_params_judge(body, &p, inv);
	if (r)
		return r;
	/* What the job needs is looked up within its transaction, so that it cannot be
	 * deleted in between. */
	if ((r = dcg_store_begin(j->store, 1, &tx, &err)))
		return dcg_invalid_fail(inv, r, "%s", err.text);
	/* Within the transaction too: two of the same request wait for each other here. And
	 * first: what was taken once is not judged again. */
	if (key && (r = find_made(j, key, request_sha256, since_ms, ret_id, inv)) != DCG_ENOENT)
		goto rollback;
	if ((r = dcg_room_is_low(j, &err))) {
		dcg_invalid_fail(inv, r, "%s", err.text);
		goto rollback;
	}
	if ((r = judge(j, &p, inv)) || (r = dcg_invalid_close(inv)))
		goto rollback;
	if ((r = dcg_store_stats(j->store, &stats, &err))) {
		dcg_invalid_fail(inv, r, "%s", err.text);
		goto rollback;
	}
	if (stats.jobs[DCG_JOB_QUEUED] >= j->max_queued) {
		r = dcg_invalid_fail(inv, DCG_EBUSY, "%lld jobs are queued, and no more are taken", (long long)stats.jobs[DCG_JOB_QUEUED]);
		goto rollback;
	}
	r = insert(tx, &p, &id);
	if (!r && key)
		insert_key(tx, key, request_sha256, id, since_ms); /* a failure sticks */
	if ((r = dcg_jobs_commit(j, tx, r, &err)))
		return dcg_invalid_fail(inv, r, "%s", err.text);
	*ret_id = id;
	dcg_jobs_wake(j);
	return 0;
rollback:
	dcg_store_rollback(tx);
	return r;
}
