#!/usr/bin/env python3
"""Every view and state of the page: designed, no wider than a phone, and nothing for axe-core to find. TAP."""

import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import npm  # noqa: E402
from scene import Scene, play  # noqa: E402

AXE = ("axe-core", "4.10.3", "axe.min.js")
LOOKS = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]  # what colours and widths change
ESCAPE, TAB, ENTER = "\ue00c", "\ue004", "\ue007"
CHECK = """
    const [rules, done] = arguments;
    axe.run(document, { resultTypes: ['violations'], ...(rules ? { runOnly: rules } : {}) }).then(({ violations }) => done(violations.map((v) =>
        `${v.impact} ${v.id}: ${v.nodes.slice(0, 4).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)), (e) => done([String(e)]));"""


class Access(Scene):
    """look() is called in each state; what it finds is judged at the end."""

    def __init__(self, page, service):
        super().__init__(page, service)
        source, self.without_axe = npm.get(*AXE)
        if source:
            page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self.found, self.wide, self.seen = {}, {}, []
        if self.without_axe:
            self.skips["test_axe_core_finds_nothing"] = self.without_axe

    def look(self, state):
        """In the light on a desk, in the dark on a phone (and no wider than 320 pixels); with DCGAND_SCREENSHOTS leaves pictures there."""
        folder = os.environ.get("DCGAND_SCREENSHOTS")
        self.seen.append(state)
        for size, scheme, rules in (((320, 640), "dark", None), ((1280, 900), "light", None), ((360, 740), "dark", LOOKS)):
            self.page.size(*size)
            self.page.scheme(scheme)
            try:  # charts and pictures take a frame or two to follow the window
                self.page.wait(f"document.documentElement.scrollWidth <= {size[0]}", seconds=10)
            except AssertionError:
                self.wide[f"{state}, {size[0]}"] = self.page.value("document.documentElement.scrollWidth")
            if size[0] == 320:
                continue
            if not self.without_axe:
                found = self.page.command("POST", "/execute/async", {"script": CHECK, "args": [rules]})
                if found:
                    self.found[f"{state}, {scheme}"] = found
            if folder:
                self.page.screenshot_whole(os.path.join(folder, f"{state.replace(' ', '-')}-{size[0]}-{scheme}.png"))
        self.page.size(1280, 900)

    def see(self, state, path, there):
        self.go(path)
        self.page.wait(there, state)
        self.look(state)

    def test_nothing_yet(self):
        self.see("no jobs", "", "document.querySelector('.blank pre')")
        assert "curl" in self.page.text(".blank pre")
        self.see("no job in that state", "#/jobs?state=failed", "document.querySelector('.blank h2')")
        self.see("nothing to compare", "#/compare", "document.querySelector('.blank h2')?.textContent.includes('two jobs')")
        self.see("no such page", "#/nowhere", "document.querySelector('.blank h1')")
        self.see("no such job", "#/jobs/77", "document.querySelector('.blank h1')")

    def test_data_sets_and_the_form(self):
        self.go("#/datasets")
        self.page.wait("document.querySelector('form.card')")
        self.page.type("[name=name]", "Squares?")
        self.page.type("[name=path]", "squares")
        self.page.click("form.card .primary")
        self.page.wait("document.querySelector('form.card .field-error:not(:empty)')", "why it was refused")
        self.look("a data set refused")
        self.page.type("[name=name]", "squares")
        self.page.click("form.card .primary")
        self.page.wait("document.querySelector('[data-dataset=squares] img')?.naturalWidth > 0", "its preview")
        self.look("data sets")
        self.go("#/new?dataset=squares")
        self.page.wait("document.querySelector('.preview-box img')")
        self.page.run("for (const d of document.querySelectorAll('details')) d.open = true;")
        self.look("the form")
        self.page.type("[name=batch_size]", "1")
        self.page.click(".job-form .primary")
        self.page.wait("document.querySelector('[aria-invalid]')")
        self.look("a job refused")

    def test_what_was_typed_survives_a_reload(self):
        self.page.type("[name=name]", "typed")
        self.page.run("const b = document.querySelector('[name=flip]'); b.click();")
        flip = self.page.value("document.querySelector('[name=flip]').checked")
        self.page.reload()
        self.page.wait("document.querySelector('.job-form')")
        assert self.page.value("document.querySelector('[name=flip]').checkVisibility()"), "what was changed is not folded away"
        fields = self.page.value("[...['name', 'batch_size'].map((n) => document.querySelector(`[name=${n}]`).value), document.querySelector('[name=flip]').checked]")
        assert fields == ["typed", "1", flip], fields

    def test_a_job_in_each_state(self):
        small = {"swd_images": 4}
        self.done = [self.start(name, epochs=2, **small) for name in ("first", "a rather long name of a job, to see whether it fits")]
        for job in self.done:
            self.service.wait_state(job, "succeeded")
        self.long = self.start("endless", epochs=1000000)
        waits = self.start("waits", epochs=1)
        self.service.wait_step(self.long, 200)
        there = "document.querySelector('.plot canvas') && document.querySelector('.pane img')?.naturalWidth > 0"
        self.see("a running job", f"#/jobs/{self.long}", there)
        self.see("a queued job", f"#/jobs/{waits}", "document.querySelector('.plots .blank')")
        self.service.post(f"/jobs/{self.long}/pause", None, 202)
        self.service.wait_state(self.long, "paused")
        self.see("a paused job", f"#/jobs/{self.long}", there)
        self.service.wait_state(waits, "succeeded")
        self.service.post(f"/jobs/{self.long}/cancel", None, 202)
        self.service.wait_state(self.long, "cancelled")
        self.go(f"#/jobs/{self.done[0]}?from=20&to=90&log=1&beside=0&parameters=open")
        self.page.wait("document.querySelectorAll('.pane img').length === 2 && document.querySelector('.plot canvas') && document.querySelector('[data-checkpoint]')")
        self.page.run("document.querySelector('.help details').open = true; document.querySelector('.plot-box').focus();")
        self.page.click(".generate-form .primary")
        self.page.wait("document.querySelector('.generated img')?.naturalWidth > 0", "generated pictures")
        self.look("a job at its end")
        self.page.click("[data-action=delete]")
        self.page.wait("document.querySelector('dialog[open]')")
        self.look("a question")
        self.page.press(ESCAPE)

    def test_a_failed_job(self):
        pictures = os.path.join(self.service.root, "squares")
        shutil.move(pictures, pictures + ".away")
        failed = self.start("without pictures", size=32)
        self.service.wait_state(failed, "failed")
        self.see("a failed job", f"#/jobs/{failed}", "document.querySelector('.failed .reason')")
        shutil.move(pictures + ".away", pictures)
        self.see("the list with a choice", f"#/jobs?pick={self.done[0]},{self.done[1]}", "document.querySelector('.pick-bar .primary') && document.querySelector('.thumb img')")

    def test_comparing(self):
        self.see("choose what to compare", "#/compare", "document.querySelector('.blank h2')")
        both = ",".join(map(str, self.done))
        self.see("compared", f"#/compare?jobs={both}&x=time&parameters=all",
                 "document.querySelectorAll('.plot canvas').length === 7 && document.querySelectorAll('.sample-row img').length === 2")
        self.see("compared with one that is gone", f"#/compare?jobs={both},77", "document.querySelector('.chip:last-child span')?.textContent.includes('gone')")

    def test_fingers_meet_what_they_aim_at(self):
        """On a touch screen each control (or its label) is 44 pixels high, and no field is zoomed into."""
        self.page.cdp("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True})
        self.page.cdp("Emulation.setTouchEmulationEnabled", {"enabled": True})
        for path, there in (("", "document.querySelector('.job-row')"), (f"#/jobs/{self.done[0]}?beside=0", "document.querySelectorAll('.pane img').length === 2 && document.querySelector('[data-checkpoint]') && document.querySelector('.plot canvas')"),
                            ("#/new?dataset=squares", "document.querySelector('.job-form')"), ("#/datasets", "document.querySelector('[data-dataset]')"),
                            (f"#/compare?jobs={self.done[0]},{self.done[1]}", "document.querySelector('.plot canvas') && document.querySelectorAll('.sample-row img').length === 2")):
            self.go(path)
            self.page.wait(f"matchMedia('(pointer: coarse)').matches && {there}", path)
            small = self.page.run("""
                for (const d of document.querySelectorAll('details')) d.open = true;
                return [...document.querySelectorAll('main :is(button, a, input, select, summary), header :is(button, a, input, select)')].filter((e) => e.checkVisibility()).map((e) => {
                    const { width, height } = (e.type === 'checkbox' ? e.labels[0] : e).getBoundingClientRect();
                    return [e.outerHTML.slice(0, 90), Math.round(width), Math.round(height), e.matches('input:not([type=checkbox], [type=range]), select') ? getComputedStyle(e).fontSize : '16px'];
                }).filter(([, width, height, letters]) => width < 24 || height < 44 || letters !== '16px');""")
            folder = os.environ.get("DCGAND_SCREENSHOTS")
            if folder:
                self.page.screenshot_whole(os.path.join(folder, f"touch-{path.strip('#/').split('?')[0].replace('/', '-') or 'jobs'}.png"))
            assert small == [], (path, small)
        self.page.cdp("Emulation.setTouchEmulationEnabled", {"enabled": False})
        self.page.size(1280, 900)

    def test_the_keyboard_alone_reaches_everything(self):
        """Tab comes by all there is, each is seen to have the focus, and nothing lies over it; on a phone's size, where bars cover most."""
        self.page.size(360, 740)
        both = ",".join(map(str, self.done))
        for path, there in ((f"#/jobs?pick={both}", f"document.querySelector('[data-job=\"{self.done[0]}\"]')"),
                            (f"#/jobs/{self.done[0]}", "document.querySelector('.plot canvas') && document.querySelector('[data-checkpoint]') && document.querySelector('.pane img')"),
                            ("#/new?dataset=squares&flip=true", "document.querySelector('.job-form')"), (f"#/compare?jobs={both}", "document.querySelector('.plot canvas')")):
            self.go(path)
            self.page.wait(there, path)
            all_there = self.page.run("""
                window.todo = new Set([...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter((e) => e.checkVisibility() && !e.disabled));
                return todo.size;""")
            self.page.press(TAB)
            assert self.page.value("document.activeElement.className") == "skip", "first a way past the navigation"
            poor = []
            for _ in range(all_there):
                poor += self.page.run("""
                    const e = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(e), { left, top, width, height } = e.getBoundingClientRect();
                    const above = document.elementFromPoint(left + Math.min(width, innerWidth) / 2, top + Math.min(height, 20) / 2);
                    todo.delete(e);
                    return (outlineStyle === 'none' || parseFloat(outlineWidth) < 1 ? ['without a mark: ' + e.outerHTML.slice(0, 80)] : [])
                        .concat(above && (e.contains(above) || above.contains(e)) ? [] : [`covered by ${above?.className ?? 'the edge'}: ${e.outerHTML.slice(0, 80)}`]);""")
                self.page.press(TAB)
            assert poor == [], (path, poor)
            missed = self.page.value("[...todo].map((e) => e.outerHTML.slice(0, 80))")
            assert missed == [], (path, missed)
        self.page.run("document.querySelector('.skip').focus()")
        self.page.press(ENTER)
        assert self.page.value("document.activeElement.id") == "main"
        self.page.size(1280, 900)

    def test_nothing_jumps_while_a_view_comes(self):
        """The browser's own measure, cumulative layout shift (0.1 is called good); below what comes, the foot may move."""
        script = self.page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": """
            window.shifts = [];
            new PerformanceObserver((list) => shifts.push(...list.getEntries())).observe({ type: 'layout-shift', buffered: true });"""})["identifier"]
        for path, there in (("", "document.querySelector('.thumb img')"), ("#/datasets", "document.querySelector('.dataset img')"), ("#/new?dataset=squares", "document.querySelector('.preview-box img')"),
                            (f"#/jobs/{self.done[0]}", "document.querySelector('.pane img')?.naturalWidth > 0 && document.querySelector('[data-checkpoint]') && document.querySelector('.plot canvas')")):
            self.go(path)
            self.page.wait(there, path)
            shift = self.page.command("POST", "/execute/async", {"args": [], "script": """
                const done = arguments[0];
                requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(shifts.reduce((sum, s) => sum + s.value, 0)))));"""})
            assert shift < 0.1, (path, shift)
        self.page.cdp("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})

    def test_no_motion_for_who_wants_none(self):
        self.page.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
        moving = self.page.run("""
            document.body.insertAdjacentHTML('beforeend', '<span class="spinner" id="probe"></span>');
            const all = [...document.querySelectorAll('*')].filter((e) => {
                const s = getComputedStyle(e);
                return (s.animationName !== 'none' && s.animationIterationCount === 'infinite') || s.transitionDuration !== '0s';
            }).map((e) => e.tagName + '.' + e.className);
            document.getElementById('probe').remove();
            return all;""")
        assert moving == [], moving

    def test_loading(self):
        """The daemon is there but does not answer."""
        self.go("#/nowhere")
        self.page.wait("document.querySelector('.blank h1')")
        self.service.process.send_signal(signal.SIGSTOP)
        try:
            for state, path in (("loading the jobs", "#/jobs"), ("loading a job", f"#/jobs/{self.done[0]}"),
                                ("loading the form", "#/new"), ("loading the data sets", "#/datasets"), ("loading a comparison", "#/compare?jobs=1,2")):
                self.hash(path)
                self.page.wait("document.querySelector('main .spinner')", state)
                self.look(state)
        finally:
            self.service.process.send_signal(signal.SIGCONT)
        self.page.wait("document.querySelectorAll('.chip').length === 2", "and then it does")

    def test_disconnected(self):
        """What is shown stays; what cannot be loaded says so, and comes when the daemon is back."""
        self.go(f"#/jobs/{self.done[0]}")
        self.page.wait("document.querySelector('.plot canvas') && document.querySelector('[data-checkpoint]')")
        self.service.stop()
        self.page.wait("!document.getElementById('banner').hidden", "the banner")
        assert self.page.value("document.querySelector('.plot canvas') !== null"), "the curves stay"
        self.look("a job, disconnected")
        for state, path in (("jobs not loaded", "#/jobs"), ("a job not loaded", "#/jobs/77"), ("the form not loaded", "#/new"),
                            ("data sets not loaded", "#/datasets"), ("a comparison not loaded", "#/compare?jobs=1,2")):
            self.hash(path)
            self.page.wait("document.querySelector('main .callout.bad')", state)
            assert self.page.value("[...document.querySelectorAll('main .callout.bad button')].some((b) => b.textContent === 'Try again')"), state
            self.look(state)
        self.service.start()
        self.page.run("document.getElementById('retry').click();")  # by then the page may have tried again by itself
        self.page.wait("document.getElementById('banner').hidden", "connected again")
        self.page.wait("document.querySelectorAll('.chip').length === 2", "the comparison comes by itself")

    def test_no_state_is_wider_than_its_window(self):
        assert len(self.seen) > 25, self.seen
        assert self.wide == {}, self.wide

    def test_axe_core_finds_nothing(self):
        assert self.found == {}, "\n".join(f"{state}: {line}" for state, lines in self.found.items() for line in lines)


if __name__ == "__main__":
    play(Access)
