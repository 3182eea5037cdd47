"""Draw docs/images/sequences/*.svg from the text files beside them: python scripts/diagrams.py

A file has a title, a line ``name Label`` for each participant, an empty line, and then the steps::

    client -> api: a request        api --> client: a response
    api -> api: something inside    api -x issuer: a request that fails
    note client: a remark           gap time passes

The SVG follows the reader's light or dark mode. It has a background of its own, because a page may
be in the other mode than the system.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "sequences"
STEP = re.compile(r"(\w+) (->|-->|-x) (\w+): (.+)")
COLUMN, MARGIN, ROW, LINE, TOP = 210, 105, 46, 16, 96
CHARACTERS = 29  # of the font that fit between two participants

STYLE = """
  .page { fill: #ffffff } .box { fill: #eef2f7; stroke: #5b6b7f }
  .note { fill: #fff6d6; stroke: #a08520 }
  .life { stroke: #9aa7b5; stroke-dasharray: 3 4 } .arrow { stroke: #1f5fa8; fill: none }
  .reply { stroke-dasharray: 6 4 } .fails { stroke: #b3261e } .head { fill: #1f5fa8; stroke: none }
  text { fill: #1c2430; font: 13px system-ui, sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .name { font-weight: 600 } .gap { fill: #52606f; font-style: italic }
  .label, .gap { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #15191f } .box { fill: #26303c; stroke: #8fa1b5 }
    .note { fill: #3a3317; stroke: #cbb04a }
    .life { stroke: #5b6876 } .arrow { stroke: #7fb5f0 } .fails { stroke: #ff8a80 }
    .head { fill: #7fb5f0 } text { fill: #e6ebf1 } .gap { fill: #a9b5c2 }
    .label, .gap { stroke: #15191f }
  }
"""


@dataclass
class Step:
    kind: str
    source: str
    target: str
    text: str


def parse(text: str) -> tuple[str, dict[str, str], list[Step]]:
    """Return the title, the labels of the participants by name, and the steps."""
    head, _, body = text.strip().partition("\n\n")
    title, *names = head.splitlines()
    participants = dict(line.split(" ", 1) for line in names)
    steps = []
    for line in body.splitlines():
        word, _, rest = line.partition(" ")
        if match := STEP.fullmatch(line):
            step = Step(match[2], match[1], match[3], match[4])
        elif word == "note":
            name, _, remark = rest.partition(": ")
            step = Step("note", name, name, remark)
        elif word == "gap":
            step = Step("gap", "", "", rest)
        else:
            raise ValueError(f"not a step: {line}")
        unknown = {step.source, step.target} - {"", *participants}
        if unknown:
            raise ValueError(f"no such participant: {line}")
        steps.append(step)
    return title.removeprefix("title "), participants, steps


class Drawing:
    """The SVG elements of one diagram, from top to bottom."""

    def __init__(self, participants: dict[str, str]):
        self.x = {name: MARGIN + COLUMN * i for i, name in enumerate(participants)}
        self.width = 2 * MARGIN + COLUMN * (len(participants) - 1)
        self.y = TOP
        self.parts: list[str] = []

    def write(self, x: float, y: float, text: str, style: str = "", anchor: str = "middle") -> None:
        style = f' class="{style}"' if style else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>{escape(text)}</text>'
        )

    def add(self, step: Step) -> None:
        if step.kind == "gap":
            self.y += ROW
            self.write(self.width / 2, self.y - 10, step.text, "gap")
        elif step.kind == "note":
            self._add_note(step)
        elif step.source == step.target:
            self._add_inner(step)
        else:
            self._add_arrow(step)

    def _add_note(self, step: Step) -> None:
        lines = textwrap.wrap(step.text, CHARACTERS - 3)
        height = LINE * len(lines) + 12
        x = self.x[step.source]
        self.parts.append(
            f'<rect class="note" x="{x - 95}" y="{self.y + 10}" width="190" height="{height}"/>'
        )
        for i, line in enumerate(lines):
            self.write(x, self.y + 27 + LINE * i, line)
        self.y += height + 12

    def _add_inner(self, step: Step) -> None:
        x = self.x[step.source]
        is_last = x == max(self.x.values())
        lines = textwrap.wrap(step.text, CHARACTERS - 5)
        middle = self.y + 12 + LINE * len(lines) / 2
        end = middle + 14
        sign = -1 if is_last else 1  # to the side on which there is room
        self.parts.append(
            f'<path class="arrow" d="M{x} {middle - 8:g} h{sign * 22} v16 h{-sign * 14}"/>'
            f'<path class="head" d="M{x} {middle + 8:g} l{sign * 9} -4 v8 z"/>'
        )
        for i, line in enumerate(lines):
            top = middle - LINE * (len(lines) - 1) / 2 + 4
            self.write(x + sign * 30, top + LINE * i, line, anchor="end" if is_last else "start")
        self.y = max(end, self.y + 12 + LINE * len(lines)) + 6

    def _add_arrow(self, step: Step) -> None:
        start, end = self.x[step.source], self.x[step.target]
        sign = 1 if end > start else -1
        columns = abs(end - start) // COLUMN
        lines = textwrap.wrap(step.text, CHARACTERS * columns)
        for i, line in enumerate(lines):
            self.write((start + end) / 2, self.y + 18 + LINE * i, line, "label")
        y = self.y + 10 + LINE * len(lines)
        style = {"->": "arrow", "-->": "arrow reply", "-x": "arrow fails"}[step.kind]
        if step.kind == "-x":
            stop = end - sign * 18
            cross = f'<path class="{style}" d="M{stop - 6} {y - 6} l12 12 m0 -12 l-12 12"/>'
        else:
            stop = end - sign * 8
            cross = f'<path class="head" d="M{end} {y} l{-sign * 10} -4.5 v9 z"/>'
        self.parts.append(f'<path class="{style}" d="M{start} {y} H{stop}"/>{cross}')
        self.y = y + 8


def draw(text: str) -> str:
    """Return the SVG of a diagram."""
    title, participants, steps = parse(text)
    drawing = Drawing(participants)
    for step in steps:
        drawing.add(step)
    width, height = drawing.width, drawing.y + 24
    head = []
    for name, label in participants.items():
        x = drawing.x[name]
        head.append(
            f'<path class="life" d="M{x} 86 V{height - 12:g}"/>'
            f'<rect class="box" x="{x - 80}" y="50" width="160" height="36" rx="5"/>'
            f'<text class="name" x="{x}" y="73" text-anchor="middle">{escape(label)}</text>'
        )
    # A screen reader reads what an image shows.
    steps_text = "; ".join(
        step.text if step.kind == "gap" else f"{participants[step.source]}: {step.text}"
        for step in steps
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(steps_text)}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height:g}" rx="8"/>',
        f'<text class="title" x="{width / 2:g}" y="30" text-anchor="middle">{escape(title)}</text>',
        *head,
        *drawing.parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    for source in sorted(FOLDER.glob("*.txt")):
        source.with_suffix(".svg").write_text(draw(source.read_text()))


if __name__ == "__main__":
    main()
