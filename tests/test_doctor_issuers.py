"""Other issuers in ``flask jwt doctor``: what programs do by hand, and what is wrong with JWT_ISSUERS.

The programs are as public repositories write them; their names are changed.
"""

from __future__ import annotations

import ast

import pytest

from flask_jwt import ANY_AUDIENCE, JWT, Issuer, jwt_required
from flask_jwt._cli.diagnosis.advice import examine_sources
from flask_jwt._cli.diagnosis.findings import Kind
from flask_jwt._cli.diagnosis.issuers import examine_issuers
from flask_jwt._cli.diagnosis.live import explain_token
from flask_jwt._cli.diagnosis.sources import read_sources
from flask_jwt._cli.diagnosis.verifiers import WRITE, find_verifiers
from flask_jwt.testing import FakeIssuer
from tests.support import make_app
from tests.unit.test_doctor_sources import INSTALLED

# What a program does by hand

PROGRAMS = {
    "PyJWKClient in a function": (
        """
import jwt
import os
from jwt import PyJWKClient

url = os.getenv("AUTH0_JWK_URL", "")

def decode_token(jwtoken):
    jwks_client = PyJWKClient(url)
    signing_key = jwks_client.get_signing_key_from_jwt(jwtoken)
    return jwt.decode(jwtoken, signing_key.key, algorithms=["RS256"], audience=os.getenv("X"))
""",
        4, "PyJWKClient rejects valid tokens while the keys can't be fetched", "auth0",
    ),
    "jwt.PyJWKClient": (
        """
import jwt
client = jwt.PyJWKClient("https://sso.acme.dev/realms/shop/protocol/openid-connect/certs")
""",
        3, "PyJWKClient rejects", "keycloak",
    ),
    "python-jose, Auth0's old sample": (
        """
import json
from six.moves.urllib.request import urlopen
from functools import wraps
from flask import Flask, request, jsonify, _request_ctx_stack
from jose import jwt

AUTH0_DOMAIN = 'dev-1234567890.us.auth0.com'
API_AUDIENCE = 'https://shop'
ALGORITHMS = ["RS256"]

def requires_auth(f):
    @wraps(f)
    def decorated(*args, **kwargs):
        token = get_token_auth_header()
        jsonurl = urlopen("https://"+AUTH0_DOMAIN+"/.well-known/jwks.json")
        jwks = json.loads(jsonurl.read())
        unverified_header = jwt.get_unverified_header(token)
        return f(*args, **kwargs)
    return decorated
""",
        16, "fetched by hand, for python-jose", "auth0",
    ),
    "python-jose or PyJWT": (
        """
import requests
try:
    from jose import jwt  # type: ignore
except Exception:
    import jwt  # type: ignore
from .config import load_settings
settings = load_settings()
_jwks_cache = None

def _get_jwks():
    global _jwks_cache
    if _jwks_cache:
        return _jwks_cache
    jwks_url = f"https://{settings.auth0_domain}/.well-known/jwks.json"
    resp = requests.get(jwks_url, timeout=5)
    resp.raise_for_status()
    _jwks_cache = resp.json()
    return _jwks_cache
""",
        16, "fetched by hand, for python-jose", "auth0",
    ),
    "Cognito by hand": (
        """
import os, requests, jwt
from jwt.algorithms import RSAAlgorithm

def _get_jwks_url():
    pool = os.environ.get("COGNITO_USER_POOL_ID")
    region = os.environ.get("AWS_REGION")
    return f"https://cognito-idp.{region}.amazonaws.com/{pool}/.well-known/jwks.json"

def keys():
    return requests.get(_get_jwks_url()).json()["keys"]
""",
        11, "the keys of an issuer are fetched by hand.", "cognito",
    ),
    "Entra by hand": (
        """
import httpx
TENANT = "…"
URL = f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"
keys = httpx.get(URL).json()
""",
        5, "the keys of an issuer are fetched by hand.", "entra",
    ),
    "discovery by hand": (
        """
import json
import urllib.request

def keys(issuer):
    with urllib.request.urlopen(issuer + "/.well-known/openid-configuration") as response:
        uri = json.load(response)["jwks_uri"]
    with urllib.request.urlopen(uri) as response:
        return json.load(response)
""",
        6, "the keys of an issuer are fetched by hand.", None,
    ),
    "Authlib, Auth0's present sample": (
        """
import json
from urllib.request import urlopen
from authlib.oauth2.rfc7523 import JWTBearerTokenValidator
from authlib.jose.rfc7517.jwk import JsonWebKey

class Auth0JWTBearerTokenValidator(JWTBearerTokenValidator):
    def __init__(self, domain, audience):
        issuer = f"https://{domain}/"
        jsonurl = urlopen(f"{issuer}.well-known/jwks.json")
        public_key = JsonWebKey.import_key_set(json.loads(jsonurl.read()))
        super(Auth0JWTBearerTokenValidator, self).__init__(public_key)
""",
        4, "Authlib's validator keeps the keys with which it was created", "auth0",
    ),
    "Authlib, renamed": (
        """
from authlib.oauth2.rfc7523 import JWTBearerTokenValidator as _JWTBearerTokenValidator
""",
        2, "Authlib's validator", None,
    ),
    "Authlib, RFC 9068": (
        "from authlib.oauth2.rfc9068 import JWTBearerTokenValidator", 1, "Authlib's validator", None,
    ),
    "Flask-OIDC": (
        """
from flask import Flask, g
from flask_oidc import OpenIDConnect
app = Flask(__name__)
app.config.update({'OIDC_CLIENT_SECRETS': 'client_secrets.json', 'OIDC_SCOPES': ["openid"]})
oidc = OpenIDConnect(app)

@app.route('/api')
@oidc.accept_token(require_token=True, scopes_required=['openid'])
def api():
    return g.oidc_token_info['sub']
""",
        3, "Flask-OIDC asks the issuer about each access token", None,
    ),
    "cognitojwt": (
        "import cognitojwt\nclaims = cognitojwt.decode(token, region, pool, app_client_id=client)",
        1, "cognitojwt", "cognito",
    ),
    "Flask-Cognito": (
        "from flask_cognito import CognitoAuth, cognito_auth_required\ncogauth = CognitoAuth(app)",
        1, "Flask-Cognito", "cognito",
    ),
    "Flask-AWSCognito": (
        "from flask_awscognito import AWSCognitoAuthentication", 1, "Flask-AWSCognito", "cognito",
    ),
    "firebase_admin": (
        """
import firebase_admin
from firebase_admin import auth, credentials
firebase_admin.initialize_app(credentials.Certificate("key.json"))

def user():
    return auth.verify_id_token(request.headers["Authorization"].split()[1])
""",
        7, "firebase_admin verifies tokens of Firebase", "firebase",
    ),
    "google-auth": (
        """
from google.oauth2 import id_token
from google.auth.transport import requests
idinfo = id_token.verify_oauth2_token(token, requests.Request(), CLIENT_ID)
""",
        2, "google.oauth2.id_token fetches certificates for each token", "google",
    ),
    "okta-jwt-verifier": (
        "from okta_jwt_verifier import BaseJWTVerifier", 1, "okta-jwt-verifier", "okta",
    ),
    "python-keycloak": (
        "from keycloak import KeycloakOpenID\nKeycloakOpenID(server_url='https://sso/auth/')",
        1, "python-keycloak", "keycloak",
    ),
    "a loader with PyJWKClient": (
        """
import jwt
from flask_jwt_extended import JWTManager
jwks_client = jwt.PyJWKClient("https://xyz.supabase.co/auth/v1/.well-known/jwks.json")
manager = JWTManager(app)

@manager.decode_key_loader
def load_key(jwt_header, jwt_payload):
    return jwks_client.get_signing_key(jwt_header["kid"]).key
""",
        7, "the decode_key_loader fetches the keys of an issuer", "supabase",
    ),
    "a loader that fetches elsewhere": (
        """
import requests
from functools import lru_cache
from flask_jwt_extended import JWTManager
manager = JWTManager(app)

@lru_cache
def fetch():
    return requests.get("https://yourteam.cloudflareaccess.com/cdn-cgi/access/certs").json()

def find(kid):
    return next(key for key in fetch()["keys"] if key["kid"] == kid)

@manager.decode_key_loader
def load_key(jwt_header, jwt_payload):
    return find(jwt_header["kid"])
""",
        14, "the decode_key_loader fetches the keys of an issuer", "cloudflare",
    ),
    "a loader without a decorator": (
        """
import requests
def load_key(header, payload):
    return requests.get(URL).json()["keys"][0]
jwt.decode_key_loader(load_key)
""",
        5, "the decode_key_loader fetches the keys of an issuer", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "line", "text", "provider"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_verifies_by_hand(code, line, text, provider, tmp_path):
    (tmp_path / "auth.py").write_text(code)
    findings = examine_sources(read_sources(tmp_path), INSTALLED)
    found = [f for f in findings if "An Issuer keeps the keys during an outage" in f.text]
    assert any(text in f.text and f.where == f"auth.py:{line}" for f in found), found
    assert {f.kind for f in found} == {Kind.differs}
    assert all(WRITE[provider] in f.write for f in found), found
    assert all("issuers=[Issuer" in f.write for f in found)


OTHERS = {
    "PyJWT with a secret": "import jwt\njwt.decode(token, SECRET, algorithms=['HS256'])",
    "python-jose with a secret": "from jose import jwt\njwt.encode({}, SECRET)",
    "requests for something else": "import requests\nrequests.get('https://api.acme.dev/orders')",
    "a key set of its own": """
import requests
@app.get("/.well-known/jwks.json")
def publish():
    return {"keys": []}
requests.get("https://api.acme.dev/orders")
""",
    "a docstring": '''
"""Later: https://acme.auth0.com/.well-known/jwks.json"""
import requests
requests.get("https://api.acme.dev/orders")
''',
    "a loader of our own keys": """
@jwt.decode_key_loader
def load_key(header, payload):
    return KEYS[header["kid"]]
""",
    "a login with Authlib": """
from authlib.integrations.flask_client import OAuth
oauth = OAuth(app)
oauth.register("google", server_metadata_url="https://accounts.google.com/.well-known/openid-configuration")
""",
    "firebase_admin for messages": "from firebase_admin import messaging\nmessaging.send(m)",
    "Google's credentials": "from google.oauth2 import service_account",
    "relative import": "from .jose import jwt\nfrom . import cognitojwt",
    "an Issuer": 'from flask_jwt import Issuer\nIssuer.auth0("a.auth0.com", audience="a")',
    "a client with this package": "from flask_jwt.testing import FakeIssuer\nidp = FakeIssuer()",
}


@pytest.mark.parametrize("code", OTHERS.values(), ids=OTHERS)
def test_other_programs(code):
    assert find_verifiers(ast.parse(code), "m.py") == []


def test_the_provider_may_be_in_another_file(tmp_path):
    (tmp_path / "a.py").write_text("from jwt import PyJWKClient\nfrom flask_jwt import JWT\n")
    (tmp_path / "b.py").write_text("import cognitojwt\n")
    findings = examine_sources(read_sources(tmp_path), INSTALLED)
    written = [f.write for f in findings if f.kind is Kind.differs]
    line = 'JWT(app, issuers=[Issuer.cognito("eu-west-1_…", client_id="…")])'
    assert written == [line, line]
    (tmp_path / "c.py").write_text("from okta_jwt_verifier import BaseJWTVerifier\n")
    findings = examine_sources(read_sources(tmp_path), INSTALLED)
    assert [f.write for f in findings if f.where == "a.py:1" and f.write] == [
        'JWT(app, issuers=[Issuer("https://…", audience="…")])'
    ], "which of two isn't known"


def test_lines_to_write_work():
    """Each is valid Python, and a preset with such arguments."""
    for provider, line in WRITE.items():
        (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]
        name = getattr(call.func, "attr", call.func)
        assert provider is None or (name == provider and hasattr(Issuer, provider))


# What is wrong with JWT_ISSUERS


def examine(*issuers, guards=()):
    app = make_app(
        JWT, users=False, guards={}, JWT_ISSUERS=issuers[0] if callable(issuers[0]) else issuers
    )
    for number, arguments in enumerate(guards):
        app.add_url_rule(f"/{number}", f"view{number}", jwt_required(**arguments)(lambda: "ok"))
    return [*examine_issuers(app.extensions["flask-jwt"])]


GUID = "6f1c2b3a-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("issuer", "kind", "text", "write"),
    [
        (Issuer("https://acme.eu.auth0.com", audience="a"), Kind.rejected, "ends with a slash",
         'Issuer("https://acme.eu.auth0.com/", …)'),
        (Issuer("https://accounts.google.com/", audience="a"), Kind.rejected, "has no slash",
         "Issuer.google("),
        (Issuer("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A", audience="7f0"),
         Kind.differs, "have no aud", "Issuer.cognito("),
        (Issuer(f"https://login.microsoftonline.com/{GUID}/v2.0", audience="a"),
         Kind.differs, "ID tokens are accepted", "Issuer.entra("),
        (Issuer("https://acme.okta.com/oauth2/default", audience="api://default"),
         Kind.differs, "in the claim scp", "Issuer.okta("),
        (Issuer("https://acme.okta.com", audience="https://acme.okta.com"),
         Kind.rejected, "org authorization server", "Issuer.okta("),
        (Issuer.entra(tenants=GUID, audience="https://graph.microsoft.com"),
         Kind.rejected, "Microsoft Graph", 'audience="api://…"'),
        (Issuer.keycloak("https://sso.acme.dev/realms/shop", audience="account"),
         Kind.differs, "Keycloak's own console", 'audience="…"'),
        (Issuer("https://idp.example/", audience="https://idp.example"),
         Kind.differs, "the audience is the issuer itself", None),
        (Issuer("http://idp.internal", audience="a", insecure_http=True),
         Kind.differs, "on http://", "https://"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_an_issuer_with_a_mistake(issuer, kind, text, write):
    findings = examine(issuer)
    assert any(
        f.kind is kind and text in f.text and (write is None or write in f.write) for f in findings
    ), findings


@pytest.mark.parametrize(
    "issuer",
    [
        Issuer("https://idp.example", audience="api"),
        Issuer.auth0("acme.eu.auth0.com", audience="https://api.acme.dev"),
        Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0"),
        Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0", token="id"),
        Issuer.entra(tenants=GUID, audience="api://shop"),
        Issuer.entra(tenants="common", audience="api://shop", accept_tenant=bool),
        Issuer.keycloak("https://sso.acme.dev/realms/shop", audience="shop-api"),
        Issuer.firebase("my-project"),
        Issuer.google(client_id="x.apps.googleusercontent.com"),
        Issuer.supabase("https://xyz.supabase.co"),
        Issuer.clerk("https://clerk.acme.dev", authorized_parties=["https://acme.dev"]),
        Issuer.okta("acme.okta.com"),
        Issuer.cloudflare("acme", audience="a1b2"),
        Issuer("http://localhost:8080", audience="api"),
    ],
    ids=repr,
)
def test_an_issuer_without_one(issuer):
    (works,) = examine(issuer)
    assert works.kind is Kind.works
    assert issuer.issuer in works.text


def test_a_function():
    def find_issuer(iss):
        raise AssertionError("doctor makes no request")

    (works,) = examine(find_issuer)
    assert "find_issuer finds the issuer of each token" in works.text


def test_a_guard_with_an_unknown_issuer():
    idp = Issuer("https://idp.example", audience="api")
    findings = examine(idp, guards=[{"issuers": "https://idp.examples"}, {"issuers": [idp]}])
    (rejected,) = [f for f in findings if f.kind is Kind.rejected]
    assert rejected.where == "view0"
    assert "the issuer https://idp.examples, which is none of JWT_ISSUERS" in rejected.text


def test_nothing_is_fetched():
    idp = FakeIssuer("https://idp.example", audience="api")
    app = make_app(JWT, users=False, JWT_ISSUERS=[idp.issuer])
    state = app.extensions["flask-jwt"]
    [*examine_issuers(state)]
    with app.app_context():
        report = explain_token(state, idp.token(aud="other"))
    assert report.reason is None
    assert "Its aud is 'other'; accepted: api." in report.unchecked
    assert "flask jwt inspect fetches its keys" in report.unchecked
    with app.app_context():
        assert "None of" not in str(explain_token(state, idp.token(iss="https://x")).unchecked)
    assert idp.requests == 0


def test_a_warning_is_not_repeated():
    """That ANY_AUDIENCE accepts everything is a warning at start, which doctor shows anyway."""
    with pytest.warns(UserWarning, match="ANY_AUDIENCE"):
        findings = examine(Issuer("https://idp.example", audience=ANY_AUDIENCE))
    assert [f.kind for f in findings] == [Kind.works]
