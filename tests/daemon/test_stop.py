"""How it ends: what signals do while something long is under way."""
import http.client
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import SLOW, Daemon, check_against_openapi, equal, main, small_job, test, wait_for  # noqa: E402

# Plain loops make a step of it last for minutes.
HEAVY = {"size": 64, "ngf": 64, "ndf": 64, "batch_size": 64, "kernel": "ref", "epochs": 1, "sample_every": 0, "checkpoint_every": 0, "swd_images": 0}


def processor_s(daemon, name):
    """Seconds of processor time that the threads of this name have had together."""
    total, tasks = 0, f"/proc/{daemon.process.pid}/task"
    for task in os.listdir(tasks):
        try:
            with open(f"{tasks}/{task}/stat", encoding="utf-8") as f:
                found, rest = re.match(r"\d+ \((.*)\) (.*)", f.read()).groups()
        except FileNotFoundError:  # it has ended
            continue
        if found == name:
            fields = rest.split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


@test
def second_signal():
    """a second signal in the middle of a step: no checkpoint is written at its end, exit status 0, and the job goes on at the next start"""
    d = Daemon()
    d.register_tiny()
    # Steps of some seconds, so that both come within one.
    job = d.post("/jobs", small_job(**dict(HEAVY, ngf=16, ndf=16, batch_size=32))).json()["id"]
    wait_for(lambda: processor_s(d, "dcg-train") > 0.3, "the first step to begin")
    for told in ("a checkpoint is saved first", "stopping without a checkpoint"):
        d.process.send_signal(signal.SIGTERM)
        wait_for(lambda: told in d.errors(), told)
    equal((d.wait(), "leaving at once" in d.errors()), (0, False), d.errors())
    folder = os.path.join(d.state, "jobs", str(job), "checkpoints")
    equal(os.listdir(folder) if os.path.exists(folder) else [], [])
    d.start()
    equal(d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"], [])
    d.wait_state(job, "running")
    d.kill()


@test
def third_signal():
    """a second signal skips the checkpoint, a third leaves at once, also in the middle of a step"""
    d = Daemon()
    d.register_tiny()
    d.post("/jobs", small_job(**HEAVY))
    wait_for(lambda: processor_s(d, "dcg-train") > 0.3, "the first step to begin")
    for told in ("a checkpoint is saved first", "a third signal"):
        d.process.send_signal(signal.SIGTERM)
        wait_for(lambda: told in d.errors(), told)
    d.process.send_signal(signal.SIGTERM)
    equal((d.wait(), "leaving at once" in d.errors()), (1, True), d.errors())


@test
def pictures_in_the_making():
    """requests that draw, the one at work and those that wait: 503 with Retry-After, none is worked off"""
    d = Daemon()
    d.register_tiny()
    job = d.run_job(**dict(HEAVY, ngf=16, ndf=2, batch_size=32, max_steps=1))
    checkpoint = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][0]["id"]
    clients = [http.client.HTTPConnection("127.0.0.1", d.port, timeout=SLOW) for i in range(8)]
    for c in clients:  # so that each is connected for certain when the daemon stops to take connections
        c.request("GET", "/healthz")
        c.getresponse().read()
    check_against_openapi(d)
    for c in clients:
        c.request("POST", f"/checkpoints/{checkpoint}/generate", '{"n":1024}', {"Content-Type": "application/json"})
    wait_for(lambda: processor_s(d, "api-slow") > 0.3, "the first to be at work")
    d.process.send_signal(signal.SIGTERM)
    for c in clients:
        r = c.getresponse()
        problem = json.loads(r.read())
        equal((r.status, problem["status"], int(r.headers["Retry-After"]) > 0, "stopping" in problem["detail"]), (503, 503, True, True), str(problem))
        c.close()
    equal(d.wait(), 0, "exit status")


main()
