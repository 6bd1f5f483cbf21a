"""What a start reads and does with many jobs: the indexes and a few pages, not everything there ever was."""

import json
import os
import sqlite3

from dcgand import SLOW, Daemon, equal, main, small_job, test, wait_for

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
    """Bytes read and system calls for reading since the daemon's process began."""
    with open(f"/proc/{d.process.pid}/io") as f:
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
    # The worker looks at jobs that have ended when everything is up; it must not get far before we
    # look, so that what is measured is the start alone.
    d.start()
    full = taken()
    d.get("/readyz")
    equal(full[0] - empty[0] < size / 4, True, f"{full[0]} bytes read of {size}, {empty[0]} of an empty one")
    equal(full[1] - empty[1] < JOBS / 2, True, f"{full[1]} reads with {JOBS} jobs, {empty[1]} without")


main()
