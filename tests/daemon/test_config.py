"""The configuration: file, command line, environment; every fault named with its place."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "api"))
from dcgand import PROGRAM, SLOW, Daemon, equal, folder, main, test  # noqa: E402

SOURCE = os.environ.get("top_srcdir", ".")
here = folder()


def run(*words, env=None):
    clean = {k: v for k, v in os.environ.items() if k != "STATE_DIRECTORY"}
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=SLOW, env=dict(clean, **(env or {})), stdin=subprocess.DEVNULL)


def write(text, name="dcgand.conf"):
    path = os.path.join(here, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def effective(*words, env=None):
    """{name: value or list of values} of what --print-config shows outside comments."""
    r = run(*words, "--print-config", env=env)
    equal((r.returncode, r.stderr), (0, ""), f"{words}")
    found = {}
    for line in r.stdout.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split(" = ", 1)
            found.setdefault(name, []).append(value)
    return found


def faults(text):
    """The faults of a file, without its name: ["LINE: what", ...]."""
    path = write(text)
    r = run("--check-config", "--config", path)
    lines = r.stderr.splitlines()
    equal((r.returncode, r.stdout, lines[-1:]), (2, "", ["Try dcgand --help"]), r.stderr)
    start = f"dcgand: {path}:"
    for line in lines[:-1]:
        equal(line.startswith(start) or "and more" in line, True, line)
    return [line[len(start):] if line.startswith(start) else line for line in lines[:-1]]


@test
def the_installed_file():
    """etc/dcgand.conf is what the table of options gives, and is valid"""
    with open(os.path.join(SOURCE, "etc", "dcgand.conf"), encoding="utf-8") as f:
        text = f.read()
    equal(run("--print-config").stdout, text)
    equal(run("--config", os.path.join(SOURCE, "etc", "dcgand.conf"), "--print-config").stdout, text)
    r = run("--check-config", "--config", os.path.join(SOURCE, "etc", "dcgand.conf"))
    equal((r.returncode, r.stdout, r.stderr), (0, "", ""))


@test
def every_default_can_be_given():
    """each commented default, uncommented, is accepted and changes nothing"""
    with open(os.path.join(SOURCE, "etc", "dcgand.conf"), encoding="utf-8") as f:
        text = f.read()
    # What has no default shows an example in capitals.
    active = re.sub(r"^#(?=[a-z-]+ = (?![A-Z]+$))", "", text, flags=re.M)
    equal(active.count("\n#") < text.count("\n#"), True)
    equal(run("--config", write(active), "--print-config").stdout, text)


@test
def every_option_of_help():
    """--help and the file know the same options, but for those of the command line alone"""
    options = set(re.findall(r"^  --([a-z-]+)", run("--help").stdout, re.M))
    names = set(re.findall(r"^#?([a-z-]+) = ", run("--print-config").stdout, re.M))
    equal(options - names, {"config", "check-config", "print-config", "new-token", "scope", "help", "version"})
    equal(names - options, set())


@test
def precedence():
    """defaults, then STATE_DIRECTORY, then the file, then the command line"""
    path = write("[jobs]\nstate-dir = /srv/file\nmax-queued = 5\n[http]\nmax-streams = 6\nheartbeat-s=7\n")
    env = {"STATE_DIRECTORY": "/srv/unit"}
    equal(effective(), {})
    equal(effective(env=env), {"state-dir": ["/srv/unit"]})
    equal(effective("--config", path, env=env), {"state-dir": ["/srv/file"], "max-queued": ["5"], "max-streams": ["6"], "heartbeat-s": ["7"]})
    equal(effective("--max-queued=8", "--config", path, "--heartbeat-s", "9", "--state-dir=./var", env=env),
          {"state-dir": ["./var"], "max-queued": ["8"], "max-streams": ["6"], "heartbeat-s": ["9"]})
    equal(effective(env={"STATE_DIRECTORY": "/a:/b"}), {"state-dir": ["./var"]}, "several are none")


@test
def lists():
    """a list grows line by line; one on the command line replaces the file's"""
    path = write("[jobs]\ndataset-root = /a\ndataset-root = /b b\n[http]\nallowed-host = one.example\n")
    equal(effective("--config", path), {"dataset-root": ["/a", "/b b"], "allowed-host": ["one.example"]})
    equal(effective("--config", path, "--dataset-root", "/c", "--dataset-root", "/d"), {"dataset-root": ["/c", "/d"], "allowed-host": ["one.example"]})
    many = "".join(f"dataset-root = /{i}\n" for i in range(33))
    equal(faults("[jobs]\n" + many), ["34: dataset-root: expected at most 32 of these"])


@test
def what_is_allowed():
    """white space, both comments, CR LF, a byte order mark, values with = and ; and text beyond ASCII"""
    path = write(b"\xef\xbb\xbf; one\r\n# two\r\n\r\n  [jobs]  \r\n\t dataset-root=/a=b;c:d \r\n  max-queued\t=  12\r\nstate-dir = /srv/\xc3\xa4 #x\n\n[http]")
    equal(effective("--config", path), {"dataset-root": ["/a=b;c:d"], "max-queued": ["12"], "state-dir": ["/srv/ä #x"]})
    equal(effective("--config", write("")), {})


@test
def round_trip():
    """what --print-config shows is a file that gives the same"""
    words = ["--listen", "[::1]:0", "--allowed-host", "a.example", "--allowed-host", "b.example", "--web-dir", "/srv/" + "w" * 3000,
             "--dataset-root", "/x y", "--log-level=debug", "--max-connections", "8", "--request-timeout-s", "3600"]
    first = run(*words, "--print-config").stdout
    equal(len(effective(*words)), 7)
    equal(run("--config", write(first), "--print-config").stdout, first)
    for value in ("/a\nb", "/a ;b", " /a", "/" + "a" * 5000):
        r = run("--web-dir", value, "--print-config")
        equal((r.returncode, r.stdout, "web-dir: a file cannot hold this value" in r.stderr), (2, "", True), r.stderr)


@test
def every_fault():
    """all faults of a file are told, with line, what was expected and what was found"""
    found = faults("""max-queued = 1
[http]
listen = 0.0.0:80
max-streams = 4097
max-streams = 2
heartbeat-s = -1
request-timeout-s = 1s
max-connections =
liste = 127.0.0.1:80
max-queued = 3
help = 1
allowed-host = a:1
word
= 5
web-dir = /a ; with a comment
listen: 127.0.0.1:80 = 1
[server]
nothing = told twice
[log
[log]
log-level = loud
""")
    expected = ["1: max-queued: expected in section [jobs], found before any section",
                "3: listen: expected a numeric address, [IPv6 address] or localhost before the port, found \"0.0.0:80\"",
                "4: max-streams: expected a whole number from 1 to 4096, found \"4097\"",
                "5: max-streams: expected once, found already in line 4",
                "6: heartbeat-s: expected a whole number from 1 to 3600, found \"-1\"",
                "7: request-timeout-s: expected a whole number from 1 to 3600, found \"1s\"",
                "8: max-connections: expected N, found nothing",
                "9: unknown name \"liste\"",
                "10: max-queued: expected in section [jobs], found in [http]",
                "11: \"help\" can be given on the command line only",
                "12: allowed-host: expected a host name without a port, found \"a:1\"",
                "13: expected NAME = VALUE, found \"word\"",
                "14: expected NAME = VALUE, found \"= 5\"",
                "15: expected the comment on a line of its own, found a semicolon after white space",
                "16: expected NAME = VALUE, found \"listen: 127.0.0.1:80 = 1\"",
                "17: expected one of the sections [http], [jobs], [log], found \"[server]\"",
                "19: expected one of the sections [http], [jobs], [log], found \"[log\"",
                "21: log-level: expected error, warning, info or debug, found \"loud\""]
    equal([line[:len(e)] for line, e in zip(found, expected)], expected)
    equal(len(found), len(expected), "\n".join(found))


@test
def hostile_bytes():
    """long lines, control characters, NUL, long names and too many faults"""
    equal(faults(b"[jobs]\nstate-dir = /" + b"x" * 5000 + b"\nmax-queued = 2\nmax-queued = 3\n"),
          ["2: expected a line of at most 4200 bytes, found 5013", "4: max-queued: expected once, found already in line 3"])
    equal(faults(b"[jobs]\nstate-dir = /a\0b\nstate-dir = /a\x1b[2J\n\x7f\n"),
          ["2: expected text, found the control character 0x00", "3: expected text, found the control character 0x1b",
           "4: expected text, found the control character 0x7f"])
    long = "x" * 300
    equal(faults(f"[{long}]\n[jobs{long}]\n[jobs]\n{long} = 1\nmax-queued{long} = 1\n"),
          [f"1: expected one of the sections [http], [jobs], [log], found \"[{'x' * 99}\"", f"2: expected one of the sections [http], [jobs], [log], found \"[jobs{'x' * 95}\"",
           f"4: unknown name \"{'x' * 100}\"", f"5: unknown name \"max-queued{'x' * 90}\""])
    found = faults("x\n" * 10000)
    equal((len(found), found[19], found[20]), (21, '20: expected NAME = VALUE, found "x"', "dcgand: and more: these were the first"))
    equal(faults("[jobs]\n  max-queued = 1\n    2\n"), ['3: expected NAME = VALUE, found "2"'], "a continued line")


@test
def unreadable():
    """no file, a folder, a device and a file that is too large are refused with the reason"""
    for path, why in ((os.path.join(here, "none"), "cannot open"), (here, "not a regular file"), ("/dev/zero", "not a regular file"),
                      (write(b"#" * 300000, "large"), "at most 262144 allowed")):
        for more in ([], ["--check-config"], ["--print-config"]):
            r = run("--config", path, "--state-dir", os.path.join(here, "s"), *more)
            equal((r.returncode, r.stdout, path in r.stderr and why in r.stderr), (2, "", True), r.stderr)


@test
def on_the_command_line():
    """every fault there is told, too; --help needs no valid file"""
    r = run("--check-config", "--nope", "word", "--max-queued", "0", "--listen=1.2.3:5", "--config", write("[jobs]\nx=1\n"), "--web-dir")
    equal(r.returncode, 2)
    for text in ("unknown option \"--nope\"", "expected an option, found \"word\"", "--max-queued: expected a whole number", "--listen: expected a numeric address",
                 ":2: unknown name \"x\"", "--web-dir: expected DIR"):
        equal(text in r.stderr, True, f"{text}: {r.stderr}")
    equal(run("--help", "--config", write("nonsense")).returncode, 0)
    equal(run("--check-config", "--max-queued", "3").returncode, 0)


@test
def rules_of_the_page():
    """docs/admin.md names no metric that /metrics does not tell, and no option that there is not"""
    with open(os.path.join(SOURCE, "docs", "admin.md"), encoding="utf-8") as f:
        text = f.read()
    d = Daemon()
    told = set(re.findall(r"^([a-z_]+)", d.get("/metrics").body.decode(), re.M))
    d.stop()
    named = set(re.findall(r"\b(?:dcgand|process)_[a-z_]+", text))
    equal((len(named) >= 5, named - told), (True, set()))
    names = set(re.findall(r"^#?([a-z-]+) = ", run("--print-config").stdout, re.M))
    options = set(re.findall(r"`((?:disk|max|log|allowed|dataset|state|request|heartbeat)-[a-z-]+)(?: = [^`]*)?`", text))
    equal((len(options) >= 3, options - names), (True, set()))


@test
def it_holds():
    """a daemon started from a file does what the file says, and one with faults does not start"""
    d = Daemon("--config", write("[http]\nmax-streams = 1\nallowed-host = box.example\n[log]\nlog-level = debug\n"))
    equal(d.request("GET", "/healthz", host="box.example").status, 200)
    equal(d.request("GET", "/healthz", host="other.example").status, 421)
    d.stop()
    state = os.path.join(here, "never")
    r = run("--config", write("[jobs]\nmax-queued = many\n"), "--state-dir", state)
    equal((r.returncode, r.stdout, os.path.exists(state)), (2, "", False))


main()
