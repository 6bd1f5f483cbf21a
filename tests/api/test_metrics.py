"""GET /metrics: the text format of Prometheus, and that its numbers are true."""

import os
import re
import time

import pypi
from dcgand import Daemon, Stream, equal, main, small_job, test, wait_for

d = Daemon()
d.register_tiny()
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(' + LABEL + "(?:," + LABEL + r')*)\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text):
    """By the letter of the format, version 0.0.4: {(name, labels): value}. Every family has its HELP and TYPE
    once and before its samples, which stand together; no sample comes twice."""
    equal(text.endswith("\n"), True, "the last line's end")
    samples, types, helped, family = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family, words = line[7:].split(" ", 1)
            equal(family in helped, False, f"a second HELP of {family}")
            equal(bool(words) and not re.search(r"\\(?![\\n])", words), True, line)
            helped.add(family)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            equal((name, kind in ("counter", "gauge", "histogram")), (family, True), line)
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            equal(bool(match), True, f"a line that is no sample: {line!r}")
            name = match[1]
            base = re.sub("_(bucket|sum|count)$", "", name) if types.get(family) == "histogram" else name
            equal(base, family, f"{line!r} is not among its family")
            labels = tuple(sorted((part.split("=", 1)[0], re.sub(r'\\["\\n]', lambda m: UNESCAPED[m[0]], part.split("=", 1)[1][1:-1]))
                                  for part in re.findall(LABEL, match[2] or "")))
            equal((name, labels) in samples, False, f"twice: {line!r}")
            samples[name, labels] = float(match[3])
    equal(set(types), helped)
    return samples, types


def scrape():
    answer = d.get("/metrics")
    equal(answer["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
    equal(answer["Cache-Control"], "no-store")
    return parse(answer.body.decode())[0]


def get(samples, metric, **labels):
    return samples.get((metric, tuple(sorted(labels.items()))))


@test
def nothing_has_happened_yet():
    """an idle daemon: all states at 0, the process, no job at work"""
    s = scrape()
    for state in ("queued", "preparing", "running", "paused", "succeeded", "failed", "cancelled"):
        equal(get(s, "dcgand_jobs", state=state), 0, state)
    equal((get(s, "dcgand_queue_length"), get(s, "dcgand_event_streams"), get(s, "dcgand_stopping")), (0, 0, 0))
    equal(any(name.startswith("dcgand_job_") for name, _ in s), False, "a job at work")
    equal(get(s, "dcgand_info", version=d.get("/version").json()["version"]), 1)
    equal(abs(get(s, "process_start_time_seconds") - time.time()) < 60, True, str(get(s, "process_start_time_seconds")))
    with open(f"/proc/{d.process.pid}/statm") as f:
        resident = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    equal(0.5 < get(s, "process_resident_memory_bytes") / resident < 2, True)
    equal(get(s, "process_cpu_seconds_total") > 0, True)


@test
def requests_are_counted():
    """by route and status, never by the client's own text; durations make a histogram that adds up"""
    before = scrape()

    def answered(samples):
        return sum(v for (metric, labels), v in samples.items() if metric == "dcgand_http_requests_total" and ("route", "/metrics") not in labels)

    def grown(metric, **labels):
        return (get(after, metric, **labels) or 0) - (get(before, metric, **labels) or 0)
    for _ in range(3):
        d.get("/healthz")
    d.request("HEAD", "/healthz")
    d.get("/jobs/99", 404)
    d.get("/jobs/98", 404)
    d.get('/nothing"\\%0a-evil', 400)
    d.get("/nothing-evil", 404)
    d.request("EVIL", "/jobs")
    d.request("PUT", "/jobs/1")
    d.get("/jobs?evil=1", 400)
    d.get("/app.js")
    # An answer is counted when its last byte is gone, which may be a moment after it was read.
    wait_for(lambda: answered(scrape()) - answered(before) >= 12, "the count of the last")
    after = scrape()
    equal(grown("dcgand_http_requests_total", method="GET", route="/healthz", status="200"), 4)
    equal(grown("dcgand_http_requests_total", method="GET", route="/jobs/{id}", status="404"), 2)
    equal(grown("dcgand_http_requests_total", method="GET", route="/jobs", status="400"), 1)
    equal(grown("dcgand_http_requests_total", method="GET", route="/{file}", status="200"), 1)
    equal(grown("dcgand_http_requests_total", method="", route="", status="404"), 1)
    equal(grown("dcgand_http_requests_total", method="", route="", status="400"), 1)
    equal(grown("dcgand_http_requests_total", method="", route="", status="405"), 2)
    equal("evil" in str(after).lower(), False, "the client's text")
    name = "dcgand_http_request_duration_seconds"
    routes = {tuple(sorted(dict(labels).items())) for metric, labels in after if metric == name + "_count"}
    equal(len(routes) >= 4, True, str(routes))
    for labels in map(dict, routes):
        buckets = sorted(((float(dict(key[1])["le"]), value) for key, value in after.items()
                          if key[0] == name + "_bucket" and {k: v for k, v in key[1] if k != "le"} == labels))
        equal(buckets[-1][0], float("inf"))
        equal([v for _, v in buckets], sorted(v for _, v in buckets), "cumulative")
        count = get(after, name + "_count", **labels)
        equal(buckets[-1][1], count)
        requests = sum(v for (metric, l), v in after.items() if metric == "dcgand_http_requests_total" and
                       {k: x for k, x in l if k != "status"} == labels)
        equal(requests, count, str(labels))
        equal(0 < get(after, name + "_sum", **labels) < 60, True)


@test
def a_job_at_work():
    """its progress and losses; names are escaped; event streams are counted but not timed"""
    name = 'a "quoted" \\ name{},= \u00fc'
    job = d.post("/jobs", small_job(name=name, epochs=100000, sample_every=0, checkpoint_every=0)).json()["id"]
    queued = d.post("/jobs", small_job()).json()["id"]
    streams = [Stream(d, "/events") for _ in range(3)]
    d.wait_step(job, 20)
    first = d.job(job)
    s = scrape()
    last = d.job(job)
    equal(get(s, "dcgand_job_info", job=str(job), name=name, dataset="tiny", state="running"), 1, str(s))
    equal((get(s, "dcgand_jobs", state="running"), get(s, "dcgand_jobs", state="queued"), get(s, "dcgand_queue_length")), (1, 1, 1))
    for metric, key in (("dcgand_job_step", "step"), ("dcgand_job_epoch", "epoch")):
        equal(first[key] <= get(s, metric, job=str(job)) <= last[key], True, metric)
    equal(get(s, "dcgand_job_steps_planned", job=str(job)), 400000)
    for metric in ("images_per_second", "loss_d", "loss_g", "d_real", "d_fake", "eta_seconds"):
        equal(get(s, f"dcgand_job_{metric}", job=str(job)) > 0, True, metric)
    equal(get(s, "dcgand_event_streams"), 3)
    events = get(s, "dcgand_events_total")
    equal(events > 5, True)
    equal(get(s, "dcgand_database_bytes") >= os.path.getsize(os.path.join(d.state, "dcgand.db")), True)
    for stream in streams:
        stream.close()
    wait_for(lambda: get(scrape(), "dcgand_event_streams") == 0, "the streams' end")
    s = scrape()
    equal(get(s, "dcgand_http_requests_total", method="GET", route="/events", status="200"), 3)
    equal(get(s, "dcgand_http_request_duration_seconds_count", method="GET", route="/events"), 0)
    equal(get(s, "dcgand_events_total") >= events, True)
    for made in (queued, job):
        d.post(f"/jobs/{made}/cancel", None, 202)
    d.wait_state(job, "cancelled")
    equal(get(scrape(), "dcgand_jobs", state="cancelled"), 2)
    equal(get(scrape(), "dcgand_job_step", job=str(job)), None)


@test
def others_read_the_same():
    """prometheus_client's parser finds the same samples and types, where it can be had"""
    module, what = pypi.get("prometheus_client.parser", "prometheus_client==0.21.1")
    text = d.get("/metrics").body.decode()
    samples, types = parse(text)
    if not module:
        print(f"# checked with this test's own parser only: {what}", flush=True)
        return
    print("# checked with prometheus_client's parser, too", flush=True)
    found, kinds = {}, {}
    for family in module.text_string_to_metric_families(text):
        kinds[family.name] = family.type
        equal(bool(family.documentation), True, family.name)
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    equal(found, samples)
    equal(kinds, {re.sub("_total$", "", name) if kind == "counter" else name: kind for name, kind in types.items()})


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0"""
    d.stop()


main()
