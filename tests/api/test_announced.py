"""Every status that /openapi.json announces for a route is one that the route gives: each is asked for here.

Together with the check of all tests that no answer was unannounced, the description says neither too little nor
too much. Not asked for here are those that need something to break; these are named below, with the tests that do.
"""

import os
import re
import shutil
import subprocess

from dcgand import PROGRAM, Daemon, equal, folder, main, raw_status, small_job, test, write_idx

ELSEWHERE = {
    500: "tests/faults/test_calls.py has each call of the daemon fail; tests/api/test_routes.py damages files",
    503: "tests/daemon/test_stop.py, tests/api/test_events.py, tests/api/test_routes.py: stopping, or no room for more streams, jobs or open files",
    507: "tests/api/test_room.py fills a disk",
}
LONG = {"epochs": 100000, "sample_every": 0, "checkpoint_every": 0, "swd_images": 0}
tokens = os.path.join(folder(), "tokens")


def token(name, scope):
    made = subprocess.run([PROGRAM, "--new-token", name, "--scope", scope, "--tokens", tokens], capture_output=True, text=True, check=True)
    return made.stdout.strip()


secret = token("ada", "admin")
d = Daemon("--tokens", tokens)
d.auth = {"Authorization": f"Bearer {secret}"}
spec = d.get("/openapi.json").json()["paths"]
operations = {(method.upper(), path): {int(s) for s in operation["responses"]} for path, methods in spec.items() for method, operation in methods.items()}
given = {key: set() for key in operations}
at = {}  # ids and names that stand for the braces of a path


def address(path):
    return re.sub(r"\{(\w+)\}", lambda m: str(at[path.split("/")[1], m[1]]), path)


def ask(method, path, body=None, url=None, **headers):
    """The status of an answer to this operation, which it has then given. If_Match is * where it is needed; None: none."""
    send = {"If-Match": "*"} if method == "PATCH" else {}
    send.update((k.replace("_", "-"), v) for k, v in headers.items())
    if path.endswith("/events"):  # no end: HEAD is as good
        method = "HEAD"
    answer = d.request(method, url or address(path), body, {k: v for k, v in send.items() if v})
    given["GET" if method == "HEAD" else method, path].add(answer.status)
    return answer.status


def raw(method, path, headers):
    """The same with headers that are sent as they are, and no body."""
    text = f"{method} {address(path)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIf-Match: *\r\nAuthorization: Bearer {secret}\r\n{headers}\r\n"
    status = raw_status(d.raw(text.encode(), 60))
    given[method, path].add(status)
    return status


@test
def begin():
    """a data set, a job that has ended, one at work"""
    d.register_tiny()
    at["jobs", "id"] = job = d.run_job(epochs=2)
    at["jobs", "epoch"], at["jobs", "step"], at["datasets", "name"] = 1, 4, "tiny"
    at["{file}", "file"] = "app.js"
    at["checkpoints", "id"] = d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][0]["id"]
    at["work"] = d.post("/jobs", small_job(**LONG)).json()["id"]
    d.wait_step(at["work"], 1)


@test
def whatever_the_route():
    """what is refused before a handler is called, by every route that announces it"""
    for (method, path), announced in operations.items():
        what = f"{method} {path}"
        equal(announced >= {400, 403, 411, 421}, True, what)
        equal((raw(method, path, "Host: localhost\r\n"), ask(method, path, Origin="http://evil.example"), raw(method, path, "Transfer-Encoding: chunked\r\n"),
               ask(method, path, Host="evil.example")), (400, 403, 411, 421), what)
        if 401 in announced:
            equal(ask(method, path, {"token": "wrong"} if path == "/session" else None, Authorization="Bearer wrong"), 401, what)
        if 413 in announced:
            equal(raw(method, path, f"Content-Type: application/json\r\nContent-Length: {1 << 40}\r\n"), 413, what)
            equal(ask(method, path, "x", Content_Type="text/plain"), 415, what)
        if 428 in announced:
            equal(ask(method, path, {}, If_Match=None), 428, what)


@test
def conditions():
    """entity tags, parts, types, and what there is not"""
    for (method, path), announced in operations.items():
        what, body = f"{method} {path}", {} if method in ("POST", "PATCH") else None
        if 304 in announced:
            equal(ask(method, path, If_None_Match="*"), 304, what)
        if 412 in announced:
            equal(ask(method, path, body, If_Match='"other"'), 412, what)
        if 206 in announced:
            equal((ask(method, path, Range="bytes=0-0"), ask(method, path, Range="bytes=999999999-")), (206, 416), what)
        if 406 in announced:
            equal(ask(method, path, body, Accept="no/such"), 406, what)
        if 404 in announced and "{" in path:
            nothing = re.sub(r"\{(?!name)\w+\}", "999999", path).replace("{name}", "nothing")
            equal(ask(method, path, body, nothing), 404, what)
        if method == "GET":
            # All GETs are fine but for what is not there; HEAD is as GET.
            equal((ask(method, path), d.request("HEAD", address(path)).status), (200, 200), what)


@test
def wrong_in_meaning():
    """422: each with a field that is wrong; a preview without its pictures"""
    for (method, path), announced in operations.items():
        if 422 in announced and method != "GET":
            equal(ask(method, path, {"colour": 1}), 422, f"{method} {path}")
    source, path = os.path.join(d.root, "tiny"), "/datasets/{name}/preview.png"
    os.rename(source, source + "-away")
    equal(ask("GET", path), 409)
    write_idx(source, count=0)
    equal(ask("GET", path), 422)
    shutil.rmtree(source)
    os.rename(source + "-away", source)
    equal(ask("GET", path), 200)


@test
def done():
    """what is asked for is done where the state allows it, else 409"""
    job, work = at["jobs", "id"], at["work"]
    for action in ("pause", "resume", "cancel", "sample", "checkpoint"):
        equal(ask("POST", f"/jobs/{{id}}/{action}"), 409, action)
    equal(ask("DELETE", "/jobs/{id}", url=f"/jobs/{work}"), 409)
    for action, state in (("sample", "running"), ("checkpoint", "running"), ("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        equal(ask("POST", f"/jobs/{{id}}/{action}", url=f"/jobs/{work}/{action}"), 202, action)
        d.wait_state(work, state)
    equal(ask("PATCH", "/jobs/{id}", {"note": "x"}), 200)
    equal(ask("PATCH", "/checkpoints/{id}", {"name": "x"}), 200)
    equal(ask("POST", "/checkpoints/{id}/generate", {"n": 1}), 200)
    equal([ask("POST", "/datasets", {"name": "other", "path": "tiny"}) for _ in range(2)], [201, 409])
    at["datasets", "name"] = "other"
    equal(ask("POST", "/jobs", small_job(dataset="other", **LONG), Idempotency_Key="x"), 201)
    made = d.get("/jobs?limit=1").json()["jobs"][0]["id"]
    equal(ask("DELETE", "/datasets/{name}"), 409)
    d.post(f"/jobs/{made}/cancel", None, 202)
    d.wait_state(made, "cancelled")
    equal(ask("DELETE", "/jobs/{id}", url=f"/jobs/{made}"), 204)
    equal(ask("POST", "/jobs", small_job(dataset="other", **LONG), Idempotency_Key="x"), 409)
    equal(ask("DELETE", "/datasets/{name}"), 204)
    equal(ask("POST", "/session", {"token": secret}), 200)
    equal(ask("DELETE", "/session"), 204)
    free = Daemon()
    free.post("/session", {"token": "x"}, 409)
    given["POST", "/session"].add(409)
    free.stop()


@test
def nothing_is_left():
    """no status is announced that was not given, but those that other tests are for"""
    missing = [f"{method} {path}: {status}" for (method, path), announced in operations.items() for status in sorted(announced - given[method, path] - set(ELSEWHERE))]
    unannounced = [f"{method} {path}: {status}" for (method, path), statuses in given.items() for status in sorted(statuses - operations[method, path])]
    equal((missing, unannounced), ([], []))
    total = sum(len(announced) for announced in operations.values())
    print(f"# {len(operations)} routes of {len(operations)} were asked; {sum(len(a - set(ELSEWHERE)) for a in operations.values())} of {total} statuses were given here", flush=True)
    for status, where in ELSEWHERE.items():
        print(f"# {status}: {where}", flush=True)
    d.stop()


main()
