/* The functions behind the table of routes (routes.c). Each leaves a reply in rq. */
#ifndef DCG_API_HANDLERS_H
#define DCG_API_HANDLERS_H

#include "api/reply.h"
#include "api/server.h"

/* routes_jobs.c */
void dcg_route_jobs_list(struct dcg_request *rq);
void dcg_route_job_create(struct dcg_request *rq);
void dcg_route_job_get(struct dcg_request *rq);
void dcg_route_job_edit(struct dcg_request *rq);
void dcg_route_job_delete(struct dcg_request *rq);
void dcg_route_job_pause(struct dcg_request *rq);
void dcg_route_job_resume(struct dcg_request *rq);
void dcg_route_job_cancel(struct dcg_request *rq);
void dcg_route_job_sample(struct dcg_request *rq);
void dcg_route_job_checkpoint(struct dcg_request *rq);
void dcg_route_job_log(struct dcg_request *rq);
void dcg_route_job_events(struct dcg_request *rq);
void dcg_route_events(struct dcg_request *rq);

/* routes_metrics.c */
void dcg_route_job_metrics(struct dcg_request *rq);

/* routes_prometheus.c */
void dcg_route_prometheus(struct dcg_request *rq);

/* routes_files.c */
void dcg_route_job_samples(struct dcg_request *rq);
void dcg_route_sample_epoch(struct dcg_request *rq);
void dcg_route_sample_step(struct dcg_request *rq);
void dcg_route_sample_latest(struct dcg_request *rq);
void dcg_route_job_checkpoints(struct dcg_request *rq);
void dcg_route_checkpoint_get(struct dcg_request *rq);
void dcg_route_checkpoint_edit(struct dcg_request *rq);
void dcg_route_checkpoint_file(struct dcg_request *rq);

/* routes_generate.c */
void dcg_route_generate(struct dcg_request *rq);
int dcg_route_generate_values(struct dcg_request *rq, size_t *ret);

/* routes_datasets.c */
void dcg_route_datasets_list(struct dcg_request *rq);
void dcg_route_dataset_create(struct dcg_request *rq);
void dcg_route_dataset_get(struct dcg_request *rq);
void dcg_route_dataset_delete(struct dcg_request *rq);
void dcg_route_dataset_preview(struct dcg_request *rq);

/* routes_session.c */
void dcg_route_session_get(struct dcg_request *rq);
void dcg_route_session_create(struct dcg_request *rq);
void dcg_route_session_delete(struct dcg_request *rq);

/* routes_daemon.c */
void dcg_route_health(struct dcg_request *rq);
void dcg_route_ready(struct dcg_request *rq);
void dcg_route_version(struct dcg_request *rq);
void dcg_route_openapi(struct dcg_request *rq);
void dcg_route_page(struct dcg_request *rq);

/* The job of rq->id exists? Otherwise 404 (or 500), and -1. row may be NULL. */
int dcg_find_job(struct dcg_request *rq, struct dcg_job_row *row);
/* {"<name>": items, "next": cursor or null}; takes items. */
void dcg_reply_list(struct dcg_request *rq, const char *name, cJSON *items, const char *next);

#endif
