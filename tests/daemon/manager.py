"""What systemd would be to a daemon: a socket that listens for what it tells."""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import SLOW, Daemon, equal, folder, small_job  # noqa: E402

WATCHDOG_S = 1.6
LONG = {"epochs": 100000, "sample_every": 0, "checkpoint_every": 0}
place = folder()


class Manager:
    """What systemd would be: takes messages, in order, as dictionaries."""
    count = 0

    def __init__(self):
        Manager.count += 1
        self.path = os.path.join(place, f"notify{Manager.count}")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def next(self, seconds=SLOW):
        self.socket.settimeout(max(seconds, 0.001))
        try:
            return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
        except socket.timeout:
            return None

    def until(self, name, seconds=SLOW):
        """The first message with that name, and those before it."""
        end, before = time.monotonic() + seconds, []
        while time.monotonic() < end:
            m = self.next(end - time.monotonic())
            if m and name in m:
                return m, before
            before.append(m)
        raise AssertionError(f"no {name} within {seconds} s, but {before}")

    def names(self, seconds):
        """Every name told within some time."""
        end, names = time.monotonic() + seconds, []
        while time.monotonic() < end:
            names += (self.next(end - time.monotonic()) or {})
        return names


def supervised(*options, watchdog=None, state=None, **env):
    """A daemon and its manager, after READY."""
    manager = Manager()
    env["NOTIFY_SOCKET"] = manager.path
    if watchdog:
        env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
    d = Daemon(*options, state=state, env=env)
    ready, before = manager.until("READY")
    equal((ready["READY"], before), ("1", []))
    equal(ready["STATUS"], f"Listening on http://127.0.0.1:{d.port}")
    d.manager = manager
    return d


def train(d):
    d.register_tiny()
    job = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(job, 5)
    return job
