"""Tokens, scopes and sessions over real sockets; hostile files of tokens; rotation while streams are open."""

import hashlib
import hmac
import os
import re
import signal
import stat
import struct
import subprocess
import time

from dcgand import PROGRAM, SLOW, Daemon, Stream, equal, folder, main, raw_status, test, wait_for

place = folder()
TOKENS = os.path.join(place, "tokens")
OPEN = {"/", "/999999", "/healthz", "/readyz", "/openapi.json", "/session"}


def run(*words, **more):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=SLOW, stdin=subprocess.DEVNULL, **more)


def new_token(name, scope, path=TOKENS):
    made = run("--new-token", name, "--scope", scope, "--tokens", path)
    equal((made.returncode, bool(re.fullmatch(r"dcgand-[0-9a-f]{64}\n", made.stdout))), (0, True), made.stderr)
    return made.stdout.strip()


def line(name, scope, secret):
    return f"{name} {scope} {hashlib.sha256(secret.encode()).hexdigest()}\n"


def write(text, path=TOKENS, mode=0o600):
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


secret = {scope: new_token("the-" + scope, scope) for scope in ("read", "write", "admin")}
d = Daemon("--tokens", TOKENS, "--allowed-host", "gan.example.org", "--log-level", "debug")


def bearer(scope):
    return {"Authorization": "Bearer " + secret[scope]}


def lines():
    return "".join(line("the-" + scope, scope, value) for scope, value in secret.items())


def reload(text, expect):
    """The file with this text, read again; expect: what the log then says anew."""
    before = len(d.errors())
    write(text)
    d.process.send_signal(signal.SIGHUP)
    wait_for(lambda: expect in d.errors()[before:], f"{expect!r} in the log")


# --- The file ------------------------------------------------------------------------------

@test
def a_token_is_made_by_one_command():
    """--new-token shows the secret once, on standard output alone, and keeps only its digest"""
    with open(TOKENS, encoding="ascii") as f:
        text = f.read()
    equal(text, lines())
    equal(stat.S_IMODE(os.stat(TOKENS).st_mode), 0o600)
    path = write("# mine\nada read " + "0" * 64, os.path.join(place, "unfinished"))
    made = run("--new-token", "bob", "--scope=admin", "--tokens", path)
    equal((made.returncode, made.stdout.strip() in made.stderr, "only this once" in made.stderr), (0, False, True))
    with open(path, encoding="ascii") as f:
        equal(f.read(), "# mine\nada read " + "0" * 64 + "\n" + line("bob", "admin", made.stdout.strip()), "a missing newline is made up for")
    made = run("--new-token", "bob", "--scope", "read", "--tokens", path)
    equal((made.returncode, made.stdout, "there is a token bob already" in made.stderr), (2, "", True))
    for words, why in ((("--new-token", "x"), "expected --scope with it"), (("--scope", "read"), "expected --new-token with it"),
                       (("--new-token", "x", "--scope", "root"), "expected read, write or admin"), (("--new-token", "a b", "--scope", "read"), "expected a name"),
                       (("--new-token", "x" * 64, "--scope", "read"), "expected a name of 1 to 63")):
        refused = run(*words, "--tokens", path)
        equal((refused.returncode, refused.stdout, why in refused.stderr), (2, "", True), refused.stderr)
    refused = run("--new-token", "x", "--scope", "read")
    equal((refused.returncode, "expected --tokens FILE" in refused.stderr), (2, True), refused.stderr)
    refused = run("--new-token", "x", "--scope", "read", "--tokens", write("nonsense\n", os.path.join(place, "nonsense")))
    equal((refused.returncode, refused.stdout, "nonsense:1: expected" in refused.stderr), (2, "", True), refused.stderr)


@test
def many_at_once():
    """tokens made at the same time all find their way into the file"""
    path = os.path.join(place, "crowd")
    made = [subprocess.Popen([PROGRAM, "--new-token", f"n{i % 6}", "--scope", "read", "--tokens", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for i in range(12)]
    secrets = [p.communicate(timeout=SLOW)[0].decode().strip() for p in made]
    equal(sorted(p.returncode for p in made), [0] * 6 + [2] * 6)
    with open(path, encoding="ascii") as f:
        kept = sorted(f)
    equal(len(kept), 6)
    equal({hashlib.sha256(s.encode()).hexdigest() for s in secrets if s}, {text.split()[2] for text in kept})


def faults(text, path=os.path.join(place, "hostile"), **how):
    write(text, path, **how)
    judged = run("--check-config", "--tokens", path)
    equal((judged.returncode, judged.stdout), (2, ""), judged.stderr)
    equal(all(x.startswith(f"dcgand: {path}:") for x in judged.stderr.splitlines()), True, judged.stderr)
    return [x[len(f"dcgand: {path}:"):] for x in judged.stderr.splitlines()]


@test
def hostile_files():
    """every fault is told with its line, but never what might be a secret"""
    good = "a" * 64
    equal(faults(f"ok read {good}\r\n\n \t# a comment\nbad/name read {'b' * 64}\nx root {'c' * 64}\nx\nx read\nx read {'c' * 63}\nx read {'C' * 64}\n"
                 f"x read {'c' * 64} more\nok read {'d' * 64}\nother read {good}\nx re\0ad {'e' * 64}\n"), [
        '4: expected a name of 1 to 63 letters, digits, ".", "_" and "-" first', "5: expected read, write or admin after the name x",
        "6: expected read, write or admin after the name x",
        *[f"{n}: expected the SHA-256 of the secret of x as 64 lower-case hexadecimal digits, and nothing after it" for n in (7, 8, 9, 10)],
        "11: expected another name than that of line 1", "12: expected another secret than that of line 1",
        "13: expected text, found the control character 0x00"])
    for text in (f"dcgand-{'5' * 64} read {good}", f"x dcgand-{'5' * 64}", f"x read dcgand-{'5' * 64}"):
        found = faults(text)
        equal((len(found), "5555" in found[0]), (1, False), found[0])
    equal(faults("x\n" * 1000)[20:], [" and more: these were the first"])
    equal(faults("".join(f"n{i} read {i:064x}\n" for i in range(1001))), ["1001: expected at most 1000 tokens"])
    equal(faults("#" * 300000), [" 300000 bytes, at most 262144 allowed"])


@test
def whose_file():
    """a file that others may change or read, or that is none, is refused with the reason"""
    good = f"x read {'a' * 64}\n"
    for mode, why in ((0o644, "others may read it"), (0o604, "others may read it"), (0o620, "others may change it"), (0o602, "others may change it"), (0o666, "others may change it")):
        [found] = faults(good, mode=mode)
        equal((why in found, f"found {mode:04o}" in found), (True, True), found)
    for mode in (0o600, 0o640, 0o400, 0o440):
        equal(run("--check-config", "--tokens", write(good, os.path.join(place, "good"), mode)).returncode, 0, oct(mode))
        os.unlink(os.path.join(place, "good"))
    if os.geteuid() == 0:
        path = write(good, os.path.join(place, "anothers"))
        os.chown(path, 12345, 12345)
        found = run("--check-config", "--tokens", path)
        equal((found.returncode, "found one of user 12345" in found.stderr), (2, True), found.stderr)
    fifo = os.path.join(place, "fifo")
    os.mkfifo(fifo)
    for path, why in ((fifo, "not a regular file"), (place, "not a regular file"), (os.path.join(place, "none"), "cannot open"), ("/dev/null", "not a regular file")):
        found = run("--check-config", "--tokens", path)
        equal((found.returncode, path in found.stderr and why in found.stderr), (2, True), found.stderr)


@test
def credentials():
    """$CREDENTIALS_DIRECTORY/tokens is the default, --tokens wins, and a wrong file keeps the daemon from starting"""
    where = folder()
    env = {"CREDENTIALS_DIRECTORY": where}
    state = os.path.join(where, "state")
    one = Daemon(env=env, wait=False)
    shown = run("--print-config", env=one.env).stdout
    equal("#tokens = FILE" in shown, True, "no such credential")
    one_secret = new_token("unit", "read", os.path.join(where, "tokens"))
    shown = run("--print-config", env=one.env).stdout
    equal(f"\ntokens = {where}/tokens\n" in shown, True, shown)
    one.start()
    equal(f"1 token in {where}/tokens: nobody gets in without one" in one.errors(), True, one.errors())
    one.get("/jobs", 401)
    one.get("/jobs", Authorization=f"Bearer {one_secret}")
    one.stop()
    write("nonsense", os.path.join(where, "tokens"))
    refused = run("--listen", "127.0.0.1:0", "--state-dir", state, env=one.env)
    equal((refused.returncode, refused.stdout, os.path.exists(state)), (2, "", False), refused.stderr)
    equal(run("--check-config", "--tokens", TOKENS, env=one.env).returncode, 0, "--tokens wins")
    one.seen = []
    os.rename(os.path.join(where, "tokens"), os.path.join(where, "token"))
    one.start()
    equal("warning: expected a credential named tokens, found none" in one.errors(), True, one.errors())
    one.get("/jobs")
    one.stop()


@test
def beyond_loopback():
    """any numeric address may be listened on, but not without tokens"""
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80", "[2001:db8::1]:80"):
        refused = run("--check-config", "--listen", listen)
        equal((refused.returncode, "is not a loopback address, and there are no tokens" in refused.stderr), (2, True), refused.stderr)
        equal(run("--check-config", "--listen", listen, "--tokens", TOKENS).returncode, 0, listen)


# --- Scopes --------------------------------------------------------------------------------

def operations():
    """(method, path, scope needed) of all that the daemon describes; ids are of what does not exist."""
    spec = d.get("/openapi.json").json()
    for template, methods in spec["paths"].items():
        for method, operation in methods.items():
            needed = {role for way in operation["security"] for roles in way.values() for role in roles}
            equal(len(needed) <= 1 and [list(way) for way in operation["security"]] == [["token"], ["session"]][:2 * len(needed)], True, f"{method} {template}")
            equal(("401" in operation["responses"]), bool(needed) or (method, template) == ("post", "/session"), f"{method} {template}")
            yield method.upper(), re.sub(r"\{name\}", "nothing", re.sub(r"\{(?!name)[a-z]+\}", "999999", template)), needed.pop() if needed else None


def ask(method, path, headers):
    """The answer, or only its head where it has no end."""
    if path.endswith("/events"):
        stream = Stream(d, path, expect=0, **{k.replace("-", "_"): v for k, v in headers.items()})
        status, challenge = stream.response.status, stream.response.headers["WWW-Authenticate"]
        stream.close()
        return status, challenge
    body = {} if method in ("POST", "PATCH") else None
    answer = d.request(method, path, body, dict({"If-Match": "*"} if method == "PATCH" else {}, **headers))
    return answer.status, answer["WWW-Authenticate"]


@test
def every_route_by_every_scope():
    """what each route needs is as announced: 401 with a challenge, 403 that names the scope, or through"""
    scopes = ["read", "write", "admin"]
    every = list(operations())
    equal(len(every) > 30, True)
    for method, path, needed in every:
        equal(needed, None if path in OPEN else "read" if method == "GET" else "admin" if method == "DELETE" else "write", f"{method} {path}")
        status, challenge = ask(method, path, {})
        equal((status, challenge), (401, 'Bearer realm="dcgand"') if needed else (status if status != 401 else 0, None), f"{method} {path} by a stranger")
        for scope in scopes:
            status, challenge = ask(method, path, bearer(scope))
            if needed and scopes.index(scope) < scopes.index(needed):
                equal((status, challenge), (403, f'Bearer realm="dcgand", error="insufficient_scope", scope="{needed}"'), f"{method} {path} with {scope}")
            else:
                equal((status in (401, 403), challenge), (False, None), f"{method} {path} with {scope}: {status}")
        status, challenge = ask(method, path, {"Authorization": "Bearer dcgand-" + "0" * 64})
        equal((status, challenge) == (401, 'Bearer realm="dcgand", error="invalid_token"'), needed is not None, f"{method} {path} with a wrong token: {status}")
    answer = d.request("DELETE", "/jobs/1", headers=bearer("write"))
    equal(answer.json()["detail"], "this needs a token of scope admin, and that of the-write has write")


@test
def the_description():
    """/openapi.json says how to log in, and only where that is needed"""
    schemes = d.get("/openapi.json").json()["components"]["securitySchemes"]
    equal((schemes["token"]["type"], schemes["token"]["scheme"]), ("http", "bearer"))
    equal((schemes["session"]["type"], schemes["session"]["in"]), ("apiKey", "cookie"))
    free = Daemon()
    spec = free.get("/openapi.json").json()
    equal("securitySchemes" in spec["components"] or any("security" in o for path in spec["paths"].values() for o in path.values()), False)
    equal(free.get("/session").json(), {"needed": False, "name": None, "scope": "admin", "until": None})
    free.post("/session", {"token": "x"}, 409)
    equal(free.delete("/session")["Set-Cookie"], None)
    free.get("/jobs", Authorization="Bearer whatever")
    free.stop()


@test
def headers_that_are_none():
    """schemes in any case, other schemes, doubled, empty and huge headers; HEAD; tokens where they do not belong"""
    good = secret["read"]
    equal(d.get("/jobs", Authorization=f"bearer   {good}").status, 200)
    equal(d.request("HEAD", "/jobs", headers=bearer("read")).status, 200)
    equal(d.request("HEAD", "/jobs").status, 401)
    for value in ("Bearer", "Bearer ", f"Bearer {good} ", f"Bearer {good}x", f"Bearer {good[:-1]}", f"Bearer {good.upper()}", f"Bearer \"{good}\"",
                  f"Bearer={good}", f"Bearer\t{good}", good, f"Token {good}", "Bearer " + "a" * 5000, f"Bearer the-read:{good}", "Bearer " + lines().split()[2]):
        status = raw_status(d.raw(f"GET /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: {value}\r\nConnection: close\r\n\r\n".encode()))
        equal(status, 200 if value == f"Bearer {good} " else 401, repr(value))  # white space at the end is none of the value
    equal("error" in d.get("/jobs", 401, Authorization="Basic YTpi")["WWW-Authenticate"], False, "a proxy's password is no wrong token")
    equal(raw_status(d.raw(f"GET /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n\r\n".encode(), seconds=1)), 400)
    d.get("/jobs?token=dcgand-0", 401)
    d.get("/jobs?nonsense=1", 401)
    d.get("/nothing", 404)
    equal(d.request("PUT", "/jobs", headers={}).status, 405)
    # The body of somebody who may not send one is not waited for longer than that of others.
    equal(d.request("POST", "/jobs", b"x" * 3000000, {"Content-Type": "application/json"}).status, 401)


# --- Sessions ------------------------------------------------------------------------------

def log_in(scope, **headers):
    answer = d.post("/session", {"token": secret[scope]}, 200, **headers)
    return answer, answer["Set-Cookie"].split(";")[0]


@test
def a_session():
    """a token is exchanged for a cookie that no script sees, and that opens what the token opens"""
    equal(d.get("/session").json(), {"needed": True, "name": None, "scope": None, "until": None})
    answer, cookie = log_in("write")
    told = answer.json()
    equal((told["needed"], told["name"], told["scope"]), (True, "the-write", "write"))
    name, value = cookie.split("=", 1)
    equal(answer["Set-Cookie"], f"{name}={value}; Path=/; Max-Age={168 * 3600}; HttpOnly; SameSite=Strict")
    equal((answer["Cache-Control"], secret["write"] in str(answer.headers) + answer.body.decode()), ("no-store", False))
    equal(bool(re.fullmatch(r"the-write\.\d+\.[0-9a-f]{64}", value)), True, value)
    for https in ("https://gan.example.org", "https://gan.example.org:8443"):
        equal(log_in("write", Origin=https)[0]["Set-Cookie"].endswith("; Secure"), True, https)
    equal("Secure" in log_in("write", Origin=f"http://127.0.0.1:{d.port}")[0]["Set-Cookie"], False)
    equal(d.get("/session", Cookie=cookie).json(), told)
    d.get("/jobs", Cookie=cookie)
    d.get("/jobs", Cookie=f"other=1; {cookie}; more=2")
    d.get("/jobs", 401, Cookie=f"x{cookie}")
    d.get("/jobs", 401, Cookie=cookie, Authorization="Bearer wrong")
    d.post("/jobs", {}, 422, Cookie=cookie)
    d.delete("/jobs/1", 403, Cookie=cookie)
    stream = Stream(d, "/events", Cookie=cookie)
    stream.close()
    # By cookie, too, nothing comes from another's page.
    own = {"Origin": f"http://127.0.0.1:{d.port}", "Sec_Fetch_Site": "same-origin"}
    d.post("/jobs", {}, 422, Cookie=cookie, **own)
    for other in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "null"}):
        d.post("/jobs", {}, 403, Cookie=cookie, **other)
        d.post("/session", {"token": secret["read"]}, 403, **other)
        d.delete("/session", 403, Cookie=cookie, **other)
    equal(d.request("POST", "/jobs", b"{}", {"Content-Type": "text/plain", "Cookie": cookie}).status, 415)
    gone = d.delete("/session", Cookie=cookie)
    equal(gone["Set-Cookie"], f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")


@test
def who_gets_none():
    """wrong tokens and bodies"""
    for body, status in (({"token": "wrong"}, 401), ({"token": ""}, 401), ({"token": "x" * 4000}, 401), ({"token": 5}, 422), ({}, 422), ({"token": None}, 422),
                         ({"token": secret["read"], "name": "x"}, 422), ({"token": lines().split()[2]}, 401)):
        answer = d.post("/session", body, status)
        equal((answer["Set-Cookie"], answer["WWW-Authenticate"] is not None), (None, status == 401), str(body))
    wrong = d.post("/session", {"token": 5, "a/b": 1, "c": 2}, 422).json()["errors"]
    equal([e["pointer"] for e in wrong], ["/a~1b", "/c", "/token"])
    d.post("/session", {"token": "x" * 5000}, 413)
    equal(d.request("POST", "/session", b"[]", {"Content-Type": "application/json"}).status, 400)


def forge(name, until, key, digest):
    """A cookie as the daemon would make it."""
    text = struct.pack("=8s64s32sq", b"session", name.encode(), bytes.fromhex(digest), until)
    return f"{name}.{until}.{hmac.new(key, text, hashlib.sha256).hexdigest()}"


@test
def forged_cookies():
    """a cookie holds only with the daemon's key, the token's digest, and before its time is over"""
    _, cookie = log_in("read")
    name, value = cookie.split("=", 1)
    who, until, code = value.rsplit(".", 2)
    with open(os.path.join(d.state, "session.key"), "rb") as f:
        key = f.read()
    equal((len(key), stat.S_IMODE(os.stat(os.path.join(d.state, "session.key")).st_mode)), (32, 0o600))
    digest = hashlib.sha256(secret["read"].encode()).hexdigest()
    now = int(time.time())
    equal(forge(who, int(until), key, digest), value)
    d.get("/jobs", Cookie=f"{name}={forge('the-read', now + 60, key, digest)}")
    for text in (forge("the-read", now - 1, key, digest), forge("the-read", 0, key, digest), forge("the-admin", now + 60, key, digest), forge("nobody", now + 60, key, "0" * 64),
                 forge("the-read", now + 60, bytes(32), digest), forge("the-read", now + 60, key, "0" * 64), f"{who}.{int(until) + 1}.{code}", f"the-admin.{until}.{code}",
                 f"{who}.{until}.{code[:-1]}", f"{who}.{until}.{code}0", f"{who}.{until}.{code.upper()}", f"{who}.0{until}.{code}", f"{who}.-{until}.{code}", f"{who}.{until}", who, "", ".", "..",
                 "x" * 5000, f"{who}..{code}", f"{who}.99999999999999999999.{code}", value + ".", "." + value):
        found = d.request("GET", "/jobs", headers={"Cookie": f"{name}={text}"}).status
        equal(found, 401, text[:200])
    stream = Stream(d, "/events", Cookie=f"{name}={forge('the-read', int(time.time()) + 2, key, digest)}")
    while stream.next():
        pass  # until it ends: no later than its session


@test
def sessions_outlive_the_daemon():
    """a restart ends no session, --session-hours says how long one lasts, a key that others may know is thrown away"""
    _, cookie = log_in("read")
    d.stop()
    d.options += ["--session-hours", "2"]
    d.start()
    d.get("/jobs", Cookie=cookie)
    answer, _ = log_in("read")
    equal("; Max-Age=7200; " in answer["Set-Cookie"], True, answer["Set-Cookie"])
    for spoil in (lambda path: os.chmod(path, 0o640), lambda path: os.truncate(path, 31), lambda path: (os.unlink(path), os.symlink("/dev/zero", path))):
        _, cookie = log_in("read")
        d.stop()
        path = os.path.join(d.state, "session.key")
        spoil(path)
        d.start()
        d.get("/jobs", 401, Cookie=cookie)
        equal((os.path.islink(path), os.path.getsize(path), stat.S_IMODE(os.stat(path).st_mode)), (False, 32, 0o600))
    equal(d.errors().count("there will be a new key"), 3)
    # Where none can be kept, one lasts as long as the daemon.
    d.stop()
    os.unlink(path)
    os.mkdir(path)
    d.start()
    equal("has to do so again after the next start" in d.errors(), True)
    _, cookie = log_in("read")
    d.get("/jobs", Cookie=cookie)
    d.stop()
    os.rmdir(path)
    d.start()
    d.get("/jobs", 401, Cookie=cookie)


# --- Rotation ------------------------------------------------------------------------------

@test
def rotation():
    """SIGHUP: a new token comes in; the streams and sessions of one that is gone end, those of others go on"""
    removed, kept = Stream(d, "/events", **bearer("write")), Stream(d, "/events", **bearer("admin"))
    _, cookie = log_in("write")
    by_cookie = Stream(d, "/events", Cookie=cookie)
    old = secret["write"]
    secret["write"] = "dcgand-" + "7" * 64
    reload(lines(), "reload: tokens: others than before, now 3")
    for stream in (removed, by_cookie):
        while stream.next():
            pass
    d.get("/jobs", 401, Authorization=f"Bearer {old}")
    d.get("/jobs", 401, Cookie=cookie)
    d.get("/jobs", **bearer("write"))
    # The one whose token stayed gets what happens now.
    d.auth = bearer("write")
    d.register_tiny()
    job = d.post("/jobs", {"dataset": "tiny", "size": 16, "max_steps": 1, "ngf": 2, "ndf": 2, "z_dim": 2, "batch_size": 4, "threads": 1}).json()["id"]
    equal(kept.until(lambda kind, x: x["job"] == job)[-1][2]["job"], job)
    kept.close()
    d.wait_state(job, "succeeded")
    d.auth = {}
    # A scope may change, too.
    d.delete(f"/jobs/{job}", 403, **bearer("write"))
    reload(lines().replace(" write ", " admin "), "reload: tokens: others than before, now 3")
    d.delete(f"/jobs/{job}", 204, **bearer("write"))
    reload(lines(), "reload: tokens: others than before, now 3")
    reload(lines() + "# nobody new\n", "reload: nothing has changed")


@test
def a_wrong_file_changes_nothing():
    """a reload that finds a fault says which, and the old tokens stay"""
    stream = Stream(d, "/events", **bearer("read"))
    reload("x read nonsense\n", f"reload: {TOKENS}:1: expected the SHA-256")
    wait_for(lambda: "reload: the old configuration stays, and the old tokens" in d.errors(), "that nothing changed")
    d.get("/jobs", **bearer("read"))
    os.chmod(TOKENS, 0o644)
    d.process.send_signal(signal.SIGHUP)
    wait_for(lambda: f"reload: {TOKENS}: others may read it" in d.errors(), "why")
    d.get("/jobs", **bearer("read"))
    # None at all is allowed: then nobody comes in.
    reload("", "reload: tokens: others than before, now 0")
    d.get("/jobs", 401, **bearer("read"))
    while stream.next():
        pass
    d.get("/healthz")
    reload(lines(), "reload: tokens: others than before, now 3")
    d.get("/jobs", **bearer("read"))


@test
def all_or_nothing():
    """a reload with a fault in the tokens takes nothing of the configuration, nor one with a fault there any of the tokens"""
    conf, path = os.path.join(place, "conf"), os.path.join(place, "other-tokens")
    old, new = "dcgand-" + "3" * 64, "dcgand-" + "4" * 64

    def configure(streams, text):
        write(f"[http]\ntokens = {path}\nmax-streams = {streams}\n", conf)
        write(text, path)
    configure(1, line("x", "admin", old))
    other = Daemon("--config", conf)
    other.auth = {"Authorization": f"Bearer {old}"}
    stream = Stream(other, "/events")

    def reloaded(expect):
        before = len(other.errors())
        other.process.send_signal(signal.SIGHUP)
        wait_for(lambda: expect in other.errors()[before:], expect)
        equal("now" in other.errors()[before:], expect.startswith("tokens"), other.errors()[before:])
    configure(5, line("y", "admin", new) + "nonsense\n")
    reloaded("the old configuration stays, and the old tokens")
    other.get("/events", 503)
    configure("many", line("y", "admin", new))
    reloaded("the old configuration stays")
    other.get("/events", 503)
    other.get("/jobs", 401, Authorization=f"Bearer {new}")
    configure(5, line("x", "admin", old) + line("y", "admin", new))
    reloaded("tokens: others than before, now 2")
    other.get("/jobs", Authorization=f"Bearer {new}")
    Stream(other, "/events").close()
    stream.close()
    other.stop()


@test
def failures_are_told_once():
    """wrong tokens are one line of the log a minute and peer, without the token; the right ones are nowhere"""
    fresh = Daemon("--tokens", TOKENS, "--log-level", "debug")
    for i in range(20):
        fresh.get("/jobs", 401, Authorization=f"Bearer guess-{i}")
        fresh.post("/session", {"token": f"guess-{i}"}, 401)
    fresh.get("/jobs", 401)
    fresh.get("/jobs", **bearer("read"))
    fresh.stop()
    equal(fresh.errors().count("a wrong token from 127.0.0.1"), 1, fresh.errors())
    equal("guess" in fresh.errors(), False)
    # Also where a stranger is answered.
    other = Daemon("--tokens", TOKENS)
    other.get("/session")
    other.get("/session", **bearer("read"))
    other.get("/session", Authorization="Basic YTpi")
    other.get("/session", Cookie="dcgand=nonsense")
    equal("wrong token" in other.errors(), False, other.errors())
    equal(other.get("/session", Authorization="Bearer guess").json()["scope"], None)
    other.stop()
    equal(other.errors().count("a wrong token from 127.0.0.1"), 1, other.errors())
    for value in secret.values():
        equal(value[7:] in fresh.errors() + d.errors(), False)


@test
def it_stops_cleanly():
    """the daemon stops with exit status 0, and gave no answer it does not describe"""
    equal({401, 403} <= {status for _, _, status in d.seen}, True)
    d.stop()
    with open(os.path.join(d.state, "dcgand.db"), "rb") as f:
        stored = f.read()
    equal(any(value.encode() in stored for value in secret.values()), False, "a secret in the database")


main()
