/* Pictures from a checkpoint, on request. */
#include <stdlib.h>

#include "api/handlers.h"
#include "data/picture.h"

static void reply_grid(struct dcg_request *rq, const struct dcg_generated *g)
{
	struct dcg_picture grid;
	struct dcg_error err;
	uint8_t *png;
	size_t size;
	int r = dcg_picture_grid(&grid, g->pictures, g->n, g->size, g->size, g->channels, g->columns, 2, &err);
	if (!r) {
		r = dcg_picture_png(&grid, &png, &size, &err);
		dcg_picture_done(&grid);
	}
	if (r)
		dcg_reply_error(rq, &err);
	else
		dcg_reply_bytes(rq, 200, "image/png", png, size);
}

/* Written directly: a tree of z's numbers would take a hundred times their size. */
static void reply_json(struct dcg_request *rq, const struct dcg_generated *g)
{
	struct dcg_text t = { 0 };
	struct dcg_error err;
	size_t bytes = (size_t)g->size * (size_t)g->size * (size_t)g->channels;
	dcg_text_printf(&t, "{\"n\":%d,\"size\":%d,\"channels\":%d,\"z\":[", g->n, g->size, g->channels);
	for (int i = 0; i < g->n; i++)
		for (int k = 0; k < g->z_dim; k++)
			/* 9 digits bring back the same float. */
			dcg_text_printf(&t, "%s%.9g%s", k ? "," : i ? ",[" : "[", (double)g->z[(size_t)i * (size_t)g->z_dim + (size_t)k],
				k + 1 == g->z_dim ? "]" : "");
	dcg_text_puts(&t, "],\"images\":[");
	for (int i = 0; i < g->n; i++) {
		struct dcg_picture p = { g->size, g->size, g->channels, g->pictures + (size_t)i * bytes };
		uint8_t *png;
		size_t size;
		if (dcg_picture_png(&p, &png, &size, &err)) {
			dcg_text_done(&t);
			dcg_reply_error(rq, &err);
			return;
		}
		dcg_text_puts(&t, i ? ",\"data:image/png;base64," : "\"data:image/png;base64,");
		dcg_text_base64(&t, png, size);
		dcg_text_puts(&t, "\"");
		free(png);
	}
	dcg_text_puts(&t, "]}");
	dcg_reply_text(rq, 200, "application/json", &t);
}

int dcg_route_generate_values(struct dcg_request *rq, size_t *ret)
{
	struct dcg_invalid inv = { 0 };
	if (!dcg_jobs_generate_values(rq->api->jobs, rq->id, ret, &inv))
		return 0;
	dcg_reply_invalid(rq, &inv);
	return -1;
}

void dcg_route_generate(struct dcg_request *rq)
{
	static const char *const offers[] = { "application/json", "image/png", NULL };
	struct dcg_generated g = { 0 };
	struct dcg_invalid inv = { 0 };
	int offer = dcg_negotiate(rq->header[DCG_HEADER_ACCEPT], offers);
	if (offer < 0) {
		dcg_reply_problem(rq, 406, "expected an Accept header that allows application/json or image/png");
		return;
	}
	int r = dcg_jobs_generate(rq->api->jobs, rq->id, rq->json, &g, &inv);
	dcg_body_done(rq);
	if (r) {
		dcg_reply_invalid(rq, &inv);
		return;
	}
	if (offer == 0)
		reply_json(rq, &g);
	else
		reply_grid(rq, &g);
	dcg_reply_header(rq, "Vary", "Accept");
	dcg_generated_done(&g);
}
