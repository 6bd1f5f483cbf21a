#include "jobs/private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TO(state) (1u << DCG_JOB_##state)

/* Every legal move; jobs.h draws it. From paused to paused: for another reason. */
static const unsigned moves[DCG_JOB_STATES] = {
	[DCG_JOB_QUEUED] = TO(PREPARING) | TO(CANCELLED),
	[DCG_JOB_PREPARING] = TO(RUNNING) | TO(QUEUED) | TO(PAUSED) | TO(FAILED) | TO(CANCELLED),
	[DCG_JOB_RUNNING] = TO(PAUSED) | TO(SUCCEEDED) | TO(FAILED) | TO(CANCELLED) | TO(QUEUED),
	[DCG_JOB_PAUSED] = TO(QUEUED) | TO(CANCELLED) | TO(RUNNING) | TO(PAUSED),
};

int dcg_job_may_move(enum dcg_job_state from, enum dcg_job_state to)
{
	return from < DCG_JOB_STATES && to < DCG_JOB_STATES && (moves[from] >> to & 1);
}

int dcg_job_is_final(enum dcg_job_state state)
{
	return state < DCG_JOB_STATES && !moves[state];
}

int dcg_job_unchanged(const struct dcg_job_row *row, int64_t version, struct dcg_error *err)
{
	if (version <= 0 || row->version == version)
		return 0;
	return dcg_error_set(err, DCG_ESTALE, "job %lld is at version %lld, not %lld", (long long)row->id, (long long)row->version,
		(long long)version);
}

int dcg_state_event(struct dcg_store_tx *tx, int64_t id, const char *state, const char *previous, const char *error, int64_t rewound_to)
{
	cJSON *o = dcg_event_json(id);
	if (!o || !cJSON_AddStringToObject(o, "state", state) ||
	    dcg_json_text_or_null(o, "previous", previous) || dcg_json_text_or_null(o, "error", error) ||
	    dcg_json_number(o, "rewound_to", rewound_to < 0 ? NAN : (double)rewound_to)) {
		cJSON_Delete(o);
		return DCG_ENOMEM;
	}
	return dcg_event_append(tx, id, "state", o);
}

int dcg_job_move(struct dcg_store_tx *tx, struct dcg_job_row *row, enum dcg_job_state to, const char *error, int64_t rewound_to)
{
	enum dcg_job_state from = row->state;
	int64_t now = dcg_store_now_ms();
	if (!dcg_job_may_move(from, to))
		return DCG_ESTATE;
	char *text = NULL;
	if (error && !(text = strdup(error)))
		return DCG_ENOMEM;
	free(row->error);
	row->error = text;
	row->state = to;
	if (to == DCG_JOB_PREPARING && !row->started_ms)
		row->started_ms = now;
	/* Resumed or interrupted, it goes to the head of the queue: the later, the nearer. */
	if (to == DCG_JOB_QUEUED)
		row->queue_ms = -now;
	if (dcg_job_is_final(to))
		row->finished_ms = now;
	if (to != DCG_JOB_RUNNING && to != DCG_JOB_PREPARING)
		row->eta_s = to == DCG_JOB_SUCCEEDED ? 0 : NAN;
	dcg_store_job_update(tx, row, from);
	return dcg_state_event(tx, row->id, dcg_job_state_name(to), dcg_job_state_name(from), error, rewound_to);
}
