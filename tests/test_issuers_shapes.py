"""Tokens with the claims that each provider documents: what its guards let them do.

The claims are those of the examples in the sources of :mod:`flask_jwt._issuers.presets`, with
other names; only the dates are those of the test.
"""

from __future__ import annotations

import pytest

from flask_jwt import JWT, Issuer, get_jwt_identity, get_jwt_issuer
from flask_jwt.testing import FakeIssuer
from tests.support import bearer, make_app

TENANT = "fa15d692-e9c7-4460-a743-29f29522229a"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
POOL = "us-east-1_EXAMPLE"
COGNITO = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
AUD_TAG = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"

AUTH0 = Issuer.auth0("my-domain.auth0.com", audience="https://example.com/health-api")
ENTRA = Issuer.entra(tenants=[TENANT], audience=["ef1da9d4-ff77-4c3e-a005-840c3f830745"])
KEYCLOAK = Issuer.keycloak(
    "https://sso.acme.dev/realms/shop", audience="service1", client="service1"
)
FIREBASE = Issuer.firebase("your-project-id", roles=["role"])
GOOGLE = Issuer.google(client_id="1234987819200.apps.googleusercontent.com", hd="example.com")
SUPABASE = Issuer.supabase("https://abcdefghijklmnopqrst.supabase.co")
CLERK = Issuer.clerk("https://clerk.your-site.com", authorized_parties=["https://example.com"])
OKTA = Issuer.okta("foobar.okta.com")
CLOUDFLARE = Issuer.cloudflare("yourteam", audience=AUD_TAG)
ACCESS = Issuer.cognito(POOL, client_id="xxxxxxxxxxxxexample")
ID = Issuer.cognito(POOL, client_id="xxxxxxxxxxxxexample", token="id")

AUTH0_CLAIMS = {
    "iss": "https://my-domain.auth0.com/",
    "sub": "auth0|123456",
    "aud": ["https://example.com/health-api", "https://my-domain.auth0.com/userinfo"],
    "azp": "my_client_id",
    "scope": "openid profile read:patients read:admin",
    "my_custom_claim": "my_custom_value",
}

COGNITO_CLAIMS = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "device_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "cognito:groups": ["admins", "testers"],
    "iss": COGNITO,
    "version": 2,
    "client_id": "xxxxxxxxxxxxexample",
    "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "event_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "token_use": "access",
    "scope": "phone openid shop/read profile email",
    "auth_time": 1676313851,
    "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "username": "my-test-user",
}

COGNITO_ID_CLAIMS = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "cognito:groups": ["admins"],
    "email_verified": True,
    "cognito:preferred_role": "arn:aws:iam::111122223333:role/my-test-role",
    "cognito:roles": ["arn:aws:iam::111122223333:role/my-test-role"],
    "iss": COGNITO,
    "cognito:username": "my-test-user",
    "nonce": "abcdefg",
    "aud": "xxxxxxxxxxxxexample",
    "identities": [{"userId": "x", "providerName": "SignInWithApple", "primary": "true"}],
    "token_use": "id",
    "auth_time": 1676312777,
}

#: Version 1.0: iss of another host, appid, amr, an idp that is another tenant, unique_name.
ENTRA_V1_CLAIMS = {
    "aud": "ef1da9d4-ff77-4c3e-a005-840c3f830745",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "acr": "1",
    "aio": "AXQAi/8IAAAAFm+E/QTG",
    "amr": ["wia"],
    "appid": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
    "appidacr": "0",
    "idp": "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd0122247/",
    "ipaddr": "222.222.222.22",
    "name": "abeli",
    "oid": "02223b6b-aa1d-42d4-9ec0-1b2bb9194438",
    "rh": "I",
    "scp": "user_impersonation",
    "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
    "tid": TENANT,
    "unique_name": "abeli@microsoft.com",
    "uti": "FVsGxYXI30-TuikuuUoFAA",
    "ver": "1.0",
}

ENTRA_V2_CLAIMS = {
    "aud": "ef1da9d4-ff77-4c3e-a005-840c3f830745",
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "aio": "AXQAi/8IAAAAtAaLo3Ch",
    "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "azpacr": "0",
    "name": "Abe Lincoln",
    "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "preferred_username": "abeli@microsoft.com",
    "rh": "I",
    "scp": "access_as_user orders.read",
    "roles": ["Orders.Admin"],
    "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    "tid": TENANT,
    "uti": "fqiBqXLPj0eQa82S-IYFAA",
    "ver": "2.0",
}

#: A program without a user: roles in place of scp.
ENTRA_APP_CLAIMS = {
    "aud": "ef1da9d4-ff77-4c3e-a005-840c3f830745",
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "azpacr": "1",
    "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "roles": ["Orders.ReadAll"],
    "sub": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "tid": TENANT,
    "ver": "2.0",
}

KEYCLOAK_CLAIMS = {
    "jti": "f3a5f5ab-4a1f-4b5f-8b0e-3d6f3f0d3c0a",
    "iss": "https://sso.acme.dev/realms/shop",
    "aud": ["service1", "account"],
    "sub": "2b4d6a7e-95a6-4d3f-a6f3-1b7f6e7d8c9a",
    "typ": "Bearer",
    "azp": "frontend-client",
    "sid": "8b0e3d6f-3f0d-4c0a-9f3a-5f5ab4a1f4b5",
    "acr": "1",
    "allowed-origins": ["https://acme.dev"],
    "realm_access": {"roles": ["offline_access", "uma_authorization", "admin"]},
    "resource_access": {
        "service1": {"roles": ["service1-role"], "verify_caller": False},
        "account": {"roles": ["manage-account"]},
    },
    "scope": "profile service1-scope email",
    "email_verified": False,
    "preferred_username": "john",
}

FIREBASE_CLAIMS = {
    "name": "John Doe",
    "iss": "https://securetoken.google.com/your-project-id",
    "aud": "your-project-id",
    "auth_time": 1626123456,
    "user_id": "A123B456C78",
    "sub": "A123B456C78",
    "email": "johndoe@example.com",
    "email_verified": False,
    "firebase": {
        "identities": {"email": ["johndoe@example.com"]},
        "sign_in_provider": "password",
    },
    "role": "admin",
}

GOOGLE_CLAIMS = {
    "iss": "https://accounts.google.com",
    "azp": "1234987819200.apps.googleusercontent.com",
    "aud": "1234987819200.apps.googleusercontent.com",
    "sub": "10769150350006150715113082367",
    "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    "hd": "example.com",
    "email": "jsmith@example.com",
    "email_verified": "true",
    "nonce": "0394852-3190485-2490358",
}

SUPABASE_CLAIMS = {
    "aal": "aal1",
    "amr": [{"method": "password", "timestamp": 1640991600}],
    "app_metadata": {"provider": "email", "providers": ["email"], "roles": ["editor"]},
    "aud": "authenticated",
    "email": "user@example.com",
    "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
    "phone": "",
    "role": "authenticated",
    "session_id": "123e4567-e89b-12d3-a456-426614174000",
    "sub": "123e4567-e89b-12d3-a456-426614174000",
    # Users can change it themselves.
    "user_metadata": {"name": "John Doe", "roles": ["admin"], "role": "admin"},
    "is_anonymous": False,
}

CLERK_V2_CLAIMS = {
    "azp": "https://example.com",
    "fva": [7, -1],
    "iss": "https://clerk.your-site.com",
    "jti": "1234567890",
    "sid": "sess_123",
    "sub": "user_123",
    "v": 2,
    "pla": "u:free,o:pro",
    "fea": "o:dashboard,o:impersonation",
    "sts": "active",
    "o": {"id": "org_123", "slg": "org-slug", "rol": "admin", "per": "read,manage", "fpm": "3,2"},
    "act": {"iss": "https://dashboard.clerk.com", "sid": "sess_456", "sub": "user_456"},
}

CLERK_V1_CLAIMS = {
    "azp": "https://example.com",
    "fva": [7, -1],
    "iss": "https://clerk.your-site.com",
    "sid": "sess_123",
    "sub": "user_123",
    "org_id": "org_123",
    "org_permissions": ["org:admin:example_permission", "org:member:example_permission"],
    "org_slug": "org-slug",
    "org_role": "org:admin",
}

OKTA_CLAIMS = {
    "ver": 1,
    "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    "iss": "https://foobar.okta.com/oauth2/default",
    "aud": "api://default",
    "cid": "0oabv6kx4qq6h1U5l0h7",
    "uid": "00ujmkLgagxeRrAg20g3",
    "scp": ["openid", "email", "orders:read"],
    "auth_time": 1657621173,
    "sub": "username@foobar.org",
    "groups": ["Everyone", "Shop Admins"],
}

CLOUDFLARE_CLAIMS = {
    "aud": [AUD_TAG],
    "email": "user@example.com",
    "iss": "https://yourteam.cloudflareaccess.com",
    "type": "app",
    "identity_nonce": "6ei69kawdKzMIAPF",
    "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
    "country": "US",
    "custom": {"groups": ["Developers"]},
}

#: A token of a program: an empty subject.
CLOUDFLARE_SERVICE_CLAIMS = {
    "type": "app",
    "aud": [AUD_TAG],
    "iss": "https://yourteam.cloudflareaccess.com",
    "common_name": "e367826f93b8d71185e03fe518aff3b4.access",
    "sub": "",
}


def without(claims, *names):
    return {name: value for name, value in claims.items() if name not in names}


def test_documented_token(shape):
    """Its user is known, and has exactly these scopes and roles."""
    issuer, claims, header, scopes, roles = shape
    idp = idp_of(issuer)
    guards = {"/": {}}
    guards |= {f"/scope/{number}": {"scopes": name} for number, name in enumerate(sorted(scopes))}
    guards |= {f"/role/{number}": {"roles": name} for number, name in enumerate(sorted(roles))}
    for name in NOT_GRANTED:
        guards |= {f"/not/scope/{name}": {"scopes": name}, f"/not/role/{name}": {"roles": name}}
    if scopes:
        guards["/all"] = {"scopes": sorted(scopes)}
    app = build(idp, guards)
    client, headers = app.test_client(), bearer(sign(idp, claims, header))
    statuses = {path: client.get(path, headers=headers).status_code for path in guards}
    assert statuses == {path: 403 if path.startswith("/not/") else 200 for path in guards}
    body = client.get("/", headers=headers).get_json()
    assert body["subject"] == claims[issuer.identity_claim]
    assert body["issuer"] == issuer.name_of(claims["iss"])


#: Names that stand somewhere in the tokens, but aren't grants.
NOT_GRANTED = (
    "my_custom_value", "manage-account", "user_metadata", "superuser", "read,manage", "per",
    "org:admin:example_permission", "Developers", "arn:aws:iam::111122223333:role/my-test-role",
    "u:free", "account",
)  # fmt: skip

#: issuer, claims, parameters of the header, scopes, roles
SHAPES = {
    "auth0": (
        AUTH0, AUTH0_CLAIMS, {}, {"openid", "profile", "read:patients", "read:admin"}, set(),
    ),
    "auth0 with RBAC": (
        AUTH0, {**AUTH0_CLAIMS, "scope": "openid", "permissions": ["read:patients"]}, {},
        {"openid", "read:patients"}, set(),
    ),
    "auth0 with RBAC, no permissions": (
        AUTH0, {**AUTH0_CLAIMS, "scope": "openid", "permissions": []}, {}, {"openid"}, set(),
    ),
    "auth0, RFC 9068": (
        AUTH0,
        {**without(AUTH0_CLAIMS, "azp"), "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmhQt"},
        {"typ": "at+jwt"}, {"openid", "profile", "read:patients", "read:admin"}, set(),
    ),
    "auth0, a program": (
        AUTH0,
        {**AUTH0_CLAIMS, "sub": "my_client_id@clients", "aud": "https://example.com/health-api",
         "gty": "client-credentials", "scope": "read:patients"},
        {}, {"read:patients"}, set(),
    ),
    "cognito": (
        ACCESS, COGNITO_CLAIMS, {"typ": None},
        {"phone", "openid", "shop/read", "profile", "email"}, {"admins", "testers"},
    ),
    "cognito, updated issuer": (
        ACCESS,
        {**COGNITO_CLAIMS, "iss": f"https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}"},
        {"typ": None}, {"phone", "openid", "shop/read", "profile", "email"}, {"admins", "testers"},
    ),
    "cognito without a group": (
        ACCESS, without(COGNITO_CLAIMS, "cognito:groups"), {"typ": None},
        {"phone", "openid", "shop/read", "profile", "email"}, set(),
    ),
    "cognito, a program": (
        ACCESS,
        {"sub": "xxxxxxxxxxxxexample", "token_use": "access", "scope": "shop/read", "iss": COGNITO,
         "version": 2, "jti": "aaaaaaaa", "client_id": "xxxxxxxxxxxxexample"},
        {"typ": None}, {"shop/read"}, set(),
    ),
    "cognito, ID token": (ID, COGNITO_ID_CLAIMS, {"typ": None}, set(), {"admins"}),
    "entra 1.0": (
        ENTRA, ENTRA_V1_CLAIMS, {"x5t": "key-1"}, {"user_impersonation"}, set(),
    ),
    "entra 2.0": (
        ENTRA, ENTRA_V2_CLAIMS, {}, {"access_as_user", "orders.read"}, {"Orders.Admin"},
    ),
    "entra, a program": (ENTRA, ENTRA_APP_CLAIMS, {}, set(), {"Orders.ReadAll"}),
    "keycloak": (
        KEYCLOAK, KEYCLOAK_CLAIMS, {}, {"profile", "service1-scope", "email"},
        {"offline_access", "uma_authorization", "admin", "service1-role"},
    ),
    "keycloak, one audience, no roles": (
        KEYCLOAK, {**without(KEYCLOAK_CLAIMS, "realm_access", "resource_access"),
                   "aud": "service1"},
        {}, {"profile", "service1-scope", "email"}, set(),
    ),
    "keycloak, at+jwt": (
        KEYCLOAK, without(KEYCLOAK_CLAIMS, "resource_access"), {"typ": "at+jwt"},
        {"profile", "service1-scope", "email"}, {"offline_access", "uma_authorization", "admin"},
    ),
    "firebase": (FIREBASE, FIREBASE_CLAIMS, {}, set(), {"admin"}),
    "firebase without a role": (
        Issuer.firebase("your-project-id"), FIREBASE_CLAIMS, {}, set(), set(),
    ),
    "google": (GOOGLE, GOOGLE_CLAIMS, {}, set(), set()),
    "google, short issuer": (
        GOOGLE, {**GOOGLE_CLAIMS, "iss": "accounts.google.com"}, {}, set(), set(),
    ),
    "supabase": (SUPABASE, SUPABASE_CLAIMS, {}, set(), {"authenticated", "editor"}),
    "supabase without roles": (
        SUPABASE, {**SUPABASE_CLAIMS, "app_metadata": {"provider": "email"}}, {}, set(),
        {"authenticated"},
    ),
    "supabase with a hook": (
        Issuer.supabase("https://abcdefghijklmnopqrst.supabase.co", roles=["user_role"]),
        {**SUPABASE_CLAIMS, "user_role": "moderator"}, {}, set(), {"moderator"},
    ),
    "clerk 2": (CLERK, CLERK_V2_CLAIMS, {}, set(), {"admin"}),
    "clerk 1": (CLERK, CLERK_V1_CLAIMS, {}, set(), {"org:admin"}),
    "clerk without an organization": (
        CLERK, without(CLERK_V2_CLAIMS, "o", "act", "sts"), {}, set(), set(),
    ),
    "okta": (
        OKTA, OKTA_CLAIMS, {}, {"openid", "email", "orders:read"}, {"Everyone", "Shop Admins"},
    ),
    "okta, a program": (
        OKTA, {**without(OKTA_CLAIMS, "uid", "groups", "auth_time"),
               "sub": "0oabv6kx4qq6h1U5l0h7", "scp": ["orders:read"]},
        {}, {"orders:read"}, set(),
    ),
    "cloudflare": (CLOUDFLARE, CLOUDFLARE_CLAIMS, {}, set(), set()),
    "cloudflare, a program": (
        Issuer.cloudflare(
            "yourteam", audience=AUD_TAG, identity_claim="common_name", required=["exp", "iss"]
        ),
        CLOUDFLARE_SERVICE_CLAIMS, {}, set(), set(),
    ),
}  # fmt: skip


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def shape(request):
    return request.param


class Provider(FakeIssuer):
    """Publish keys as providers do: foreign ones beside their own, which has no alg."""

    def jwks(self):
        (own,) = super().jwks()["keys"]
        for_encryption = {**own, "use": "enc", "alg": "RSA-OAEP", "kid": "enc"}
        bare = {name: value for name, value in own.items() if name != "alg"}
        certificate = {"x5c": ["MIIC…"], "x5t": "abc", "x5t#S256": "abc"}
        unknown = {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"}
        return {"keys": [for_encryption, unknown, {**bare, "use": "sig", **certificate}]}


# Made once for each issuer: an RSA key takes longer to make than the tests to run.
_idps: dict[str, Provider] = {}


def idp_of(issuer):
    key = f"{issuer.issuer} {issuer.values} {issuer.roles} {issuer.identity_claim}"
    if key not in _idps:
        # With EdDSA or ES256 where the provider has it; both are as good as RS256 here.
        _idps[key] = Provider(issuer)
    return _idps[key]


def sign(idp, claims, header=()):
    now = int(idp.now())
    dates = {"iat": now, "exp": now + 3600}
    return idp.sign({**claims, **dates}, dict(header))


def build(idp, guards):
    def show():
        return {"subject": get_jwt_identity(), "issuer": get_jwt_issuer()}

    app = make_app(
        JWT, users=False, clock=idp.now, guards=guards, show=show, SECRET_KEY=None,
        JWT_ISSUERS=[idp.issuer],
    )  # fmt: skip
    app.extensions["flask-jwt"].clock.monotonic = app.clock
    return app


REJECTED = {
    "auth0, ID token": (
        AUTH0,
        {"iss": "https://my-domain.auth0.com/", "sub": "auth0|123456", "aud": "my_client_id",
         "name": "Jane Doe", "nonce": "n"},
    ),
    "auth0, http": (AUTH0, {**AUTH0_CLAIMS, "iss": "http://my-domain.auth0.com/"}),
    "auth0, only for /userinfo": (
        AUTH0, {**AUTH0_CLAIMS, "aud": ["https://my-domain.auth0.com/userinfo"]},
    ),
    "cognito, ID token": (ACCESS, COGNITO_ID_CLAIMS),
    "cognito, another client": (ACCESS, {**COGNITO_CLAIMS, "client_id": "other"}),
    "cognito, another pool": (ACCESS, {**COGNITO_CLAIMS, "iss": COGNITO.replace("EXA", "EXB")}),
    "cognito, access token for an ID token": (ID, COGNITO_CLAIMS),
    "entra, ID token": (
        ENTRA,
        {**without(ENTRA_V2_CLAIMS, "azp", "azpacr", "scp"), "nonce": "12345"},
    ),
    "entra, Graph": (
        ENTRA, {**ENTRA_V1_CLAIMS, "aud": "00000003-0000-0000-c000-000000000000"},
    ),
    "entra, personal account": (
        ENTRA,
        {**ENTRA_V2_CLAIMS, "tid": CONSUMERS,
         "iss": f"https://login.microsoftonline.com/{CONSUMERS}/v2.0"},
    ),
    "keycloak, ID token": (
        KEYCLOAK,
        {**without(KEYCLOAK_CLAIMS, "realm_access", "resource_access", "scope"), "typ": "ID",
         "aud": "frontend-client"},
    ),
    "keycloak, without its audience": (KEYCLOAK, {**KEYCLOAK_CLAIMS, "aud": "account"}),
    "keycloak, DPoP": (
        KEYCLOAK, {**KEYCLOAK_CLAIMS, "typ": "DPoP", "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN"}},
    ),
    "keycloak without the scope basic": (KEYCLOAK, without(KEYCLOAK_CLAIMS, "sub")),
    "firebase, session cookie": (
        FIREBASE,
        {**FIREBASE_CLAIMS, "iss": "https://session.firebase.google.com/your-project-id"},
    ),
    "google, another domain": (GOOGLE, {**GOOGLE_CLAIMS, "hd": "evil.example"}),
    "google, private account": (GOOGLE, without(GOOGLE_CLAIMS, "hd")),
    "supabase, anon key": (
        SUPABASE, {"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "anon"},
    ),
    "supabase, service key": (
        SUPABASE, {"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role"},
    ),
    "clerk, pending": (CLERK, {**CLERK_V2_CLAIMS, "sts": "pending"}),
    "clerk, another page": (CLERK, {**CLERK_V2_CLAIMS, "azp": "https://evil.example"}),
    "okta, ID token": (
        OKTA,
        {**without(OKTA_CLAIMS, "cid", "uid", "scp"), "aud": "0oabv6kx4qq6h1U5l0h7", "nonce": "n"},
    ),
    "okta, org server": (
        OKTA, {**OKTA_CLAIMS, "iss": "https://foobar.okta.com", "aud": "https://foobar.okta.com"},
    ),
    "cloudflare, of the team": (CLOUDFLARE, {**CLOUDFLARE_CLAIMS, "type": "org"}),
    "cloudflare, a program": (CLOUDFLARE, CLOUDFLARE_SERVICE_CLAIMS),
}  # fmt: skip


@pytest.mark.parametrize(("issuer", "claims"), REJECTED.values(), ids=REJECTED)
def test_other_tokens_of_the_provider(issuer, claims):
    idp = idp_of(issuer)
    response = build(idp, {"/": {}}).test_client().get("/", headers=bearer(sign(idp, claims)))
    assert response.status_code == 401, response.text


def test_a_check_beside_that_of_clerk():
    issuer = Issuer.clerk(
        "https://clerk.your-site.com",
        authorized_parties=["https://example.com"],
        check=lambda claims: "act" not in claims,
    )
    idp = Provider(issuer)
    client = build(idp, {"/": {}}).test_client()
    for claims, status in (
        (CLERK_V1_CLAIMS, 200),
        (CLERK_V2_CLAIMS, 401),
        ({**CLERK_V1_CLAIMS, "sts": "pending"}, 401),
    ):
        assert client.get("/", headers=bearer(sign(idp, claims))).status_code == status


def test_the_check_of_clerk_leaves_issuers_equal():
    """Two equal issuers are one, whose keys are kept when the configuration is read again."""
    arguments = {"authorized_parties": ["https://example.com"]}
    assert Issuer.clerk("https://clerk.a.dev", **arguments) == Issuer.clerk(
        "https://clerk.a.dev", **arguments
    )


OPTIONS = {
    "okta, one client": (
        Issuer.okta("foobar.okta.com", values={"cid": OKTA_CLAIMS["cid"]}),
        OKTA_CLAIMS, {**OKTA_CLAIMS, "cid": "0oa-another"},
    ),
    "supabase, no anonymous users": (
        Issuer.supabase(
            "https://abcdefghijklmnopqrst.supabase.co",
            check=lambda claims: not claims.get("is_anonymous"),
        ),
        SUPABASE_CLAIMS, {**SUPABASE_CLAIMS, "is_anonymous": True},
    ),
    "entra, custom signing keys": (
        Issuer.entra(
            tenants=TENANT, audience=ENTRA_V1_CLAIMS["aud"],
            jwks_uri=f"https://login.microsoftonline.com/{TENANT}/discovery/keys?appid=535fb089",
        ),
        ENTRA_V1_CLAIMS, {**ENTRA_V1_CLAIMS, "tid": CONSUMERS},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("issuer", "accepted", "rejected"), OPTIONS.values(), ids=OPTIONS)
def test_documented_options(issuer, accepted, rejected):
    """The options of the guide's table that SHAPES doesn't have."""
    idp = Provider(issuer)
    client = build(idp, {"/": {}}).test_client()
    assert client.get("/", headers=bearer(sign(idp, accepted))).status_code == 200
    assert client.get("/", headers=bearer(sign(idp, rejected))).status_code == 401


def test_documented_path_of_cloudflare():
    groups = Issuer.cloudflare("yourteam", audience=AUD_TAG, roles=[("custom", "groups")])
    idp = Provider(groups)
    client = build(idp, {"/": {"roles": "Developers"}, "/not": {"roles": "a"}}).test_client()
    headers = bearer(sign(idp, CLOUDFLARE_CLAIMS))
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/not", headers=headers).status_code == 403
