"""A full disk seen from outside: the job waits and says so, the API stays up, all goes on by itself."""

import ctypes
import os
import sys

from dcgand import Daemon, Stream, equal, folder, main, small_job, test, wait_for

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
MIB = 1 << 20
disk = os.path.join(folder(), "disk")
os.makedirs(disk)
libc = ctypes.CDLL(None, use_errno=True)


def mount_disk():
    """In a namespace of this process and the daemons it starts; what is mounted ends with them."""
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return False
    return libc.mount(b"none", disk.encode(), b"tmpfs", 0, b"size=320m") == 0


if not mount_disk():
    print(f"1..0 # SKIP a file system of our own cannot be mounted: {os.strerror(ctypes.get_errno())}")
    sys.exit(0)

d = Daemon(state=os.path.join(disk, "state"))
d.register_tiny()
filler = os.path.join(disk, "filler")


def metric(name):
    return next(float(line.split()[1]) for line in d.get("/metrics").body.decode().splitlines() if line.startswith(name + " "))


@test
def job_waits_for_room():
    """less than 256 MB: paused with the reason, 507 for new jobs, all else answered; then it goes on"""
    job = d.post("/jobs", small_job(epochs=1000000, sample_every=0, checkpoint_every=0)).json()["id"]
    d.wait_step(job, 5)
    d.post(f"/jobs/{job}/checkpoint", None, 202)
    wait_for(lambda: d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"], "a checkpoint")
    checkpoint = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][0]["id"]
    gone = d.post("/jobs", small_job()).json()["id"]
    key = {"dataset": "tiny", "size": 16, "epochs": 1}
    known = d.post("/jobs", key, Idempotency_Key="before").json()["id"]
    stream = Stream(d, f"/jobs/{job}/events")
    with open(filler, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 200 * MIB)
    event = stream.until(lambda kind, data: kind == "state")[-1][2]
    equal((event["state"], event["previous"], event["error"].startswith("disk full: ")), ("paused", "running", True), str(event))
    found = d.job(job)
    equal((found["state"], found["error"]), ("paused", event["error"]))
    # What begins something or asks for a file is refused ...
    for path, body in (("/jobs", small_job()), ("/datasets", {"name": "more", "path": "tiny"}), (f"/jobs/{job}/sample", None), (f"/jobs/{job}/checkpoint", None)):
        refused = d.post(path, body, 507)
        equal((refused["Content-Type"], refused.json()["title"]), ("application/problem+json", "Insufficient Storage"), path)
    # ... and the last of the disk is for saying what becomes of the rest.
    d.post(f"/checkpoints/{checkpoint}/generate", {"n": 1}, 200)
    d.patch(f"/checkpoints/{checkpoint}", {"pinned": True})
    d.post(f"/jobs/{gone}/cancel", None, 202)
    d.delete(f"/jobs/{gone}")
    d.post(f"/jobs/{job}/resume", None, 202)
    equal(d.post("/jobs", key, Idempotency_Key="before").json()["id"], known, "what was taken is still told")
    d.get("/readyz")
    d.get(f"/jobs/{job}/metrics")
    equal(d.patch(f"/jobs/{job}", {"note": "waits"}).json()["note"], "waits")
    equal(metric("dcgand_disk_free_bytes") < metric("dcgand_disk_reserve_bytes") == 256 * MIB, True)
    step = d.job(job)["step"]
    os.unlink(filler)
    event = stream.until(lambda kind, data: kind == "state")[-1][2]
    equal((event["state"], event["previous"], event["error"], event["rewound_to"]), ("running", "paused", None, None))
    stream.close()
    d.wait_step(job, step + 5)
    equal((d.job(job)["error"], d.job(job)["note"]), (None, "waits"))
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(job, "cancelled")
    d.wait_state(known, "succeeded")


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
