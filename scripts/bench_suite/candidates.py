"""Build the guards to compare, each in a Flask application with an open and a guarded view.

Both views return the same string for the same request, with the same token in the same
``Authorization: Bearer`` header. Every application has a SECRET_KEY, with which HS256 signs.
Therefore Flask opens its session at each request, guarded or not.
"""

from __future__ import annotations

import functools
import hmac
import importlib
import importlib.util
import io
import json
import time
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import flask_jwt_extended
import jwt as pyjwt
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc7523 import JWTBearerTokenValidator
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask, abort, g, request, session
from flask_httpauth import HTTPTokenAuth

from flask_jwt import JWT, create_access_token, jwt_required

SECRET = "a-secret-of-32-bytes-for-benches"
LIFETIME = timedelta(days=1)
USERS = {42: "somebody"}

Environ = dict[str, Any]
View = Callable[[], str]


@dataclass(frozen=True)
class Candidate:
    """Hold one guard to measure, and the requests to send.

    :param requests: the requests to the guarded view, sent in turn
    :param open_request: the request to the open view
    :param rejected: requests that the guarded view must reject
    """

    name: str
    label: str
    app: Flask
    requests: tuple[Environ, ...]
    open_request: Environ
    rejected: tuple[Environ, ...]
    algorithm: str = "HS256"


def candidates() -> list[Candidate]:
    """Return every guard whose package is installed."""
    token, rejected = tokens({})
    hs256 = functools.partial(_candidate, token=token, rejected=rejected)
    uncached = {"JWT_CACHE_SIZE": 0}
    guards = [
        hs256("ours_warm", "Flask-JWT-Too, token seen before", ours({})),
        hs256("ours_cold", "Flask-JWT-Too, no cache", ours(uncached)),
        _new_tokens(),
        hs256(
            "ours_identity",
            "Flask-JWT-Too, seen before, identity handler",
            ours({}, identity=lambda payload: USERS.get(payload["identity"])),
        ),
        hs256("fje", "Flask-JWT-Extended", extended("flask_jwt_extended", {})),
        _own_token(),
        hs256("authlib", "Authlib ResourceProtector", authlib()),
        hs256("httpauth", "Flask-HTTPAuth + PyJWT", httpauth()),
        hs256("pyjwt", "PyJWT called in the view", pyjwt_in_view()),
        hs256("by_hand", "limit: HMAC + JSON by hand", by_hand()),
        hs256("dict", "limit: a dict look-up", dict_lookup(token)),
        *sessions(),
    ]
    if importlib.util.find_spec("flask_jwt.extended") is not None:
        module = "flask_jwt.extended"
        guards[4:4] = [
            hs256("extended_warm", f"{module}, token seen before", extended(module, {})),
            hs256("extended_cold", f"{module}, no cache", extended(module, uncached)),
        ]
    for algorithm in ("EdDSA", "ES256", "RS256"):
        guards += _asymmetric(algorithm)
    return guards


def _asymmetric(algorithm: str) -> list[Candidate]:
    config = key_config(algorithm)
    token, rejected = tokens(config)
    make = functools.partial(_candidate, token=token, rejected=rejected, algorithm=algorithm)
    name = algorithm.lower()
    cold = ours({**config, "JWT_CACHE_SIZE": 0})
    fje = extended("flask_jwt_extended", config)
    return [
        make(f"{name}_ours_warm", "Flask-JWT-Too, token seen before", ours(config)),
        make(f"{name}_ours_cold", "Flask-JWT-Too, no cache", cold),
        make(f"{name}_fje", "Flask-JWT-Extended", fje),
    ]


def _candidate(
    name: str,
    label: str,
    guard: tuple[Flask, View],
    *,
    token: str,
    rejected: tuple[str, ...],
    algorithm: str = "HS256",
) -> Candidate:
    app, guarded = guard
    app.add_url_rule("/guarded", view_func=guarded, endpoint="guarded")
    return Candidate(
        name,
        label,
        app,
        (environ("/guarded", token),),
        environ("/open", token),
        (*(environ("/guarded", invalid) for invalid in rejected), environ("/guarded")),
        algorithm,
    )


def _new_tokens() -> Candidate:
    """Alternate two tokens with a cache for one, so that each request verifies and caches one."""
    app, guarded = ours({"JWT_CACHE_SIZE": 1})
    app.add_url_rule("/guarded", view_func=guarded, endpoint="guarded")
    pair = [tokens({}) for _ in range(2)]
    return Candidate(
        "ours_new",
        "Flask-JWT-Too, a new token each time",
        app,
        tuple(environ("/guarded", token) for token, _ in pair),
        environ("/open", pair[0][0]),
        tuple(environ("/guarded", invalid) for invalid in pair[0][1]),
    )


def _own_token() -> Candidate:
    """Measure Flask-JWT-Extended with a token that it issues itself, which is longer than ours."""
    app, guarded = extended("flask_jwt_extended", {})
    with app.app_context():
        token = flask_jwt_extended.create_access_token("42", expires_delta=LIFETIME)
    label = "Flask-JWT-Extended, its own token"
    return _candidate("fje_own", label, (app, guarded), token=token, rejected=(forge(token),))


def environ(path: str, token: str | None = None, cookie: str | None = None) -> Environ:
    """Return a WSGI environ as gunicorn creates it."""
    headers = {} if token is None else {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    if cookie is not None:
        headers["HTTP_COOKIE"] = cookie
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_ACCEPT": "*/*",
        "HTTP_USER_AGENT": "bench",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }


@functools.cache
def _pem_pair(algorithm: str) -> tuple[str, str]:
    key: Any
    if algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    elif algorithm == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def key_config(algorithm: str) -> dict[str, Any]:
    """Return the options of a PEM key pair, which both extensions have in common."""
    private, public = _pem_pair(algorithm)
    return {"JWT_PRIVATE_KEY": private, "JWT_PUBLIC_KEY": public, "JWT_ALGORITHM": algorithm}


def tokens(config: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return a valid token, and a forged and an expired one."""
    app = _app(config)
    JWT(app)
    with app.app_context():
        valid = create_access_token(42, expires_delta=LIFETIME)
        expired = create_access_token(42, expires_delta=timedelta(hours=-1))
    return valid, (forge(valid), expired)


def forge(token: str) -> str:
    """Return *token* with one character of its signature changed."""
    message, _, signature = token.rpartition(".")
    # Not the last character: some of its bits may be padding, which strict decoders reject first.
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{message}.{signature[:middle]}{other}{signature[middle + 1 :]}"


def _app(config: dict[str, Any]) -> Flask:
    app = Flask("bench")
    app.config.update(SECRET_KEY=SECRET)
    app.config.update(config)

    @app.get("/open")
    def open_view() -> str:
        return "ok"

    return app


def _view() -> str:
    return "ok"


def ours(
    config: dict[str, Any], *, identity: Callable[[Any], Any] | None = None
) -> tuple[Flask, View]:
    app = _app(config)
    JWT(app, identity_handler=identity)
    return app, jwt_required()(_view)


def extended(module: str, config: dict[str, Any]) -> tuple[Flask, View]:
    """Measure Flask-JWT-Extended, or this package under its names."""
    package = importlib.import_module(module)
    app = _app(config)
    package.JWTManager(app)
    return app, package.jwt_required()(_view)


def authlib() -> tuple[Flask, View]:
    """Measure Authlib's JWT validator, which here requires no claim except exp."""
    with warnings.catch_warnings():
        # joserfc warns of a secret that is a plain string.
        warnings.simplefilter("ignore")
        validator = JWTBearerTokenValidator(SECRET)
    validator.claims_options = {"exp": {"essential": True}}
    protector = ResourceProtector()
    protector.register_token_validator(validator)
    return _app({}), protector()(_view)


def httpauth() -> tuple[Flask, View]:
    auth = HTTPTokenAuth(scheme="Bearer")

    @auth.verify_token
    def verify(token: str) -> Any:
        try:
            return pyjwt.decode(token, SECRET, algorithms=["HS256"])["identity"]
        except pyjwt.InvalidTokenError:
            return None

    return _app({}), auth.login_required(_view)


def pyjwt_in_view() -> tuple[Flask, View]:
    def guarded() -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            abort(401)
        try:
            g.claims = pyjwt.decode(token, SECRET, algorithms=["HS256"])
        except pyjwt.InvalidTokenError:
            abort(401)
        return "ok"

    return _app({}), guarded


def by_hand() -> tuple[Flask, View]:
    """Verify an HS256 token with the least code: no check of the header, of types or of nbf."""
    key = SECRET.encode()

    def guarded() -> str:
        scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        message, _, signature = token.rpartition(".")
        expected = hmac.digest(key, message.encode(), "sha256")
        if scheme != "Bearer" or not hmac.compare_digest(
            expected, urlsafe_b64decode(signature + "=")
        ):
            abort(401)
        claims = json.loads(urlsafe_b64decode(message.partition(".")[2] + "=="))
        if claims["exp"] <= time.time():
            abort(401)
        g.claims = claims
        return "ok"

    return _app({}), guarded


def dict_lookup(token: str) -> tuple[Flask, View]:
    """Find a token in a dict, without any cryptography: the lower limit of a cache."""
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    cached = {token: claims}

    def guarded() -> str:
        scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        claims = cached.get(token)
        if claims is None or scheme != "Bearer" or claims["exp"] <= time.time():
            abort(401)
        g.claims = claims
        return "ok"

    return _app({}), guarded


def sessions() -> list[Candidate]:
    """Measure Flask's signed session cookie, in two ways.

    Flask opens the session before any view, also before an open one. One figure therefore is the
    time to read the session in the view. The other includes the time to open it: the requests to
    the open view then carry no cookie.
    """
    app = _app({})

    @app.get("/guarded")
    def guarded() -> str:
        if session.get("user_id") is None:
            abort(401)
        return "ok"

    @app.get("/login")
    def login() -> str:
        session["user_id"] = 42
        return "ok"

    cookie = app.test_client().get("/login").headers["Set-Cookie"].partition(";")[0]
    valid = environ("/guarded", cookie=cookie)
    forged = cookie[:-10] + ("A" if cookie[-10] != "A" else "B") + cookie[-9:]
    rejected = environ("/guarded", cookie=forged), environ("/guarded")
    read, opened = "Flask session, read in the view", "Flask session, opened and read"
    return [
        Candidate("session_read", read, app, (valid,), environ("/open", cookie=cookie), rejected),
        Candidate("session", opened, app, (valid,), environ("/open"), rejected),
    ]
