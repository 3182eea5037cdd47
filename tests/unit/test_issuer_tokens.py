"""Each preset, with tokens that its provider issues and with those that it must not accept."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from functools import cache

import pytest

from flask_jwt import testing
from flask_jwt._clock import Clock
from flask_jwt._issuers.fake import FakeIssuer
from flask_jwt._issuers.issuer import ANY_AUDIENCE, Issuer
from flask_jwt._issuers.presets import PRESETS
from flask_jwt._issuers.registry import OTHER_TYPES, TYPE_CLAIMS, IssuerHost, Issuers
from flask_jwt._issuers.remote_keys import Timing
from flask_jwt._jose.codec import decode_unverified
from flask_jwt._jose.encoding import b64encode
from flask_jwt._jose.keys import Key
from flask_jwt.errors import ConfigError, IssuerUnavailable, TokenExpired, TokenInvalid

NOW = 1_800_000_000
TENANT = "6f1c2b3a-0000-4000-8000-000000000001"
OTHER_TENANT = "6f1c2b3a-0000-4000-8000-000000000002"

ISSUERS = {
    "plain": Issuer("https://idp.example", audience=["api", "api2"]),
    "auth0": Issuer.auth0("acme.eu.auth0.com", audience="https://api.acme.dev"),
    "cognito": Issuer.cognito("eu-west-1_Ab3dE", client_id=["7f0", "7f1"]),
    "cognito_id": Issuer.cognito("eu-west-1_Ab3dE", client_id="7f0", token="id"),
    "entra": Issuer.entra(tenants=[TENANT], audience="api://shop"),
    "entra any": Issuer.entra(
        tenants="organizations",
        audience="api://shop",
        accept_tenant=lambda tid: tid != OTHER_TENANT,
    ),
    "keycloak": Issuer.keycloak("https://sso.acme.dev/realms/shop", audience="shop-api"),
    "firebase": Issuer.firebase("my-project"),
    "google": Issuer.google(client_id="x.apps.googleusercontent.com", hd="acme.dev"),
    "supabase": Issuer.supabase("https://xyz.supabase.co"),
    "clerk": Issuer.clerk("https://clerk.acme.dev", authorized_parties=["https://acme.dev"]),
    "okta": Issuer.okta("acme.okta.com"),
    "cloudflare": Issuer.cloudflare("acme", audience="a1b2"),
}


def Fake(issuer, **options):
    return FakeIssuer(issuer, clock=lambda: NOW, **options)


class Verifier:
    """The issuers of an application, as request_token asks them."""

    def __init__(self, *issuers):
        self.time = testing.Clock(float(NOW))
        clock = Clock(self.time)
        clock.monotonic = self.time
        self.events = []
        notify = lambda name, details: self.events.append((name, details))  # noqa: E731
        self.issuers = Issuers(IssuerHost(clock, Timing, notify))
        self.issuers.replace(issuers)

    def verify(self, token):
        codec = self.issuers.codec_for(*decode_unverified(token, 8192))
        return None if codec is None else codec.verify(token, self.time())

    def rejects(self, token):
        """Return the reason why a token is rejected, or that it is no issuer's."""
        try:
            verified = self.verify(token)
        except TokenInvalid as error:
            code = error.error_code
            return str(error.description) if code in ("token_invalid", "token_expired") else code
        assert verified is None, verified.claims
        return "no issuer"


# Two issuers are enough: one of the preset, another one beside it. RSA keys are made once.
@cache
def fake_of(name):
    return Fake(ISSUERS[name])


STRANGER = Fake(Issuer("https://stranger.example", audience="api"), algorithm="RS256")
ES_STRANGER = Fake(Issuer("https://stranger.example", audience="api"), algorithm="ES256")


@pytest.fixture(params=ISSUERS)
def fake(request):
    return fake_of(request.param)


def verifier_of(fake, **changes):
    return Verifier(replace(fake.issuer, **changes), STRANGER.issuer)


@pytest.fixture
def verifier(fake):
    return verifier_of(fake)


def test_valid(fake, verifier):
    verified = verifier.verify(fake.token("joe"))
    assert verified.claims["sub"] == "joe"
    assert verified.sid is None
    assert verified.codec.is_current()


CLAIMS = {
    "another audience": {"aud": "other"},
    "other audiences": {"aud": ["other", "more"]},
    "no audience": {"aud": None},
    "audience is a number": {"aud": 1},
    "audience in an object": {"aud": {"api": 1}},
    "expired": {"exp": NOW - 31},
    "no exp": {"exp": None},
    "exp is a string": {"exp": str(NOW + 60)},
    "exp is true": {"exp": True},
    "iat in the future": {"iat": NOW + 31},
    "nbf in the future": {"nbf": NOW + 31},
    "no sub": {"sub": None},
    "sub is a number": {"sub": 1},
    "sub is empty": {"sub": ""},
    "sub is a list": {"sub": ["joe"]},
    "jti is a number": {"jti": 1},
    **{
        f"{name} {value}": {name: value}
        for name in TYPE_CLAIMS
        for value in ("refresh", "Refresh", "refresh_token", "Offline")
    },
    "a security event": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}


def has_party(fake):
    return bool({"client_id", "azp"} & fake.issuer.values.keys())


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_claims_that_are_not_accepted(fake, verifier, claims):
    if "aud" in claims and has_party(fake) and claims["aud"] in (None, "other", ["other", "more"]):
        pytest.skip("its tokens have no audience, and name the client instead")
    reason = verifier.rejects(fake.token(**claims))
    for text in (fake.issuer.issuer, "api.acme.dev", "api2", "shop"):
        assert text not in reason, "clients are told nothing about the configuration"


ISS = {
    "none": None,
    "with a slash": "{}/",
    "in upper case": "HTTPS://IDP.EXAMPLE",
    "with a space": "{} ",
    "a list": ["{}"],
    "a number": 1,
    "true": True,
    "long": "https://" + "x" * 10_000,
    "an object": {"{}": "{}"},
    "another": "https://evil.example",
}


@pytest.mark.parametrize("iss", ISS.values(), ids=ISS)
def test_iss_has_to_be_exact(fake, verifier, iss):
    own = fake.claims()["iss"]
    if isinstance(iss, str):
        iss = iss.format(own) if not own.endswith("/") or "/" not in iss else own[:-1]
    if len(str(iss)) > 8000:
        iss = iss[:5000]
    assert verifier.rejects(fake.token(iss=iss)) == "no issuer"


HEADERS = {
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "no alg": {"alg": None},
    "alg is a list": {"alg": ["RS256"]},
    "HS256": {"alg": "HS256"},
    "RS512": {"alg": "RS512"},
    "kid of nobody": {"kid": "nobody"},
    "kid of a path": {"kid": "../../../../dev/null"},
    "kid of a URL": {"kid": "https://evil.example/jwks"},
    "kid of SQL": {"kid": "' OR 1=1 --"},
    "kid is a number": {"kid": 1},
    "kid is empty": {"kid": ""},
    "crit": {"crit": ["exp"]},
    "b64": {"b64": False},
    "typ is a number": {"typ": 1},
    **{typ: {"typ": typ} for typ in sorted(OTHER_TYPES)},
    "logout": {"typ": "Application/Logout+JWT"},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_headers_that_are_not_accepted(fake, verifier, header):
    verifier.rejects(fake.sign(fake.claims(), header))


def test_a_kid_that_no_key_has_is_explained(fake, verifier):
    with pytest.raises(TokenInvalid) as caught:
        verifier.verify(fake.sign(fake.claims(), {"kid": "nobody"}))
    assert "JWT_ISSUER_COOLDOWN" in caught.value.hint
    assert "nobody" not in caught.value.hint


@pytest.mark.parametrize("kid", ["own", None], ids=["its kid", "no kid"])
def test_key_of_one_issuer_with_the_iss_of_another(fake, verifier, kid):
    for stranger in (STRANGER, ES_STRANGER):
        header = {"kid": fake._keys[0].kid if kid else None}
        verifier.rejects(stranger.sign(fake.claims(), header))
        verifier.rejects(fake.sign({**fake.claims(), **stranger.claims()}, header))


@pytest.mark.parametrize("parameter", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_in_the_token(fake, verifier, parameter):
    """It is never read, and no URL in a token is ever fetched."""
    value = {
        "jwk": STRANGER.jwks()["keys"][0],
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/pem",
        "x5c": ["MIIB"],
    }[parameter]
    header = {"kid": STRANGER._keys[0].kid, parameter: value}
    verifier.rejects(STRANGER.sign(fake.claims(), header))
    # A valid signature makes the same parameter harmless.
    assert verifier.verify(fake.sign(fake.claims(), {parameter: value}))


def forms_of_the_public_key(key):
    """Return what an attacker may take for the secret of HS256 (RFC 8725 section 2.1)."""
    from tests.support import public_pem

    pem = public_pem(key._signing)
    jwk = key.public_jwk()
    return [
        pem.encode(), pem.strip().encode(), pem.replace("\n", "").encode(),
        json.dumps(jwk).encode(), json.dumps(jwk, separators=(",", ":")).encode(),
        base64.b64decode("".join(pem.splitlines()[1:-1])),
        jwk.get("n", jwk.get("x")).encode(), b"",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(8))
def test_hs256_with_the_public_key_as_the_secret(fake, verifier, number):
    secret = forms_of_the_public_key(fake._keys[0])[number]
    header = {"alg": "HS256", "typ": "JWT", "kid": fake._keys[0].kid}
    message = ".".join(b64encode(json.dumps(part).encode()) for part in (header, fake.claims()))
    signature = hmac.digest(secret, message.encode(), "sha256")
    verifier.rejects(f"{message}.{b64encode(signature)}")


def test_a_changed_token(fake, verifier):
    header, payload, signature = fake.token().split(".")
    other = fake.token("eve").split(".")[1]
    for token in (
        f"{header}.{other}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{'A' * len(signature)}",
    ):
        verifier.rejects(token)


def test_too_large(fake, verifier):
    with pytest.raises(TokenInvalid, match="longer than 8192 bytes"):
        verifier.verify(fake.token(more="x" * 9000))


# The rules of single presets: their own tokens for other purposes, and other people's


@pytest.mark.parametrize(
    ("name", "claims", "reason"),
    [
        # An ID token in place of an access token.
        ("auth0", {"aud": "client-id", "nonce": "n"}, "Audience"),
        ("cognito", {"token_use": "id", "aud": "7f0", "client_id": None}, '"token_use" claim'),
        ("cognito", {"token_use": "id"}, '"token_use" claim'),
        ("cognito", {"token_use": None}, 'missing the "token_use"'),
        ("cognito", {"client_id": "other"}, '"client_id" claim'),
        ("cognito", {"client_id": ["7f0"]}, '"client_id" claim'),
        ("cognito", {"client_id": None}, 'missing the "client_id"'),
        ("cognito", {"client_id": None, "aud": "7f0"}, 'missing the "client_id"'),
        ("cognito_id", {"token_use": "access"}, '"token_use" claim'),
        ("cognito_id", {"aud": "other"}, "Audience"),
        ("keycloak", {"typ": "ID"}, '"typ" claim'),
        ("keycloak", {"typ": "Refresh"}, '"typ" claim'),
        ("keycloak", {"typ": "Offline"}, '"typ" claim'),
        ("keycloak", {"typ": None}, 'missing the "typ"'),
        ("keycloak", {"aud": "account"}, "Audience"),
        ("entra", {"azp": None}, 'missing the "azp"'),
        ("entra", {"aud": "00000003-0000-0000-c000-000000000000"}, "Audience"),
        ("entra", {"tid": None}, '"tid"'),
        ("entra", {"tid": OTHER_TENANT}, '"tid" claim is not that of the issuer'),
        ("entra", {"tid": 1}, '"tid"'),
        ("entra any", {"tid": OTHER_TENANT}, '"tid" claim is not that of the issuer'),
        ("firebase", {"aud": "other-project"}, "Audience"),
        ("firebase", {"auth_time": None}, 'missing the "auth_time"'),
        ("google", {"aud": "other.apps.googleusercontent.com"}, "Audience"),
        ("google", {"hd": "other.dev"}, '"hd" claim'),
        ("google", {"hd": None}, 'missing the "hd"'),
        ("supabase", {"aud": "anon"}, "Audience"),
        ("clerk", {"azp": "https://evil.dev"}, '"azp" claim'),
        ("clerk", {"azp": None}, 'missing the "azp"'),
        ("clerk", {"sid": None}, 'missing the "sid"'),
        ("okta", {"aud": "0oa1", "cid": None, "nonce": "n"}, ""),
        ("okta", {"cid": None}, 'missing the "cid"'),
        ("okta", {"aud": "https://acme.okta.com"}, "Audience"),
        ("cloudflare", {"type": "org"}, '"type" claim'),
        ("cloudflare", {"type": None}, 'missing the "type"'),
        ("cloudflare", {"sub": ""}, '"sub" claim is empty'),
        ("cloudflare", {"aud": ["other"]}, "Audience"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_tokens_of_the_provider(name, claims, reason):
    fake = fake_of(name)
    assert reason in verifier_of(fake).rejects(fake.token(**claims))


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("plain", {"aud": ["other", "api2"]}),
        ("auth0", {"aud": ["https://api.acme.dev", "https://acme.eu.auth0.com/userinfo"]}),
        ("cognito", {"client_id": "7f1"}),
        ("entra", {"azp": None, "appid": "x", "iss": f"https://sts.windows.net/{TENANT}/"}),
        ("entra any", {"tid": TENANT, "iss": f"https://sts.windows.net/{TENANT}/"}),
        ("google", {"iss": "accounts.google.com"}),
        ("clerk", {"aud": "anything"}),
        ("plain", {"exp": NOW - 29}),
        ("plain", {"iat": NOW + 29, "nbf": NOW + 29}),
        ("plain", {"iat": None}),
        ("plain", {"exp": NOW + 0.5}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_tokens_of_other_shapes(name, claims):
    assert verifier_of(fake_of(name)).verify(fake_of(name).token(**claims))


def test_header_types_that_are_accepted(fake, verifier):
    for typ in (None, "JWT", "jwt", "at+jwt", "application/at+jwt"):
        assert verifier.verify(fake.sign(fake.claims(), {"typ": typ}))


def test_required_type(fake):
    verifier = verifier_of(fake, typ="at+jwt")
    assert verifier.verify(fake.sign(fake.claims(), {"typ": "application/AT+JWT"}))
    for typ in (None, "JWT", "", "id+jwt"):
        assert "type" in verifier.rejects(fake.sign(fake.claims(), {"typ": typ}))


# Tenants


def entra_keys(*issuers, **options):
    """Return Microsoft's keys, each restricted to an issuer, and what verifies with them."""
    fake = fake_of("entra any")
    jwks = [{**fake.jwks()["keys"][0], "issuer": issuer} for issuer in issuers]
    return Verifier(replace(fake.issuer, jwks={"keys": jwks}, jwks_uri=None, **options)), fake


@pytest.mark.parametrize(
    ("of_key", "accepted"),
    [
        ("https://login.microsoftonline.com/{tenantid}/v2.0", True),
        (f"https://login.microsoftonline.com/{TENANT}/v2.0", True),
        (f"https://sts.windows.net/{TENANT}/", True),
        ("https://sts.windows.net/{tenantid}/", True),
        ("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", False),
        (f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", False),
        ("https://login.microsoftonline.us/{tenantid}/v2.0", False),
        (None, True),
        (["https://login.microsoftonline.com/{tenantid}/v2.0"], False),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_issuer_of_the_key(of_key, accepted, version):
    verifier, fake = entra_keys(of_key)
    iss = {
        "v1": f"https://sts.windows.net/{TENANT}/",
        "v2": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    }[version]
    token = fake.token(tid=TENANT, iss=iss)
    if accepted:
        assert verifier.verify(token)
    else:
        assert "key" in verifier.rejects(token)


def test_another_tenant_with_the_shared_key():
    fake = fake_of("entra any")
    iss = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"
    verifier = verifier_of(fake)
    assert '"tid" claim is not accepted' in verifier.rejects(fake.token(tid=OTHER_TENANT, iss=iss))
    listed = verifier_of(fake_of("entra"))
    token = fake_of("entra").token(tid=OTHER_TENANT, iss=iss)
    assert listed.rejects(token) == "no issuer"


def test_the_tenant_is_asked_about_only_after_the_signature():
    asked = []
    fake = fake_of("entra any")
    verifier = verifier_of(fake, accept_tenant=lambda tid: asked.append(tid) or True)
    verifier.rejects(STRANGER.sign(fake.claims(), {"kid": fake._keys[0].kid}))
    assert asked == []
    verifier.verify(fake.token())
    assert asked == [fake.claims()["tid"]]


# What our own claims mean in a foreign token: nothing


def test_our_claims_are_removed(fake, verifier):
    ours = {"identity": 1, "csrf": "x", "fresh": True, "sid": "0" * 32}
    verified = verifier.verify(fake.token(**ours, type=fake.claims().get("type", "access")))
    assert verified.claims.keys() & {"identity", "csrf", "fresh", "type", "sid"} == {"sid"}
    assert verified.sid is None


def test_our_claims_are_removed_from_errors(fake, verifier):
    with pytest.raises(TokenExpired) as caught:
        verifier.verify(fake.token(identity=1, fresh=True, exp=NOW - 60))
    assert caught.value.jwt_data["sub"] == "joe"
    assert not {"identity", "fresh"} & caught.value.jwt_data.keys()


def test_expired_is_the_last_thing_that_is_wrong(fake, verifier):
    """decode_token(allow_expired=True) accepts a token with nothing else wrong."""
    for claims in ({"sub": ""}, {"iss": "x"}, {"events": {}}):
        with pytest.raises(TokenInvalid) as caught:
            if verifier.verify(fake.token(exp=NOW - 60, **claims)) is None:
                raise TokenInvalid("no issuer")
        assert not isinstance(caught.value, TokenExpired)


# check, identity_claim


def test_check():
    fake = fake_of("plain")
    seen = []

    def check(claims):
        seen.append(claims)
        claims["sub"] = "eve"
        return claims.get("department") == "sales"

    verifier = verifier_of(fake, check=check)
    assert verifier.verify(fake.token(department="sales")).claims["sub"] == "joe"
    assert "not accepted" in verifier.rejects(fake.token())
    assert len(seen) == 2


def test_check_raises():
    import jwt

    def check(claims):
        raise jwt.InvalidTokenError("Wrong department")

    fake = fake_of("plain")
    assert verifier_of(fake, check=check).rejects(fake.token()) == "Wrong department"

    def broken(claims):
        return claims["department"]

    with pytest.raises(KeyError):
        verifier_of(fake, check=broken).verify(fake.token())


@pytest.mark.parametrize(("value", "accepted"), [("x", True), (7, True), (True, False), ([], False), (1.5, False), ({}, False), (None, False)])  # fmt: skip
def test_identity_claim(value, accepted):
    fake = fake_of("plain")
    verifier = verifier_of(fake, identity_claim="oid", required=("exp",))
    token = fake.token(oid=value)
    if accepted:
        assert verifier.verify(token)
    else:
        assert "oid" in verifier.rejects(token)


def test_any_audience():
    fake = fake_of("plain")
    verifier = verifier_of(fake, audience=ANY_AUDIENCE)
    for aud in (None, "anything", ["a", "b"]):
        assert verifier.verify(fake.token(aud=aud))
    assert "aud" in verifier.rejects(fake.token(aud=1))


# Keys over time


def test_rotation():
    fake = Fake(Issuer("https://idp.example", audience="api"))
    verifier = Verifier(fake.issuer)
    old = fake.token()
    before = verifier.verify(old)
    assert before.codec.is_current()
    fake.rotate()
    verifier.time.tick(30)
    assert verifier.verify(fake.token())
    assert not before.codec.is_current()
    assert "Signature" in verifier.rejects(old)
    ((name, details),) = verifier.events
    assert name == "issuer_keys_changed"
    assert details == {
        "issuer": "https://idp.example", "added": {"key-2"}, "removed": {"key-1"},
        "unknown_kids": 0,
    }  # fmt: skip


def test_outage():
    fake = Fake(Issuer("https://idp.example", audience="api"))
    fake.down("refused")
    verifier = Verifier(fake.issuer)
    token = fake.token()
    with pytest.raises(IssuerUnavailable) as caught:
        verifier.verify(token)
    assert caught.value.status_code == 503
    assert caught.value.error_code == "issuer_unavailable"
    assert int(caught.value.headers["Retry-After"]) >= 1
    assert "idp" not in str(caught.value.body)
    fake.up()
    verifier.time.tick(2)
    assert verifier.verify(token)


def test_a_verified_token_is_not_current_when_keys_are_too_old():
    fake = Fake(Issuer("https://idp.example", audience="api"))
    verifier = Verifier(fake.issuer)
    verified = verifier.verify(fake.token(exp=NOW + 10**6))
    fake.down()
    verifier.time.tick(86400)
    assert not verified.codec.is_current()


def test_no_fetch_for_strangers_or_other_algorithms():
    """A flood of them costs no request to the issuer."""
    fake = Fake(Issuer("https://idp.example", audience="api"))
    verifier = Verifier(fake.issuer)
    for number in range(100):
        assert verifier.rejects(fake.token(iss=f"https://{number}.example")) == "no issuer"
        verifier.rejects(fake.sign(fake.claims(), {"alg": "RS512", "kid": str(number)}))
        verifier.rejects(fake.sign(fake.claims(), {"crit": ["exp"]}))
    assert fake.requests == 0


def test_fixed_keys_are_never_fetched():
    fake = Fake(Issuer("https://idp.example", audience="api"))
    verifier = Verifier(replace(fake.issuer, jwks=fake.jwks()))
    verified = verifier.verify(fake.token(exp=NOW + 10**9))
    verifier.time.tick(10**8)
    assert verified.codec.is_current()
    verifier.rejects(fake.sign(fake.claims(), {"kid": "unknown"}))
    assert fake.requests == 0


def test_metadata_of_another_issuer():
    fake = Fake(Issuer("https://idp.example", audience="api"))
    other = Fake(Issuer("https://idp.example/", audience="api"))
    verifier = Verifier(replace(fake.issuer, fetch=other.issuer.fetch))
    with pytest.raises(IssuerUnavailable):
        verifier.verify(fake.token())


# A changed configuration


def test_unchanged_issuers_keep_their_keys():
    one, two = (Fake(Issuer(f"https://{name}.example", audience="api")) for name in ("a", "b"))
    verifier = Verifier(one.issuer, two.issuer)
    of_one, of_two = verifier.verify(one.token()), verifier.verify(two.token())
    changed = replace(two.issuer, audience="other")
    verifier.issuers.replace([changed, replace(one.issuer)])
    assert of_one.codec.is_current()
    assert verifier.verify(one.token()).codec is of_one.codec
    assert not of_two.codec.is_current()
    assert verifier.rejects(two.token())
    verifier.issuers.replace([])
    assert not of_one.codec.is_current()
    assert not verifier.issuers
    assert verifier.rejects(one.token()) == "no issuer"
    verifier.issuers.replace([one.issuer])
    assert not of_one.codec.is_current()
    assert verifier.verify(one.token())


# Fake issuers


@pytest.mark.parametrize("like", PRESETS)
def test_fake_issuers_are_like_presets(like):
    fake = FakeIssuer("https://idp.test", like=like)
    verifier = Verifier(fake.issuer)
    verifier.time.now = fake.now()
    claims = verifier.verify(fake.token("joe")).claims
    assert claims["iss"] == "https://idp.test"
    for claim in PRESETS[like].values:
        if claim in fake.issuer.values and claim != "type":
            assert claim in claims


def test_fake_issuer_like_nobody():
    with pytest.raises(ConfigError, match="like must be one of auth0, cognito"):
        FakeIssuer(like="keycloack")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_fake_issuer_with_an_algorithm(algorithm):
    fake = Fake("https://idp.test", algorithm=algorithm)
    assert Verifier(fake.issuer).verify(fake.token())
    assert repr(fake) == "<FakeIssuer https://idp.test>"


def test_fake_issuer_keeps_old_keys():
    fake = Fake("https://idp.test")
    token = fake.token()
    fake.rotate(keep=True)
    verifier = Verifier(fake.issuer)
    assert verifier.verify(token)
    assert verifier.verify(fake.token())


def test_keys_have_one_algorithm():
    """An RSA key without alg verifies RS256 only, although the issuer accepts PS256 too."""
    key = Key.generate("RS256", kid="k")
    jwk = {name: value for name, value in key.public_jwk().items() if name != "alg"}
    fake = Fake(Issuer("https://idp.example", audience="api", algorithms=["RS256", "PS256"]))
    verifier = Verifier(replace(fake.issuer, jwks={"keys": [jwk]}))
    fake._keys = [key]
    assert verifier.verify(fake.token())
    fake._keys = [Key("PS256", key._signing, key._verifying, kid="k")]
    verifier.rejects(fake.token())
