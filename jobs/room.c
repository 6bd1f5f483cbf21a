/* Room on the disk. A part of it is kept free for the database, so that what happens can still be
 * recorded; below that nothing new is begun and the job at work waits, in memory, until
 * there is room again. In the same way it waits when no more files can be opened. */
#include "jobs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A file may find no room for a cause that free bytes do not show (inodes, a quota), so it is tried
 * again after a while without any sign of more. SPARE_FILES: as many as a job opens at a time, and some. */
enum { MIB = 1 << 20, LOOK_MS = 1000, AGAIN_MS = 10000, SPARE_FILES = 8 };

int64_t dcg_room_free(const struct dcg_jobs *j)
{
	struct statvfs s;
	/* A file system that cannot say is taken at its word when it fails. */
	return statvfs(j->state_folder, &s) ? INT64_MAX : (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

/* What has to be free before anything goes on. */
static int64_t needed(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	int lately = j->room_failed >= j->reserve && dcg_monotonic_ms() < j->room_failed_at + AGAIN_MS;
	int64_t need = lately ? j->room_failed + MIB : j->reserve;
	pthread_mutex_unlock(&j->lock);
	return need;
}

static int failed_code(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	int code = j->room_code;
	pthread_mutex_unlock(&j->lock);
	return code;
}

static int files_to_spare(const struct dcg_jobs *j)
{
	int fd[SPARE_FILES], n = 0, e = 0;
	while (n < SPARE_FILES && !e) {
		if ((fd[n] = open(j->state_folder, O_PATH | O_CLOEXEC)) >= 0)
			n++;
		else
			e = errno;
	}
	while (n)
		close(fd[--n]);
	return e != EMFILE && e != ENFILE;
}

static int is_enough(struct dcg_jobs *j)
{
	return dcg_room_free(j) >= needed(j) && (failed_code(j) != DCG_EMFILE || files_to_spare(j));
}

static void set_failed(struct dcg_jobs *j, int code, int64_t free_bytes)
{
	pthread_mutex_lock(&j->lock);
	j->room_code = code;
	j->room_failed = free_bytes;
	j->room_failed_at = dcg_monotonic_ms();
	pthread_mutex_unlock(&j->lock);
}

void dcg_room_failed(struct dcg_jobs *j, int code)
{
	set_failed(j, code, code == DCG_ENOSPC ? dcg_room_free(j) : -1);
}

void dcg_room_text(struct dcg_jobs *j, char *buf, size_t size)
{
	if (failed_code(j) == DCG_EMFILE) {
		snprintf(buf, size, "too many files are open, it goes on by itself when some were closed");
		return;
	}
	snprintf(buf, size, "disk full: %lld MB are free, it goes on by itself with %lld MB", (long long)(dcg_room_free(j) / MIB),
		(long long)((needed(j) + MIB - 1) / MIB));
}

int dcg_room_is_low(const struct dcg_jobs *j, struct dcg_error *err)
{
	int64_t have = dcg_room_free(j);
	if (have >= j->reserve)
		return 0;
	return dcg_error_set(err, DCG_ENOSPC, "the disk is full: %lld MB are free, and the last %lld are kept", (long long)(have / MIB), (long long)(j->reserve / MIB));
}

void dcg_jobs_room(struct dcg_jobs *j, int64_t *ret_free, int64_t *ret_reserve)
{
	*ret_free = dcg_room_free(j);
	*ret_reserve = j->reserve;
}

/* --- Between jobs -------------------------------------------------------------------------- */

/* Paused with a reason: by us, not by somebody. */
static int queue_again(void *user, struct dcg_job_row *seen, struct dcg_error *err)
{
	struct dcg_jobs *j = user;
	struct dcg_store_tx *tx;
	struct dcg_job_row row;
	if (!seen->error)
		return 0;
	int r = dcg_store_begin(j->store, 1, &tx, err);
	if (r)
		return r;
	if ((r = dcg_store_job_get(j->store, seen->id, &row, err)) || row.state != DCG_JOB_PAUSED || !row.error) {
		dcg_store_rollback(tx);
		if (!r)
			dcg_job_row_done(&row);
		return r == DCG_ENOENT ? 0 : r;
	}
	r = dcg_jobs_commit(j, tx, dcg_job_move(tx, &row, DCG_JOB_QUEUED, NULL, -1), err);
	dcg_job_row_done(&row);
	return r;
}

static int is_ours(void *user, struct dcg_job_row *row, struct dcg_error *err)
{
	(void)user, (void)err;
	return row->error ? 1 : 0;
}

int dcg_room_go_on(struct dcg_jobs *j, struct dcg_error *err)
{
	if (!is_enough(j)) {
		struct dcg_job_row next;
		/* Somebody waits? Else there is no hurry to look again. */
		int r = dcg_store_job_next(j->store, &next, err);
		if (!r)
			dcg_job_row_done(&next);
		if (r == DCG_ENOENT)
			r = dcg_jobs_each(j, DCG_JOB_PAUSED, is_ours, NULL, err) == 1 ? 0 : DCG_ENOENT;
		return r ? r : dcg_error_set(err, DCG_ENOSPC, "there is no room");
	}
	int r = dcg_jobs_each(j, DCG_JOB_PAUSED, queue_again, j, err);
	if (!r)
		set_failed(j, 0, -1);
	return r;
}

/* --- During a job -------------------------------------------------------------------------- */

static void tell_waiting(struct dcg_run *run, int waiting)
{
	pthread_mutex_lock(&run->j->lock);
	run->j->current.waiting = waiting;
	pthread_mutex_unlock(&run->j->lock);
}

static void begin_wait(struct dcg_run *run)
{
	if (run->room != DCG_ROOM_ENOUGH)
		return;
	dcg_room_text(run->j, run->waiting, sizeof run->waiting);
	run->room = DCG_ROOM_PAUSING;
	tell_waiting(run, failed_code(run->j) ? failed_code(run->j) : DCG_ENOSPC);
	dcg_trainer_command(run->trainer, DCG_COMMAND_PAUSE);
}

void dcg_run_file_lost(struct dcg_run *run, enum dcg_event_type file, int code)
{
	*(file == DCG_EVENT_CHECKPOINT ? &run->lost_checkpoint : &run->lost_sample) = 1;
	dcg_room_failed(run->j, code);
	begin_wait(run);
}

void dcg_run_paused(struct dcg_run *run)
{
	if (run->room != DCG_ROOM_PAUSING)
		return;
	run->room = DCG_ROOM_PAUSED;
	run->room_at = 0; /* record it at once */
}

void dcg_run_resumed(struct dcg_run *run)
{
	if (run->room != DCG_ROOM_RESUMING)
		return;
	run->room = DCG_ROOM_ENOUGH;
	if (run->row.state == DCG_JOB_PAUSED)
		dcg_run_persist(run, &(struct dcg_record){ .resume = 1 });
	tell_waiting(run, 0);
}

static void end_wait(struct dcg_run *run)
{
	set_failed(run->j, 0, -1);
	run->room = DCG_ROOM_RESUMING;
	/* The files that found no room are made now: of a later step than asked for, but of the
	 * same weights. */
	if (run->lost_checkpoint)
		dcg_trainer_command(run->trainer, DCG_COMMAND_CHECKPOINT);
	if (run->lost_sample)
		dcg_trainer_command(run->trainer, DCG_COMMAND_SAMPLE);
	run->lost_checkpoint = run->lost_sample = 0;
	dcg_trainer_command(run->trainer, DCG_COMMAND_RESUME);
}

void dcg_run_room(struct dcg_run *run)
{
	int64_t now = dcg_monotonic_ms();
	if (now < run->room_at || run->abandoned)
		return;
	run->room_at = now + LOOK_MS;
	int enough = is_enough(run->j);
	if (run->room == DCG_ROOM_ENOUGH && !enough)
		begin_wait(run);
	else if (run->room == DCG_ROOM_PAUSED && enough)
		end_wait(run);
	else if (run->room == DCG_ROOM_PAUSED)
		dcg_jobs_moved(run->j); /* a restart would not make room */
	if (run->room == DCG_ROOM_PAUSED && run->row.state == DCG_JOB_RUNNING)
		dcg_run_record(run, &(struct dcg_record){ .pause = run->waiting }, NULL); /* when the store cannot, the next time */
}
