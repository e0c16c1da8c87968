# SPDX-License-Identifier: BSD-3-Clause
"""Rows as JSON lines, as a Markdown table and as an SVG of the ratios."""
import html
import json
import platform
import statistics
import os


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def row(scenario, link, unit, ours, other, lower_is_better=False, note=""):
    """Medians of interleaved runs; ratio > 1 means that sock7 is better."""
    a, b = statistics.median(ours), statistics.median(other)
    if a == b:
        ratio = 1
    else:
        ratio = (b / a if a else 0) if lower_is_better else (a / b if b else 0)
    return {"scenario": scenario, "link": link, "unit": unit, "ours": round(a, 3), "other": round(b, 3),
            "ratio": round(ratio, 3), "ours_min": round(min(ours), 3), "ours_max": round(max(ours), 3),
            "other_min": round(min(other), 3), "other_max": round(max(other), 3), "runs": len(ours),
            "note": note}


def number(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def markdown(rows, when):
    out = [f"# {machine()}", "", f"Measured {when} by `bench/run`; medians of interleaved runs, server on core 0, "
           "client on core 1. A ratio above 1 means sock7 is better.", "",
           "| scenario | link | unit | sock7 | kernel | ratio | note |", "|---|---|---|---|---|---|---|"]
    for r in rows:
        out.append(f"| {r['scenario']} | {r['link']} | {r['unit']} | {number(r['ours'])} | "
                   f"{number(r['other'])} | {r['ratio']:.2f} | {r['note']} |")
    return "\n".join(out) + "\n"


def svg(rows):
    """Horizontal bars of the ratios, a line at 1."""
    width, left, bar, gap = 900, 380, 16, 8
    top = max([r["ratio"] for r in rows] + [1.0])
    scale = (width - left - 70) / top
    height = 50 + len(rows) * (bar + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="10" y="20" font-size="14">sock7 against the kernel: ratio, longer is better '
           f'({html.escape(machine())})</text>']
    y = 36
    for r in rows:
        colour = "#2a7f4f" if r["ratio"] >= 1 else "#b5482f"
        label = html.escape(f"{r['scenario']} ({r['link']}, {r['unit']})")
        out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{label}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{max(r["ratio"] * scale, 1):.1f}" height="{bar}" fill="{colour}"/>')
        out.append(f'<text x="{left + r["ratio"] * scale + 5:.1f}" y="{y + 12}">{r["ratio"]:.2f}</text>')
        y += bar + gap
    x = left + scale
    out.append(f'<line x1="{x:.1f}" y1="30" x2="{x:.1f}" y2="{height - 8}" stroke="black" stroke-dasharray="3,3"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def dump(rows, path):
    with open(path, "w") as f:
        for r in rows:
            f.write(json.dumps(r) + "\n")
