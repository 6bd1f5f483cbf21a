"""Every call of the daemon that can fail fails once: files, folders, threads, sockets, memory; at
start with something to clean up, at work, and while it stops. It never crashes, says what was wrong,
loses no descriptor and, at work, no memory, and afterwards everything is consistent and goes on.

Which calls there are is recorded, as in test_kills.py, those of SQLite among them; memory is refused
once at each place in the program that asks for some at work if DCG_LONG is set, else at a sample of them,
and at a sample at start and stop. Left to tests/store is SQLite's memory. A failed sync of the database
ends the daemon, so it is tried apart from the others.
"""
import errno
import http.client
import os
import random
import re
import shutil
import signal
import subprocess
import time

from faults import FAIL, FIRED, FaultyDaemon, check_folder
from dcgand import PROGRAM, equal, folder, main, test, wait_for

LONG = bool(os.environ.get("DCG_LONG"))
SITES_AT_WORK, SITES_AT_START, SITES_AT_STOP = (10000, 60, 20) if LONG else (16, 4, 3)
NAMES_AT_START = 1000 if LONG else 10
ERRNO = {"open": errno.EMFILE, "create": errno.EMFILE, "write": errno.EIO, "read": errno.EIO, "fsync": errno.EIO, "rename": errno.EIO, "reserve": errno.ENOSPC,
         "mmap": errno.ENOMEM, "mkdir": errno.ENOSPC, "unlink": errno.EIO, "rmdir": errno.EIO, "truncate": errno.EIO, "seek": errno.EIO,
         "list": errno.ENOMEM, "lock": errno.ENOLCK, "eventfd": errno.EMFILE, "pipe": errno.EMFILE, "epoll_create": errno.EMFILE,
         "epoll_add": errno.ENOMEM, "socket": errno.EMFILE, "bind": errno.EADDRINUSE, "listen": errno.EADDRINUSE, "accept": errno.EMFILE,
         "stat": errno.EIO, "statvfs": errno.EIO, "resolve": errno.EACCES, "random": errno.ENOSYS, "close": errno.EIO, "setsockopt": errno.ENOBUFS, "receive": errno.ECONNRESET, "send": errno.EPIPE, "pthread_create": errno.EAGAIN}
FULL = ("write temporary checkpoint", "write temporary sample", "write temporary prepared", "create temporary checkpoint", "fsync temporary checkpoint")
GONE = (OSError, http.client.HTTPException)
JOB = {"size": 16, "ngf": 2, "ndf": 2, "z_dim": 8, "batch_size": 8, "threads": 1, "kernel": "openblas", "epochs": 2, "sample_count": 4,
       "sample_every": 1, "checkpoint_every": 1, "keep_last": 1, "checkpoint_minutes": 0, "swd_images": 0}
chance = random.Random(5)


def failures(names):
    """(name, errno) of every call that can fail."""
    found = []
    for name in sorted(names):
        call, kind = re.fullmatch(r"(\S+) ?(.*?)(?: \(.*)?", name).groups()
        of_database = kind in ("wal", "database", "shm")
        if call in ERRNO and not (call == "fsync" if of_database else "(" in name):
            found.append((name, ERRNO[call]))
            if name in FULL:
                found.append((name, errno.ENOSPC))
    return found


def held(d):
    """What is held: blocks of memory that the program asked for, and what is open, but for the database: how many read it at once is chance."""
    found = []
    for fd in os.listdir(f"/proc/{d.process.pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{d.process.pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return d.control.live(), sorted(re.sub(r"\[.*", "", name) for name in found if "/dcgand.db" not in name)


def rest(d):
    """What is held when nothing happens: the least of what is seen for a while."""
    end, least = time.monotonic() + 0.5, held(d)
    while time.monotonic() < end:
        least = min(least, held(d), key=lambda found: (found[0], len(found[1])))
        time.sleep(0.01)
    return least


class Work:
    """What clients do in the life of a daemon. With a fault armed an answer may be a problem, or not
    come at all; the job ends well or says why not."""

    def __init__(self, d):
        self.d, self.number, self.filler = d, 0, os.path.join(d.folder, "filler")

    def ask(self, method, path, body=None, allowed=(), **headers):
        for attempt in range(3):
            fired = self.d.control.get(FIRED)
            try:
                answer = self.d.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            except GONE:
                equal(self.d.died(), False, "the daemon died: " + self.d.errors()[-1500:])
                equal(self.d.control.get(FIRED) > 0, True, f"{method} {path} was cut without a cause")
                continue
            if answer.status < 400 or answer.status in allowed:
                return answer
            equal(self.d.control.get(FIRED) > 0, True, f"{method} {path}: {answer} without a cause")
            if answer.status < 500 and attempt == 0: # a fault may show as a refusal, but not again
                continue
            equal(answer["Content-Type"], "application/problem+json", f"{method} {path}: {answer}")
            if attempt and not fired:
                raise AssertionError(f"{method} {path}: {answer}")
        return None

    def once(self):
        """A data set, a job on it to its end, pictures, and all of it gone again."""
        self.number += 1
        name = f"set{self.number}"
        if not self.ask("POST", "/datasets", {"name": name, "path": "tiny"}, (409,)):
            return
        answer = self.ask("POST", "/jobs", dict(JOB, dataset=name), Idempotency_Key=name)
        if not answer:
            return
        job = answer.json()["id"]
        state = self.over(job)
        if state["state"] == "failed":
            equal(self.d.control.get(FIRED) > 0 and bool(state["error"]), True, f"job {job} failed: {state['error']}")
        else:
            equal((state["state"], state["step"]), ("succeeded", 16), f"job {job}")
        self.ask("GET", f"/jobs/{job}/metrics")
        self.ask("GET", f"/jobs/{job}/log")
        self.ask("GET", f"/jobs/{job}/samples/latest.png", None, (404,))
        self.ask("GET", f"/datasets/{name}/preview.png")
        found = self.ask("GET", f"/jobs/{job}/checkpoints")
        for c in found.json()["checkpoints"] if found else ():
            self.ask("POST", f"/checkpoints/{c['id']}/generate", {"n": 2})
            self.ask("GET", c["url"])
        self.ask("DELETE", f"/jobs/{job}", None, (404,))
        self.ask("DELETE", f"/datasets/{name}", None, (404,))

    def over(self, job):
        end, found = time.monotonic() + 30, None
        while time.monotonic() < end:
            answer = self.ask("GET", f"/jobs/{job}")
            found = answer.json() if answer else None
            if found and found["state"] in ("succeeded", "failed", "cancelled"):
                return found
            if found and found["state"] == "paused" and os.path.exists(self.filler):
                os.unlink(self.filler) # somebody makes room
            time.sleep(0.01)
        raise AssertionError(f"job {job} does not end: {found}")

    def idle(self, expected):
        def is_idle():
            blocks, files = held(self.d)
            return blocks <= expected[0] and len(files) <= len(expected[1])
        try:
            wait_for(is_idle, "", 20)
        except AssertionError:
            raise AssertionError(f"{held(self.d)} is held, where {expected} were") from None


# --- At work -----------------------------------------------------------------------------------


@test
def at_work():
    """a fault while it works: an answer or a failed job that says so, no descriptor and no block of memory lost, and then all is well"""
    d = FaultyDaemon()
    d.start()
    work = Work(d)
    work.once()
    d.control.record(True)
    work.once()
    d.control.record(False)
    faults, sites = failures(d.control.names()), d.control.sites()
    work.once()
    base = rest(d)
    chosen = chance.sample(sites, min(SITES_AT_WORK, len(sites)))
    met = 0
    for fault, error in faults + [(site, errno.ENOMEM) for site in chosen]:
        try:
            if error == errno.ENOSPC:
                with open(work.filler, "wb") as f:
                    os.posix_fallocate(f.fileno(), 0, 256 << 20)
            d.control.arm(fault, FAIL, 0, error)
            work.once()
            met += d.control.get(FIRED)
            d.control.disarm()
            d.control.set(FIRED, 0)
            equal(d.died(), False, "the daemon died")
            work.idle(base)
        except AssertionError as e:
            raise AssertionError(f"{os.strerror(error)} of {fault if isinstance(fault, str) else hex(fault)}: {e}") from e
    work.once()
    d.stop()
    d.hold(True)
    d.start()
    d.wait_held()
    check_folder(d.state, {})
    d.hold(False)
    work.once()
    d.stop()
    print(f"# {len(faults)} calls and {len(chosen)} of {len(sites)} places that ask for memory; {met} faults met", flush=True)
    equal(met > len(faults) * 0.8, True, f"faults met: {met}")


@test
def checkpoint_out_of_reach():
    """a checkpoint that cannot be opened when its job goes on is not given up for an older one, unless the disk lost it"""
    d = FaultyDaemon()
    d.start()
    d.register_tiny()
    for error, state in ((errno.EMFILE, "succeeded"), (errno.EACCES, "failed"), (errno.ENOMEM, "failed"), (errno.EIO, "succeeded")):
        job = d.post("/jobs", dict(JOB, dataset="tiny", epochs=256, keep_last=300)).json()["id"]
        d.wait_step(job, 24)
        d.post(f"/jobs/{job}/pause", None, 202)
        d.wait_state(job, "paused")
        newest = d.get(f"/jobs/{job}/checkpoints?limit=200").json()["checkpoints"][-1]
        d.control.arm("open checkpoint", FAIL, 0, error)
        d.post(f"/jobs/{job}/resume", None, 202)
        found = d.wait_state(job, "succeeded", "failed")
        equal((d.control.get(FIRED), found["state"]), (1, state), f"{os.strerror(error)}: {found['error']}")
        if state == "failed":
            equal(os.strerror(error) in found["error"], True, found["error"])
        gone = [e for e in d.get(f"/jobs/{job}/log?limit=200").json()["log"] if "cannot be used" in e["text"]]
        equal(len(gone), int(error == errno.EIO), f"{os.strerror(error)}: {gone}")
        equal(len(d.get(f"/checkpoints/{newest['id']}/file", 404 if error == errno.EIO else 200).body) == newest["size"], error != errno.EIO)
    d.stop()


def check_spared(d, job):
    """The end of the daemon before was not counted against the job."""
    texts = [e["text"] for e in d.get(f"/jobs/{job}/log?limit=200").json()["log"]]
    equal([len([t for t in texts if part in t]) for part in ("a sync of its database", "the daemon died")], [1, 0], str(texts))
    equal("dcgand.unsynced" in os.listdir(d.state), False, "the mark")


@test
def failed_sync():
    """a database that could not be synced is not written to any more: the daemon ends, says why, and the next goes on from what is there"""
    for point in ("fsync wal (submit)", "fsync wal (checkpoint)", "fsync wal (sample)"):
        d = FaultyDaemon()
        d.start()
        d.register_tiny()
        if point != "fsync wal (submit)":
            d.post("/jobs", dict(JOB, dataset="tiny", epochs=64))
            d.wait_step(1, 16)
        d.control.arm(point, FAIL, 0, errno.EIO)
        if point == "fsync wal (submit)":
            try:
                equal(d.request("POST", "/jobs", dict(JOB, dataset="tiny", epochs=64)).status, 500)
            except GONE: # it ended before it could say so
                pass
        wait_for(d.died, "its end")
        equal((d.wait(), d.control.get(FIRED)), (1, 1), f"status after a failed {point}: {d.errors()}")
        equal(len(re.findall("^dcgand: error: a sync of the database to disk failed.*$", d.errors(), re.M)), 1, d.errors())
        d.hold(True)
        d.start()
        d.wait_held()
        check_folder(d.state, {})
        if point != "fsync wal (submit)":
            check_spared(d, 1)
        d.hold(False)
        if point == "fsync wal (submit)": # it was not taken, or it was and runs
            d.post("/jobs", dict(JOB, dataset="tiny", epochs=64))
        for job in d.get("/jobs").json()["jobs"]:
            found = d.wait_state(job["id"], "succeeded", "failed")
            equal((found["state"], found["step"]), ("succeeded", 512), f"{point}: {found['error']}")
        d.stop()


@test
def failed_sync_at_the_end():
    """a sync that fails while a signal's checkpoint is recorded is told, too, by a line and the status"""
    d = FaultyDaemon()
    d.start()
    d.register_tiny()
    job = d.post("/jobs", dict(JOB, dataset="tiny", epochs=100000, sample_every=0, checkpoint_every=0)).json()["id"]
    d.wait_step(job, 16)
    d.control.arm("fsync wal (checkpoint)", FAIL, 0, errno.EIO)
    d.process.send_signal(signal.SIGTERM)
    equal((d.wait(), d.control.get(FIRED)), (1, 1), f"status: {d.errors()}")
    equal(re.findall("^dcgand: (stopping: a checkpoint is saved first|error: a sync of the database to disk failed)", d.errors(), re.M),
          ["stopping: a checkpoint is saved first", "error: a sync of the database to disk failed"], d.errors())
    d.hold(True)
    d.start()
    d.wait_held()
    check_folder(d.state, {})
    equal(d.job(job)["state"], "queued")
    check_spared(d, job)
    d.hold(False)
    d.kill()


@test
def signal_after_a_failed_sync():
    """who has given up waits for the worker, but not beyond a signal, as its line says"""
    d = FaultyDaemon()
    d.hold(True)
    d.start()
    d.wait_held()
    d.register_tiny()
    d.control.arm("fsync wal (submit)", FAIL, 0, errno.EIO)
    try:
        d.request("POST", "/jobs", dict(JOB, dataset="tiny"))
    except GONE:
        pass
    wait_for(lambda: "a signal leaves at once" in d.errors(), "its line")
    equal(d.died(), False, d.errors())
    d.process.send_signal(signal.SIGTERM)
    equal((d.wait(), d.errors().splitlines()[-1]), (1, "dcgand: warning: leaving at once"), d.errors())


# --- At start ----------------------------------------------------------------------------------


def with_token(d):
    """The daemon, which asks for a token and so needs a session.key, too."""
    path = os.path.join(d.root, "tokens")
    if not os.path.exists(path):
        made = subprocess.run([PROGRAM, "--new-token", "ada", "--scope", "admin", "--tokens", path], check=True, capture_output=True)
        with open(path + ".secret", "wb") as f:
            f.write(made.stdout)
    with open(path + ".secret", encoding="ascii") as f:
        d.auth = {"Authorization": "Bearer " + f.read().strip()}
    d.options += ["--tokens", path]
    return d


def left_by_a_kill():
    """A state folder with a job at work, and what its daemon was just writing."""
    d = with_token(FaultyDaemon())
    d.start()
    d.register_tiny()
    job = d.post("/jobs", dict(JOB, dataset="tiny", epochs=64, sample_every=1)).json()["id"]
    d.wait_step(job, 16)
    d.control.arm("fsync temporary checkpoint", 1)
    wait_for(d.died, "its death")
    d.bury()
    os.unlink(os.path.join(d.state, "session.key")) # to be made by each start
    return d.state, d.root


def of_template(template, state):
    d = FaultyDaemon(state=state)
    d.root = template[1]
    d.roots = [d.root]
    return with_token(d)


def start_with_a_fault(template, fault, error):
    """One start; what it said when it gave up, None when it did not."""
    state = os.path.join(folder(), "state")
    shutil.copytree(template[0], state)
    d = of_template(template, state)
    d.control.arm(fault, FAIL, 0, error)
    said = None
    try:
        d.start()
    except AssertionError:
        said = d.errors()
        last = said.splitlines()[-1]  # what may pass has another status than what is wrong with the file
        equal(d.wait(), 2 if "/tokens: " in last and error not in (errno.ENOMEM, errno.EMFILE) else 1, f"status after {said}")
        equal(said.startswith("dcgand: ") and said.count("\n") >= 1, True, f"what it said: {said!r}")
    if not said:
        d.get("/healthz")
        d.control.disarm()
        d.process.kill()
        d.wait()
    d.control.disarm()
    d.hold(True)
    d.start()
    d.wait_held()
    check_folder(state, {})
    d.hold(False)
    found = d.wait_state(1, "succeeded", "failed")
    equal((found["state"], found["step"]), ("succeeded", 512), f"the job: {found['error']}")
    d.process.kill()
    d.wait()
    shutil.rmtree(state)
    return said


@test
def at_start():
    """a fault while it starts: it gives up with the reason and status 1, or does without; the next start is as good as ever"""
    template = left_by_a_kill()
    d = of_template(template, os.path.join(folder(), "state"))
    shutil.rmtree(d.state)
    shutil.copytree(template[0], d.state)
    d.control.record(True)
    d.hold(True)
    d.start()
    d.wait_held()
    faults, sites = failures(d.control.names()), d.control.sites()
    d.kill()
    chosen = chance.sample(sites, min(SITES_AT_START, len(sites)))
    if len(faults) > NAMES_AT_START:
        faults = chance.sample(faults, NAMES_AT_START)
    gave_up = 0
    for fault, error in faults + [(site, errno.ENOMEM) for site in chosen]:
        try:
            gave_up += start_with_a_fault(template, fault, error) is not None
        except AssertionError as e:
            raise AssertionError(f"{os.strerror(error)} of {fault if isinstance(fault, str) else hex(fault)}: {e}") from e
    print(f"# {len(faults)} calls and {len(chosen)} of {len(sites)} places that ask for memory; it gave up {gave_up} times", flush=True)
    equal(gave_up > 0, True, "starts that it gave up")


# --- At the end ----------------------------------------------------------------------------------


@test
def at_the_end():
    """a fault while it stops: it ends by itself, and the job goes on at the next start"""
    template = left_by_a_kill()
    state = os.path.join(folder(), "state")
    shutil.copytree(template[0], state)
    d = of_template(template, state)
    d.start()
    job = d.post("/jobs", dict(JOB, dataset="tiny", epochs=100000, sample_every=0, checkpoint_every=0)).json()["id"]
    faults, rounds = [], 0
    while rounds == 0 or faults:
        d.wait_state(job, "running")
        if rounds == 0:
            d.control.record(True)
        else:
            fault, error = faults.pop()
            d.control.arm(fault, FAIL, 0, error)
        rounds += 1
        d.process.send_signal(signal.SIGTERM)
        status = d.process.wait(60)
        equal(status in (0, 1), True, f"status {status} after {fault if rounds > 1 else 'nothing'}: {d.errors()[-1500:]}")
        d.bury()
        d.control.disarm()
        if rounds == 1:
            d.control.record(False)
            sites = d.control.sites()
            chosen = chance.sample(sites, min(SITES_AT_STOP, len(sites)))
            faults = failures(d.control.names()) + [(site, errno.ENOMEM) for site in chosen]
        d.hold(True)
        d.start()
        d.wait_held()
        check_folder(state, {})
        found = d.job(job)
        equal((found["state"], found["error"]), ("queued", None), f"the job that was stopped, after {rounds} {fault if rounds > 1 else ''}")
        d.hold(False)
    d.kill()
    print(f"# {rounds - 1} faults", flush=True)


main()
