"""A daemon of the test's own: a free port of 127.0.0.1, folders that go with the test."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

PROGRAM = os.environ.get("DCGAND") or os.path.join(os.environ.get("top_builddir", "build"), "dcgand")


def missing():
    return None if os.access(PROGRAM, os.X_OK) else f"no daemon at {PROGRAM}"


class Daemon:
    def __init__(self, state, root):
        self.state, self.root = state, root
        os.makedirs(state)
        os.makedirs(root, exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = os.path.join(state, "log")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns when it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--listen", f"127.0.0.1:{self.port}", "--state-dir", self.state, "--dataset-root", self.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while True:
            try:
                self.get("/healthz")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise AssertionError("the daemon did not start: " + " | ".join(self.tail())) from None
                time.sleep(0.05)

    def stop(self):
        """As systemd does; the state of the jobs is safe."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()[-15:]

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise AssertionError(f"{method} {path}: {answer.status} {text[:500]!r}")
            return json.loads(text) if text else None
        finally:
            connection.close()

    def get(self, path):
        return self._ask("GET", path)

    def post(self, path, body=None):
        return self._ask("POST", path, body)
