#include "jobs/private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS_KEPT = 100000, PRUNE_EVERY = 8, PRUNE_CHUNK = 2000 };

const char *dcg_time_text(int64_t ms, char buf[DCG_TIME_TEXT])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n = 0;
	if (gmtime_r(&s, &tm))
		n = strftime(buf, DCG_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, DCG_TIME_TEXT - n, ".%03dZ", (int)(ms % 1000));
	return buf;
}

int dcg_json_put(cJSON *o, const char *name, cJSON *item)
{
	if (item && cJSON_AddItemToObject(o, name, item))
		return 0;
	cJSON_Delete(item);
	return DCG_ENOMEM;
}

int dcg_json_text_or_null(cJSON *o, const char *name, const char *text)
{
	return dcg_json_put(o, name, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

int dcg_json_number(cJSON *o, const char *name, double v)
{
	return dcg_json_put(o, name, isfinite(v) ? cJSON_CreateNumber(v) : cJSON_CreateNull());
}

double dcg_json_short(double v)
{
	char text[32];
	if (!isfinite(v))
		return v;
	snprintf(text, sizeof text, "%.6g", v);
	return strtod(text, NULL);
}

int dcg_json_time(cJSON *o, const char *name, int64_t ms)
{
	char buf[DCG_TIME_TEXT];
	return dcg_json_text_or_null(o, name, ms ? dcg_time_text(ms, buf) : NULL);
}

cJSON *dcg_event_json(int64_t job)
{
	cJSON *o = cJSON_CreateObject();
	if (o && !dcg_json_number(o, "job", (double)job) && !dcg_json_time(o, "at", dcg_store_now_ms()))
		return o;
	cJSON_Delete(o);
	return NULL;
}

int dcg_event_append(struct dcg_store_tx *tx, int64_t job, const char *type, cJSON *o)
{
	char *text = o ? cJSON_PrintUnformatted(o) : NULL;
	cJSON_Delete(o);
	if (!text)
		return DCG_ENOMEM;
	int64_t seq;
	/* The numbers have no gaps: whoever makes events, each so many some go. */
	if (!dcg_store_event_append(tx, job, type, text, &seq) && seq % PRUNE_EVERY == 0)
		dcg_store_events_prune(tx, EVENTS_KEPT, PRUNE_CHUNK, NULL);
	cJSON_free(text);
	return 0;
}

int dcg_job_log(struct dcg_store_tx *tx, int64_t job, const char *level, const char *text)
{
	cJSON *o = dcg_event_json(job);
	if (!o || !cJSON_AddStringToObject(o, "level", level) || !cJSON_AddStringToObject(o, "text", text)) {
		cJSON_Delete(o);
		return DCG_ENOMEM;
	}
	dcg_store_log_append(tx, job, level, text);
	return dcg_event_append(tx, job, "log", o);
}

cJSON *dcg_job_json(const struct dcg_job_row *r)
{
	cJSON *o = cJSON_CreateObject(), *params = r->params_json ? cJSON_Parse(r->params_json) : NULL;
	cJSON *tags = cJSON_Parse(r->tags_json ? r->tags_json : "[]");
	const cJSON *epochs = cJSON_GetObjectItemCaseSensitive(params, "epochs");
	int ok = o && !dcg_json_number(o, "id", (double)r->id) && cJSON_AddStringToObject(o, "name", r->name ? r->name : "") &&
		cJSON_AddStringToObject(o, "note", r->note ? r->note : "") &&
		cJSON_AddStringToObject(o, "state", dcg_job_state_name(r->state)) &&
		cJSON_AddStringToObject(o, "dataset", r->dataset ? r->dataset : "") && !dcg_json_number(o, "priority", r->priority) &&
		cJSON_AddBoolToObject(o, "pinned", r->pinned) &&
		!dcg_json_number(o, "epoch", (double)r->epoch) && !dcg_json_number(o, "epochs", epochs ? epochs->valuedouble : NAN) &&
		!dcg_json_number(o, "step", (double)r->step) &&
		!dcg_json_number(o, "steps_per_epoch", r->steps_per_epoch ? (double)r->steps_per_epoch : NAN) &&
		!dcg_json_number(o, "steps_total", r->steps_total ? (double)r->steps_total : NAN) &&
		!dcg_json_number(o, "images_per_s", dcg_json_short(r->images_per_s)) && !dcg_json_number(o, "eta_s", dcg_json_short(r->eta_s)) &&
		!dcg_json_number(o, "loss_d", dcg_json_short(r->loss_d)) && !dcg_json_number(o, "loss_g", dcg_json_short(r->loss_g)) &&
		!dcg_json_number(o, "d_real", dcg_json_short(r->d_real)) && !dcg_json_number(o, "d_fake", dcg_json_short(r->d_fake)) &&
		!dcg_json_text_or_null(o, "error", r->error) &&
		!dcg_json_number(o, "version", (double)r->version);
	if (ok && params && (ok = cJSON_AddItemToObject(o, "params", params)))
		params = NULL;
	if (ok && tags && (ok = cJSON_AddItemToObject(o, "tags", tags)))
		tags = NULL;
	ok = ok && !dcg_json_time(o, "created_at", r->created_ms) && !dcg_json_time(o, "started_at", r->started_ms) &&
		!dcg_json_time(o, "finished_at", r->finished_ms);
	cJSON_Delete(params);
	cJSON_Delete(tags);
	if (ok)
		return o;
	cJSON_Delete(o);
	return NULL;
}

static int add_checkpoint(cJSON *o, const struct dcg_file_row *r)
{
	char url[64];
	snprintf(url, sizeof url, "/checkpoints/%lld/file", (long long)r->id);
	return !dcg_json_number(o, "id", (double)r->id) && !dcg_json_number(o, "job", (double)r->job) &&
		!dcg_json_number(o, "epoch", (double)r->epoch) && !dcg_json_number(o, "step", (double)r->step) &&
		!dcg_json_number(o, "size", (double)r->size) && cJSON_AddStringToObject(o, "sha256", r->sha256) &&
		cJSON_AddStringToObject(o, "name", r->label) && cJSON_AddBoolToObject(o, "pinned", r->pinned) && !dcg_json_number(o, "score", r->score) &&
		!dcg_json_time(o, "created_at", r->created_ms) && cJSON_AddStringToObject(o, "url", url) ? 0 : DCG_ENOMEM;
}

cJSON *dcg_checkpoint_json(const struct dcg_file_row *r)
{
	cJSON *o = cJSON_CreateObject();
	if (o && !add_checkpoint(o, r))
		return o;
	cJSON_Delete(o);
	return NULL;
}

int dcg_checkpoint_event(struct dcg_store_tx *tx, const struct dcg_file_row *row)
{
	cJSON *o = dcg_checkpoint_json(row);
	if (o && dcg_json_time(o, "at", dcg_store_now_ms())) {
		cJSON_Delete(o);
		o = NULL;
	}
	return dcg_event_append(tx, row->job, "checkpoint", o);
}

cJSON *dcg_jobs_dataset_json(struct dcg_jobs *j, const struct dcg_dataset_row *r, int details)
{
	char url[128];
	cJSON *o = cJSON_CreateObject(), *names;
	snprintf(url, sizeof url, "/datasets/%s/preview.png", r->name);
	int ok = o && cJSON_AddStringToObject(o, "name", r->name) && cJSON_AddStringToObject(o, "format", r->format) &&
		!dcg_json_number(o, "count", (double)r->count) && !dcg_json_number(o, "width", r->width) &&
		!dcg_json_number(o, "height", r->height) && !dcg_json_number(o, "channels", r->channels) &&
		!dcg_json_number(o, "classes", r->classes) && cJSON_AddBoolToObject(o, "builtin", r->builtin) &&
		!dcg_json_time(o, "created_at", r->created_ms) && cJSON_AddStringToObject(o, "preview", url);
	if (ok && details) {
		struct dcg_source *s = NULL;
		ok = (names = cJSON_AddArrayToObject(o, "class_names")) != NULL;
		/* A source that has gone keeps its row: it just has no names to tell. */
		if (ok && !dcg_dataset_source(j, r, &s, NULL)) {
			int classes = dcg_source_info(s)->classes;
			for (int i = 0; ok && i < classes; i++) {
				char name[DCG_CLASS_NAME];
				snprintf(name, sizeof name, "%s", dcg_source_class_name(s, i));
				dcg_text_clean(name);
				ok = cJSON_AddItemToArray(names, cJSON_CreateString(name));
			}
			dcg_source_close(s);
		}
	}
	if (ok)
		return o;
	cJSON_Delete(o);
	return NULL;
}
