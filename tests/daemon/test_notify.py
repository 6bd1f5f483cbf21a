"""systemd's protocols without systemd: a socket that listens for what the daemon tells.

A trainer that hangs is made by ptrace, which can stop a single thread.
"""
import ctypes
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import PROGRAM, SLOW, Daemon, Stream, equal, folder, main, small_job, test, wait_for  # noqa: E402
from manager import LONG, WATCHDOG_S, Manager, supervised, train  # noqa: E402

place = folder()


class Stopped:
    """Threads of a process, by name, stopped for a while; None of them runs within."""
    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.threads = []
        deadline = time.monotonic() + SLOW
        while not self.threads and time.monotonic() < deadline:
            self.find(pid, name)
        if not self.threads:
            raise AssertionError(f"no thread is called {name}")

    def find(self, pid, name):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as f:
                if f.read().strip() == name:
                    self.threads.append(int(thread))

    def __enter__(self):
        for thread in self.threads:
            for request in (self.SEIZE, self.INTERRUPT):
                if self.libc.ptrace(request, thread, None, None) != 0:
                    raise OSError(ctypes.get_errno(), "ptrace")
            os.waitpid(thread, self.WALL)

    def __exit__(self, *why):
        for thread in self.threads:
            self.libc.ptrace(self.DETACH, thread, None, None)


def configure(text):
    path = os.path.join(place, "dcgand.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def reload(d):
    """SIGHUP; what it logged."""
    old = len(d.errors())
    d.process.send_signal(signal.SIGHUP)
    begin, _ = d.manager.until("RELOADING")
    now = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    equal(begin["RELOADING"], "1")
    equal(now - SLOW * 1e6 < int(begin["MONOTONIC_USEC"]) <= now, True, f"{begin} at {now}")
    d.manager.until("READY")
    return d.errors()[old:]


# --- READY, STATUS, STOPPING --------------------------------------------------------------

@test
def life():
    """READY, STATUS with the job's progress, STOPPING with more time; exit 0 with the job saved"""
    d = supervised()
    job = train(d)
    status, before = d.manager.until("STATUS")
    equal(re.fullmatch(rf"job {job}: epoch \d+/100000, 0 queued", status["STATUS"]) is not None, True, status)
    equal(before, [], "nobody asked for a watchdog")
    d.process.send_signal(signal.SIGTERM)
    stopping, _ = d.manager.until("STOPPING")
    equal(stopping["STOPPING"], "1")
    more, _ = d.manager.until("EXTEND_TIMEOUT_USEC")
    equal(int(more["EXTEND_TIMEOUT_USEC"]) >= 10000000, True)
    equal(d.wait(), 0)


@test
def cannot_start():
    """a daemon that cannot start says why instead of READY"""
    manager = Manager()
    d = Daemon(state="/proc/nothing", env={"NOTIFY_SOCKET": manager.path}, wait=False)
    try:
        d.start()
        raise AssertionError("it started")
    except AssertionError as why:
        equal("/proc/nothing" in str(why), True, str(why))
    equal(d.wait(), 1)
    m, before = manager.until("STATUS")
    equal(("/proc/nothing" in m["STATUS"], "READY" in m, before), (True, False, []), m)


@test
def abstract_socket():
    """a NOTIFY_SOCKET in the abstract namespace is served, too"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        name = f"dcgand-test-{os.getpid()}"
        s.bind("\0" + name)
        s.settimeout(SLOW)
        d = Daemon(env={"NOTIFY_SOCKET": "@" + name})
        equal(s.recv(1000).startswith(b"READY=1\n"), True)
        d.stop()


@test
def sockets_that_will_not_do():
    """what systemd may hand over but is not one listening socket of this machine's own is refused, and why"""
    def start(*handed):
        fds = [s.fileno() for s in handed]
        moved = "".join(f"exec {3 + i}<&{fd}; " for i, fd in enumerate(fds))
        r = subprocess.run(["/bin/sh", "-c", f'{moved} LISTEN_PID=$$ LISTEN_FDS={len(fds)} exec "$0" "$@"', PROGRAM, "--state-dir", os.path.join(place, "handed")],
                           pass_fds=fds, capture_output=True, text=True, timeout=SLOW)
        equal((r.returncode, r.stdout), (1, ""), r.stderr)
        return r.stderr
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        equal("expected one socket to be handed over, found 2" in start(one, other), True)
        with socket.create_connection(one.getsockname()) as connected:
            equal("does not listen" in start(connected), True, "Accept=yes")
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for address, why in (("127.0.0.1", "does not listen"), ("0.0.0.0", "is not a loopback address, and there are no tokens")):
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind((address, 0))
                equal(why in start(s), True, f"{kind} {address}")
    with open(os.devnull) as none:
        equal("cannot look at the socket" in start(none), True)


# --- WATCHDOG -----------------------------------------------------------------------------

def may_trace():
    child = subprocess.Popen(["sleep", "60"])
    try:
        with Stopped(child.pid, "sleep"):
            return True
    except PermissionError:
        return False
    finally:
        child.kill()
        child.wait()


TRACE = may_trace()


@test
def watchdog():
    """told while idle, preparing and training"""
    d = supervised(watchdog=WATCHDOG_S)
    equal(d.manager.names(2 * WATCHDOG_S).count("WATCHDOG") >= 3, True, "idle")
    job = train(d)
    equal(d.manager.names(2 * WATCHDOG_S).count("WATCHDOG") >= 3, True, "training")
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.stop()


def hangs():
    """not told while the trainer or HTTP hangs, which the log says; told again after that"""
    if not TRACE:
        return
    d = supervised(watchdog=WATCHDOG_S)
    job = train(d)
    for thread, why in (("dcg-train", "training moves: not since"), ("api-work", "HTTP answers: no answer within"), ("MHD-worker", "HTTP answers: no answer within")):
        with Stopped(d.process.pid, thread):
            d.manager.names(WATCHDOG_S)  # what was under way
            equal(d.manager.names(1.5 * WATCHDOG_S).count("WATCHDOG"), 0, thread)
        equal(d.errors().count(f"warning: watchdog: {why}") >= 1, True, f"{thread}: {d.errors()}")
        d.manager.until("WATCHDOG")
    wait_for(lambda: "watchdog: training moves again" in d.errors(), "the end of a standstill in the log")
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.stop()


if not TRACE:
    hangs.__doc__ += " # SKIP ptrace is not permitted here"
test(hangs)


@test
def watchdog_of_another():
    """WATCHDOG_PID of another process, and a WATCHDOG_USEC that is none: no watchdog"""
    for env in ({"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "-5"}, {"WATCHDOG_USEC": "9" * 30}):
        d = supervised(**env)
        equal("WATCHDOG" in d.manager.names(0.5), False, f"{env}")
        equal("WATCHDOG_USEC: expected" in d.errors(), "WATCHDOG_PID" not in env, d.errors())
        d.stop()


@test
def busy_clients():
    """clients that hold every connection they may do not make a living daemon look dead"""
    d = supervised("--max-connections", "16", watchdog=WATCHDOG_S)
    held = [socket.create_connection(("127.0.0.1", d.port), timeout=SLOW) for _ in range(40)]
    equal(d.manager.names(2 * WATCHDOG_S).count("WATCHDOG") >= 3, True, d.errors())
    for s in held:
        s.close()
    # Nor do those of several addresses, who may have them all, and have asked for what has no end.
    held = [socket.socket() for _ in range(40)]
    for i, s in enumerate(held):
        s.bind((f"127.0.0.{3 + i % 4}", 0))
        s.connect(("127.0.0.1", d.port))
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: sum(s in select.select(held, [], [], 0)[0] for s in held) == 40, "each to be answered or closed")
    d.manager.names(WATCHDOG_S / 2)  # what was told before
    equal(d.manager.names(2 * WATCHDOG_S).count("WATCHDOG") >= 3, True, d.errors())
    for s in held:
        s.close()

    def free():
        try:
            return b"\ndcgand_event_streams 0\n" in d.get("/metrics").body
        except ConnectionError:
            return None
    wait_for(free, "the connections to be free again")
    d.stop()


# --- RELOADING ----------------------------------------------------------------------------

@test
def reload_limits():
    """SIGHUP: what may change does, the rest waits for the next start, and both are said"""
    d = supervised("--config", configure("[http]\nmax-streams = 2\n[jobs]\nmax-queued = 1000\n"))
    d.register_tiny()
    stream = Stream(d, "/events")
    configure("[http]\nmax-streams = 1\nmax-connections = 100\nallowed-host = a.example\n[jobs]\nmax-queued = 1\n[log]\nlog-level = debug\n")
    log = reload(d)
    for line in ("dcgand: reload: max-streams: now 1 instead of 2\n", "warning: reload: max-connections: now 100 instead of 512, from the next start on\n",
                 "warning: reload: allowed-host: another list, which holds from the next start on\n", "reload: max-queued: now 1 instead of 1000\n",
                 "reload: log-level: now debug instead of info\n"):
        equal(line in log, True, f"{line} in {log}")
    equal(d.get("/events", 503).status, 503, "a second stream")
    running = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(running, 1)
    waiting = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.post("/jobs", small_job(**LONG), 503)
    equal(d.request("GET", "/healthz", host="a.example").status, 421)
    stream.close()
    configure("[http]\nmax-streams = 2\n[log]\nlog-level = error\n")
    reload(d)
    old = len(d.errors())
    equal("nothing has changed" in reload(d), False, "level error is silent")
    equal(d.errors()[old:], "")
    third = d.post("/jobs", small_job(**LONG)).json()["id"]
    for job in (third, waiting, running):
        d.post(f"/jobs/{job}/cancel", None, 202)
    d.stop()


@test
def reload_faults():
    """a new configuration with a fault changes nothing, and the log says file, line and why"""
    path = configure("[http]\nmax-streams = 1\n")
    d = supervised("--config", path)
    configure("[http]\nmax-streams = 5\nheartbeat-s = never\n")
    log = reload(d)
    equal(f"error: reload: {path}:3: heartbeat-s: expected a whole number from 1 to 3600, found \"never\"\n" in log, True, log)
    equal("error: reload: the old configuration stays\n" in log, True, log)
    os.unlink(path)
    equal("cannot open" in reload(d), True)
    stream = Stream(d, "/events")
    d.get("/events", 503)
    stream.close()
    configure("[http]\nmax-streams = 1\n")
    equal("reload: nothing has changed" in reload(d), True)
    d.stop()


@test
def reload_and_command_line():
    """the command line wins over the file after a reload, too"""
    d = supervised("--config", configure("[jobs]\nmax-queued = 7\n"), "--max-queued", "9")
    configure("[jobs]\nmax-queued = 8\n")
    equal("reload: nothing has changed" in reload(d), True)
    for _ in range(20):
        d.process.send_signal(signal.SIGHUP)
    equal({"RELOADING", "READY"} <= set(d.manager.names(1)), True, "all of it told")
    wait_for(lambda: d.get("/healthz"), "life after many signals")
    d.stop()


@test
def deaf_supervisor():
    """a supervisor that does not read delays, but does not stop, the daemon"""
    d = supervised("--config", configure("[jobs]\nmax-queued = 7\n"))
    for _ in range(6):  # two messages each: more than the kernel keeps where its limit is ten
        d.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    wait_for(lambda: d.get("/healthz"), "life")
    d.stop()


@test
def hangup_without_a_file():
    """SIGHUP without a configuration file ends the daemon, as closing a terminal should"""
    d = Daemon()
    d.process.send_signal(signal.SIGHUP)
    equal(d.wait(), 0)


main()
