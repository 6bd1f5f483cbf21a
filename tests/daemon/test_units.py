"""The units and the configuration as make install leaves them, judged by systemd's own tools.

Where those are missing, what needs them is skipped, by name.
"""
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "system"))
from dcgand import PROGRAM, Tap, free_port, wait_for  # noqa: E402

BUILD = os.environ.get("top_builddir", ".")
ANALYZE, ACTIVATE = shutil.which("systemd-analyze"), shutil.which("systemd-socket-activate")
TESTS = 12


def make(target, root):
    # What make passes down (-j, TESTS=...) is for the outer make.
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR")}
    r = subprocess.run(["make", "-C", BUILD, target, f"DESTDIR={root}"], capture_output=True, text=True, env=clean, timeout=300)
    return r.returncode, r.stdout + r.stderr


def run(*words):
    r = subprocess.run(words, capture_output=True, text=True, timeout=120, env=dict(os.environ, LC_ALL="C", SYSTEMD_COLORS="0"))
    return r.returncode, r.stdout + r.stderr


def find(root, name):
    return [os.path.join(folder, name) for folder, _, files in os.walk(root) if name in files]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def skip(tap, what, why):
    tap.number += 1
    print(f"ok {tap.number} - {what} # SKIP {why}", flush=True)


def installed(tap, root):
    """(service, socket unit), both None in a build without units."""
    status, said = make("install", root)
    conf, service, unit = find(root, "dcgand.conf"), find(root, "dcgand.service"), find(root, "dcgand.socket")
    tap.ok(status == 0 and len(conf) == 1, "make install brings the configuration", said[-2000:])
    if not service:
        skip(tap, "and the units", "configured with --without-systemdsystemunitdir")
        return None, None
    text = read(service[0])
    start = re.search(r"^ExecStart=(\S+) --config=(\S+)$", text, re.M)
    tap.ok(start and root + start[2] == conf[0] and not re.search(r"@\w+@", text) and len(unit) == 1, "and the units, with the paths of the installation", text)
    return service[0], unit[0]


def edited(tap, root):
    conf = (find(root, "dcgand.conf") or ["/dev/null"])[0]
    original = read(conf)
    with open(conf, "a", encoding="utf-8") as f:
        f.write("# mine\n")
    status, said = make("install", root)
    tap.ok(status == 0 and read(conf) == original + "# mine\n" and read(conf + ".new") == original and "was edited and stays" in said,
           "a configuration that was edited stays, with the new one beside it", said[-2000:])
    status, said = make("uninstall", root)
    left = [os.path.join(folder, name) for folder, _, files in os.walk(root) for name in files]
    tap.ok(status == 0 and left == [conf], "make uninstall leaves that one alone", said[-1000:] + "\n".join(left[:20]))


def system_calls(names):
    """Names and @groups of systemd, as names."""
    found = set()
    for name in names:
        found |= system_calls(l.strip() for l in run(ANALYZE, "syscall-filter", name)[1].splitlines()[1:] if re.match(r"    [@\w]+$", l)) if name[0] == "@" else {name}
    return found


def permitted(tap, service):
    """Kernel tables ask the system with arch_prctl for the registers of AMX."""
    what = "the unit's filter lets the program ask for AMX, and does not let it mount"
    if not service or not ANALYZE:
        skip(tap, what, "no units in this build" if not service else "systemd-analyze is missing")
        return
    left = set()
    for minus, names in re.findall(r"^SystemCallFilter=(~?)(.+)$", read(service), re.M):
        left = left - system_calls(names.split()) if minus else left | system_calls(names.split())
    tap.ok("arch_prctl" in left and "mount" not in left, what, " ".join(sorted(left)))


def judged(tap, root, service, unit):
    what = ("systemd-analyze verify finds nothing", "a fault would be found", "systemd-analyze security: exposure of 1.5 at most")
    if not service or not ANALYZE:
        for text in what:
            skip(tap, text, "no units in this build" if not service else "systemd-analyze is missing")
        return
    # The program need not be installed on this machine.
    folder = os.path.join(root, "units")
    os.mkdir(folder)
    good = os.path.join(folder, "dcgand.service")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=" + os.path.realpath(PROGRAM), read(service), flags=re.M)
    with open(good, "w", encoding="utf-8") as f:
        f.write(text)
    shutil.copy(unit, folder)
    status, said = run(ANALYZE, "verify", "--man=no", "--recursive-errors=no", good, os.path.join(folder, "dcgand.socket"))
    if status and re.search(r"Failed to (initialize manager|connect|create)", said):
        skip(tap, what[0], "systemd-analyze cannot work here: " + said.splitlines()[0])
        skip(tap, what[1], "the same")
    else:
        tap.ok(status == 0 and said == "", what[0], said)
        bad = os.path.join(folder, "bad.service")
        with open(bad, "w", encoding="utf-8") as f:
            f.write(text.replace("ProtectSystem=strict", "ProtectSystem=nearly"))
        said = run(ANALYZE, "verify", "--man=no", "--recursive-errors=no", bad)[1]
        tap.ok("protect system" in said, what[1], said)
    status, said = run(ANALYZE, "security", "--offline=true", "--threshold=15", "--no-pager", good)
    if "unrecognized option" in said:
        skip(tap, what[2], "this systemd-analyze has no --offline")
    else:
        tap.ok(status == 0 and "Overall exposure level" in said, what[2], said)


def activated(tap, root):
    what = ("systemd-socket-activate: the first connection starts the daemon and is served", "which stops cleanly")
    if not ACTIVATE:
        for text in what:
            skip(tap, text, "systemd-socket-activate is missing")
        return
    port, log = free_port(), os.path.join(root, "log")
    with open(log, "wb") as out:
        p = subprocess.Popen([ACTIVATE, "-l", f"127.0.0.1:{port}", os.path.realpath(PROGRAM), "--state-dir", os.path.join(root, "state")],
                             stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def ask():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except ConnectionRefusedError:
            return False
    try:
        # It may answer before it has said where.
        tap.ok(wait_for(ask, 30) and wait_for(lambda: f"listening on http://127.0.0.1:{port}" in read(log), 30), what[0], read(log))
    finally:
        p.send_signal(signal.SIGTERM)
        try:
            status = p.wait(60)
        except subprocess.TimeoutExpired:
            p.kill()
            status = p.wait()
    tap.ok(status == 0, what[1], f"status {status}\n" + read(log))


def handed_over(tap, root):
    """A Unix socket, as dcgand.socket may name one, watched over."""
    path, notify = os.path.join(root, "http"), os.path.join(root, "notify")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        listening.bind(path)
        listening.listen()
        manager.bind(notify)
        manager.settimeout(30)
        fd = listening.fileno()
        # sh becomes the daemon, so that LISTEN_PID is right.
        p = subprocess.Popen(["/bin/sh", "-c", f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', PROGRAM, "--state-dir", os.path.join(root, "state2")],
                             pass_fds=[fd], env=dict(os.environ, NOTIFY_SOCKET=notify, WATCHDOG_USEC="1000000"), stdout=subprocess.DEVNULL)
        try:
            said = b""
            while b"WATCHDOG=1" not in said:
                said = manager.recv(1000)
            tap.ok(True, "a Unix socket that was handed over is served: the watchdog sees it answer")
        except socket.timeout:
            tap.ok(False, "a Unix socket that was handed over is served: the watchdog sees it answer")
        finally:
            p.send_signal(signal.SIGTERM)
            tap.ok(p.wait(60) == 0, "and closed cleanly")


def main():
    with tempfile.TemporaryDirectory() as root:
        tap = Tap(TESTS)
        service, unit = installed(tap, root)
        permitted(tap, service)
        judged(tap, root, service, unit)
        if service:
            shutil.rmtree(os.path.join(root, "units"), ignore_errors=True)
        edited(tap, root)
        activated(tap, root)
        handed_over(tap, root)
    tap.done()


main()
