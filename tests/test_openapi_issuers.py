"""OpenAPI documents of applications that accept tokens of other issuers."""

from __future__ import annotations

import time

import pytest
from openapi_spec_validator import validate

from flask_jwt import Issuer
from flask_jwt.openapi import annotate
from flask_jwt.testing import FakeIssuer
from tests.openapi_apps import LIBRARIES, TOKEN
from tests.support import bearer, issue, make_app
from tests.test_openapi import doc, operation_of, schemas_of, serve

IDP = "https://idp.test"
OTHER = "https://login.example/tenant/"
OIDC, OIDC2 = {"openIdConnect": []}, {"openIdConnect2": []}


@pytest.fixture(scope="module")
def idp():
    return FakeIssuer(IDP, audience="api")


@pytest.fixture(scope="module")
def issuers(idp):
    return (idp.issuer, FakeIssuer(OTHER, audience="api").issuer)


def app_with(issuers, guard, **config):
    return make_app(guards={"/view": guard}, JWT_ISSUERS=issuers, **config)


@pytest.mark.parametrize("version", ["3.1", "3.0"])
def test_each_issuer_has_a_scheme(issuers, version):
    operation, document = operation_of(app_with(issuers, {}), version=version)
    assert operation["security"] == [*TOKEN, OIDC, OIDC2]
    schemes = document["components"]["securitySchemes"]
    assert schemes["openIdConnect"] == {
        "type": "openIdConnect",
        "openIdConnectUrl": f"{IDP}/.well-known/openid-configuration",
        "description": f"An access token of {IDP}",
    }
    url = schemes["openIdConnect2"]["openIdConnectUrl"]
    assert url == f"{OTHER}.well-known/openid-configuration"
    assert "503" in operation["responses"]


def test_a_function_for_issuers(issuers):
    """No issuer is known before a token names it, but asking for one may fail."""
    find = {issuer.issuer: issuer for issuer in issuers}.get
    for guard in ({}, {"issuers": IDP}):
        operation, document = operation_of(app_with(find, guard))
        assert operation["security"] == TOKEN
        assert "503" in operation["responses"]
        assert document["components"]["securitySchemes"].keys() == {"bearerAuth"}
    operation, _ = operation_of(app_with(find, {"refresh": True}))
    assert "503" not in operation["responses"]


def test_swagger_has_no_such_scheme(issuers):
    operation, _ = operation_of(app_with(issuers, {}), version="2.0")
    assert operation["security"] == TOKEN
    assert "503" in operation["responses"]


GUARDS = [
    ({"issuers": IDP}, [OIDC], True),
    ({"issuers": [OTHER, IDP]}, [OIDC, OIDC2], True),
    ({"issuers": OTHER}, [{"openIdConnect": []}], True),
    ({"issuers": ["own", IDP]}, [*TOKEN, OIDC], True),
    ({"issuers": "own"}, TOKEN, True),
    ({"refresh": True}, [{"refreshToken": []}], False),
    ({"scopes": "a b"}, [{n: ["a", "b"]} for n in ("bearerAuth", *OIDC, *OIDC2)], True),
    ({"optional": True, "issuers": IDP}, [{}, OIDC], True),
    ({"locations": "query_string"}, [{"tokenInQuery": []}], True),
]  # fmt: skip


@pytest.mark.parametrize(("guard", "security", "may_fail"), GUARDS, ids=str)
def test_a_guard_for_some_issuers(issuers, guard, security, may_fail):
    app = app_with(issuers, guard, JWT_ENCODE_ISSUER="own")
    operation, _ = operation_of(app)
    assert operation["security"] == security
    assert ("503" in operation["responses"]) is may_fail


def test_an_issuer_object_and_an_alias(idp):
    issuer = Issuer("https://idp.test", audience="api", aliases=["https://old.test"])
    assert operation_of(app_with([issuer], {"issuers": issuer}))[0]["security"] == [OIDC]
    # As the guard itself: an alias stands for the issuer, and no guard accepts the alias alone.
    guard = {"issuers": "https://old.test"}
    assert operation_of(app_with([issuer], guard))[0]["security"] == TOKEN


def test_a_tenant(idp):
    tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
    issuer = Issuer.entra(tenants="organizations", audience="api", accept_tenant=lambda tid: True)
    operation, document = operation_of(app_with([issuer], {"issuers": tenant}))
    assert operation["security"] == [OIDC]
    url = document["components"]["securitySchemes"]["openIdConnect"]["openIdConnectUrl"]
    assert url.startswith("https://login.microsoftonline.com/organizations/v2.0/.well-known/")


@pytest.mark.parametrize("name", ["gateway", IDP])
def test_an_issuer_with_fixed_keys_has_no_metadata(idp, name):
    issuer = Issuer(name, audience="api", jwks=idp.jwks(), algorithms="ES256")
    operation, document = operation_of(app_with([issuer], {"issuers": name}))
    assert operation["security"] == TOKEN
    assert document["components"]["securitySchemes"].keys() == {"bearerAuth"}
    assert "503" not in operation["responses"], "nothing is fetched"


def test_another_header_has_no_such_scheme(issuers):
    app = app_with(issuers, {}, JWT_HEADER_NAME="X-Token")
    assert operation_of(app)[0]["security"] == [{"tokenHeader": []}]


def test_the_authors_scheme_is_used(issuers):
    url = f"{IDP}/.well-known/openid-configuration"
    mine = {"type": "openIdConnect", "openIdConnectUrl": url}
    app = app_with(issuers, {"issuers": [IDP, OTHER]})
    operation, document = operation_of(app, components={"securitySchemes": {"mine": mine}})
    assert operation["security"] == [{"mine": []}, {"openIdConnect2": []}]
    assert document["components"]["securitySchemes"]["mine"] == mine


def test_our_endpoints_take_only_our_tokens(issuers):
    app = app_with(issuers, {}, JWT_STORAGE_URI="memory://")
    document = annotate(doc({}), app)
    validate(document)
    sessions = document["paths"]["/auth/sessions"]["get"]
    assert sessions["security"] == [*TOKEN, {"refreshToken": []}]


def test_documents_describe_what_happens(idp):
    """Tokens of each issuer, on views with each guard, and an issuer that can't be reached."""
    down = FakeIssuer(OTHER, audience="api")
    down.down()
    accepted = [None, IDP, "own", [IDP, "own"], OTHER]
    app = make_app(
        guards={f"/view{number}": {"issuers": names} for number, names in enumerate(accepted)},
        clock=time.time, JWT_ISSUERS=(idp.issuer, down.issuer), JWT_ENCODE_ISSUER="own",
    )  # fmt: skip
    app.jwt.identity_handler(lambda payload: payload["sub"])
    tokens = {"bearerAuth": issue(app, "1"), IDP: idp.token("1"), OTHER: down.token("1")}
    for number in range(len(accepted)):
        operation, document = operation_of(app, f"/view{number}")
        schemes = document["components"]["securitySchemes"]
        described = {
            schemes[name].get("openIdConnectUrl", name).partition("/.well-known")[0]
            for requirement in operation["security"]
            for name in requirement
        }
        for name, token in tokens.items():
            response = app.test_client().post(f"/view{number}", headers=bearer(token))
            if name == OTHER:
                assert response.status_code == 503
                with schemas_of(document) as check:
                    check(operation, response)
            else:
                assert (response.status_code == 200) is (name in described), (number, name)


@pytest.mark.parametrize("library", LIBRARIES)
def test_documents_of_libraries(library, issuers):
    document = serve(LIBRARIES[library](JWT_ISSUERS=issuers))
    validate(document)
    more = [] if "swagger" in document else [OIDC, OIDC2]
    assert document["paths"]["/guarded/{id}"]["get"]["security"] == [*TOKEN, *more]
    assert "503" in document["paths"]["/guarded/{id}"]["get"]["responses"]
