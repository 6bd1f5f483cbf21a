"""If-Match where another client is quicker, between the look at what there is and the change of it."""

import os
import sqlite3
import threading
import time

from dcgand import Daemon, equal, main, small_job, test, wait_for

d = Daemon()
MEANWHILE = 0.5  # s in which the daemon looks at If-Match; with less, what is wrong may go unnoticed


def overtaken(method, path, tag=None, body=None, change="UPDATE jobs SET version = version + 1"):
    """The answer to a request with If-Match (the present tag of what it is for, if not given), when another client
    holds the store's write lock as it comes, and has changed that when it gives it back."""
    _, kind, number = path.split("/")[:3]
    found = []
    store = sqlite3.connect(os.path.join(d.state, "dcgand.db"), isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    tag = tag or d.get(f"/{kind}/{number}")["ETag"]
    thread = threading.Thread(target=lambda: found.append(d.request(method, path, body, {"If-Match": tag})))
    thread.start()
    time.sleep(MEANWHILE)
    store.execute(f"{change} WHERE id = {number}")
    store.execute("COMMIT")
    store.close()
    thread.join()
    return found[0].status


@test
def begin():
    """a job at work, and one behind it"""
    d.register_tiny()
    equal(d.post("/jobs", small_job(epochs=100000, sample_every=0, checkpoint_every=0)).json()["id"], 1)
    d.wait_state(1, "running")
    equal(d.post("/jobs", small_job()).json()["id"], 2)


@test
def queued():
    """a job that was changed meanwhile is neither cancelled nor deleted"""
    for method, path in (("POST", "/jobs/2/cancel"), ("DELETE", "/jobs/2")):
        equal(overtaken(method, path), 412, path)
        equal(d.job(2)["state"], "queued")


@test
def at_work():
    """nor is one at work told to do anything"""
    for action in ("checkpoint", "pause", "cancel"):
        equal(overtaken("POST", f"/jobs/1/{action}"), 412, action)
    equal((d.job(1)["state"], d.get("/jobs/1/checkpoints").json()["checkpoints"]), ("running", []))


@test
def checkpoint():
    """a checkpoint whose file is another one meanwhile, or that was named, is not pinned"""
    d.post("/jobs/1/checkpoint", None, 202)
    found = wait_for(lambda: d.get("/jobs/1/checkpoints").json()["checkpoints"], "a checkpoint")[0]
    path = f"/checkpoints/{found['id']}"
    for change in ("label = 'the best'", "sha256 = hex(zeroblob(32))"):
        equal(overtaken("PATCH", path, None, {"pinned": True}, f"UPDATE checkpoints SET {change}"), 412, change)
    equal(d.get(path).json()["pinned"], False)
    equal(overtaken("PATCH", path, "*", {"pinned": True}, "UPDATE checkpoints SET label = ''"), 200)


@test
def others():
    """a list of tags may hold that of the change, too, and * is any"""
    version = d.job(2)["version"]
    equal(overtaken("POST", "/jobs/2/cancel", f'"{version}", "{version + 1}"'), 202)
    equal(overtaken("POST", "/jobs/2/pause", "*"), 409)
    d.post("/jobs/2/pause", None, 409, If_Match=d.get("/jobs/2")["ETag"])
    equal(overtaken("DELETE", "/jobs/2", "*"), 204)
    d.delete("/jobs/2", 404, If_Match='"1"')
    equal(overtaken("POST", "/jobs/1/cancel", "*"), 202)
    d.wait_state(1, "cancelled")
    d.delete("/jobs/1", If_Match=d.get("/jobs/1")["ETag"])
    d.stop()


main()
