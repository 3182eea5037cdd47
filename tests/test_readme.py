"""README.md: its application and its requests work as they are printed, and so do its links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.doc_blocks import is_like, read_blocks
from tests.ports import free_port
from tests.serving import wait_until_it_responds
from tests.test_release import extras, metadata

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.slow
def test_quickstart_runs_as_pasted(tmp_path):
    text = README.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "app.py").write_text(code)
    login, view = re.findall(r"^curl .*$", text, re.MULTILINE)[:2]
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "flask", "run", "--port", str(port)],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_until_it_responds(f"http://127.0.0.1:{port}/", server)
        body = _curl(login, port)
        response = _curl(view.replace("<the access_token>", body["access_token"]), port)
        shown = [
            json.loads(block.text) for block in read_blocks(README) if block.language == "json"
        ]
        assert is_like(shown, [body, response])
    finally:
        server.terminate()
        server.communicate()


def test_it_is_short():
    assert len(README.read_text().split()) < 600


def test_two_terminals_and_the_extras():
    """The server's command is in a block of its own, because it doesn't end."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert "flask run\n" in blocks
    assert blocks[0].startswith("python3 -m venv .venv && . .venv/bin/activate\n")
    rows = "".join(re.findall(r"^\| (`.*?) \|", README.read_text(), re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == set(extras.names()) - {"none", "all", "limits"}


def test_each_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#\s]+)", README.read_text())
    links += re.findall(r'src(?:set)?="([^"]+)', README.read_text())
    assert len(links) > 20
    for link in links:
        assert (README.parent / link).is_file() or link.startswith("https://"), link


def test_on_pypi_it_has_no_relative_link_and_names_the_files():
    """The build replaces relative links, which would lead nowhere on PyPI."""
    text = README.read_text()
    for pattern, replacement in substitutions():
        text = re.sub(pattern, replacement, text)
    metadata.check_readme(text)
    assert "<picture>" not in text
    assert "`docs/guides/sessions.md`" in text


def substitutions():
    """Return the patterns and replacements of pyproject.toml, which Python 3.10 can't parse."""
    text = (README.parent / "pyproject.toml").read_text()
    table = r"readme\.substitutions\]\]\npattern = '(.*)'\nreplacement = ['\"](.*)['\"]"
    found = re.findall(table, text)
    assert len(found) == 2
    return found


def _curl(line, port):
    """Send the request of a line with curl, without curl."""
    url = re.search(r"localhost:5000(/\S*)", line)[1]
    headers = dict(part.split(": ", 1) for part in re.findall(r"-H '([^']*)'", line))
    data = re.search(r"-d '([^']*)'", line)
    method = "POST" if "-X POST" in line else "GET"
    return httpx.request(
        method, f"http://127.0.0.1:{port}{url}", headers=headers, content=data and data[1]
    ).json()
