/* Keys of requests that made a job. */
#include <string.h>

#include "store/internal.h"

int dcg_store_key_insert(struct dcg_store_tx *tx, const struct dcg_key_row *r)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "INSERT INTO request_keys(key, request, job, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
	dcg_sql_bind_array(q, r->key, sizeof r->key);
	dcg_sql_bind_array(q, r->request, sizeof r->request);
	dcg_sql_bind_int(q, r->job);
	dcg_sql_bind_int(q, r->created_ms);
	if (dcg_sql_run(q) == 0)
		dcg_sql_fail(q, DCG_EEXIST, "the key \"%s\" was used before", r->key);
	return q->error.code;
}

int dcg_store_keys_forget(struct dcg_store_tx *tx, int64_t before_ms)
{
	struct dcg_sql *q = tx->sql;
	dcg_sql_start(q, "DELETE FROM request_keys WHERE created_ms < ?");
	dcg_sql_bind_int(q, before_ms);
	dcg_sql_run(q);
	return q->error.code;
}

int dcg_store_key_get(struct dcg_store *s, const char *key, int64_t since_ms, struct dcg_key_row *ret, struct dcg_error *err)
{
	struct dcg_sql *q;
	struct dcg_key_row row;
	memset(&row, 0, sizeof row);
	int r = dcg_store_read_begin(s, &q, err);
	if (r)
		return r;
	dcg_sql_start(q, "SELECT key, request, job, created_ms FROM request_keys WHERE key=? AND created_ms >= ?");
	dcg_sql_bind_text(q, key);
	dcg_sql_bind_int(q, since_ms);
	int found = dcg_sql_step(q);
	if (found > 0) {
		dcg_sql_array(q, row.key, sizeof row.key);
		dcg_sql_array(q, row.request, sizeof row.request);
		row.job = dcg_sql_int(q);
		row.created_ms = dcg_sql_int(q);
	} else if (found == 0) {
		dcg_sql_fail(q, DCG_ENOENT, "there is no such key");
	}
	r = dcg_store_read_end(s, q, err);
	if (!r)
		*ret = row;
	return r;
}
