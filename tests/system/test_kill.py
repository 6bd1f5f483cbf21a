"""kill -9 of the daemon, twenty times at random moments while it trains. Each time the job goes
on by itself, and in the end nobody can tell it from one that was never killed: the same
weights and pictures, every metric step once with the same values, events without a gap.
"""
import csv
import hashlib
import http.client
import io
import json
import os
import random
import signal
import struct
import tempfile
import time

from dcgand import Daemon, Tap, wait_for

KILLS, EPOCHS, STEPS_PER_EPOCH = 20, 300, 16
STEPS = EPOCHS * STEPS_PER_EPOCH
BODY = {"dataset": "squares", "size": 16, "channels": 1, "ngf": 8, "ndf": 8, "z_dim": 16, "batch_size": 32,
        "epochs": EPOCHS, "sample_every": 25, "sample_count": 16, "checkpoint_every": 1, "keep_last": 3,
        "ema": 0.99, "flip": True, "seed": 20}


def write_squares(folder):
    """512 pictures of 16x16, a bright square on dark, in IDX format."""
    os.makedirs(folder)
    data = struct.pack(">IIII", 0x803, STEPS_PER_EPOCH * 32, 16, 16)
    for i in range(STEPS_PER_EPOCH * 32):
        left, top, side = i % 7 + 1, i // 7 % 7 + 1, 4 + i // 49 % 5
        data += bytes(230 if left <= x < left + side and top <= y < top + side else 20 for y in range(16) for x in range(16))
    with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as f:
        f.write(data)


def begin(root, state):
    daemon = Daemon(state, "--dataset-root", root)
    if daemon.call("GET", "/datasets/squares")[0] == 404:
        status, answer = daemon.call("POST", "/datasets", {"name": "squares", "path": "squares"})
        assert status == 201, answer
        status, answer = daemon.call("POST", "/jobs", BODY)
        assert status == 201, answer
    return daemon


def step_of(daemon):
    return daemon.call("GET", "/jobs/1")[1]["step"]


def events(daemon):
    """(number, type, data) of every event up to the job's good end, from the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    connection.request("GET", "/events?after=0")
    stream, seen, fields = connection.getresponse(), [], {}
    while not seen or seen[-1][2].get("state") != "succeeded":
        line = stream.readline().decode()
        if not line:
            break
        name, colon, value = line.rstrip("\n").partition(":")
        if colon:
            fields[name] = value.strip()
        elif "id" in fields:
            seen.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
    connection.close()
    return seen


def replay(seen):
    """The last step that events tell of when each goes on where the one before, or a rewind,
    left off; None if one does not. And the number of rewinds."""
    at = rewinds = 0
    for _, kind, data in seen:
        if kind == "state" and data["rewound_to"] is not None:
            at, rewinds = data["rewound_to"], rewinds + 1
        for step in data["steps"] if kind == "metric" else ():
            at += 1
            if step != at:
                return None, rewinds
    return at, rewinds


def outcome(daemon):
    """Everything that must not depend on what happened on the way."""
    job = daemon.call("GET", "/jobs/1")[1]
    text = daemon.call("GET", "/jobs/1/metrics?max_points=20000", headers={"Accept": "text/csv"})[1].decode()
    metrics = [(r["series"], int(r["step"]), r["count"], r["last"]) for r in csv.DictReader(io.StringIO(text))
               if r["series"] != "images_per_s"]
    samples = daemon.call("GET", "/jobs/1/samples?limit=200")[1]["samples"]
    checkpoint = daemon.call("GET", "/jobs/1/checkpoints?limit=200")[1]["checkpoints"][-1]
    data = daemon.call("GET", checkpoint["url"])[1]
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {"state": job["state"], "step": job["step"], "metrics": metrics,
            "samples": [(s["step"], s["epoch"], s["sha256"]) for s in samples],
            "checkpoint": (checkpoint["step"], hashlib.sha256(data[8 + size:]).hexdigest(), header)}


def main():
    if not os.environ.get("DCG_LONG"):
        print("1..0 # SKIP takes minutes: ./check runs it, ./check --fast does not")
        return
    tap = Tap(9)
    chance = random.Random(20)
    with tempfile.TemporaryDirectory() as root:
        write_squares(os.path.join(root, "squares"))
        killed = os.path.join(root, "killed")
        kills, last = 0, 0
        while kills < KILLS:
            daemon = begin(root, killed)
            # Always further than before, so that the end is reached; by steps, so that neither a
            # fast machine is done too early nor a slow one takes for ever.
            target = last + chance.randrange(1, 150)
            if not wait_for(lambda: step_of(daemon) >= target, 120, 0.005):
                break
            time.sleep(chance.uniform(0, 0.02))
            last = step_of(daemon)
            if last >= STEPS:
                break
            kills += daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        tap.ok(kills == KILLS, "killed %d times while training, the last time after step %d" % (kills, last), daemon.log())
        daemon.stop(signal.SIGKILL)
        daemon = begin(root, killed)
        tap.ok(wait_for(lambda: daemon.call("GET", "/jobs/1")[1]["state"] == "succeeded", 300), "the job ends well", daemon.log())
        there = outcome(daemon)
        seen = events(daemon)
        numbers = [number for number, _, _ in seen]
        tap.ok(numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))), "events are numbered without a gap (%d)" % len(numbers))
        at, rewinds = replay(seen)
        tap.ok(at == STEPS, "they tell of every step, after %d rewinds" % rewinds, "stopped at %s" % at)
        daemon.stop()

        straight = begin(root, os.path.join(root, "straight"))
        wait_for(lambda: straight.call("GET", "/jobs/1")[1]["state"] == "succeeded", 300)
        here = outcome(straight)
        straight.stop()
        steps = [step for name, step, count, _ in there["metrics"] if name == "loss_d"]
        tap.ok(steps == list(range(1, STEPS + 1)), "every step has one point")
        for what in ("state", "metrics", "samples", "checkpoint"):
            tap.ok(here[what] == there[what], "the same %s as without a kill" % what)
    tap.done()


main()
