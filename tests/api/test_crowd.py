"""Everything at once: a job on several threads, streams, readers, editors, pictures on request, reloads.

Much of what can go wrong here is seen only by a sanitizer: ./check runs this with the thread
sanitizer and with the address and undefined-behaviour sanitizers, too."""

import os
import signal
import threading
import traceback

from dcgand import Daemon, Stream, equal, folder, main, small_job, test, wait_for

ROUNDS = 12
config = os.path.join(folder(), "dcgand.conf")


def configure(heartbeat, queued):
    with open(config, "w") as f:
        f.write(f"[http]\nheartbeat-s = {heartbeat}\n[jobs]\nmax-queued = {queued}\n[log]\nlog-level = debug\n")


configure(1, 50)
d = Daemon("--config", config)
d.register_tiny()

# Several threads share each step; a sample and a checkpoint come often, and are scored.
BUSY = {"epochs": 100000, "threads": 3, "sample_every": 10, "checkpoint_every": 10, "keep_last": 3, "ema": 0.9, "swd_images": 64}


class Crowd:
    """Functions on threads of their own; the first failure is raised at the end."""

    def __init__(self):
        self.threads, self.failures = [], []

    def run(self, function, *words):
        def body():
            try:
                function(*words)
            except Exception:
                self.failures.append(traceback.format_exc())
        self.threads.append(threading.Thread(target=body))
        self.threads[-1].start()

    def join(self):
        for t in self.threads:
            t.join()
        if self.failures:
            raise AssertionError("".join(self.failures))


def ask(method, path, body=None, fine=(200,), **headers):
    if method == "PATCH":
        headers.setdefault("If_Match", "*")
    answer = d.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    equal(answer.status in fine, True, f"{method} {path}: {answer}")
    return answer


def read(job):
    for _ in range(ROUNDS):
        ask("GET", "/jobs?limit=5&state=running")
        tag = ask("GET", f"/jobs/{job}")["ETag"]
        ask("GET", f"/jobs/{job}", fine=(200, 304), If_None_Match=tag)
        ask("GET", f"/jobs/{job}/metrics?max_points=50")
        ask("GET", f"/jobs/{job}/metrics?series=loss_d", Accept="text/csv")
        ask("GET", f"/jobs/{job}/samples?limit=3")
        ask("GET", f"/jobs/{job}/samples/latest.png", fine=(200, 206), Range="bytes=1-20")
        ask("GET", f"/jobs/{job}/log")
        ask("GET", "/metrics")
        ask("GET", "/readyz")
        ask("HEAD", "/")


def edit(job):
    for i in range(ROUNDS):
        ask("PATCH", f"/jobs/{job}", {"name": f"name {i}", "note": "n" * i, "tags": [f"t{i}"], "priority": i})
        for c in ask("GET", f"/jobs/{job}/checkpoints").json()["checkpoints"][-1:]:
            ask("PATCH", f"/checkpoints/{c['id']}", {"pinned": i % 2 == 0}, fine=(200, 404))
        ask("POST", f"/jobs/{job}/{'sample' if i % 2 else 'checkpoint'}", fine=(202,))


def draw(job):
    # A checkpoint that is not kept may go between the list and the request.
    for i in range(ROUNDS):
        for c in ask("GET", f"/jobs/{job}/checkpoints").json()["checkpoints"][:1]:
            ask("POST", f"/checkpoints/{c['id']}/generate", {"n": 3, "seed": i}, fine=(200, 404), Accept="image/png")
            ask("GET", f"/checkpoints/{c['id']}/file", fine=(200, 404))
        ask("GET", "/datasets/tiny/preview.png")
        ask("GET", "/datasets/tiny")


def queue():
    for i in range(ROUNDS):
        job = ask("POST", "/jobs", small_job(epochs=1), fine=(201,), Idempotency_Key=f"crowd-{i}").json()["id"]
        ask("POST", "/jobs", small_job(epochs=1), fine=(201,), Idempotency_Key=f"crowd-{i}")
        if i % 2:
            ask("DELETE", f"/jobs/{job}", fine=(204,))


def reload():
    for i in range(ROUNDS):
        configure(1 + i % 2, 50 + i)
        d.process.send_signal(signal.SIGHUP)
        wait_for(lambda: f"max-queued: now {50 + i}" in d.errors() or i == 0, "the reload")


def follow(job, until):
    stream = Stream(d, f"/jobs/{job}/events?after=0" if job else "/events?after=0")
    seen = []
    while True:
        event = stream.next()
        if event is None:
            raise AssertionError("the stream ended")
        seen.append(event[0])
        if event[1] == "state" and event[2]["job"] == until and event[2]["state"] == "cancelled":
            break
    stream.close()
    equal(seen, sorted(set(seen)), "ids")


@test
def all_at_once():
    """streams, readers, editors, drawing, queueing and reloads while a job trains, pauses and goes on"""
    job = d.post("/jobs", small_job(**BUSY)).json()["id"]
    wait_for(lambda: d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"], "a checkpoint")
    followers, crowd = Crowd(), Crowd()
    for which in (0, 0, job):
        followers.run(follow, which, job)
    for function, *words in ((read, job), (read, job), (edit, job), (draw, job), (queue,), (reload,)):
        crowd.run(function, *words)
    crowd.join()
    d.post(f"/jobs/{job}/pause", None, 202)
    d.wait_state(job, "paused")
    d.post(f"/jobs/{job}/resume", None, 202)
    # Those that wait have a lower priority than what edit() gave.
    d.wait_state(job, "running")
    step = d.job(job)["step"]
    d.wait_step(job, step + 8)
    d.post(f"/jobs/{job}/cancel", None, 202)
    followers.join()
    steps = [p["step"] for p in d.get(f"/jobs/{job}/metrics?series=loss_d&max_points=20000").json()["series"]["loss_d"]["points"]]
    equal(steps, list(range(1, len(steps) + 1)), "steps")
    wait_for(lambda: not d.get("/jobs?state=queued").json()["jobs"] and not d.get("/jobs?state=running").json()["jobs"], "an empty queue")
    d.delete(f"/jobs/{job}")


@test
def stopped_in_a_crowd():
    """SIGTERM while all of them are at it: an orderly end, and the job goes on at the next start"""
    job = d.post("/jobs", small_job(**BUSY)).json()["id"]
    wait_for(lambda: d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"], "a checkpoint")
    streams = [Stream(d) for _ in range(5)]
    ended = threading.Event()

    def bother():
        while not ended.is_set():
            try:
                d.request("GET", f"/jobs/{job}/metrics")
                d.request("POST", f"/jobs/{job}/sample")
            except OSError:
                pass
            except Exception as e:  # an answer cut short
                if type(e).__module__ != "http.client":
                    raise
    crowd = Crowd()
    for _ in range(3):
        crowd.run(bother)
    for _ in range(10):
        streams[0].next()
    d.process.send_signal(signal.SIGTERM)
    equal(d.wait(), 0, "exit status")
    ended.set()
    crowd.join()
    for s in streams:
        while s.next():
            pass
        s.close()
    d.start()
    d.wait_state(job, "running")
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(job, "cancelled")


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
