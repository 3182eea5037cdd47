"""Where the keys of an issuer are, and which URLs are never fetched."""

from __future__ import annotations

import pytest

from flask_jwt._issuers.discovery import discover_jwks_uri, find_url_problem, metadata_urls
from flask_jwt._issuers.fetch import Fetched, FetchFailed

ISSUER = "https://idp.example/realms/shop"
OIDC, OAUTH = (
    "https://idp.example/realms/shop/.well-known/openid-configuration",
    "https://idp.example/.well-known/oauth-authorization-server/realms/shop",
)


@pytest.mark.parametrize("issuer", ["https://idp.example", "https://idp.example/"])
def test_metadata_of_a_host(issuer):
    assert metadata_urls(issuer) == (
        "https://idp.example/.well-known/openid-configuration",
        "https://idp.example/.well-known/oauth-authorization-server",
    )


@pytest.mark.parametrize("issuer", [ISSUER, ISSUER + "/"])
def test_metadata_of_a_path(issuer):
    assert metadata_urls(issuer) == (OIDC, OAUTH)


class Pages(dict):
    """Fetch from a dict: of documents, or of the status of a failure."""

    def __call__(self, url):
        page = self.get(url, 404)
        if not isinstance(page, int):
            return Fetched(page)
        raise FetchFailed(f"{url} returned status {page}", page or None)


def metadata(issuer=ISSUER, jwks_uri="https://keys.example/jwks"):
    return {"issuer": issuer, "jwks_uri": jwks_uri}


def failure(pages, issuer=ISSUER):
    with pytest.raises(FetchFailed) as caught:
        discover_jwks_uri(issuer, Pages(pages))
    return str(caught.value)


def test_openid_connect_discovery():
    assert discover_jwks_uri(ISSUER, Pages({OIDC: metadata()})) == "https://keys.example/jwks"


@pytest.mark.parametrize("status", [404, 403, 400, 405])
def test_rfc_8414(status):
    pages = Pages({OIDC: status, OAUTH: metadata()})
    assert discover_jwks_uri(ISSUER, pages) == "https://keys.example/jwks"


def test_a_failing_server_is_not_asked_again():
    assert "status 500" in failure({OIDC: 500, OAUTH: metadata()})
    assert "status 0" in failure({OIDC: 0, OAUTH: metadata()})


def test_nothing_found():
    text = failure({})
    assert OIDC in text
    assert OAUTH in text


@pytest.mark.parametrize(
    "published", ["https://other.example", None, 1, ["https://idp.example"], "x" * 10_000]
)
def test_metadata_of_another_issuer(published):
    text = failure({OIDC: metadata(published)})
    assert repr(ISSUER) in text
    assert repr(published)[:150] in text
    assert "trailing slash" not in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("configured", "published"), [(ISSUER, ISSUER + "/"), (ISSUER + "/", ISSUER)]
)
def test_trailing_slash(configured, published):
    text = failure({OIDC: metadata(published)}, configured)
    assert f"They differ in the trailing slash: write Issuer({published!r})" in text


@pytest.mark.parametrize("document", [[], "x", None, 1.5])
def test_metadata_that_is_no_object(document):
    assert "is not a JSON object" in failure({OIDC: document})


@pytest.mark.parametrize("uri", [None, 1, ["https://keys.example/jwks"]])
def test_metadata_without_the_url_of_the_keys(uri):
    assert "has no jwks_uri" in failure({OIDC: metadata(jwks_uri=uri)})


#: What metadata may not lead to (server-side request forgery).
FORBIDDEN = [
    "http://keys.example/jwks", "file:///etc/passwd", "ftp://keys.example/", "jwks", "//x", "",
    "https://", "https:///jwks", "https://joe@keys.example/", "https://joe:secret-1@keys.example/",
    "https://:secret-1@keys.example/", "https://keys.example/#a", "https://keys.example:99999/",
    "https://keys.example:x/", "https://[::1/", "https://keys.example/a b", "https://a\n.example/",
    "https://k\u00e9ys.example/", "https://127.0.0.1/", "https://10.0.0.1/",
    "https://169.254.169.254/latest/", "https://[::1]/", "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/", "https://2130706433/", "https://0x7f.1/",
    "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/", "https://127.0.0.1./",
    "https://localhost/", "https://LOCALHOST:8080/", "https://a.localhost/", "https://localhost./",
    "https://\u2460\u2461\u2466.0.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("uri", FORBIDDEN)
def test_urls_that_are_not_fetched(uri):
    assert find_url_problem(uri, ISSUER) is not None
    text = failure({OIDC: metadata(jwks_uri=uri)})
    assert "jwks_uri" in text
    assert "secret-1" not in text


@pytest.mark.parametrize(
    ("uri", "issuer"),
    [
        ("https://keys.example/jwks?a=b", ISSUER),
        ("https://keys.example:8443/jwks", ISSUER),
        ("https://1e100.net/", ISSUER),
        ("https://10.0.0.1/jwks", "https://10.0.0.1"),
        ("http://127.0.0.1:8080/jwks", "http://127.0.0.1:8080"),
        ("http://idp/jwks", "http://idp"),
        ("https://keys.example/", "http://idp"),
        ("http://localhost:1/jwks", "http://localhost:2"),
    ],
)
def test_urls_that_are_fetched(uri, issuer):
    assert find_url_problem(uri, issuer) is None


def test_an_address_beside_the_issuer():
    assert find_url_problem("http://127.0.0.1/jwks", "http://idp") is not None
    assert find_url_problem("https://10.0.0.2/", "https://10.0.0.1") is not None
