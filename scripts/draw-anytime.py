#!/usr/bin/env python3
"""Draws docs/four-experiments.svg: the best value so far against time, of simulated searches (`nasctl simulate --curves nb301`, nothing is trained).

    scripts/draw-anytime.py bin/nasctl docs/four-experiments.svg      # about a minute and a half
"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
from statistics import mean, quantiles

configs = pathlib.Path(__file__).resolve().parent.parent / "configs"
SEEDS, HOURS = 30, 8.5
# What is drawn: words, file, whether the sampler is left out (then it is the guided one), class of its line.
SEARCHES = [
    ("adaptive", "adaptive", False, "a"),
    ("constrained adaptive", "constrained-adaptive", False, "b"),
    ("constrained random", "constrained-random", False, "c"),
    ("constrained adaptive, guided sampler", "constrained-adaptive", True, "d"),
]
STYLE = """
  .page { fill: #ffffff } text { fill: #24292f; font: 13px sans-serif } .title { font-size: 14px; font-weight: bold }
  .grid { stroke: #d0d7de; stroke-width: 1 } .line { fill: none; stroke-width: 2.2; stroke-linejoin: round } .band { stroke: none; fill-opacity: 0.15 }
  .a { --c: #0072b2 } .b { --c: #b34a00 } .c { --c: #6e7781 } .d { --c: #00795a }
  .line, .end { stroke: var(--c) } .band, .end { fill: var(--c) }
  .a.line { stroke-dasharray: 9 4 } .c.line { stroke-dasharray: 2 4 } .d.line { stroke-dasharray: 12 3 2 3 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .band { fill-opacity: 0.22 }
    .a { --c: #56b4e9 } .b { --c: #ff9a4d } .c { --c: #a0a8b0 } .d { --c: #3ddbaa }
  }"""
WIDTH, HEIGHT, TOP, BOTTOM = 1000, 520, 138, 450
EARLIEST, LATEST = 0.125, 64.0
# Left end, right end, title, which field of an incumbent, lowest and highest value, distance of the lines of the grid, decimals.
PANELS = [
    (60, 470, "best value so far, at whatever rung", "value", 0.3, 1.0, 0.1, 1),
    (560, 970, "what that trial is worth in full", "truth", 0.940, 0.962, 0.005, 3),
]


def simulate(nasctl, name, guided, folder):
    text = (configs / f"{name}-experiment.yaml").read_text()
    if guided:
        text, changed = re.subn(r"(?m)^  sampler: .*\n", "", text)
        assert changed == 1, name
    file = pathlib.Path(folder, f"{name}.yaml")
    file.write_text(text)
    words = ["simulate", file, "--curves", "nb301", "--full-hours", str(HOURS), "--repeat", str(SEEDS), "--output", "json"]
    told = subprocess.run([nasctl, *words], check=True, capture_output=True, text=True).stdout
    return json.loads(told)["runs"]


def at(run, hours, field):
    """The field of the run's best trial at that time; None before the first result."""
    seen = [one[field] for one in run["incumbents"] if one["seconds"] <= hours * 3600]
    return seen[-1] if seen else None


def curve(runs, field):
    """Mean and quartiles over the seeds, from when all of them have a result until the mean end."""
    last = mean(run["wallClockHours"] for run in runs)
    steps = 200
    for step in range(steps + 1):
        hours = min(EARLIEST * (LATEST / EARLIEST) ** (step / steps), last)
        values = [at(run, hours, field) for run in runs]
        if None not in values:
            low, _, high = quantiles(values, n=4)
            yield hours, mean(values), low, high
        if hours == last:
            break


def draw_panel(svg, panel, searches):
    left, right, title, field, low, high, every, digits = panel

    def x(hours):
        return left + (right - left) * math.log(hours / EARLIEST) / math.log(LATEST / EARLIEST)

    def y(value):
        return BOTTOM - (BOTTOM - TOP) * (min(max(value, low), high) - low) / (high - low)

    svg.append(f'<text class="title" x="{left}" y="{TOP - 16}">{title}</text>')
    for index in range(round((high - low) / every - 0.4) + 1):
        value = low + index * every
        svg.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        svg.append(f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.{digits}f}</text>')
    hours = EARLIEST
    while hours <= LATEST:
        svg.append(f'<line class="grid" x1="{x(hours):.1f}" x2="{x(hours):.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
        svg.append(f'<text x="{x(hours):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{hours:g}</text>')
        hours *= 2
    svg.append(f'<text x="{(left + right) / 2}" y="{BOTTOM + 40}" text-anchor="middle">hours, 16 accelerators</text>')
    for (_, _, _, kind), runs in searches:
        points = list(curve(runs, field))
        above = [f"{x(hours):.1f},{y(upper):.1f}" for hours, _, _, upper in points]
        below = [f"{x(hours):.1f},{y(lower):.1f}" for hours, _, lower, _ in reversed(points)]
        svg.append(f'<polygon class="band {kind}" points="{" ".join(above + below)}"/>')
    for (_, _, _, kind), runs in searches:
        points = [(x(hours), y(value)) for hours, value, _, _ in curve(runs, field)]
        svg.append(f'<polyline class="line {kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
        svg.append(f'<circle class="end {kind}" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="4"/>')


def main(nasctl, page):
    with tempfile.TemporaryDirectory() as folder:
        searches = [(search, simulate(nasctl, search[1], search[2], folder)) for search in SEARCHES]
    words = "Simulated searches on the curves of NAS-Bench-301: the best value so far, and what it is worth in full, against hours"
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">']
    svg += [f"<title>{words}</title>", f"<style>{STYLE}\n</style>", f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>']
    svg.append('<text class="title" x="16" y="26">Simulated on the learning curves of NAS-Bench-301: nothing was trained</text>')
    told = f"Means and middle halves of {SEEDS} searches; a mean full training is taken to be {HOURS} hours. A dot: where the search ends, on average."
    svg.append(f'<text x="16" y="48">{told}</text>')
    for index, ((label, _, _, kind), _) in enumerate(searches):
        left = 16 + [0, 140, 350, 545][index]
        svg.append(f'<line class="line {kind}" x1="{left}" x2="{left + 44}" y1="78" y2="78"/>')
        svg.append(f'<text x="{left + 52}" y="82">{label}</text>')
    for panel in PANELS:
        draw_panel(svg, panel, searches)
    pathlib.Path(page).write_text("\n".join([*svg, "</svg>\n"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
