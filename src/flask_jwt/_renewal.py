"""New tokens for a browser whose access token is over, while its session isn't."""

from __future__ import annotations

from flask import Request, Response, after_this_request

from . import _csrf as csrf
from ._app_state import AppState
from ._context import remember_issued, sessions_of
from ._cookies import set_access_cookies, set_refresh_cookies, unset_jwt_cookies
from ._pages import as_own
from ._sessions import Tokens

_RENEWED = "flask_jwt.renewed"


def has_refresh_cookie(state: AppState, request: Request) -> bool:
    """Whether there is something to try."""
    is_there = bool(request.cookies.get(state.settings.refresh_cookie_name))
    return is_there and state.sessions is not None


def renewed(state: AppState, request: Request) -> Tokens:
    """Exchange the refresh cookie; the answer to this request will bring the new cookies.

    Pages that are loaded at the same moment get the same tokens, within the grace.

    :raises JWTError: as :meth:`SessionManager.refresh` does, or without proof against CSRF
    """
    if (known := request.environ.get(_RENEWED)) is not None:
        done: Tokens = known
        return done  # a guard within a guard
    token = request.cookies.get(state.settings.refresh_cookie_name, "")
    proof = csrf.submitted(request, state.settings, refresh=True)
    if proof is not None:
        claims = state.refresh_codec().verify(token, state.clock()).claims
        csrf.check(proof, token, claims)
    tokens = sessions_of(state).refresh(token)
    request.environ[_RENEWED] = tokens
    remember_issued(tokens)
    settings = state.settings

    @after_this_request
    def bring(response: Response) -> Response:
        # The view may have logged in or out meanwhile: what it says is newer.
        said = {line.partition("=")[0] for line in response.headers.getlist("Set-Cookie")}
        if settings.refresh_cookie_name not in said:
            if settings.access_cookie_name not in said:
                set_access_cookies(response, tokens.access_token)
            set_refresh_cookies(response, tokens.refresh_token)
        return _uncached(response)

    return tokens


def forget_cookies() -> None:
    """Let the answer to this request take the cookies away: they are good for nothing."""

    @after_this_request
    def take(response: Response) -> Response:
        unset_jwt_cookies(response)
        return _uncached(response)


def _uncached(response: Response) -> Response:
    # The view may have let caches keep its page; it doesn't know of these cookies.
    response.headers["Cache-Control"] = "no-store"
    return as_own(response)
