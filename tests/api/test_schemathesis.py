"""schemathesis against the live daemon: what /openapi.json promises is tried with thousands of requests.

One of the long tests. It finds: statuses, types, headers and schemas of answers that were not
announced, requests against the description that are taken, and such that fit it but are not.
"""

import os
import subprocess
import sys

import pypi
from dcgand import PROGRAM, Daemon, equal, folder, main, test

EXAMPLES = "12"
CONFIG = """
# A request may fit its schema and be wrong in meaning, as JSON Schema cannot say that a data set
# exists, or that two fields exclude each other: 422 is there for that. But nothing that fits is
# malformed (400).
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 404, 409, 412, 422, 503]
# Whether it is still what the client looked at is judged first.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429, "5xx"]
# What is missing has a status of its own.
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 406, 415, 422, 428]
# Busy: the queue is full.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
# A made-up token is none.
[[operations]]
include-path = "/session"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401]
"""

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "schemathesis.txt")) as f:
    pins = f.read().split()
if not os.environ.get("DCG_LONG"):
    print("1..0 # SKIP takes about a minute: the long tests run it (DCG_LONG)")
    sys.exit(0)
module, library = pypi.get("schemathesis", *pins)
if not module:
    print(f"1..0 # SKIP {library}")
    sys.exit(0)

tokens = os.path.join(folder(), "tokens")
made = subprocess.run([PROGRAM, "--new-token", "schemathesis", "--scope", "admin", "--tokens", tokens], capture_output=True, text=True, check=True)
d = Daemon("--max-queued", "20", "--tokens", tokens)
d.auth = {"Authorization": "Bearer " + made.stdout.strip()}
d.register_tiny()
d.run_job(epochs=2)


@test
def nothing_is_found():
    """no answer that was not announced, nothing wrong taken, nothing right refused as malformed"""
    place = folder()
    with open(os.path.join(place, "schemathesis.toml"), "w") as f:
        f.write(CONFIG)
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", os.path.join(place, "schemathesis.toml"), "run",
         f"http://127.0.0.1:{d.port}/openapi.json", "--phases", "examples,coverage,fuzzing", "--mode", "all", "--checks", "all",
         "--header", f"Authorization: {d.auth['Authorization']}",
         "--exclude-path-regex", "events$",  # streams have no end
         "--max-examples", EXAMPLES, "--generation-deterministic", "--suppress-health-check", "all", "--request-timeout", "20",
         "--continue-on-failure", "--no-shrink", "--no-color"],
        env=dict(os.environ, PYTHONPATH=library), cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    lines = run.stdout.splitlines()
    for line in lines if run.returncode else lines[-4:]:
        print(f"# {line}", flush=True)
    if run.returncode:
        raise AssertionError(f"schemathesis: status {run.returncode}: {run.stderr[-2000:]}")


@test
def it_is_none_the_worse():
    """afterwards the daemon answers, and stops with exit status 0"""
    equal(d.get("/readyz").json(), {"status": "ok"})
    for job in d.get("/jobs?limit=200").json()["jobs"]:
        if job["state"] not in ("succeeded", "failed", "cancelled"):
            d.request("POST", f"/jobs/{job['id']}/cancel")
    d.stop()


main()
