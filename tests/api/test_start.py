"""What a start reads and does with many jobs: the indexes and a few pages, not everything there ever was."""

import os
import re
import sqlite3

from dcgand import Daemon, equal, main, test

JOBS, STEPS = 4000, 60000
MIB = 1 << 20
d = Daemon()
d.register_tiny()
first = d.run_job(epochs=1)
d.stop()


def fill():
    """Copies of a job that has ended, with long parameters, and points of a long one."""
    db = sqlite3.connect(os.path.join(d.state, "dcgand.db"))
    names = ", ".join(r[1] for r in db.execute("PRAGMA table_info(jobs)") if r[1] not in ("id", "note"))
    db.executescript(f"""
        PRAGMA synchronous=OFF;
        BEGIN;
        WITH RECURSIVE n(i) AS (SELECT {first + 1} UNION ALL SELECT i + 1 FROM n WHERE i < {JOBS})
            INSERT INTO jobs(id, note, {names}) SELECT i, hex(randomblob(1000)), {names} FROM n, jobs WHERE jobs.id = {first};
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {STEPS})
            INSERT INTO metrics SELECT {JOBS}, series, i, 1.0 / i FROM n, (SELECT 0 AS series UNION SELECT 1 UNION SELECT 2);
        COMMIT;""")
    db.close()
    return os.path.getsize(os.path.join(d.state, "dcgand.db"))


def taken():
    """Bytes read and system calls for reading of the thread that starts everything: the worker goes on
    to look at jobs that have ended."""
    with open(f"/proc/{d.process.pid}/task/{d.process.pid}/io") as f:
        values = dict(line.split(": ") for line in f)
    return int(values["rchar"]), int(values["syscr"])


@test
def ready_without_reading_all():
    """ready after a small part of the file was read, and with few more reads than an empty one takes"""
    d.start()
    empty = taken()
    d.stop()
    size = fill()
    equal(size > 12 * MIB, True, f"a file of {size / MIB:.1f} MiB")
    d.start()
    full = taken()
    d.get("/readyz")
    equal(full[0] - empty[0] < size / 4, True, f"{full[0]} bytes read of {size}, {empty[0]} of an empty one")
    equal(full[1] - empty[1] < JOBS / 2, True, f"{full[1]} reads with {JOBS} jobs, {empty[1]} without")


# What requests and the worker's steps ask, in the words of store/, and the index that must answer it.
QUERIES = {
    "SELECT id FROM jobs ORDER BY +id": "COVERING INDEX jobs_queue",
    "FROM jobs WHERE state='queued' ORDER BY priority DESC, queue_ms, id LIMIT 1": "INDEX jobs_queue (state=?)",
    "SELECT id FROM jobs WHERE state = ?5 AND id < ?1 ORDER BY id DESC": "COVERING INDEX jobs_queue (state=?)",
    "SELECT state, count(*) FROM jobs GROUP BY state": "COVERING INDEX jobs_queue",
    "SELECT step, value FROM metrics WHERE job=? AND series=? AND step BETWEEN ? AND ? ORDER BY step": "PRIMARY KEY (job=? AND series=?",
    "FROM metric_blocks WHERE job=? AND series=? AND block BETWEEN ? AND ? ORDER BY block": "PRIMARY KEY (job=? AND series=?",
}


@test
def queries_use_indexes():
    """SQLite's plans for what must stay quick name the index"""
    store = os.path.join(os.environ.get("top_srcdir", "."), "store")
    words = ""
    for name in sorted(os.listdir(store)):
        with open(os.path.join(store, name)) as f:
            words += re.sub(r'"\s*"', "", f.read())
    db = sqlite3.connect(f"file:{os.path.join(d.state, 'dcgand.db')}?mode=ro", uri=True)
    for query, index in QUERIES.items():
        equal(query in words, True, f"a query of store/: {query}")
        whole = re.sub(r"\?\d*", "1", query if query.startswith("SELECT") else "SELECT * " + query)
        plan = "; ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + whole))
        equal(index in plan, True, f"{query}: {plan}")
    db.close()
    d.stop()


main()
