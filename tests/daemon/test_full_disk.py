"""The watchdog while a job waits for room on the disk: waiting is no standstill."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import equal, folder, main, test  # noqa: E402
from manager import WATCHDOG_S, supervised, train  # noqa: E402

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
MIB = 1 << 20
disk = os.path.join(folder(), "disk")
os.makedirs(disk)
libc = ctypes.CDLL(None, use_errno=True)

# In a namespace of this process and the daemons it starts; what is mounted ends with them.
if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) or \
        libc.mount(b"none", disk.encode(), b"tmpfs", 0, b"size=64m"):
    print(f"1..0 # SKIP a file system of our own cannot be mounted: {os.strerror(ctypes.get_errno())}")
    sys.exit(0)


@test
def waiting():
    """disk-reserve-mb makes a job wait, for which systemd restarts nothing; the status says so"""
    d = supervised("--disk-reserve-mb", "16", watchdog=WATCHDOG_S, state=os.path.join(disk, "state"))
    job = train(d)
    filler = os.path.join(disk, "filler")
    with open(filler, "wb") as f:
        room = os.statvfs(disk)
        os.posix_fallocate(f.fileno(), 0, room.f_bavail * room.f_frsize - 8 * MIB)
    d.wait_state(job, "paused")
    d.manager.names(WATCHDOG_S)
    equal(d.manager.names(2 * WATCHDOG_S).count("WATCHDOG") >= 2, True, d.errors())
    status, _ = d.manager.until("STATUS")
    equal(status["STATUS"], f"job {job}: waiting for room on the disk, 0 queued")
    os.unlink(filler)
    d.wait_state(job, "running")
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.stop()


main()
