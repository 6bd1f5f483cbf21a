"""The nginx example of docs/admin.md, as it is written there, in front of a live daemon.

Changed are only the port, the address of the daemon, and where its files are.
"""
import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import SLOW, Daemon, equal, folder, main, small_job, test, wait_for  # noqa: E402

NAME = "gan.example.org"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
place = folder()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(name, text):
    path = os.path.join(place, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Proxy:
    def __init__(self, daemon_port):
        with open(os.path.join(os.environ.get("top_srcdir", "."), "docs", "admin.md"), encoding="utf-8") as f:
            example = re.search(r"^```nginx\n(.*?)^```", f.read(), re.M | re.S)[1]
        self.port = free_port()
        key, certificate = os.path.join(place, "key"), os.path.join(place, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", f"/CN={NAME}", "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=SLOW)
        write("password", "ada:{PLAIN}lovelace\n")
        for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"), ("http://127.0.0.1:8080;", f"http://127.0.0.1:{daemon_port};"),
                         (f"/etc/ssl/{NAME}.pem", certificate), (f"/etc/ssl/{NAME}.key", key),
                         ("/etc/nginx/dcgand.htpasswd", os.path.join(place, "password"))):
            equal(example.count(old), 1, old)
            example = example.replace(old, new)
        temporary = "".join(f"\t{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.conf = write("nginx.conf", f"daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log {place}/error.log;\n"
                                        f"events {{}}\nhttp {{\n\taccess_log off;\n{temporary}{example}}}\n")
        self.process = subprocess.Popen([NGINX, "-p", place, "-e", os.path.join(place, "error.log"), "-c", self.conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.process.poll() is not None or self.answers(), "nginx", 30)
        if self.process.poll() is not None:
            with open(os.path.join(place, "error.log"), encoding="utf-8") as f:
                raise AssertionError("nginx does not start: " + f.read())

    def answers(self):
        try:
            return self.ask("GET", "/")[0]
        except ConnectionRefusedError:
            return None

    def open(self, method, path, body=None, password="lovelace", **headers):
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SLOW, context=context)
        send = {"Host": NAME, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if password:
            send["Authorization"] = "Basic " + base64.b64encode(f"ada:{password}".encode()).decode()
        if body is not None:
            send["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), send)
        return connection, connection.getresponse()

    def ask(self, *words, **more):
        connection, answer = self.open(*words, **more)
        data = answer.read()
        connection.close()
        return answer.status, data


if not NGINX or not shutil.which("openssl"):
    print("1..0 # SKIP nginx is missing" if not NGINX else "1..0 # SKIP openssl is missing")
    sys.exit(0)

d = Daemon("--allowed-host", NAME)
d.register_tiny()
proxy = Proxy(d.port)


@test
def passwords():
    """nobody comes through without the password"""
    equal(proxy.ask("GET", "/jobs", password=None)[0], 401)
    equal(proxy.ask("GET", "/jobs", password="byron")[0], 401)
    equal(proxy.ask("GET", "/readyz")[0], 200)


@test
def page_and_actions():
    """the page, and what it sends from its own origin, but nothing from another's"""
    status, page = proxy.ask("GET", "/")
    equal((status, b"<html" in page.lower()), (200, True))
    own = {"Origin": f"https://{NAME}", "Sec_Fetch_Site": "same-origin"}
    status, body = proxy.ask("POST", "/jobs", small_job(), **own)
    equal(status, 201, f"{body}")
    equal(proxy.ask("POST", "/jobs", small_job(), Origin="https://evil.example")[0], 403)
    equal(proxy.ask("POST", "/jobs", small_job(), Sec_Fetch_Site="cross-site")[0], 403)
    d.wait_state(json.loads(body)["id"], "succeeded")


@test
def events():
    """events come as they happen, not when the proxy's buffer is full"""
    connection, stream = proxy.open("GET", "/events?after=0")
    equal((stream.status, stream.getheader("Content-Type").split(";")[0]), (200, "text/event-stream"))
    seen = b""
    while b"\nevent: state" not in seen and not seen.startswith(b"event: state"):
        line = stream.readline()
        equal(line != b"", True, f"the stream ended after {seen}")
        seen += line
    connection.close()


@test
def it_ends():
    """proxy and daemon stop"""
    proxy.process.terminate()
    proxy.process.wait(SLOW)
    d.stop()


try:
    main()
finally:
    if proxy.process.poll() is None:
        proxy.process.kill()
        proxy.process.wait()
