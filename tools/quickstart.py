"""The second half of ./quickstart: starts dcgand, gives it a job, shows how it gets on.

Called by ./quickstart with words of the form --name=value, already told apart from
nonsense. Standard library only. The daemon is our child in a session of its own, so
that the terminal's Ctrl-C reaches us alone and we can stop it in good order; the kernel
stops it (SIGTERM) should we die without doing so.
"""
import ctypes
import difflib
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIVE = ("running", "preparing", "queued", "paused")
DATASET = "fashion-mnist"
# Clothes within a few minutes on two cores; see README.md for what they look like.
DEFAULTS = {"dataset": DATASET, "name": "quickstart", "ngf": 32, "ndf": 32, "epochs": 10}
# Some 500 s of processor time; docs/quality.md tells how this was found.
FACES = {"name": "faces", "preset": "quality", "size": 64, "epochs": 10}
SMOKE = {"dataset": DATASET, "name": "smoke", "size": 16, "ngf": 8, "ndf": 8, "batch_size": 32,
         "epochs": 1, "max_steps": 40, "sample_count": 16}


class Failure(Exception):
    """Something to tell in one line before exiting with status 1."""


class Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP."""


class Refused(Failure):
    """The daemon answered with a problem."""

    def __init__(self, status, body):
        self.status = status
        try:
            problem = json.loads(body)
            lines = [problem.get("detail") or problem.get("title") or "?"]
            lines += ["  %s: %s" % (e.get("pointer"), e.get("detail")) for e in problem.get("errors", [])]
        except (ValueError, AttributeError):
            lines = [body[:300].decode("utf-8", "replace")]
        super().__init__("the daemon refused (%d): %s" % (status, "\n".join(lines)))


def say(text):
    """A line of its own, above the progress line if there is one."""
    try:
        print("\r\033[K" + text if sys.stdout.isatty() else text, flush=True)
    except OSError:
        pass  # the terminal is gone; what is left to do gets done without it


def on_signal(_number, _frame):
    raise Interrupted


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Daemon:
    def __init__(self, program, state, port, roots):
        self.state = state
        self.busy = False  # a job of ours is at work
        self.log = os.path.join(state, "dcgand.log")
        self.port = free_port(port)
        if self.port != port:
            say("port %d is taken: using %d" % (port, self.port))
        os.makedirs(state, exist_ok=True)
        words = [program, "--listen", "127.0.0.1:%d" % self.port, "--state-dir", state]
        for root in roots:
            words += ["--dataset-root", root]
        with open(self.log, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, preexec_fn=die_with_parent)

    @property
    def url(self):
        return "http://127.0.0.1:%d/" % self.port

    def call(self, method, path, body=None):
        """Status and bytes of one request; never through a proxy."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, method, path, body=None):
        """The JSON of a good answer. Waits a while for a daemon that is busy, not for a dead one."""
        until = time.monotonic() + 60
        while True:
            try:
                status, data = self.call(method, path, body)
                break
            except (OSError, http.client.HTTPException) as why:
                self.check_alive()
                if time.monotonic() > until or method != "GET":
                    raise Failure("no answer from the daemon: %s" % why) from None
                time.sleep(0.3)
        if status >= 400:
            raise Refused(status, data)
        return json.loads(data)

    def ask_all(self, path, key):
        """Every page of a list."""
        rows, cursor = [], ""
        while cursor is not None:
            separator = "&" if "?" in path else "?"
            page = self.ask("GET", path + separator + "limit=200" + cursor)
            rows += page[key]
            cursor = "&cursor=" + str(page["next"]) if page.get("next") is not None else None
        return rows

    def check_alive(self):
        if self.process.poll() is not None:
            with open(self.log, "rb") as log:
                log.seek(self.log_start)
                tail = log.read()[-3000:].decode("utf-8", "replace").strip()
            raise Failure("dcgand ended with status %d; its log %s says:\n%s" % (self.process.returncode, self.log, tail))

    def wait_ready(self):
        until = time.monotonic() + 120
        while True:
            self.check_alive()
            try:
                if self.call("GET", "/healthz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > until:
                raise Failure("dcgand did not answer on %s within two minutes; its log is %s" % (self.url, self.log))
            time.sleep(0.1)

    def stop(self):
        """SIGTERM makes it checkpoint; ours repeated makes it hurry."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda _n, _f: self.process.poll() is None and self.process.terminate())
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait()
        if status != 0:
            raise Failure("dcgand ended with status %d; its log is %s" % (status, self.log))


def free_port(wanted):
    for port in range(wanted, min(wanted + 200, 65536)):
        with socket.socket() as probe:
            # As the daemon does: what an earlier run left in TIME_WAIT is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except PermissionError:
                raise Failure("port %d needs root: give another with --port" % port) from None
            except OSError:
                continue
    raise Failure("no free port from %d on" % wanted)


def job_parameters(daemon, words):
    """Words as the JSON types that the daemon's own schema gives them."""
    document = daemon.ask("GET", "/openapi.json")
    schema = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        for part in schema["$ref"].lstrip("#/").split("/"):
            document = document[part]
        schema = document
    rows = schema["properties"]
    out = {}
    for name, text in words.items():
        if name not in rows:
            near = difflib.get_close_matches(name, rows, 3)
            raise Failure("there is no parameter --%s%s" % (name, "; did you mean --" + " or --".join(near) if near else
                          "; these are: " + " ".join(sorted(rows))))
        out[name] = typed(rows[name].get("type"), text)
    return out


def typed(kind, text):
    """What cannot be converted goes as text: the daemon says best what it expects."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


class OwnPictures:
    """Data sets of folders that were given by path: path -> name, remembered in the state
    folder, since the daemon wants to be told each time below which folders they are."""

    def __init__(self, state):
        self.file = os.path.join(state, "quickstart-datasets")
        try:
            with open(self.file, encoding="utf-8") as f:
                self.names = json.load(f)
        except FileNotFoundError:
            self.names = {}

    def roots(self, path):
        paths = list(self.names) + ([path] if path else [])
        return sorted({os.path.dirname(p) for p in paths if os.path.exists(p)})

    def register(self, daemon, path):
        """Gives the name; another when one is taken by another folder."""
        base = re.sub(r"[^a-z0-9._-]+", "-", os.path.basename(path).lower()).strip("-._")[:50] or "pictures"
        if path in self.names and daemon.call("GET", "/datasets/" + self.names[path])[0] == 200:
            return self.names[path]
        for attempt in range(1, 100):
            name = base if attempt == 1 else "%s-%d" % (base, attempt)
            try:
                daemon.ask("POST", "/datasets", {"name": name, "path": path})
            except Refused as why:
                if why.status != 409:
                    raise
                continue
            say("%s is now the data set %s" % (path, name))
            self.names[path] = name
            with open(self.file + ".new", "w", encoding="utf-8") as f:
                json.dump(self.names, f)
            os.replace(self.file + ".new", self.file)
            return name
        raise Failure("%s: no name for it is free" % path)


def find_or_submit(daemon, given, faces):
    """The job to follow: an unfinished one that is what the words ask for, else a new one."""
    live = [j for j in daemon.ask_all("/jobs", "jobs") if j["state"] in LIVE]
    live.sort(key=lambda j: (LIVE.index(j["state"]), j["id"]))
    same = [j for j in live if all(j["params"].get(k) == v for k, v in given.items())]
    if same:
        job = same[0]
        say("going on with job %d (%s, epoch %d of %d, step %d)" %
            (job["id"], job["dataset"], job["epoch"], job["epochs"], job["step"]))
        if job["state"] == "paused":
            daemon.ask("POST", "/jobs/%d/resume" % job["id"])
        return job["id"]
    body = dict(FACES) if faces else {"dataset": DATASET} if "preset" in given else dict(DEFAULTS)
    if given.get("dataset", DATASET) == DATASET and "preset" not in given:
        body["size"] = 32
    body.update(given)
    job = daemon.ask("POST", "/jobs", body)
    say("job %d: %s" % (job["id"], json.dumps(body)))
    for other in live:
        if other["state"] != "paused":
            say("job %d is not finished and comes first; to drop it: curl -X POST %sjobs/%d/cancel" %
                (other["id"], daemon.url, other["id"]))
    return job["id"]


def duration(seconds):
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    return "%d:%02d:%02d" % (minutes // 60, minutes % 60, seconds) if minutes >= 60 else "%d:%02d" % (minutes, seconds)


def number(value, form="%.3f"):
    return "-" if value is None else form % value


def progress_line(job):
    state = job["state"]
    if state == "preparing":
        return "job %d: preparing the pictures of %s" % (job["id"], job["dataset"])
    if state != "running":
        return "job %d: %s" % (job["id"], state)
    left = "" if job["eta_s"] is None else "  %s left" % duration(job["eta_s"])
    # What matters least comes last, where a narrow terminal cuts it off.
    return "epoch %d/%d  step %d/%s  loss D %s G %s  %s images/s%s  D(x) %s D(G(z)) %s" % (
        min(job["epoch"] + 1, job["epochs"]), job["epochs"], job["step"], number(job["steps_total"], "%d"),
        number(job["loss_d"]), number(job["loss_g"]), number(job["images_per_s"], "%.0f"), left,
        number(job["d_real"], "%.2f"), number(job["d_fake"], "%.2f"))


def sample_path(daemon, job, sample):
    return os.path.join(daemon.state, "jobs", str(job), "samples", "step-%010d.png" % sample["step"])


def follow(daemon, job_id, seen):
    """Show progress, and name the sample grids of steps above seen, until the job has ended;
    gives its last row."""
    terminal = sys.stdout.isatty()
    told, last_line = 0, ""
    while True:
        job = daemon.ask("GET", "/jobs/%d" % job_id)
        ended = job["state"] not in LIVE
        if ended or job["step"] > seen:
            for sample in daemon.ask_all("/jobs/%d/samples" % job_id, "samples"):
                if sample["step"] > seen:
                    seen = sample["step"]
                    say("epoch %d, step %d: pictures in %s" % (sample["epoch"], sample["step"], sample_path(daemon, job_id, sample)))
        daemon.busy = not ended
        if ended:
            return job
        line = progress_line(job)
        if terminal:
            print("\r\033[K" + line[:shutil.get_terminal_size().columns - 1], end="", flush=True)
        elif line != last_line and time.monotonic() - told >= 20:
            print(line, flush=True)
            told, last_line = time.monotonic(), line
        time.sleep(0.5)


def newest_sample(daemon, job_id):
    samples = daemon.ask_all("/jobs/%d/samples" % job_id, "samples")
    return sample_path(daemon, job_id, samples[-1]) if samples else None


def check_ended_well(job):
    if job["state"] == "failed":
        raise Failure("job %d failed: %s" % (job["id"], job["error"]))
    if job["state"] != "succeeded":
        raise Failure("job %d is %s" % (job["id"], job["state"]))


def check_picture(path, columns_at_most):
    """A PNG that is really there; told by its own bytes."""
    with open(path, "rb") as f:
        data = f.read()
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:8] != b"\x89PNG\r\n\x1a\n" or not 0 < width <= columns_at_most or not 0 < height <= columns_at_most:
        raise Failure("%s is no picture as it should be" % path)


def smoke(daemon, words):
    body = dict(SMOKE)
    body.update(job_parameters(daemon, words))
    job = daemon.ask("POST", "/jobs", body)
    job = follow(daemon, job["id"], math.inf)  # those pictures do not stay
    check_ended_well(job)
    for key in ("loss_d", "loss_g"):
        if job[key] is None or not math.isfinite(job[key]):
            raise Failure("%s is %s at the end" % (key, job[key]))
    path = newest_sample(daemon, job["id"])
    if path is None:
        raise Failure("job %d made no picture" % job["id"])
    check_picture(path, 1 << 16)
    return path


def train(daemon, words, faces, stay):
    job_id = find_or_submit(daemon, job_parameters(daemon, words), faces)
    known = daemon.ask_all("/jobs/%d/samples" % job_id, "samples")
    job = follow(daemon, job_id, known[-1]["step"] if known else -1)
    check_ended_well(job)
    say("job %d is done; its last pictures are in %s" % (job_id, newest_sample(daemon, job_id)))
    if stay:
        say("the dashboard stays at %s until Ctrl-C" % daemon.url)
        while True:
            daemon.check_alive()
            time.sleep(1)


def main(argv):
    options = {"daemon": None, "var": None, "port": "8080", "state-dir": None, "smoke": None, "exit": None,
               "faces": None}
    words = {}
    for word in argv:
        name, _, value = word[2:].partition("=")
        if name in options:
            options[name] = value
        else:
            words[name.replace("-", "_")] = value
    if not options["port"].isdecimal() or not 0 < int(options["port"]) < 65536:
        raise Failure('--port: expected a number from 1 to 65535, found "%s"' % options["port"])
    is_smoke = options["smoke"] is not None
    temporary = None
    state = options["state-dir"] or options["var"]
    if is_smoke and options["state-dir"] is None:
        temporary = tempfile.mkdtemp(prefix="dcgand-smoke-")
        state = os.path.join(temporary, "state")
    state = os.path.abspath(state)
    if options["faces"] is not None:
        words["dataset"] = options["faces"]
    own = os.path.realpath(words["dataset"]) if "/" in words.get("dataset", "") else None
    if own and not os.path.exists(own):
        raise Failure("%s does not exist" % own)
    pictures = OwnPictures(state)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, on_signal)
    daemon = Daemon(options["daemon"], state, int(options["port"]), pictures.roots(own))
    picture = None
    try:
        try:
            daemon.wait_ready()
            say("the dashboard: %s" % daemon.url)
            if own:
                words["dataset"] = pictures.register(daemon, own)
            if is_smoke:
                picture = smoke(daemon, words)
            else:
                train(daemon, words, options["faces"] is not None, options["exit"] is None)
        finally:
            if daemon.process.poll() is None:
                say("stopping with a checkpoint ..." if daemon.busy else "stopping ...")
            daemon.stop()
    except Interrupted:
        say("stopped; run it again to go on" if daemon.busy and not temporary else "stopped")
        if temporary:
            shutil.rmtree(temporary)
        return 1 if is_smoke else 0
    except Failure as why:
        raise Failure("%s\n(what there is lies in %s)" % (why, state)) from None
    if picture and temporary:
        kept = os.path.join(temporary, "pictures.png")
        shutil.move(picture, kept)
        shutil.rmtree(state)
        picture = kept
    if picture:
        print(picture, flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failure, OSError) as error:
        print("quickstart: %s" % error, file=sys.stderr, flush=True)
        sys.exit(1)
    except Interrupted:
        sys.exit(1)
