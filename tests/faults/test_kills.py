"""kill -9 of the daemon: right before and right after calls that it makes, and at random moments,
while jobs train, clients ask for things and readers read. After each restart, before the worker's
first step, everything that was ever answered, sent or shown must be as it was told.

The points to die at are not written down here: a run that nobody kills is recorded, and each name
that passes is a point. Those without which something would be amiss are named below.
"""
import ast
import http.client
import os
import random
import re
import sqlite3
import time

from faults import FIRED, KILL_AFTER, KILL_BEFORE, TOP, FaultyDaemon, check_folder, database
from dcgand import equal, folder, main, test, wait_for, write_idx
from ledger import KEPT, SERIES, Events, Ledger

LONG = bool(os.environ.get("DCG_LONG"))
KILLS = 230 if LONG else 60
LIFE = 20           # kills that one state folder sees
MIGRATIONS = 24 if LONG else 4 # of each old version
STEPS = 128         # of a job that makes files all the time
PLAIN_EPOCHS = 128  # of one that makes none before its end, or more: see long_enough
JOB = {"dataset": "tiny", "size": 16, "ngf": 2, "ndf": 2, "z_dim": 8, "batch_size": 8, "threads": 1, "kernel": "openblas", "seed": 11,
       "epochs": PLAIN_EPOCHS, "sample_count": 4, "sample_every": 0, "checkpoint_every": 0, "keep_last": KEPT, "checkpoint_minutes": 0, "swd_images": 0}
BUSY = {"epochs": STEPS // 8, "sample_every": 3, "checkpoint_every": 1}

ESSENTIAL = (
    "INSERT jobs", "INSERT request_keys", "INSERT events", "INSERT metrics", "INSERT samples", "INSERT checkpoints", "INSERT datasets",
    "UPDATE jobs", "DELETE jobs", "DELETE checkpoints", "DELETE datasets",
    "COMMIT (submit)", "COMMIT (move)", "COMMIT (metrics)", "COMMIT (sample)", "COMMIT (checkpoint)", "COMMIT (retain)", "COMMIT (delete)",
    "COMMIT (data set)", "COMMIT (edit)", "COMMIT (pin)",
    "write wal (submit)", "write wal (metrics)", "write wal (checkpoint)", "fsync wal (submit)", "fsync wal (move)", "fsync wal (checkpoint)",
    "fsync wal (delete)",
    "create temporary checkpoint", "reserve temporary checkpoint", "write temporary checkpoint", "fsync temporary checkpoint",
    "rename checkpoint", "fsync checkpoints folder", "unlink checkpoint",
    "create temporary sample", "write temporary sample", "fsync temporary sample", "rename sample", "fsync samples folder",
    "create temporary prepared", "write temporary prepared", "fsync temporary prepared", "rename prepared", "fsync data sets folder",
    "unlink prepared", "mkdir job folder", "fsync jobs folder", "fsync job folder", "rmdir job folder", "send reply", "send event",
)
OF_MIGRATION = ("BEGIN (migration)", "tables (migration)", "COMMIT (migration)", "fsync wal (migration)", "create temporary backup",
                "fsync temporary backup", "rename backup", "write temporary backup")
NO_POINTS = ("memory", "elsewhere", "socket") # reads, threads and what is not ours to lose
PASSIVE = ("stat ", "statvfs ", "resolve ", "random", "close ", "read ", "open ", "list ", "mmap ", "seek ", "lock ", "accept", "epoll", "eventfd", "pipe", "pthread", "setsockopt", "receive", "socket",
           "bind", "listen", "write shm", "truncate shm", "truncate lock", "write lock")

chance = random.Random(2026)
GONE = (OSError, http.client.HTTPException)
data = os.path.join(folder(), "data")


def is_point(name):
    return not name.startswith(PASSIVE) and not any(word in name for word in NO_POINTS)


class Client:
    """Asks for one thing after another, and writes down what was answered."""

    def __init__(self, daemon, ledger):
        self.d, self.ledger, self.turn = daemon, ledger, 0

    def ask(self, method, path, allowed, body=None, **headers):
        if method == "PATCH":
            headers.setdefault("If_Match", "*")
        answer = self.d.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        equal(answer.status in allowed, True, f"{method} {path}: {answer}")
        return answer

    def jobs(self, *states):
        return [j["id"] for j in self.ask("GET", "/jobs?limit=200", (200,)).json()["jobs"] if not states or j["state"] in states]

    def post(self, name):
        post = self.ledger.posts[name]
        answer = self.ask("POST", "/jobs", (201, 409), post["body"], Idempotency_Key=post["key"])
        if answer.status == 409:
            equal(post["id"] in self.ledger.deleted, True, f"{name}: {answer}")
            return
        number = answer.json()["id"]
        equal(post["id"] in (None, number), True, f"{name} was job {post['id']}, and is now {number}")
        post["id"] = number

    def submit(self):
        number = len(self.ledger.posts) + 1
        own = [name for name, is_ in self.ledger.datasets.items() if is_ == "there"]
        name = f"job{number}"
        body = dict(JOB, name=name, dataset=own[-1] if number % 2 == 0 else "tiny", **({} if number % 3 == 1 else BUSY))
        self.ledger.posts[name] = {"key": f"key-{number}", "body": body, "id": None}
        self.post(name)

    def keep_two_queued(self):
        for _ in range(2 - len(self.jobs("queued"))):
            self.submit()

    def register(self):
        there = [name for name, is_ in self.ledger.datasets.items() if is_ == "there" and name != "tiny"]
        name = f"set{len(self.ledger.datasets)}"
        if len(there) < 3:
            self.ledger.datasets[name] = "asked"
            self.ask("POST", "/datasets", (201,), {"name": name, "path": "tiny"})
            self.ledger.datasets[name] = "there"
            return
        name = there[0]
        self.ledger.datasets[name] = "asked"
        answer = self.ask("DELETE", f"/datasets/{name}", (204, 409, 404))
        self.ledger.datasets[name] = "there" if answer.status == 409 else "gone"

    def note(self):
        for job in self.jobs()[:1]:
            text = f"note {self.turn}"
            self.ledger.notes.setdefault(job, [""]).append(text)
            self.ask("PATCH", f"/jobs/{job}", (200,), {"note": text})
            self.ledger.notes[job] = [text]

    def checkpoints(self, job):
        found = self.ask("GET", f"/jobs/{job}/checkpoints?limit=200", (200, 404))
        return found.json()["checkpoints"] if found.status == 200 else []

    def pin(self):
        for job in self.jobs("running")[:1]:
            for c in self.checkpoints(job)[-1:]:
                if self.ask("PATCH", f"/checkpoints/{c['id']}", (200, 404), {"pinned": True, "name": f"kept {self.turn}"}).status == 200:
                    self.ledger.pinned.add(c["id"])

    def generate(self):
        for job in self.jobs("running", "succeeded")[:1]:
            for c in self.checkpoints(job)[-1:]:
                self.ask("POST", f"/checkpoints/{c['id']}/generate", (200, 404), {"n": 2, "seed": 1})

    def download(self):
        for job in self.jobs("running", "succeeded")[:1]:
            for c in self.checkpoints(job)[-1:]:
                answer = self.ask("GET", c["url"], (200, 404))
                if answer.status == 200:
                    self.ledger.files[c["id"]] = c["sha256"]
                    equal(len(answer.body), c["size"], f"size of {c['url']}")

    def order(self, verb):
        for job in self.jobs("running")[:1]:
            self.ask("POST", f"/jobs/{job}/{verb}", (202, 409))

    def pause(self):
        self.order("pause")

    def resume(self):
        for job in self.jobs("paused"):
            self.ask("POST", f"/jobs/{job}/resume", (202, 409))

    def sample(self):
        self.order("sample")

    def checkpoint(self):
        self.order("checkpoint")

    def cancel(self):
        if self.turn % 3 == 0:
            self.order("cancel")

    def delete(self):
        for job in self.jobs("succeeded", "cancelled", "failed")[-1:]:
            self.ledger.deleted.setdefault(job, False)
            answer = self.ask("DELETE", f"/jobs/{job}", (204, 409))
            self.ledger.deleted[job] = answer.status == 204
            if answer.status == 409:
                del self.ledger.deleted[job]

    def poll(self):
        """What a page does: the points of the job at work."""
        newest = self.ledger.newest()
        for job in self.jobs("running", "succeeded")[:1]:
            answer = self.ask("GET", f"/jobs/{job}/metrics?max_points=20000", (200, 404))
            if answer.status == 200:
                self.ledger.took_points(job, answer.json(), newest)

    ROUND = (keep_two_queued, poll, checkpoint, pin, register, note, pause, poll, resume, generate, sample, download, keep_two_queued, poll, cancel, delete)

    def work(self):
        self.ROUND[self.turn % len(self.ROUND)](self)
        self.turn += 1


class Life:
    """One state folder, through any number of daemons."""

    def __init__(self, reference):
        self.d = FaultyDaemon()
        self.d.roots = [data]
        self.ledger, self.hashed, self.fault = Ledger(reference), {}, None
        self.client = Client(self.d, self.ledger)
        self.begin()
        self.d.post("/datasets", {"name": "tiny", "path": "tiny"})
        self.ledger.datasets["tiny"] = "there"
        self.keep_started()

    def begin(self):
        """A daemon whose worker waits; all must be as it was told. Then what was not answered is
        sent again, and the worker goes."""
        self.d.hold(True)
        self.d.start()
        self.d.wait_held()

    def check(self):
        check_folder(self.d.state, self.hashed)
        self.ledger.deaths_at.append(database(self.d.state).execute("SELECT newest FROM event_counter").fetchone()[0])
        self.ledger.check(self.d.state)
        for post in self.ledger.open_posts():
            self.client.post(post["body"]["name"])
        for name in chance.sample(sorted(self.ledger.posts), min(2, len(self.ledger.posts))):
            self.client.post(name)
        self.ledger.check(self.d.state)

    def keep_started(self):
        self.events = Events(self.d, self.ledger)
        self.d.hold(False)

    def drive_quietly(self):
        """Requests that make no files, so that points gather."""
        for action in (Client.resume, Client.keep_two_queued, Client.poll):
            action(self.client)

    def drive(self, seconds, quietly=False):
        """Requests until the daemon dies, or time is up."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not self.d.died():
                if quietly:
                    self.drive_quietly()
                else:
                    self.client.work()
        except GONE as e:
            if not self.d.control.get(FIRED):
                # Sockets are closed some time before a process can be waited for.
                give_up = time.monotonic() + 2
                while not self.d.died() and time.monotonic() < give_up:
                    time.sleep(0.001)
                state = f"ended with {self.d.process.returncode}" if self.d.died() else "lives"
                raise AssertionError(f"the daemon {state}, and nobody killed it: {self.d.errors()[-3000:]}") from e

    def killed(self):
        """It is dead, or dies now: its readers end, and the next one is judged."""
        status = self.d.bury()
        equal(status, -9, "status: " + self.d.errors()[-2000:])
        self.events.join(60)
        equal(self.events.fault, None, "the stream of events")

    def restart(self):
        self.begin()
        self.check()
        self.keep_started()

    def end(self):
        """Nobody kills it any more: every job ends as it would have."""
        d = self.d
        def over():
            self.client.resume()
            return not self.client.jobs("queued", "preparing", "running", "paused")
        wait_for(over, "all jobs to end")
        states = {}
        for job in self.client.jobs():
            found = d.job(job)
            states[found["state"]] = states.get(found["state"], 0) + 1
            if found["state"] == "succeeded":
                equal(found["step"], 8 * found["epochs"], f"steps of job {job}")
        self.replay()
        d.stop()
        self.events.join(60)
        equal(self.events.fault, None, "the stream of events")
        self.ledger.check(d.state)
        check_folder(d.state, self.hashed)
        return states

    def replay(self):
        """The events tell of every step of a job once, but for what a rewind made void."""
        at = {}
        wait_for(lambda: self.ledger.newest() >= database(self.d.state).execute("SELECT newest FROM event_counter").fetchone()[0], "all events")
        for seq in sorted(self.ledger.events):
            kind, event = self.ledger.events[seq]
            job = event["job"]
            if kind == "state" and event["rewound_to"] is not None:
                equal(event["rewound_to"] <= at.get(job, 0), True, f"event {seq}: a rewind to {event['rewound_to']} from {at.get(job, 0)}")
                at[job] = event["rewound_to"]
            for step in event["steps"] if kind == "metric" else ():
                equal(step, at.get(job, 0) + 1, f"event {seq}: the step after {at.get(job, 0)} of job {job}")
                at[job] = step


# --- Recording -------------------------------------------------------------------------------

reference, at_work, at_start = {}, {}, {}


def long_enough(d):
    """A plain job that takes several of the quarters of a second after which metrics are written, on
    any machine; all plain jobs are like it then."""
    while True:
        begin = time.monotonic()
        job = d.post("/jobs", JOB).json()["id"]
        d.wait_state(job, "succeeded")
        if time.monotonic() - begin > 1 or JOB["epochs"] >= 16 * PLAIN_EPOCHS:
            return job
        JOB["epochs"] *= 2


@test
def recorded():
    """a life without a kill passes all points that are known to matter"""
    write_idx(os.path.join(data, "tiny"))
    d = FaultyDaemon()
    d.roots = [data]
    d.start()
    d.register_tiny()
    job = long_enough(d)
    d.stop()
    db = database(d.state)
    for series, step, value in db.execute("SELECT series, step, value FROM metrics WHERE job = ?", (job,)):
        reference.setdefault(SERIES[series], {})[step] = value # to the last bit, which the API does not show
    db.close()
    equal([len(reference[series]) for series in SERIES], [8 * JOB["epochs"]] * len(SERIES), "points of each series")
    life = Life(reference)
    for _ in range(2):
        life.d.control.record(True)
        end, rounds = time.monotonic() + 60, 0
        while "COMMIT (metrics)" not in at_work and time.monotonic() < end:
            life.drive_quietly()
            at_work.update(life.d.control.names())
        while rounds < 3 or (set(ESSENTIAL) - set(at_work) and time.monotonic() < end):
            for _ in Client.ROUND:
                life.client.work()
            at_work.update(life.d.control.names())
            rounds += 1
        life.d.control.forget()
        life.d.process.kill() # with what that leaves, for the next start to clean up
        life.killed()
        life.d.control.record(True)
        life.begin()
        for name, count in life.d.control.names().items():
            at_start[name] = max(count, 1, at_start.get(name, 0))
        life.d.control.forget()
        life.d.control.record(False)
        life.check()
        life.keep_started()
    print("#", life.end(), f"; {len([n for n in at_work if is_point(n)])} points at work, {len([n for n in at_start if is_point(n)])} at start", flush=True)
    equal([name for name in ESSENTIAL if name not in at_work], [], f"points that no longer occur, of {sorted(at_work)}")


# --- Killing ----------------------------------------------------------------------------------


def plan():
    """What to die of: every point before and after, in an order that has the essential first; then
    moments."""
    work = [(name, when) for name in sorted(at_work) if is_point(name) for when in (KILL_BEFORE, KILL_AFTER)]
    begin = [(name, when) for name in sorted(at_start) if is_point(name) and "migration" not in name for when in (KILL_BEFORE, KILL_AFTER)]
    chance.shuffle(work)
    chance.shuffle(begin)
    work.sort(key=lambda point: point[0] not in ESSENTIAL)
    kills = [("work", *point) for point in work] + [("moment", None, None)] * KILLS
    if not LONG: # each essential one once, half of them before
        seen = set()
        kills = [k for k in kills[:len(work)] if not (k[1] in seen or seen.add(k[1]))][:KILLS * 7 // 10] + kills[len(work):]
    kills = kills[:KILLS * 8 // 10]
    others = [("start", *point) for point in begin][:KILLS // 10]
    others += [("moment", None, None)] * (KILLS - len(kills) - len(others))
    for kill in others:
        kills.insert(chance.randrange(len(kills) + 1), kill)
    return kills


def die(life, kind, name, when):
    """One kill; the kind it came to be, None when it was not met and the daemon lives."""
    control = life.d.control
    if kind == "start":
        life.drive(chance.uniform(0, 0.1))
        life.d.process.kill()
        life.killed()
        control.arm(name, when, chance.randrange(at_start[name]) if chance.random() < 0.5 else 0)
        try:
            life.begin()
        except (AssertionError, *GONE):
            if not control.get(FIRED):
                raise
            life.d.bury()
            return "start"
        control.disarm()
        life.check()
        life.keep_started()
        return None
    if kind == "work":
        quietly = "metrics" in name
        control.arm(name, when, 0 if quietly else chance.randrange(min(at_work[name], 6)))
        life.drive(5, quietly)
        fired = control.get(FIRED)
        control.disarm()
        life.killed()
        return "work" if fired else "moment"
    life.drive(chance.uniform(0, 0.25))
    life.killed()
    return "moment"


@test
def killed():
    """nothing that was told is lost or doubled, however often it is killed"""
    count, names, life = {"work": 0, "start": 0, "moment": 0}, set(), None
    made = plan()
    for number, (kind, name, when) in enumerate(made):
        if number % LIFE == 0:
            if life:
                life.end()
            life = Life(reference)
        try:
            was = die(life, kind, name, when)
            if kind == "start": # there was one before it, so that there is something to clean up
                count["moment"] += 1
            if was:
                count[was] += 1
                if was == kind and name:
                    names.add((name, when))
                life.restart()
        except AssertionError as e:
            raise AssertionError(f"kill {number}, {('', 'before', 'after')[when or 0]} {name or 'at a moment'}: {e}") from e
    states = life.end()
    total = sum(count.values())
    missed = [(n, w) for k, n, w in made if k != "moment" and (n, w) not in names]
    print(f"# {total} kills without a loss: {count['work']} at work and {count['start']} at start, at {len(names)} named points, "
          f"{count['moment']} at random moments; the last jobs: {states}; not met: {missed}", flush=True)
    equal(total >= KILLS, True, f"kills: {total}")


# --- Migrating ----------------------------------------------------------------------------------


VERSIONS = sorted(int(name) for name in re.findall(r"version(\d+)\.h", " ".join(os.listdir(os.path.join(TOP, "tests", "store")))))


def old_database(state, version):
    """What an old version left behind, as tests/store has it: each by what it added to the one before."""
    db = sqlite3.connect(os.path.join(state, "dcgand.db"))
    for added in VERSIONS[:VERSIONS.index(version) + 1]:
        with open(os.path.join(TOP, "tests", "store", f"version{added}.h"), encoding="utf-8") as f:
            db.executescript("".join(ast.literal_eval(line) for line in re.findall(r'^("(?:[^"\\]|\\.)*")', f.read(), re.M)))
    db.close()


def what_version_1_knew(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], f"integrity_check of {path}")
    found = [db.execute(sql).fetchall() for sql in (
        "SELECT id, state, name, dataset, priority, params, error, step, queue_ms FROM jobs ORDER BY id", "SELECT * FROM metrics",
        "SELECT * FROM metric_blocks", "SELECT * FROM events WHERE seq <= 2", "SELECT * FROM datasets WHERE builtin = 0",
        "SELECT * FROM log WHERE id = 1")]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found, version


@test
def killed_while_migrating():
    """a migration that was killed anywhere is done again, from whatever it left, and the backup is whole"""
    before, points = {}, []
    for old in VERSIONS:
        d = FaultyDaemon()
        old_database(d.state, old)
        before[old], version = what_version_1_knew(os.path.join(d.state, "dcgand.db"))
        equal(version, old, "version")
        d.control.record(True)
        d.hold(True)
        d.start()
        names = d.control.names()
        d.kill()
        newest = what_version_1_knew(os.path.join(d.state, "dcgand.db"))[1]
        equal([name for name in OF_MIGRATION if name not in names], [], f"points that no longer occur, of {sorted(names)}")
        of_version = [(old, name, when, count) for name in OF_MIGRATION for when in (KILL_BEFORE, KILL_AFTER)
                      for count in {0, names[name] // 2, names[name] - 1}]
        chance.shuffle(of_version)
        points += of_version[:MIGRATIONS]
    equal(VERSIONS, list(range(1, newest)), "old versions that tests/store has")
    for old, name, when, count in points:
        d = FaultyDaemon()
        old_database(d.state, old)
        d.control.arm(name, when, count)
        d.hold(True)
        try:
            d.start()
        except AssertionError:
            pass
        equal((d.bury(), d.control.get(FIRED)), (-9, 1), f"the kill at {name}")
        d.start()
        d.wait_held()
        after, version = what_version_1_knew(os.path.join(d.state, "dcgand.db"))
        equal((after, version), (before[old], newest), f"what is there after a kill at {name}")
        equal(what_version_1_knew(os.path.join(d.state, f"dcgand.db.v{old}.backup")), (before[old], old), f"the backup after a kill at {name}")
        check_folder(d.state, {})
        d.kill()
    print(f"# {len(points)} kills, from versions {VERSIONS}", flush=True)


main()
