"""What the tests share: one way to make an application, one browser, and small helpers."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from inspect import signature
from pathlib import Path

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask, jsonify, render_template_string
from flask.testing import FlaskClient
from werkzeug.http import dump_cookie

import flask_jwt
from flask_jwt import JWT, current_identity, get_jwt_identity, signals
from flask_jwt.testing import Clock

IS_WERKZEUG_3_0 = "partitioned" not in signature(dump_cookie).parameters
"""Whether Werkzeug is 3.0, the oldest that works, which lacks some things that tests need."""
ROOT = Path(__file__).parent.parent
SECRET = "a-secret-of-32-bytes-for-testing"
OTHER_SECRET = "another-secret-of-32-bytes------"


PATIENCE = 10
"""``JWT_STORE_TIMEOUT`` of an application whose store works, and ``JWT_ISSUER_TIMEOUT``. A machine of
tests, unlike a server, stands still for seconds, and a store that is late by 2 s is an outage."""


# Applications


class User:
    def __init__(self, id, username="joe", password="pass"):
        self.id = id
        self.username = username
        self.password = password

    def __repr__(self):
        # Without an address: parametrized tests have the same ids in each process.
        return f"<User {self.id!r}>"


ANYONE = object()
"""Users of whom each has the password "pass" and a name that is the identity, too."""

GUARDS = {
    "/protected": {},
    "/optional": {"optional": True},
    "/fresh": {"fresh": True},
    "/recent": {"fresh": timedelta(minutes=2)},
    "/renew": {"refresh": True},
}
"""The views that an application has unless a test asks for others: paths, and the arguments of
``jwt_required()``."""


def show_user():
    """Return the id of the current user, or None, as a view does."""
    user = current_identity._get_current_object()
    return {"user": getattr(user, "id", user)}


def show_identity():
    """Return the identity in the current token, or None; no user has to be loaded for it."""
    return {"user": get_jwt_identity()}


def make_app(
    extension=JWT,
    *,
    users=None,
    clock=None,
    store=None,
    guards=GUARDS,
    show=show_user,
    api=flask_jwt,
    flask=Flask,
    **config,
):
    """Make an application with an extension, users who can log in, and guarded views.

    The application keeps its parts for the test: ``app.jwt``, ``app.clock`` and ``app.users``.

    :param extension: the extension class, or an extension object, which keeps its own handlers,
        clock and store
    :param users: a list, to which a test may add and from which it may take; by default of
        ``User(1)`` with the name "joe" and the password "pass"; or ``ANYONE``; or False, which
        leaves the extension class's own handlers
    :param clock: by default a new :class:`flask_jwt.testing.Clock`, which stands still
    :param guards: paths, each with the arguments of its ``jwt_required()``
    :param show: the view of each path
    :param api: the module whose ``jwt_required()`` guards them
    :param flask: the class of the application
    :param config: options, beside ``SECRET_KEY``
    """
    app = flask("tested")
    app.config.update({"SECRET_KEY": SECRET, **config})
    if config.get("JWT_STORAGE_URI", "memory://") != "memory://":
        app.config.setdefault("JWT_STORE_TIMEOUT", PATIENCE)
    app.clock = clock or Clock()
    app.users = [User(1)] if users is None else users
    app.jwt = extension
    if isinstance(extension, type):
        app.jwt = extension(store=store, clock=app.clock)
        if app.users:
            _set_handlers(app.jwt, app.users)
    app.jwt.init_app(app)
    add_guards(app, guards, show, api)
    return app


def _set_handlers(jwt, users):
    if users is ANYONE:
        jwt.authentication_handler(lambda name, password: name if password == "pass" else None)
        return

    @jwt.authentication_handler
    def authenticate(username, password):
        by_name = [user for user in users if user.username == username]
        return next((user for user in by_name if user.password == password), None)

    @jwt.identity_handler
    def load(payload):
        return next((user for user in users if user.id == payload["identity"]), None)


METHODS = ["GET", "POST", "DELETE", "OPTIONS"]


def add_guards(app, guards, show=show_user, api=flask_jwt):
    """Add a guarded view for each path."""
    for path, arguments in guards.items():
        view = api.jwt_required(**arguments)(show)
        app.add_url_rule(path, path[1:], view, methods=METHODS)


PAGE = """{{ current_identity.username if current_identity is not none else "anonymous" }}
{{ jwt_csrf_field() }}"""


def add_pages(app):
    """Add pages for browsers: one for everybody, one that is guarded, and a sign-in page."""

    @app.get("/home")
    @flask_jwt.jwt_required(optional=True)
    def home():
        return render_template_string(PAGE)

    @app.route("/page", methods=["GET", "POST"])
    @flask_jwt.jwt_required()
    def page():
        return render_template_string(PAGE)

    @app.get("/sign-in")
    def sign_in():
        return "sign in here"


def add_cookie_views(app):
    """Add views that set the cookies of a login for user 1, and delete them again."""

    @app.post("/cookies")
    def cookies():
        response = jsonify(ok=True)
        flask_jwt.set_access_cookies(response, flask_jwt.create_access_token(1))
        flask_jwt.set_refresh_cookies(response, flask_jwt.create_refresh_token(1))
        return response

    @app.post("/no-cookies")
    def no_cookies():
        response = jsonify(ok=True)
        flask_jwt.unset_jwt_cookies(response)
        return response


# Clients


def login(client, username="joe", password="pass", **fields):
    """Log in with JSON, as a program does."""
    return client.post("/auth", json={"username": username, "password": password, **fields})


def token_of(client):
    """Log in, and return the access token."""
    return login(client).get_json()["access_token"]


def issue(app, identity=1, **options):
    """Return an access token that no one has logged in for."""
    with app.app_context():
        return flask_jwt.create_access_token(identity, **options)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def get(app, path, token):
    """Request a path of an application with a token."""
    return app.test_client().get(path, headers=bearer(token))


def code(response):
    """Return the status of a response and the code of its error, if it has one."""
    return response.status_code, (response.get_json(silent=True) or {}).get("code")


def body_of(response):
    """Return the status of a response and its JSON."""
    return response.status_code, response.get_json()


HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


class Browser(FlaskClient):
    """A test client that does what a browser does on https://localhost.

    It keeps cookies, Secure ones too, asks for a page, and says which site a request comes from.
    """

    site = "same-origin"

    def open(self, *args, accept=HTML, **kwargs):
        """Send a request.

        :param accept: ``Accept``; "*/*" is what a script sends
        :param site: ``Sec-Fetch-Site``; None: it is not sent
        """
        site = kwargs.pop("site", self.site)
        if args and isinstance(args[0], str):  # otherwise a redirect is followed
            kwargs.setdefault("base_url", "https://localhost")
            headers = {"Accept": accept}
            if site is not None:
                headers["Sec-Fetch-Site"] = site
            kwargs["headers"] = {**headers, **kwargs.get("headers", {})}
        return super().open(*args, **kwargs)

    def sign_in(self, **form):
        """Log in with the form of a page."""
        return self.post("/auth", data={"username": "joe", "password": "pass", **form})

    @property
    def cookies(self):
        """The values of the cookies, by name."""
        return {cookie.key: cookie.value for cookie in self._cookies.values()}

    def copy(self):
        """Return another browser with the same cookies: a second tab, or a thief's."""
        other = type(self)(self.application, self.response_wrapper)
        for cookie in self._cookies.values():
            other.set_cookie(cookie.key, cookie.value, secure=True)
        return other


class OldBrowser(Browser):
    """A browser from before 2023, which does not send ``Sec-Fetch-Site``."""

    site = None


def location(response):
    """Return where a page leads to."""
    assert response.status_code == 303, response.text
    return response.headers["Location"]


# Tokens and keys


def claims_of(token):
    """Return the claims of a token, which nothing has verified."""
    return pyjwt.decode(token, options={"verify_signature": False})


@cache
def rsa_key(number=0):
    """Return one of a few private RSA keys: making one takes a tenth of a second."""
    return rsa.generate_private_key(65537, 2048)


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key):
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# Signals and examples


@contextmanager
def heard(app, *names):
    """Record the signals of these names that *app* sends within this context, with arguments."""
    events = []

    def hear(name):
        def receiver(sender, **arguments):
            assert sender is app
            events.append((name, arguments))

        getattr(signals, name).connect(receiver, app)
        return receiver

    receivers = [hear(name) for name in names]  # signals hold them weakly
    yield events
    assert receivers


def run_example(name, folder, monkeypatch):
    """Run a file of examples/ in *folder*, and return its names."""
    monkeypatch.chdir(folder)
    space = {"__name__": "example"}
    source = (ROOT / "examples" / name).read_text()
    exec(compile(source, name, "exec", dont_inherit=True), space)
    return space
