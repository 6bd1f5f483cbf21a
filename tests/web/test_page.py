#!/usr/bin/env python3
"""The page in headless Chromium against a real daemon, as a person would use it. TAP."""

import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scene import PICTURES, SMALL, Scene, play  # noqa: E402

LEFT, RIGHT, END, ESCAPE = "\ue012", "\ue014", "\ue010", "\ue00c"
EPOCHS = 60  # of the job that runs to its end, of about a fifth of a second each

STEP = "Number((document.querySelector('.plot figcaption .figures')?.textContent ?? '').replace(/\\D/g, ''))"
STATE = "document.querySelector('.title .pill')?.dataset.state"
SAMPLE = "document.querySelector('.sample-caption .figures')?.textContent ?? ''"
EPOCH = f"Number(({SAMPLE}).match(/^Epoch (\\d+)/)?.[1] ?? 0)"
PICTURE = "document.querySelector('[aria-labelledby=samples-title] img')"
DRAWN = "document.querySelector('.generated:not([hidden]) img')"


class Scenario(Scene):
    """The tests share one browser and run in the order they stand in; a name's test_ is cut."""

    job = None

    def fill(self, fields):
        """Into the form, field by field, as key strokes or choices."""
        for name, value in fields.items():
            css = f".job-form [name={name}]"
            if self.page.value(f"document.querySelector('{css}').tagName") == "SELECT":
                self.page.run("const s = document.querySelector(arguments[0]); s.value = arguments[1];"
                              "s.dispatchEvent(new Event('input', {bubbles: true}));", css, value)
            else:
                self.page.type(css, value)

    def open_form(self, query=""):
        self.go("#/new" + query)
        self.page.wait("document.querySelector('.job-form')", "the form")

    def test_an_empty_daemon_says_how_to_start(self):
        self.go("")
        self.page.wait("document.querySelector('.blank h2')?.textContent === 'No jobs yet'")
        assert "curl" in self.page.text(".blank pre")

    def test_a_data_set_is_registered_from_the_page(self):
        self.go("#/datasets")
        self.page.wait("document.querySelector('form.card')")
        self.page.type("[name=name]", "squares")
        self.page.type("[name=path]", "no-such-folder/")
        self.page.click("form.card .primary")
        self.page.wait("document.querySelector('form.card .field-error:not(:empty)')", "why it was refused")
        self.page.type("[name=path]", "squares/")
        self.page.reload()
        self.page.wait("document.querySelector('form.card')")
        typed = self.page.value("['name', 'path', 'format'].map((n) => document.querySelector(`[name=${n}]`).value)")
        assert typed == ["squares", "squares/", "auto"], f"what was typed survives a reload: {typed}"
        self.page.click("form.card .primary")
        self.page.wait("document.querySelector('[data-dataset=squares]')", "the new data set")
        self.page.wait("document.querySelector('[data-dataset=squares] img')?.naturalWidth > 0", "its preview")
        assert self.page.value("location.hash") == "#/datasets"
        self.page.console()  # the refusal is in there

    def test_a_wrong_field_is_told_beside_it(self):
        self.open_form("?dataset=squares")
        self.fill({"batch_size": "1"})
        self.page.run("document.querySelector('.all-parameters').open = true")
        self.fill({"lr_g": "7"})
        self.page.run("document.querySelector('.all-parameters').open = false")
        self.page.click(".job-form .primary")
        self.page.wait("document.querySelectorAll('[aria-invalid]').length === 2", "two fields marked")
        for name in ("batch_size", "lr_g"):
            text = self.page.text(f"[data-field={name}] .field-error")
            assert "expected" in text, (name, text)
        assert self.page.value("document.querySelector('.all-parameters').open"), "the hidden field is shown"
        assert self.page.value("document.activeElement.name") == "batch_size", "the first wrong field has the focus"
        assert self.ask("/jobs")["jobs"] == []
        refused = [line for line in self.page.console() if "422" not in line["message"]]
        assert refused == [], refused

    def test_a_preset_fills_what_was_left_alone(self):
        self.open_form("?dataset=squares")
        self.page.run("document.querySelector('.all-parameters').open = true")
        self.fill({"z_dim": "8", "preset": "paper"})
        values = self.page.value("['arch', 'z_dist', 'z_dim'].map((n) => document.querySelector(`[name=${n}]`).value)")
        assert values == ["paper", "uniform", "8"], values

    def test_the_form_starts_a_job(self):
        self.open_form("?dataset=squares")
        self.page.run("document.querySelector('.all-parameters').open = true")
        self.fill({"name": "from the form", "epochs": str(EPOCHS), **{k: str(v) for k, v in SMALL.items()}})
        self.page.run("window.notReloaded = true")
        self.page.click(".job-form .primary")
        self.page.wait("/^#\\/jobs\\/\\d+$/.test(location.hash)", "the view of the new job")
        self.job = int(self.page.value("location.hash").split("/")[-1])
        params = self.ask(f"/jobs/{self.job}")["params"]
        assert (params["epochs"], params["ngf"], params["dataset"]) == (EPOCHS, 4, "squares"), params
        self.page.wait(f"{STATE} === 'running'", "running")

    def test_the_curve_grows_without_a_reload(self):
        first = self.page.wait(f"{STEP} > 0 && {STEP}", "the first point")
        self.page.wait(f"{STEP} > {first + 20}", "more points")
        # Both charts are drawn: there is ink in the colours of both networks.
        ink = self.page.run("""
            return [...document.querySelectorAll('.plot canvas')].slice(0, 2).map((canvas) => {
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                let warm = 0, cool = 0;
                for (let i = 0; i < data.length; i += 4) {
                    if (data[i + 3] < 200) continue;
                    if (data[i] > data[i + 2] + 80) warm++;
                    if (data[i + 2] > data[i] + 80) cool++;
                }
                return [warm, cool];
            });""")
        assert len(ink) == 2 and all(n > 50 for pair in ink for n in pair), ink

    def test_the_second_epochs_picture_arrives_without_a_reload(self):
        self.page.wait(f"{EPOCH} >= 2 && {PICTURE}.complete && {PICTURE}.naturalWidth > 0", "the picture of epoch 2", 60)
        assert self.page.value("window.notReloaded") is True
        assert self.page.value(f"{PICTURE}.src").endswith(".png")
        factor = self.page.value(f"{PICTURE}.clientWidth / {PICTURE}.naturalWidth")  # whole pixels only
        assert factor >= 1 and factor == int(factor), factor

    def test_pause_reload_resume(self):
        self.page.click("[data-action=pause]")
        self.page.wait(f"{STATE} === 'paused'", "paused")
        step = self.ask(f"/jobs/{self.job}")["step"]
        self.page.wait(f"{STEP} === {step}", "the last point before the pause")
        assert self.page.value("document.activeElement.dataset.action") == "resume", "the focus stays among the actions"
        self.page.reload()
        self.page.wait(f"{STATE} === 'paused'", "paused after the reload")
        self.page.wait(f"{STEP} === {step}", "the curve after the reload")
        self.page.wait(f"{PICTURE}?.naturalWidth > 0", "the picture after the reload")
        assert self.page.value("[...document.querySelectorAll('.facts dd')].slice(4).map((e) => e.textContent)") == ["–", "–"], "no speed at rest"
        self.page.click("[data-action=resume]")
        self.page.wait(f"{STATE} === 'running'", "running again")
        self.page.wait(f"{STEP} > {step}", "the curve goes on")

    def test_it_finishes(self):
        while self.page.value(STATE) != "succeeded":  # however slow, as long as it moves
            step = self.page.value(STEP)
            self.page.wait(f"{STATE} === 'succeeded' || {STEP} > {step}", "progress")
        job = self.ask(f"/jobs/{self.job}")
        assert job["step"] == job["steps_total"] == PICTURES // 16 * EPOCHS, job
        self.page.wait(f"{STEP} === {job['step']}", "the last point")
        self.page.wait(f"{EPOCH} === {EPOCHS}", "the last picture")
        assert self.page.value("document.querySelector('progress').value") == 1
        newest = self.ask(f"/jobs/{self.job}/checkpoints")["checkpoints"][-1]
        assert newest["step"] == job["step"], newest
        self.page.wait(f"document.querySelector('[data-checkpoint]')?.dataset.checkpoint === '{newest['id']}'", "the last checkpoint")

    def draw(self, seed):
        """Generates with a seed; what the picture holds."""
        before = self.page.value(f"{DRAWN}?.src ?? ''")
        self.page.type("#generate-seed", seed)
        self.page.click(".generate-form .primary")
        self.page.wait(f"{DRAWN} && {DRAWN}.src !== {before!r} && {DRAWN}.complete && {DRAWN}.naturalWidth > 0", f"the picture of seed {seed}")
        return self.contents()

    def contents(self):
        return self.page.run(f"""
            const img = {DRAWN}, canvas = document.createElement('canvas');
            canvas.width = img.naturalWidth;
            canvas.height = img.naturalHeight;
            const c = canvas.getContext('2d');
            c.drawImage(img, 0, 0);
            return Array.from(c.getImageData(0, 0, canvas.width, canvas.height).data).join();""")

    def test_generate_with_a_seed(self):
        seven = self.draw("7")
        eight = self.draw("8")
        assert seven != eight, "another seed, another picture"
        assert self.draw("7") == seven, "the same seed, the same picture"
        before = self.page.value(f"{DRAWN}.src")
        self.page.click(".generate-form button[type=button]")
        self.page.wait(f"{DRAWN}.src !== {before!r} && {DRAWN}.naturalWidth > 0", "the next seed's picture")
        assert self.contents() == eight
        assert "seed=8" in self.page.value("location.hash")
        self.page.reload()
        self.page.wait(f"{DRAWN}?.naturalWidth > 0", "the picture after the reload")
        assert self.contents() == eight

    def test_a_second_job_is_seen_from_the_list(self):
        """It does not end by itself: what follows has all the time it needs."""
        self.go("")
        self.page.wait("document.querySelector('.job-row')")
        self.job = self.service.post("/jobs", {"dataset": "squares", "name": "long", "epochs": 1000000, **SMALL}).json()["id"]
        row = f"document.querySelector('[data-job=\"{self.job}\"]')"
        self.page.wait(f"{row}?.querySelector('.pill').dataset.state === 'running'", "the new job, running")
        self.page.wait(f"{row}.querySelector('.thumb img')?.naturalWidth > 0", "its picture")
        self.page.click(f"[data-job='{self.job}'] .job-title")
        self.page.wait(f"{EPOCH} >= 3", "its view")

    def test_moving_back_stops_following(self):
        self.page.press(LEFT)
        self.page.press(LEFT)
        here = self.page.value(SAMPLE)
        newest = int(self.page.value("document.querySelector('[aria-labelledby=samples-title] input').max"))
        self.page.wait(f"Number(document.querySelector('[aria-labelledby=samples-title] input').max) > {newest}", "a newer picture")
        assert self.page.value(SAMPLE) == here
        assert "sample=" in self.page.value("location.hash")
        self.page.click("[data-do=newest]")
        self.page.wait("!location.hash.includes('sample=')")
        assert self.page.value(SAMPLE) != here

    def test_play_goes_through_the_pictures(self):
        play = "[data-do=play]"
        self.page.click(play)
        first = self.page.value(SAMPLE)
        self.page.wait(f"({SAMPLE}) !== {first!r}", "another picture")
        self.page.click(play)
        assert self.page.text(play) == "Play"

    def test_one_stream_for_all_tabs(self):
        count = ("const done = arguments[0]; navigator.locks.query()"
                 ".then((all) => done([all.held.length, all.pending.length]));")

        def locks():
            return self.page.command("POST", "/execute/async", {"script": count, "args": []})
        first = self.page.here()
        others = []
        for path in ("#/datasets", "#/new", "#/compare", f"#/jobs/{self.job}", "#/jobs", "#/jobs"):
            others.append(self.page.tab())
            self.go(path)
            self.page.wait("document.querySelector('h1')", path)
        second = self.page.tab()
        self.go("")
        row = f"document.querySelector('[data-job=\"{self.job}\"] .progress-left')?.textContent"
        seen = self.page.wait(f"/step/.test({row}) && {row}", "the job in the list of the second tab")
        assert locks() == [1, 7], locks()
        self.page.wait(f"({row}) !== {seen!r}", "progress in the eighth tab, which has no stream")
        assert "\ndcgand_event_streams 1\n" in self.service.get("/metrics").body.decode(), "one stream for eight tabs"
        for other in others:
            self.page.switch(other)
            self.page.close_tab()
        self.page.switch(first)
        self.page.close_tab()
        self.page.switch(second)
        self.page.wait("document.visibilityState === 'visible'")
        seen = self.page.value(row)
        self.page.wait(f"({row}) !== {seen!r}", "progress after the first tab was closed")
        assert locks() == [1, 0], locks()

    def test_without_locks_a_hidden_tab_gives_its_stream_back(self):
        """As over plain HTTP from another machine, where browsers have none."""
        script = self.page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });"})["identifier"]
        self.go("")
        row = f"document.querySelector('[data-job=\"{self.job}\"] .progress-left')?.textContent"
        seen = self.page.wait(f"navigator.locks === undefined && /step/.test({row}) && {row}", "the job")
        self.page.wait(f"({row}) !== {seen!r}", "progress")
        first = self.page.here()
        self.page.tab()
        end = time.monotonic() + 60
        while "\ndcgand_event_streams 0\n" not in self.service.get("/metrics").body.decode():
            assert time.monotonic() < end, "its stream is still open"
            time.sleep(0.1)
        self.page.close_tab()
        self.page.switch(first)
        self.page.wait("!document.hidden")
        seen = self.page.value(row)
        self.page.wait(f"({row}) !== {seen!r}", "progress when it is seen again")
        self.page.cdp("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})

    def test_a_lost_connection_is_told_and_mended(self):
        self.go(f"#/jobs/{self.job}")
        self.page.wait(f"{STATE} === 'running' && {STEP} > 0")
        self.page.console()
        self.service.stop()
        self.page.wait("!document.getElementById('banner').hidden", "the banner")
        self.service.start()
        self.page.click("#retry")
        self.page.wait("document.getElementById('banner').hidden", "the banner gone")
        # The interrupted job goes on by itself, and the page with it.
        step = self.page.value(STEP)
        self.page.wait(f"{STATE} === 'running' && {STEP} > {step}", "the curve goes on after the restart", 60)
        lost = [line for line in self.page.console() if "ERR_" not in line["message"] and "503" not in line["message"]]
        assert lost == [], lost

    def test_a_stream_that_died_without_a_word_is_replaced(self):
        """Nothing tells the page: it looks after a while without events, and misses none of those since."""
        script = self.page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": """
            window.streams = [];
            window.EventSource = class extends EventSource {
                constructor(url) { super(url); streams.push(this); }
            };
            const every = setInterval, now = Date.now;
            window.setInterval = (call, ms) => ms === 15000 ? (window.look = call, 0) : every(call, ms);
            window.later = 0;
            Date.now = () => now() + later;"""})["identifier"]
        self.go(f"#/jobs/{self.job}")
        self.page.wait(f"{STATE} === 'running' && {STEP} > 0")
        self.page.run("streams[0].close()")  # as the page sees it: no error, no event
        step = self.page.value(STEP)
        self.service.wait_step(self.job, step + 500)
        self.page.run("look()")
        assert self.page.value("streams.length") == 1, "a short silence is nothing"
        self.page.run("later = 46000; look();")
        assert self.page.value("streams.length") == 2, "a long one is"
        self.page.wait(f"{STEP} > {step + 400}", "the curve goes on")
        assert self.page.value("document.getElementById('banner').hidden")
        counted = self.page.text(".told").split(" steps")[0].split(" of ")
        assert counted[0] == counted[1], f"and lacks no step: {counted}"
        self.page.cdp("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})

    def test_a_sample_and_a_checkpoint_now(self):
        """Each button asks once, is answered, and a file comes. (Which step's, the machine's speed decides: what an
        epoch's end writes anyway may answer it.)"""
        for action, what in {"sample": "samples", "checkpoint": "checkpoints"}.items():
            before, asked = self.files(what)[-1]["step"], self.answered(action)
            self.page.click(f"[data-action={action}]")
            end = time.monotonic() + 60
            while self.answered(action) != asked + 1 or self.files(what)[-1]["step"] <= before:
                assert time.monotonic() < end, f"no {action}: {asked} answers before, {self.answered(action)} now, {self.files(what)[-3:]}"
                time.sleep(0.1)
        newest = self.files("checkpoints")[-1]["id"]
        self.page.wait(f"Math.max(...[...document.querySelectorAll('[data-checkpoint]')].map((r) => Number(r.dataset.checkpoint))) >= {newest}",
                       "the new checkpoint in the table")

    def answered(self, action):
        """How often the daemon has taken this action."""
        line = f'dcgand_http_requests_total{{method="POST",route="/jobs/{{id}}/{action}",status="202"}} '
        return sum(int(text[len(line):]) for text in self.service.get("/metrics").body.decode().splitlines() if text.startswith(line))

    def files(self, what):
        """All samples or checkpoints of the job."""
        rows, cursor = [], ""
        while cursor is not None:
            page = self.ask(f"/jobs/{self.job}/{what}?limit=200{cursor}")
            rows += page[what]
            cursor = None if page["next"] is None else f"&cursor={page['next']}"
        return rows

    def test_cancel_asks_first(self):
        self.page.click("[data-action=cancel]")
        self.page.click("dialog button[value=no]")
        self.page.wait("!document.querySelector('dialog')")
        assert self.ask(f"/jobs/{self.job}")["state"] == "running"
        self.page.click("[data-action=cancel]")
        self.page.click("dialog button[value=yes]")
        self.page.wait(f"{STATE} === 'cancelled'", "cancelled")

    def test_a_checkpoint_is_pinned(self):
        """Of a job at rest. The button asks, the table shows it, and what others write on the job appears by itself."""
        row = self.page.value("document.querySelector('[data-pin]').dataset.pin")
        before = self.ask(f"/checkpoints/{row}")["pinned"]
        assert before is False
        self.page.click(f"[data-pin='{row}']")
        self.page.wait(f"document.querySelector('[data-checkpoint=\"{row}\"] .tag')?.textContent === 'pinned'", "the pinned checkpoint")
        assert self.ask(f"/checkpoints/{row}")["pinned"] is True
        self.service.patch(f"/jobs/{self.job}", {"note": "looks good", "tags": ["keep"], "name": "renamed"})
        self.page.wait("document.querySelector('.note').textContent === 'looks good'", "the note")
        self.page.wait("document.querySelector('.tags .tag').textContent === 'keep'", "the tag")
        name = "[...document.querySelectorAll('.params dt')].find((e) => e.textContent === 'Name').nextSibling.textContent"
        self.page.wait(f"document.querySelector('h1').textContent === 'renamed' && {name} === 'renamed'", "the name, among the parameters, too")

    def test_a_pinned_job_is_not_deleted(self):
        self.page.click("[data-action=pin]")
        self.page.wait("document.querySelector('.tags .tag').textContent === 'pinned' && !document.querySelector('[data-action=delete]')", "pinned")
        assert self.ask(f"/jobs/{self.job}")["pinned"] is True
        self.page.click("[data-action=unpin]")
        self.page.wait("document.querySelector('.tags .tag').textContent === 'keep' && document.querySelector('[data-action=delete]')", "unpinned")
        assert self.ask(f"/jobs/{self.job}")["pinned"] is False

    def test_a_new_checkpoint_takes_no_focus(self):
        """Nor do arrows in the table turn over the samples."""
        job = self.start("two checkpoints", epochs=1000000, checkpoint_every=0, checkpoint_minutes=0)
        self.go(f"#/jobs/{job}")
        self.page.wait(f"{EPOCH} >= 1", "samples")
        self.page.wait("document.querySelector('[aria-labelledby=checkpoints-title] .blank')?.textContent.startsWith('None yet')", "no checkpoint")
        rows = "document.querySelectorAll('[data-checkpoint]').length"
        self.service.post(f"/jobs/{job}/checkpoint", None, 202)
        self.page.wait(f"{rows} === 1", "the first")
        self.page.run("document.querySelector('[data-checkpoint] [download]').focus()")
        self.service.post(f"/jobs/{job}/checkpoint", None, 202)
        self.page.wait(f"{rows} === 2", "the second")
        assert self.page.value("document.activeElement.closest('[data-checkpoint]') === document.querySelectorAll('[data-checkpoint]')[1]")
        self.page.run("document.querySelector('.scroll').focus()")
        self.page.press(LEFT)
        assert "sample=" not in self.page.value("location.hash")
        self.service.post(f"/jobs/{job}/cancel", None, 202)
        self.service.wait_state(job, "cancelled")

    def test_a_failed_job_says_why(self):
        shutil.rmtree(os.path.join(self.service.root, "squares"))
        self.open_form("?dataset=squares")
        self.fill({"name": "without its pictures", "size": "32"})
        self.page.click(".job-form .primary")
        self.page.wait(f"{STATE} === 'failed'", "failed")
        reason = self.page.text(".failed .reason")
        self.page.wait("document.querySelector('[aria-labelledby=checkpoints-title] .blank')?.textContent.startsWith('There are none')", "no promise of checkpoints")
        job = self.ask("/jobs")["jobs"][0]
        assert reason and reason == job["error"], (reason, job["error"])

    def test_delete_asks_first(self):
        doomed = self.ask("/jobs")["jobs"][0]["id"]
        self.page.click("[data-action=delete]")
        self.page.wait("document.querySelector('dialog[open]')")
        self.page.press(ESCAPE)
        self.page.wait("!document.querySelector('dialog')")
        assert any(j["id"] == doomed for j in self.ask("/jobs")["jobs"])
        self.page.click("[data-action=delete]")
        self.page.click("dialog button[value=yes]")
        self.page.wait("location.hash === '#/jobs' && document.querySelector('.job-row')", "the list")
        assert all(j["id"] != doomed for j in self.ask("/jobs")["jobs"])
        assert not self.page.value(f"document.querySelector('[data-job=\"{doomed}\"]')")

    def survey(self):
        """Every view once, looked at in the ways the next tests ask about."""
        poor = """
            const lum = (c) => c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
            const parse = (t) => { const n = t.match(/[\\d.]+/g).map(Number); return { c: n.slice(0, 3), a: n[3] ?? 1 }; };
            const ground = (e) => { for (; e; e = e.parentElement) {
                const b = parse(getComputedStyle(e).backgroundColor); if (b.a === 1) return b.c; } return [255, 255, 255]; };
            const bad = [];
            for (const e of document.querySelectorAll('body *')) {
                const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
                if (!text || !e.checkVisibility({ checkOpacity: true }) || e.closest(':disabled, [aria-disabled=true], [aria-pressed=false], option, noscript')) continue;
                const a = lum(parse(getComputedStyle(e).color).c), b = lum(ground(e));
                const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (ratio < 4.5) bad.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio.toFixed(2)]);
            }
            return bad;"""
        nameless = """
            return [...document.querySelectorAll('button, a, input, select')].filter((e) => e.checkVisibility() &&
                !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
                .concat([...document.images].filter((i) => !i.hasAttribute('alt'))).map((e) => e.outerHTML);"""
        views = (("#/jobs", "document.querySelector('.job-row')"),
                 (f"#/jobs/{self.job}", f"{STEP} > 0 && document.querySelector('[data-checkpoint]')"),
                 ("#/new", "document.querySelector('.job-form')"),
                 ("#/datasets", "document.querySelector('[data-dataset]')"),
                 ("#/jobs/999999", "document.querySelector('.blank h1')"))
        self.seen = {}
        for path, there in views:
            self.go(path)
            self.page.wait(there, path)
            seen = self.seen[path] = {"nameless": self.page.run(nameless)}
            for scheme in ("dark", "light"):
                self.page.scheme(scheme)
                seen[scheme] = self.page.run(poor)
                seen[scheme + " ground"] = self.page.value("getComputedStyle(document.body).backgroundColor")
            self.page.size(360, 740)
            time.sleep(0.3)  # pictures and charts settle
            seen["width"] = self.page.value("document.documentElement.scrollWidth")
            self.page.size(1280, 900)

    def test_nothing_is_wider_than_a_phone(self):
        self.survey()
        wide = {path: seen["width"] for path, seen in self.seen.items() if seen["width"] > 360}
        assert wide == {}, wide

    def test_dark_and_light_have_contrast(self):
        """The text's colour against its ground on every view: at least 4.5 to 1 (WCAG AA)."""
        for path, seen in self.seen.items():
            assert seen["dark"] == seen["light"] == [], (path, seen["dark"], seen["light"])
            assert seen["dark ground"] != seen["light ground"], path

    def test_every_control_has_a_name(self):
        for path, seen in self.seen.items():
            assert seen["nameless"] == [], (path, seen["nameless"])

    def test_long_runs_stay_bounded_and_keep_their_spikes(self):
        result = self.page.command("POST", "/execute/async", {"args": [], "script": """
            const done = arguments[0];
            import('/series.js').then(({ Series }) => {
                const s = new Series(800);
                for (let step = 1; step <= 300000; step++)
                    s.append(step, step === 123457 ? 99 : step === 200001 ? -99 : Math.sin(step));
                const all = s.buckets;
                done({ n: all.length, count: all.reduce((t, b) => t + b.count, 0), first: all[0].step, last: s.newest.last_step,
                    spike: all.some((b) => b.max === 99 && b.step <= 123457 && b.last_step >= 123457),
                    dip: all.some((b) => b.min === -99 && b.step <= 200001 && b.last_step >= 200001),
                    ordered: all.every((b, i) => !i || all[i - 1].last_step < b.step) });
            }, (e) => done(String(e)));"""})
        assert result["n"] <= 800, result
        assert {**result, "n": 0} == {"n": 0, "count": 300000, "first": 1, "last": 300000, "spike": True, "dip": True, "ordered": True}, result

    def test_text_from_outside_stays_text(self):
        self.open_form()
        name = "<img src=x onerror=alert(1)>"
        self.page.run("document.querySelector('.job-form [name=name]').focus()")
        made = self.service.post("/jobs", {"dataset": "squares", "name": name, "size": 32}).json()
        self.go(f"#/jobs/{made['id']}")
        self.page.wait(f"document.querySelector('h1')?.textContent === {name!r}", "the name as it is")
        assert self.page.value("document.querySelectorAll('h1 *').length") == 0

    def was_deleted(self, message):
        """A 404 of a job that a test deleted: the page may ask for it before it hears of that."""
        found = re.search(r"/jobs/(\d+)[/?].* 404 ", message)
        return found is not None and self.service.request("GET", f"/jobs/{found[1]}").status == 404

    def test_no_errors_in_the_console(self):
        """All that was logged since the last test that expected something."""
        # The job that is not there, and the data set whose files are gone.
        expected = ("/jobs/999999", "/datasets/squares/preview.png")
        wrong = [line for line in self.page.console()
                 if line["level"] in ("SEVERE", "WARNING") and not any(x in line["message"] for x in expected) and not self.was_deleted(line["message"])]
        assert wrong == [], wrong


def main():
    play(Scenario)


if __name__ == "__main__":
    main()
