"""``flask jwt issuers`` and ``inspect``: what developers are told about foreign tokens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flask_jwt import Issuer
from flask_jwt._cli import jwt_cli
from flask_jwt.testing import FakeIssuer
from tests.support import issue

IDP = FakeIssuer("https://idp.example/", audience="api")
COGNITO = FakeIssuer(Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0"))


@pytest.fixture(autouse=True)
def _reset(clock):
    IDP.now = COGNITO.now = clock
    IDP.up()


@pytest.fixture
def run(make_app):
    app = make_app(users=False, JWT_ISSUERS=[IDP.issuer, COGNITO.issuer])

    def run(*args, app=app):
        result = app.test_cli_runner().invoke(jwt_cli, args)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(result.output.split())

    run.app = app
    return run


def test_list(run):
    before = IDP.requests
    code, output = run("issuers", "list")
    assert code == 0
    assert "https://idp.example/" in output
    assert "in its metadata" in output
    rows = json.loads(run("issuers", "list", "--json")[1])
    assert [row["audience"] for row in rows] == ["api", "client_id: 7f0"]
    assert IDP.requests == before


def test_check(run):
    code, output = run("issuers", "check")
    assert code == 0, output
    IDP.down("refused: set SSL_CERT_FILE")
    code, output = run("issuers", "check")
    assert code == 1
    assert "SSL_CERT_FILE" in output
    rows = json.loads(run("issuers", "check", "--json")[1])
    assert [(row["keys"], row["problem"]) for row in rows] == [
        (0, "refused: set SSL_CERT_FILE"), (1, None),
    ]  # fmt: skip


def test_check_of_fixed_keys(run):
    run.app.config["JWT_ISSUERS"] = [replace(IDP.issuer, jwks=IDP.jwks())]
    IDP.down()
    assert run("issuers", "check")[0] == 0


@pytest.mark.parametrize(
    ("seconds", "message"), [(60, "60 s ahead of"), (-60, "60 s behind"), (5, None)]
)
def test_check_of_the_clock(run, clock, seconds, message):
    def fetch(url, deadline, context):
        return IDP.issuer.fetch(url, deadline, context)._replace(date=clock() + seconds)

    run.app.config["JWT_ISSUERS"] = [replace(IDP.issuer, fetch=fetch)]
    (row,) = json.loads(run("issuers", "check", "--json")[1])
    assert (message or "") in (row["problem"] or "")
    assert (row["problem"] is None) is (message is None)


@pytest.mark.parametrize("command", ["list", "check"])
def test_no_issuers(run, make_app, command):
    code, output = run("issuers", command, app=make_app(users=False))
    assert code == 1
    assert "trusts no other issuer" in output


@pytest.mark.parametrize(
    ("token", "code", "texts"),
    [
        (
            IDP.token,
            0,
            ["Its issuer is <Issuer https://idp.example/>", "accepts the token"],
        ),
        (lambda: IDP.token(aud="other"), 1, ["Its aud is 'other'; accepted: api."]),
        (
            lambda: IDP.token(iss="https://idp.example"),
            1,
            ["but 'https://idp.example/' is configured"],
        ),
        (lambda: IDP.token(iss="https://evil.example"), 1, ["None of JWT_ISSUERS is its iss"]),
        (lambda: IDP.token(sub=None), 1, ["The claim sub is missing."]),
        (
            lambda: IDP.token(aud="00000003-0000-0000-c000-000000000000"),
            1,
            ["This is a token for Microsoft Graph, not one for this application"],
        ),
        (
            lambda: IDP.sign(IDP.claims(), {"alg": "HS256"}),
            1,
            ["It is signed with a secret (HS256), but https://idp.example/ has key pairs"],
        ),
        (
            lambda: COGNITO.token(token_use="id", nonce="n"),
            1,
            ["probably an ID token", "The claim token_use is 'id'; accepted: access."],
        ),
    ],
)
def test_inspect(run, token, code, texts):
    exit_code, output = run("inspect", token())
    assert exit_code == code, output
    for text in texts:
        assert text in output


def test_inspect_names_all_wrong_claims(run, clock):
    token = IDP.token(aud="other", exp=86400, nbf=clock() + 3600)
    for is_down in (False, True):
        _ = IDP.down() if is_down else IDP.up()
        code, output = run("inspect", token)
        assert code == 1
        assert "Its aud is 'other'; accepted: api." in output
        assert "It expired at 1970-01-02 00:00:00Z." in output
        assert "It is not valid before " in output
    assert "It expired" not in run("inspect", IDP.token(exp=clock() - 20))[1], "within the leeway"


def test_inspect_of_our_own(run):
    code, output = run("inspect", issue(run.app, "joe"))
    assert code == 0
    assert "JWT_ISSUERS" not in output


def test_inspect_looks_up_no_session_of_a_foreign_sid(make_app):
    app = make_app(users=False, JWT_ISSUERS=[IDP.issuer], JWT_STORAGE_URI="memory://")
    with app.app_context():
        session = app.jwt.sessions.start("joe").session
    result = app.test_cli_runner().invoke(jwt_cli, ["inspect", IDP.token(sid=session.sid)])
    assert "The session of the token" not in result.output
