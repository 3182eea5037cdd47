"""Describe the packages that the section http compares: their requests and what to expect."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt as pyjwt

from .http_client import Response, build_request

SECRET = "a-secret-of-32-bytes-for-benches"
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str


class Peer:
    """Build the requests of one package, and read its tokens from the responses."""

    name: str
    label: str
    module: str
    stores: tuple[str, ...] = ("SQLite", "PostgreSQL")
    operations: tuple[str, ...] = ("login", "refresh", "logout", "guard")
    login_path = "/login"
    refresh_path = "/refresh"
    logout_path = "/logout"
    environ: tuple[tuple[str, str], ...] = ()

    def login(self, email: str) -> bytes:
        body = {"username": email, "password": PASSWORD}
        return build_request("POST", self.login_path, body)

    def tokens(self, response: Response) -> Tokens:
        body = response.json()
        return Tokens(body["access_token"], body["refresh_token"])

    def authorized(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def guard(self, tokens: Tokens) -> bytes:
        return build_request("GET", "/guarded", headers=self.authorized(tokens.access))

    def refresh(self, tokens: Tokens) -> bytes:
        headers = self.authorized(tokens.refresh)
        return build_request("POST", self.refresh_path, headers=headers)

    def logout(self, tokens: Tokens) -> bytes:
        headers = self.authorized(tokens.access)
        return build_request("POST", self.logout_path, headers=headers)

    def page_login(self, email: str) -> bytes:
        return self.login(email)

    def page_tokens(self, response: Response, previous: Tokens | None = None) -> Tokens:
        """Return the cookies of a browser whose access cookie has expired."""
        raise NotImplementedError

    def page(self, tokens: Tokens) -> bytes:
        raise NotImplementedError


class Ours(Peer):
    name, label, module = "ours", "Flask-JWT-Too", "app_ours"
    stores = ("SQLite", "PostgreSQL", "Redis")
    operations = ("login", "refresh", "logout", "guard", "page")
    login_path, refresh_path, logout_path = "/auth", "/auth/refresh", "/auth/logout"

    def page_login(self, email: str) -> bytes:
        form = urlencode({"username": email, "password": PASSWORD})
        return build_request("POST", self.login_path, form)

    def page_tokens(self, response: Response, previous: Tokens | None = None) -> Tokens:
        refresh = response.cookies["refresh_token_cookie"]
        if previous is not None:
            return Tokens(previous.access, refresh)
        access = response.cookies["access_token_cookie"]
        return Tokens(with_expiry(access, time.time() - 60), refresh)

    def page(self, tokens: Tokens) -> bytes:
        cookie = f"access_token_cookie={tokens.access}; refresh_token_cookie={tokens.refresh}"
        return build_request("GET", "/guarded", headers={"Cookie": cookie})


class OursAlways(Ours):
    name, label = "ours_always", 'Flask-JWT-Too, JWT_REVOCATION_CHECK = "always"'
    operations = ("guard",)
    environ = (("BENCH_REVOCATION_CHECK", "always"),)


class OursUnlimited(Ours):
    name, label = "ours_unlimited", "Flask-JWT-Too, JWT_LOGIN_LIMITS = None"
    operations = ("login",)
    environ = (("BENCH_WITHOUT_LIMITS", "1"),)


class OursAutocommit(Ours):
    name, label = "ours_autocommit", "Flask-JWT-Too, users in AUTOCOMMIT"
    operations = ("login", "guard")
    environ = (("BENCH_AUTOCOMMIT", "1"),)


class Extended(Peer):
    name, label, module = "extended", "Flask-JWT-Extended, blocklist", "app_extended"
    stores = ("SQLite", "PostgreSQL", "Redis")
    operations = ("login", "refresh", "logout", "guard", "page")

    def page_tokens(self, response: Response, previous: Tokens | None = None) -> Tokens:
        if previous is not None:
            return previous
        tokens = self.tokens(response)
        # Its guide renews only a token that is still valid.
        return Tokens(with_expiry(tokens.access, time.time() + 300), tokens.refresh)

    def page(self, tokens: Tokens) -> bytes:
        return build_request(
            "GET", "/page", headers={"Cookie": f"access_token_cookie={tokens.access}"}
        )


class Security(Peer):
    name, label, module = "security", "Flask-Security-Too", "app_security"
    login_path = "/login?include_auth_token"
    refresh_path = "/refresh-token"

    def login(self, email: str) -> bytes:
        return build_request("POST", self.login_path, {"email": email, "password": PASSWORD})

    def tokens(self, response: Response) -> Tokens:
        user = response.json()["response"]["user"]
        return Tokens(user["authentication_token"], user["refresh_token"])

    def authorized(self, token: str) -> dict[str, str]:
        return {"Authentication-Token": token}

    def refresh(self, tokens: Tokens) -> bytes:
        return build_request("POST", self.refresh_path, {"refresh_token": tokens.refresh})

    def logout(self, tokens: Tokens) -> bytes:
        return build_request(
            "POST",
            self.logout_path,
            {"refresh_token": tokens.refresh},
            self.authorized(tokens.access),
        )


class SimpleJwt(Peer):
    name, label, module = "simplejwt", "djangorestframework-simplejwt", "app_simplejwt"

    def login(self, email: str) -> bytes:
        return build_request("POST", self.login_path, {"email": email, "password": PASSWORD})

    def tokens(self, response: Response) -> Tokens:
        body = response.json()
        return Tokens(body["access"], body["refresh"])

    def refresh(self, tokens: Tokens) -> bytes:
        return build_request("POST", self.refresh_path, {"refresh": tokens.refresh})

    def logout(self, tokens: Tokens) -> bytes:
        return build_request("POST", self.logout_path, {"refresh": tokens.refresh})


PEERS: tuple[Peer, ...] = (
    Ours(),
    OursUnlimited(),
    OursAlways(),
    OursAutocommit(),
    Extended(),
    Security(),
    SimpleJwt(),
)


def with_expiry(token: str, expires: float) -> str:
    """Return *token* with another ``exp``, signed with the key of the benchmark."""
    header = pyjwt.get_unverified_header(token)
    claims: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    age = max(0, int(claims["exp"]) - int(expires))
    for name in ("iat", "nbf", "exp"):
        if name in claims:
            claims[name] -= age
    return pyjwt.encode(claims, SECRET, header["alg"], headers=header)
