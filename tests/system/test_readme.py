"""Every curl example of README.md, as it is written there, against a live daemon.

The examples are the lines of README.md's ```sh blocks that begin with curl, with what
continues them. Only the address is changed. curl is told through its own configuration
file to fail on a status of 400 or more. Some examples need what takes a moment to come
into being (a first picture, a checkpoint): those are tried again for a while.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from dcgand import Daemon, Tap, write_png


def examples(text):
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for command in re.findall(r"^curl (?:.*\\\n)*.*\n", block, re.M):
            yield command.rstrip("\n")


def run(command, folder, environment, seconds):
    """(status, what it said); an event stream is cut after a few seconds, which is no failure."""
    stream = "/events" in command
    try:
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=5 if stream else seconds)
    except subprocess.TimeoutExpired as why:
        said = why.stdout or b""
        return (0 if stream and re.search(rb"^event: \w+\ndata: \{|^data: \{", said, re.M) else 124), said
    return done.returncode, done.stdout


def main():
    if shutil.which("curl") is None:
        print("1..0 # SKIP curl is missing")
        return
    with open(os.path.join(os.environ.get("top_srcdir", "."), "README.md"), encoding="utf-8") as f:
        commands = list(examples(f.read()))
    tap = Tap(len(commands) + 2)
    tap.ok(len(commands) >= 10, "README.md has curl examples (%d)" % len(commands))
    with tempfile.TemporaryDirectory() as folder:
        home, work = os.path.join(folder, "home"), os.path.join(folder, "work")
        os.mkdir(home)
        os.mkdir(work)
        with open(os.path.join(home, ".curlrc"), "w", encoding="utf-8") as f:
            f.write("silent\nshow-error\nfail-with-body\n")
        environment = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C"}
        # What README.md's reader would have: a folder of pictures called faces.
        os.mkdir(os.path.join(work, "faces"))
        for i in range(40):
            write_png(os.path.join(work, "faces", "%02d.png" % i), 32, 32, lambda x, y: (8 * x, 8 * y, 6 * i))
        daemon = Daemon(os.path.join(folder, "state"), "--dataset-root", work)
        try:
            for command in commands:
                here = re.sub(r"\blocalhost:8080\b|\b127\.0\.0\.1:8080\b", "127.0.0.1:%d" % daemon.port, command)
                until = time.monotonic() + 90
                while True:
                    status, said = run(here, work, environment, 60)
                    if status == 0 or time.monotonic() > until or ":8080" in here:
                        break
                    time.sleep(1)
                tap.ok(status == 0 and ":8080" not in here, command.replace("\\\n", "").replace("#", "(hash)"),
                       "status %d: %s" % (status, said[-2000:].decode("utf-8", "replace")))
        finally:
            status = daemon.stop()
        tap.ok(status == 0, "the daemon stops cleanly", daemon.log())
    tap.done()


main()
