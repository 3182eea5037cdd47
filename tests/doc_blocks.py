"""The fenced blocks of a page of the documentation, and pages whose commands are run as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.serving import wait_until_it_responds
from tests.support import ROOT

BLOCK = re.compile(
    r"^(?:<!-- (?P<file>examples/\S+) -->\n)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SET_UP = re.compile(r"(mkdir|cd|python3 -m venv|\. \.venv/bin/activate|pip install) ?")
SERVER = re.compile(r"flask (?:--app \w+ )?run(?: --port (\d+))?")
SHOWN = re.compile(r"^```.*?^```$|<!--.*?-->", re.MULTILINE | re.DOTALL)
A_TIME = 1_000_000_000
ASSIGNMENT = re.compile(r"(?:export )?([A-Z_]+)=(?!\w\S* ).*")  # and no command after it


@dataclass
class Block:
    """A fenced block.

    :ivar file: the file of examples/ that the block shows, from the comment above it, or None
    :ivar line: where the block begins in the page
    """

    language: str
    text: str
    file: str | None
    line: int


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of *page* that name a language."""
    text = page.read_text()
    return [
        Block(
            match["language"],
            match["text"],
            match["file"],
            text.count("\n", 0, match.start()) + 1,
        )
        for match in BLOCK.finditer(text)
    ]


class Walkthrough:
    """Do what a page says, in an empty folder: save its files, run its commands, compare outputs.

    The commands that make a folder and a virtual environment and install packages are left out;
    the environment of the tests has everything. The text above a file names it. A block of text or
    JSON below commands is what they print, where ``…`` stands for anything. ``<the access_token>``
    in a command stands for this member of the last JSON object that has one, and ``<the link>`` for
    the last URL in the log of the server. A server ends when another one gets its port, or with the
    ``with`` block.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None):
        self.folder = folder
        self.ports = {"5000": free_port(), "5001": free_port()}
        self.output = ""
        self.servers: dict[str, subprocess.Popen[str]] = {}
        self.log = folder.parent / f"{folder.name}.log"
        self.members: dict[str, str] = {}
        scripts = Path(sys.executable).parent
        self.environment = {
            **{name: value for name, value in os.environ.items() if "COV" not in name},
            "FLASK_RUN_PORT": str(self.ports["5000"]),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            **(environment or {}),
        }

    def __enter__(self) -> Walkthrough:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for port in [*self.servers]:
            self._stop(port)

    def follow(self, page: Path, until: str | None = None, after: str | None = None) -> None:
        """Follow *page* from the heading *after*, or its first block, to *until*, or its last."""
        lines = page.read_text().splitlines()
        start = 0 if after is None else lines.index(after)
        end = len(lines) if until is None else lines.index(until)
        for block in read_blocks(page):
            if start < block.line <= end:
                above = SHOWN.sub("", "\n".join(lines[: block.line]))
                self._follow(block, f"{page.name}:{block.line}", above)

    def run(self, command: str) -> None:
        """Run a command that isn't of the page."""
        self._run(command, "test")

    def _stop(self, port: str) -> None:
        if port in self.servers:
            server = self.servers.pop(port)
            server.terminate()
            server.wait()

    def _follow(self, block: Block, place: str, above: str = "") -> None:
        if block.file is not None:
            name = "/".join(Path(block.file).parts[2:])
            assert f"`{name}`" in above, f"{place}: say that this is {name}"
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._with_port(block.text))
        elif block.language == "sh":
            self._run(block.text, place)
        elif block.language == "json":
            self._compare_json(json.loads(block.text), place)
        elif block.language == "text":
            pattern = ".*?".join(re.escape(part) for part in block.text.strip().split("…"))
            found = re.match(pattern, self.output.lstrip(), re.DOTALL)
            assert found, f"{place}: this was printed:\n{self.output}"
            self.output = self.output.lstrip()[found.end() :]

    def _with_port(self, text: str) -> str:
        return re.sub(r"(?<=localhost:)500[01]\b", lambda match: str(self.ports[match[0]]), text)

    def _run(self, text: str, place: str) -> None:
        for name, value in self.members.items():
            text = text.replace(f"<the {name}>", value)
        if "<the link>" in text:
            text = text.replace("<the link>", re.findall(r"http://\S+", self.log.read_text())[-1])
        text = self._with_port(text)
        lines = [line for line in text.splitlines() if not SET_UP.match(line)]
        if any(map(SERVER.fullmatch, lines)):
            assert len(lines) == 1, f"{place}: `flask run` needs a block of its own"
            self._serve(lines[0].split(), SERVER.fullmatch(lines[0])[1] or "5000")
            return
        done = self._run_in_bash(lines, place)
        self.output = done.stdout
        for port, used in self.ports.items():
            self.output = self.output.replace(f"localhost:{used}", f"localhost:{port}")

        # A variable is kept for later commands, and for the server.
        for line in filter(ASSIGNMENT.fullmatch, lines):
            name = ASSIGNMENT.fullmatch(line)[1]
            value = self._run_in_bash([line, f'printf %s "${name}"'], place).stdout
            self.environment[name] = value

    def _run_in_bash(self, lines: list[str], place: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", "\n".join(["set -e", *lines])], cwd=self.folder, env=self.environment,
            check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{place}: {done.stdout}"
        return done

    def _serve(self, command: list[str], port: str) -> None:
        self._stop(port)
        command = [str(self.ports.get(word, word)) for word in command]
        self.log = self.folder.parent / f"{self.folder.name}-{port}.log"
        with self.log.open("w") as log:
            self.servers[port] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, text=True, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until_it_responds(f"http://127.0.0.1:{self.ports[port]}/", self.servers[port])
        # Werkzeug prints colors unless colorama is installed.
        log = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())
        self.output = log.replace(str(self.ports[port]), port)

    def _compare_json(self, expected: object, place: str) -> None:
        text = self.output.lstrip()
        try:
            printed, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            raise AssertionError(f"{place}: this was printed in place of JSON:\n{text}") from None
        self.output = text[end:]
        if isinstance(printed, dict):
            self.members.update({k: v for k, v in printed.items() if isinstance(v, str)})
        assert is_like(expected, printed), f"{place}: this was printed:\n{printed}"


def is_like(expected: object, printed: object) -> bool:
    """Return whether *printed* is *expected*, where ``…`` in a string stands for anything.

    Numbers may differ by one, because a lifetime is counted from the beginning of a second, and
    times in any way.
    """
    if isinstance(expected, dict) and isinstance(printed, dict):
        return expected.keys() == printed.keys() and all(
            is_like(expected[name], printed[name]) for name in expected
        )
    if isinstance(expected, list) and isinstance(printed, list):
        return len(expected) == len(printed) and all(map(is_like, expected, printed))
    if isinstance(expected, str) and isinstance(printed, str):
        pattern = ".*".join(re.escape(part) for part in expected.split("…"))
        return re.fullmatch(pattern, printed, re.DOTALL) is not None
    if type(expected) is int and type(printed) is int:
        return abs(expected - printed) <= 1 or min(expected, printed) > A_TIME
    return type(expected) is type(printed) and expected == printed
