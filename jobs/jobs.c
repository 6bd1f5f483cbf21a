#include "jobs/private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

int64_t dcg_monotonic_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int copy_roots(struct dcg_jobs *j, const char *const *roots)
{
	size_t n = 0;
	while (roots && roots[n])
		n++;
	j->roots = calloc(n + 1, sizeof *j->roots);
	for (size_t i = 0; j->roots && i < n; i++)
		if (!(j->roots[i] = strdup(roots[i])))
			return DCG_ENOMEM;
	return j->roots ? 0 : DCG_ENOMEM;
}

static int make_folders(struct dcg_jobs *j, const char *folder, struct dcg_error *err)
{
	static const char *const inside[] = { "jobs", "datasets" };
	int r = dcg_file_make_folder(folder, err);
	if (r)
		return r;
	if (!(j->state_folder = realpath(folder, NULL)))
		return dcg_error_sys(err, errno, "%s: cannot resolve", folder);
	for (size_t i = 0; !r && i < sizeof inside / sizeof *inside; i++) {
		char *path;
		if (asprintf(&path, "%s/%s", j->state_folder, inside[i]) < 0)
			return dcg_error_set(err, DCG_ENOMEM, "out of memory");
		r = dcg_file_make_folder(path, err);
		free(path);
	}
	return r;
}

/* What to do when the state folder, or something in it, cannot be written. */
static void advise(struct dcg_error *err)
{
	size_t n = err ? strlen(err->text) : 0;
	if (err && (err->code == DCG_EACCESS))
		snprintf(err->text + n, sizeof err->text - n, "; all of the state folder must be writable for user %u: mount it so, chown it, or choose another --state-dir",
			(unsigned)geteuid());
}

int dcg_jobs_new(struct dcg_jobs **ret, const struct dcg_jobs_config *cfg, struct dcg_error *err)
{
	struct dcg_jobs *j = calloc(1, sizeof *j);
	pthread_condattr_t attr;
	if (!j)
		return dcg_error_set(err, DCG_ENOMEM, "out of memory");
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->event_lock, NULL);
	pthread_mutex_init(&j->generate_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->changed, &attr);
	pthread_condattr_destroy(&attr);
	j->reserve = cfg->disk_reserve < 0 ? 0 : cfg->disk_reserve ? cfg->disk_reserve : INT64_C(256) << 20;
	j->nice = cfg->nice;
	j->room_failed = -1;
	j->max_queued = cfg->max_queued > 0 ? cfg->max_queued : 1000;

	int r = copy_roots(j, cfg->dataset_roots);
	if (r)
		dcg_error_set(err, r, "out of memory");
	if (!r)
		r = make_folders(j, cfg->state_folder, err);
	if (!r)
		r = dcg_store_open(&j->store, j->state_folder, err);
	if (r)
		advise(err);
	if (!r)
		r = dcg_datasets_builtin(j, err);
	if (!r)
		r = dcg_jobs_recover(j, err);
	if (r) {
		dcg_jobs_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

int dcg_jobs_start(struct dcg_jobs *j, struct dcg_error *err)
{
	sigset_t all, old;
	/* The worker does it for itself; whether it may shows here. */
	if (j->nice && setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)))
		return dcg_error_sys(err, errno, "nice: the system does not let priorities be changed");
	pthread_mutex_lock(&j->lock);
	j->stopping = j->quick = 0;
	/* Signals are the main thread's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = j->working ? 0 : pthread_create(&j->thread, NULL, dcg_worker_main, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!e)
		j->working = 1;
	pthread_mutex_unlock(&j->lock);
	return e ? dcg_error_set(err, DCG_ETHREAD, "the worker: %s", strerror(e)) : 0;
}

void dcg_jobs_begin_stop(struct dcg_jobs *j, int quick)
{
	pthread_mutex_lock(&j->lock);
	j->stopping = 1;
	j->quick |= quick;
	if (j->current.trainer)
		dcg_trainer_command(j->current.trainer, j->quick ? DCG_COMMAND_ABORT : DCG_COMMAND_STOP);
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
}

void dcg_jobs_stop(struct dcg_jobs *j, int quick)
{
	dcg_jobs_begin_stop(j, quick);
	pthread_mutex_lock(&j->lock);
	if (j->working && !j->joining) {
		j->joining = 1;
		pthread_mutex_unlock(&j->lock);
		pthread_join(j->thread, NULL);
		pthread_mutex_lock(&j->lock);
		j->working = j->joining = 0;
		pthread_cond_broadcast(&j->changed);
	}
	while (j->working)
		pthread_cond_wait(&j->changed, &j->lock);
	pthread_mutex_unlock(&j->lock);
}

void dcg_jobs_free(struct dcg_jobs *j)
{
	if (!j)
		return;
	dcg_jobs_stop(j, 1);
	if (j->sampler)
		dcg_sampler_free(j->sampler);
	if (j->store)
		dcg_store_close(j->store);
	for (char **root = j->roots; root && *root; root++)
		free(*root);
	free(j->roots);
	free(j->state_folder);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->generate_lock);
	pthread_mutex_destroy(&j->event_lock);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

struct dcg_store *dcg_jobs_store(struct dcg_jobs *j)
{
	return j->store;
}

void dcg_jobs_on_event(struct dcg_jobs *j, void (*fn)(void *user), void *user)
{
	pthread_mutex_lock(&j->event_lock);
	j->event_fn = fn;
	j->event_user = user;
	pthread_mutex_unlock(&j->event_lock);
}

int dcg_jobs_commit(struct dcg_jobs *j, struct dcg_store_tx *tx, int own, struct dcg_error *err)
{
	if (own) {
		dcg_store_rollback(tx);
		return dcg_error_set(err, own, "%s", dcg_strerror(own));
	}
	int r = dcg_store_commit(tx, err);
	if (r)
		return r;
	pthread_mutex_lock(&j->event_lock);
	if (j->event_fn)
		j->event_fn(j->event_user);
	pthread_mutex_unlock(&j->event_lock);
	return 0;
}

void dcg_jobs_wake(struct dcg_jobs *j)
{
	pthread_mutex_lock(&j->lock);
	j->woken = 1;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
}

void dcg_jobs_moved(struct dcg_jobs *j)
{
	atomic_fetch_add(&j->moves, 1);
}

int dcg_jobs_moving(struct dcg_jobs *j, uint64_t *seen)
{
	pthread_mutex_lock(&j->lock);
	int idle = j->idle;
	pthread_mutex_unlock(&j->lock);
	uint64_t now = atomic_load(&j->moves) + 1; /* never 0 */
	int moving = idle || now != *seen;
	*seen = now;
	return moving;
}

void dcg_jobs_adjust(struct dcg_jobs *j, int max_queued)
{
	atomic_store(&j->max_queued, max_queued);
}

int dcg_jobs_each(struct dcg_jobs *j, int state, int (*fn)(void *user, struct dcg_job_row *row, struct dcg_error *err), void *user, struct dcg_error *err)
{
	struct dcg_job_filter f = { .pinned = -1, .state = state, .limit = DCG_PAGE };
	struct dcg_job_row *rows;
	size_t count;
	int r;
	do {
		if ((r = dcg_store_jobs(j->store, &f, &rows, &count, err)))
			return r;
		for (size_t i = 0; !r && i < count; i++) {
			f.before_id = rows[i].id;
			r = fn(user, &rows[i], err);
		}
		dcg_store_jobs_free(rows, count);
	} while (!r && count == DCG_PAGE);
	return r;
}

void dcg_jobs_status(struct dcg_jobs *j, char *buf, size_t size)
{
	struct dcg_store_stats stats = { 0 };
	dcg_store_stats(j->store, &stats, NULL);
	pthread_mutex_lock(&j->lock);
	long long id = (long long)j->current.id;
	if (!id)
		snprintf(buf, size, "idle");
	else if (j->current.trouble[0])
		snprintf(buf, size, "job %lld: cannot record: %s", id, j->current.trouble);
	else if (j->current.waiting == DCG_EMFILE)
		snprintf(buf, size, "job %lld: waiting for files to be closed", id);
	else if (j->current.waiting)
		snprintf(buf, size, "job %lld: waiting for room on the disk", id);
	else if (j->current.preparing && j->current.count)
		snprintf(buf, size, "job %lld: preparing %u/%u", id, j->current.done, j->current.count);
	else if (j->current.preparing)
		snprintf(buf, size, "job %lld: preparing", id);
	else
		snprintf(buf, size, "job %lld: epoch %lld/%lld", id, (long long)j->current.epoch, (long long)j->current.epochs);
	pthread_mutex_unlock(&j->lock);
	size_t n = strlen(buf);
	snprintf(buf + n, size - n, ", %lld queued", (long long)stats.jobs[DCG_JOB_QUEUED]);
}
