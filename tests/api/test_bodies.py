"""Bodies of millions of numbers: what they may have depends on what they are for, and none stays in memory."""

import json
import re
import socket

from dcgand import PROGRAM, SLOW, Daemon, equal, main, raw_status, small_job, test, wait_for

d = Daemon()
JSON = {"Content-Type": "application/json", "Accept": "image/png"}
MOST = 24 << 20
Z_DIM = 400


with open(PROGRAM, "rb") as program:
    SANITIZED = re.search(rb"__[at]san_init", program.read()) is not None


def memory(what):
    """MiB of the daemon: VmRSS is what it has, VmHWM the most it had."""
    with open(f"/proc/{d.process.pid}/status") as f:
        return int(re.search(rf"{what}:\s+(\d+)", f.read())[1]) / 1024


def check_memory(what, most):
    if not SANITIZED: # else what was freed is kept
        equal(memory(what) < most, True, f"{what}: {memory(what):.0f} MiB, expected less than {most:.0f}")


def generate(checkpoint, body, status, problem=None):
    answer = d.request("POST", f"/checkpoints/{checkpoint}/generate", body, JSON)
    equal(answer.status, status, str(answer))
    if problem:
        equal(problem in answer.json()["detail"], True, str(answer))
    return answer


def numbers(count, begin=b'{"z":[', end=b"0]}"):
    return begin + b"0," * count + end


@test
def begin():
    """a checkpoint"""
    d.register_tiny()
    d.run_job(z_dim=Z_DIM, epochs=1)
    equal(d.get("/jobs/1/checkpoints").json()["checkpoints"][0]["id"], 1)


@test
def too_many():
    """more than 1024 vectors can have are refused before they are parsed; for nothing, whatever they are"""
    before = memory("VmRSS")
    body = numbers((MOST - 20) // 2)
    for _ in range(2):
        generate(1, body, 413, "values")
    generate(999, body, 404)
    generate(1, numbers((MOST - 20) // 3, b'{"z":[[', b"0]]}").replace(b"0,", b"[],"), 413, "values")
    generate(1, b'{"z":' + b"[" * 1000 + b"]" * 1000 + b"}", 400, "nested")
    # A text is no numbers.
    equal("unknown field" in str(generate(1, b'{"' + b"0," * ((MOST - 100) // 2) + b'":0}', 422).json()), True)
    check_memory("VmHWM", before + 128) # the bytes themselves, twice
    check_memory("VmRSS", before + 16)


@test
def as_many_as_there_are():
    """1024 vectors are drawn, and leave no memory behind"""
    before = memory("VmRSS")
    vectors = json.dumps([[0.5] * Z_DIM] * 1024)
    for _ in range(2):
        answer = generate(1, f'{{"z":{vectors},"columns":32}}', 200)
        equal(answer.body[:4], b"\x89PNG")
    check_memory("VmRSS", before + 16)
    # One more, or one that is too long, is told where it is.
    for wrong in ([[0] * Z_DIM] * 1023 + [[0] * (Z_DIM + 1)], [[0]] * 1025):
        equal(generate(1, json.dumps({"z": wrong}), 422).json()["errors"][0]["pointer"].startswith("/z"), True)
    generate(1, json.dumps({"z": [[0] * Z_DIM] * 1100}), 413, "values")


LARGE = 64 << 10
ALL = 128 << 20


def announce(size):
    """A connection that has asked whether it may send a body of so many bytes, and the status of the answer: 100 if it may."""
    s = socket.create_connection(("127.0.0.1", d.port), timeout=SLOW)
    s.sendall(f"POST /checkpoints/1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
              "Expect: 100-continue\r\n\r\n".encode())
    return s, raw_status(s.recv(65536))


@test
def all_together():
    """large bodies have 128 MiB for all that are under way, and leave room for answers; what was given back is free"""
    held = []
    for size in [MOST] * (ALL // MOST) + [ALL % MOST - LARGE // 2]:
        s, status = announce(size)
        held.append(s)
        equal(status, 100, f"{size} bytes after {len(held) - 1} others")
    # Less than LARGE is left.
    s, status = announce(LARGE + 1)
    equal(status, 503)
    s.close()
    d.post("/checkpoints/1/generate", {"n": 1024}, 200)
    d.post("/checkpoints/1/generate", {"n": 1}, 200)
    d.get("/jobs")
    for s in held:
        s.close()

    def free():
        s, status = announce(MOST)
        s.close()
        return status == 100
    wait_for(free, "the room of those that left")


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
