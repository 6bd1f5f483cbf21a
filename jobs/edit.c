/* What people write on jobs and checkpoints. It has nothing to do with what the job is doing,
 * so it is done here and now, whoever works at it. */
#include "jobs/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/params_json.h"

static const char *const fields = "name, note, tags, priority or pinned";

static void expected(struct dcg_invalid *inv, const char *pointer, const char *what, const cJSON *found)
{
	char *s = cJSON_PrintUnformatted(found);
	dcg_invalid_at(inv, pointer, "expected %s, found %.100s%s", what, s ? s : "something else", s && strlen(s) > 100 ? "..." : "");
	cJSON_free(s);
}

/* Lines of text: valid but for line ends and tabs. */
static int lines_valid(const char *s)
{
	char *copy = strdup(s);
	if (!copy)
		return 0;
	for (char *c = copy; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	int valid = dcg_text_valid(copy);
	free(copy);
	return valid;
}

static void take_note(const cJSON *m, char **note, struct dcg_invalid *inv)
{
	char what[64];
	snprintf(what, sizeof what, "a text of at most %d characters", DCG_NOTE_MAX);
	if (!cJSON_IsString(m) || dcg_text_length(m->valuestring) > DCG_NOTE_MAX || !lines_valid(m->valuestring)) {
		expected(inv, "/note", what, m);
		return;
	}
	free(*note);
	*note = strdup(m->valuestring);
}

static void take_tags(const cJSON *m, char **tags, struct dcg_invalid *inv)
{
	char what[64], pointer[32];
	const cJSON *tag, *other;
	int i = 0, faults = inv->count;
	if (!cJSON_IsArray(m) || cJSON_GetArraySize(m) > DCG_TAGS_MAX) {
		snprintf(what, sizeof what, "an array of at most %d texts", DCG_TAGS_MAX);
		expected(inv, "/tags", what, m);
		return;
	}
	snprintf(what, sizeof what, "a text of 1 to %d characters", DCG_TAG_MAX);
	cJSON_ArrayForEach(tag, m) {
		snprintf(pointer, sizeof pointer, "/tags/%d", i++);
		if (!cJSON_IsString(tag) || !tag->valuestring[0] || dcg_text_length(tag->valuestring) > DCG_TAG_MAX || !dcg_text_valid(tag->valuestring)) {
			expected(inv, pointer, what, tag);
			continue;
		}
		for (other = m->child; other != tag; other = other->next)
			if (cJSON_IsString(other) && strcmp(other->valuestring, tag->valuestring) == 0)
				dcg_invalid_at(inv, pointer, "given twice");
	}
	if (inv->count > faults)
		return;
	free(*tags);
	char *text = cJSON_PrintUnformatted(m);
	*tags = text ? strdup(text) : NULL; /* the row frees with free(), whatever cJSON was told to use */
	cJSON_free(text);
}

static void take_pinned(const cJSON *m, int *pinned, struct dcg_invalid *inv)
{
	if (cJSON_IsBool(m))
		*pinned = cJSON_IsTrue(m);
	else
		expected(inv, "/pinned", "true or false", m);
}

/* name and priority are rows of the table of parameters. */
static void take_row(const char *field, const cJSON *m, struct dcg_job_params *p, struct dcg_invalid *inv)
{
	struct dcg_error why;
	const struct dcg_param_row *row = dcg_param_find(dcg_job_rows, field);
	if (dcg_param_from_json(row, p, m, &why))
		dcg_invalid_member(inv, field, "%s", why.text);
	else if (row->type == DCG_TYPE_TEXT && !dcg_text_valid((const char *)p + row->offset))
		dcg_invalid_member(inv, field, "expected UTF-8 without control characters");
}

/* body over row. */
static int take_job(const cJSON *body, struct dcg_job_row *row, struct dcg_invalid *inv)
{
	struct dcg_job_params p = { .priority = row->priority };
	const cJSON *m;
	snprintf(p.name, sizeof p.name, "%s", row->name);
	dcg_invalid_init(inv);
	if (!cJSON_IsObject(body))
		return dcg_invalid_fail(inv, DCG_EINVAL, "expected an object with %s", fields);
	cJSON_ArrayForEach(m, body) {
		if (dcg_json_repeated(body, m))
			dcg_invalid_member(inv, m->string, "given twice");
		else if (strcmp(m->string, "name") == 0 || strcmp(m->string, "priority") == 0)
			take_row(m->string, m, &p, inv);
		else if (strcmp(m->string, "note") == 0)
			take_note(m, &row->note, inv);
		else if (strcmp(m->string, "tags") == 0)
			take_tags(m, &row->tags_json, inv);
		else if (strcmp(m->string, "pinned") == 0)
			take_pinned(m, &row->pinned, inv);
		else
			dcg_invalid_member(inv, m->string, "unknown field: expected %s", fields);
	}
	free(row->name);
	row->name = strdup(p.name);
	row->priority = p.priority;
	if (!row->name || !row->note || !row->tags_json)
		return dcg_invalid_fail(inv, DCG_ENOMEM, "out of memory");
	return dcg_invalid_close(inv);
}

static cJSON *description_json(const struct dcg_job_row *r)
{
	cJSON *o = dcg_event_json(r->id), *tags = cJSON_Parse(r->tags_json);
	int ok = o && tags && cJSON_AddStringToObject(o, "name", r->name) && cJSON_AddStringToObject(o, "note", r->note) &&
		!dcg_json_number(o, "priority", r->priority) && cJSON_AddBoolToObject(o, "pinned", r->pinned);
	if (ok && (ok = cJSON_AddItemToObject(o, "tags", tags)))
		tags = NULL;
	cJSON_Delete(tags);
	if (ok)
		return o;
	cJSON_Delete(o);
	return NULL;
}

int dcg_jobs_edit(struct dcg_jobs *j, int64_t id, const cJSON *body, int64_t version, struct dcg_invalid *inv)
{
	struct dcg_store_tx *tx;
	struct dcg_job_row row = { 0 };
	struct dcg_error err;
	int r = dcg_store_begin(j->store, 1, &tx, &err);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	if ((r = dcg_store_job_get(j->store, id, &row, &err)))
		dcg_invalid_fail(inv, r, "%s", err.text);
	else if ((r = dcg_job_unchanged(&row, version, &err)))
		dcg_invalid_fail(inv, r, "%s", err.text);
	else
		r = take_job(body, &row, inv);
	if (r || !body->child) {
		dcg_store_rollback(tx);
	} else {
		dcg_store_job_describe(tx, &row);
		if ((r = dcg_jobs_commit(j, tx, dcg_event_append(tx, id, "job", description_json(&row)), &err)))
			dcg_invalid_fail(inv, r, "%s", err.text);
	}
	dcg_job_row_done(&row);
	return r;
}

static int take_checkpoint(const cJSON *body, struct dcg_file_row *row, struct dcg_invalid *inv)
{
	const cJSON *m;
	char what[48];
	dcg_invalid_init(inv);
	if (!cJSON_IsObject(body))
		return dcg_invalid_fail(inv, DCG_EINVAL, "expected an object with pinned or name");
	snprintf(what, sizeof what, "a text of at most %zu bytes", sizeof row->label - 1);
	cJSON_ArrayForEach(m, body) {
		if (dcg_json_repeated(body, m))
			dcg_invalid_member(inv, m->string, "given twice");
		else if (strcmp(m->string, "pinned") == 0)
			take_pinned(m, &row->pinned, inv);
		else if (strcmp(m->string, "name") != 0)
			dcg_invalid_member(inv, m->string, "unknown field: expected pinned or name");
		else if (!cJSON_IsString(m) || strlen(m->valuestring) >= sizeof row->label || !dcg_text_valid(m->valuestring))
			expected(inv, "/name", what, m);
		else
			snprintf(row->label, sizeof row->label, "%s", m->valuestring);
	}
	return dcg_invalid_close(inv);
}

int dcg_jobs_checkpoint_edit(struct dcg_jobs *j, int64_t id, const cJSON *body, const struct dcg_file_row *only, struct dcg_invalid *inv)
{
	struct dcg_store_tx *tx;
	struct dcg_file_row row;
	struct dcg_error err;
	int r = dcg_store_begin(j->store, 1, &tx, &err);
	if (r)
		return dcg_invalid_fail(inv, r, "%s", err.text);
	if ((r = dcg_store_file_get(j->store, DCG_FILE_CHECKPOINT, id, &row, &err)))
		dcg_invalid_fail(inv, r, "%s", err.text);
	else if (only && (row.pinned != only->pinned || strcmp(row.label, only->label) != 0 || row.created_ms != only->created_ms ||
	                  strcmp(row.sha256, only->sha256) != 0))
		r = dcg_invalid_fail(inv, DCG_ESTALE, "checkpoint %lld was changed meanwhile", (long long)id);
	else
		r = take_checkpoint(body, &row, inv);
	if (r || !body->child) {
		dcg_store_rollback(tx);
		return r;
	}
	dcg_store_file_update(tx, DCG_FILE_CHECKPOINT, &row);
	if ((r = dcg_jobs_commit(j, tx, dcg_checkpoint_event(tx, &row), &err)))
		dcg_invalid_fail(inv, r, "%s", err.text);
	return r;
}
