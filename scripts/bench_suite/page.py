"""Write the figures of a run into the performance page, between its markers, and its charts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .chart import http_chart, overhead_chart

PAGE = Path(__file__).parents[2] / "docs" / "design" / "performance.md"
CHARTS = {"guard": overhead_chart, "http": http_chart}


def write_page(reports: list[Path], page: Path = PAGE) -> list[str]:
    """Replace the tables of each section that one of *reports* has; return the sections.

    The other sections keep their figures, so a page may show several runs. Each section says which.
    """
    text = page.read_text(encoding="utf-8")
    written = []
    for path in reports:
        report = json.loads(path.read_text(encoding="utf-8"))
        for section, tables in report["tables"].items():
            lines = [markdown(table) for table in tables]
            block = "\n\n".join([describe(report["conditions"]), *lines])
            text = replace_section(text, section, block)
            if section in CHARTS:
                chart = CHARTS[section](report[section], summary(report["conditions"]))
                file = page.with_name(f"{page.stem}-{section}.svg")
                file.write_text(chart, encoding="utf-8")
            written.append(section)
    page.write_text(text, encoding="utf-8")
    return written


def replace_section(text: str, section: str, block: str) -> str:
    """Replace what is between the markers of *section*."""
    start, end = f"<!-- bench:{section} -->", f"<!-- /bench:{section} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"the page needs these two lines once: {start} and {end}")
    return pattern.sub(lambda _: f"{start}\n{block}\n{end}", text)


def markdown(table: dict[str, Any]) -> str:
    """Return *table* with its title above and its notes below."""
    names = [number for number, column in enumerate(table["columns"]) if column == "package"]
    rule = ["---" if n in (0, *names) else "---:" for n in range(len(table["columns"]))]
    rows = [table["columns"], rule, *table["rows"]]
    lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in rows]
    parts = [f"**{table['title']}**", "\n".join(f"| {line} |" for line in lines)]
    if table["notes"]:
        parts.append(" ".join(note.strip() for note in table["notes"]))
    return "\n\n".join(parts)


def describe(conditions: dict[str, Any]) -> str:
    load = f", load average {conditions['load']} before it" if "load" in conditions else ""
    return (
        f"*Measured on {conditions['date']}, a {conditions['run']} run{load}: "
        f"{summary(conditions)}, {conditions['system']}.*"
    )


def summary(conditions: dict[str, Any]) -> str:
    flask = conditions["packages"]["Flask"]
    return f"{conditions['Python']}, Flask {flask}, {conditions['CPU']}"
