"""What reaches the daemon before any route: hostile paths, headers, bodies, clients."""

import json
import re
import socket
import time

from dcgand import SLOW, Daemon, equal, main, raw_status, read_all, test, wait_for

d = Daemon("--request-timeout-s", "1", "--allowed-host", "trainer.example", "--max-connections", "64")
d.register_tiny()
HOST = f"Host: 127.0.0.1:{d.port}\r\n"


def status(text, **how):
    data = text if isinstance(text, bytes) else text.encode()
    return raw_status(d.raw(data, **how))


def get(path, headers="", host=HOST):
    return status(f"GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")


def post(path, body=b"", headers=""):
    head = f"POST {path} HTTP/1.1\r\n{HOST}Connection: close\r\n{headers}\r\n".encode()
    return status(head + body)


@test
def host_is_needed_once():
    """no Host, an empty one and two of them are refused"""
    equal(get("/healthz"), 200)
    equal(get("/healthz", host=""), 400)
    equal(get("/healthz", host="Host: \r\n"), 400)
    equal(get("/healthz", host=HOST + HOST), 400)
    equal(get("/healthz", host=HOST + "Host: evil.example\r\n"), 400)
    equal(status("GET /healthz HTTP/1.0\r\n\r\n"), 400, "HTTP/1.0 without Host")
    equal(status(f"GET /healthz HTTP/1.0\r\n{HOST}\r\n"), 200, "HTTP/1.0 with Host")


@test
def host_is_on_the_list():
    """only loopback names and configured ones are served (DNS rebinding)"""
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080", "trainer.example", "Trainer.Example:99"):
        equal(get("/healthz", host=f"Host: {host}\r\n"), 200, host)
    for host in ("evil.example", "127.0.0.1.evil.example", "127.evil", "localhost.evil.example", "0.0.0.0", "[::2]", "10.0.0.1",
                 "evil.trainer.example"):
        equal(get("/healthz", host=f"Host: {host}\r\n"), 421, host)
    for host in ("localhost:99999", "localhost:x", "localhost:80:80", "[::1", "a b", "localhost/", "user@localhost", "localhost:-1"):
        equal(get("/healthz", host=f"Host: {host}\r\n"), 400, host)


@test
def paths_are_decoded_by_segment():
    """encoded slashes, NUL, dot segments and broken escapes are refused, not resolved"""
    for path in ("/jobs/%2e%2e/datasets", "/jobs/../datasets", "/./jobs", "/jobs/..", "/jobs/.%2e", "/jobs%2f1", "/jobs%2F1", "/jobs%00",
                 "/jobs/1%00.png", "/%5c..", "/jobs/%", "/jobs/%4", "/jobs/%zz", "/jobs/%0a", "/jobs/%ff", "/jobs/%c0%ae%c0%ae", "/jobs/%7f"):
        equal(get(path), 400, path)
    for path in ("/jobs/", "//jobs", "/jobs//", "/Jobs", "/jobs/1/", "/jobs/01", "/jobs/+1", "/jobs/-1", "/jobs/1.0", "/jobs/0x1", "/jobs/abc",
                 "/jobs/99999999999999999999", "/jobs;x", "/jobs#x", "/index.html/", "/etc/passwd", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o",
                 "/datasets/.hidden", "/datasets/UPPER", "/datasets/" + "a" * 64, "/pages_data.c", "/..index.html"):
        equal(get(path), 404, path)
    equal(get("/%6aobs"), 200, "an encoded letter")
    equal(get("/healthz?"), 200, "an empty query")


@test
def target_is_a_path():
    """an absolute URL or other forms as target are refused"""
    for target in ("http://evil/healthz", f"http://127.0.0.1:{d.port}/healthz", "healthz", "*"):
        equal(get(target), 400, target)
    equal(status(f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n", seconds=1.0), 400)


@test
def a_nul_is_no_way_in():
    """raw NUL bytes in request line and headers"""
    answer = d.raw(f"GET /jobs\0/1 HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode(), seconds=1.0)
    if raw_status(answer) not in (0, 200, 400):  # cut at the NUL or refused, never anything else
        raise AssertionError(answer)
    for host in ("localhost\0.evil", "\0", "evil\0localhost"):
        found = status(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", seconds=1.0)
        equal(found in ((0, 200, 400) if host.startswith("localhost") else (0, 400, 421)), True, f"{host!r}: {found}")


@test
def framing_is_never_in_doubt():
    """Content-Length and Transfer-Encoding together, twice, or malformed: refused and closed"""
    body = b"5\r\nhello\r\n0\r\n\r\nGET /version HTTP/1.1\r\n" + HOST.encode() + b"\r\n"
    json_type = "Content-Type: application/json\r\n"
    for headers in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                    "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"):
        for method in ("POST", "GET", "DELETE", "PUT"):
            answer = d.raw(f"{method} /jobs HTTP/1.1\r\n{HOST}{json_type}{headers}\r\n".encode() + body)
            equal(raw_status(answer), 400, f"{method} {headers}")
            equal(answer.count(b"HTTP/1.1"), 1, f"answers to {method} {headers}: {answer}")
    for value in ("-1", "+5", "5x", "0x5", "99999999999999999999", "5,5", ""):
        answer = d.raw(f"POST /jobs HTTP/1.1\r\n{HOST}{json_type}Content-Length: {value}\r\n\r\n".encode() + b"hello" * 9, seconds=1.5)
        equal(raw_status(answer) in (400, 413), True, f"Content-Length {value!r}: {answer}")
        # libmicrohttpd 0.9.75 writes the head of some refusals of its own twice.
        equal(answer.count(b"HTTP/1.1 4"), answer.count(b"HTTP/1.1"), f"answers to Content-Length {value!r}: {answer}")
    equal(post("/jobs", b"2\r\n{}\r\n0\r\n\r\n", f"{json_type}Transfer-Encoding: chunked\r\n"), 411)
    # What others might take for a Transfer-Encoding, also where the path alone is refused.
    for header in ("Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "X: y\rTransfer-Encoding: chunked", "Transfer-Encoding: \vchunked",
                   "X: y\0Transfer-Encoding: chunked", "X: \x7f", "X\xff: y", "(X): y"):
        for path in ("/jobs", "/%00"):
            answer = d.raw(f"POST {path} HTTP/1.1\r\n{HOST}{json_type}{header}\r\nContent-Length: 5\r\n\r\n".encode("latin-1") + body)
            equal((raw_status(answer), answer.count(b"HTTP/1.1")), (400, 1), f"{header!r}: {answer}")


@test
def bodies_are_judged_before_they_come():
    """too long: 413, wrong type: 415, where none is taken: 400; and the client sees it"""
    kind = {"Content-Type": "application/json"}
    equal(d.request("POST", "/jobs", b"x" * 70000, kind).status, 413)
    equal(d.request("POST", "/jobs", b"x" * 3000000, kind).status, 413, "drained")
    head = f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    equal(status(head), 413, "announced only")
    equal(status(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n")), 413, "asked first")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
                 "application/json; charset=latin1"):
        equal(d.request("POST", "/jobs", b"{}", {"Content-Type": kind}).status, 415, kind)
        equal(d.request("POST", "/jobs/1/cancel", None, {"Content-Type": kind}).status, 415, f"{kind} without a body")
    equal(d.request("POST", "/jobs", b"{}").status, 415, "no type at all")
    equal([d.request("POST", "/jobs/1/cancel", None, {"Content-Type": kind} if kind else {}).status for kind in ("application/json", None)], [404, 404])
    equal(d.request("GET", "/jobs", None, {"Content-Type": "text/plain"}).status, 200, "the type of nothing")
    for kind in ("application/json", "Application/JSON", "application/json; charset=UTF-8", "application/json;charset=\"utf-8\""):
        equal(d.request("POST", "/jobs", b"{}", {"Content-Type": kind}).status, 422, kind)
    equal(d.request("GET", "/jobs", b"{}", {"Content-Type": "application/json"}).status, 400, "GET with a body")
    equal(d.request("DELETE", "/datasets/tiny", b"{}", {"Content-Type": "application/json"}).status, 400, "DELETE with a body")
    equal(d.request("POST", "/jobs").status, 400, "no body where one is needed")


@test
def a_body_comes_in_any_pieces():
    """a body in pieces, after 100 Continue, and two requests on one connection"""
    body = json.dumps({"dataset": "nope"}).encode()
    head = f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    with socket.create_connection(("127.0.0.1", d.port), timeout=3) as s:
        s.sendall(head + b"\r\n")
        for i in range(len(body)):
            s.sendall(body[i:i + 1])
            time.sleep(0.005)
        equal(raw_status(s.recv(65536)), 422)
        s.sendall(head + b"Expect: 100-continue\r\n\r\n")
        equal(s.recv(65536).startswith(b"HTTP/1.1 100"), True)
        s.sendall(body)
        equal(raw_status(s.recv(65536)), 422)
        # Both at once: the second must not be lost, nor taken for the first one's body.
        s.sendall(head + b"\r\n" + body + f"GET /version HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
        answers = read_all(s)
        equal(answers.count(b"HTTP/1.1 422"), 1)
        equal(answers.count(b"HTTP/1.1 200"), 1)


@test
def json_is_checked():
    """what is not an object of JSON is refused before anything looks at it"""
    kind = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"1", b"null", b"\"x\"", b"{}x", b"{} {}", b"{\"a\":}", b"{\"a\" 1}", b"\xff{}", b"{\"name\":\"\xff\"}",
                 b"{\"name\":\"a\\u0000b\"}", b"{\"name\":\"a\0b\"}", b"{\"name\":\"a\nb\"}", b"{\"a\":1,\"a\":2}", b"{\"seed\":1e999}",
                 b"{\"seed\":-1e999}", b"[" * 60000, b"{\"a\":" * 100 + b"1" + b"}" * 100, b" ", b"{\"a\":[{\"b\":1,\"b\":2}]}",
                 b"{" + b",".join(b"\"%d\":1" % i for i in range(300)) + b"}", b"{\"name\":\"\xed\xa0\x80\"}", b"{\"name\":\"\xc0\xaf\"}"):
        equal(d.request("POST", "/jobs", body, kind).status, 400, body[:60])
    equal(d.request("POST", "/jobs", b" \r\n\t{ } \n", kind).status, 422, "white space")
    equal(d.request("POST", "/jobs", "{\"dataset\":\"\u00fc\U0001f600\"}".encode(), kind).status, 422, "UTF-8")
    equal(d.request("POST", "/jobs", b"{\"dataset\":\"\\\\u0000\"}", kind).status, 422, "an escaped backslash before u0000")


@test
def other_origins_are_refused():
    """pages of other origins and sites cannot read or change anything"""
    own = f"http://127.0.0.1:{d.port}"
    equal(d.request("GET", "/jobs", headers={"Origin": own}).status, 200)
    equal(d.request("GET", "/jobs", headers={"Origin": f"HTTP://127.0.0.1:{d.port}"}).status, 403)
    equal(d.request("GET", "/jobs", headers={"Origin": f"http://localhost:{d.port}"}, host=f"localhost:{d.port}").status, 200)
    equal(d.request("GET", "/jobs", headers={"Origin": "http://localhost"}, host="localhost").status, 200, "port 80 on both sides")
    equal(d.request("GET", "/jobs", headers={"Origin": "https://trainer.example"}).status, 200, "behind a proxy")
    for origin in ("http://evil.example", "null", "", "http://127.0.0.1:1", f"https://evil.example:{d.port}", f"http://localhost:{d.port}",
                   f"file://127.0.0.1:{d.port}", f"http://127.0.0.1:{d.port}.evil.example", f"http://127.0.0.1:{d.port}/"):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            equal(d.request(method, "/jobs", headers={"Origin": origin}).status, 403, f"{method} from {origin!r}")
    equal(d.request("POST", "/jobs/1/pause", headers={"Origin": "http://evil.example"}).status, 403, "a form's POST without a body")
    equal(get("/jobs", f"Origin: {own}\r\nOrigin: {own}\r\n"), 400, "two of them")
    for site in ("cross-site", "same-site", "x"):
        equal(d.request("GET", "/jobs", headers={"Sec-Fetch-Site": site}).status, 403, site)
        equal(d.request("POST", "/jobs/1/pause", headers={"Sec-Fetch-Site": site}).status, 403, site)
    for site in ("same-origin", "none"):
        equal(d.request("GET", "/jobs", headers={"Sec-Fetch-Site": site}).status, 200, site)
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    equal(d.request("GET", "/", headers=link).status, 200, "following a link to the page")
    equal(d.request("GET", "/jobs", headers=link).status, 403, "following a link to the API")
    equal(d.request("GET", "/", headers=dict(link, **{"Sec-Fetch-Dest": "iframe"})).status, 403, "in a frame")
    for name in d.get("/jobs").headers:
        equal(name.lower().startswith("access-control"), False, name)


@test
def every_answer_is_guarded():
    """the security headers are on pages, JSON and errors"""
    for path, code in (("/", 200), ("/jobs", 200), ("/nothing", 404), ("/jobs/77", 404)):
        answer = d.get(path, code)
        equal(answer["X-Content-Type-Options"], "nosniff")
        equal(answer["Referrer-Policy"], "no-referrer")
        equal(answer["Cross-Origin-Resource-Policy"], "same-origin")
        equal(answer["Cross-Origin-Opener-Policy"], "same-origin")
        for part in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            equal(part in answer["Content-Security-Policy"], True, part)


@test
def methods_are_named():
    """405 with Allow, also to OPTIONS; unknown methods too"""
    for method, path, allow in (("PUT", "/jobs", "GET, HEAD, POST"), ("OPTIONS", "/jobs", "GET, HEAD, POST"), ("DELETE", "/jobs", "GET, HEAD, POST"),
                                ("POST", "/jobs/1", "GET, HEAD, PATCH, DELETE"), ("GET", "/jobs/1/pause", "POST"), ("POST", "/", "GET, HEAD"),
                                ("HEAD", "/jobs/1/pause", "POST"),
                                ("DELETE", "/index.html", "GET, HEAD"), ("BREW", "/healthz", "GET, HEAD"), ("TRACE", "/jobs/1", "GET, HEAD, PATCH, DELETE")):
        answer = d.request(method, path)
        equal(answer.status, 405, f"{method} {path}")
        equal(answer["Allow"], allow, f"{method} {path}")


@test
def slow_requests_are_cut():
    """a byte now and then does not keep a connection beyond its time"""
    def drip(data):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", d.port), timeout=0.1) as s:
            for i in range(len(data)):
                try:
                    s.sendall(data[i:i + 1])
                    if s.recv(1000) == b"":
                        return time.monotonic() - begin
                except socket.timeout:
                    pass
                except (ConnectionResetError, BrokenPipeError):
                    return time.monotonic() - begin
        raise AssertionError("it lives on")
    equal(drip(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 500) < 20, True, "headers")
    equal(drip(f"POST /jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n{{".encode() + b" " * 500) < 20, True, "body")
    with socket.create_connection(("127.0.0.1", d.port), timeout=20) as s:
        equal(s.recv(10), b"", "nothing sent, nothing answered")


@test
def many_connections_leave_room():
    """one address has seven eighths of the connections at most: the others are for others, and its own come back"""
    other = Daemon("--max-connections", "64", "--request-timeout-s", "600")

    def connect(address):
        s = socket.socket()
        s.bind((address, 0))
        s.connect(("127.0.0.1", other.port))
        return s

    def closed(s):
        try:
            return s.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def served(s):
        s.settimeout(SLOW)
        try:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return raw_status(s.recv(65536)) == 200
        except ConnectionError:
            return False
    greedy = [connect("127.0.0.1") for _ in range(80)]
    wait_for(lambda: sum(map(closed, greedy)) >= 24, "those beyond its share to be closed")
    modest = [connect("127.0.0.2") for _ in range(8)]
    equal([served(s) for s in modest], [True] * 8)
    equal(sum(map(closed, greedy)), 24)
    for s in greedy:
        s.close()
    wait_for(lambda: served(connect("127.0.0.1")), "its share to be free again")
    for s in modest:
        s.close()
    # There is no answer to this: but its end comes long before the request's time is over.
    with connect("127.0.0.1") as s:
        s.settimeout(SLOW)
        s.sendall(b"GET /jobs?" + b"&".join(b"a%d=1" % i for i in range(3000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal(s.recv(1), b"", "thousands of parameters")
    other.stop()


@test
def what_libmicrohttpd_refuses():
    """requests that never come to a route: the statuses that the description has for them, HTML and the end"""
    said = d.get("/openapi.json").json()["info"]["description"]
    announced = {int(x) for x in re.findall(r"\b[45]\d\d\b", said.partition("before there is a route")[2])}
    found = set()
    for text in ("GET /healthz HTTP/1.1\r\n\r\n", f"GET /healthz HTTP/1.1\r\n{HOST}nonsense\r\n\r\n", f"GET /{'a' * 40000} HTTP/1.1\r\n{HOST}\r\n",
                 f"GET /healthz HTTP/1.1\r\n{HOST}X: {'y' * 40000}\r\n\r\n", f"GET /healthz HTTP/2.0\r\n{HOST}\r\n",
                 f"POST /jobs HTTP/1.1\r\n{HOST}Content-Length: {9 * 10 ** 30}\r\n\r\n"):
        answer = d.raw(text.encode())
        head, _, body = answer.rpartition(b"\r\n\r\n")
        equal((b"Connection: close" in head, b"application/" in head, body.startswith(b"<html>")), (True, False, True), f"{text[:60]}: {answer}")
        found.add(raw_status(answer))
    equal(found, announced)


@test
def nonsense_is_survived():
    """bytes that are not HTTP, headers too long, clients that vanish"""
    for data in (b"\0" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"\r\n\r\n\r\n",
                 b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + HOST.encode() + b"X: " + b"y" * 100000 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n"):
        answer = d.raw(data, seconds=0.3)
        equal(raw_status(answer) == 0 or raw_status(answer) >= 400, True, f"{data[:40]}: {answer[:200]}")
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", d.port))
        s.sendall(f"GET /datasets/tiny/preview.png HTTP/1.1\r\n{HOST}\r\n".encode())
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    equal(get("/healthz"), 200)


@test
def queries_are_checked():
    """unknown, doubled, malformed and wrong query parameters are named"""
    def errors(path):
        return {e["parameter"]: e["detail"] for e in d.get(path, 400).json()["errors"]}
    equal(sorted(errors("/jobs?foo=1&limit=0&bar")), ["bar", "foo", "limit"])
    equal(errors("/jobs?limit=5&limit=6"), {"limit": "expected it once"})
    for value in ("201", "-1", "1.5", "x", "", "1%20", "99999999999999999999", "01"):
        equal(list(errors(f"/jobs?limit={value}")), ["limit"], value)
    equal(list(errors("/jobs?cursor=x")), ["cursor"])
    equal(list(errors("/jobs?cursor=s5")), ["cursor"])
    equal(list(errors("/jobs?state=sleeping")), ["state"])
    equal(list(errors("/datasets?cursor=j1")), ["cursor"])
    equal(list(errors("/events?after=-1")), ["after"])
    equal(list(errors("/healthz?x=1")), ["x"])
    equal(list(errors("/healthz?%C3%BC=1")), ["\u00fc"])
    for path in ("/jobs?%00=1", "/jobs?limit=%0", "/jobs?limit=%zz", "/jobs?%ff"):
        equal("errors" in d.get(path, 400).json(), False, path)
    equal(len(errors("/jobs?" + "&".join(f"x{i}=1" for i in range(100)))), 20, "many")
    d.get("/jobs?limit=1&&state=running&", 200)


@test
def problems_are_utf8():
    """what a problem quotes of a request is UTF-8, whatever the request was and wherever a limit cut it"""
    def detail(data):
        answer = d.raw(data.replace(b"HOST", HOST.encode()))
        return raw_status(answer), json.loads(answer.partition(b"\r\n\r\n")[2].decode("utf-8", "strict"))["detail"]
    status, text = detail(b"GET /events HTTP/1.1\r\nHOSTLast-Event-ID: \xff1\xc3\r\nConnection: close\r\n\r\n")
    equal((status, text.endswith("found ?1")), (400, True), text)
    for odd in range(4):
        body = ('{"' + "a" * odd + "\u00fc" * 60 + '":1e999}').encode()
        status, text = detail(b"POST /jobs HTTP/1.1\r\nHOSTContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        equal((status, text.endswith("\u00fc")), (400, True), text)


@test
def it_stops_cleanly():
    """after all this the daemon stops with exit status 0, and gave no answer it does not describe"""
    d.stop()


main()
