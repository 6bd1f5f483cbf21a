#!/usr/bin/env python3
"""Curves of a million steps, zoomed, smoothed and compared, in headless Chromium. TAP."""

import datetime
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scene import Scene, play  # noqa: E402

LEFT, RIGHT, SHIFT, END = "\ue012", "\ue014", "\ue008", "\ue010"
MILLION, SPIKE, HEIGHT = 1000000, 654321, 50.0
BLOCK = 128  # steps of a row of metric_blocks (store/metrics.c)
BOX = ".plot .plot-box"
CHART = "Chart.getChart(document.querySelectorAll('.plot canvas')[{}])"
RANGE = f"[{CHART.format(0)}.scales.x.min, {CHART.format(0)}.scales.x.max]"
ASKED = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/metrics?'))"


def curve(step):
    return HEIGHT if step == SPIKE else 1.0 + 0.5 * ((step * 2654435761 & 0xffffffff) / 0xffffffff)


def write_million(path, job):
    """A loss of a million steps, as if the job had made them."""
    db = sqlite3.connect(path)
    db.execute("DELETE FROM metrics WHERE job=?", (job,))
    db.execute("DELETE FROM metric_blocks WHERE job=?", (job,))
    values = [curve(step) for step in range(MILLION + 1)]
    db.executemany("INSERT INTO metrics(job, series, step, value) VALUES (?, 0, ?, ?)",
                   ((job, step, values[step]) for step in range(1, MILLION + 1)))
    blocks = []
    for block in range(MILLION // BLOCK + 1):
        first, last = max(1, block * BLOCK), min(MILLION, block * BLOCK + BLOCK - 1)
        inside = values[first:last + 1]
        least, greatest = min(inside), max(inside)
        blocks.append((job, block, first, last, len(inside), first + inside.index(least),
                       first + inside.index(greatest), least, greatest, inside[-1]))
    db.executemany("INSERT INTO metric_blocks(job, series, block, first_step, last_step, count, min_step, max_step,"
                   " min, max, last) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)", blocks)
    db.execute("UPDATE jobs SET step=?, steps_total=?, steps_per_epoch=? WHERE id=?", (MILLION, MILLION, MILLION // 10, job))
    db.commit()
    db.close()


class Charts(Scene):
    def range(self):
        return self.page.value(RANGE)

    def wait_range(self, condition, what):
        """condition: of [a, b], the range that is drawn."""
        return self.page.wait(f"(([a, b]) => ({condition}) && [a, b])({RANGE})", what)

    def address(self):
        return self.page.value("Object.fromEntries(new URLSearchParams(location.hash.split('?')[1] ?? ''))")

    def wait_address(self, **values):
        for key, value in values.items():
            self.page.wait(f"(new URLSearchParams(location.hash.split('?')[1] ?? '').get('{key}') ?? '') === '{value}'", f"{key}={value} in the address")

    def points(self, dataset=3):
        """Of the first chart; 4 datasets a row: least, greatest, raw, line."""
        return self.page.value(f"{CHART.format(0)}.data.datasets[{dataset}].data")

    def drawn(self):
        self.page.wait(f"document.querySelector('.plot canvas') && {CHART.format(0)}.data.datasets[3].data.length > 0", "curves")

    def area(self):
        """Of the first chart, on the screen: left, right, the middle's height."""
        self.page.run("document.querySelector('.plot').scrollIntoView({block: 'center'})")
        return self.page.run(f"const r = document.querySelector('.plot canvas').getBoundingClientRect(), a = {CHART.format(0)}.chartArea;"
                             "return [r.left + a.left, r.left + a.right, r.top + (a.top + a.bottom) / 2].map(Math.round);")

    def test_jobs_to_look_at(self):
        self.service.post("/datasets", {"name": "squares", "path": "squares"})
        self.long = self.start("a million", epochs=1, swd_images=4)
        self.service.wait_state(self.long, "succeeded")
        self.others = [self.start("slow", epochs=2, lr_g=0.0001, swd_images=4), self.start("fast", epochs=2, lr_g=0.001, swd_images=4)]
        for job in self.others:
            self.service.wait_state(job, "succeeded")
        self.service.stop()
        write_million(os.path.join(self.service.state, "dcgand.db"), self.long)
        self.service.start()

    def test_a_million_steps_come_as_few_points(self):
        self.go(f"#/jobs/{self.long}")
        self.drawn()
        line = self.points()
        assert 300 <= len(line) <= 400, len(line)
        assert (line[0]["x"] < 5000, line[-1]["x"]) == (True, MILLION), (line[0], line[-1])
        assert max(p["y"] for p in self.points(1)) == HEIGHT, "the spike is in the band"
        assert max(p["y"] for p in line) < HEIGHT / 2, "and not in the smoothed line"
        told = self.page.text(".told")
        assert told.startswith("1,000,000 of 1,000,000 steps in"), told
        answers = self.page.value(f"{ASKED}.map((e) => e.decodedBodySize)")
        assert len(answers) == 1 and answers[0] < 300000, answers
        assert "step 1,000,000" in self.page.text(".plot figcaption")

    def test_a_million_steps_move_within_a_frame(self):
        """Wheel and pointer by turns, in each frame: what a drawing takes, not how often a busy machine shows one."""
        took = self.page.command("POST", "/execute/async", {"args": [], "script": """
            const done = arguments[0], took = [], canvas = document.querySelector('.plot canvas'), { left, top } = canvas.getBoundingClientRect();
            for (const each of document.querySelectorAll('.plot canvas')) {
                const chart = Chart.getChart(each), update = chart.update.bind(chart);
                chart.update = (...all) => {
                    const begin = performance.now();
                    update(...all);
                    took.push(performance.now() - begin);
                };
            }
            document.querySelector('.plot-box').focus();
            let frames = 0;
            const move = () => {
                const at = { clientX: left + 200 + frames, clientY: top + 50, bubbles: true, cancelable: true };
                canvas.dispatchEvent(frames % 2 ? new WheelEvent('wheel', { ...at, deltaY: frames < 60 ? -20 : 20 }) : new PointerEvent('pointermove', { ...at, pointerType: 'mouse' }));
                if (++frames < 120)
                    requestAnimationFrame(move);
                else
                    done(took.sort((a, b) => a - b));
            };
            requestAnimationFrame(move);"""})
        assert len(took) > 60, len(took)
        assert took[len(took) // 2] < 16, took[len(took) // 2]

    def test_the_address_zooms_to_every_single_step(self):
        self.go(f"#/jobs/{self.long}?from={SPIKE - 100}&to={SPIKE + 100}&smooth=0")
        self.drawn()
        assert self.range() == [SPIKE - 100, SPIKE + 100], self.range()
        line = {p["x"]: p["y"] for p in self.points()}
        assert line[SPIKE] == HEIGHT, "the one step that spiked"
        assert all(abs(line[s] - curve(s)) < 1e-6 for s in range(SPIKE - 100, SPIKE + 101)), "each step's own value"
        assert self.page.text(".told").startswith("201 of 1,000,000 steps, a point each"), self.page.text(".told")

    def test_keys_read_zoom_and_move(self):
        self.go(f"#/jobs/{self.long}")
        self.drawn()
        self.page.run(f"document.querySelector('{BOX}').focus()")
        self.page.press("+")
        a, b = self.wait_range("b - a < 600000", "half of it")
        self.page.press(RIGHT, SHIFT)
        self.wait_range(f"a > {a} && b > {b}", "moved to the right")
        self.page.press("-")
        self.wait_range(f"b - a > {(b - a) * 1.5}", "wider again")
        self.page.press("0")
        self.wait_range(f"a === 1 && b === {MILLION}", "everything")
        self.page.press(LEFT)
        self.page.wait("/^steps /.test(document.querySelector('.plot figcaption .figures').textContent)", "values at the pointer")
        spoken = self.page.text("#status")
        assert "D " in spoken and "G " in spoken, spoken
        before = self.page.text(".plot figcaption .figures")
        self.page.press(LEFT)
        self.page.wait(f"document.querySelector('.plot figcaption .figures').textContent !== {before!r}", "another point")

    def test_drag_wheel_and_fingers_zoom(self):
        left, right, y = self.area()
        mid, quarter = (left + right) // 2, (right - left) // 4
        self.page.pointer("mouse", [[("move", mid - quarter, y), ("down",), ("move", mid, y), ("move", mid + quarter, y), ("up",)]])
        a, b = self.wait_range("b - a < 520000 && b - a > 480000", "the half that was dragged over")
        self.wait_address(**{"from": str(round(a)), "to": str(round(b))})
        self.page.wait(f"{CHART.format(0)}.data.datasets[3].data.filter(({{ x }}) => x >= {a} && x <= {b}).length > 200", "finer points")
        self.page.wheel(mid, y, -200)
        a2, b2 = self.wait_range(f"b - a < {(b - a) * 0.8}", "closer by the wheel, with the focus in the chart")
        self.page.pointer("touch", [
            [("move", mid - 40, y), ("down",), ("move", mid - 80, y), ("move", mid - 120, y), ("up",)],
            [("move", mid + 40, y), ("down",), ("move", mid + 80, y), ("move", mid + 120, y), ("up",)]])
        self.wait_range(f"b - a < {(b2 - a2) * 0.6}", "closer by two fingers")
        self.page.click(".show-all")
        self.wait_range(f"a === 1 && b === {MILLION}", "everything")

    def test_back_and_forward_go_through_the_views(self):
        self.go(f"#/jobs/{self.long}")
        self.drawn()
        self.page.run("window.notReloaded = true")
        self.page.click("#curve-log")
        self.wait_address(log="1")
        self.page.wait(f"{CHART.format(0)}.scales.y.type === 'logarithmic'", "a logarithmic axis")
        self.page.click("[aria-label='Zoom in']")
        zoomed = self.wait_range("b - a < 600000", "the middle half")
        self.page.wait("location.hash.includes('from=')")
        self.page.run("history.back()")
        self.wait_range(f"a === 1 && b === {MILLION}", "before the zoom")
        assert self.address() == {"log": "1"}, self.address()
        self.page.run("history.back()")
        self.page.wait(f"{CHART.format(0)}.scales.y.type === 'linear'", "before the logarithm")
        self.page.run("history.forward()")
        self.page.wait(f"{CHART.format(0)}.scales.y.type === 'logarithmic'", "forward")
        self.page.run("history.forward()")
        self.wait_range(f"Math.abs(a - {zoomed[0]}) <= 1 && Math.abs(b - {zoomed[1]}) <= 1", "the zoom again")
        assert self.page.value("window.notReloaded") is True

    def test_a_reload_loses_nothing(self):
        self.page.run("const s = document.querySelector('#curve-smooth'); s.value = '0.5'; s.dispatchEvent(new Event('input'));")
        self.page.click("[data-series=loss_g]")
        self.page.click("[data-series=d_fake_after]")
        self.wait_address(smooth="0.5", hide="loss_g", show="d_fake_after", log="1")
        address, drawn = self.address(), self.range()
        self.page.reload()
        self.drawn()
        assert self.address() == address and [round(v) for v in self.range()] == [round(v) for v in drawn], (self.address(), self.range())
        state = self.page.run("""
            const pressed = (id) => document.querySelector(`[data-series=${id}]`).getAttribute('aria-pressed');
            return [pressed('loss_d'), pressed('loss_g'), pressed('d_fake_after'), document.querySelector('#curve-smooth').value,
                document.querySelector('#curve-log').checked];""")
        assert state == ["true", "false", "true", "0.5", True], state
        smooth, raw = self.points(3), self.points(2)
        assert len(smooth) == len(raw) > 0 and any(abs(a["y"] - b["y"]) > 0.01 for a, b in zip(smooth, raw)), "the raw line is behind the smooth one"

    def test_scores_are_a_curve(self):
        job = self.others[0]
        self.go(f"#/jobs/{job}?x=epoch")
        self.drawn()
        swd = self.page.wait(f"(({{ data }}) => data.length > 0 && data)({CHART.format(2)}.data.datasets[3])", "that chart, which is drawn in a frame of its own")
        answer = self.ask(f"/jobs/{job}/metrics?series=swd")["series"]["swd"]["points"]
        per_epoch = self.ask(f"/jobs/{job}")["steps_per_epoch"]
        assert swd and swd == [{"x": p["last_step"] / per_epoch, "y": p["last"]} for p in answer], (swd, answer)
        scores = {c["step"]: c["score"] for c in self.ask(f"/jobs/{job}/checkpoints")["checkpoints"] if c["score"] is not None}
        assert scores, "a scored checkpoint"
        for p in answer:
            assert abs(scores.get(p["last_step"], p["last"]) - p["last"]) < 1e-5 * p["last"], (scores, p)

    def test_what_is_shown_stays_when_it_cannot_be_loaded_anew(self):
        """Events were missed, and what the daemon is asked for then does not come: each part says so, above what it shows."""
        script = self.page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": """
            window.streams = [];
            window.EventSource = class extends EventSource {
                constructor(url) { super(url); streams.push(this); }
            };
            const real = fetch;
            window.broken = false;
            window.fetch = (...all) => broken ? Promise.reject(new TypeError('no answer')) : real(...all);"""})["identifier"]
        missed = "streams[0].dispatchEvent(new MessageEvent('reset', { data: '{}', lastEventId: '1' }));"
        self.go(f"#/jobs/{self.others[0]}")
        self.page.wait("document.querySelector('.plot canvas') && document.querySelector('.pane img')?.naturalWidth > 0 && document.querySelector('[data-checkpoint]')")
        self.page.run("broken = true; " + missed)
        self.page.wait("document.querySelectorAll('main .callout.bad').length === 4", "the job, its curves, samples and checkpoints say so")
        shown = "['.plot canvas', '.pane img', '[data-checkpoint]', '.facts'].map((css) => document.querySelector(css)?.checkVisibility() ?? false)"
        assert self.page.value(shown) == [True] * 4, self.page.value(shown)
        self.page.run("broken = false; document.querySelectorAll('main [data-retry]').forEach((b) => b.click());")
        self.page.wait("document.querySelectorAll('main .callout.bad').length === 0", "all is well again")
        assert self.page.value(shown) == [True] * 4
        at = "Number(document.querySelector('.pane input').value)"
        before = self.page.value(at)
        self.page.press(LEFT)
        assert self.page.value(at) == before - 1, "nothing listens twice"
        self.go("")
        self.page.wait("document.querySelectorAll('.job-row').length === 3")
        self.page.run("broken = true; " + missed)
        self.page.wait("document.querySelector('main .callout.bad')", "the list says so")
        assert self.page.value("document.querySelectorAll('.job-row').length") == 3
        self.page.run("broken = false; document.querySelector('main [data-retry]').click();")
        self.page.wait("!document.querySelector('main .callout.bad')", "and is well again")
        self.page.cdp("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})

    def test_two_epochs_side_by_side(self):
        self.go(f"#/jobs/{self.others[0]}")
        self.page.wait("document.querySelector('.pane img')?.naturalWidth > 0")
        self.page.click("[data-do=two]")
        self.page.wait("document.querySelectorAll('.pane img').length === 2", "two grids")
        captions = self.page.value("[...document.querySelectorAll('.sample-caption .figures')].map((e) => e.textContent)")
        assert captions[0].startswith("Before training") and captions[1].startswith("Epoch 2"), captions
        self.wait_address(beside="0")
        self.page.run("const s = document.querySelectorAll('.pane input')[1]; s.value = '1'; s.dispatchEvent(new Event('input'));")
        self.page.wait("document.querySelectorAll('.sample-caption .figures')[1].textContent.startsWith('Epoch 1')")
        self.page.reload()
        self.page.wait("document.querySelectorAll('.pane img').length === 2", "two grids after a reload")
        captions = self.page.value("[...document.querySelectorAll('.sample-caption .figures')].map((e) => e.textContent)")
        assert captions[0].startswith("Before training") and captions[1].startswith("Epoch 1"), captions
        self.page.click("[data-do=two]")
        self.page.wait("document.querySelectorAll('.pane img').length === 1", "one again")

    def test_curves_come_without_a_blink(self):
        """The first that is seen of the charts is what they show: in their width, and not that there is nothing."""
        script = self.page.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": """
            window.first = null;
            new MutationObserver(() => {
                if (first === null && document.querySelector('.plot'))
                    first = [...document.querySelectorAll('.plot')].map((plot) => {
                        const canvas = plot.querySelector('canvas');
                        return [plot.querySelector('.plot-none').hidden, Math.abs(canvas.clientWidth - canvas.parentNode.clientWidth) <= 1, Chart.getChart(canvas).data.datasets[3].data.length > 0];
                    });
            }).observe(document, { childList: true, subtree: true });"""})["identifier"]
        self.go(f"#/jobs/{self.others[0]}")
        assert self.page.wait("first") == [[True] * 3] * 5, self.page.value("first")
        self.page.cdp("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})

    def test_ticks_of_any_range_are_told_apart(self):
        """On each axis, from a blink to a year."""
        alike = self.page.command("POST", "/execute/async", {"args": [], "script": """
            const done = arguments[0];
            import('/axis.js').then(({ AXES }) => {
                const alike = [];
                for (const [name, { ticks, tick, least }] of Object.entries(AXES))
                    for (let span = Math.max(least, 0.01); span < 3e7; span *= 1.37)
                        for (const most of [2, 4, 6, 12]) {
                            const at = ticks(span / 3, span / 3 + span, most), texts = at.map((x) => tick(x, at.length > 1 ? at[1] - at[0] : 1));
                            if (new Set(texts).size < texts.length)
                                alike.push([name, span, texts]);
                        }
                done(alike);
            }, (e) => done(String(e)));"""})
        assert alike == [], alike[:5]

    def test_guides_hide_nothing_of_the_newest(self):
        """Dotted lines are behind what was measured, and their names not over its newest end."""
        self.go(f"#/jobs/{self.others[0]}")
        self.drawn()
        order = self.page.run(f"""
            const chart = {CHART.format(0)}, {{ ctx }} = chart, {{ fillText, stroke }} = ctx, order = [];
            const middle = (chart.chartArea.left + chart.chartArea.right) / 2, colours = [3, 7].map((i) => chart.data.datasets[i].borderColor);
            ctx.fillText = (text, x, y) => {{ if (text.includes('ln 2')) order.push(x + ctx.measureText(text).width < middle ? text : 'too far right'); fillText.call(ctx, text, x, y); }};
            ctx.stroke = (...path) => {{ order.push(colours.includes(ctx.strokeStyle) ? 'line' : ctx.getLineDash().join() === '2,4' ? 'dots' : 'grid'); stroke.call(ctx, ...path); }};
            chart.draw();
            delete ctx.fillText;
            delete ctx.stroke;
            return order;""")
        assert order.count("dots") == 2 and "line" in order, order
        assert order.index("line") > max(i for i, what in enumerate(order) if what == "dots"), order
        assert order[-2:] == ["D cannot tell: 2 ln 2", "ln 2"], order

    def test_a_zoom_between_two_scores_shows_the_line_between_them(self):
        per_epoch = self.ask(f"/jobs/{self.others[0]}")["steps_per_epoch"]
        swd = [p["last"] for p in self.ask(f"/jobs/{self.others[0]}/metrics?series=swd")["series"]["swd"]["points"]]
        for log in ("", "&log=1"):
            self.go(f"#/jobs/{self.others[0]}?from={per_epoch + 5}&to={2 * per_epoch - 5}{log}")
            self.drawn()
            low, high = self.page.value(f"[{CHART.format(2)}.scales.y.min, {CHART.format(2)}.scales.y.max]")
            assert low <= min(swd) and high >= max(swd), (low, high, swd)

    def test_jobs_are_chosen_from_the_list(self):
        self.go("")
        self.page.wait("document.querySelectorAll('.job-row').length === 3")
        for job in self.others:
            self.page.click(f"[data-job='{job}'] .pick input")
        self.wait_address(pick=",".join(map(str, self.others)))
        self.page.reload()
        self.page.wait("document.querySelector('.pick-bar .primary:not([hidden])')", "the choice after a reload")
        self.page.click(".pick-bar .primary")
        self.drawn()
        assert self.page.value("document.querySelectorAll('.plot').length") == 7
        names = self.page.value("[...document.querySelectorAll('.plot:first-child .name')].map((e) => e.textContent)")
        assert names == ["slow", "fast"], names

    def test_lines_are_told_apart_without_colour(self):
        marks = self.page.run(f"""
            const {{ datasets }} = {CHART.format(0)}.data;
            return [3, 7].map((i) => [datasets[i].borderColor, datasets[i].borderDash.join()]);""")
        assert marks[0][0] != marks[1][0] and marks[0][1] != marks[1][1], marks
        swatches = self.page.value("[...document.querySelectorAll('.chip line')].map((e) => e.getAttribute('stroke-dasharray').replaceAll(' ', ','))")
        assert swatches == [m[1] for m in marks], (swatches, marks)

    def test_compared_by_epoch_and_by_time(self):
        axis = ".controls .axis"
        choose = "const s = document.querySelector(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'));"
        self.page.run(choose, axis, "epoch")
        self.wait_range("Math.abs(b - 2) < 0.01", "two epochs")
        self.page.run(choose, axis, "time")
        self.wait_address(x="time")
        longest = max(self.seconds(job) for job in self.others)
        self.wait_range(f"a === 0 && Math.abs(b - {longest}) < 0.002", f"time from the first step, {longest} s")
        for i in range(2):
            xs = [p["x"] for p in self.points(4 * i + 3)]
            assert xs == sorted(xs) and xs[0] >= 0, xs[:5]

    def seconds(self, job):
        """From the first thing that was stored to the first of the last step."""
        def at(iso):
            return datetime.datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
        files = [f for what in ("samples", "checkpoints") for f in self.ask(f"/jobs/{job}/{what}")[what]]
        last = max(f["step"] for f in files)
        return min(at(f["created_at"]) for f in files if f["step"] == last) - min(at(f["created_at"]) for f in files)

    def test_samples_and_parameters_beside_each_other(self):
        self.page.wait("document.querySelectorAll('.sample-row img').length === 2", "two grids")
        self.page.run("const s = document.querySelector('.epoch-slider input'); s.value = '0'; s.dispatchEvent(new Event('input'));")
        self.page.wait("[...document.querySelectorAll('.sample-row img')].every((i) => i.src.endsWith('/step-0.png'))", "epoch 0 of both")
        self.wait_address(epoch="0")
        rows = self.page.value("[...document.querySelectorAll('.differences tbody tr')].map((r) => [...r.children].map((c) => c.textContent))")
        assert rows == [["Name", "slow", "fast"], ["Learning rate of G", "0.0001", "0.001"]], rows
        self.page.click("[aria-labelledby=differences-title] input")
        self.page.wait("document.querySelectorAll('.differences tbody tr').length > 20", "all parameters")

    def test_a_job_is_taken_away_and_comes_back(self):
        self.page.click(f"[data-run='{self.others[0]}'] button")
        self.page.wait("document.querySelector('.blank h2')?.textContent === 'Choose another job'", "what to do with one")
        assert self.page.value("document.activeElement.matches('.chosen select')"), "the focus stays where jobs are chosen"
        self.page.run("history.back()")
        self.drawn()
        assert self.page.value("document.querySelectorAll('.chip').length") == 2
        self.page.run("const s = document.querySelector('.chosen select'); s.value = arguments[0]; s.dispatchEvent(new Event('change'));", str(self.long))
        self.page.wait("document.querySelectorAll('.plot:first-child .legend-item').length === 3", "a third")
        self.page.wait(f"{CHART.format(0)}?.data.datasets[11]?.data.length > 300", "its million steps")

    def test_a_zoomed_view_stays_while_the_job_goes_on(self):
        job = self.start("endless", epochs=1000000)
        self.service.wait_step(job, 150)
        self.go(f"#/jobs/{job}?from=20&to=120")
        self.drawn()
        assert [p["x"] for p in self.points()] == list(range(1, 146)), "the range with its margin, each step"
        step = self.service.job(job)["step"]
        self.service.wait_step(job, step + 100)
        self.page.wait(f"Number(document.querySelector('.progress-left').textContent.match(/step ([\\d,]+)/)[1].replaceAll(',', '')) > {step}", "progress")
        assert self.range() == [20, 120], self.range()
        assert len(self.points()) == 145
        self.page.click(".show-all")
        now = self.wait_range(f"b > {step}", "all of it")
        self.wait_range(f"b > {now[1]}", "and it grows")
        self.service.post(f"/jobs/{job}/cancel", None, 202)
        self.service.wait_state(job, "cancelled")

    def test_no_errors_in_the_console(self):
        wrong = [line for line in self.page.console() if line["level"] in ("SEVERE", "WARNING")]
        assert wrong == [], json.dumps(wrong)


if __name__ == "__main__":
    play(Charts)
