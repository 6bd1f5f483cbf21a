"""How it ends: what signals do while something long is under way."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import Daemon, equal, main, small_job, test, wait_for  # noqa: E402

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


main()
