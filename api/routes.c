/* Every route, a row each: what is served, documented (/openapi.json) and tested. */
#include "api/handlers.h"

#define LIMIT { "limit", 1, 1, 200, "50", "At most so many." }
/* A list's letter, and where it goes on. */
#define CURSOR(where) { "cursor", 0, 1, 80, NULL, "\"next\" of the answer before.", "^" where "$" }
#define NUMBER "(0|[1-9][0-9]{0,17})"
#define SERIES "(loss_d|loss_g|d_real|d_fake|d_fake_after|images_per_s|swd|ms_ssim)"
#define MOST INT64_C(1000000000000000) /* of steps and epochs; cJSON writes 15 digits */
#define NAME "[a-z0-9][a-z0-9._-]{0,62}"
#define AFTER { "after", 1, 0, INT64_MAX, NULL, "Go on after the event of this number; the header Last-Event-ID does the same and wins." }

#define PINNED(what) { "pinned", 0, 1, 5, NULL, "Only " what " that are pinned, or only those that are not.", "^(true|false)$" }
#define EPOCH(what) { "epoch", 1, 0, MOST, NULL, "Only " what " of this epoch." }

/* What a token must allow. READ looks, WRITE starts and changes, ADMIN destroys what took hours to
 * make. OPEN asks for none: probes of monitoring, the page (which then asks for a token), and the
 * description, which says how to ask. */
#define OPEN DCG_SCOPE_NONE
#define READ DCG_SCOPE_READ
#define WRITE DCG_SCOPE_WRITE
#define ADMIN DCG_SCOPE_ADMIN

enum { TOKEN_MAX = 4 << 10, OBJECT_MAX = 64 << 10, VECTORS_MAX = 24 << 20 };

static const struct dcg_query jobs_query[] = {
	LIMIT, CURSOR("j" NUMBER),
	{ "state", 0, 1, 16, NULL, "Only jobs in this state.", "^(queued|preparing|running|paused|succeeded|failed|cancelled)$" },
	{ "dataset", 0, 1, 63, NULL, "Only jobs on this data set.", "^[^\\u0000-\\u001f\\u007f]+$" },
	{ "tag", 0, 1, DCG_TAG_MAX, NULL, "Only jobs with this tag.", "^[^\\u0000-\\u001f\\u007f]+$" },
	PINNED("jobs"),
	{ 0 },
};
static const struct dcg_query samples_query[] = { LIMIT, CURSOR("s" NUMBER), EPOCH("samples"), { 0 } };
static const struct dcg_query checkpoints_query[] = {
	LIMIT, CURSOR("c" NUMBER), EPOCH("checkpoints"),
	PINNED("checkpoints"),
	{ 0 },
};
static const struct dcg_query log_query[] = {
	LIMIT, CURSOR("l" NUMBER),
	{ "level", 0, 1, 7, NULL, "Only lines of this level or worse.", "^(info|warning|error)$" },
	{ 0 },
};
static const struct dcg_query datasets_query[] = {
	LIMIT, CURSOR("d" NAME),
	{ "format", 0, 1, 15, NULL, "Only data sets of this format.", "^(idx|cifar10|cifar100|folder)$" },
	{ 0 },
};
static const struct dcg_query events_query[] = { AFTER, { 0 } };
static const struct dcg_query metrics_query[] = {
	{ "series", 0, 1, 200, NULL, "Names with commas between them; all when not given.", "^" SERIES "(," SERIES ")*$" },
	{ "from", 1, 0, MOST, "1", "First step." },
	{ "to", 1, 0, MOST, NULL, "Last step; the newest when not given." },
	{ "max_points", 1, 2, 20000, "500", "At most so many buckets a series." },
	{ 0 },
};

#define ACTION(verb, function, text) \
	{ "POST", "/jobs/{id}/" verb, WRITE, function, DCG_ROUTE_MATCH, 1024, "Nothing", NULL, \
		{ { 202, "Job" }, { 404, "Problem" }, { 409, "Problem" }, { 422, "Problem" } }, .summary = text }

const struct dcg_route dcg_routes[] = {
	{ "GET", "/jobs", READ, dcg_route_jobs_list, .query = jobs_query, .answers = { { 200, "Jobs" } },
		.summary = "The jobs, newest first" },
	{ "POST", "/jobs", WRITE, dcg_route_job_create, DCG_ROUTE_BODY_NEEDED | DCG_ROUTE_KEY, OBJECT_MAX, "JobRequest",
		.answers = { { 201, "Job" }, { 409, "Problem" }, { 422, "Problem" } },
		.summary = "Queue a new job" },
	{ "GET", "/jobs/{id}", READ, dcg_route_job_get, DCG_ROUTE_CONDITIONAL, .answers = { { 200, "Job" }, { 404, "Problem" } },
		.summary = "A job with its progress" },
	{ "PATCH", "/jobs/{id}", WRITE, dcg_route_job_edit, DCG_ROUTE_BODY_NEEDED | DCG_ROUTE_MATCH | DCG_ROUTE_MATCH_NEEDED, OBJECT_MAX, "JobPatch",
		.answers = { { 200, "Job" }, { 404, "Problem" }, { 422, "Problem" } },
		.summary = "Change a job's name, note, tags or priority, or pin it" },
	{ "DELETE", "/jobs/{id}", ADMIN, dcg_route_job_delete, DCG_ROUTE_SLOW | DCG_ROUTE_MATCH,
		.answers = { { 204 }, { 404, "Problem" }, { 409, "Problem" } },
		.summary = "Delete a job with its files; not while it prepares or runs, nor when it is pinned" },
	ACTION("pause", dcg_route_job_pause, "Pause: write a checkpoint and let the next job run"),
	ACTION("resume", dcg_route_job_resume, "Queue a paused job again; it goes on where it was"),
	ACTION("cancel", dcg_route_job_cancel, "End a job for good"),
	ACTION("sample", dcg_route_job_sample, "Make a sample grid now"),
	ACTION("checkpoint", dcg_route_job_checkpoint, "Write a checkpoint now"),
	{ "GET", "/jobs/{id}/metrics", READ, dcg_route_job_metrics, .query = metrics_query,
		.answers = { { 200, "Metrics", "text/csv" }, { 404, "Problem" }, { 406, "Problem" } },
		.summary = "Losses and speed, in buckets that keep the extremes" },
	{ "GET", "/jobs/{id}/samples", READ, dcg_route_job_samples, .query = samples_query,
		.answers = { { 200, "Samples" }, { 404, "Problem" } }, .summary = "The sample grids, in order of step" },
	{ "GET", "/jobs/{id}/samples/{epoch}.png", READ, dcg_route_sample_epoch,
		DCG_ROUTE_CONDITIONAL | DCG_ROUTE_RANGE,
		.answers = { { 200, "image/png" }, { 404, "Problem" } }, .summary = "The newest sample grid of an epoch" },
	{ "GET", "/jobs/{id}/samples/step-{step}.png", READ, dcg_route_sample_step,
		DCG_ROUTE_CONDITIONAL | DCG_ROUTE_RANGE,
		.answers = { { 200, "image/png" }, { 404, "Problem" } }, .summary = "The sample grid of a step" },
	{ "GET", "/jobs/{id}/samples/latest.png", READ, dcg_route_sample_latest,
		DCG_ROUTE_CONDITIONAL | DCG_ROUTE_RANGE,
		.answers = { { 200, "image/png" }, { 404, "Problem" } }, .summary = "The newest sample grid" },
	{ "GET", "/jobs/{id}/checkpoints", READ, dcg_route_job_checkpoints, .query = checkpoints_query,
		.answers = { { 200, "Checkpoints" }, { 404, "Problem" } }, .summary = "The checkpoints, in order of step" },
	{ "GET", "/jobs/{id}/log", READ, dcg_route_job_log, .query = log_query,
		.answers = { { 200, "Log" }, { 404, "Problem" } }, .summary = "What the job had to say, oldest first" },
	{ "GET", "/jobs/{id}/events", READ, dcg_route_job_events, DCG_ROUTE_STREAM, .query = events_query,
		.answers = { { 200, "text/event-stream" }, { 404, "Problem" } }, .summary = "The events of a job as they happen" },
	{ "GET", "/events", READ, dcg_route_events, DCG_ROUTE_STREAM, .query = events_query, .answers = { { 200, "text/event-stream" } },
		.summary = "The events of all jobs as they happen" },
	{ "GET", "/checkpoints/{id}", READ, dcg_route_checkpoint_get, DCG_ROUTE_CONDITIONAL, .answers = { { 200, "Checkpoint" }, { 404, "Problem" } },
		.summary = "A checkpoint" },
	{ "PATCH", "/checkpoints/{id}", WRITE, dcg_route_checkpoint_edit, DCG_ROUTE_BODY_NEEDED | DCG_ROUTE_MATCH | DCG_ROUTE_MATCH_NEEDED, OBJECT_MAX,
		"CheckpointPatch",
		.answers = { { 200, "Checkpoint" }, { 404, "Problem" }, { 422, "Problem" } },
		.summary = "Pin a checkpoint, so that it is kept, or name it" },
	{ "GET", "/checkpoints/{id}/file", READ, dcg_route_checkpoint_file,
		DCG_ROUTE_CONDITIONAL | DCG_ROUTE_RANGE,
		.answers = { { 200, "application/octet-stream" }, { 404, "Problem" } }, .summary = "A checkpoint's safetensors file" },
	{ "POST", "/checkpoints/{id}/generate", WRITE, dcg_route_generate, DCG_ROUTE_SLOW | DCG_ROUTE_BODY_NEEDED | DCG_ROUTE_READS, VECTORS_MAX, "GenerateRequest",
		.answers = { { 200, "Generated", "image/png" }, { 404, "Problem" }, { 406, "Problem" }, { 422, "Problem" } },
		.summary = "Draw pictures with a checkpoint's generator", .values_max = dcg_route_generate_values },
	{ "GET", "/datasets", READ, dcg_route_datasets_list, .query = datasets_query, .answers = { { 200, "Datasets" } },
		.summary = "The data sets, by name" },
	{ "POST", "/datasets", WRITE, dcg_route_dataset_create, DCG_ROUTE_SLOW | DCG_ROUTE_BODY_NEEDED, OBJECT_MAX, "DatasetRequest",
		.answers = { { 201, "Dataset" }, { 403, "Problem" }, { 409, "Problem" }, { 422, "Problem" } },
		.summary = "Register a folder or file below one of the daemon's data set roots" },
	{ "GET", "/datasets/{name}", READ, dcg_route_dataset_get, DCG_ROUTE_SLOW,
		.answers = { { 200, "Dataset" }, { 404, "Problem" } }, .summary = "A data set with the names of its classes" },
	{ "DELETE", "/datasets/{name}", ADMIN, dcg_route_dataset_delete, DCG_ROUTE_SLOW,
		.answers = { { 204 }, { 404, "Problem" }, { 409, "Problem" } },
		.summary = "Forget a data set; its source files stay" },
	{ "GET", "/datasets/{name}/preview.png", READ, dcg_route_dataset_preview, DCG_ROUTE_SLOW | DCG_ROUTE_CONDITIONAL,
		.answers = { { 200, "image/png" }, { 404, "Problem" }, { 409, "Problem" }, { 422, "Problem" } },
		.summary = "Its first pictures as a grid; not while its source is missing" },
	{ "GET", "/session", OPEN, dcg_route_session_get, DCG_ROUTE_INLINE, .answers = { { 200, "Session" } },
		.summary = "Who asks, and whether a token is needed at all" },
	{ "POST", "/session", OPEN, dcg_route_session_create, DCG_ROUTE_BODY_NEEDED | DCG_ROUTE_READS, TOKEN_MAX, "SessionRequest",
		.answers = { { 200, "Session" }, { 401, "Problem" }, { 409, "Problem" }, { 422, "Problem" } },
		.summary = "Log in: exchange a token for a cookie" },
	{ "DELETE", "/session", OPEN, dcg_route_session_delete, DCG_ROUTE_INLINE | DCG_ROUTE_READS, .answers = { { 204 } },
		.summary = "Log out: have the cookie removed" },
	{ "GET", "/healthz", OPEN, dcg_route_health, DCG_ROUTE_INLINE, .answers = { { 200, "Health" } },
		.summary = "The daemon answers" },
	{ "GET", "/readyz", OPEN, dcg_route_ready, .answers = { { 200, "Health" } },
		.summary = "The daemon takes jobs: the store can be read and nothing is stopping (else 503)" },
	{ "GET", "/metrics", READ, dcg_route_prometheus, .answers = { { 200, "text/plain" } },
		.summary = "The daemon's state for Prometheus (text format 0.0.4)" },
	{ "GET", "/version", READ, dcg_route_version, DCG_ROUTE_INLINE, .answers = { { 200, "Version" } },
		.summary = "What this daemon is and can do" },
	{ "GET", "/openapi.json", OPEN, dcg_route_openapi, DCG_ROUTE_INLINE | DCG_ROUTE_CONDITIONAL, .answers = { { 200, "application/json" } },
		.summary = "This description" },
	{ "GET", "/", OPEN, dcg_route_page, DCG_ROUTE_INLINE | DCG_ROUTE_PAGE | DCG_ROUTE_CONDITIONAL, .answers = { { 200, "text/html" } },
		.summary = "The page" },
	{ 0 },
};
