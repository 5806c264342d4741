#!/usr/bin/env python3
"""Charts of what the benches have written with --json, docs/charts/*.svg, and the tables of docs/performance.md
and README.md.

    bench/chart.py RESULTS TREE        RESULTS: lines of JSON; the last line of a row counts

Two kinds: what a row costs in times of its floor, with the 95 % interval and what is wanted; and a server's
latency over the load it is offered. Plain shapes and text, two colours that also differ in lightness."""

import json
import math
import pathlib
import sys

WIDTH, LEFT, RIGHT, LINE = 860, 220, 70, 22
STYLE = """
  .paper { fill: #ffffff } .text { fill: #24292f } .faint { fill: #6e7781 } .grid { stroke: #d8dee4 }
  .bar { fill: #2f6fab } .over { fill: #b35900 } .whisker { stroke: #24292f } .want { stroke: #24292f }
  .line { fill: none; stroke-width: 2 }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif } .title { font-size: 15px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #30363d }
    .bar { fill: #58a6ff } .over { fill: #f0883e } .whisker, .want { stroke: #e6edf3 }
  }"""
LINES = ["#2f6fab", "#b35900", "#3d8b40", "#8250df", "#6e7781", "#bf3989"]


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, words, kind="text", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind="grid", more=""):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{more}/>'


def bar(kind, left, right, y):
    return f'<rect class="{kind}" x="{left:.1f}" y="{y + 4}" width="{max(right - left, 1.5):.1f}" height="12"/>'


def picture(height, title, under, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>", f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        text(16, 26, title, "text title"), text(16, 44, under, "faint"), *body, "</svg>", ""])


def read(path):
    """The rows by name, each with what it was measured on, in the order of the file."""
    rows, about = {}, {}
    for words in pathlib.Path(path).read_text().splitlines():
        record = json.loads(words)
        if "bench" in record:
            about = record
        elif "memory of" in record and record["memory of"] in rows:
            rows[record["memory of"]].setdefault("memory", {})[record["side"]] = record["bytes"]
        elif "row" in record:
            rows.pop(record["row"], None)
            rows[record["row"]] = {**record, "about": about}
    return rows


def where(about):
    return (f"weft {about['weft']} ({about['commit']}), {about['compiler']}, Linux {about['kernel']}, "
            f"{about['cpu']}, {about['date']}")


def side(row, name):
    return next((s for s in row["sides"][1:] if s["side"] == name), None)


def beside_floor(rows, title):
    """Bars from 1 on: how many times the floor, with the interval; a stroke where the target is."""
    found = [(name, side(row, "floor"), row) for name, row in rows.items() if side(row, "floor")]
    if not found:
        return None
    most = max(1.2, *(max(floor["times"][2], float(floor["limit"].lstrip("<>="))) for _, floor, _ in found))
    wide = most > 3
    place = (lambda v: math.log(max(v, 0.8) / 0.8)) if wide else (lambda v: max(v, 0.8) - 0.8)
    scale = (WIDTH - LEFT - RIGHT) / place(most)
    at = lambda v: LEFT + place(v) * scale  # noqa: E731
    height, body = 70 + LINE * len(found) + 24, []
    ticks = [1, 1.5, 2, 3, 5, 10, 20, 30] if wide else [0.8 + 0.1 * i for i in range(40)]
    for tick in ticks:
        if tick <= most * 1.001:
            body += [line(at(tick), 58, at(tick), height - 30),
                     text(at(tick), height - 14, f"{tick:.2g}x" if wide else f"{tick:.1f}x", "faint", "middle")]
    for i, (name, floor, row) in enumerate(found):
        y = 62 + LINE * i
        value, low, high = floor["times"]
        body.append(text(LEFT - 10, y + 14, name, "text", "end"))
        left, right = sorted((at(1), at(value)))
        kind = "over" if floor["verdict"] == "MISSED" else "bar"
        body.append(bar(kind, left, right, y))
        body.append(line(at(low), y + 10, at(high), y + 10, "whisker"))
        limit = float(floor["limit"].lstrip("<>="))
        if limit > 0:
            body.append(line(at(limit), y + 2, at(limit), y + 18, "want", ' stroke-width="2"'))
        body.append(text(at(max(high, value, limit)) + 6, y + 14, f"{value:.2f}", "faint"))
    return picture(height, title, where(found[-1][2]["about"]), body)


def beside_peers(rows, title):
    """Bars from 1 on, which is ours: how many times that a peer costs."""
    found = [(f"{name}, {s['side']}", s, row) for name, row in rows.items() for s in row["sides"]
             if s["theirs_by_ours"] and s["side"] != "uring"]  # which is by hand as well
    if not found:
        return None
    most = max(s["times"][0] for _, s, _ in found)
    place = lambda v: math.log(max(v, 0.5) / 0.5)  # noqa: E731
    scale = (WIDTH - LEFT - RIGHT) / place(most)
    at = lambda v: LEFT + place(v) * scale  # noqa: E731
    height, body = 70 + LINE * len(found) + 24, []
    for tick in [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 400]:
        if tick <= most:
            body += [line(at(tick), 58, at(tick), height - 30),
                     text(at(tick), height - 14, f"{tick:g}x", "faint", "middle")]
    for i, (name, s, _) in enumerate(found):
        y, value = 62 + LINE * i, s["times"][0]
        left, right = sorted((at(1), at(value)))
        body += [text(LEFT - 10, y + 14, name, "text", "end"),
                 bar("bar" if value >= 1 else "over", left, right, y),
                 text(max(right, at(1)) + 6, y + 14, f"{value:.3g}x", "faint")]
    return picture(height, title, where(found[-1][2]["about"]), body)


def spread_out(heights):
    """Moved down as far as it takes for words not to lie upon each other."""
    last, moved = -math.inf, dict.fromkeys(range(len(heights)), 0.0)
    for i in sorted(moved, key=heights.__getitem__):
        last = moved[i] = max(heights[i], last + 14)
    return moved


def over_load(rows, prefix, title):
    """Rows named PREFIX/SERVER/RATE, whose only side is a latency in microseconds."""
    servers = {}
    for name, row in rows.items():
        if name.startswith(prefix + "/"):
            server, rate = name[len(prefix) + 1:].split("/")
            servers.setdefault(server, []).append((float(rate), row["sides"][0]["cost"][0], row))
    if not servers:
        return None
    points = [p for list_ in servers.values() for p in list_]
    right, low, high = max(p[0] for p in points), min(p[1] for p in points), max(p[1] for p in points)
    top, bottom, left = 64, 340, 70
    low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    x = lambda rate: left + rate / right * (WIDTH - left - 120)  # noqa: E731
    y = lambda us: bottom - math.log(us / low) / math.log(high / low) * (bottom - top)  # noqa: E731
    body, tick = [], low
    while tick <= high:
        body += [line(left, y(tick), WIDTH - 120, y(tick)),
                 text(left - 8, y(tick) + 4, f"{tick:g} us" if tick < 1000 else f"{tick / 1000:g} ms", "faint", "end")]
        tick *= 10
    for i in range(6):
        rate = right * i / 5
        body.append(text(x(rate), bottom + 18, f"{rate / 1000:.3g}k/s", "faint", "middle"))
    for list_ in servers.values():
        list_.sort(key=lambda p: p[0])
    free = spread_out([y(list_[-1][1]) + 4 for list_ in servers.values()])
    for i, (server, list_) in enumerate(servers.items()):
        path = " ".join(f"{x(rate):.1f},{y(us):.1f}" for rate, us, _ in list_)
        color = LINES[i % len(LINES)]
        end_x, end_y = x(list_[-1][0]) + 6, free[i]
        body += [f'<polyline class="line" stroke="{color}" points="{path}"/>',
                 f'<text x="{end_x:.1f}" y="{end_y:.1f}" fill="{color}">{escape(server)}</text>']
    return picture(bottom + 34, title, where(points[-1][2]["about"]), body)


def cell(s):
    target = "" if s["verdict"] == "none" else f" ({s['limit']}: {s['verdict'].lower()})"
    value, low, high = s["times"]
    return f"{value:.3g} [{low:.3g}, {high:.3g}]{target}"


def table(rows):
    """A line for each row: ours, and each other side with its interval and verdict."""
    lines, last = [], None
    for name, row in rows.items():
        about = where(row["about"])
        if about != last:
            lines += ["", about, "", "| row | ours | times |", "|---|---|---|"]
            last = about
        ours = row["sides"][0]
        target = "" if ours["verdict"] == "none" else f" ({ours['limit']}: {ours['verdict'].lower()})"
        others = "; ".join(f"{s['side']} {cell(s)}" for s in row["sides"][1:])
        memory = ", ".join(f"{who} {held / 1e6:.1f} MB" for who, held in row.get("memory", {}).items())
        beside = "; ".join(part for part in (others, memory and "memory: " + memory) if part)
        lines.append(f"| {name} | {ours['cost'][0]:.4g} {row['unit']}{target} | {beside} |")
    return "\n".join(lines + [""])


SHORT = [
    ("echo/64B/64", "CPU of an echo, 64 connections, at a fixed rate"),
    ("echo/64B/64/full", "the same, as fast as it goes"),
    ("http/hello/64", "CPU of an HTTP hello, 64 connections, at a fixed rate"),
    ("http/hello/64/full", "the same, as fast as it goes"),
    ("http/pipelined/64/full", "the same, 16 of them pipelined"),
    ("spawn/await", "a task spawned and awaited"),
    ("sync/channel", "an item through a channel without room"),
    ("timer/1,000", "a timer set and taken back beside 1,000"),
    ("start/reply", "from exec to the first answer"),
    ("idle/kept", "memory of an idle HTTP client"),
]
COLUMNS = [("floor", "by hand"), ("uv", "libuv"), ("go", "Go"), ("nginx", "nginx"), ("asyncio", "asyncio")]


def short_cell(s):
    cost = s["cost"][0] if s else 0
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.3g}" if s else ""


def short_table(rows):
    """What the README says."""
    there = [(rows[name], words) for name, words in SHORT if name in rows]
    if not there:
        return "Nothing is published yet: `./dev bench --chart` puts a table and charts here."
    columns = [(name, words) for name, words in COLUMNS if any(side(row, name) for row, _ in there)]
    lines = ["| | | weft | " + " | ".join(words for _, words in columns) + " |",
             "|---|---|" + "---:|" * (len(columns) + 1)]
    for row, words in there:
        cells = [short_cell(s) for s in [row["sides"][0], *(side(row, name) for name, _ in columns)]]
        lines.append(f"| {words} | {row['unit'].replace('us', 'µs')} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", where(there[-1][0]["about"]) + "."])


def pictures(tree, names, folder):
    """Those that have been drawn, in Markdown."""
    return [f"![{TITLES[name]}]({folder}/{name})" for name in names if (tree / "docs/charts" / name).exists()]


def fill_in(page, words, what):
    begin, end = f"<!-- {what} -->", f"<!-- end of {what} -->"
    old = page.read_text()
    page.write_text(old[:old.index(begin) + len(begin)] + "\n" + words + "\n" + old[old.index(end):])


TITLES = {
    "servers.svg": "A server's CPU for a request, in times of a loop by hand",
    "operations.svg": "Operations, in times of the least that could do it by hand",
    "peers.svg": "What peers cost, in times of ours",
    "latency.svg": "99th percentile over the load offered, HTTP hello",
}


def main():
    rows, tree = read(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder = tree / "docs/charts"
    folder.mkdir(parents=True, exist_ok=True)
    servers = {n: r for n, r in rows.items() if n.split("/")[0] in ("echo", "http", "churn", "threads")}
    small = {n: r for n, r in rows.items() if n.split("/")[0] in ("switch", "spawn", "sync", "timer", "million")}
    load = {n: r for n, r in rows.items() if n.startswith("latency/")}
    charts = {
        "servers.svg": beside_floor(servers, TITLES["servers.svg"]),
        "operations.svg": beside_floor(small, TITLES["operations.svg"]),
        "peers.svg": beside_peers({**servers, **small}, TITLES["peers.svg"]),
        "latency.svg": over_load(load, "latency", TITLES["latency.svg"]),
    }
    for name, words in charts.items():
        if words:
            (folder / name).write_text(words)
            print(folder / name)
    fill_in(tree / "docs/performance.md", "\n\n".join([table(rows), *pictures(tree, TITLES, "charts")]), "results")
    first = ["servers.svg", "operations.svg"]
    fill_in(tree / "README.md", "\n\n".join([short_table(rows), *pictures(tree, first, "docs/charts")]), "figures")


if __name__ == "__main__":
    main()
