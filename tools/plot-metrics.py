#!/usr/bin/env python3
"""Draws metric series of several jobs into one SVG, and prints what they come to as a table.

    plot-metrics.py --out FILE.svg [--series a,b] [--smooth N] LABEL=SOURCE ...

SOURCE is what GET /jobs/ID/metrics answered (a file with its JSON), or the job's address,
http://127.0.0.1:8080/jobs/1, of a daemon that runs. Jobs with the same LABEL (seeds of
one setting) get the same colour. --smooth: each point is the mean of so many around it.
Standard library only.
"""
import argparse
import html
import json
import math
import sys
import urllib.request

COLOURS = ("#1f6fb4", "#d1541f", "#3a8a3f", "#8a4fb0", "#7a6a1f", "#555555")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 400, 230, 52, 30, 26


def load(source, series):
    if source.startswith(("http://", "https://")):
        address = "%s/metrics?max_points=4000&series=%s" % (source.rstrip("/"), ",".join(series))
        with urllib.request.urlopen(address, timeout=60) as answer:
            data = json.load(answer)
    else:
        with open(source, encoding="utf-8") as f:
            data = json.load(f)
    return {name: [(p["last_step"], p["last"]) for p in data["series"].get(name, {"points": []})["points"]] for name in series}


def smooth(points, n):
    """Means over n neighbours, at most some 200 of them."""
    if len(points) < 2 * n:
        return points
    sums = [0.0]
    for _, v in points:
        sums.append(sums[-1] + v)
    stride = max(1, len(points) // 200)
    out = []
    for i in range(0, len(points), stride):
        a, b = max(0, i - n // 2), min(len(points), i + n // 2 + 1)
        out.append((points[i][0], (sums[b] - sums[a]) / (b - a)))
    return out


def ticks(lo, hi):
    """Round numbers from lo to hi, some five of them."""
    step = 10 ** math.floor(math.log10((hi - lo) / 4 or 1))
    while (hi - lo) / step > 5:
        step *= 2 if str(step).lstrip("0.")[:1] in "15" else 2.5
    first = math.ceil(lo / step - 1e-9)
    return [step * i for i in range(first, math.floor(hi / step + 1e-9) + 1)]


def panel(title, rows, x0, y0):
    """rows: (label, colour, points)."""
    points = [p for _, _, line in rows for p in line]
    if not points:
        return '<text x="%g" y="%g">%s: no points</text>\n' % (x0 + LEFT, y0 + TOP, html.escape(title))
    last = max(p[0] for p in points)
    values = sorted(p[1] for p in points)
    # A spike should not flatten all the rest.
    lo, hi = values[len(values) // 200], values[-1 - len(values) // 200]
    lo, hi = (lo - 0.05 * (hi - lo), hi + 0.05 * (hi - lo)) if hi > lo else (lo - 1, hi + 1)
    wide, high = WIDTH - LEFT - 12, HEIGHT - BOTTOM - TOP
    x = lambda step: x0 + LEFT + wide * step / last
    y = lambda v: y0 + TOP + high * (1 - (min(max(v, lo), hi) - lo) / (hi - lo))
    out = ['<text x="%g" y="%g" font-weight="bold">%s</text>\n' % (x0 + LEFT, y0 + 16, html.escape(title))]
    for v in ticks(lo, hi):
        out.append('<path d="M%.1f %.1fh%d" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%g</text>\n' %
                   (x0 + LEFT, y(v), wide, x0 + LEFT - 5, y(v) + 4, round(v, 6)))
    for step in ticks(0, last):
        out.append('<text x="%.1f" y="%g" text-anchor="middle">%d</text>\n' % (x(step), y0 + HEIGHT - BOTTOM + 16, step))
    for _, colour, line in rows:
        if line:
            path = "M" + "L".join("%.1f %.1f" % (x(s), y(v)) for s, v in line)
            out.append('<path d="%s" fill="none" stroke="%s" stroke-width="1.2"/>\n' % (path, colour))
        if len(line) < 40:  # a single point has no line
            out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>\n' % (x(s), y(v), colour) for s, v in line]
    return "".join(out)


def draw(jobs, series, smoothing):
    labels = list(dict.fromkeys(label for label, _ in jobs))
    colour = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    columns = min(2, len(series))
    lines = (len(series) + columns - 1) // columns
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">\n'
           '<rect width="100%%" height="100%%" fill="white"/>\n' % (columns * WIDTH, lines * HEIGHT + 24)]
    for i, name in enumerate(series):
        rows = [(label, colour[label], smooth(data[name], smoothing)) for label, data in jobs]
        out.append(panel(name, rows, i % columns * WIDTH, i // columns * HEIGHT))
    x = LEFT
    for label in labels:
        out.append('<path d="M%d %dh18" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>\n' %
                   (x, lines * HEIGHT + 8, colour[label], x + 24, lines * HEIGHT + 12, html.escape(label)))
        x += 40 + 7 * len(label)
    return "".join(out) + "</svg>\n"


def table(jobs, series):
    """A line a job: the mean over the last half of each series that every step has a point in, else the last value."""
    print("| job | " + " | ".join(series) + " |\n|---" + "|---" * len(series) + "|")
    for label, data in jobs:
        cells = []
        for name in series:
            line = data[name]
            if len(line) > 100:
                half = [v for _, v in line[len(line) // 2:]]
                cells.append("%.3f" % (sum(half) / len(half)))
            else:
                cells.append("%.4g" % line[-1][1] if line else "-")
        print("| %s | %s |" % (label, " | ".join(cells)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--series", default="loss_d,loss_g,swd,ms_ssim")
    arguments.add_argument("--smooth", type=int, default=50)
    arguments.add_argument("jobs", nargs="+", metavar="LABEL=SOURCE")
    a = arguments.parse_args()
    series = a.series.split(",")
    jobs = []
    for word in a.jobs:
        label, equals, source = word.partition("=")
        if not equals or not label or not source:
            arguments.error('expected LABEL=SOURCE, found "%s"' % word)
        jobs.append((label, load(source, series)))
    with open(a.out, "w", encoding="utf-8") as f:
        f.write(draw(jobs, series, max(1, a.smooth)))
    table(jobs, series)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError, TypeError) as why:
        sys.exit("plot-metrics: %s" % why)
