"""docs/security: each test that the pages name exists, and each claim of "yes" names one."""

from __future__ import annotations

import ast
import re
import sqlite3
import time
from base64 import urlsafe_b64decode
from functools import reduce
from itertools import pairwise
from operator import and_, or_

import pytest
import redis

from tests.servers import stores, uri_of
from tests.support import ANYONE, ROOT, SECRET, claims_of, make_app
from tests.workers import log_in, refresh

PAGES = sorted((ROOT / "docs/security").glob("*.md"))
NAME = re.compile(r"`((?:unit\.)?test_\w+)\.(test_\w+)`")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def functions(module):
    path = ROOT / "tests" / f"{module.replace('.', '/')}.py"
    assert path.exists(), module
    return {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)}


@every_page
def test_each_named_test_exists(page):
    names = NAME.findall(page.read_text())
    assert len(names) > 10
    missing = [f"{module}.{name}" for module, name in names if name not in functions(module)]
    assert not missing
    assert len(re.findall(r"`[\w.]*test_\w+`", page.read_text())) == len(names)


def rows(page):
    """Yield the cells of each row of a table, without headings."""
    lines = [*page.read_text().splitlines(), ""]
    for line, below in pairwise(lines):
        if line.startswith("| ") and not below.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split(" |")]


VERDICTS = ("yes", "no", "in part", "not ours", "if you set it")


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "model"], ids=lambda p: p.stem)
def test_each_row_has_a_verdict_and_each_yes_a_test(page):
    count = 0
    for cells in rows(page):
        verdict = next((c for c in cells[1:4] if c.startswith(VERDICTS)), None)
        assert verdict, cells
        count += 1
        if not verdict.startswith(("no", "not ours")):
            assert NAME.search(cells[-1]), cells
    assert count > 10


def test_each_attack_of_the_model_has_a_test():
    text = (ROOT / "docs/security/model.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    chapters = [s for s in sections if "| test |" in s]
    assert len(chapters) == 6
    for chapter in chapters:
        for line in chapter.splitlines():
            if line.startswith("| ") and "| test |" not in line:
                assert NAME.search(line), line


# What the pages say and no other test shows


def dump(uri):
    """Return all that a store holds."""
    if uri.startswith("redis"):
        with redis.Redis.from_url(uri) as client:
            contents = [(key, client.type(key), read(client, key)) for key in client.keys("*")]
            return repr(contents)
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        text = "\n".join(connection.iterdump())
    connection.close()
    return text


def read(client, key):
    kind = client.type(key)
    if kind == b"hash":
        return client.hgetall(key)
    return client.zrange(key, 0, -1) if kind == b"zset" else client.get(key)


@pytest.mark.parametrize("store", stores("sqlite", "redis"))
def test_a_dump_of_the_store_holds_no_token_and_no_password(request, tmp_path, store):
    uri = uri_of(store, request, tmp_path)
    app = make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=uri)
    tokens = log_in(app, "joe")
    status, renewed = refresh(app, tokens["refresh_token"])
    assert status == 200
    wrong = {"username": "hunter2 as a name", "password": "hunter3"}
    assert app.test_client().post("/auth", json=wrong).status_code == 401
    app.jwt.close(app)
    text = dump(uri)
    assert "joe" in text
    assert "sessions" in text
    parts = [part for token in (*tokens.values(), renewed) for part in str(token).split(".")]
    long = [part for part in parts if len(part) > 10]
    assert len(long) >= 9
    for secret in (*long, SECRET, "hunter2", "hunter3"):
        assert secret not in text


def test_ids_of_sessions_are_random():
    """Each of the bits after the hour is set in some ids and not in others."""
    app = make_app(users=ANYONE, JWT_STORAGE_URI="memory://")
    claims = [claims_of(log_in(app, str(n))["access_token"]) for n in range(60)]
    sids = [int(each["sid"], 16) for each in claims]
    values = [int.from_bytes(urlsafe_b64decode(each["csrf"] + "=="), "big") for each in claims]
    assert {sid >> 108 for sid in sids} == {int(app.clock() // 3600)}
    for numbers, bits in ((sids, 108), (values, 128)):
        assert reduce(or_, numbers) % 2**bits == 2**bits - 1
        assert reduce(and_, numbers) % 2**bits == 0
