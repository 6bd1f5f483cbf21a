/* Wrong tokens, told in the log: once a peer and minute, whatever comes, from a table of fixed
 * size. Never the token. Any thread. */
#ifndef DCG_API_FAILURES_H
#define DCG_API_FAILURES_H

#include "api/api.h"

struct dcg_failures;
struct dcg_failures *dcg_failures_new(void); /* NULL: out of memory */
void dcg_failures_free(struct dcg_failures *f);
/* Somebody at the other end of the connection fd sent a wrong token. */
void dcg_failures_note(struct dcg_failures *f, const struct dcg_api *api, int fd);

#endif
