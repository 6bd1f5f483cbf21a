"""The backups of docs/admin.md, made with the commands that are written there, and what a daemon makes of
what they bring back. Changed are only the folders; systemctl is this test, and sqlite3 Python's module."""
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys

TOP = os.environ.get("top_srcdir", ".")
sys.path[:0] = [os.path.join(TOP, "tests", "api"), os.path.join(TOP, "tests", "faults")]
from dcgand import SLOW, Daemon, equal, folder, main, small_job, test, wait_for  # noqa: E402
from faults import check_folder  # noqa: E402

with open(os.path.join(TOP, "docs", "admin.md"), encoding="utf-8") as page:
    STOPPED, RUNNING = re.findall(r"^```sh\n(.*?)^```", re.search(r"^## Back up\n(.*?)^## ", page.read(), re.M | re.S)[1], re.M | re.S)
STATE = "/var/lib/private/dcgand"
d = Daemon(state=os.path.join(folder(), "dcgand"))
d.register_tiny()
ended = d.run_job(name="ended", checkpoint_every=1, keep_last=5)
kept = d.get(f"/jobs/{ended}/checkpoints").json()["checkpoints"]
backup = folder()


def run(line, *changes):
    """A command of the page, with each old text, which must be in it, made new. It may miss what vanishes."""
    for old, new in changes:
        equal(old in line, True, f"{old} in {line!r}")
        line = line.replace(old, new)
    r = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=SLOW, env=dict(os.environ, LC_ALL="C"))
    equal([l for l in r.stderr.splitlines() if not l.endswith("No such file or directory")], [], line)
    equal(r.returncode == 0 or bool(r.stderr), True, line)


def restored(state, names, checkpoints, unfinished):
    """What was there is there, and the job that was at work goes on to its end."""
    again = Daemon(state=state, roots=[d.root])
    equal([j["name"] for j in again.get("/jobs").json()["jobs"]], names)
    for c in checkpoints:
        equal(again.get(c["url"])["ETag"], f'"{c["sha256"]}"')
        again.post(f"/checkpoints/{c['id']}/generate", {"n": 1}, 200)
    found = again.job(unfinished)
    equal(found["state"] in ("queued", "preparing", "running"), True, found["state"])
    again.post(f"/jobs/{unfinished}/cancel", None, 202)
    again.wait_state(unfinished, "cancelled")
    again.stop()
    again.start() # looks once more at what it left
    again.run_job()
    again.stop()
    check_folder(state, {})


@test
def while_it_runs():
    """first the database, then the files, of a daemon that goes on writing and removing both"""
    job = d.post("/jobs", small_job(name="at work", epochs=1000000, checkpoint_every=1, keep_last=3)).json()["id"]
    wait_for(lambda: len(d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]) == 3, "checkpoints")
    first, link, copy, tidy = RUNNING.splitlines()
    path, sql = re.fullmatch(r'sqlite3 (\S+) "(.*)"', first).groups()
    equal((path, sql), (STATE + "/dcgand.db", "VACUUM INTO '/backup/dcgand.db'"))
    db = sqlite3.connect(path.replace(STATE, d.state))
    db.execute(sql.replace("/backup", backup))
    db.close()
    run(link, (STATE, d.state))
    d.delete(f"/jobs/{ended}") # now only the links have its files
    d.wait_step(job, d.job(job)["step"] + 40)
    run(copy, (STATE, d.state), ("/backup", backup))
    run(tidy, (STATE, d.state))
    state = os.path.join(folder(), "state")
    os.mkdir(state)
    for name in ("dcgand.db", "jobs"):
        shutil.move(os.path.join(backup, name), state)
    restored(state, ["at work", "ended"], kept, job)


@test
def while_it_is_stopped():
    """all of the state folder in an archive, unpacked elsewhere"""
    stop, archive, start = STOPPED.splitlines()
    equal((stop, start), ("systemctl stop dcgand", "systemctl start dcgand"))
    job = d.get("/jobs?state=running").json()["jobs"][0]["id"]
    d.stop()
    run(archive, ("/var/lib/private", os.path.dirname(d.state)), ("-cf ", f"-cf {backup}/"))
    d.start()
    equal(d.job(job)["state"] in ("queued", "preparing", "running"), True)
    place = folder()
    subprocess.run(["tar", "-C", place, "-xf", os.path.join(backup, "dcgand.tar")], check=True, timeout=SLOW)
    equal(os.path.exists(os.path.join(place, "dcgand", "datasets")), False, "prepared pictures, which are made again")
    restored(os.path.join(place, "dcgand"), ["at work"], [], job)
    d.stop()


main()
