"""Limits that the system sets to a process (setrlimit): what passes one is told, and the daemon goes on."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import Daemon, equal, main, small_job, test  # noqa: E402

KIB = 1 << 10


class Limited(Daemon):
    """Under what `ulimit` is told; soft limits, so that they can be raised again."""

    def __init__(self, limits, *options):
        self.limits = limits
        super().__init__(*options)

    def command(self, *more):
        return ["/bin/sh", "-c", f'{self.limits} && exec "$0" "$@"', *super().command(*more)]

    def set(self, what, soft):
        resource.prlimit(self.process.pid, what, (soft, resource.prlimit(self.process.pid, what)[1]))


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
    d.set(resource.RLIMIT_FSIZE, 1000 * KIB * KIB)
    d.patch(f"/jobs/{job}", {"note": "again"})
    d.run_job()
    d.stop()


main()
