"""Typical mistakes of developers, each made for real: what the client gets, and what the log says.

``python -m tests.mistakes`` writes docs/reference/messages.md and, beside the code of before these messages,
tests/mistakes_before_after.md; test_messages.py fails if they are out of date. The outcomes of
before were recorded once, in tests/mistakes_before.json, by running this module with that code.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import warnings
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import jsonify

import flask_jwt
from flask_jwt import JWT, JWTError, current_identity, jwt_required
from flask_jwt.extended import JWTManager
from tests.support import ROOT, User, issue, make_app, private_pem

EC_KEY = ec.derive_private_key(0xF1A5C0DE, ec.SECP256R1())
EC_PEM = private_pem(EC_KEY)
EC_DER = EC_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
EC_PUBLIC = EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PASSWORD = "hunter2hunter2"
"""It stands in URIs and requests, and must be in no message."""


class Outcome(NamedTuple):
    client: str
    """The response, or the exception that the developer sees."""
    log: list[str]
    """The lines of the log, and warnings."""


class ObjectId:
    """Stands for bson's, which isn't installed: it has a str(), and JSON can't represent it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"ObjectId('{self._text}')"


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname}: {record.getMessage()}")


def observe(action: Callable[[], Any], level: int = logging.INFO) -> Outcome:
    """Make a mistake, and record what comes of it.

    :param level: of the logger; a default server has WARNING
    """
    logger, recorder = logging.getLogger("flask_jwt"), _Recorder()
    before = logger.level
    logger.addHandler(recorder)
    logger.setLevel(level)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                client = _describe(action())
            except Exception as error:  # whatever the developer sees
                client = f"{type(error).__name__}: {error}"
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(before)
    lines = [f"{each.category.__name__}: {each.message}" for each in caught]
    return Outcome(_scrub(client), [_scrub(line) for line in [*lines, *recorder.lines]])


def _describe(result: Any) -> str:
    if not hasattr(result, "status_code"):
        return "" if result is None else str(result)
    body = result.get_json(silent=True)
    if isinstance(body, dict):
        body.pop("status_code", None)
        return f"{result.status_code} {json.dumps(body, ensure_ascii=False)}"
    return str(result.status_code)


def _scrub(text: str) -> str:
    """Replace what differs from run to run and from machine to machine."""
    text = text.replace(os.getcwd(), "/srv/app")
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)


def app_of(extension: type[JWT], **config: Any) -> Any:
    """Make an application with a login, whichever the extension class is."""
    app = make_app(extension, users=False, **{"JWT_AUTH_URL_RULE": "/auth", **config})
    app.jwt.authentication_handler(lambda username, password: password == "pass" and username)
    app.testing = True

    @app.get("/unguarded")
    def unguarded() -> Any:
        return {"id": current_identity["id"]}

    @app.get("/attribute")
    def attribute() -> Any:
        return {"id": current_identity.id}

    @app.get("/proxy")
    @jwt_required()
    def proxy() -> Any:
        return jsonify(current_identity)

    @app.get("/raises")
    def raises() -> Any:
        raise JWTError("Forbidden", "This needs an administrator", 403)

    return app


def header(value: str) -> Callable[[type[JWT]], Outcome]:
    """Return the mistake of sending this ``Authorization``; ``{}`` stands for a valid token."""

    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension)
        headers = {"Authorization": value.replace("{}", issue(app, "joe"))}
        return observe(lambda: app.test_client().get("/protected", headers=headers))

    return make


def in_json(value: str) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension, JWT_TOKEN_LOCATION=["json"])
        body = {"access_token": value.replace("{}", issue(app, "joe"))}
        return observe(lambda: app.test_client().post("/protected", json=body))

    return make


def login(body: dict[str, Any]) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension)
        return observe(lambda: app.test_client().post("/auth", json=body))

    return make


def visit(path: str) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension)
        # Something that JSON could represent, if it weren't behind a proxy.
        app.jwt.identity_handler(lambda payload: {"id": "joe", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {issue(app, 'joe')}"}
        return observe(lambda: app.test_client().get(path, headers=headers))

    return make


def source(code: str) -> Callable[[type[JWT]], Outcome]:
    """Return the mistake of writing this line; in it, ``Extension`` is the extension class."""

    def make(extension: type[JWT]) -> Outcome:
        names = {"Extension": extension, "app": make_app(extension, users=False)}
        names["jwt"] = names["app"].jwt  # type: ignore[attr-defined]
        return observe(lambda: exec(code, names))

    return make


def config(**options: Any) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        def start() -> None:
            make_app(extension, users=False, **options)

        return observe(start)

    return make


def store(uri: str) -> Callable[[type[JWT]], Outcome]:
    """Return the mistake of naming a store that can't be reached."""

    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension, JWT_STORAGE_URI=uri, JWT_LOGIN_LIMITS=None)
        body = {"username": "joe", "password": "pass"}
        return observe(lambda: app.test_client().post("/auth", json=body))

    return make


def csrf(**headers: str) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        app = app_of(
            extension, JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=False,
            JWT_CSRF_CHECK_FORM=True,
        )  # fmt: skip
        client = app.test_client()
        client.set_cookie("access_token_cookie", issue(app, "joe"))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return observe(lambda: client.post("/protected", headers=sent))

    return make


def user_of_mongodb(extension: type[JWT]) -> Outcome:
    app = app_of(extension)
    app.jwt.authentication_handler(lambda username, _: {"_id": ObjectId("65a1"), "name": username})
    body = {"username": "joe", "password": "pass"}
    return observe(lambda: app.test_client().post("/auth", json=body))


def token_for(value: Any) -> Callable[[type[JWT]], Outcome]:
    def make(extension: type[JWT]) -> Outcome:
        app = app_of(extension)

        def create() -> None:
            with app.app_context():
                flask_jwt.create_access_token(value)

        return observe(create)

    return make


def without_cryptography(extension: type[JWT]) -> Outcome:
    module = "flask_jwt" if extension is JWT else "flask_jwt.extended"
    code = f"""
import sys
sys.modules["cryptography"] = None
from flask import Flask
from {module} import {extension.__name__}
app = Flask("shop")
app.config["JWT_PRIVATE_KEY"] = {EC_PEM!r}
app.config["JWT_ALGORITHM"] = "ES256"
try:
    {extension.__name__}(app)
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    return Outcome((done.stdout or done.stderr).strip(), [])


def default_log(extension: type[JWT]) -> Outcome:
    app = app_of(extension)

    def reject_three() -> Any:
        client = app.test_client()
        client.get("/protected", headers={"Authorization": "Bearer undefined"})
        client.get("/protected")
        return client.get("/protected", headers={"Authorization": "Bearer null"})

    return observe(reject_three, logging.WARNING)


#: By the sections of the page; each mistake has the words in which a developer would look for it.
MISTAKES: dict[str, dict[str, Callable[[type[JWT]], Outcome]]] = {
    "The Authorization header": {
        "a token without a scheme, as Swagger UI sends it": header("{}"),
        "another scheme: `Basic …`": header(f"Basic {b64encode(PASSWORD.encode()).decode()}"),
        "another scheme: `Token <token>`": header("Token {}"),
        "a colon after the scheme: `Bearer: <token>`": header("Bearer: {}"),
        "only a scheme: `Bearer`": header("Bearer "),
        "two schemes: `Bearer Bearer <token>`": header("Bearer Bearer {}"),
        "the whole header in quotation marks": header('"Bearer {}"'),
    },
    "What stands in the place of the token": {
        "`Bearer undefined`, of JavaScript": header("Bearer undefined"),
        "`Bearer [object Object]`": header("Bearer [object Object]"),
        "`Bearer None`, of Python": header("Bearer None"),
        'quotation marks: `Bearer "<token>"`': header('Bearer "{}"'),
        "bytes of Python: `Bearer b'<token>'`": header("Bearer b'{}'"),
        "the JSON of the login's response": header('Bearer {"access_token":"{}"}'),
        "a placeholder: `Bearer <token>`": header("Bearer <token>"),
        "an opaque token of another issuer": header("Bearer 2YotnFZFEjr1zCsicMWpAA"),
        "an encrypted token (JWE)": header("Bearer eyJhbGciOiJkaXIifQ..AAAA.BBBB.CCCC"),
        "a token that was cut off": header("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"),
        "a line break at the end, in JSON": in_json("{}\n"),
        "the scheme in the token, in JSON": in_json("Bearer {}"),
    },
    "The login": {
        '`{"email": …, "password": …}`': login({"email": "joe", "password": PASSWORD}),
        '`{"email": …, "pass": …}`': login({"email": "joe", "pass": PASSWORD}),
        "a number as user name": login({"username": 17, "password": PASSWORD}),
    },
    "Handlers": {
        "handlers swapped": source(
            "import flask_jwt, flask\n"
            "def authenticate(username, password): ...\n"
            "def identity(payload): ...\n"
            "shop = flask.Flask('shop'); shop.secret_key = 'x' * 32\n"
            "flask_jwt.JWT(shop, identity, authenticate)"
        ),
        "an identity handler of two parameters": source(
            "@jwt.identity_handler\ndef identity(header, payload): ..."
        ),
        "a blocklist loader of one parameter, as in Flask-JWT-Extended 3": source(
            "@jwt.token_in_blocklist_loader\ndef check(decrypted_token): ..."
        ),
        "a loader of Flask-JWT-Extended 3": source("jwt.user_loader_callback_loader"),
        "a handler of Flask-JWT 0.2": source("jwt.payload_handler"),
        "a misspelled handler": source("jwt.identity_handlr"),
        "the application is missing: `JWT(authenticate, identity)`": source(
            "Extension(lambda username, password: None)"
        ),
    },
    "Imports": {
        "`from flask_jwt import JWTManager`": source("from flask_jwt import JWTManager"),
        "`from flask_jwt import jwt_refresh_token_required`": source(
            "from flask_jwt import jwt_refresh_token_required"
        ),
        "`from flask_jwt.extended import jwt_refresh_token_required`": source(
            "from flask_jwt.extended import jwt_refresh_token_required"
        ),
        "`from flask_jwt.extended import get_raw_jwt`": source(
            "from flask_jwt.extended import get_raw_jwt"
        ),
        "`from flask_jwt import current_user`": source("from flask_jwt import current_user"),
    },
    "The user": {
        '`current_identity["id"]` without a guard': visit("/unguarded"),
        "`current_identity.id` without a guard": visit("/attribute"),
        "`jsonify(current_identity)`": visit("/proxy"),
        "a user of MongoDB, whose id is an ObjectId": user_of_mongodb,
        "`create_access_token(ObjectId(…))`": token_for(ObjectId("65a1")),
        "`create_access_token(user)` with an ObjectId as `user.id`": token_for(
            User(ObjectId("65a1"))
        ),
    },
    "Cookies": {
        "a proxy that changes Host, and no CSRF token": csrf(Origin="https://shop.example"),
        "a proxy that changes Host, and a wrong CSRF token": csrf(
            Origin="https://shop.example", X_CSRF_TOKEN="wrong"
        ),
        "no CSRF token": csrf(),
    },
    "The session store": {
        "SQLite: the folder is missing": store("sqlite:////nonexistent/shop/sessions.db"),
        "Redis: no server": store(f"redis://:{PASSWORD}@127.0.0.1:1/0"),
    },
    "Keys": {
        "a private key in base64": config(
            JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=b64encode(EC_DER).decode()
        ),
        "a private key in DER": config(JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=EC_DER),
        "a private key in hex": config(JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=EC_DER.hex()),
        "only the first line of a PEM key": config(
            JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=EC_PEM.split("\n")[0]
        ),
        "the path of a file that is missing": config(
            JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY="keys/private.pem"
        ),
        "a public key as `SECRET_KEY`": config(SECRET_KEY=EC_PUBLIC.decode()),
        "an EC key for RS256": config(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=EC_PEM),
        "an EC key without the cryptography package": without_cryptography,
    },
    "Options": {
        "a number as `SECRET_KEY`": config(SECRET_KEY=123456),
        "one name for three cookies": config(
            JWT_ACCESS_COOKIE_NAME="jwt",
            JWT_REFRESH_COOKIE_NAME="jwt",
            JWT_ACCESS_CSRF_COOKIE_NAME="jwt",
        ),
        "`SameSite=None` and `__Host-` without Secure": config(
            JWT_COOKIE_SECURE=False,
            JWT_COOKIE_SAMESITE="None",
            JWT_ACCESS_COOKIE_NAME="__Host-access",
        ),
        "a rule that Werkzeug can't parse": config(JWT_AUTH_URL_RULE="/auth/<"),
        "an unknown argument for the rule": config(
            JWT_AUTH_URL_RULE="/auth", JWT_AUTH_URL_OPTIONS={"method": "POST"}
        ),
        "an option of Flask-JWT-Extended 3": config(JWT_BLACKLIST_ENABLED=True),
    },
    "Errors and the log": {
        '`raise JWTError("Forbidden", …, 403)` in a view': visit("/raises"),
        "three rejections under a server whose log shows warnings": default_log,
    },
}
PROFILES = {"JWT": JWT, "JWTManager": JWTManager}


def observe_all() -> dict[str, dict[str, Any]]:
    return {
        mistake: {name: make(extension)._asdict() for name, extension in PROFILES.items()}
        for section in MISTAKES.values()
        for mistake, make in section.items()
    }


PAGE, COMPARISON = ROOT / "docs/reference/messages.md", ROOT / "tests/mistakes_before_after.md"
BEFORE = ROOT / "tests/mistakes_before.json"

_INTRODUCTION = """# Messages

What typical mistakes lead to: the response or the exception, and what is logged. In the profile of `JWT` the JSON body
has a `hint`; in the profile of `JWTManager` bodies are Flask-JWT-Extended's, so the hint is only in the log. Neither
quotes what a client has sent. `description` and `msg` are the predecessors' texts, letter for letter.

Rejections are logged at the level INFO by the logger `flask_jwt`, which a default server doesn't show. The first one
is logged as a warning, which says how to see the others:

```py
logging.basicConfig()
logging.getLogger("flask_jwt").setLevel("INFO")
```

A test makes each of these mistakes and writes this page.
"""


def write_page(outcomes: dict[str, dict[str, Any]]) -> str:
    """Return docs/reference/messages.md."""
    lines = [_INTRODUCTION]
    for section, mistakes in MISTAKES.items():
        lines += [
            f"## {section}",
            "",
            "| mistake | what you get | what the log says |",
            "|---|---|---|",
        ]
        lines += [_write_row(mistake, outcomes[mistake]) for mistake in mistakes]
        lines.append("")
    return "\n".join(lines)


def _write_row(mistake: str, by_profile: dict[str, Any]) -> str:
    # The log repeats the hint, and is the same for both classes but for the predecessor's text.
    _, _, document = by_profile["JWT"]["client"].partition(" ")
    hint = json.loads(document).get("hint") if document.startswith("{") else None
    got = _merge({name: _write_client(each["client"]) for name, each in by_profile.items()})
    log = _merge({name: _write_log(each["log"], hint) for name, each in by_profile.items()})
    return f"| {mistake} | {got} | {log} |"


def _merge(cells: dict[str, str]) -> str:
    if len(set(cells.values())) == 1:
        return next(iter(cells.values()))
    return "<br>".join(f"`{name}`: {cell}" for name, cell in cells.items())


def _write_client(client: str) -> str:
    status, _, document = client.partition(" ")
    if not document.startswith("{"):
        return _cell(client) or "nothing"
    body = json.loads(document)
    if "msg" in body:
        return _cell(f"{status}, {body['msg']}")
    parts = f"{status} `{body['code']}`, {body['description']}"
    return _cell(parts + (f" **Hint:** {body['hint']}" if "hint" in body else ""))


def _write_log(log: list[str], hint: str | None) -> str:
    lines = [line.replace(f"Hint: {hint}", "Hint: *as in the body*") for line in log]
    return "<br>".join(map(_cell, lines)) or "nothing"


def _cell(text: str) -> str:
    text = (
        text.strip()
        .replace("|", "\\|")
        .replace("<token>", "&lt;token&gt;")
        .replace("<JWT>", "&lt;JWT&gt;")
    )
    return text.replace("\n", "<br>").replace("    ", "&nbsp; &nbsp; ")


def write_comparison(outcomes: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> str:
    """Return the table of both, before and after."""
    lines = ["# Messages, before and after", "", "Written by `python -m tests.mistakes`.", ""]
    for mistake, by_profile in outcomes.items():
        lines += [f"## {mistake}", "", "| | client | log |", "|---|---|---|"]
        for name, after in by_profile.items():
            for title, each in (("before", before[mistake][name]), ("after", after)):
                log = "<br>".join(map(_cell, each["log"])) or "nothing"
                lines.append(f"| `{name}` {title} | {_cell(each['client']) or 'nothing'} | {log} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    OUTCOMES = observe_all()
    PAGE.write_text(write_page(OUTCOMES))
    COMPARISON.write_text(write_comparison(OUTCOMES, json.loads(BEFORE.read_text())))
