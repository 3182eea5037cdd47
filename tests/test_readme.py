"""The quickstart of README.md: its application and its requests work as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.serving import free_port, wait_until_it_responds

README = Path(__file__).parent.parent / "README.md"


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
        assert response == {"name": "joe"}
    finally:
        server.terminate()
        server.communicate()


def _curl(line, port):
    """Send the request of a line with curl, without curl."""
    url = re.search(r"localhost:5000(/\S*)", line)[1]
    headers = dict(part.split(": ", 1) for part in re.findall(r"-H '([^']*)'", line))
    data = re.search(r"-d '([^']*)'", line)
    method = "POST" if "-X POST" in line else "GET"
    return httpx.request(
        method, f"http://127.0.0.1:{port}{url}", headers=headers, content=data and data[1]
    ).json()
