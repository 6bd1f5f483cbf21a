#!/usr/bin/env python3
"""Logging in on the page, in headless Chromium against a daemon with tokens. TAP."""

import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "api")]
import dcgand  # noqa: E402
from webdriver import Browser, missing  # noqa: E402

ENTER = "\ue007"
FIELD = "document.querySelector('.login [name=token]')"
ROW = "document.querySelector('.job-row, .blank h2')"


class Scenario:
    """The tests share one browser and run in the order they stand in; a name's test_ is cut."""

    def __init__(self, page, service, tokens):
        self.page, self.service, self.tokens = page, service, tokens
        self.secret = {}

    def make(self, name, scope):
        made = subprocess.run([dcgand.PROGRAM, "--new-token", name, "--scope", scope, "--tokens", self.tokens], capture_output=True, text=True, check=True)
        self.secret[name] = made.stdout.strip()

    def go(self, path):
        self.page.open("about:blank")
        self.page.open(f"http://127.0.0.1:{self.service.port}/{path}")

    def overflows(self):
        return self.page.value("document.documentElement.scrollWidth > innerWidth")

    def offered(self, selector):
        return self.page.value(f"[...document.querySelectorAll('{selector}')].map((e) => e.checkVisibility())")

    def log_in(self, name):
        self.page.wait(f"{FIELD}", "the log-in view")
        self.page.type(".login [name=token]", self.secret[name])
        self.page.press(ENTER)

    def test_a_stranger_is_asked_for_a_token_in_place_of_the_view(self):
        self.go("#/datasets")
        self.page.wait(f"{FIELD} && document.activeElement === {FIELD}", "the log-in view, its field with the focus")
        field = self.page.run(f"const f = {FIELD}; return [f.type, f.labels[0].textContent, f.getAttribute('aria-describedby').split(' ').every((id) => document.getElementById(id))];")
        assert field == ["password", "Token", True], field
        assert self.page.value("location.hash") == "#/datasets"
        assert self.page.value("document.getElementById('who').hidden")
        asked = self.page.value("performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname).filter((p) => !p.includes('.'))")
        assert asked == ["/session"], f"nothing else is asked for: {asked}"
        assert self.page.console() == []

    def test_it_fits_a_phone_in_both_schemes(self):
        self.page.size(360, 640)
        for scheme in ("light", "dark"):
            self.page.scheme(scheme)
            assert not self.overflows(), scheme
            paper, ink = self.page.run("const c = getComputedStyle(document.querySelector('.login')); return [c.backgroundColor, c.color];")
            assert paper != ink, (paper, ink)
        folder = os.environ.get("DCGAND_SCREENSHOTS")
        if folder:
            self.page.screenshot(os.path.join(folder, "login-phone-dark.png"))
        self.page.scheme("light")
        self.page.size(1280, 900)

    def test_a_wrong_token_is_refused_beside_the_field(self):
        self.page.type(".login [name=token]", "dcgand-wrong")
        self.page.click(".login .primary")
        self.page.wait("document.querySelector('.login .field-error').textContent.includes('not one of')", "why not")
        assert self.page.run(f"return [{FIELD}.getAttribute('aria-invalid'), document.activeElement === {FIELD}];") == ["true", True]
        wrong = [line for line in self.page.console() if "401" not in line["message"]]
        assert wrong == [], wrong

    def test_a_token_opens_the_view_of_the_address(self):
        self.log_in("ada")
        self.page.wait("document.querySelector('[data-dataset=tiny] img')?.naturalWidth > 0", "the data sets, with a picture that came by cookie")
        assert self.page.value("location.hash") == "#/datasets"
        assert self.page.text("#who").startswith("Logged in as ada (write)")
        assert self.page.value("document.cookie") == "", "no script sees the cookie"
        assert self.page.value("JSON.stringify(Object.entries(localStorage)) + JSON.stringify(Object.entries(sessionStorage))") == "[][]"
        self.page.size(360, 640)
        assert not self.overflows()
        self.page.size(1280, 900)

    def test_the_curl_that_is_shown_does_what_it_says(self):
        self.go("#/new?dataset=tiny&size=16&ngf=4&ndf=4&batch_size=4&max_steps=1")
        command = self.page.wait("document.querySelector('.curl code')?.textContent")
        ran = subprocess.run(["sh", "-c", f"{command} -s"], env={**os.environ, "TOKEN": self.secret["ada"]}, capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout).get("state") == "queued", ran.stdout

    def test_events_and_actions_come_through(self):
        self.go("")
        self.page.wait(ROW, "the list, without logging in again")
        self.service.auth = {"Authorization": f"Bearer {self.secret['ada']}"}
        job = self.service.post("/jobs", dcgand.small_job(epochs=1000000, sample_every=0, checkpoint_every=0, swd_images=0)).json()["id"]
        self.page.wait(f"document.querySelector('[data-job=\"{job}\"] .pill')?.dataset.state === 'running'", "the new job by an event")
        self.go(f"#/jobs/{job}?window=200")
        self.page.wait("document.querySelector('[data-action=cancel]')", "its view")
        self.page.click("[data-action=cancel]")
        self.page.wait("document.querySelector('dialog[open]')", "the question")
        self.page.click("dialog .danger")
        self.page.wait("document.querySelector('.title .pill')?.dataset.state === 'cancelled'", "cancelled by the page")
        self.page.wait("document.querySelector('[data-action=pin]')?.checkVisibility()", "what can be done to it now")
        assert self.offered("[data-action=delete]") == [False], "deleting needs more"
        assert self.offered(".new-job") == [True]

    def test_a_token_that_is_removed_leads_to_the_log_in_view(self):
        hash_before = self.page.value("location.hash")
        assert "window=200" in hash_before, hash_before
        os.unlink(self.tokens)
        self.make("eve", "read")
        self.service.process.send_signal(signal.SIGHUP)
        # The event stream ends, and that is enough: nobody touches the page.
        self.page.wait(f"{FIELD} && document.activeElement === {FIELD}", "the log-in view")
        assert self.page.value("location.hash") == hash_before
        assert self.page.value("document.getElementById('banner').hidden"), "nothing is disconnected"
        self.log_in("eve")
        self.page.wait("document.querySelector('.title .pill')?.dataset.state === 'cancelled'", "the view of the address")
        assert self.page.value("location.hash") == hash_before
        assert self.offered("[data-action=pin]") == [False], "eve may only read"
        assert self.offered(".new-job") == [False]

    def test_logging_out_holds_in_every_tab(self):
        first = self.page.here()
        self.page.tab()
        self.page.open(f"http://127.0.0.1:{self.service.port}/#/datasets")
        self.page.wait("document.querySelector('[data-dataset=tiny]')", "a second tab, logged in")
        self.page.click("#logout")
        self.page.wait(FIELD, "logged out")
        self.page.switch(first)
        self.page.wait(FIELD, "logged out here, too")
        self.log_in("eve")
        self.page.wait("document.querySelector('.title .pill')", "logged in")
        wrong = [line for line in self.page.console() if line["level"] == "SEVERE" and not any(s in line["message"] for s in ("401", "403"))]
        assert wrong == [], wrong

    def test_without_tokens_nobody_is_asked(self):
        with_tokens = self.service
        with_tokens.stop()
        self.service = dcgand.Daemon()
        self.go("")
        self.page.wait("document.querySelector('.blank h2')", "the empty list")
        assert self.page.value("document.getElementById('who').hidden")
        assert self.offered(".new-job") == [True]
        self.service.stop()


def main():
    reason = missing()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return
    tokens = os.path.join(dcgand.folder(), "tokens")
    with Browser() as page:
        scenario = Scenario(page, None, tokens)
        scenario.make("ada", "write")
        scenario.service = dcgand.Daemon("--tokens", tokens)
        scenario.service.auth = {"Authorization": f"Bearer {scenario.secret['ada']}"}
        scenario.service.register_tiny()
        for name in vars(Scenario):
            if name.startswith("test_"):
                def run(name=name):
                    getattr(scenario, name)()
                run.__doc__ = name[5:].replace("_", " ")
                dcgand.test(run)
        dcgand.main()


if __name__ == "__main__":
    main()
