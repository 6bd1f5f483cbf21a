"""Jobs over HTTP from queue to end, and the daemon's own life: signals, restarts, what is in its way."""

import os
import signal
import socket
import subprocess
import time

from dcgand import SLOW, Daemon, Stream, check_against_openapi, equal, folder, main, small_job, test, wait_for

d = Daemon()
d.register_tiny()


def finished(kind, data):
    return kind == "state" and data["state"] in ("succeeded", "failed", "cancelled")


def run(*words, env=None):
    return subprocess.run(words, capture_output=True, text=True, timeout=SLOW, env=dict(os.environ, **(env or {})))


# Far longer than any test: it is cancelled.
LONG = {"epochs": 10000, "sample_every": 0, "checkpoint_every": 0}


def cancel(job):
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(job, "cancelled")


def steps_of(daemon, job):
    points = daemon.get(f"/jobs/{job}/metrics?series=loss_d&max_points=20000").json()["series"]["loss_d"]["points"]
    return [p["step"] for p in points], [p["last"] for p in points]


# --- Jobs ---------------------------------------------------------------------------------

@test
def pause_and_resume():
    """a paused job stands still, is resumed, and has every step once"""
    job = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(job, 20)
    equal(d.post(f"/jobs/{job}/pause", None, 202).json()["id"], job)
    d.post(f"/jobs/{job}/pause", {}, 202)
    paused = d.wait_state(job, "paused")
    d.post(f"/jobs/{job}/pause", None, 202)
    equal(len(d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]) > 0, True)
    for action in ("sample", "checkpoint"):
        d.post(f"/jobs/{job}/{action}", None, 409)
    time.sleep(0.3)
    equal(d.job(job)["step"], paused["step"], "stands still")
    d.post(f"/jobs/{job}/resume", None, 202)
    d.wait_step(job, paused["step"] + 20)
    cancel(job)
    steps = steps_of(d, job)[0]
    equal(steps, list(range(1, len(steps) + 1)))


@test
def on_demand():
    """a sample and a checkpoint now"""
    job = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(job, 5)
    samples, checkpoints = (lambda: d.get(f"/jobs/{job}/samples").json()["samples"]), (lambda: d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"])
    before = len(samples())
    equal(checkpoints(), [])
    d.post(f"/jobs/{job}/sample", None, 202)
    wait_for(lambda: len(samples()) > before, "a sample")
    d.post(f"/jobs/{job}/checkpoint", None, 202)
    wait_for(checkpoints, "a checkpoint")
    cancel(job)
    cancel(job)
    for action in ("pause", "resume", "sample", "checkpoint"):
        d.post(f"/jobs/{job}/{action}", None, 409)


@test
def queue_by_priority():
    """one runs at a time; priority goes first; a queued job can be cancelled"""
    first = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_state(first, "running")
    low, high, never = [d.post("/jobs", small_job(epochs=1, priority=p)).json()["id"] for p in (0, 5, 9)]
    equal([d.job(j)["state"] for j in (low, high, never)], ["queued"] * 3)
    d.post(f"/jobs/{never}/cancel", None, 202)
    equal(d.job(never)["state"], "cancelled")
    d.post(f"/jobs/{first}/cancel", None, 202)
    d.wait_state(low, "succeeded")
    equal(d.job(high)["state"], "succeeded")
    equal(d.job(high)["started_at"] < d.job(low)["started_at"], True)
    equal(d.job(never)["started_at"], None)


@test
def from_a_checkpoint():
    """a new job may start from another's checkpoint"""
    job = d.run_job()
    c = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][-1]["id"]
    other = d.run_job(from_checkpoint=c)
    equal(d.job(other)["params"]["from_checkpoint"], c)


# --- Stopping and starting -------------------------------------------------------------------

@test
def stop_in_the_middle():
    """SIGTERM in the middle of a job, start again: it goes on as if it had never stopped"""
    straight = d.run_job(**dict(LONG, seed=5, max_steps=80))
    job = d.post("/jobs", small_job(**dict(LONG, seed=5))).json()["id"]
    d.wait_step(job, 20)
    d.stop()
    d.start()
    d.wait_step(job, 80)
    cancel(job)
    steps, values = steps_of(d, job)
    equal(steps, list(range(1, len(steps) + 1)))
    equal(values[:80], steps_of(d, straight)[1])
    stream = Stream(d, "/events?after=0")
    events = stream.until(lambda kind, x: x["job"] == job and finished(kind, x))
    stream.close()
    ids = [e[0] for e in events]
    equal(ids, list(range(1, len(ids) + 1)), "ids")


@test
def second_signal():
    """a second signal does not wait for the checkpoint; the job is there at the next start"""
    job = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(job, 5)
    check_against_openapi(d)
    d.process.send_signal(signal.SIGINT)
    d.process.send_signal(signal.SIGTERM)
    equal(d.wait() in (0, 1), True)
    d.start()
    d.wait_state(job, "running")
    cancel(job)


@test
def refusing_while_stopping():
    """while it stops nothing new is taken, and what is open may still be read"""
    with socket.create_connection(("127.0.0.1", d.port), timeout=SLOW) as s:
        body = b'{"dataset":"tiny"}'
        s.sendall(f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        time.sleep(0.1)
        check_against_openapi(d)
        d.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        s.sendall(body)
        answer = s.recv(65536)
        equal(answer[:12], b"HTTP/1.1 503", f"{answer}")
    equal(d.wait(), 0)
    d.start()
    equal(d.get("/jobs?state=queued").json()["jobs"], [])


# --- In its way ----------------------------------------------------------------------------

@test
def port_in_use():
    """said clearly, with a hint, and nothing is started"""
    state = os.path.join(folder(), "state")
    r = run(d.command()[0], "--listen", f"127.0.0.1:{d.port}", "--state-dir", state)
    equal((r.returncode, r.stdout), (1, ""))
    equal(f"127.0.0.1:{d.port} is taken" in r.stderr and "--listen" in r.stderr, True, r.stderr)


@test
def two_on_one_folder():
    """a second daemon on the same state folder is refused and names the first"""
    r = run(*d.command())
    equal((r.returncode, r.stdout), (1, ""))
    equal(str(d.process.pid) in r.stderr, True, r.stderr)
    d.get("/readyz")


@test
def wrong_options():
    """each names what was wrong; not loopback is refused"""
    program = d.command()[0]
    state = os.path.join(folder(), "state")
    for words, text in ((["--nope"], "--nope"), (["--listen"], "--listen"), (["--heartbeat-s", "0"], "from 1 to 3600"), (["--heartbeat-s=x"], "heartbeat-s"),
                        (["--log-level", "loud"], "log-level"), (["word"], "word"), (["--help=1"], "--help"), (["--state-dir", ""], "--state-dir")):
        r = run(program, *words)
        equal((r.returncode, r.stdout, text in r.stderr), (2, "", True), f"{words}: {r.stderr}")
    for listen in ("0.0.0.0:0", "[::]:0", "192.168.1.1:80", "8080", "127.0.0.1", "127.0.0.1:99999", "localhost:x", "evil.example:80", ":80"):
        r = run(program, "--listen", listen, "--state-dir", state)
        equal((r.returncode, r.stdout, "listen: " in r.stderr), (2, "", True), f"{listen}: {r.stderr}")
    equal("loopback" in run(program, "--listen", "0.0.0.0:0", "--state-dir", state).stderr, True)
    r = run(program, "--listen", "127.0.0.1:0", "--state-dir", state, "--allowed-host", "a b")
    equal((r.returncode, "--allowed-host" in r.stderr and "a b" in r.stderr), (2, True), r.stderr)
    r = run(program, "--listen", "127.0.0.1:0", "--state-dir", "/proc/nothing")
    equal((r.returncode, "/proc/nothing" in r.stderr), (1, True), r.stderr)
    r = run(program, "--help")
    equal((r.returncode, all(f"--{o}" in r.stdout for o in ("listen", "state-dir", "dataset-root", "web-dir", "allowed-host", "log-level"))), (0, True))
    equal((run(program, "--version").stdout), "dcgand 0.1.0\n")


@test
def as_a_unit():
    """STATE_DIRECTORY, READY and STOPPING to NOTIFY_SOCKET, a socket handed over"""
    place = folder()
    path = os.path.join(place, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, socket.create_server(("127.0.0.1", 0)) as listening:
        notify.bind(path)
        notify.settimeout(SLOW)
        port = listening.getsockname()[1]
        fd = listening.fileno()
        state = os.path.join(place, "state")
        # sh is exec'd into the daemon, so that LISTEN_PID is right.
        p = subprocess.Popen(["/bin/sh", "-c", f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', d.command()[0]], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, pass_fds=[fd], env=dict(os.environ, NOTIFY_SOCKET=path, STATE_DIRECTORY=state))
        try:
            equal(p.stdout.readline().decode(), f"dcgand 0.1.0 listening on http://127.0.0.1:{port}\n")
            equal(notify.recv(1000).startswith(b"READY=1\n"), True)
            with socket.create_connection(("127.0.0.1", port), timeout=SLOW) as s:
                s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                equal(s.recv(1000)[:12], b"HTTP/1.1 200")
            equal(os.path.exists(os.path.join(state, "dcgand.db")), True)
            p.send_signal(signal.SIGTERM)
            messages = b""
            while b"STOPPING=1" not in messages:
                messages = notify.recv(1000)
            equal(p.wait(SLOW), 0)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
            p.stdout.close()


@test
def other_addresses():
    """[::1] and localhost serve too"""
    for listen in ("localhost:0", "[::1]:0"):
        if listen.startswith("[") and not os.path.exists("/proc/net/if_inet6"):
            continue
        p = subprocess.Popen([d.command()[0], "--listen", listen, "--state-dir", os.path.join(folder(), "state")], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        line = p.stdout.readline().decode().strip()
        try:
            if not line and b"Cannot assign requested address" in p.stderr.read():
                continue  # a machine without IPv6
            host, _, port = line.rsplit("/", 1)[1].rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), timeout=SLOW) as s:
                s.sendall(f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
                equal(s.recv(1000)[:12], b"HTTP/1.1 200", line)
        finally:
            p.terminate()
            equal(p.wait(SLOW) in (0, 1), True)
            p.stdout.close()
            p.stderr.close()


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
