"""Clients that mean harm or break: memory and descriptors stay bounded and come back, others are served.

All bounds are generous, so that a slow machine does not break them: a daemon that keeps what such
clients make it take misses them by far."""

import os
import re
import resource
import signal
import socket
import time

from dcgand import SLOW, Daemon, equal, main, read_all, small_job, test, wait_for

MIB = 1 << 20
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
d = Daemon("--request-timeout-s", "1", "--heartbeat-s", "1", "--max-connections", "256", "--max-streams", "100")
HOST = "Host: localhost\r\n"
with open(f"/proc/{d.process.pid}/exe", "rb") as program:  # these keep up to 256 MiB of what was freed
    SANITIZED = re.search(rb"__[at]san_init", program.read()) is not None
d.register_tiny()
job = d.run_job(ngf=64, ndf=64, epochs=1)  # a checkpoint of some megabytes
checkpoint = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][-1]


def resident():
    with open(f"/proc/{d.process.pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


def descriptors():
    return len(os.listdir(f"/proc/{d.process.pid}/fd"))


def sockets(daemon=None):
    """Connections that the daemon has, by what /proc says of it alone."""
    n, pid = 0, (daemon or d).process.pid
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            n += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
        except FileNotFoundError:
            pass
    return n


def connect(buffer=0):
    s = socket.socket()
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(SLOW)
    s.connect(("127.0.0.1", d.port))
    return s


def send(s, text):
    try:
        s.sendall(text.encode() if isinstance(text, str) else text)
    except (ConnectionResetError, BrokenPipeError):
        pass  # it was refused: that is its right


def served():
    """Seconds that the slowest of a few usual requests takes."""
    slowest = 0
    for path in ("/healthz", "/jobs", f"/jobs/{job}/metrics", "/readyz"):
        begin = time.monotonic()
        while True:
            try:
                d.get(path)
                break
            except ConnectionError:  # above the limit of connections: as a client would, once more
                equal(time.monotonic() - begin < SLOW, True, f"GET {path} is let in")
                time.sleep(0.01)
        slowest = max(slowest, time.monotonic() - begin)
    return slowest


served()
quiet = max(served() for _ in range(5))
BOUND = 2.0 + 20 * quiet
base = {"sockets": sockets(), "descriptors": descriptors()}


def let_go(held):
    for s in held:
        s.close()


class Watch:
    """What may grow during a test, and must be back after it."""

    def __init__(self, memory=24 * MIB, fds=256 + 16):
        self.before, self.most, self.memory, self.fds = resident(), 0, memory * (16 if SANITIZED else 1), fds

    def look(self):
        took = served()
        self.most = max(self.most, resident())
        equal(took < BOUND, True, f"served in {took:.2f} s, {quiet:.3f} s when it is quiet")
        equal(descriptors() <= base["descriptors"] + self.fds, True, f"{descriptors()} descriptors, {base['descriptors']} before")
        equal(self.most - self.before < self.memory, True, f"{self.most / MIB:.1f} MiB resident, {self.before / MIB:.1f} before")

    def back(self, held=()):
        let_go(held)
        wait_for(lambda: sockets() <= base["sockets"], f"the connections to be let go: {sockets()} are left of {base['sockets']}")
        wait_for(lambda: descriptors() <= base["descriptors"] + 16, "the descriptors")
        equal(resident() - self.before < self.memory, True, f"{resident() / MIB:.1f} MiB resident afterwards, {self.before / MIB:.1f} before")


@test
def slow_headers():
    """150 that send a byte of a header now and then are cut at their time, and delay nobody"""
    w = Watch()
    slow = [connect() for _ in range(150)]
    for s in slow:
        send(s, "GET /healthz HTTP/1.1\r\nX-Slow: ")
    for _ in range(5):
        for s in slow:
            send(s, "x")
        w.look()
    # They go on sending: only the deadline of the whole request ends them.
    def cut():
        for s in slow:
            send(s, "x")
        return sockets() <= base["sockets"]
    wait_for(cut, "the slow to be cut")
    w.back(slow)


@test
def half_closed():
    """clients that close their side before, in and after a request, and then never read"""
    w = Watch()
    for text in ("", "GET /jobs HTTP/1.1\r\n", f"GET /jobs HTTP/1.1\r\n{HOST}\r\n", f"GET /events HTTP/1.1\r\n{HOST}\r\n",
                 f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{",
                 f"GET /checkpoints/{checkpoint['id']}/file HTTP/1.1\r\n{HOST}\r\n"):
        held = [connect(4096) for _ in range(30)]
        for s in held:
            send(s, text)
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        w.look()
        let_go(held)
    w.back()


@test
def stalled_downloads():
    """100 that ask for a large file and do not read it cost a buffer each, not the file"""
    w = Watch()
    equal(checkpoint["size"] > 2 * MIB, True, f"{checkpoint['size']} bytes")
    held = [connect(4096) for _ in range(100)]
    for s in held:
        send(s, f"GET /checkpoints/{checkpoint['id']}/file HTTP/1.1\r\n{HOST}\r\n")
    for s in held[:50]:
        equal(s.recv(100)[:15], b"HTTP/1.1 200 OK")
    w.look()
    # One of them reads on after all, and has every byte.
    held[0].settimeout(SLOW)
    send(held[0], "")
    got = 0
    while got < checkpoint["size"]:
        part = held[0].recv(1 << 16)
        if not part:
            break
        got += len(part)
    equal(got >= checkpoint["size"], True, f"{got} of {checkpoint['size']} bytes")
    w.back(held)


@test
def stalled_streams():
    """100 event streams that nobody reads are cut, while a job tells others of every step"""
    w = Watch()
    # What a client does not take must fill its socket's buffers first: events of 64 KiB each.
    held = [connect(4096) for _ in range(100)]
    for s in held:
        send(s, f"GET /events?after=0 HTTP/1.1\r\n{HOST}\r\n")
    busy = d.post("/jobs", small_job(epochs=100000, sample_every=0, checkpoint_every=0)).json()["id"]
    d.wait_step(busy, 200)
    w.look()
    answer = d.request("GET", "/events")
    equal(answer.status, 503, "a stream above the limit")
    d.post(f"/jobs/{busy}/cancel", None, 202)
    d.wait_state(busy, "cancelled")
    w.back(held)


@test
def connects_without_end():
    """3000 connections opened and dropped, half of them by a reset, a few with half a request"""
    w = Watch()
    for i in range(3000):
        s = connect()
        if i % 3 == 0:
            send(s, "GET /jobs HT")
        if i % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
        if i % 500 == 499:
            w.look()
    w.back()


@test
def all_leave_at_once():
    """every connection there may be closes in the same moment: all are let go, and the next is served"""
    # With a deadline that does not come to the rescue.
    other = Daemon("--request-timeout-s", "600", "--max-connections", "256")
    held = []
    for i in range(256):  # from two addresses: one alone may not take all
        s = socket.socket()
        s.bind((f"127.0.0.{2 + i % 2}", 0))
        s.connect(("127.0.0.1", other.port))
        held.append(s)
    wait_for(lambda: sockets(other) == 257, "all connections to be taken")
    other.process.send_signal(signal.SIGSTOP)
    let_go(held)
    other.process.send_signal(signal.SIGCONT)
    # Far less than the minute after which idle connections end by themselves.
    wait_for(lambda: sockets(other) == 1, "the connections to be let go", 20)
    other.get("/healthz")
    other.stop()


@test
def more_than_the_limit():
    """600 connections held open at once: those above the limit are closed; the rest end at their time"""
    # The system accepts what the daemon then closes; room for others is there again when the first are cut.
    held = [connect() for _ in range(600)]
    wait_for(lambda: sockets() - base["sockets"] <= 256, "no more than the limit")
    wait_for(lambda: sockets() <= base["sockets"], "those that ask nothing to be cut")
    let_go(held)
    w = Watch()
    w.look()
    w.back()


@test
def pipelining():
    """20 that send 300 requests each without reading: answered in order, or cut, never buffered without end"""
    w = Watch()
    line = f"GET /jobs/{job} HTTP/1.1\r\n{HOST}\r\n"
    held = [connect(4096) for _ in range(20)]
    for s in held:
        s.setblocking(False)
    pending = {s: (line * 300).encode() for s in held}
    for _ in range(20):
        for s, text in pending.items():
            try:
                pending[s] = text[s.send(text):] if text else text
            except BlockingIOError:
                pass
        w.look()
    # One that does read has all of its answers.
    s = connect()
    send(s, (line * 299 + line.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).encode())
    answers = read_all(s)
    equal(answers.count(b"HTTP/1.1 200 OK"), 300)
    s.close()
    w.back(held)


@test
def headers_without_number():
    """requests with thousands of headers, one of megabytes, and lines that never end"""
    w = Watch()
    for text in ("GET / HTTP/1.1\r\n" + HOST + "".join(f"X-{i}: {i}\r\n" for i in range(20000)) + "\r\n",
                 "GET / HTTP/1.1\r\n" + HOST + "X: " + "y" * (4 * MIB) + "\r\n\r\n",
                 "GET /" + "z" * (4 * MIB), "G" * MIB, "\r\n" * 100000,
                 "GET /jobs?" + "&".join(f"a{i}=1" for i in range(3000)) + " HTTP/1.1\r\n" + HOST + "\r\n",
                 f"GET / HTTP/1.1\r\n{HOST}" + "Cookie: a=b; " * 1500 + "\r\n\r\n"):
        held = [connect() for _ in range(10)]
        for s in held:
            s.settimeout(1)
            try:
                s.sendall(text.encode())
            except OSError:
                pass
        w.look()
        let_go(held)
    w.back()


@test
def bodies_without_end():
    """bodies that go on for ever, chunked or too long, announced or not, are refused, cut or drained"""
    w = Watch()
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for head, piece in ((f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
                        (f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65536),
                        (f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n", b"x" * 65536),
                        (f"GET /jobs HTTP/1.1\r\n{HOST}\r\n", b"x" * 65536)):
        held = [connect() for _ in range(10)]
        for s in held:
            s.settimeout(0.5)
            send(s, head)
        for _ in range(40):
            for s in held:
                try:
                    s.sendall(piece)
                except OSError:
                    pass
        w.look()
        let_go(held)
    w.back()


@test
def it_stops_cleanly():
    """after all this the daemon stops with exit status 0, and gave no answer it does not describe"""
    equal(d.get("/healthz").status, 200)
    d.stop()


main()
