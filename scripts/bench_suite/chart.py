"""Draw bar charts of the figures: SVG for light and for dark pages."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 840, 350, 60
TOP, ROW, BAR, BOTTOM = 62, 30, 18, 74

STYLE = """
  text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
         fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .quiet { font-size: 12px; fill: #59636e; }
  .grid { stroke: #d1d9e0; }
  .range { stroke: #1f2328; stroke-width: 1.5; }
  .ours { fill: #1a7f4b; }
  .other { fill: #8a94a0; }
  .limit { fill: #c58b2a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .range { stroke: #f0f6fc; }
    .ours { fill: #3fb973; }
    .other { fill: #768390; }
    .limit { fill: #d9a441; }
  }
"""


def overhead_chart(data: dict[str, Any], conditions: str) -> str:
    """Return the chart of *data*, the figures of the guard section, as SVG."""
    rows = sorted(
        (row for row in data["overhead_us"].values() if row["algorithm"] == "HS256"),
        key=lambda row: row["median"],
    )
    return _bar_chart(
        "Time that a guard adds to a request (HS256)",
        "guarded view minus open view; the lines join the quartiles; shorter is better",
        "µs per request",
        rows,
        conditions,
    )


def http_chart(data: dict[str, Any], conditions: str) -> str:
    """Return the chart of *data*, the figures of the http section, as SVG."""
    rows = [
        {"label": f"{figures['label']}: {operation}", **figures["requests_per_second"]}
        for operation, packages in data["stores"]["PostgreSQL"]["operations"].items()
        for figures in packages.values()
    ]
    return _bar_chart(
        "Requests per second over HTTP (PostgreSQL)",
        "gunicorn, users in the database; the lines join the quartiles; longer is better",
        "requests per second",
        rows,
        conditions,
        left=430,
        digits=0,
    )


def _bar_chart(
    title: str,
    subtitle: str,
    unit: str,
    rows: list[dict[str, Any]],
    conditions: str,
    *,
    left: int = LEFT,
    digits: int = 1,
) -> str:
    step = _step(max(row["high"] for row in rows))
    last = math.ceil(max(row["high"] for row in rows) / step) * step
    scale = (WIDTH - left - RIGHT) / last
    height = TOP + ROW * len(rows) + BOTTOM
    bottom = TOP + ROW * len(rows)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f"<style>{STYLE}</style>",
        f'<text id="title" class="title" x="16" y="28">{escape(title)}</text>',
        f'<text class="quiet" x="16" y="48">{escape(subtitle)}</text>',
    ]
    for tick in range(0, last + 1, step):
        x = left + tick * scale
        parts += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>',
            f'<text class="quiet" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick}</text>',
        ]
    for number, row in enumerate(rows):
        parts += _bar(row, TOP + ROW * number, left, scale, digits)
    parts += [
        f'<text class="quiet" x="{left + (WIDTH - left - RIGHT) / 2}" y="{bottom + 38}" '
        f'text-anchor="middle">{escape(unit)}</text>',
        f'<text class="quiet" x="16" y="{height - 14}">{escape(conditions)}</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def _bar(row: dict[str, Any], top: float, left: int, scale: float, digits: int) -> list[str]:
    label = row["label"]
    css_class = "other"
    if label.startswith("limit: "):
        css_class = "limit"
    elif label.startswith(("Flask-JWT-Too", "flask_jwt.extended")):
        css_class = "ours"
    middle = top + ROW / 2
    end = left + row["median"] * scale
    # An overhead measured as negative is noise, and would draw outside of the chart.
    low, high = left + max(row["low"], 0) * scale, left + row["high"] * scale
    return [
        f'<text x="{left - 10}" y="{middle + 5}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{css_class}" x="{left}" y="{middle - BAR / 2}" '
        f'width="{end - left:.1f}" height="{BAR}" rx="2"/>',
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{max(end, high) + 8:.1f}" y="{middle + 5}">{row["median"]:.{digits}f}</text>',
    ]


def _step(largest: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that divides *largest* into at most 10 parts."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if largest / (factor * power) <= 10:
                return factor * power
        power *= 10
