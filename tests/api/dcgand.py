"""A daemon to test against, and TAP.

Each daemon serves a free port of 127.0.0.1 from a folder of its own, with a tiny data set
"tiny" to be registered. Every answer that passes through here is remembered, and checked at
the end against the /openapi.json of the daemon that gave it.
"""

import atexit
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ.get("top_builddir", ".")
PROGRAM = os.environ.get("DCGAND", os.path.join(BUILD, "dcgand"))
SLOW = 60.0  # seconds after which something that takes milliseconds is taken for lost

_tests = []
_running = []


# --- TAP ------------------------------------------------------------------------------

class Skip(Exception):
    """Raised by a test that cannot be made here, with the reason."""


def test(function):
    _tests.append(function)
    return function


def main():
    """Run every @test in order; those after a failure still run."""
    failed = 0
    print(f"1..{len(_tests)}", flush=True)
    for number, function in enumerate(_tests, 1):
        name = (function.__doc__ or function.__name__).strip().splitlines()[0]
        begin = time.monotonic()
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
            for daemon in _running:
                for line in daemon.errors().splitlines()[-15:]:
                    print(f"# stderr: {line}", flush=True)
        print(f"# {time.monotonic() - begin:.1f} s", flush=True)
    for daemon in list(_running):
        daemon.kill()
    sys.exit(1 if failed else 0)


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


def wait_for(condition, what, seconds=SLOW):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.02)


# --- Folders and data -----------------------------------------------------------------

_folders = []


def folder():
    path = tempfile.mkdtemp(prefix="dcgand-test-")
    _folders.append(path)
    return path


@atexit.register
def _clean():
    for path in _folders:
        shutil.rmtree(path, ignore_errors=True)


def write_idx(path, count=64, size=16):
    """count grey pictures, and labels 0..9, as the MNIST files are."""
    os.makedirs(path, exist_ok=True)
    pixels = bytes((i * 7 + y * 13 + x * 5) & 255 for i in range(count) for y in range(size) for x in range(size))
    with open(os.path.join(path, "train-images-idx3-ubyte"), "wb") as f:
        f.write(struct.pack(">IIII", 0x803, count, size, size) + pixels)
    with open(os.path.join(path, "train-labels-idx1-ubyte"), "wb") as f:
        f.write(struct.pack(">II", 0x801, count) + bytes(i % 10 for i in range(count)))


def small_job(**more):
    """A job of few and quick steps."""
    job = {"dataset": "tiny", "size": 16, "ngf": 4, "ndf": 4, "z_dim": 8, "batch_size": 16, "threads": 1,
           "epochs": 2, "sample_count": 4}
    job.update(more)
    return job


# --- HTTP -----------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"

    def __getitem__(self, name):
        return self.headers.get(name)

    def json(self):
        return json.loads(self.body)


class Daemon:
    def __init__(self, *options, state=None, roots=None, env=None, wait=True):
        self.folder = folder()
        self.state = state or os.path.join(self.folder, "state")
        self.root = os.path.join(self.folder, "data")
        write_idx(os.path.join(self.root, "tiny"))
        self.options = list(options)
        self.roots = [self.root] if roots is None else roots
        self.env = dict(os.environ, **(env or {}))
        self.auth = {}  # headers of every request
        self.seen = []
        if wait:
            self.start()

    # Processes

    def command(self, *more):
        words = [PROGRAM, "--listen", "127.0.0.1:0", "--state-dir", self.state]
        for root in self.roots:
            words += ["--dataset-root", root]
        return words + self.options + list(more)

    def start(self):
        self.stderr = open(os.path.join(self.folder, "stderr"), "ab")
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=self.stderr, env=self.env)
        _running.append(self)
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"dcgand [0-9.]+ listening on (http://127\.0\.0\.1:(\d+))\n", line)
        if not match:
            raise AssertionError(f"the daemon said {line!r}: {self.errors()}")
        self.port = int(match[2])

    def errors(self):
        with open(os.path.join(self.folder, "stderr"), errors="replace") as f:
            return f.read()

    def wait(self):
        status = self.process.wait(SLOW)
        self.process.stdout.close()
        self.stderr.close()
        _running.remove(self)
        # Where the daemon was built with sanitizers; one that is killed has no status to tell it.
        report = re.search(r"(WARNING|ERROR): \w+Sanitizer.*|.*: runtime error: .*", self.errors())
        if report:
            raise AssertionError(f"{report[0]}\n{self.errors()[report.start():][:6000]}")
        return status

    def stop(self):
        """SIGTERM, after a look at whether all answers were announced; exit status 0."""
        check_against_openapi(self)
        self.process.send_signal(signal.SIGTERM)
        equal(self.wait(), 0, "exit status after SIGTERM")

    def kill(self):
        self.process.kill()
        self.wait()

    # Requests

    def request(self, method, path, body=None, headers=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SLOW)
        try:
            send = {"Host": host or f"127.0.0.1:{self.port}", **self.auth}
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                send["Content-Type"] = "application/json"
            send.update(headers or {})
            connection.request(method, path, body, send)
            r = connection.getresponse()
            answer = Answer(r.status, r.headers, r.read())
        finally:
            connection.close()
        self.remember(method, path, answer)
        return answer

    def remember(self, method, path, answer):
        self.seen.append((method, path, answer.status))
        if answer.status >= 400 and answer["Content-Type"] == "application/problem+json" and method != "HEAD":
            problem = answer.json()
            equal(problem["status"], answer.status, "status in the problem")
            if not problem["title"] or not problem["detail"]:
                raise AssertionError(f"a problem without text: {problem}")
            for private in (self.state, self.folder):
                if private in answer.body.decode():
                    raise AssertionError(f"a path of the server in {answer}")

    def get(self, path, status=200, **headers):
        answer = self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        equal(answer.status, status, f"GET {path}: {answer}")
        return answer

    def post(self, path, body=None, status=201, **headers):
        answer = self.request("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        equal(answer.status, status, f"POST {path}: {answer}")
        return answer

    def patch(self, path, body, status=200, If_Match="*", **headers):
        headers["If_Match"] = If_Match
        answer = self.request("PATCH", path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        equal(answer.status, status, f"PATCH {path}: {answer}")
        return answer

    def delete(self, path, status=204, **headers):
        answer = self.request("DELETE", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        equal(answer.status, status, f"DELETE {path}: {answer}")
        return answer

    def raw(self, data, seconds=3.0, half_close=False):
        """Send bytes as they are; everything that comes back until the other side closes, or for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as s:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return read_all(s)

    # Convenience

    def register_tiny(self):
        self.post("/datasets", {"name": "tiny", "path": "tiny"})

    def job(self, job):
        return self.get(f"/jobs/{job}").json()

    def wait_state(self, job, *states, seconds=SLOW):
        found = wait_for(lambda: (lambda j: j if j["state"] in states else None)(self.job(job)), f"job {job} to be {states}", seconds)
        return found

    def wait_step(self, job, step):
        return wait_for(lambda: (lambda j: j if j["step"] >= step else None)(self.job(job)), f"job {job} to reach step {step}")

    def run_job(self, **more):
        job = self.post("/jobs", small_job(**more)).json()["id"]
        found = self.wait_state(job, "succeeded", "failed", "cancelled")
        equal(found["state"], "succeeded", f"job {job}: {found['error']}")
        return job


def read_all(s):
    data = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                break
            data += part
    except (socket.timeout, ConnectionResetError):
        pass
    return data


def raw_status(data):
    """Status of the first answer in raw bytes; 0: none."""
    match = re.match(rb"HTTP/1\.1 (\d+) ", data)
    return int(match[1]) if match else 0


# --- Event streams ----------------------------------------------------------------------

class Stream:
    """Server-sent events, read as a browser would."""

    def __init__(self, daemon, path="/events", expect=200, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=SLOW)
        self.connection.request("GET", path, headers=dict(daemon.auth, **{k.replace("_", "-"): v for k, v in headers.items()}))
        self.response = self.connection.getresponse()
        daemon.seen.append(("GET", path, self.response.status))
        if expect:
            equal(self.response.status, expect, f"GET {path}")
        self.last_id = None
        self.retry = None
        self.comments = 0

    def next(self):
        """The next event as (id, type, data); None at the end."""
        kind, data, some = "message", [], False
        while True:
            line = self.response.readline()
            if not line:
                return None
            line = line.decode().rstrip("\r\n")
            if line == "":
                if some:
                    return self.last_id, kind, json.loads("\n".join(data))
                kind, data = "message", []
            elif line.startswith(":"):
                self.comments += 1
            else:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = int(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
                    some = True
                elif name == "retry":
                    self.retry = int(value)

    def until(self, wanted):
        """All events up to and with the first for which wanted(type, data)."""
        events = []
        while True:
            event = self.next()
            if event is None:
                raise AssertionError(f"the stream ended after {events[-3:]}")
            events.append(event)
            if wanted(event[1], event[2]):
                return events

    def comment(self):
        """Wait for a heartbeat."""
        while True:
            line = self.response.readline()
            if not line:
                raise AssertionError("the stream ended")
            if line.startswith(b":"):
                return
            if line.startswith(b"id: "):
                self.last_id = int(line[4:])

    def close(self):
        self.connection.close()


# --- OpenAPI ----------------------------------------------------------------------------

def described_routes(daemon):
    """(pattern of its paths, template, operations) of each route of /openapi.json."""
    routes = []
    for template, operations in daemon.get("/openapi.json").json()["paths"].items():
        pattern = "".join("[a-z0-9._-]+" if part == "{name}" else r"[\w-]+\.[\w.-]+" if part == "{file}" else "[0-9]+" if part.startswith("{") else re.escape(part)
                          for part in re.split(r"(\{[a-z]+\})", template))
        routes.append((re.compile(pattern), template, operations))
    return routes


def check_against_openapi(daemon):
    """Every status seen is one that the description has for its route."""
    routes = described_routes(daemon)
    for method, path, status in daemon.seen:
        path = path.split("?")[0]
        if status < 300 and not any(pattern.fullmatch(path) for pattern, _, _ in routes):
            raise AssertionError(f"{method} {path}: {status}, but there is no such path in /openapi.json")
        for pattern, _, operations in routes:
            if pattern.fullmatch(path):
                operation = operations.get("get" if method == "HEAD" else method.lower())
                if operation is None:
                    if status not in (405, 400, 403, 421):
                        raise AssertionError(f"{method} {path}: {status}, but there is no such operation in /openapi.json")
                elif str(status) not in operation["responses"]:
                    raise AssertionError(f"{method} {path}: {status} is not in /openapi.json ({list(operation['responses'])})")
