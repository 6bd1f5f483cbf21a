"""Server-sent events: order, going on without a gap, reset, heartbeats, slow and vanished clients."""

import json
import os
import socket
import sqlite3
import time

from dcgand import SLOW, Daemon, Stream, equal, main, read_all, small_job, test, wait_for

d = Daemon("--heartbeat-s", "1", "--max-streams", "24")
d.register_tiny()


def finished(kind, data):
    return kind == "state" and data["state"] in ("succeeded", "failed", "cancelled")


def gapless(events):
    ids = [e[0] for e in events]
    equal(ids, list(range(ids[0], ids[0] + len(ids))), "ids")


@test
def a_job_as_it_happens():
    """a stream opened before a job sees all of it: states, every step, samples, checkpoints"""
    stream = Stream(d)
    equal(stream.response.status, 200)
    for name, value in (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")):
        equal(stream.response.headers[name], value)
    job = d.post("/jobs", small_job()).json()["id"]
    events = stream.until(finished)
    stream.close()
    equal(stream.retry, 3000)
    gapless(events)
    equal([x["state"] for _, kind, x in events if kind == "state"], ["queued", "preparing", "running", "succeeded"])
    equal([x["previous"] for _, kind, x in events if kind == "state"], [None, "queued", "preparing", "running"])
    equal([s for _, kind, x in events if kind == "metric" for s in x["steps"]], list(range(1, 9)), "steps")
    for _, kind, x in events:
        equal(x["job"], job)
        equal(x["at"][-1], "Z", kind)
        if kind == "metric":
            for series in x["series"].values():
                equal(len(series), len(x["steps"]))
    samples = [x for _, kind, x in events if kind == "sample"]
    equal([x["url"] for x in samples if x["step"] % 4 == 0], [f"/jobs/{job}/samples/{e}.png" for e in (0, 1, 2)])
    for x in samples:
        d.get(x["url"])
    for _, kind, x in events:
        if kind == "checkpoint":
            equal({k: v for k, v in d.get(f"/checkpoints/{x['id']}").json().items()}, {k: v for k, v in x.items() if k != "at"})


@test
def scores():
    """ends of epochs are measured: as events, as series, and the checkpoint's score is the distance"""
    stream = Stream(d)
    # Every 128 pictures, of which there are 64 to an epoch.
    job = d.post("/jobs", small_job(swd_images=2, epochs=6, keep_last=10)).json()["id"]
    events = stream.until(finished)
    stream.close()
    told = [x for _, kind, x in events if kind == "score"]
    equal([(x["epoch"], x["step"]) for x in told], [(2, 8), (4, 16), (6, 24)])
    m = d.get(f"/jobs/{job}/metrics?series=swd,ms_ssim").json()["series"]
    listed = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]
    for x in told:
        equal(x["swd"] > 0 and 0 <= x["ms_ssim"] <= 1, True, str(x))
        for name in ("swd", "ms_ssim"):
            at = [p["last"] for p in m[name]["points"] if p["step"] == x["step"]]
            equal(len(at) == 1 and abs(at[0] - x[name]) <= 1e-5 * x[name], True, f"{name} {at} {x}")
        score = [c["score"] for c in listed if c["step"] == x["step"]]
        equal(len(score) == 1 and abs(score[0] - x["swd"]) <= 1e-5 * x["swd"], True, f"{score} {x}")
    equal([m[name]["total"] for name in ("swd", "ms_ssim")], [3, 3])
    steps = [s for _, kind, x in events if kind == "metric" for s in x["steps"]]
    equal(steps, list(range(1, 25)), "steps are told once")


@test
def going_on():
    """from any number, by ?after= or Last-Event-ID (which wins), everything once and in order"""
    stream = Stream(d, "/events?after=0")
    every = stream.until(finished)
    stream.close()
    gapless(every)
    equal(every[0][0], 1)
    for at in (1, len(every) // 2, len(every) - 1):
        for path, headers in ((f"/events?after={at}", {}), ("/events", {"Last_Event_ID": str(at)}), ("/events?after=0", {"Last_Event_ID": str(at)})):
            stream = Stream(d, path, **headers)
            equal(stream.until(finished), every[at:], f"{path} {headers}")
            stream.close()


@test
def one_job_only():
    """/jobs/{id}/events has its own events, and all of them"""
    other = d.run_job(epochs=1, max_steps=2)
    stream = Stream(d, f"/jobs/{other}/events?after=0")
    events = stream.until(finished)
    stream.close()
    equal({x["job"] for _, _, x in events}, {other})
    stream = Stream(d, "/events?after=0")
    every = stream.until(lambda kind, x: finished(kind, x) and x["job"] == other)
    stream.close()
    equal([e for e in every if e[2]["job"] == other], events)
    d.get("/jobs/99/events", 404)
    d.get("/events?after=x", 400)
    d.get("/events", 400, Last_Event_ID="x")
    d.get("/events", 400, Last_Event_ID="-1")


@test
def many_streams_same_events():
    """five streams at once, one of them starting late, see the same"""
    streams = [Stream(d) for _ in range(4)]
    job = d.post("/jobs", small_job(epochs=20)).json()["id"]
    first = streams[0].next()
    streams.append(Stream(d, f"/events?after={first[0] - 1}"))
    lists = [[first] + streams[0].until(finished)] + [s.until(finished) for s in streams[1:]]
    for s in streams:
        s.close()
    gapless(lists[0])
    equal(lists[0][0][2]["job"], job)
    for found in lists[1:]:
        equal(found, lists[0])


@test
def streams_are_limited():
    """one stream too many is told so and may come again; ending one makes room"""
    wait_for(lambda: open_streams() == 0, "the streams before to be let go")
    streams = [Stream(d) for _ in range(24)]
    answer = d.request("GET", "/events")
    equal((answer.status, int(answer["Retry-After"]) > 0), (503, True))
    streams.pop().close()
    stream = wait_for(lambda: (lambda s: s if s.response.status == 200 else s.close())(Stream(d, expect=0)), "room")
    for s in streams + [stream]:
        s.close()


def open_streams():
    """How many sockets the daemon has towards clients."""
    count = 0
    with open(f"/proc/{d.process.pid}/net/tcp") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == d.port and fields[3] in ("01", "08"):  # established, close-wait
                count += 1
    return count


@test
def heartbeats():
    """comments come in silence, and move the id past the events of other jobs"""
    wait_for(lambda: open_streams() == 0, "the streams before to be let go")
    stream = Stream(d)
    begin = time.monotonic()
    for _ in range(2):
        stream.comment()
    equal(1.5 < time.monotonic() - begin < 10, True, "two heartbeats of 1 s")
    stream.close()
    # The stream of job 1 has nothing to say about a new job, but its id goes on.
    stream = Stream(d, "/jobs/1/events")
    every = Stream(d)
    d.run_job(epochs=1, max_steps=1)
    newest = every.until(finished)[-1][0]
    every.close()
    wait_for(lambda: (stream.comment(), (stream.last_id or 0) >= newest)[1], f"the id {newest} with a heartbeat")
    stream.close()


@test
def vanished_clients():
    """a client that leaves without a word is let go"""
    wait_for(lambda: open_streams() == 0, "the streams before to be let go")
    streams = [Stream(d) for _ in range(5)]
    equal(open_streams(), 5)
    for s in streams[:3]:
        s.close()
    for s in streams[3:]:  # a reset instead of a farewell
        s.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    wait_for(lambda: open_streams() == 0, "the vanished to be noticed")


@test
def head_of_a_stream():
    """HEAD tells the type and ends"""
    answer = d.request("HEAD", "/events")
    equal((answer.status, answer["Content-Type"], answer.body), (200, "text/event-stream", b""))
    for version in ("1.1", "1.0"):
        data = d.raw(f"HEAD /events HTTP/{version}\r\nHost: localhost\r\n\r\n".encode(), SLOW)
        equal((data[:15], data.partition(b"\r\n\r\n")[2]), (b"HTTP/1.1 200 OK", b""), "a body")
    wait_for(lambda: open_streams() == 0, "the connection to end")


@test
def stopping_ends_streams():
    """SIGTERM ends open streams properly"""
    streams = [Stream(d) for _ in range(3)]
    d.stop()
    for s in streams:
        while s.next():
            pass
        s.close()


def events_table(change):
    db = sqlite3.connect(os.path.join(d.state, "dcgand.db"))
    with db:
        change(db)
    db.close()


@test
def kept():
    """the newest 100000 are kept, also when nothing but PATCH makes any"""
    keep, more = 100000, 1000

    def fill(db):
        [(n,)] = db.execute("SELECT newest FROM event_counter")
        db.executemany("INSERT INTO events VALUES (?, 1, 1, 'job', '{}')", ((seq,) for seq in range(n + 1, n + 1 + keep + more)))
        db.execute("UPDATE event_counter SET newest = newest + ?", (keep + more,))

    counted = []
    events_table(fill)
    d.start()
    for i in range(100):
        d.patch("/jobs/1", {"priority": i % 50})
    d.stop()
    events_table(lambda db: counted.extend(db.execute("SELECT count(*) FROM events")))
    equal(keep <= counted[0][0] <= keep + 100, True, str(counted))


@test
def reset():
    """what is no longer kept, or never was, gives a reset and goes on with what is new"""
    newest = []

    def prune(db):
        [(n,)] = db.execute("SELECT newest FROM event_counter")
        newest.append(n)
        db.execute("DELETE FROM events WHERE seq <= ?", (n - 5,))
    events_table(prune)
    d.start()
    newest = newest[0]
    for after in (newest + 1, 0, 3, newest - 7, newest - 6, 2 ** 62):
        stream = Stream(d, f"/events?after={after}")
        last, kind, data = stream.next()
        equal((kind, data), ("reset", {"newest": last}), f"after {after}")
        equal(last >= newest, True)
        job = d.run_job(epochs=1, max_steps=1)
        events = stream.until(finished)
        gapless([(last, None, None)] + events)
        equal(events[0][2], dict(events[0][2], job=job, state="queued"))
        stream.close()
    stream = Stream(d, f"/events?after={newest - 5}")
    equal(stream.next()[:2][0], newest - 4, "the oldest that is kept")
    stream.close()


@test
def slow_clients():
    """one that does not read is cut and delays nobody; what it gets on its return has no gap"""
    d.stop()

    def stuff(db):
        [(n,)] = db.execute("SELECT newest FROM event_counter")
        for i in range(1, 151):
            db.execute("INSERT INTO events(seq, job, created_ms, type, data) VALUES (?, 1, 0, 'log', ?)",
                       (n + i, json.dumps({"job": 1, "n": i, "text": "x" * 60000})))
        db.execute("UPDATE event_counter SET newest = ?", (n + 150,))
        stuff.after = n
    events_table(stuff)
    d.start()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(SLOW)
    slow.connect(("127.0.0.1", d.port))
    slow.sendall(f"GET /events?after={stuff.after} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    # Another reads all of it meanwhile, and new events too.
    quick = Stream(d, f"/events?after={stuff.after}")
    events = [quick.next() for _ in range(150)]
    gapless(events)
    equal([x["n"] for _, _, x in events], list(range(1, 151)))
    job = d.post("/jobs", small_job(epochs=1, max_steps=1)).json()["id"]
    equal(quick.until(finished)[0][2]["job"], job)
    quick.close()
    wait_for(lambda: open_streams() == 0, "the slow one to be cut")
    got = read_all(slow)
    slow.close()
    equal(0 < len(got) < 150 * 60000, True, f"{len(got)} bytes")
    ids = [int(line[4:]) for line in got.split(b"\n") if line.startswith(b"id: ") and line[4:].strip().isdigit()]
    again = Stream(d, "/events", Last_Event_ID=str(ids[-2]))
    equal(again.next()[0], ids[-2] + 1)
    again.close()


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
