"""What a daemon told its clients, and whether it is still so after it was killed."""
import json
import threading

from dcgand import equal
from faults import database, events_of

SERIES = ("loss_d", "loss_g", "d_real", "d_fake", "d_fake_after", "images_per_s")
KEPT = 2          # keep_last of every job
CRASHED = "the daemon died"  # how the error of a job begins that was at work too often when that happened


def near(a, b):
    return a == b or (a is not None and b is not None and abs(a - b) <= 2e-5 * max(abs(a), abs(b)))


class Ledger:
    """Readers write into it while the daemon runs; check() reads it when they are gone."""

    def __init__(self, reference):
        self.reference = reference  # {series: {step: value}}: every job has the same parameters
        self.lock = threading.Lock()
        self.events = {}            # number: (type, data), as they came
        self.points = {}            # (job, series, step): (value, number of the newest event before it was asked for)
        self.posts = {}             # name: {"key", "body", "id" (None: no answer came)}
        self.deleted = {}           # job: was it answered?
        self.notes = {}             # job: the notes it may have, the newest answered one and those after
        self.pinned = set()         # checkpoints
        self.files = {}             # checkpoint: sha256
        self.datasets = {}          # name: "there", "gone" or "asked"
        self.deaths_at = []         # number of the newest event after each kill

    def newest(self):
        return max(self.events, default=0)

    def took_points(self, job, answer, newest):
        with self.lock:
            for series, found in answer["series"].items():
                for b in found["points"]:
                    if b["count"] == 1:
                        self.points[job, series, b["step"]] = (b["last"], newest)

    def open_posts(self):
        return [p for p in self.posts.values() if p["id"] is None]

    # --- Checking ----------------------------------------------------------------------

    def check(self, state):
        db = database(state)
        try:
            there = events_of(db)
            for seq, said in self.events.items():
                equal(there.get(seq), said, f"event {seq}")
            jobs = {row[0]: row[1:] for row in db.execute("SELECT id, name, state, step, note, error FROM jobs")}
            self.check_jobs(jobs, there)
            rewinds = {}
            for seq, (kind, data) in there.items():
                if kind == "state" and data["rewound_to"] is not None:
                    rewinds.setdefault(data["job"], []).append((seq, data["rewound_to"]))
            self.check_points(db, jobs, there, rewinds)
            self.check_files(db, jobs, there, rewinds)
            self.check_datasets(db)
        finally:
            db.close()

    def check_jobs(self, jobs, there):
        names = [name for name, *_ in jobs.values()]
        for name, post in self.posts.items():
            count = names.count(name)
            if post["id"] is None:
                equal(count in (0, 1), True, f"jobs made by the unanswered {name}: {count}")
            elif post["id"] in self.deleted:
                equal(count == 0 or not self.deleted[post["id"]], True, f"{name} was deleted")
            else:
                equal([i for i, row in jobs.items() if row[0] == name], [post["id"]], f"jobs made by {name}")
        equal(set(names) - set(self.posts), set(), "jobs nobody asked for")
        for job, (name, state, _, note, error) in jobs.items():
            equal(state in ("queued", "paused", "succeeded", "cancelled", "failed"), True, f"job {job} at rest is {state}")
            if state == "failed":
                equal(error.startswith(CRASHED), True, f"job {job}: {error}")
                made = {} # a change of a checkpoint is told as the checkpoint again
                for seq, (kind, data) in there.items():
                    if kind == "checkpoint" and data["job"] == job:
                        made.setdefault(data["id"], seq)
                newest = max(made.values(), default=0)
                deaths = len([at for at in self.deaths_at if at > newest])
                equal(deaths >= 3, True, f"job {job} failed {deaths} kills after its newest checkpoint")
            equal(note in self.notes.get(job, [""]), True, f"note of job {job}: {note!r} of {self.notes.get(job)}")

    def void(self, rewinds, job, seq, step):
        return any(at > seq and to < step for at, to in rewinds.get(job, ()))

    def check_points(self, db, jobs, there, rewinds):
        points = {}
        for job, series, step, value in db.execute("SELECT job, series, step, value FROM metrics ORDER BY job, series, step"):
            if job in jobs: # else they are being swept
                points.setdefault((job, SERIES[series]), {})[step] = value
        for (job, series), found in points.items():
            equal(list(found), list(range(1, len(found) + 1)), f"steps of {series} of job {job}")
            equal(len(found), jobs[job][2], f"points of {series} and step of job {job}")
            if series != "images_per_s":
                wrong = [s for s, v in found.items() if v != self.reference[series][s]]
                equal(wrong, [], f"steps of {series} of job {job} with other values than without a kill")
        for (job, series, step), (value, seq) in self.points.items():
            found = points.get((job, series), {}).get(step)
            if job in jobs and not near(found, value) and not self.void(rewinds, job, seq, step):
                raise AssertionError(f"{series} of job {job} at step {step} was {value}, and is {found}")
        for seq, (kind, data) in there.items():
            job = data["job"]
            if kind != "metric" or job not in jobs:
                continue
            for i, step in enumerate(data["steps"]):
                if self.void(rewinds, job, seq, step):
                    continue
                for series in SERIES:
                    found = points.get((job, series), {}).get(step)
                    equal(near(found, data["series"][series][i]), True, f"event {seq}: {series} of job {job} at step {step}: {found}")

    def check_files(self, db, jobs, there, rewinds):
        checkpoints = {row[0]: row[1:] for row in db.execute("SELECT id, job, step, sha256, pinned FROM checkpoints")}
        samples = set(db.execute("SELECT job, step FROM samples"))
        told = {}
        for seq, (kind, data) in there.items():
            job = data["job"]
            if kind == "checkpoint":
                told.setdefault(job, {})[data["step"]] = (data["id"], data["sha256"])
            if kind == "state" and data["rewound_to"] is not None:
                newest = max(told.get(job, {}), default=0)
                equal(data["rewound_to"] >= newest, True, f"job {job} went back to step {data['rewound_to']}, and has a checkpoint of {newest}")
            if kind == "sample" and job in jobs and (job, data["step"]) not in samples and not self.void(rewinds, job, seq, data["step"]):
                raise AssertionError(f"the sample of step {data['step']} of job {job} is gone")
        for job, steps in told.items():
            if job not in jobs:
                continue
            for i, step in enumerate(sorted(steps, reverse=True)):
                number, digest = steps[step]
                found = checkpoints.get(number)
                if found is None and (i < KEPT or number in self.pinned):
                    raise AssertionError(f"checkpoint {number} (step {step}) of job {job} is gone")
                if found is not None:
                    equal(found[:3], (job, step, digest), f"checkpoint {number}")
        for number in self.pinned:
            if number in checkpoints:
                equal(checkpoints[number][3], 1, f"pin of checkpoint {number}")
        for number, digest in self.files.items():
            if number in checkpoints:
                equal(checkpoints[number][2], digest, f"sha256 of the file that was read of checkpoint {number}")

    def check_datasets(self, db):
        there = {name for name, in db.execute("SELECT name FROM datasets")}
        for name, is_ in self.datasets.items():
            if is_ != "asked":
                equal(name in there, is_ == "there", f"data set {name} is there")


# --- Readers ----------------------------------------------------------------------------


class Events(threading.Thread):
    """Follows /events from where the ledger ends, until the daemon is gone."""

    def __init__(self, daemon, ledger):
        super().__init__(daemon=True)
        self.port, self.ledger, self.fault = daemon.port, ledger, None
        self.start()

    def run(self):
        import http.client
        last = self.ledger.newest()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/events?after=0", headers={"Last-Event-ID": str(last)})
            stream = connection.getresponse()
            fields = {}
            while True:
                line = stream.readline()
                if not line.endswith(b"\n"):
                    return # cut: what was not ended was not told
                line = line.decode().rstrip("\r\n")
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    number = int(fields.get("id", -1))
                    if number != last + 1:
                        self.fault = f"after event {last} came {number} ({fields})"
                        return
                    self.ledger.events[number] = (fields["event"], json.loads(fields["data"]))
                    last, fields = number, {}
                else:
                    fields = {}
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
