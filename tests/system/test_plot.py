"""tools/plot-metrics.py: an SVG with a line a job and panel, and a table, from what the API answers."""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from dcgand import Tap

TOP = os.path.abspath(os.environ.get("top_srcdir", "."))


def write_metrics(path, shift):
    """2000 steps of loss_d, falling to shift, in buckets of 10; swd at two of them."""
    points = lambda values: [{"step": s - 9, "last_step": s, "count": 10, "min": v, "max": v, "last": v, "min_step": s, "max_step": s}
                             for s, v in values]
    series = {"loss_d": {"total": 2000, "points": points([(s, shift + 100 / s) for s in range(10, 2001, 10)])},
              "swd": {"total": 2, "points": points([(1000, 50 + shift), (2000, 30 + shift)])}}
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"job": 1, "from": 1, "to": 2000, "series": series}, f)


def plot(folder, *words):
    process = subprocess.run([sys.executable, os.path.join(TOP, "tools", "plot-metrics.py"), "--out", os.path.join(folder, "out.svg"), *words],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return process.returncode, process.stdout


def main():
    tap = Tap(6)
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, "%d.json" % i) for i in range(3)]
        for i, path in enumerate(files):
            write_metrics(path, i)
        status, said = plot(folder, "--series", "loss_d,swd,ms_ssim", "a <b>=" + files[0], "a <b>=" + files[1], "c=" + files[2])
        tap.ok(status == 0, "it draws", said)
        svg = xml.etree.ElementTree.parse(os.path.join(folder, "out.svg")).getroot()
        strokes = [e.get("stroke") for e in svg.iter() if e.get("stroke-width") == "1.2"]
        tap.ok(len(strokes) == 6 and len(set(strokes)) == 2 and strokes[0] == strokes[1] != strokes[2],
               "a line for each job and series, a colour for each label", str(strokes))
        dots = [e for e in svg.iter() if e.tag.endswith("circle")]
        tap.ok(len(dots) == 6, "dots where points are few", str(len(dots)))
        texts = [e.text for e in svg.iter() if e.tag.endswith("text")]
        tap.ok(texts.count("a <b>") == 1 and "ms_ssim: no points" in texts, "a legend, and a word for what has no points", str(texts))
        rows = [[c.strip() for c in line.strip("|").split("|")] for line in said.splitlines()[2:]]
        tap.ok([r[0] for r in rows] == ["a <b>", "a <b>", "c"] and [r[2:] for r in rows] == [["30", "-"], ["31", "-"], ["32", "-"]] and
               all(abs(float(r[1]) - i - 0.0692) < 0.002 for i, r in enumerate(rows)), "a table: means over the last half, else the last", said)
        with open(files[0], "w", encoding="utf-8") as f:
            f.write("[1")
        status, said = plot(folder, "a=" + files[0])
        tap.ok(status == 1 and said.startswith("plot-metrics: ") and "Traceback" not in said, "what is no JSON is said in a line", said)
    tap.done()


main()
