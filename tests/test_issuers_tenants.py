"""A function in place of a list of issuers: tenants in a database."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import uuid
from dataclasses import replace

import pytest

from flask_jwt import ANY_AUDIENCE, JWT, ConfigError, Issuer, get_jwt_issuer
from flask_jwt._cli import jwt_cli
from flask_jwt._issuers import lookup
from flask_jwt._issuers.lookup import is_askable
from flask_jwt.extended import JWTManager
from flask_jwt.testing import FakeIssuer
from tests.support import bearer, code, issue, make_app, run_example

A = FakeIssuer("https://a.example", audience="api")
B = FakeIssuer("https://b.example/realms/b", audience="api")
OWN = "https://shop.example"


class Tenants:
    """The tenants of an application, as its database has them."""

    def __init__(self, *fakes):
        self.issuers = {fake.issuer.issuer: fake.issuer for fake in fakes}
        self.asked = []
        self.error = None

    def find(self, iss):
        self.asked.append(iss)
        if self.error is not None:
            raise self.error
        return self.issuers.get(iss)


@pytest.fixture
def tenants(clock):
    for fake in (A, B):
        fake.now = clock
        fake.up()
        fake.requests = 0
    return Tenants(A, B)


def build(find, clock, extension=JWT, **config):
    config = {"JWT_ENCODE_ISSUER": OWN, "JWT_ISSUERS": find, **config}
    guards = config.pop("guards", {"/": {}})
    app = make_app(
        extension, users=False, clock=clock, guards=guards, show=lambda: str(get_jwt_issuer()),
        **config,
    )  # fmt: skip
    app.extensions["flask-jwt"].clock.monotonic = app.clock
    return app


@pytest.fixture
def app(tenants, clock):
    return build(tenants.find, clock)


def get(app, token, path="/"):
    return app.test_client().get(path, headers=bearer(token))


@pytest.mark.parametrize("extension", [JWT, JWTManager])
def test_each_tenant_is_an_issuer(tenants, clock, extension):
    app = build(tenants.find, clock, extension)
    assert get(app, A.token()).text == "https://a.example"
    assert get(app, B.token()).text == "https://b.example/realms/b"
    assert get(app, issue(app, "joe")).text == "None"
    assert get(app, A.sign(B.claims())).status_code in (401, 422)
    assert get(app, A.token(iss="https://c.example")).status_code in (401, 422)
    assert tenants.asked == [
        "https://a.example", "https://b.example/realms/b", "https://c.example",
    ]  # fmt: skip


def test_an_argument_of_the_extension(tenants, clock):
    app = make_app(
        JWT(clock=clock, issuers=tenants.find), users=False, clock=clock, SECRET_KEY=None,
        guards={"/": {}}, show=lambda: "ok",
    )  # fmt: skip
    assert get(app, A.token()).status_code == 200
    assert get(app, A.token(iss=None)).status_code == 401


def test_answers_are_kept(app, tenants, clock):
    for _ in range(3):
        for number in range(5):
            assert get(app, A.token(n=number)).status_code == 200
            assert get(app, A.token(n=number, iss="https://c.example")).status_code == 401
        clock.tick(15)
    assert tenants.asked == ["https://a.example", "https://c.example"]
    clock.tick(15)
    get(app, A.token(iss="https://c.example"))
    assert tenants.asked[2:] == ["https://c.example"], "60 s if there is none"
    clock.tick(539)
    get(app, A.token(n=-1))
    assert tenants.asked[3:] == []
    clock.tick(1)
    get(app, A.token(n=-2))
    assert tenants.asked[3:] == ["https://a.example"], "600 s if there is one"


def test_a_new_tenant_is_accepted_after_a_minute(app, tenants, clock):
    c = FakeIssuer("https://c.example", audience="api", clock=clock)
    assert get(app, c.token()).status_code == 401
    tenants.issuers[c.issuer.issuer] = c.issuer
    assert get(app, c.token()).status_code == 401
    clock.tick(60)
    assert get(app, c.token()).status_code == 200


@pytest.mark.parametrize("fresh", [600, 86400])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_removed_tenant_is_out_after_ten_minutes(tenants, clock, fresh, fixed):
    """Also if its token was verified before, and its keys are fresh for longer."""
    if fixed:
        tenants.issuers["https://a.example"] = replace(A.issuer, jwks=A.jwks(), jwks_uri=None)
    app = build(tenants.find, clock, JWT_ISSUER_KEYS_FRESH=fresh)
    token = A.token(exp=int(clock()) + 10**6)
    assert get(app, token).status_code == 200
    del tenants.issuers["https://a.example"]
    clock.tick(599)
    assert get(app, token).status_code == 200
    clock.tick(1)
    assert get(app, token).status_code == 401
    assert get(app, A.token()).status_code == 401


def test_an_unchanged_tenant_keeps_its_keys_and_verified_tokens(app, tenants, clock):
    app.config["JWT_ISSUER_KEYS_FRESH"] = 86400
    token = A.token(exp=int(clock()) + 10**6)
    assert get(app, token).status_code == 200
    requests = A.requests
    tenants.issuers["https://a.example"] = replace(A.issuer)
    A.down()
    clock.tick(601)
    assert get(app, token).status_code == 200
    assert get(app, A.token()).status_code == 200
    assert len(tenants.asked) == 2
    assert A.requests == requests


def test_a_changed_tenant_is_another_one(app, tenants, clock):
    token = A.token(exp=int(clock()) + 10**6)
    assert get(app, token).status_code == 200
    tenants.issuers["https://a.example"] = replace(A.issuer, audience="other")
    clock.tick(601)
    assert get(app, token).status_code == 401
    assert get(app, A.token(aud="other")).status_code == 200


@pytest.mark.parametrize(
    "iss",
    [
        "http://a.example", "a.example", "HTTPS://a.example", "", "https://", "https:a.example",
        "https://joe@a.example", "https://joe:pw@a.example", "https://a.example#x",
        "https://a.example?tenant=1", "https://a example", "https://a.example\n", "https://ä.example",
        "https://a.example:99999", "https://[::1", "javascript:1", "' OR 1=1 --",
        "https://a.example/" + "x" * 500, None, 1, True, ["https://a.example"],
        {"$ne": "https://a.example"}, OWN,
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_only_https_urls_are_asked_for(app, tenants, iss):
    assert get(app, A.token(iss=iss)).status_code == 401
    assert tenants.asked == []


def test_askable():
    assert is_askable("https://login.microsoftonline.com/6f1c/v2.0")
    assert is_askable("https://a.example:8443/")


def test_our_own_issuer_is_never_asked_for(tenants, clock):
    """Even if the application returned an issuer for it."""
    tenants.issuers[OWN] = replace(A.issuer, issuer=OWN)
    app = build(tenants.find, clock)
    assert get(app, issue(app, "joe")).text == "None"
    assert get(app, A.token(iss=OWN)).status_code == 401
    assert tenants.asked == []


def test_a_database_that_ignores_case(app, tenants, caplog):
    """It finds a row whose name differs in case; that isn't the issuer of the token."""
    tenants.issuers["https://A.example"] = A.issuer
    assert get(app, A.token(iss="https://A.example")).status_code == 401
    assert "asked for 'https://A.example'" in caplog.text
    assert get(app, A.token()).status_code == 200


def test_a_flood_of_issuers_takes_no_place_of_known_ones(app, tenants, monkeypatch):
    monkeypatch.setattr(lookup, "MOST_ANSWERS", 4)
    assert get(app, A.token()).status_code == 200
    for number in range(20):
        assert get(app, A.token(iss=f"https://{number}.example")).status_code == 401
    assert len(tenants.asked) == 21
    assert get(app, A.token(n=2)).status_code == 200
    assert len(tenants.asked) == 21
    answers = app.extensions["flask-jwt"].codecs.issuers()._answers
    assert len(answers._known) == 1
    assert len(answers._unknown) == 4


def test_there_is_a_limit_of_known_issuers(clock, monkeypatch):
    """One that has lost its place is asked for again, also for a verified token."""
    monkeypatch.setattr(lookup, "MOST_ANSWERS", 4)
    fakes = [FakeIssuer(f"https://{n}.example", audience="api", clock=clock) for n in range(6)]
    tenants = Tenants(*fakes)
    app = build(tenants.find, clock)
    tokens = [fake.token() for fake in fakes]
    assert [get(app, token).status_code for token in tokens] == [200] * 6
    assert len(app.extensions["flask-jwt"].codecs.issuers()._answers._known) == 4
    tenants.issuers.clear()
    assert [get(app, token).status_code for token in tokens] == [401] * 2 + [200] * 4


# What the function may do


def test_an_exception_is_503(app, tenants, clock, caplog):
    assert get(app, A.token()).status_code == 200
    tenants.error = ConnectionError("postgresql://joe:secret-1@db is down")
    assert get(app, A.token(n=1)).status_code == 200, "this answer is kept"
    for _ in range(2):
        response = get(app, B.token())
        assert code(response) == (503, "issuer_unavailable")
        assert response.headers["Retry-After"] == "1"
        assert "secret-1" not in response.text
        assert get(app, issue(app, "joe")).status_code == 200
    failures = [record for record in caplog.records if "JWT_ISSUERS failed" in record.message]
    assert len(failures) == 1, "logged once in each outage"
    assert failures[0].levelno == logging.ERROR
    assert "Tenants.find" in failures[0].message
    clock.tick(600)
    assert get(app, A.token(n=2)).status_code == 503
    tenants.error = None
    assert get(app, B.token()).status_code == 200, "a failure is no answer"
    assert get(app, A.token(n=2)).status_code == 200


@pytest.mark.parametrize("answer", [{"issuer": "https://a.example"}, True, "https://a.example"])
def test_something_else_than_an_issuer(clock, tenants, answer):
    app = build(lambda iss: answer, clock)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigError, match="return an Issuer, or None if there is none"):
        get(app, A.token())


def test_an_async_function(clock):
    async def find(iss):
        return None

    with pytest.raises(ConfigError, match="can't be async; write a plain one"):
        build(find, clock)


def test_any_audience_is_logged(tenants, clock, caplog):
    tenants.issuers["https://a.example"] = replace(A.issuer, audience=ANY_AUDIENCE)
    app = build(tenants.find, clock)
    get(app, A.token())
    get(app, A.token(n=1))
    assert caplog.text.count("ANY_AUDIENCE accepts each token of <Issuer https://a.example>") == 1


def test_the_function_runs_in_the_context_of_the_application(clock, tenants):
    from flask import current_app, request

    seen = []

    def find(iss):
        seen.append((current_app.name, request.path))
        return tenants.find(iss)

    assert get(build(find, clock), A.token()).status_code == 200
    assert seen == [("tested", "/")]


def test_a_slow_answer_delays_nobody_else(clock, tenants):
    """The function is called without a lock."""
    entered, go_on = threading.Event(), threading.Event()

    def find(iss):
        if iss == "https://b.example/realms/b":
            entered.set()
            assert go_on.wait(20)
        return tenants.find(iss)

    app = build(find, clock)
    slow = []
    thread = threading.Thread(target=lambda: slow.append(get(app, B.token()).status_code))
    thread.start()
    try:
        assert entered.wait(20)
        assert get(app, A.token()).status_code == 200
        assert get(app, A.token(iss="https://c.example")).status_code == 401
        assert get(app, issue(app, "joe")).status_code == 200
        assert not slow
    finally:
        go_on.set()
        thread.join(20)
    assert slow == [200]


def test_many_threads(clock, tenants):
    """They get one object with the keys, so that a later change reaches every verified token."""
    barrier = threading.Barrier(8)

    def find(iss):
        barrier.wait(20)  # all of them ask at the same time
        return tenants.find(iss)

    app = build(find, clock)
    issuers = app.extensions["flask-jwt"].codecs.issuers()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(issuers.find("https://a.example")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_an_answer_is_stored(app):
    answers = app.extensions["flask-jwt"].codecs.issuers()._answers
    with answers._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # or it would wait for the lock indefinitely
            os._exit(0 if get(app, A.token()).status_code == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0


# One issuer for many tenants


GOOD = "11111111-1111-1111-1111-111111111111"
ENTRA = ("https://login.microsoftonline.com/{tenant}/v2.0", "https://sts.windows.net/{tenant}/")


class Entra:
    """A function that returns one issuer for all tenants of Microsoft Entra ID."""

    def __init__(self, clock):
        self.accepted = {GOOD}
        self.asked = []
        self.error = None
        issuer = Issuer.entra(tenants="organizations", audience="api", accept_tenant=self.accept)
        self.fake = FakeIssuer(issuer, clock=clock)
        self.issuer = self.fake.issuer

    def accept(self, tenant):
        self.asked.append(tenant)
        if self.error is not None:
            raise self.error
        return tenant in self.accepted

    def find(self, iss):
        return self.issuer

    def token(self, tenant, template=ENTRA[0], **claims):
        iss = template.replace("{tenant}", str(tenant))
        return self.fake.token(iss=iss, tid=str(tenant), **claims)


@pytest.fixture
def entra(clock):
    return Entra(clock)


@pytest.mark.parametrize("template", ENTRA)
def test_no_keys_are_fetched_for_invented_tenants(entra, clock, template):
    app = build(entra.find, clock)
    for _ in range(5):
        assert get(app, entra.token(uuid.uuid4(), template)).status_code == 401
    assert entra.fake.requests == 0
    assert get(app, entra.token(GOOD, template)).text == template.replace("{tenant}", GOOD)
    assert entra.fake.requests == 1


def test_a_flood_of_tenants_takes_no_place_of_an_accepted_one(entra, clock, monkeypatch):
    monkeypatch.setattr(lookup, "MOST_ANSWERS", 4)
    app = build(entra.find, clock)
    assert get(app, entra.token(GOOD)).status_code == 200
    for _ in range(6):
        assert get(app, entra.token(uuid.uuid4())).status_code == 401
    entra.fake.down()
    assert get(app, entra.token(GOOD, n=1)).status_code == 200
    answers = app.extensions["flask-jwt"].codecs.issuers()._answers
    assert list(answers._known) == [ENTRA[0].replace("{tenant}", GOOD)]


def test_a_tenant_is_accepted_later_and_no_longer(entra, clock):
    app, other = build(entra.find, clock), str(uuid.uuid4())
    assert get(app, entra.token(other)).status_code == 401
    entra.accepted = {other}
    clock.tick(60)
    token = entra.token(other)
    assert get(app, token).status_code == 200
    entra.accepted = set()
    clock.tick(600)
    assert get(app, token).status_code == 401


def test_accept_tenant_that_raises_is_a_failure_of_the_function(entra, clock, caplog):
    app = build(entra.find, clock)
    entra.error = ConnectionError("postgresql://joe:secret-1@db is down")
    for _ in range(2):
        response = get(app, entra.token(GOOD))
        assert code(response) == (503, "issuer_unavailable")
        assert "secret-1" not in response.text
    assert caplog.text.count("of JWT_ISSUERS failed") == 1, "logged once in each outage"
    assert entra.fake.requests == 0
    entra.error = None
    assert get(app, entra.token(GOOD)).status_code == 200, "a failure is no answer"


def test_an_alias_of_an_issuer_with_tenants_needs_no_accept_tenant(entra, clock):
    entra.issuer = replace(entra.issuer, aliases=("https://entra.example",))
    app = build(entra.find, clock)
    assert get(app, entra.token(GOOD, "https://entra.example")).status_code == 401
    assert entra.asked == []


@pytest.mark.parametrize(
    ("template", "iss", "asked"),
    [
        ("https://x.example/{tenant}/{tenant}", f"https://x.example/{GOOD}/{GOOD}", [GOOD]),
        (f"https://x.example/{uuid.UUID(int=1)}/{{tenant}}",
         f"https://x.example/{uuid.UUID(int=1)}/{GOOD}", [GOOD]),
        ("https://x.example", "https://x.example", []),
        ("https://x.example/{tenant}/{tenant}",
         f"https://x.example/{GOOD}/{uuid.UUID(int=1)}", None),
        ("https://x.example/{tenant}", f"https://xxexample/{GOOD}", None),
    ],
)  # fmt: skip
def test_the_tenant_in_an_iss(template, iss, asked):
    seen = []
    issuer = Issuer(
        "https://x.example/common", audience="api", tenants=template,
        accept_tenant=lambda tenant: seen.append(tenant) or True,
    )  # fmt: skip
    assert issuer.matches(iss) is (asked is not None)
    assert issuer.accepts_tenant_of(iss) is (asked is not None)
    assert seen == (asked or [])


# Aliases


EVIL = FakeIssuer("https://evil.example", audience="api")


def evil_token(clock, **claims):
    EVIL.now = clock
    return EVIL.token("ceo", **claims)


@pytest.mark.parametrize(
    "name", ["https://a.example", "https://nobody.example", "urn:a", "http://127.0.0.1", OWN]
)
def test_no_tenant_takes_the_name_of_another_as_its_own(app, tenants, clock, caplog, name):
    """Its row names the other one; its own iss is an alias."""
    tenants.issuers["https://evil.example"] = replace(
        EVIL.issuer, issuer=name, aliases=["https://evil.example"], jwks=EVIL.jwks(), jwks_uri=None
    )
    for number in range(3):
        assert get(app, evil_token(clock, n=number)).status_code == 401
        clock.tick(60)
    assert caplog.text.count("doesn't return an equal issuer for its name") == 1
    assert OWN not in tenants.asked
    assert get(app, A.token()).text == "https://a.example"


def test_two_tenants_that_name_each_other(app, tenants, clock):
    names = ["https://evil.example", "https://evil2.example"]
    for iss, other in (names, names[::-1]):
        tenants.issuers[iss] = replace(EVIL.issuer, issuer=other, aliases=[iss])
    for iss in names:
        assert get(app, evil_token(clock, iss=iss)).status_code == 401


def test_an_alias_of_the_same_issuer(clock, tenants):
    """The function returns an equal issuer for each of its names."""

    def find(iss):
        tenants.asked.append(iss)
        return replace(A.issuer, aliases=["https://old.example"])

    app = build(find, clock)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for number in range(2):
        assert get(app, A.token(n=number, iss="https://old.example")).text == "https://a.example"
    assert tenants.asked == ["https://old.example", "https://a.example"]


def test_a_changed_issuer_with_an_alias(app, tenants, clock):
    """The answer for its name, which is kept, is older than that for its alias."""
    assert get(app, A.token()).status_code == 200
    changed = replace(A.issuer, aliases=["https://old.example"])
    tenants.issuers.update({"https://a.example": changed, "https://old.example": changed})
    assert get(app, A.token(iss="https://old.example")).text == "https://a.example"


def test_the_second_call_may_fail(clock, tenants, caplog):
    issuer, error = replace(A.issuer, aliases=["https://old.example"]), ConnectionError("down")

    def find(iss):
        if iss == "https://a.example" and error is not None:
            raise error
        return issuer

    app, token = build(find, clock), A.token(iss="https://old.example")
    for _ in range(2):
        assert code(get(app, token)) == (503, "issuer_unavailable")
    assert caplog.text.count("of JWT_ISSUERS failed") == 1
    error = None
    assert get(app, token).status_code == 200


# The configuration


def test_changes_while_the_application_runs(app, tenants):
    token = A.token()
    assert get(app, token).status_code == 200
    app.config["JWT_ISSUERS"] = [B.issuer]
    assert get(app, token).status_code == 401
    assert get(app, B.token()).status_code == 200
    app.config["JWT_ISSUERS"] = tenants.find
    assert get(app, token).status_code == 200
    app.config["JWT_ISSUERS"] = None
    assert get(app, token).status_code == 401
    app.config["JWT_ISSUERS"] = lambda iss: None
    assert get(app, token).status_code == 401


def test_another_option_leaves_the_answers(app, tenants):
    assert get(app, A.token()).status_code == 200
    app.config["JWT_LEEWAY"] = 20
    assert get(app, A.token(n=1)).status_code == 200
    assert tenants.asked == ["https://a.example"]


def test_a_guard_may_accept_some_issuers_only(tenants, clock, caplog):
    app = build(tenants.find, clock, guards={"/a": {"issuers": "https://a.example"}})
    assert get(app, A.token(), "/a").status_code == 200
    assert get(app, B.token(), "/a").status_code == 401
    assert "which is none of" not in caplog.text, "the function may know it"


def test_a_handler_that_reads_identity_is_reported_at_start(tenants):
    jwt = JWT(issuers=tenants.find)
    jwt.identity_handler(lambda payload: payload["identity"])
    with pytest.warns(UserWarning, match=r"reads payload\['identity'\]"):
        make_app(jwt, users=False, guards={})


# On the command line


def run(app, *args):
    result = app.test_cli_runner().invoke(jwt_cli, args)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, " ".join(result.output.split())


def test_list(app, tenants):
    exit_code, output = run(app, "issuers", "list")
    assert exit_code == 0
    assert "The function tests.test_issuers_tenants.Tenants.find finds the issuer of" in output
    assert json.loads(run(app, "issuers", "list", "--json")[1]) == {
        "function": "tests.test_issuers_tenants.Tenants.find"
    }
    assert tenants.asked == []


def test_check(app, tenants):
    exit_code, output = run(app, "issuers", "check")
    assert exit_code == 1
    assert "name those to check" in output
    assert run(app, "issuers", "check", "https://a.example")[0] == 0
    exit_code, output = run(app, "issuers", "check", "https://a.example", "https://c.example")
    assert exit_code == 1
    assert "JWT_ISSUERS has no such issuer" in output
    tenants.error = ConnectionError("no database")
    exit_code, output = run(app, "issuers", "check", "https://b.example/realms/b")
    assert exit_code == 1
    assert "The function failed: ConnectionError('no database')" in output


def test_check_by_name_of_a_list(clock, tenants):
    app = build([A.issuer, B.issuer], clock)
    B.down()
    assert run(app, "issuers", "check", "https://a.example")[0] == 0
    assert run(app, "issuers", "check")[0] == 1


def test_inspect(app):
    exit_code, output = run(app, "inspect", A.token())
    assert exit_code == 0, output
    exit_code, output = run(app, "inspect", A.token(iss="https://c.example"))
    assert exit_code == 1
    assert "Tenants.find returns no issuer for its iss, 'https://c.example'" in output


# The example of the documentation


def test_example(tmp_path, monkeypatch, clock):
    names = run_example("issuers/tenants.py", tmp_path, monkeypatch)
    app, database = names["app"], names["database"]
    app.config["SECRET_KEY"] = None
    fakes = {}

    def find_issuer(iss):
        issuer = names["find_issuer"](iss)
        return issuer and replace(issuer, fetch=fakes[iss].issuer.fetch)

    for name, active in (("acme", 1), ("gone", 0)):
        idp = FakeIssuer(f"https://{name}.example", audience="shop")
        fakes[idp.issuer.issuer] = idp
        database.execute("INSERT INTO tenants VALUES (?, 'shop', ?, ?)",
                         [idp.issuer.issuer, name, active])  # fmt: skip
    app.config["JWT_ISSUERS"] = find_issuer
    acme, gone = fakes.values()
    assert get(app, acme.token("joe"), "/me").get_json() == {"tenant": "acme", "subject": "joe"}
    assert get(app, gone.token("joe"), "/me").status_code == 401
    assert get(app, acme.token("joe", iss="https://evil.example"), "/me").status_code == 401
    database.close()
