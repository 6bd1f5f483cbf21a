"""A daemon behind the shim of this folder (shim.c), and what must be true of its state folder.

The control file is a page that both sides map: the daemon's worker can be held before its
first step, the names of the calls that pass be recorded, and one of them be the last thing the
process does, or fail.
"""
import hashlib
import json
import mmap
import os
import re
import sqlite3
import struct
import sys
import time

TOP = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
sys.path.insert(0, os.path.join(TOP, "tests", "api"))
from dcgand import Daemon, equal  # noqa: E402

SHIM = os.path.join(BUILD, "tests", "faults", ".libs", "shim.so")
NAME, NAMES, SITES = 56, 512, 1 << 15
HOLD, HOLDING, RECORDING, ACTION, COUNT, ERROR, FIRED, NAME_COUNT = range(0, 32, 4)
SITE, LIVE, POINT, TABLE = 32, 40, 48, 48 + NAME
SITE_TABLE = TABLE + NAMES * (8 + NAME)
SIZE = SITE_TABLE + SITES * 16
KILL_BEFORE, KILL_AFTER, FAIL = 1, 2, 3


class Control:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.truncate(SIZE)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)

    def get(self, at):
        return struct.unpack_from("=I", self.map, at)[0]

    def set(self, at, value):
        struct.pack_into("=I", self.map, at, value)

    def arm(self, point, action, count=0, error=0):
        """point: a name, or the number of a place where memory is asked for."""
        self.set(ACTION, 0)
        self.set(FIRED, 0)
        self.set(COUNT, count)
        self.set(ERROR, error)
        name = point.encode() if isinstance(point, str) else b""
        struct.pack_into("=Q", self.map, SITE, 0 if name else point)
        struct.pack_into("%ds" % NAME, self.map, POINT, name)
        self.set(ACTION, action)

    def live(self):
        return struct.unpack_from("=Q", self.map, LIVE)[0]

    def disarm(self):
        self.set(ACTION, 0)

    def record(self, on):
        self.set(RECORDING, int(on))

    def names(self):
        """{name: count} of what was recorded."""
        found = {}
        for i in range(self.get(NAME_COUNT)):
            count, _, name = struct.unpack_from("=II%ds" % NAME, self.map, TABLE + i * (8 + NAME))
            name = name.split(b"\0")[0].decode()
            if name: # not of a table that was emptied while something was added
                found[name] = count
        return found

    def sites(self):
        """Where memory was asked for, in an order that does not change."""
        return sorted(site for site, count, _ in struct.iter_unpack("=QII", self.map[SITE_TABLE:SITE_TABLE + SITES * 16]) if count)

    def forget(self):
        self.set(NAME_COUNT, 0)
        self.map[TABLE:SIZE] = bytes(SIZE - TABLE)


class FaultyDaemon(Daemon):
    """A daemon that can be told where to die. It does not start by itself."""

    def __init__(self, *options, state=None, env=None):
        if not os.path.exists(SHIM):
            raise FileNotFoundError(f"{SHIM}: make check builds it")
        super().__init__(*options, state=state, wait=False)
        os.makedirs(self.state, 0o700, exist_ok=True)
        self.state = os.path.realpath(self.state)
        self.control = Control(os.path.join(self.folder, "control"))
        self.env.update(LD_PRELOAD=SHIM, DCG_SHIM=self.control.path, DCG_SHIM_STATE=self.state, **(env or {}))

    def hold(self, on):
        self.control.set(HOLD, int(on))
        if not on:
            self.control.set(HOLDING, 0)

    def wait_held(self):
        end = time.monotonic() + 60
        while not self.control.get(HOLDING):
            if time.monotonic() > end:
                raise AssertionError("the worker does not come to its beginning")
            time.sleep(0.0005)

    def died(self):
        return self.process.poll() is not None

    def bury(self):
        """It was killed, or is now; the status it ended with."""
        self.process.kill()
        return self.wait()


def database(state):
    db = sqlite3.connect(f"file:{state}/dcgand.db?mode=ro", uri=True, timeout=60)
    db.execute("BEGIN")
    return db


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(f.read()).hexdigest()


def check_folder(state, hashed):
    """The database is sound, no temporaries are left, files and rows agree. Nobody may be at
    work. hashed: {path: (stat, sha256)}, so that no file is read twice."""
    db = database(state)
    equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity_check")
    equal(db.execute("PRAGMA foreign_key_check").fetchall(), [], "foreign_key_check")
    rows = {}
    for table, sub in (("samples", "samples"), ("checkpoints", "checkpoints")):
        for job, name, size, digest in db.execute(f"SELECT job, name, size, sha256 FROM {table}"):
            rows[f"jobs/{job}/{sub}/{name}"] = (size, digest)
    jobs = {str(job) for job, in db.execute("SELECT id FROM jobs")}
    sets = {name for name, in db.execute("SELECT name FROM datasets")}
    db.close()
    found = {}
    for folder, folders, names in os.walk(state):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), state)
            if name.startswith(".") and ".tmp" in name:
                raise AssertionError(f"a temporary is left: {path}")
            if path.startswith("jobs/"):
                found[path] = os.path.join(folder, name)
            if path.startswith("datasets/") and re.fullmatch(r"datasets/(.+)-\d+-\d+\.data", path)[1] not in sets:
                raise AssertionError(f"prepared pictures of no data set: {path}")
    equal(sorted(set(found) - set(rows)), [], "files without a row")
    equal(sorted(set(rows) - set(found)), [], "rows without a file")
    equal(sorted(set(os.listdir(os.path.join(state, "jobs"))) - jobs), [], "folders without a job")
    for path, full in found.items():
        st = os.stat(full)
        key = (st.st_ino, st.st_mtime_ns, st.st_size)
        if hashed.get(path, (None,))[0] != key:
            hashed[path] = (key, sha256(full))
        equal((st.st_size, hashed[path][1]), rows[path], f"size and sha256 of {path}")


def events_of(db):
    """{number: (type, data)} of all that is kept; the numbers are without a gap."""
    found = {seq: (kind, json.loads(data)) for seq, kind, data in db.execute("SELECT seq, type, data FROM events ORDER BY seq")}
    newest = db.execute("SELECT newest FROM event_counter").fetchone()[0]
    if found:
        equal(list(found), list(range(min(found), newest + 1)), "numbers of events")
    return found
