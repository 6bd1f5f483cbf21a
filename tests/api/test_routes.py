"""Every route of docs/api.md, when all is well and when it is not."""

import base64
import concurrent.futures
import csv
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import struct
import zlib

from dcgand import Daemon, Stream, equal, main, raw_status, small_job, test, wait_for, write_idx

d = Daemon("--max-queued", "8")
JSON = {"Content-Type": "application/json"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def errors(answer):
    return {e["pointer"]: e["detail"] for e in answer.json()["errors"]}


def png_size(data):
    """Width, height and channels of a PNG whose every chunk is whole."""
    equal(data[:8], b"\x89PNG\r\n\x1a\n")
    at, kinds = 8, []
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        equal(zlib.crc32(data[at + 4:at + 8 + size]), struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0], "CRC")
        kinds.append(kind)
        at += 12 + size
    equal(kinds[-1], b"IEND")
    width, height, _, colour = struct.unpack(">IIBB", data[16:26])
    return width, height, {0: 1, 2: 3}[colour]


def head_is_get(path, **headers):
    """HEAD answers as GET does, without the body."""
    got = d.get(path, **headers)
    head = d.request("HEAD", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    equal(head.status, got.status, f"HEAD {path}")
    equal(head.body, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        equal(head[name], got[name], f"{name} of HEAD {path}")
    # What has a tag is given only to those who ask for it by that tag, or by any.
    if got["ETag"]:
        for tags in (got["ETag"], "*", f'"other" , {got["ETag"]}'):
            d.get(path, If_Match=tags)
        for tags in ('"other"', f"W/{got['ETag']}", "nonsense"):
            equal((d.get(path, 412, If_Match=tags).status, d.request("HEAD", path, headers={"If-Match": tags}).status), (412, 412), f"{path} {tags}")
        d.get(path, 412, If_Match='"other"', If_None_Match=got["ETag"])


# --- The daemon itself -----------------------------------------------------------------

@test
def daemon_tells_about_itself():
    """/healthz, /readyz, /version"""
    equal(d.get("/healthz").json(), {"status": "ok"})
    equal(d.get("/readyz").json(), {"status": "ok"})
    version = d.get("/version").json()
    equal(version["version"], "0.1.0")
    equal("ref" in version["kernels"] and "pytorch" in version["presets"], True, str(version))
    for path in ("/healthz", "/readyz", "/version", "/openapi.json", "/", "/jobs", "/datasets"):
        head_is_get(path)
        equal(d.get(path)["Cache-Control"] in ("no-store", "no-cache"), True)


@test
def openapi_is_whole():
    """/openapi.json: 3.1, every reference leads somewhere, the request's schema has every parameter"""
    spec = d.get("/openapi.json").json()
    equal(spec["openapi"], "3.1.0")

    def follow(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    at = spec
                    for part in value.removeprefix("#/").split("/"):
                        at = at[part]
                else:
                    follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)
    follow(spec)
    request = spec["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = spec["components"]["schemas"][request.rsplit("/", 1)[1]]
    for name in ("dataset", "name", "priority", "seed", "preset", "arch", "size", "epochs", "batch_size", "lr_g", "from_checkpoint"):
        equal(name in schema["properties"], True, name)
    equal(schema["required"], ["dataset"])
    documented = {(m, p) for p, operations in spec["paths"].items() for m in operations}
    for method, path in (("get", "/jobs"), ("post", "/jobs"), ("patch", "/jobs/{id}"), ("delete", "/jobs/{id}"), ("post", "/jobs/{id}/pause"), ("get", "/events"),
                         ("get", "/jobs/{id}/samples/step-{step}.png"), ("post", "/checkpoints/{id}/generate"), ("get", "/")):
        equal((method, path) in documented, True, f"{method} {path}")
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            equal(names, set(re.findall(r"\{(\w+)\}", path)), f"parameters of {method} {path}")
            equal({"400", "403", "421", "500", "503"} <= set(operation["responses"]), True, path)


@test
def page_is_served():
    """the page's files, with types and entity tags; only those"""
    index = d.get("/")
    equal(index["Content-Type"], "text/html; charset=utf-8")
    equal(index.body, d.get("/index.html").body)
    equal(d.get("/?job=1#x").body, index.body, "a query is the page's own business")
    files = set(re.findall(r'(?:src|href)="/?([a-z.-]+\.(?:js|css|svg))"', index.body.decode()))
    equal(len(files) > 0, True, index.body)
    for name in files | {"chart.js"}:
        answer = d.get(f"/{name}")
        expected = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}[name.rsplit(".", 1)[1]]
        equal(answer["Content-Type"], expected, name)
        equal(len(answer.body) > 100, True, name)
        equal(d.request("GET", f"/{name}", headers={"If-None-Match": answer["ETag"]}).status, 304, name)
    equal(b"Chart" in d.get("/chart.js").body, True)
    d.get("/local.mk", 404)


@test
def page_from_a_folder():
    """--web-dir serves files of a folder, but nothing outside it, and the built-in rest"""
    web = os.path.join(d.folder, "web")
    os.makedirs(web)
    with open(os.path.join(web, "index.html"), "w") as f:
        f.write("<p>mine</p>")
    with open(os.path.join(d.folder, "secret.txt"), "w") as f:
        f.write("secret")
    os.symlink("../secret.txt", os.path.join(web, "link.txt"))
    os.makedirs(os.path.join(web, "folder.d"))
    other = Daemon("--web-dir", web)
    equal(other.get("/").body, b"<p>mine</p>")
    equal(other.get("/", 304, If_None_Match=other.get("/")["ETag"]).body, b"")
    for path in ("/link.txt", "/folder.d", "/nothing.txt", "/secret.txt"):
        other.get(path, 404)
    other.get("/../secret.txt", 400)
    other.get("/..%2fsecret.txt", 400)
    equal(other.get("/chart.js").body, d.get("/chart.js").body)
    with open(os.path.join(web, "index.html"), "w") as f:
        f.write("<p>new</p>")
    equal(other.get("/").body, b"<p>new</p>", "read anew")
    other.stop()


# --- Data sets -----------------------------------------------------------------------

@test
def datasets():
    """register, list, look at, preview and forget data sets"""
    answer = d.post("/datasets", {"name": "tiny", "path": "tiny"})
    equal(answer["Location"], "/datasets/tiny")
    tiny = answer.json()
    for key, value in {"name": "tiny", "format": "idx", "count": 64, "width": 16, "height": 16, "channels": 1, "classes": 10,
                       "builtin": False, "preview": "/datasets/tiny/preview.png"}.items():
        equal(tiny[key], value, key)
    equal(bool(TIME.fullmatch(tiny["created_at"])), True, tiny["created_at"])
    equal(len(tiny["class_names"]), 10)
    equal(d.get("/datasets/tiny").json(), tiny)
    names = [x["name"] for x in d.get("/datasets").json()["datasets"]]
    equal("tiny" in names and names == sorted(names), True, str(names))
    preview = d.get("/datasets/tiny/preview.png")
    equal(preview["Content-Type"], "image/png")
    equal(png_size(preview.body)[2], 1)
    d.get("/datasets/tiny/preview.png", 304, If_None_Match=preview["ETag"])
    head_is_get("/datasets/tiny/preview.png")
    d.post("/datasets", {"name": "other", "path": os.path.join(d.root, "tiny"), "format": "idx"})
    page = d.get("/datasets?limit=1").json()
    equal(len(page["datasets"]), 1)
    seen = list(page["datasets"])
    while page["next"]:
        page = d.get(f"/datasets?limit=1&cursor={page['next']}").json()
        seen += page["datasets"]
    equal([x["name"] for x in seen], [x["name"] for x in d.get("/datasets").json()["datasets"]])
    everything = d.get("/datasets").json()["datasets"]
    for kind in ("idx", "folder"):
        equal(d.get(f"/datasets?format={kind}").json()["datasets"], [x for x in everything if x["format"] == kind])
    d.get("/datasets?format=zip", 400)
    d.delete("/datasets/other")
    d.delete("/datasets/other", 404)
    equal(os.path.exists(os.path.join(d.root, "tiny", "train-images-idx3-ubyte")), True, "the source stays")


@test
def datasets_that_will_not_do():
    """names, paths and formats that are refused; the file system outside the roots stays unseen"""
    os.symlink("/etc", os.path.join(d.root, "out"))
    os.makedirs(os.path.join(d.root, "empty"), exist_ok=True)
    with open(os.path.join(d.root, "broken"), "wb") as f:
        f.write(b"\0\0\x08\x03" + b"\xff" * 12)
    for path in ("/etc", "../../../../../../etc", "out", "out/passwd", "/", "tiny/../../..", d.folder):
        answer = d.request("POST", "/datasets", {"name": "x", "path": path})
        equal(answer.status in (403, 404), True, f"{path}: {answer}")
    for path in ("nothing", "tiny/nothing", "empty", "broken"):
        equal(d.request("POST", "/datasets", {"name": "x", "path": path}).status, 422, path)
    equal(set(errors(d.post("/datasets", {}, 422))), {"/name", "/path"})
    equal(set(errors(d.post("/datasets", {"name": "X", "path": 5, "format": "zip", "colour": 1}, 422))), {"/name", "/path", "/format", "/colour"})
    for name in ("", ".x", "a/b", "x" * 64, "\u00fc", "a b"):
        equal(list(errors(d.post("/datasets", {"name": name, "path": "tiny"}, 422))), ["/name"], name)
    for method, path in (("GET", "/datasets/nothing"), ("GET", "/datasets/nothing/preview.png"), ("DELETE", "/datasets/nothing")):
        equal(d.request(method, path).status, 404, path)
    equal(d.get("/datasets/x", 404).status, 404, "nothing was registered")


# --- A job -----------------------------------------------------------------------------

@test
def job_is_made_and_shown():
    """POST /jobs gives 201, Location and the whole job; it runs to its end"""
    answer = d.post("/jobs", small_job(name="first \u00fc"))
    job = answer.json()
    equal(answer["Location"], f"/jobs/{job['id']}")
    equal(job["id"], 1)
    equal(job["state"] in ("queued", "preparing", "running"), True)
    equal((job["name"], job["dataset"], job["params"]["batch_size"], job["params"]["lr_g"]), ("first \u00fc", "tiny", 16, 0.0002))
    equal(bool(TIME.fullmatch(job["created_at"])), True)
    job = d.wait_state(1, "succeeded", "failed")
    equal((job["state"], job["error"], job["epoch"], job["epochs"], job["steps_per_epoch"], job["steps_total"], job["step"]),
          ("succeeded", None, 2, 2, 4, 8, 8))
    for key in ("images_per_s", "eta_s", "loss_d", "loss_g", "d_real", "d_fake"):
        equal(isinstance(job[key], (int, float)), True, key)
    for key in ("started_at", "finished_at"):
        equal(bool(TIME.fullmatch(job[key])), True, key)
    head_is_get("/jobs/1")


@test
def job_that_will_not_do():
    """422 names each wrong field"""
    found = errors(d.post("/jobs", {"dataset": "nope", "batch_size": "x", "colour": 1, "size": 17, "lr_g": -1, "flip": 1}, 422))
    equal(set(found), {"/dataset", "/batch_size", "/colour", "/size", "/lr_g", "/flip"})
    equal(found["/batch_size"], "expected a whole number from 2 to 4096, found \"x\"")
    equal(found["/colour"], "unknown field")
    equal(list(errors(d.post("/jobs", {}, 422))), ["/dataset"])
    equal(list(errors(d.post("/jobs", small_job(preset="nope"), 422))), ["/preset"])
    equal(list(errors(d.post("/jobs", small_job(from_checkpoint=99999), 422))), ["/from_checkpoint"])
    equal(list(errors(d.post("/jobs", small_job(name="x" * 100), 422))), ["/name"])


@test
def jobs_are_listed():
    """newest first, in pages, filtered"""
    for i in range(3):
        d.run_job(epochs=1, max_steps=1, name=f"more {i}")
    every = d.get("/jobs").json()
    equal([j["id"] for j in every["jobs"]], [4, 3, 2, 1])
    equal(every["next"], None)
    page = d.get("/jobs?limit=3").json()
    equal([j["id"] for j in page["jobs"]], [4, 3, 2])
    page = d.get(f"/jobs?limit=3&cursor={page['next']}").json()
    equal(([j["id"] for j in page["jobs"]], page["next"]), ([1], None))
    equal(len(d.get("/jobs?state=succeeded").json()["jobs"]), 4)
    equal(d.get("/jobs?state=failed&dataset=tiny").json()["jobs"], [])
    equal(len(d.get("/jobs?dataset=tiny&limit=200").json()["jobs"]), 4)
    equal(d.get("/jobs?dataset=tin%27%20OR%201--").json()["jobs"], [])


@test
def job_has_a_version():
    """ETag, If-None-Match and If-Match on jobs"""
    answer = d.get("/jobs/1")
    equal(answer["ETag"], f'"{answer.json()["version"]}"')
    not_modified = d.get("/jobs/1", 304, If_None_Match=answer["ETag"])
    equal((not_modified.body, not_modified["ETag"]), (b"", answer["ETag"]))
    d.get("/jobs/1", 304, If_None_Match=f'"0", W/{answer["ETag"]}')
    d.get("/jobs/1", 304, If_None_Match="*")
    d.get("/jobs/1", 200, If_None_Match='"0"')
    d.get("/jobs/1", 200, If_None_Match="nonsense")
    d.delete("/jobs/1", 412, If_Match='"0"')
    d.delete("/jobs/1", 412, If_Match=f"W/{answer['ETag']}")
    d.post("/jobs/1/cancel", None, 412, If_Match='"0"')
    d.get("/jobs/1", 200)


@test
def requests_with_a_key():
    """Idempotency-Key: the same request again makes nothing, another one with its key is refused"""
    body = small_job(epochs=1, max_steps=1, name="once")
    first = d.post("/jobs", body, Idempotency_Key="k-1")
    job = first.json()["id"]
    d.wait_state(job, "succeeded")
    for _ in range(3):
        again = d.post("/jobs", body, Idempotency_Key="k-1")
        equal((again.status, again["Location"], again.json()["id"]), (201, first["Location"], job))
    equal(d.get("/jobs?limit=1").json()["jobs"][0]["id"], job, "nothing was made")
    answer = d.post("/jobs", dict(body, epochs=2), 422, Idempotency_Key="k-1")
    equal("Idempotency-Key" in answer.json()["detail"], True, str(answer))
    # What is refused leaves no key behind; other keys and none make jobs of their own.
    d.post("/jobs", {"dataset": "nope"}, 422, Idempotency_Key='"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    other = d.post("/jobs", body, Idempotency_Key='"8e03978e-40d5-43dd-bc93-6894a57f9324"').json()["id"]
    unkeyed = d.post("/jobs", body).json()["id"]
    equal(len({job, other, unkeyed}), 3)
    for key in ("", "x" * 256, "two words", "\u00fc"):
        d.post("/jobs", body, 400, Idempotency_Key=key)
    text = json.dumps(body).encode()
    head = f"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1:{d.port}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n".encode()
    equal(raw_status(d.raw(head + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n" + text, 1)), 400)
    for made in (other, unkeyed):
        d.wait_state(made, "succeeded")
        d.delete(f"/jobs/{made}")
    # Many at once: one job.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = {pool.submit(d.request, "POST", "/jobs", body, {"Idempotency-Key": "race"}) for _ in range(8)}
        answers = [f.result() for f in made]
    equal({(a.status, a["Location"]) for a in answers}, {(201, answers[0]["Location"])})
    job2 = answers[0].json()["id"]
    d.wait_state(job2, "succeeded")
    # The key outlives a restart, and its job: a late repetition does not make it anew.
    d.delete(f"/jobs/{job2}")
    d.post("/jobs", body, 409, Idempotency_Key="race")
    d.stop()
    d.start()
    equal(d.post("/jobs", body, Idempotency_Key="k-1").json()["id"], job)
    d.post("/jobs", body, 409, Idempotency_Key="race")
    # A day later it is forgotten.
    d.stop()
    store = sqlite3.connect(os.path.join(d.state, "dcgand.db"))
    store.execute("UPDATE request_keys SET created_ms = created_ms - 24 * 3600 * 1000 WHERE key = 'race'")
    store.commit()
    store.close()
    d.start()
    fresh = d.post("/jobs", body, Idempotency_Key="race").json()["id"]
    equal(fresh > job2, True)
    d.wait_state(fresh, "succeeded")
    for made in (fresh, job):
        d.delete(f"/jobs/{made}")


@test
def jobs_are_described():
    """PATCH /jobs/{id}: name, note, tags, priority; If-Match; the tag filter; the event"""
    before = d.get("/jobs/1")
    stream = Stream(d, "/jobs/1/events")
    answer = d.patch("/jobs/1", {"name": "best \u00fc", "note": "line 1\n\tline 2", "tags": ["good", "it's %"], "priority": -7})
    job = answer.json()
    equal((job["name"], job["note"], job["tags"], job["priority"]), ("best \u00fc", "line 1\n\tline 2", ["good", "it's %"], -7))
    equal((job["version"], answer["ETag"]), (before.json()["version"] + 1, f'"{job["version"]}"'))
    equal(d.get("/jobs/1").json(), job)
    number, kind, data = stream.next()
    equal((kind, data["job"], data["name"], data["note"], data["tags"], data["priority"]),
          ("job", 1, job["name"], job["note"], job["tags"], -7))
    stream.close()
    equal({k: v for k, v in job.items() if k not in ("name", "note", "tags", "priority", "version")},
          {k: v for k, v in before.json().items() if k not in ("name", "note", "tags", "priority", "version")}, "the rest")
    # Only what is given changes, and nothing with nothing.
    equal(d.patch("/jobs/1", {"note": ""}).json(), dict(job, note="", version=job["version"] + 1))
    tag = d.get("/jobs/1")["ETag"]
    equal(d.patch("/jobs/1", {})["ETag"], tag)
    # Conditions.
    d.patch("/jobs/1", {"name": "x"}, 412, If_Match=before["ETag"])
    d.patch("/jobs/1", {"name": "y"}, If_Match=f'"0", {tag}')
    d.patch("/jobs/1", {"name": "first \u00fc"}, If_Match="*")
    # Filters.
    equal([j["id"] for j in d.get("/jobs?tag=good").json()["jobs"]], [1])
    equal([j["id"] for j in d.get("/jobs?tag=it%27s+%25&state=succeeded&dataset=tiny").json()["jobs"]], [1])
    for query in ("tag=goo", "tag=Good", "tag=good&state=failed", "tag=%5B%22good%22%5D"):
        equal(d.get(f"/jobs?{query}").json()["jobs"], [], query)
    d.get("/jobs?tag=", 400)
    d.patch("/jobs/1", {"tags": []})
    equal(d.get("/jobs?tag=good").json()["jobs"], [])
    # What will not do; nothing of it is stored.
    now = d.get("/jobs/1").json()
    for body, pointers in (({"colour": 1, "name": "z"}, {"/colour"}), ({"state": "failed"}, {"/state"}), ({"name": None}, {"/name"}),
                           ({"name": "x" * 64, "note": 5, "tags": "a", "priority": 101}, {"/name", "/note", "/tags", "/priority"}),
                           ({"tags": ["a", "", 5, "a", "x" * 41]}, {"/tags/1", "/tags/2", "/tags/3", "/tags/4"}),
                           ({"tags": [f"{i}" for i in range(17)]}, {"/tags"}), ({"note": "x" * 4001}, {"/note"}), ({"note": "\u0007"}, {"/note"}),
                           ({"name": "two\nlines"}, {"/name"}), ({"priority": 1.5}, {"/priority"}), ({"a/b~": 1}, {"/a~1b~0"})):
        equal(set(errors(d.patch("/jobs/1", body, 422))), pointers, str(body))
    equal(d.get("/jobs/1").json(), now)
    d.patch("/jobs/99", {"name": "x"}, 404)
    equal(d.request("PATCH", "/jobs/1", b"[]", dict(JSON, **{"If-Match": "*"})).status, 400)
    equal(d.request("PATCH", "/jobs/1", b"{}", {"Content-Type": "text/plain", "If-Match": "*"}).status, 415)
    equal(d.request("PATCH", "/jobs/1", None, {"If-Match": "*"}).status, 400)
    refused = d.request("PATCH", "/jobs/1", {"name": "x"})
    equal((refused.status, "If-Match" in refused.json()["detail"]), (428, True))
    equal(d.request("PATCH", "/jobs/99", {"name": "x"}).status, 428, "before it is looked for")
    for value in ("", "1", "**", '"1', '"a b"', '"1" "2"', '"1",', "w/\"1\""):
        d.patch("/jobs/1", {"name": "x"}, 400, If_Match=value)
    d.patch("/jobs/1", {"name": "x"}, 412, If_Match='W/"1" , "none"')
    equal(d.request("PUT", "/jobs/1", {})["Allow"], "GET, HEAD, PATCH, DELETE")


@test
def pinned_jobs_stay():
    """a pinned job is not deleted until its pin is taken away"""
    job = d.run_job(epochs=1)
    equal(d.get(f"/jobs/{job}").json()["pinned"], False)
    stream = Stream(d, f"/jobs/{job}/events")
    equal(d.patch(f"/jobs/{job}", {"pinned": True}).json()["pinned"], True)
    equal(stream.next()[2]["pinned"], True)
    stream.close()
    equal(([j["id"] for j in d.get("/jobs?pinned=true").json()["jobs"]], job in [j["id"] for j in d.get("/jobs?pinned=false").json()["jobs"]]), ([job], False))
    equal("pinned" in d.delete(f"/jobs/{job}", 409).json()["detail"], True)
    equal(set(errors(d.patch(f"/jobs/{job}", {"pinned": 1}, 422))), {"/pinned"})
    d.get("/jobs?pinned=yes", 400)
    d.patch(f"/jobs/{job}", {"pinned": False})
    d.delete(f"/jobs/{job}")


@test
def running_job_is_described():
    """a job at work keeps what was written on it, and If-Match does not lose a race; priorities order the queue"""
    job = d.post("/jobs", small_job(epochs=10000, sample_every=0, checkpoint_every=0)).json()["id"]
    d.wait_state(job, "running")
    d.patch(f"/jobs/{job}", {"name": "at work", "tags": ["t"]})
    d.wait_step(job, d.job(job)["step"] + 50)
    found = d.job(job)
    equal((found["name"], found["tags"], found["state"]), ("at work", ["t"], "running"))
    d.patch(f"/jobs/{job}", {"name": "still"}, If_Match="*")
    low, high = (d.post("/jobs", small_job(epochs=1, max_steps=1)).json()["id"] for _ in range(2))
    d.patch(f"/jobs/{high}", {"priority": 5})
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(low, "succeeded")
    equal(d.job(high)["finished_at"] <= d.job(low)["started_at"], True)
    for made in (job, low, high):
        d.delete(f"/jobs/{made}")


@test
def actions():
    """in a state that does not allow them 409; they take an empty object but no fields"""
    for action in ("pause", "resume", "sample", "checkpoint"):
        d.post(f"/jobs/1/{action}", None, 409)
        d.post(f"/jobs/1/{action}", {}, 409)
        d.post(f"/jobs/99/{action}", None, 404)
        equal(errors(d.post(f"/jobs/1/{action}", {"now": True, "a/b~": [], "": 0}, 422)),
              {pointer: "unknown field: this action has none" for pointer in ("/now", "/a~1b~0", "/")})
        equal(d.request("POST", f"/jobs/1/{action}", b"{}" + b" " * 2000, JSON).status, 413)
    d.post("/jobs/99/cancel", None, 404)
    equal(d.request("POST", "/jobs/1/explode").status, 404)


@test
def metrics_json():
    """buckets that cover all steps and keep extremes, ends and totals"""
    m = d.get("/jobs/1/metrics").json()
    equal((m["job"], m["from"], m["to"]), (1, 1, 8))
    equal(set(m["series"]), {"loss_d", "loss_g", "d_real", "d_fake", "d_fake_after", "images_per_s", "swd", "ms_ssim"})
    full = m["series"]["loss_d"]
    equal((full["total"], len(full["points"])), (8, 8))
    values = [p["last"] for p in full["points"]]
    m = d.get("/jobs/1/metrics?series=loss_d,d_real&max_points=3&from=2&to=7").json()
    equal(list(m["series"]), ["loss_d", "d_real"])
    points = m["series"]["loss_d"]["points"]
    equal(m["series"]["loss_d"]["total"], 6)
    equal(len(points) <= 3 and points[0]["step"] == 2 and points[-1]["last_step"] == 7, True, str(points))
    equal(sum(p["count"] for p in points), 6)
    for p in points:
        inside = values[p["step"] - 1:p["last_step"]]
        equal((p["min"], p["max"], p["last"]), (min(inside), max(inside), inside[-1]))
        equal((values[p["min_step"] - 1], values[p["max_step"] - 1]), (p["min"], p["max"]))
    equal(d.get("/jobs/1/metrics?from=9").json()["series"]["loss_d"], {"total": 0, "points": []})
    for query in ("series=nope", "series=loss_d,", "series=", "from=x", "max_points=1", "max_points=99999999", "to=-1", "step=1"):
        d.get(f"/jobs/1/metrics?{query}", 400)
    d.get("/jobs/99/metrics", 404)


@test
def metrics_csv():
    """the same as CSV, chosen by Accept with its qualities"""
    answer = d.get("/jobs/1/metrics?series=loss_g", Accept="text/csv")
    equal(answer["Content-Type"], "text/csv; charset=utf-8")
    equal(answer["Vary"], "Accept")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    points = d.get("/jobs/1/metrics?series=loss_g").json()["series"]["loss_g"]["points"]
    equal([(r["series"], int(r["step"]), int(r["last_step"]), int(r["count"]), float(r["min"]), float(r["max"]), float(r["last"]),
            int(r["min_step"]), int(r["max_step"])) for r in rows],
          [("loss_g", p["step"], p["last_step"], p["count"], p["min"], p["max"], p["last"], p["min_step"], p["max_step"]) for p in points])
    for accept, kind in (("*/*", "application/json"), ("text/*", "text/csv; charset=utf-8"), ("text/csv;q=0.5, application/json;q=0.4", "text/csv; charset=utf-8"),
                         ("application/json;q=0, */*", "text/csv; charset=utf-8"), ("text/csv, application/json", "application/json"),
                         ("text/csv;q=0.9,application/json;q=0.900", "application/json"), ("TEXT/CSV", "text/csv; charset=utf-8"),
                         ("text/html, text/csv;q=0.001", "text/csv; charset=utf-8"), ("", "application/json")):
        equal(d.get("/jobs/1/metrics", Accept=accept)["Content-Type"], kind, accept)
    for accept in ("text/html", "application/*;q=0", "text/csv;q=0", "nonsense", ";;;,,,", "text/csv;q=2"):
        d.get("/jobs/1/metrics", 406, Accept=accept)


@test
def samples():
    """the list, the three forms of address, entity tags"""
    listed = d.get("/jobs/1/samples").json()["samples"]
    equal([(s["epoch"], s["url"]) for s in listed if s["url"] == f"/jobs/1/samples/{s['epoch']}.png"],
          [(0, "/jobs/1/samples/0.png"), (1, "/jobs/1/samples/1.png"), (2, "/jobs/1/samples/2.png")])
    equal([s["step"] for s in listed], sorted(s["step"] for s in listed))
    for s in listed:
        for url in (s["url"], f"/jobs/1/samples/step-{s['step']}.png"):
            answer = d.get(url)
            equal((answer["Content-Type"], len(answer.body), answer["ETag"]), ("image/png", s["size"], f'"{s["sha256"]}"'), url)
            equal(hashlib.sha256(answer.body).hexdigest(), s["sha256"])
            png_size(answer.body)
            equal(d.get(url, 304, If_None_Match=answer["ETag"]).body, b"")
        equal(bool(TIME.fullmatch(s["created_at"])), True)
    equal(d.get("/jobs/1/samples/latest.png").body, d.get(listed[-1]["url"]).body)
    head_is_get("/jobs/1/samples/latest.png")
    seen, page = [], d.get("/jobs/1/samples?limit=1").json()
    while True:
        seen += page["samples"]
        if not page["next"]:
            break
        page = d.get(f"/jobs/1/samples?limit=1&cursor={page['next']}").json()
    equal([s["step"] for s in seen], [s["step"] for s in listed])
    for epoch in {s["epoch"] for s in listed}:
        equal(d.get(f"/jobs/1/samples?epoch={epoch}").json()["samples"], [s for s in listed if s["epoch"] == epoch])
    equal(d.get("/jobs/1/samples?epoch=99").json(), {"samples": [], "next": None})
    d.get("/jobs/1/samples?epoch=-1", 400)
    d.get("/jobs/1/samples?pinned=true", 400)
    for path in ("/jobs/1/samples/77.png", "/jobs/1/samples/step-77.png", "/jobs/1/samples/newest.png", "/jobs/1/samples/1.jpg",
                 "/jobs/1/samples/step-.png", "/jobs/1/samples/.png", "/jobs/99/samples/latest.png", "/jobs/99/samples", "/jobs/99/samples/1.png"):
        d.get(path, 404)


@test
def checkpoints():
    """the list, one, and its file"""
    listed = d.get("/jobs/1/checkpoints").json()
    equal(listed["next"], None)
    equal(len(listed["checkpoints"]) >= 1, True)
    c = listed["checkpoints"][-1]
    equal((c["job"], c["epoch"], c["step"], c["pinned"], c["url"]), (1, 2, 8, False, f"/checkpoints/{c['id']}/file"))
    equal(d.get(f"/checkpoints/{c['id']}").json(), c)
    answer = d.get(c["url"])
    equal((len(answer.body), hashlib.sha256(answer.body).hexdigest()), (c["size"], c["sha256"]))
    equal(answer["Content-Disposition"], 'attachment; filename="job-1-step-8.safetensors"')
    header = json.loads(answer.body[8:8 + struct.unpack("<Q", answer.body[:8])[0]])
    equal(header["__metadata__"]["format"], "dcgand-checkpoint")
    head_is_get(c["url"])
    head_is_get(f"/checkpoints/{c['id']}")
    for path in ("/checkpoints/999", "/checkpoints/999/file", "/jobs/99/checkpoints", "/checkpoints", "/checkpoints/x"):
        d.get(path, 404)


def newest_checkpoint(job=1):
    return d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"][-1]


@test
def checkpoints_are_pinned():
    """PATCH /checkpoints/{id}: pinned and name; what is pinned outlives keep_last"""
    job = d.post("/jobs", small_job(epochs=100000, keep_last=1, sample_every=0, checkpoint_every=0, swd_images=0)).json()["id"]
    d.wait_state(job, "running")

    def another(than):
        d.post(f"/jobs/{job}/checkpoint", None, 202)
        return wait_for(lambda: next((c for c in d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"] if c["id"] not in than), None), "a checkpoint")
    first = another([])
    equal((first["pinned"], first["name"]), (False, ""))
    stream = Stream(d, f"/jobs/{job}/events")
    pinned = d.patch(f"/checkpoints/{first['id']}", {"pinned": True, "name": "the good one"}).json()
    equal(pinned, dict(first, pinned=True, name="the good one"))
    own = f"/jobs/{first['job']}/checkpoints"
    equal([c["id"] for c in d.get(f"{own}?pinned=true").json()["checkpoints"]], [first["id"]])
    for c in d.get(f"{own}?pinned=false").json()["checkpoints"]:
        equal((c["pinned"], c["id"] != first["id"]), (False, True))
    equal({c["epoch"] for c in d.get(f"{own}?epoch={first['epoch']}").json()["checkpoints"]}, {first["epoch"]})
    d.get(f"{own}?pinned=1", 400)
    event = stream.until(lambda kind, _: kind == "checkpoint")[-1]
    equal({k: v for k, v in event[2].items() if k != "at"}, pinned)
    stream.close()
    second = another([first["id"]])
    third = another([first["id"], second["id"]])
    wait_for(lambda: [c["id"] for c in d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]] == [first["id"], third["id"]], "retention")
    d.get(first["url"])
    d.get(second["url"], 404)
    d.patch(f"/checkpoints/{first['id']}", {"pinned": False})
    fourth = another([first["id"], third["id"]])
    wait_for(lambda: [c["id"] for c in d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]] == [fourth["id"]], "retention")
    for body, pointer in (({"pinned": 1}, "/pinned"), ({"pinned": None}, "/pinned"), ({"name": 5}, "/name"), ({"name": "x" * 128}, "/name"), ({"size": 1}, "/size")):
        equal(list(errors(d.patch(f"/checkpoints/{fourth['id']}", body, 422))), [pointer])
    equal(d.get(f"/checkpoints/{fourth['id']}").json(), fourth)
    equal(d.patch(f"/checkpoints/{fourth['id']}", {}).json(), fourth)
    d.patch("/checkpoints/99999", {"pinned": True}, 404)
    url = f"/checkpoints/{fourth['id']}"
    equal(d.request("PATCH", url, {"name": "x"}).status, 428)
    tag = d.get(url)["ETag"]
    d.get(url, 304, If_None_Match=tag)
    d.patch(url, {"name": "x"}, 412, If_Match='"other"')
    new = d.patch(url, {"name": "mine"}, If_Match=tag)
    equal((new["ETag"] == tag, new["ETag"]), (False, d.get(url)["ETag"]))
    d.patch(url, {"name": "yours"}, 412, If_Match=tag)
    d.patch(url, {"name": ""}, If_Match=new["ETag"])
    equal((d.get(url)["ETag"], d.get(url).json()), (tag, fourth), "as it was")
    d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(job, "cancelled")
    d.delete(f"/jobs/{job}")


@test
def ranges():
    """parts of a file: 206, 416, If-Range; not of HEAD; what is malformed is ignored"""
    c = newest_checkpoint()
    url, size, tag = c["url"], c["size"], f'"{c["sha256"]}"'
    whole = d.get(url).body
    for spec, first, last in (("0-0", 0, 0), ("0-9", 0, 9), ("5-", 5, size - 1), ("-7", size - 7, size - 1), (f"{size - 1}-", size - 1, size - 1),
                              (f"10-{size + 99}", 10, size - 1), (f"-{size + 5}", 0, size - 1), ("0-999999999999999999", 0, size - 1)):
        answer = d.get(url, 206, Range=f"bytes={spec}")
        equal(answer["Content-Range"], f"bytes {first}-{last}/{size}", spec)
        equal(answer.body, whole[first:last + 1], spec)
        equal(answer["ETag"], tag)
    for spec in (f"{size}-", "-0", f"{size + 5}-{size + 9}"):
        answer = d.get(url, 416, Range=f"bytes={spec}")
        equal(answer["Content-Range"], f"bytes */{size}", spec)
    for spec in ("bytes=5-2", "bytes=a-b", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "0-5", "bytes=99999999999999999999-", "bytes= 0-1"):
        equal(len(d.get(url, 200, Range=spec).body), size, spec)
    d.get(url, 206, Range="bytes=0-1", If_Range=tag)
    d.get(url, 200, Range="bytes=0-1", If_Range='"other"')
    d.get(url, 200, Range="bytes=0-1", If_Range=f"W/{tag}")
    d.get(url, 412, Range="bytes=0-1", If_Match='"other"')
    d.get(url, 304, Range="bytes=0-1", If_None_Match=tag)
    # Of HEAD no part is asked for (RFC 9110, section 14.2).
    for more in ({"Range": "bytes=0-9"}, {"Range": "bytes=0-9", "If-Range": tag}, {"Range": "bytes=0-9", "If-Range": '"other"'}, {"Range": f"bytes={size}-"}):
        answer = d.request("HEAD", url, headers=more)
        equal((answer.status, answer["Content-Length"], answer["Content-Range"], answer["Accept-Ranges"], answer["ETag"], answer.body),
              (200, str(size), None, "bytes", tag, b""), str(more))
    # A date is no entity tag: what was changed since is not known, so all of it comes.
    d.get(url, 200, Range="bytes=0-1", If_Range="Mon, 23 Nov 2026 12:00:00 GMT")
    for tags in (f'"other", {tag}', "*"):
        d.get(url, 200, Range="bytes=0-1", If_Range=tags)
    d.get("/jobs/1/samples/latest.png", 206, Range="bytes=0-7")


@test
def generate():
    """pictures from a checkpoint: by seed or z, as JSON or a grid; the same seed gives the same"""
    url = f"/checkpoints/{newest_checkpoint()['id']}/generate"
    g = d.post(url, {"n": 3, "seed": 7}, 200).json()
    equal((g["n"], g["size"], g["channels"], len(g["z"]), len(g["z"][0]), len(g["images"])), (3, 16, 1, 3, 8, 3))
    pictures = [base64.b64decode(i.removeprefix("data:image/png;base64,"), validate=True) for i in g["images"]]
    equal([png_size(p) for p in pictures], [(16, 16, 1)] * 3)
    equal(d.post(url, {"n": 3, "seed": 7}, 200).json(), g, "again")
    equal(d.post(url, {"n": 3, "seed": 8}, 200).json()["z"] == g["z"], False, "another seed")
    equal(d.post(url, {"z": g["z"]}, 200).json(), g, "by z")
    grid = d.post(url, {"n": 6, "columns": 3}, 200, Accept="image/png")
    equal(grid["Content-Type"], "image/png")
    width, height, _ = png_size(grid.body)
    equal(width > height >= 32, True, f"{width}x{height}")
    equal(d.post(url, {}, 200).json()["n"], 64)
    d.post(url, {}, 406, Accept="text/html")
    for body, pointer in (({"n": 0}, "/n"), ({"n": 1025}, "/n"), ({"n": "x"}, "/n"), ({"seed": "x"}, "/seed"), ({"z": [[1]]}, "/z/0"),
                          ({"z": []}, "/z"), ({"z": [[0] * 7 + ["x"]]}, "/z/0/7"), ({"colour": 1}, "/colour"), ({"columns": 0}, "/columns")):
        found = errors(d.post(url, body, 422))
        equal(len(found) == 1 and list(found)[0].startswith(pointer.rsplit("/", 1)[0] or pointer), True, f"{body}: {found}")
    d.post("/checkpoints/999/generate", {}, 404)
    d.post(url, None, 400)
    d.post(url.replace("generate", "destroy"), {}, 404)


@test
def log_lines():
    """what the job said, in pages"""
    every = d.get("/jobs/1/log").json()
    equal(len(every["log"]) >= 1, True)
    for line in every["log"]:
        equal((bool(TIME.fullmatch(line["at"])), line["level"] in ("info", "warning", "error"), bool(line["text"])), (True, True, True))
    page, seen = d.get("/jobs/1/log?limit=1").json(), []
    while True:
        seen += page["log"]
        if not page["next"]:
            break
        page = d.get(f"/jobs/1/log?limit=1&cursor={page['next']}").json()
    equal(seen, every["log"])
    for least, levels in (("info", ("info", "warning", "error")), ("warning", ("warning", "error")), ("error", ("error",))):
        equal(d.get(f"/jobs/1/log?level={least}").json()["log"], [line for line in every["log"] if line["level"] in levels])
    problem = d.get("/jobs/1/log?level=debug", 400).json()
    equal(problem["errors"], [{"parameter": "level", "detail": "expected info, warning or error, found debug"}])
    d.get("/jobs/99/log", 404)


@test
def files_that_are_gone():
    """a file lost or changed behind the daemon's back is an error, not a wrong answer"""
    job = d.run_job(epochs=1, name="to be damaged")
    c = newest_checkpoint(job)
    folder = os.path.join(d.state, "jobs", str(job), "checkpoints")
    [name] = [n for n in os.listdir(folder) if n.endswith(f"{c['step']:010d}.safetensors")]
    path = os.path.join(folder, name)
    with open(path, "ab") as f:
        f.write(b"x")
    d.get(c["url"], 500)
    os.unlink(path)
    generate = f"/checkpoints/{c['id']}/generate"
    d.get(c["url"], 404)
    equal(d.request("POST", generate, {}).status in (404, 500), True)
    os.symlink("/etc/passwd", path)
    d.get(c["url"], 500)
    equal(d.request("POST", generate, {}).status in (422, 500), True)
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(b"x" * c["size"])
    equal(d.request("POST", generate, {}).status in (422, 500), True)
    source = os.path.join(d.root, "going")
    write_idx(source)
    d.post("/datasets", {"name": "going", "path": "going"})
    shutil.rmtree(source)
    d.get("/datasets/going")
    equal("there is no such file or folder" in d.get("/datasets/going/preview.png", 409).json()["detail"], True)
    job = d.post("/jobs", small_job(dataset="going")).json()["id"]
    found = d.wait_state(job, "failed", "succeeded")
    equal((found["state"], bool(found["error"]), d.folder in json.dumps(found)), ("failed", True, False), found["error"])
    d.delete("/datasets/going")


@test
def job_is_deleted():
    """DELETE takes the job, its rows and files"""
    job = d.run_job(epochs=1)
    c = newest_checkpoint(job)
    d.delete(f"/jobs/{job}", 204, If_Match=d.get(f"/jobs/{job}")["ETag"])
    for path in (f"/jobs/{job}", f"/jobs/{job}/metrics", f"/jobs/{job}/samples", f"/jobs/{job}/events", c["url"], f"/checkpoints/{c['id']}"):
        d.get(path, 404)
    d.delete(f"/jobs/{job}", 404)
    equal(os.path.exists(os.path.join(d.state, "jobs", str(job))), False)


@test
def queue_is_bounded():
    """503 with Retry-After when too many jobs wait; a data set in use cannot be forgotten"""
    long = d.post("/jobs", small_job(epochs=10000, sample_every=0, checkpoint_every=0)).json()["id"]
    d.wait_state(long, "running")
    answers = [d.request("POST", "/jobs", small_job()) for _ in range(10)]
    equal([a.status for a in answers], [201] * 8 + [503] * 2)
    equal(int(answers[-1]["Retry-After"]) > 0, True)
    d.delete("/datasets/tiny", 409)
    d.delete(f"/jobs/{long}", 409)
    for job in [a.json()["id"] for a in answers[:8]] + [long]:
        d.post(f"/jobs/{job}/cancel", None, 202)
        d.post(f"/jobs/{job}/cancel", None, 202)
    d.wait_state(long, "cancelled")


@test
def scores_outlive_their_checkpoints():
    """the score of each checkpoint is a point of swd, also of those that were not kept"""
    stream = Stream(d, "/events")
    job = d.post("/jobs", small_job(epochs=8, keep_last=1, swd_images=1)).json()["id"]
    events = [data for _, kind, data in stream.until(lambda kind, data: kind == "state" and data["state"] == "succeeded") if kind == "checkpoint"]
    stream.close()
    scored = {c["step"]: c["score"] for c in events if c["score"] is not None}
    points = d.get(f"/jobs/{job}/metrics?series=swd").json()["series"]["swd"]["points"]
    equal(len(scored) >= 3, True, f"scored checkpoints: {events}")
    equal([p["step"] for p in points], sorted(scored))
    for p in points:
        equal((p["count"], abs(p["last"] - scored[p["step"]]) <= 1e-5 * p["last"]), (1, True), f"{p} {scored}")
    kept = [c["step"] for c in d.get(f"/jobs/{job}/checkpoints").json()["checkpoints"]]
    equal(len(kept) < len(scored), True, f"kept {kept} of {sorted(scored)}")
    d.delete(f"/jobs/{job}")


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
