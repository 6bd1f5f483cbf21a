/* Requests as libmicrohttpd hands them over, through guard, router, body and handler to the
 * reply, on a store with a job, metrics, a sample and a checkpoint of tiny networks.
 *
 * An input is the request's text: "METHOD /path?query", headers a line each, an empty line,
 * the body. The Content-Length is put right unless the input has one. Of each reply it is
 * checked that its status is one that /openapi.json tells, and that what is called JSON is
 * JSON in UTF-8. What reaches the network is taken from the reply by the linker's --wrap. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "api/handlers.h"
#include "api/traffic.h"
#include "base/file.h"
#include "tests/fuzz/checkpoint.h"

const int fuzz_pace = 400;

enum { HEADERS_MAX = 64, STEPS = 300 };

/* --- The world ---------------------------------------------------------------------------- */

static struct {
	char state[300], data[300];
	struct dcg_jobs *jobs;
	struct dcg_api *api;
	char *checkpoint; /* the file's bytes */
	size_t checkpoint_size;
} world;

static struct {
	const char *data; /* the reply's, or NULL: a file, a stream */
	size_t size;
	char type[80], location[80], allow[80];
} reply;

static const char params[] = "{\"dataset\":\"tiny\",\"size\":16,\"channels\":1,\"ngf\":1,\"ndf\":1,\"z_dim\":2,\"batch_size\":2,\"threads\":1,"
	"\"kernel\":\"openblas\",\"sample_count\":4,\"epochs\":2}";

static void must(int r, const struct dcg_error *err, const char *what)
{
	fuzz_check(r == 0, "%s: %s", what, err->text);
}

static void write_pictures(void)
{
	struct dcg_error err;
	char path[400];
	uint8_t idx[16 + 4 * 256] = { 0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 16, 0, 0, 0, 16 };
	for (size_t i = 16; i < sizeof idx; i++)
		idx[i] = (uint8_t)(i * 7);
	snprintf(path, sizeof path, "%s/tiny", world.data);
	must(dcg_file_make_folder(path, &err), &err, path);
	snprintf(path, sizeof path, "%s/tiny/train-images-idx3-ubyte", world.data);
	must(dcg_file_write_atomic(path, idx, sizeof idx, &err), &err, path);
}

static void put_file(enum dcg_file_kind kind, const char *name, const void *data, size_t size)
{
	struct dcg_file_row row = { .job = 1, .step = 2, .epoch = 1, .size = (int64_t)size, .created_ms = 1, .score = 0.5 };
	struct dcg_store_tx *tx;
	struct dcg_error err;
	int64_t id;
	snprintf(row.name, sizeof row.name, "%s", name);
	dcg_sha256(data, size, row.sha256);
	char *path = dcg_jobs_file_path(world.jobs, kind, &row), *slash = strrchr(path, '/');
	*slash = 0;
	must(dcg_file_make_folder(path, &err), &err, path);
	*slash = '/';
	must(dcg_file_write_atomic(path, data, size, &err), &err, path);
	free(path);
	must(dcg_store_begin(dcg_jobs_store(world.jobs), 0, &tx, &err), &err, "begin");
	dcg_store_file_insert(tx, kind, &row, &id);
	must(dcg_store_commit(tx, &err), &err, "file");
}

static void fill_store(void)
{
	struct dcg_invalid inv;
	struct dcg_store_tx *tx;
	struct dcg_error err;
	char name[64];
	int64_t id;
	cJSON *body = cJSON_Parse("{\"name\":\"tiny\",\"path\":\"tiny\"}");
	fuzz_check(dcg_jobs_dataset_register(world.jobs, body, name, &inv) == 0, "%s", inv.text);
	cJSON_Delete(body);
	body = cJSON_Parse(params);
	fuzz_check(dcg_jobs_submit(world.jobs, body, &id, &inv) == 0, "%s %s", inv.field[0].pointer, inv.field[0].detail);
	cJSON_Delete(body);
	must(dcg_store_begin(dcg_jobs_store(world.jobs), 0, &tx, &err), &err, "begin");
	struct dcg_metric_row points[STEPS];
	for (int i = 0; i < STEPS; i++)
		points[i] = (struct dcg_metric_row){ .step = i + 1, .value = { 1.0 / (i + 1), i, 0.5, 0.25, 0.125, 100 } };
	dcg_store_metrics_append(tx, id, points, STEPS);
	must(dcg_store_commit(tx, &err), &err, "metrics");
	put_file(DCG_FILE_SAMPLE, "step-0000000002.png", "not looked at", 13);
	put_file(DCG_FILE_CHECKPOINT, "step-0000000002.safetensors", world.checkpoint, world.checkpoint_size);
}

static void close_world(void)
{
	dcg_api_free(world.api);
	dcg_jobs_free(world.jobs);
	world.api = NULL;
	world.jobs = NULL;
	fuzz_remove(world.state);
}

/* The manager without its worker: what is queued stays so. */
static void open_world(void)
{
	const char *roots[] = { world.data, NULL }, *hosts[] = { "trainer.example", NULL };
	struct dcg_error err;
	if (!*world.state) {
		snprintf(world.state, sizeof world.state, "%s/state", fuzz_folder());
		snprintf(world.data, sizeof world.data, "%s/data", fuzz_folder());
		write_pictures();
		struct dcg_train_params p = fuzz_params(0);
		world.checkpoint = fuzz_checkpoint(&p, &world.checkpoint_size);
		atexit(close_world);
	}
	struct dcg_jobs_config jobs = { .state_folder = world.state, .dataset_roots = roots, .disk_reserve = -1 };
	struct dcg_api_config api = { .listen = "127.0.0.1:0", .allowed_hosts = hosts };
	must(dcg_jobs_new(&world.jobs, &jobs, &err), &err, "jobs");
	fill_store();
	must(dcg_api_new(&world.api, &api, world.jobs, &err), &err, "api");
	must(dcg_hub_start(&world.api->hub, world.api, &err), &err, "hub");
}

/* --- The reply ------------------------------------------------------------------------------ */

struct MHD_Response *__real_MHD_create_response_from_buffer(size_t size, void *data, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t size, void *data, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t size, void *data, enum MHD_ResponseMemoryMode mode)
{
	reply.data = data;
	reply.size = size;
	return __real_MHD_create_response_from_buffer(size, data, mode);
}

struct MHD_Response *__real_MHD_create_response_from_buffer_with_free_callback(size_t size, void *data, MHD_ContentReaderFreeCallback done);
struct MHD_Response *__wrap_MHD_create_response_from_buffer_with_free_callback(size_t size, void *data, MHD_ContentReaderFreeCallback done);
struct MHD_Response *__wrap_MHD_create_response_from_buffer_with_free_callback(size_t size, void *data, MHD_ContentReaderFreeCallback done)
{
	reply.data = data;
	reply.size = size;
	return __real_MHD_create_response_from_buffer_with_free_callback(size, data, done);
}

struct MHD_Response *__real_MHD_create_response_from_fd_at_offset64(uint64_t size, int fd, uint64_t at);
struct MHD_Response *__wrap_MHD_create_response_from_fd_at_offset64(uint64_t size, int fd, uint64_t at);
struct MHD_Response *__wrap_MHD_create_response_from_fd_at_offset64(uint64_t size, int fd, uint64_t at)
{
	fuzz_check(size > 0 && size + at <= world.checkpoint_size, "%llu bytes at %llu", (unsigned long long)size, (unsigned long long)at);
	reply.data = NULL;
	return __real_MHD_create_response_from_fd_at_offset64(size, fd, at);
}

/* Statuses that any route may answer with besides those in its row; openapi.c has the same. */
static int is_told(const struct dcg_request *rq)
{
	static const unsigned always[] = { 400, 403, 404, 405, 411, 413, 415, 421, 500, 503, 0 };
	const struct dcg_route *r = rq->route;
	for (int i = 0; always[i]; i++)
		if (rq->status == always[i])
			return 1;
	for (const struct dcg_answer *a = r ? r->answers : NULL; a && a->status; a++)
		if ((unsigned)a->status == rq->status)
			return 1;
	return (rq->status == 304 && (!r || r->flags & DCG_ROUTE_CONDITIONAL)) || (rq->status == 412 && r && r->flags & (DCG_ROUTE_MATCH | DCG_ROUTE_CONDITIONAL)) ||
		(rq->status == 428 && r && r->flags & DCG_ROUTE_MATCH_NEEDED) ||
		((rq->status == 206 || rq->status == 416) && r && r->flags & DCG_ROUTE_RANGE) || (rq->status == 507 && rq->unsafe) || (rq->status == 200 && rq->page) ||
		(rq->status == 406 && r && strstr(r->pattern, "/metrics"));
}

static void check_json(const struct dcg_request *rq)
{
	char *text = fuzz_text((const uint8_t *)reply.data, reply.size);
	const char *end;
	fuzz_check(dcg_utf8_valid(reply.data, reply.size), "%u: not UTF-8: %s", rq->status, text);
	cJSON *o = cJSON_ParseWithOpts(text, &end, 1);
	fuzz_check(o != NULL, "%u: not JSON: %s", rq->status, text);
	if (rq->status >= 400) {
		const cJSON *status = cJSON_GetObjectItemCaseSensitive(o, "status"), *detail = cJSON_GetObjectItemCaseSensitive(o, "detail");
		fuzz_check(cJSON_IsNumber(status) && status->valueint == (int)rq->status, "%s", text);
		fuzz_check(cJSON_IsString(detail) && *detail->valuestring, "%s", text);
		fuzz_check(!strstr(text, fuzz_folder()), "a path of the server: %s", text);
	}
	cJSON_Delete(o);
	free(text);
}

/* Header values are one line. */
static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)cls, (void)kind;
	for (const char *s = value; *s; s++)
		fuzz_check((unsigned char)*s >= ' ' && *s != 0x7f, "%s: a control character", name);
	return MHD_YES;
}

static void check_reply(const struct dcg_request *rq)
{
	fuzz_check(rq->response != NULL, "%s %s: no reply", rq->method, rq->uri);
	fuzz_check(is_told(rq), "%s %s: %u is not announced", rq->method, rq->uri, rq->status);
	fuzz_check(rq->status != 500, "%s %s: 500: %.*s", rq->method, rq->uri, (int)reply.size, reply.data ? reply.data : "");
	const char *type = MHD_get_response_header(rq->response, "Content-Type");
	if (reply.data && type && strstr(type, "json"))
		check_json(rq);
	MHD_get_response_headers(rq->response, look_at_header, NULL);
}

/* --- The request ---------------------------------------------------------------------------- */

static const char *const names[DCG_HEADERS] = {
	"Host", "Origin", "Accept", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "If-Match", "If-None-Match",
	"If-Range", "Range", "Last-Event-ID", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Idempotency-Key", "Authorization",
};

static void take_header(struct dcg_request *rq, char *line)
{
	char *value = strchr(line, ':');
	if (!value)
		return;
	*value++ = 0;
	value += strspn(value, " \t");
	for (int i = 0; i < DCG_HEADERS; i++)
		if (strcasecmp(line, names[i]) == 0 && !rq->header_count[i]++)
			rq->header[i] = value;
}

/* As request.c does it. */
static void serve(struct dcg_request *rq, const char *body, size_t size)
{
	int refused = dcg_router_split(rq) || dcg_guard_check(rq) || dcg_router_find(rq) || dcg_access_check(rq) ||
		dcg_router_query(rq) || dcg_guard_conditions(rq);
	if (dcg_guard_body(rq, refused) || refused)
		return;
	if (rq->route->body_max)
		dcg_text_add(&rq->body, body, size);
	if (!rq->route->body_max || !dcg_body_parse(rq))
		rq->route->handle(rq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *end = strstr(text, "\n\n"), *rest = text, length[24], *line;
	const char *body = end ? end + 2 : "";
	struct dcg_peer peer = { .fd = -1 };
	struct dcg_request rq = { .phase = DCG_PHASE_WORK };
	if (!world.jobs)
		open_world();
	if (end)
		end[1] = 0;
	size_t body_size = end ? size - (size_t)(body - text) : 0;
	line = strsep(&rest, "\n");
	char *space = strchr(line, ' ');
	/* libmicrohttpd passes on no line without a path. */
	if (!space || !space[1])
		goto done;
	*space = 0;
	rq.api = world.api;
	rq.peer = &peer;
	rq.method = line;
	rq.head = strcmp(line, "HEAD") == 0;
	rq.unsafe = !rq.head && strcmp(line, "GET") != 0;
	rq.uri = strdup(space + 1);
	for (int n = 0; n < HEADERS_MAX && (line = strsep(&rest, "\n")) && *line; n++)
		take_header(&rq, line);
	if (!rq.header_count[DCG_HEADER_HOST]++)
		rq.header[DCG_HEADER_HOST] = "localhost";
	if (body_size && !rq.header_count[DCG_HEADER_CONTENT_TYPE]++)
		rq.header[DCG_HEADER_CONTENT_TYPE] = "application/json";
	if (body_size && !rq.header_count[DCG_HEADER_CONTENT_LENGTH]++) {
		snprintf(length, sizeof length, "%zu", body_size);
		rq.header[DCG_HEADER_CONTENT_LENGTH] = length;
	}
	memset(&reply, 0, sizeof reply);
	serve(&rq, body, body_size);
	check_reply(&rq);
	int changed = rq.unsafe && rq.status < 300;
	MHD_destroy_response(rq.response);
	cJSON_Delete(rq.json);
	dcg_text_done(&rq.body);
	free(rq.scratch);
	free(rq.uri);
	/* The next input finds what this one found. Drawing changes nothing. */
	if (changed && !strstr(rq.route->pattern, "generate"))
		close_world();
done:
	free(text);
	return 0;
}

uint8_t *fuzz_seed(int i, size_t *ret_size)
{
	(void)i, (void)ret_size;
	return NULL;
}
