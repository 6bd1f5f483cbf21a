"""A small W3C WebDriver client for headless Chromium: only the standard library.

    with Browser() as page:
        page.open("http://127.0.0.1:8080/")
        page.wait("document.querySelector('h1')")

Scripts return JSON. Every wait has a limit and says what it waited for.
"""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-default-apps",
    "--no-default-browser-check", "--metrics-recording-only", "--hide-scrollbars",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing():
    """What has to be installed before a Browser can start; None when nothing."""
    if not (shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        return "no chromium (Debian: chromium)"
    if not shutil.which("chromedriver"):
        return "no chromedriver (Debian: chromium-driver)"
    return None


class WebDriverError(Exception):
    pass


class Browser:
    """One Chromium with a profile of its own, driven through its own chromedriver."""

    def __init__(self, width=1280, height=900):
        self.session = None
        self.profile = tempfile.mkdtemp(prefix="dcgan-page-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        # A process group of its own, so that no renderer outlives the test.
        self.driver = subprocess.Popen(
            [shutil.which("chromedriver"), f"--port={self.port}", "--allowed-ips=127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self._wait_for_driver()
            binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
            answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {
                    "binary": binary,
                    "args": FLAGS + [f"--user-data-dir={self.profile}", f"--window-size={width},{height}"],
                },
                "timeouts": {"script": 30000, "pageLoad": 60000},
            }}}, timeout=120)
            self.session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.session:
            try:
                self._send("DELETE", f"/session/{self.session}", timeout=15)
            except (OSError, WebDriverError, http.client.HTTPException):
                pass  # it is stopped below
            self.session = None
        try:
            os.killpg(self.driver.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _wait_for_driver(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.driver.poll() is not None:
                raise WebDriverError(f"chromedriver ended with status {self.driver.returncode}")
            try:
                if self._send("GET", "/status", timeout=5)["ready"]:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise WebDriverError("chromedriver did not become ready in 60 s")

    def _send(self, method, path, body=None, timeout=90):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            text = json.dumps(body if body is not None else {}) if method == "POST" else None
            connection.request(method, path, text, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(f"{value['error']}: {value.get('message', '').splitlines()[0]}")
        return value

    def command(self, method, path, body=None):
        return self._send(method, f"/session/{self.session}{path}", body)

    # --- The page -----------------------------------------------------------------

    def open(self, url):
        self.command("POST", "/url", {"url": url})

    def reload(self):
        self.command("POST", "/refresh")

    def run(self, script, *args):
        """A function body; what it returns."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(args)})

    def value(self, expression):
        return self.run(f"return ({expression});")

    def wait(self, expression, what=None, seconds=30):
        """Until a JavaScript expression is truthy; its value."""
        end = time.monotonic() + seconds
        while True:
            value = self.value(expression)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what or expression}")
            time.sleep(0.1)

    def find(self, css):
        return self.command("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        """As a person: the element must be visible and not covered."""
        self.command("POST", f"/element/{self.find(css)}/click")

    def type(self, css, text):
        """Replaces what a field holds by key strokes."""
        element = self.find(css)
        self.command("POST", f"/element/{element}/clear")
        self.command("POST", f"/element/{element}/value", {"text": text})

    def press(self, key, held=None):
        """A key to whatever has the focus, with another held down."""
        keys = [held, key] if held else [key]
        self.command("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions":
            [{"type": "keyDown", "value": k} for k in keys] + [{"type": "keyUp", "value": k} for k in reversed(keys)]}]})

    def pointer(self, kind, fingers):
        """'mouse' or 'touch': for each pointer what it does, all in step: ("move", x, y), ("down",), ("up",)."""
        def action(what, *at):
            return {"type": "pointerMove", "x": at[0], "y": at[1], "duration": 30} if what == "move" else \
                {"type": "pointer" + what.capitalize(), "button": 0}
        self.command("POST", "/actions", {"actions": [
            {"type": "pointer", "id": f"{kind}-{i}", "parameters": {"pointerType": kind}, "actions": [action(*a) for a in does]}
            for i, does in enumerate(fingers)]})

    def wheel(self, x, y, delta):
        self.command("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [
            {"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": delta, "duration": 0, "origin": "viewport"}]}]})

    def text(self, css):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? null;", css)

    def console(self):
        """Console lines and failed loads since the last call: [{level, message}]"""
        return self.command("POST", "/se/log", {"type": "browser"})

    # --- The window ---------------------------------------------------------------

    def cdp(self, cmd, params):
        return self.command("POST", "/goog/cdp/execute", {"cmd": cmd, "params": params})

    def size(self, width, height):
        """The page's own size: no window is too small."""
        self.cdp("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        """'light' or 'dark'"""
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def tab(self):
        """Opens another tab and goes there; its handle."""
        handle = self.command("POST", "/window/new", {"type": "tab"})["handle"]
        self.switch(handle)
        return handle

    def here(self):
        return self.command("GET", "/window")

    def switch(self, handle):
        self.command("POST", "/window", {"handle": handle})

    def close_tab(self):
        self.command("DELETE", "/window")

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.command("GET", "/screenshot")))

    def screenshot_whole(self, path):
        """The whole page, however long."""
        answer = self.cdp("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        with open(path, "wb") as f:
            f.write(base64.b64decode(answer["data"]))
