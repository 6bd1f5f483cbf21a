"""What the tests of the page share: a daemon with a data set, a browser, and TAP.

A test is a class made from Scene; its test_ methods run in the order they stand in.
"""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "api")]
import dcgand  # noqa: E402
from webdriver import Browser, missing  # noqa: E402

PICTURES = 2048
SMALL = {"size": 16, "batch_size": 16, "ngf": 4, "ndf": 4, "z_dim": 8, "threads": 1, "sample_count": 16}


def write_pictures(folder):
    """A data set of bright squares on dark, IDX."""
    os.makedirs(folder)
    rows = []
    for i in range(PICTURES):
        left, top, side = i % 7 + 1, i // 7 % 7 + 1, 4 + i // 49 % 5
        for y in range(16):
            inside = top <= y < top + side
            rows.append(bytes(230 if inside and left <= x < left + side else 20 for x in range(16)))
    with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as f:
        f.write(struct.pack(">IIII", 0x803, PICTURES, 16, 16) + b"".join(rows))


class Scene:
    def __init__(self, page, service):
        self.page, self.service = page, service
        self.skips = {}  # name of a test: why it is not run

    def ask(self, path):
        return self.service.get(path).json()

    def go(self, path):
        """A fresh page: to an address that differs after '#' only, a browser would not load."""
        self.page.open("about:blank")
        self.page.open(self.service.url + "/" + path)

    def hash(self, path):
        """To another view of the page that is open, as a link would."""
        self.page.run("location.hash = arguments[0]", path)

    def start(self, name, **more):
        """A job on the squares; its number."""
        return self.service.post("/jobs", {"dataset": "squares", "name": name, **SMALL, **more}).json()["id"]


class Service(dcgand.Daemon):
    """Comes back at the address it had, for a page that is still open."""

    port = 0

    def command(self, *more):
        return super().command("--listen", f"127.0.0.1:{self.port}", *more)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def watched(scenario, name):
    """A test by its readable name; with DCGAND_SCREENSHOTS a failure leaves a picture there."""
    def run():
        try:
            if name not in scenario.skips:
                getattr(scenario, name)()
        except Exception:
            folder = os.environ.get("DCGAND_SCREENSHOTS")
            if folder:
                scenario.page.screenshot(os.path.join(folder, name + ".png"))
            raise
    run.__doc__ = name[5:].replace("_", " ") + (f" # SKIP {scenario.skips[name]}" if name in scenario.skips else "")
    return run


def play(scene):
    """Runs the tests of a Scene class against one daemon and one browser."""
    reason = missing()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return
    service = Service()
    write_pictures(os.path.join(service.root, "squares"))
    with Browser() as page:
        scenario = scene(page, service)
        for name in vars(scene):
            if name.startswith("test_"):
                dcgand.test(watched(scenario, name))
        dcgand.main()
