/* Replies. Each function sets rq->response (NULL when there is no memory: the connection
 * is then closed); none sends. Called once a request, by the thread that has it. */
#ifndef DCG_API_REPLY_H
#define DCG_API_REPLY_H

#include "api/request.h"
#include "jobs/jobs.h"

/* Adds the headers that all replies have. Takes response. */
void dcg_reply_take(struct dcg_request *rq, unsigned status, struct MHD_Response *response, const char *type);
/* size bytes of malloc'd data, which it takes. */
void dcg_reply_bytes(struct dcg_request *rq, unsigned status, const char *type, void *data, size_t size);
/* t's text, which it takes; a 500 when t failed. */
void dcg_reply_text(struct dcg_request *rq, unsigned status, const char *type, struct dcg_text *t);
void dcg_reply_static(struct dcg_request *rq, unsigned status, const char *type, const void *data, size_t size);
void dcg_reply_empty(struct dcg_request *rq, unsigned status);
/* Takes o; a 500 when o is NULL or rq->out_of_memory. */
void dcg_reply_json(struct dcg_request *rq, unsigned status, cJSON *o);
/* A header for the reply already set. */
void dcg_reply_header(struct dcg_request *rq, const char *name, const char *value);

/* RFC 9457. */
void dcg_reply_problem(struct dcg_request *rq, unsigned status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* 400 for a query parameter of that name. */
void dcg_reply_parameter(struct dcg_request *rq, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* With "errors" (an array of objects, or NULL), which it takes. */
void dcg_reply_problem_with(struct dcg_request *rq, unsigned status, const char *detail, cJSON *errors);
/* From a DCG_E* code; what is our own fault is logged and told without its text. */
void dcg_reply_error(struct dcg_request *rq, const struct dcg_error *err);
void dcg_reply_invalid(struct dcg_request *rq, const struct dcg_invalid *inv);

/* Does If-Match, where present, name this entity? Otherwise the reply is 412, and the answer 0. tag
 * without quotes. */
int dcg_reply_matches(struct dcg_request *rq, const char *tag);
/* For GET: is all said by that 412, or by 304, as the client has this entity already? Then the answer is 1. */
int dcg_reply_settled(struct dcg_request *rq, const char *tag);
/* ETag and "revalidate each time" for the reply already set. */
void dcg_reply_tag(struct dcg_request *rq, const char *tag);
/* The file at path, whose size and sha256 are known; with conditions and ranges. download: name
 * to save it under, or NULL. */
void dcg_reply_file(struct dcg_request *rq, const char *path, int64_t size, const char *sha256, const char *type, const char *download);

/* Members of objects, remembering failures in rq. NaN becomes null; text NULL too. */
void dcg_put_number(struct dcg_request *rq, cJSON *o, const char *name, double v);
void dcg_put_text(struct dcg_request *rq, cJSON *o, const char *name, const char *v);
void dcg_put_bool(struct dcg_request *rq, cJSON *o, const char *name, int v);
void dcg_put_time(struct dcg_request *rq, cJSON *o, const char *name, int64_t ms); /* 0: null */
/* Takes v. */
void dcg_put(struct dcg_request *rq, cJSON *o, const char *name, cJSON *v);
void dcg_put_item(struct dcg_request *rq, cJSON *array, cJSON *v);

#endif
