/* GET /metrics: the daemon's state in Prometheus' text format, version 0.0.4. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/traffic.h"

/* --- The format ------------------------------------------------------------------------ */

static void family(struct dcg_text *t, const char *name, const char *type, const char *help)
{
	dcg_text_printf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct dcg_text *t, double v)
{
	if (isnan(v))
		dcg_text_puts(t, " NaN\n");
	else if (isinf(v))
		dcg_text_puts(t, v < 0 ? " -Inf\n" : " +Inf\n");
	else
		dcg_text_printf(t, " %.15g\n", v);
}

/* "\", quotes and line ends are escaped; all else is text as it stands. */
static void label(struct dcg_text *t, const char *name, const char *value)
{
	dcg_text_printf(t, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			dcg_text_puts(t, "\\n");
		else if (*value == '\\' || *value == '"')
			dcg_text_printf(t, "\\%c", *value);
		else
			dcg_text_add(t, value, 1);
	}
	dcg_text_puts(t, "\"");
}

static void gauge(struct dcg_text *t, const char *name, const char *help, double v)
{
	family(t, name, "gauge", help);
	dcg_text_puts(t, name);
	number(t, v);
}

/* --- Jobs -------------------------------------------------------------------------------- */

static void put_states(struct dcg_text *t, const struct dcg_store_stats *s)
{
	family(t, "dcgand_jobs", "gauge", "Jobs by state.");
	for (int i = 0; i < DCG_JOB_STATES; i++) {
		dcg_text_puts(t, "dcgand_jobs{");
		label(t, "state", dcg_job_state_name((enum dcg_job_state)i));
		dcg_text_puts(t, "}");
		number(t, (double)s->jobs[i]);
	}
	gauge(t, "dcgand_queue_length", "Jobs that wait for their turn.", (double)s->jobs[DCG_JOB_QUEUED]);
}

static void job_gauge(struct dcg_text *t, const char *name, const char *help, const struct dcg_job_row *row, double v)
{
	if (isnan(v)) /* not known yet */
		return;
	family(t, name, "gauge", help);
	dcg_text_printf(t, "%s{job=\"%" PRId64 "\"}", name, row->id);
	number(t, v);
}

static void put_current(struct dcg_text *t, const struct dcg_job_row *row)
{
	family(t, "dcgand_job_info", "gauge", "The job at work; always 1.");
	dcg_text_printf(t, "dcgand_job_info{job=\"%" PRId64 "\",", row->id);
	label(t, "name", row->name ? row->name : "");
	dcg_text_puts(t, ",");
	label(t, "dataset", row->dataset ? row->dataset : "");
	dcg_text_puts(t, ",");
	label(t, "state", dcg_job_state_name(row->state));
	dcg_text_puts(t, "} 1\n");
	job_gauge(t, "dcgand_job_step", "Steps that the job at work has done.", row, (double)row->step);
	job_gauge(t, "dcgand_job_steps_planned", "Steps it will have done at its end.", row, row->steps_total ? (double)row->steps_total : NAN);
	job_gauge(t, "dcgand_job_epoch", "Epochs that it has wholly done.", row, (double)row->epoch);
	job_gauge(t, "dcgand_job_images_per_second", "Real pictures it learns from in a second.", row, row->images_per_s);
	job_gauge(t, "dcgand_job_eta_seconds", "How long it will take from now.", row, row->eta_s);
	job_gauge(t, "dcgand_job_loss_d", "Its newest loss of the discriminator.", row, row->loss_d);
	job_gauge(t, "dcgand_job_loss_g", "Its newest loss of the generator.", row, row->loss_g);
	job_gauge(t, "dcgand_job_d_real", "What its discriminator thinks of real pictures, 0 to 1.", row, row->d_real);
	job_gauge(t, "dcgand_job_d_fake", "What its discriminator thinks of generated pictures, 0 to 1.", row, row->d_fake);
}

static int put_jobs(struct dcg_text *t, struct dcg_store *store, struct dcg_error *err)
{
	static const enum dcg_job_state at_work[] = { DCG_JOB_RUNNING, DCG_JOB_PREPARING };
	for (size_t i = 0; i < sizeof at_work / sizeof *at_work; i++) {
		struct dcg_job_filter f = { .pinned = -1, .state = (int)at_work[i], .limit = 1 };
		struct dcg_job_row *rows;
		size_t count;
		int r = dcg_store_jobs(store, &f, &rows, &count, err);
		if (r)
			return r;
		if (count)
			put_current(t, rows);
		dcg_store_jobs_free(rows, count);
		if (count)
			break;
	}
	return 0;
}

/* --- Requests ------------------------------------------------------------------------------ */

static void route_labels(struct dcg_text *t, const char *name, const struct dcg_traffic_row *row)
{
	dcg_text_printf(t, "%s{", name);
	label(t, "method", row->method);
	dcg_text_puts(t, ",");
	label(t, "route", row->pattern);
}

static void put_requests(void *text, const struct dcg_traffic_row *row)
{
	struct dcg_text *t = text;
	for (int i = 0; i < row->statuses; i++) {
		route_labels(t, "dcgand_http_requests_total", row);
		dcg_text_printf(t, ",status=\"%d\"} %" PRIu64 "\n", row->status[i].status, row->status[i].count);
	}
}

static void put_durations(void *text, const struct dcg_traffic_row *row)
{
	static const char name[] = "dcgand_http_request_duration_seconds";
	struct dcg_text *t = text;
	char part[64];
	uint64_t count = 0;
	snprintf(part, sizeof part, "%s_bucket", name);
	for (int i = 0; i < DCG_TRAFFIC_BUCKETS; i++) {
		count += row->bucket[i];
		route_labels(t, part, row);
		if (dcg_traffic_seconds[i] > 0)
			dcg_text_printf(t, ",le=\"%g\"} %" PRIu64 "\n", dcg_traffic_seconds[i], count);
		else
			dcg_text_printf(t, ",le=\"+Inf\"} %" PRIu64 "\n", count);
	}
	snprintf(part, sizeof part, "%s_sum", name);
	route_labels(t, part, row);
	dcg_text_puts(t, "}");
	number(t, row->seconds);
	snprintf(part, sizeof part, "%s_count", name);
	route_labels(t, part, row);
	dcg_text_printf(t, "} %" PRIu64 "\n", count);
}

/* --- The process ----------------------------------------------------------------------------- */

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Field `index` (from 1, as proc(5) counts) of /proc/self/stat; NaN without one. */
static double proc_stat(int index)
{
	char text[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	const char *s = strrchr(text, ')'); /* the second is the program's name, and may hold anything */
	for (int i = 2; s && i < index; i++)
		s = strchr(s + 1, ' ');
	return s ? strtod(s + 1, NULL) : NAN;
}

static void put_process(struct dcg_text *t)
{
	struct rusage u;
	double ticks = (double)sysconf(_SC_CLK_TCK), begun = proc_stat(22) / ticks, pages = proc_stat(24);
	if (!isnan(begun))
		gauge(t, "process_start_time_seconds", "When the process began, in seconds since 1970.",
			seconds(CLOCK_REALTIME) - (seconds(CLOCK_BOOTTIME) - begun));
	if (!isnan(pages))
		gauge(t, "process_resident_memory_bytes", "Memory in use.", pages * (double)sysconf(_SC_PAGESIZE));
	if (!getrusage(RUSAGE_SELF, &u)) {
		family(t, "process_cpu_seconds_total", "counter", "Processor time taken.");
		dcg_text_puts(t, "process_cpu_seconds_total");
		number(t, (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6);
	}
}

void dcg_route_prometheus(struct dcg_request *rq)
{
	struct dcg_api *api = rq->api;
	struct dcg_text t = { 0 };
	struct dcg_store_stats s;
	struct dcg_error err;
	family(&t, "dcgand_info", "gauge", "The daemon; always 1.");
	dcg_text_puts(&t, "dcgand_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	if (dcg_store_stats(api->store, &s, &err) || (put_states(&t, &s), put_jobs(&t, api->store, &err))) {
		dcg_text_done(&t);
		dcg_reply_error(rq, &err);
		return;
	}
	family(&t, "dcgand_events_total", "counter", "Number of the newest event ever recorded; restarts do not set it back.");
	dcg_text_puts(&t, "dcgand_events_total");
	number(&t, (double)s.newest_event);
	gauge(&t, "dcgand_event_streams", "Clients that follow events now.", dcg_hub_streams(api->hub));
	gauge(&t, "dcgand_event_streams_limit", "Most of them at a time.", api->max_streams);
	gauge(&t, "dcgand_database_bytes", "Size of the database with its write-ahead log.", (double)s.bytes);
	int64_t room, reserve;
	dcg_jobs_room(api->jobs, &room, &reserve);
	if (room != INT64_MAX)
		gauge(&t, "dcgand_disk_free_bytes", "Room on the disk of the state folder.", (double)room);
	gauge(&t, "dcgand_disk_reserve_bytes", "How much of it is kept: with less jobs pause and none are taken.", (double)reserve);
	gauge(&t, "dcgand_stopping", "1 when the daemon is about to end.", atomic_load(&api->refusing));
	family(&t, "dcgand_http_requests_total", "counter", "Requests by route and status; HEAD counts as GET, and what was for no route has an empty one.");
	dcg_traffic_each(api->traffic, put_requests, &t);
	family(&t, "dcgand_http_request_duration_seconds", "histogram", "From the request line to the last byte of the answer, but for event streams.");
	dcg_traffic_each(api->traffic, put_durations, &t);
	put_process(&t);
	dcg_reply_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8", &t);
}
