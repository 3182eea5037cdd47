"""What an Issuer takes, and what it rejects with a message that says what to write instead."""

from __future__ import annotations

import dataclasses
import json
import ssl
from datetime import timedelta

import pytest

from flask_jwt._issuers.issuer import ANY_AUDIENCE, Issuer
from flask_jwt._issuers.presets import PRESETS
from flask_jwt._issuers.registry import find_conflicts
from flask_jwt._jose.grants import read_grants
from flask_jwt._jose.keys import Key
from flask_jwt.errors import ConfigError

URL = "https://idp.example"
JWKS = {"keys": [Key.generate("ES256", kid="a").public_jwk()]}
TENANT = "6f1c2b3a-0000-4000-8000-000000000001"


def brief(value):
    """Return a part of a test's id, which has to be the same in each process."""
    return repr(sorted(value) if isinstance(value, (set, frozenset)) else value)[:40]


def make(issuer=URL, audience="api", **options):
    return Issuer(issuer, audience, **options)


#: Arguments, and what the error says.
INVALID = [
    ({"issuer": "idp.example"}, "'idp.example' is not a URL: write 'https://idp.example', or set"),
    ({"issuer": "http://idp.example"}, "write https://, or insecure_http=True"),
    ({"issuer": "ftp://idp.example"}, "issuer must begin with https://"),
    ({"issuer": "https://joe:secret-1@idp.example"}, "contains a user name or a password"),
    ({"issuer": "https://idp.example#a"}, "has a fragment"),
    ({"issuer": ""}, "write the iss of its tokens"),
    ({"issuer": None}, "write the iss of its tokens"),
    ({"issuer": "https://idp.example\n"}, "write the iss of its tokens"),
    ({"issuer": "https://" + "x" * 600}, "longer than 512 characters"),
    ({"audience": ""}, "audience must be a string, or a list"),
    ({"audience": []}, "audience must be a string, or a list"),
    ({"audience": None}, "audience must be a string, or a list"),
    ({"audience": [1]}, "audience must be a string, or a list"),
    ({"audience": {"api": 1}}, "audience must be a string, or a list"),
    ({"algorithms": ["HS256"]}, "'HS256' uses a secret, which this application would have to"),
    ({"algorithms": ["none"]}, "'none' is not supported; write some of RS256, RS384"),
    ({"algorithms": []}, "algorithms is empty"),
    ({"algorithms": [1]}, "is not supported"),
    ({"jwks_uri": "keys"}, "jwks_uri is not a URL"),
    ({"jwks_uri": 1}, "jwks_uri is not a URL"),
    ({"jwks_uri": "http://idp.example/jwks"}, "jwks_uri 'http://idp.example/jwks' begins with"),
    ({"jwks_uri": "https://joe:secret-1@idp.example/"}, "jwks_uri contains a user name"),
    ({"jwks": {"keys": []}}, "jwks is unusable: none of its 0 keys"),
    ({"jwks": "/no/such/file"}, "jwks can't be read from the file: No such file"),
    ({"leeway": -1}, "between 0 and 3600"),
    ({"leeway": 4000}, "between 0 and 3600"),
    ({"leeway": float("nan")}, "between 0 and 3600"),
    ({"leeway": "30"}, "a number of seconds or a timedelta"),
    ({"leeway": True}, "a number of seconds or a timedelta"),
    ({"required": [1]}, "required must be"),
    ({"identity_claim": ""}, "identity_claim must be the name of a claim"),
    ({"identity_claim": None}, "identity_claim must be the name of a claim"),
    ({"typ": ""}, "typ must be a media type"),
    ({"typ": 1}, "typ must be a media type"),
    ({"scopes": 1}, "scopes must be a list of names of claims"),
    ({"roles": [1]}, "roles must be"),
    ({"roles": [["a", 1]]}, "roles must be"),
    ({"check": "f"}, "check must be a function"),
    ({"identity_handler": 1}, "identity_handler must be a function"),
]


@pytest.mark.parametrize(("arguments", "message"), INVALID, ids=brief)
def test_invalid(arguments, message):
    with pytest.raises(ConfigError) as caught:
        make(**arguments)
    assert message in str(caught.value)
    assert "secret-1" not in str(caught.value)


def test_audience_is_mandatory():
    with pytest.raises(TypeError, match="audience"):
        Issuer(URL)
    with pytest.raises(ConfigError, match="the audience is missing: the name by which"):
        Issuer.from_mapping({"issuer": URL})


@pytest.mark.parametrize(
    "arguments",
    [
        {"issuer": "http://localhost:8080/realms/a"},
        {"issuer": "http://127.0.0.1:8080"},
        {"issuer": "http://[::1]:8080"},
        {"issuer": "http://idp:8080", "insecure_http": True},
        {"issuer": "urn:idp", "jwks_uri": "https://idp.example/jwks"},
        {"issuer": "idp", "jwks": JWKS},
        {"audience": ["a", "b"]},
        {"audience": ANY_AUDIENCE},
        {"leeway": timedelta(seconds=5)},
        {"leeway": 0},
        {"required": []},
        {"scopes": []},
        {"roles": [["realm_access", "roles"], "groups"]},
        {"ssl_context": ssl.create_default_context()},
        {"algorithms": "RS256"},
    ],
    ids=brief,
)
def test_valid(arguments):
    issuer = make(**arguments)
    assert issuer == make(**arguments)
    assert hash(issuer) == hash(make(**arguments))
    assert repr(issuer) == f"<Issuer {issuer.issuer}>"


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().issuer = "https://other.example"


def test_keys_in_a_file(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(JWKS))
    assert make(jwks=file) == make(jwks=str(file)) == make(jwks=JWKS)
    file.write_text("secret-1")
    with pytest.raises(ConfigError, match="it is not JSON$"):
        make(jwks=file)


def test_keys_are_copied():
    jwks = json.loads(json.dumps(JWKS))
    issuer = make(jwks=jwks)
    jwks["keys"].clear()
    assert issuer.jwks == JWKS


def test_cryptography_is_needed(monkeypatch):
    monkeypatch.setattr("flask_jwt._issuers.issuer.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'Flask-JWT-Too\[oidc\]'"):
        make()


def test_from_mapping():
    made = Issuer.from_mapping({"issuer": URL, "audience": ["api"], "roles": [["a", "b"]]})
    assert made == make(audience=["api"], roles=[("a", "b")])
    cognito = {"preset": "cognito", "pool": "eu-west-1_Ab3dE", "client_id": "7f0"}
    assert Issuer.from_mapping(cognito) == Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"preset": "okto"}, "the preset 'okto' is unknown; write one of auth0, cognito, entra"),
        ({"preset": "from_mapping"}, "is unknown"),
        ({"preset": "cognito_id"}, "is unknown"),
        ({"preset": "cognito", "pool": "a_b"}, "missing 1 required keyword-only argument: 'client"),
        (
            {"issuer": URL, "audience": "a", "audiense": "b"},
            "unexpected keyword argument 'audiense'",
        ),
        ({"preset": ["a"]}, "is unknown"),
    ],
    ids=brief,
)
def test_from_invalid_mapping(mapping, message):
    with pytest.raises(ConfigError, match="^Issuer: ") as caught:
        Issuer.from_mapping(mapping)
    assert message in str(caught.value)


# Presets


@pytest.mark.parametrize("name", PRESETS)
def test_each_row_names_its_source_and_date(name):
    row = PRESETS[name]
    assert row.sources
    assert all(source.startswith(("https://", "the tokens of moto")) for source in row.sources)
    assert row.checked >= "2026-11-28"


@pytest.mark.parametrize(
    ("issuer", "iss", "jwks_uri"),
    [
        (Issuer.auth0("acme.eu.auth0.com", audience="a"), "https://acme.eu.auth0.com/", None),
        (
            Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0"),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab3dE",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab3dE/.well-known/jwks.json",
        ),
        (
            Issuer.cognito("cn-north-1_Ab3dE", client_id="7f0", token="id"),
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab3dE",
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab3dE/.well-known/jwks.json",
        ),
        (
            Issuer.entra(tenants=TENANT, audience="api://shop"),
            f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
        ),
        (
            Issuer.keycloak("https://sso.acme.dev/realms/shop", audience="shop-api"),
            "https://sso.acme.dev/realms/shop",
            None,
        ),
        (
            Issuer.firebase("my-project"),
            "https://securetoken.google.com/my-project",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        ),
        (
            Issuer.google(client_id="x.apps.googleusercontent.com"),
            "https://accounts.google.com",
            "https://www.googleapis.com/oauth2/v3/certs",
        ),
        (
            Issuer.supabase("https://xyz.supabase.co/"),
            "https://xyz.supabase.co/auth/v1",
            "https://xyz.supabase.co/auth/v1/.well-known/jwks.json",
        ),
        (
            Issuer.clerk("https://clerk.acme.dev", authorized_parties=["https://acme.dev"]),
            "https://clerk.acme.dev",
            "https://clerk.acme.dev/.well-known/jwks.json",
        ),
        (
            Issuer.okta("acme.okta.com"),
            "https://acme.okta.com/oauth2/default",
            "https://acme.okta.com/oauth2/default/v1/keys",
        ),
        (
            Issuer.cloudflare("acme", audience="tag"),
            "https://acme.cloudflareaccess.com",
            "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
        ),
    ],
    ids=brief,
)
def test_presets(issuer, iss, jwks_uri):
    assert issuer.issuer == iss
    assert iss in issuer.names
    assert issuer.jwks_uri == jwks_uri
    assert not issuer.accepts_strangers


def test_options_go_beside_a_preset():
    issuer = Issuer.okta("acme.okta.com", leeway=5, identity_claim="uid", required=["exp", "uid"])
    assert (issuer.leeway, issuer.identity_claim, issuer.required) == (5, "uid", ("exp", "uid"))


def test_google_has_two_names():
    google = Issuer.google(client_id="x", hd=["acme.dev"])
    assert google.names == ("https://accounts.google.com", "accounts.google.com")
    assert google.name_of("accounts.google.com") == "https://accounts.google.com"
    assert google.values == {"hd": ("acme.dev",)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tenants": "common"}, "write the ids of the tenants whose users may use this"),
        ({"tenants": "organizations"}, "write the ids of the tenants"),
        ({"tenants": [TENANT], "accept_tenant": bool}, "write the ids of the tenants"),
        ({"tenants": ["acme.onmicrosoft.com"]}, "is not the id of a tenant, which is a GUID"),
        ({"tenants": [TENANT + "/"]}, "is not the id of a tenant"),
        ({"tenants": []}, "tenants must be"),
    ],
    ids=brief,
)
def test_entra_needs_tenants(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Issuer.entra(audience="a", **arguments)


def test_entra_without_tenants_does_not_start():
    with pytest.raises(TypeError, match="tenants"):
        Issuer.entra(audience="a")


def test_tenants_are_issuers_of_their_own():
    other = TENANT[:-1] + "2"
    entra = Issuer.entra(tenants=[TENANT.upper(), other], audience="a")
    assert set(entra.names) == {
        f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/",
        f"https://login.microsoftonline.com/{other}/v2.0", f"https://sts.windows.net/{other}/",
    }  # fmt: skip
    for name in entra.names:
        assert entra.name_of(name) == name
    assert not entra.matches(f"https://sts.windows.net/{TENANT[:-1]}9/")


@pytest.mark.parametrize(
    ("iss", "matches"),
    [
        (f"https://login.microsoftonline.com/{TENANT}/v2.0", True),
        (f"https://sts.windows.net/{TENANT}/", True),
        (f"https://sts.windows.net/{TENANT}", False),
        (f"https://sts.windows.net/{TENANT}/\n", False),
        (f"https://sts.windows.net/{TENANT}/x/", False),
        (f"https://sts1windows.net/{TENANT}/", False),
        ("https://sts.windows.net/{tenant}/", False),
        ("https://sts.windows.net/acme/", False),
        ("https://login.microsoftonline.com/organizations/v2.0", False),
    ],
)
def test_any_tenant(iss, matches):
    entra = Issuer.entra(tenants="organizations", audience="a", accept_tenant=bool)
    assert entra.names == ()
    assert entra.matches(iss) is matches


@pytest.mark.parametrize(("tenants", "accepted"), [("organizations", False), ("common", True)])
def test_personal_accounts(tenants, accepted):
    entra = Issuer.entra(tenants=tenants, audience="a", accept_tenant=bool)
    assert entra.accept_tenant("9188040d-6c67-4c5b-b112-36a304b66dad") is accepted
    assert entra.accept_tenant(TENANT) is True


def test_accepts_strangers():
    assert make(audience=ANY_AUDIENCE).accepts_strangers
    assert repr(ANY_AUDIENCE) == "ANY_AUDIENCE"


def test_cognito_needs_the_id_of_a_pool():
    with pytest.raises(ConfigError, match="write the id of the user pool"):
        Issuer.cognito("pool", client_id="a")
    with pytest.raises(ConfigError, match="token must be"):
        Issuer.cognito("eu-west-1_a", client_id="a", token="refresh")


# Scopes and roles


@pytest.mark.parametrize(
    ("issuer", "claims", "scopes", "roles"),
    [
        (make(), {"scope": "read  write"}, {"read", "write"}, set()),
        (make(), {"scope": None, "roles": ["a"]}, set(), set()),
        (make(), {}, set(), set()),
        (
            Issuer.auth0("a.b", audience="a"),
            {"scope": "openid", "permissions": ["read:a", "write:a"]},
            {"openid", "read:a", "write:a"},
            set(),
        ),
        (
            Issuer.keycloak(URL, audience="a", client="shop"),
            {
                "realm_access": {"roles": ["admin"]},
                "resource_access": {"shop": {"roles": ["clerk"]}, "other": {"roles": ["x"]}},
            },
            set(),
            {"admin", "clerk"},
        ),
        (
            Issuer.keycloak(URL, audience="a"),
            {"realm_access": ["admin"], "resource_access": None},
            set(),
            set(),
        ),
        (
            Issuer.entra(tenants=TENANT, audience="a"),
            {"scp": "read", "roles": ["admin"]},
            {"read"},
            {"admin"},
        ),
        (Issuer.okta("a.b"), {"scp": ["read"], "groups": ["g"]}, {"read"}, {"g"}),
        (
            Issuer.cognito("eu-west-1_a", client_id="c"),
            {"scope": "aws.cognito.signin.user.admin", "cognito:groups": ["admins"]},
            {"aws.cognito.signin.user.admin"},
            {"admins"},
        ),
        (
            make(roles=["https://acme.dev/roles"]),
            {"https://acme.dev/roles": ["a"]},
            set(),
            {"a"},
        ),
    ],
    ids=brief,
)
def test_grants(issuer, claims, scopes, roles):
    assert read_grants(claims, issuer.grant_claims) == (scopes, roles)


# Several issuers


def test_conflicts():
    google = Issuer.google(client_id="x")
    entra = Issuer.entra(tenants="organizations", audience="a", accept_tenant=bool)
    assert find_conflicts([make(), google, entra], "https://shop.example") == []
    assert find_conflicts([make(), google, entra], None) == []
    (twice,) = find_conflicts([make(), make(audience="b")], None)
    assert "'https://idp.example' is there twice; write one Issuer with all its" in twice
    (alias,) = find_conflicts([google, make("accounts.google.com", jwks=JWKS)], None)
    assert "'accounts.google.com' is there twice" in alias
    (own,) = find_conflicts([make()], URL)
    assert "'https://idp.example' is JWT_ENCODE_ISSUER" in own
    (tenant,) = find_conflicts([entra], f"https://sts.windows.net/{TENANT}/")
    assert "is JWT_ENCODE_ISSUER" in tenant
