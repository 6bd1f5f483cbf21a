"""./quickstart as a newcomer uses it, with the programs already built: --smoke, mistakes,
Ctrl-C and going on, a port that is taken."""
import glob
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile

from dcgand import Tap, free_port, png_size, wait_for, write_png

TOP = os.path.abspath(os.environ.get("top_srcdir", "."))
BUILD = os.path.abspath(os.environ.get("top_builddir", "build"))
TINY = ["--size", "16", "--ngf=8", "--ndf", "8", "--batch-size", "32", "--max_steps", "2500", "--epochs", "100",
        "--sample-count", "16", "--seed", "5"]


def start(folder, *words):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    environment.update(TMPDIR=folder, http_proxy="http://127.0.0.1:9/")
    return subprocess.Popen([os.path.join(TOP, "quickstart"), "--no-install", "--build-dir", BUILD, *words],
                            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def finish(process, seconds=180):
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        return "does not end:\n" + process.communicate(timeout=60)[0]


class Reader:
    """What a running quickstart has said so far."""

    def __init__(self, process):
        self.process, self.text = process, ""

    def until(self, pattern):
        """The match of a line that fits; None when the output ends first."""
        for line in self.process.stdout:
            self.text += line
            match = re.search(pattern, line)
            if match:
                return match
        return None


def job(port, number, action=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST" if action else "GET", "/jobs/%d" % number + ("/" + action if action else ""))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def smoke(tap, folder):
    process = start(folder, "--smoke", "--port", str(free_port()))
    said = finish(process)
    path = said.rstrip("\n").rpartition("\n")[2]
    tap.ok(process.returncode == 0, "--smoke succeeds", said)
    tap.ok(os.path.isfile(path) and png_size(path), "its last line is the path of a PNG", said)
    left = [os.path.relpath(f, folder) for f in glob.glob(folder + "/**", recursive=True) if os.path.isfile(f)]
    tap.ok(len(left) == 1, "it leaves nothing else behind", "\n".join(left))


def mistakes(tap, folder):
    for words, expected in ((["--batch-size", "many"], r"/batch_size: expected .*many"),
                            (["--ephocs", "3"], r"no parameter --ephocs; did you mean --epochs"),
                            (["--dataset", "nosuch"], r"nosuch"),
                            (["--dataset", "./nowhere"], r"nowhere does not exist"),
                            (["--faces", "--dataset", "fashion-mnist"], r"--faces is a data set already")):
        process = start(folder, "--smoke", "--port", str(free_port()), *words)
        said = finish(process)
        tap.ok(process.returncode == 1 and re.search(expected, said), "%s gives the reason" % " ".join(words), said)


def go_on(tap, folder):
    state = os.path.join(folder, "state")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        first = start(folder, "--state-dir", state, "--port", str(port), *TINY)
        reader = Reader(first)
        other = reader.until(r"the dashboard: http://127.0.0.1:(\d+)/")
        tap.ok(other and int(other.group(1)) > port and "port %d is taken" % port in reader.text,
               "a taken port is stepped over", reader.text)
    port = int(other.group(1))
    reader.until(r"^job 1: ")
    tap.ok(wait_for(lambda: job(port, 1)["step"] > 20), "the job trains", reader.text)
    first.send_signal(signal.SIGINT)
    said = finish(first)
    tap.ok(first.returncode == 0 and "stopping with a checkpoint" in said and not listens(port), "Ctrl-C stops all", said)
    tap.ok(glob.glob(state + "/jobs/1/checkpoints/*.safetensors"), "there is a checkpoint", said)

    second = start(folder, "--state-dir", state, "--port", str(free_port()))
    reader = Reader(second)
    port = int(reader.until(r"the dashboard: http://127.0.0.1:(\d+)/").group(1))
    at = reader.until(r"going on with job 1 \(fashion-mnist, epoch \d+ of 100, step (\d+)\)")
    tap.ok(at and int(at.group(1)) > 20, "run again it goes on with the job", reader.text)
    wait_for(lambda: job(port, 1)["state"] == "running")
    job(port, 1, "pause")
    paused = wait_for(lambda: job(port, 1)["state"] == "paused")
    second.send_signal(signal.SIGTERM)
    said = finish(second)
    tap.ok(paused and second.returncode == 0 and not listens(port), "SIGTERM stops all too", said)

    third = start(folder, "--state-dir", state, "--port", str(free_port()), "--exit", "--size", "16")
    said = finish(third)
    done = re.search(r"^job 1 is done; its last pictures are in (.*)$", said, re.M)
    tap.ok("going on with job 1" in said and done and third.returncode == 0,
           "a paused job that fits the words is resumed, and --exit ends with it", said)
    tap.ok(done and png_size(done.group(1)), "the picture it names is there", said)

    fourth = start(folder, "--state-dir", state, "--port", str(free_port()), "--exit", *TINY, "--max-steps", "10")
    said = finish(fourth)
    tap.ok(fourth.returncode == 0 and re.search(r"^job 2 is done", said, re.M), "a finished job is not taken up again", said)


def own_pictures(tap, folder):
    state = os.path.join(folder, "state")
    for place in ("one", "two"):
        os.makedirs(os.path.join(folder, place, "My Pictures"))
        for i in range(16):
            write_png(os.path.join(folder, place, "My Pictures", "%d.png" % i), 16, 16, lambda x, y: (9 * x, 9 * y, 9 * i))
    for place, name in (("one", "my-pictures"), ("two", "my-pictures-2"), ("one", "my-pictures")):
        process = start(folder, "--state-dir", state, "--port", str(free_port()), "--exit", "--dataset", place + "/My Pictures",
                        "--ngf", "8", "--ndf", "8", "--batch-size", "8", "--epochs", "1", "--sample-count", "4")
        said = finish(process)
        tap.ok(process.returncode == 0 and '"dataset": "%s"' % name in said and "is done" in said,
               "a folder of pictures (%s) is trained on as %s" % (place, name), said)


def faces(tap, folder):
    """What follows on drawing them, with a few of our own."""
    drawn = os.path.join(folder, "faces")
    os.mkdir(drawn)
    for i in range(16):
        write_png(os.path.join(drawn, "%d.png" % i), 64, 64, lambda x, y: (3 * x, 3 * y, 9 * i))
    process = subprocess.Popen(["python3", os.path.join(TOP, "tools", "quickstart.py"), "--daemon=" + os.path.join(BUILD, "dcgand"),
                                "--faces=" + drawn, "--state-dir=" + os.path.join(folder, "state"), "--port=%d" % free_port(), "--exit=",
                                "--ngf=4", "--ndf=4", "--epochs=1", "--sample_count=4", "--swd_images=0"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = finish(process)
    job = re.search(r"^job 1: (.*)$", said, re.M)
    body = json.loads(job.group(1)) if job else {}
    tap.ok(process.returncode == 0 and (body.get("dataset"), body.get("preset"), body.get("size")) == ("faces", "quality", 64),
           "faces are trained on at 64 pixels with the preset quality", said)


def main():
    if not os.path.isdir("/usr/share/datasets/fashion-mnist"):
        print("1..0 # SKIP dataset-fashion-mnist is not installed")
        return
    tap = Tap(21)
    for part in (smoke, mistakes, own_pictures, faces, go_on):
        with tempfile.TemporaryDirectory() as folder:
            part(tap, os.path.realpath(folder))
    tap.done()


main()
