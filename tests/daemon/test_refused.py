"""State folders that cannot be used, and what in them cannot be: each is refused with the cause and what to do."""
import ctypes
import os
import re
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import Skip, SLOW, Daemon, equal, folder, main, small_job, test  # noqa: E402

CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 0x4000, 0x40000
CHECKED = 4 << 20  # bytes of a database that every start looks through
PAGE = 4096
d = Daemon()
d.register_tiny()
job = d.run_job(checkpoint_every=1, keep_last=5)


def refused(*said, state=None):
    """A start that ends by itself with status 1, a line that says all of this, and the database as it was."""
    database = os.path.join(state or d.state, "dcgand.db")
    before = open(database, "rb").read() if os.path.isfile(database) else None
    r = subprocess.run([*d.command(), "--state-dir", state or d.state], capture_output=True, text=True, timeout=SLOW)
    equal(r.returncode, 1, f"status: {r.stdout}{r.stderr}")
    line = r.stderr.splitlines()[-1]
    for text in said:
        equal(text in line, True, f"{text!r} in {line!r}")
    equal(open(database, "rb").read() if os.path.isfile(database) else None, before, "the database")


def changed(sql):
    db = sqlite3.connect(os.path.join(d.state, "dcgand.db"))
    found = db.execute(sql).fetchone()
    db.commit()
    db.close()
    return found and found[0]


def spoil(table):
    """Zeros in place of the table's first page, as a disk may leave them; a function that undoes it."""
    at = (changed(f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'") - 1) * PAGE
    with open(os.path.join(d.state, "dcgand.db"), "r+b") as f:
        f.seek(at)
        was = f.read(PAGE)
        f.seek(at)
        f.write(bytes(PAGE))

    def undo():
        with open(os.path.join(d.state, "dcgand.db"), "r+b") as f:
            f.seek(at)
            f.write(was)
    return undo


@test
def second_daemon():
    """a second daemon on the folder: who holds it, and to stop that or choose another"""
    refused("dcgand.lock", f"held by process {d.process.pid}", "stop it, or choose another --state-dir")
    d.get("/readyz")


@test
def newer_database():
    """a database of a newer version: to run that, and to go back to the backup where there is one"""
    d.stop()
    known = changed("PRAGMA user_version")
    backup = os.path.join(d.state, f"dcgand.db.v{known}.backup")
    shutil.copy(os.path.join(d.state, "dcgand.db"), backup)
    changed("PRAGMA user_version = 99")
    refused("dcgand.db: written by a newer dcgand (version 99", "run that one, or put the backup it made "
            f"(dcgand.db.v{known}.backup) in the place of dcgand.db and remove dcgand.db-wal and -shm")
    shutil.move(backup, os.path.join(d.state, "dcgand.db")) # as it says
    d.start()
    equal(d.job(job)["state"], "succeeded")
    d.stop()
    changed("PRAGMA user_version = 99")
    refused("run that one, or choose another --state-dir", "there is no backup")
    changed(f"PRAGMA user_version = {known}")


@test
def damaged_database():
    """a page of any table lost, the end missing, or no database at all: to put a backup in its place"""
    remedy = ("stop dcgand and put a backup", "in its place", "remove dcgand.db-wal and -shm")
    for table in ("jobs", "metrics", "metric_blocks", "samples", "checkpoints", "events", "log", "datasets", "jobs_queue"):
        undo = spoil(table)
        refused("dcgand.db", *remedy)
        undo()
    path = os.path.join(d.state, "dcgand.db")
    with open(path, "rb") as f:
        whole = f.read()
    for bad in (whole[:len(whole) // 2], whole[:10 * PAGE + 100], b"no database" * 1000):
        with open(path, "wb") as f:
            f.write(bad)
        refused("dcgand.db", *remedy)
    with open(path, "wb") as f:
        f.write(whole)
    d.start()
    equal(d.job(job)["state"], "succeeded")
    d.stop()


@test
def damage_met_later():
    """damage in a large database is met by a request: 500 and the cause in the log, never a fault of the client's"""
    changed("CREATE TABLE padding AS SELECT zeroblob(%d) AS x" % (CHECKED + 1))
    undo = spoil("events")
    try:
        d.start()
        for path, body in (("/jobs", small_job()), ("/datasets", {"name": "more", "path": "tiny"})):
            before = len(d.errors())
            answer = d.request("POST", path, body)
            if path == "/jobs": # registering a data set tells no event
                equal(answer.status, 500, str(answer))
                equal(re.search("error: POST /jobs: .*malformed; stop dcgand and put a backup", d.errors()[before:]) is not None, True, d.errors())
            else:
                equal(answer.status, 201, str(answer))
        d.get(f"/jobs/{job}")
        d.stop()
    finally:
        undo()
    changed("DROP TABLE padding")


@test
def damaged_checkpoint():
    """a checkpoint that was altered, cut or removed: not drawn from and not begun from, and what to do"""
    d.start()
    d.run_job()  # what the start looks through on the side, it has: it forgets files that it finds cut
    newest = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][-1]
    path = os.path.join(d.state, "jobs", str(job), "checkpoints", f"step-{newest['step']:010d}.safetensors")
    with open(path, "rb") as f:
        whole = f.read()
    for bad, cause in ((whole[:-100] + bytes([whole[-100] ^ 4]) + whole[-99:], "damaged: expected sha256"), (whole[:1000], "damaged: expected"), (None, "cannot open")):
        if bad is None:
            os.unlink(path)
        else:
            with open(path, "wb") as f:
                f.write(bad)
        said = d.post(f"/checkpoints/{newest['id']}/generate", {"n": 1}, 500 if bad is None else 422).json()["detail"]
        said = d.errors().splitlines()[-1] if bad is None else said
        later = d.post("/jobs", small_job(from_checkpoint=newest["id"])).json()["id"]
        for text in (said, d.wait_state(later, "failed", "succeeded")["error"]):
            equal(cause in text and "put a backup of it in its place, or use another checkpoint" in text, True, text)
    with open(path, "wb") as f:
        f.write(whole)
    d.post(f"/checkpoints/{newest['id']}/generate", {"n": 1}, 200)
    d.stop()


@test
def read_only_folder():
    """a state folder that cannot be written: to mount it otherwise, to own it, or to choose another"""
    libc = ctypes.CDLL(None, use_errno=True)
    place = folder().encode()
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) or \
            libc.mount(place, place, None, MS_BIND, None) or libc.mount(None, place, None, MS_BIND | MS_REMOUNT | MS_RDONLY, None):
        raise Skip(f"a file system of our own cannot be mounted: {os.strerror(ctypes.get_errno())}")
    advice = ("Read-only file system", "must be writable for user", "choose another --state-dir")
    refused("cannot create folder", *advice, state=os.path.join(place.decode(), "state"))
    state = d.state.encode()
    equal((libc.mount(state, state, None, MS_BIND, None), libc.mount(None, state, None, MS_BIND | MS_REMOUNT | MS_RDONLY, None)), (0, 0))
    refused("dcgand.lock: cannot open", *advice)


main()
