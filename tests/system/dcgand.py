"""A live dcgand for the tests of this folder, and a few lines of TAP."""
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

PROGRAM = os.path.join(os.environ.get("top_builddir", "build"), "dcgand")


class Tap:
    def __init__(self, planned):
        self.number = self.failed = 0
        print("1..%d" % planned, flush=True)

    def ok(self, good, what, details=""):
        self.number += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.number, what))
        if not good:
            for line in str(details).splitlines()[-30:]:
                print("#   " + line)
        sys.stdout.flush()
        return good

    def done(self):
        sys.exit(self.failed > 0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=60, every=0.1):
    """what() until it gives something true, which is given back; None when it never does."""
    until = time.monotonic() + seconds
    while True:
        got = what()
        if got or time.monotonic() > until:
            return got or None
        time.sleep(every)


def write_png(path, width, height, pixel):
    """A colour picture; pixel(x, y) gives its three bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def png_size(path):
    """(width, height) of a PNG whose chunks are whole; None for anything else."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    at, kind = 8, b""
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if data[at + 8 + length:at + 12 + length] != struct.pack(">I", zlib.crc32(kind + body)):
            return None
        at += 12 + length
    return struct.unpack(">II", data[16:24]) if kind == b"IEND" and at == len(data) else None


class Daemon:
    def __init__(self, state, *words):
        self.port = free_port()
        self.log_path = os.path.join(state, "test-dcgand.log")
        os.makedirs(state, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "--listen", "127.0.0.1:%d" % self.port, "--state-dir", state, *words],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not wait_for(lambda: self.process.poll() is None and self.alive(), 60):
            self.stop()
            raise RuntimeError("dcgand does not answer:\n" + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        try:
            return self.call("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def call(self, method, path, body=None, headers=None):
        """Status and body (from JSON where it is that)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if "json" in (answer.getheader("Content-Type") or "") else data
        finally:
            connection.close()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
