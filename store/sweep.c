/* Deleting a job takes its row and files at once; its points, often millions, go afterwards
 * in pieces, one after each commit, so that no transaction waits long. Until then nobody
 * sees them: ids are not used again, and dcg_store_metrics_read asks for the job's row. */
#include "store/internal.h"

enum { PIECE = 20000 }; /* points: about 10 ms */

/* Delete the job's first PIECE points; 1 if these were all. */
static int delete_points(struct dcg_sql *q, int64_t job)
{
	dcg_sql_start(q, "SELECT series, step FROM metrics WHERE job=? ORDER BY series, step LIMIT 1 OFFSET ?");
	dcg_sql_bind_int(q, job);
	dcg_sql_bind_int(q, PIECE);
	int more = dcg_sql_step(q) > 0;
	int64_t series = more ? dcg_sql_int(q) : 0, step = more ? dcg_sql_int(q) : 0;
	if (more) {
		dcg_sql_start(q, "DELETE FROM metrics WHERE job=? AND (series, step) < (?, ?)");
		dcg_sql_bind_int(q, job);
		dcg_sql_bind_int(q, series);
		dcg_sql_bind_int(q, step);
	} else {
		dcg_sql_start(q, "DELETE FROM metrics WHERE job=?");
		dcg_sql_bind_int(q, job);
	}
	dcg_sql_run(q);
	return !more;
}

void dcg_store_sweep(struct dcg_store *s)
{
	struct dcg_sql *q = &s->writer;
	dcg_sql_start(q, "BEGIN IMMEDIATE");
	dcg_sql_run(q);
	int64_t job = dcg_sql_value(q, "SELECT min(id) FROM deleted_jobs");
	if (job && delete_points(q, job)) {
		dcg_sql_start(q, "DELETE FROM metric_blocks WHERE job=?");
		dcg_sql_bind_int(q, job);
		dcg_sql_run(q);
		dcg_sql_start(q, "DELETE FROM deleted_jobs WHERE id=?");
		dcg_sql_bind_int(q, job);
		dcg_sql_run(q);
	}
	int64_t left = dcg_sql_value(q, "SELECT count(*) FROM deleted_jobs");
	dcg_sql_start(q, "COMMIT");
	dcg_sql_run(q);
	if (!q->error.code)
		s->sweep = left != 0;
	else if (!sqlite3_get_autocommit(q->db)) /* tried again after the next commit */
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	dcg_sql_clear(q);
}
