"""Limits that the system sets to a process (setrlimit): what passes one is told, and the daemon goes on."""
import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import SLOW, Daemon, equal, main, small_job, test, wait_for  # noqa: E402

KIB = 1 << 10
LONG = {"epochs": 1000000, "sample_every": 0, "checkpoint_every": 0, "swd_images": 0}


class Limited(Daemon):
    """Under what `ulimit` is told; soft limits, so that they can be raised again."""

    def __init__(self, limits, *options):
        self.limits = limits
        super().__init__(*options)

    def command(self, *more):
        return ["/bin/sh", "-c", f'{self.limits} && exec "$0" "$@"', *super().command(*more)]



def set_soft(daemon, what, soft):
    resource.prlimit(daemon.process.pid, what, (soft, resource.prlimit(daemon.process.pid, what)[1]))


@test
def size_of_files():
    """a write beyond `ulimit -f`: 507 and a line in the log; when there is room again all goes on"""
    d = Limited("ulimit -Sf 1000")  # of 512 bytes
    d.register_tiny()
    job = d.post("/jobs", small_job(priority=-1)).json()["id"]
    d.post(f"/jobs/{job}/cancel", None, 202)
    for i in range(500):
        answer = d.request("PATCH", f"/jobs/{job}", {"note": f"{i:04}" * 1000}, {"If-Match": "*"})
        if answer.status != 200:
            break
    equal((answer.status, answer.json()["title"]), (507, "Insufficient Storage"), f"note {i}")
    equal(f"error: PATCH /jobs/{job}: " in d.errors(), True, d.errors())
    equal(d.job(job)["note"], f"{i - 1:04}" * 1000, "the last that was taken")
    set_soft(d, resource.RLIMIT_FSIZE, 1000 * KIB * KIB)
    d.patch(f"/jobs/{job}", {"note": "again"})
    d.run_job()
    d.stop()


# --- Priorities ----------------------------------------------------------------------------

def niceness(daemon):
    """Of each kind of thread."""
    found = {}
    folder = f"/proc/{daemon.process.pid}/task"
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/stat", encoding="ascii") as f:
            name, fields = re.match(r"\d+ \((.*)\) (.*)", f.read()).groups()
        found.setdefault(name, set()).add(int(fields.split()[16]))
    return found


@test
def training_gives_way():
    """nice: the threads that train have it, those that answer do not"""
    own = os.nice(0)
    d = Daemon("--nice", "7")
    d.register_tiny()
    job = d.post("/jobs", small_job(**LONG, threads=3)).json()["id"]
    d.wait_step(job, 1)
    found = niceness(d)
    equal({name: sorted(n - own for n in found[name]) for name in ("dcg-worker", "dcg-train", "dcg-files")},
          {"dcg-worker": [7], "dcg-train": [7], "dcg-files": [7]})
    equal({name: n for name, n in found.items() if not name.startswith("dcg-") and n != {own}}, {})
    d.stop()


# --- Open files ----------------------------------------------------------------------------

class Client:
    """One connection that stays, so that asking takes no further file."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=SLOW)
        self.ask("GET", "/healthz")

    def ask(self, method, path, body=None, status=(200, 202)):
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
        r = self.connection.getresponse()
        answer = json.loads(r.read())
        equal(r.status in status, True, f"{method} {path}: {r.status} {answer}")
        return answer

    def checkpoints(self, job):
        return self.ask("GET", f"/jobs/{job}/checkpoints")["checkpoints"]


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@test
def soft_limit():
    """a soft limit of open files is raised to the hard one, and nothing is said"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    d = Limited("ulimit -Sn 200")
    equal(resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE), (hard, hard))
    equal("files may be open" in d.errors(), hard < 1200, d.errors())
    d.stop()


@test
def too_few_files():
    """one that cannot serve eight connections does not start, and says how many files it needs"""
    d = Daemon(wait=False)
    r = subprocess.run(["/bin/sh", "-c", 'ulimit -n 60 && exec "$0" "$@"', *d.command()], capture_output=True, text=True, timeout=SLOW)
    said = re.search(r"at most 60 files may be open, and (\d+) are needed", r.stderr)
    equal((r.returncode, said is not None), (1, True), r.stderr)
    d = Limited(f"ulimit -n {said[1]}")
    d.get("/healthz")
    d.stop()


@test
def more_clients_than_files():
    """as many connections as leave room for checkpoints, with a warning, also when each is sent a file"""
    d = Limited("ulimit -n 200", "--request-timeout-s", "3600")
    said = re.search(r"warning: at most 200 files may be open, and 512 connections need (\d+): serving (\d+) at a time", d.errors())
    equal(said is not None and int(said[1]) > 1024, True, d.errors())
    served = int(said[2])
    d.register_tiny()
    job = d.post("/jobs", small_job(**LONG, ngf=128, ndf=128)).json()["id"]
    d.wait_step(job, 1)
    own = Client(d)
    own.ask("POST", f"/jobs/{job}/checkpoint")
    first = wait_for(lambda: own.checkpoints(job), "a checkpoint")[0]
    equal(first["size"] > 8 * KIB * KIB, True, "more than a socket holds")
    crowd = []
    for i in range(2 * served):
        crowd.append(socket.socket())
        crowd[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
        crowd[-1].bind((f"127.0.0.{2 + i % 4}", 0))  # one address alone may not have them all
        crowd[-1].connect(("127.0.0.1", d.port))
        crowd[-1].sendall(f"GET /checkpoints/{first['id']}/file HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    wait_for(lambda: open_files(d) > 2 * served, "the connections to be taken")
    own.ask("POST", f"/jobs/{job}/checkpoint")
    wait_for(lambda: len(own.checkpoints(job)) > 1, "another checkpoint")
    equal((own.ask("GET", f"/jobs/{job}")["state"], open_files(d) <= 200), ("running", True))
    for s in crowd:
        s.close()
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.stop()

@test
def no_file_to_open():
    """without a file to open jobs wait, at work or at their start, and say why; then they go on"""
    d = Daemon()
    d.register_tiny()
    job = d.post("/jobs", small_job(**LONG)).json()["id"]
    after = d.post("/jobs", small_job()).json()["id"]
    d.wait_step(job, 5)
    own = Client(d)

    def state(job):
        found = own.ask("GET", f"/jobs/{job}")
        return found["state"], found["error"]

    waits = ("paused", "too many files are open, it goes on by itself when some were closed")
    soft = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)[0]
    set_soft(d, resource.RLIMIT_NOFILE, 3)
    own.ask("POST", f"/jobs/{job}/checkpoint")
    wait_for(lambda: state(job) == waits, "the job at work to wait")
    equal(own.checkpoints(job), [])
    set_soft(d, resource.RLIMIT_NOFILE, soft)
    wait_for(lambda: state(job) == ("running", None) and own.checkpoints(job), "it to go on, and its checkpoint")
    set_soft(d, resource.RLIMIT_NOFILE, 3)
    own.ask("POST", f"/jobs/{job}/cancel")
    wait_for(lambda: state(after) == waits, "the next one to wait")
    checkpoint = f"/checkpoints/{own.checkpoints(job)[0]['id']}"
    for method, path, body in (("GET", f"{checkpoint}/file", None), ("POST", f"{checkpoint}/generate", {"n": 1}),
                               ("POST", "/datasets", {"name": "more", "path": "tiny"})):
        equal(own.ask(method, path, body, status=(503,))["detail"], "too many files are open", path)
    set_soft(d, resource.RLIMIT_NOFILE, soft)
    wait_for(lambda: state(after) == ("succeeded", None), "it to go on")
    d.stop()


main()
