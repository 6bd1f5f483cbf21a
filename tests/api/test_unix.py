"""Unix sockets, and addresses that only tokens may open."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys

from dcgand import PROGRAM, SLOW, Daemon, equal, folder, main, read_all, raw_status, test

place = folder()
PATH = os.path.join(place, "dcgand.sock")


class Local(Daemon):
    """Serves a Unix socket."""

    def command(self, *more):
        return super().command("--listen", f"unix:{PATH}", *more)

    def start(self):
        self.stderr = open(os.path.join(self.folder, "stderr"), "ab")
        # The mode of the socket does not depend on the umask.
        self.process = subprocess.Popen(["/bin/sh", "-c", 'umask 0077; exec "$0" "$@"', *self.command()], stdout=subprocess.PIPE, stderr=self.stderr, env=self.env)
        said = self.process.stdout.readline().decode()
        equal(re.fullmatch(rf"dcgand [0-9.]+ listening on unix:{re.escape(PATH)}\n", said) is not None, True, said + self.errors())

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(SLOW)
        self.process.stdout.close()
        self.stderr.close()
        return status


def ask(text):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(SLOW)
        s.connect(PATH)
        s.sendall(text.encode())
        return read_all(s)


def fails(*words):
    """What a daemon that does not start says."""
    tried = subprocess.run([PROGRAM, "--state-dir", os.path.join(place, "never"), *words], capture_output=True, text=True, timeout=SLOW)
    equal((tried.returncode in (1, 2), tried.stdout), (True, ""), tried.stderr)
    return tried.stderr


@test
def a_socket_of_its_own():
    """listen = unix:/PATH: served without tokens, for owner and group, and removed at the end"""
    d = Local()
    equal(stat.S_IMODE(os.stat(PATH).st_mode), 0o660)
    equal(raw_status(ask("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")), 200)
    if shutil.which("curl"):
        said = subprocess.run(["curl", "-sS", "--fail", "--unix-socket", PATH, "http://localhost/jobs"], capture_output=True, text=True, timeout=SLOW)
        equal((said.returncode, said.stdout), (0, '{"jobs":[],"next":null}'), said.stderr)
        said = subprocess.run(["curl", "-sS", "--unix-socket", PATH, "http://localhost/jobs", "-H", "Content-Type: application/json", "-d", "{}"], capture_output=True, text=True, timeout=SLOW)
        equal('"status":422' in said.stdout, True, said.stdout)
    # A page that reaches it through somebody's proxy is still of another site.
    equal(raw_status(ask("GET /jobs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")), 421)
    equal(raw_status(ask("GET /jobs HTTP/1.1\r\nConnection: close\r\n\r\n")), 400)
    equal(raw_status(ask("GET /jobs HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n")), 403)
    equal(fails("--listen", f"unix:{PATH}").count(f"listen: another program answers at {PATH}"), 1)
    equal(d.end(), 0)
    equal(os.path.exists(PATH), False)


@test
def what_a_kill_left():
    """a socket where nobody answers is replaced; what another has put in its place is let alone at the end"""
    d = Local()
    d.end(signal.SIGKILL)
    equal(stat.S_ISSOCK(os.lstat(PATH).st_mode), True)
    d.start()
    equal(raw_status(ask("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")), 200)
    os.unlink(PATH)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(PATH)
        equal(d.end(), 0)
        equal(os.path.exists(PATH), True)
    os.unlink(PATH)


@test
def paths():
    """what is no path of a socket is refused, and what stands there stays"""
    with open(PATH, "w", encoding="ascii") as f:
        f.write("precious")
    equal(f"{PATH} is not a socket" in fails("--listen", f"unix:{PATH}"), True)
    equal(os.path.getsize(PATH), 8)
    os.unlink(PATH)
    os.symlink(os.path.join(place, "elsewhere"), PATH)
    equal(f"{PATH} is not a socket" in fails("--listen", f"unix:{PATH}"), True)
    equal((os.path.islink(PATH), os.path.lexists(os.path.join(place, "elsewhere"))), (True, False))
    os.unlink(PATH)
    equal("the folder of" in fails("--listen", f"unix:{place}/none/x"), True)
    for path, why in (("", "absolute path"), ("relative", "absolute path"), ("@abstract", "absolute path"), ("/" + "x" * 108, "at most 107 bytes"), ("/a\nb", "control character"),
                      ("/run/", "that of a folder")):
        judged = subprocess.run([PROGRAM, "--check-config", "--listen", f"unix:{path}"], capture_output=True, text=True, timeout=SLOW)
        equal((judged.returncode, why in judged.stderr), (2, True), judged.stderr)


@test
def peers_have_names():
    """a wrong token over a Unix socket is told with the user it came from"""
    tokens = os.path.join(place, "tokens")
    made = subprocess.run([PROGRAM, "--new-token", "ada", "--scope", "read", "--tokens", tokens], capture_output=True, text=True, check=True)
    d = Local("--tokens", tokens)
    head = "GET /jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    equal([raw_status(ask(head + more + "\r\n")) for more in ("", "Authorization: Bearer x\r\n", f"Authorization: Bearer {made.stdout.strip()}\r\n")], [401, 401, 200])
    equal(d.end(), 0)
    equal(f"a wrong token from user {os.geteuid()}" in d.errors(), True, d.errors())


NETWORK = r"""
# In a network of its own, where nothing outside is: a daemon on all addresses.
import fcntl, http.client, os, re, socket, struct, subprocess, sys
SIOCSIFADDR, SIOCSIFFLAGS, UP = 0x8916, 0x8914, 0x1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for name, address in ((b"lo", "127.0.0.1"), (b"lo:1", "10.9.8.7")):
        fcntl.ioctl(s, SIOCSIFADDR, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address)))
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", UP))
program, state, tokens, secret = sys.argv[1:]
for listen, address in (("0.0.0.0:0", "10.9.8.7"), ("10.9.8.7:0", "10.9.8.7"), ("[::]:0", "10.9.8.7")):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("\0dcgand-test-notify")
    p = subprocess.Popen([program, "--listen", listen, "--state-dir", state, "--tokens", tokens], stdout=subprocess.PIPE,
                         env=dict(os.environ, NOTIFY_SOCKET="@dcgand-test-notify", WATCHDOG_USEC="1000000"))
    said = p.stdout.readline().decode()
    port = int(re.search(r"listening on http://\S+:(\d+)\n", said)[1])
    def ask(host, **headers):
        c = http.client.HTTPConnection(address, port, timeout=60)
        c.request("GET", "/jobs", headers=dict(headers, Host=host))
        return c.getresponse().status
    good = {"Authorization": "Bearer " + secret}
    print(listen, ask(f"{address}:{port}"), ask(f"{address}:{port}", **good), ask("localhost", **good), ask("10.9.8.6", **good), ask("evil.example", **good), flush=True)
    notify.settimeout(60)
    while b"WATCHDOG=1" not in notify.recv(1000):
        pass
    notify.close()
    p.terminate()
    print(p.wait(60), flush=True)
"""


@test
def all_addresses():
    """with tokens the daemon serves a network, under the address that its client connected to"""
    tokens = os.path.join(place, "tokens")
    made = subprocess.run([PROGRAM, "--new-token", "network", "--scope", "read", "--tokens", tokens], capture_output=True, text=True, check=True)
    words = ["unshare", "--user", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode:
        print("# no network of our own can be made here: not tried")
        return
    told = subprocess.run([*words, sys.executable, "-c", NETWORK, PROGRAM, os.path.join(place, "networked"), tokens, made.stdout.strip()],
                          capture_output=True, text=True, timeout=3 * SLOW)
    equal(told.stdout.splitlines(), [x for listen in ("0.0.0.0:0", "10.9.8.7:0", "[::]:0") for x in (f"{listen} 401 200 200 421 421", "0")], told.stderr)


main()
