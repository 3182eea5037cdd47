"""Handle tokens of other issuers, and report what in an application doesn't fit them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import ConfigError, IssuerInvalid
from .app_state import AppState
from .context import RequestState
from .guarded_views import guards_of, unwrap

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer

logger = logging.getLogger("flask_jwt")

IssuerNames = Sequence[object] | None
"""The issuers that a guard accepts: strings and :class:`Issuer` objects; None: all."""


def parse_issuer_names(issuers: str | Issuer | Sequence[str | Issuer] | None) -> IssuerNames:
    """Return what :func:`jwt_required` was called with, as a tuple.

    :raises TypeError: if there is none, which would reject every request
    """
    if issuers is None:
        return None
    if isinstance(issuers, Sequence) and not isinstance(issuers, str):
        names = tuple(issuers)
    else:
        names = (issuers,)
    if not names:
        raise TypeError("jwt_required(issuers=[]) would reject every request; write at least one")
    return names


def check_issuer(state: AppState, current: RequestState, accepted: Sequence[object]) -> None:
    """Reject a token whose issuer is none of *accepted*.

    The application's own tokens are those of ``JWT_ENCODE_ISSUER``.

    :raises IssuerInvalid: if it is another one
    """
    verified = current.verified
    name: str | None = state.config.latest.encode_issuer
    issuer: object = None
    if verified is not None and verified.issuer is not None:
        name, issuer = verified.issuer, verified.codec.issuer
    is_accepted = issuer is not None and issuer in accepted
    if not is_accepted and (name is None or name not in accepted):
        raise IssuerInvalid


# What is reported at start


def reject_decode_handler() -> None:
    """Raise a ConfigError: a decode handler verifies all tokens, so it would verify foreign ones.

    :raises ConfigError: always
    """
    raise ConfigError(
        "JWT_ISSUERS and a jwt_decode_handler can't be used together, because the handler verifies "
        "every token, also those of other issuers. Remove the handler: Issuer(…, check=…) and "
        "token_verification_loader check more claims."
    )


def check_handlers(state: AppState) -> None:
    """Warn of an identity handler that reads a claim that tokens of other issuers don't have."""
    identify, issuers = state.handlers.identity_callback, state.settings.issuers
    # Where every issuer has a handler of its own, the application's gets its own tokens only.
    # Those that a function finds aren't known yet.
    has_all = isinstance(issuers, tuple) and all(issuer.identity_handler for issuer in issuers)
    if identify is None or has_all or not _reads_identity(identify):
        return
    state.notices.warn(
        "The identity_handler reads payload['identity'], but tokens of JWT_ISSUERS have no such "
        "claim. A user is the issuer and the subject together: if get_jwt_issuer() is not None, "
        "find the user by it and payload['sub'], or write Issuer(…, identity_handler=…)."
    )


def _reads_identity(handler: object) -> bool:
    """Return whether the code of *handler* reads ``identity``, and doesn't ask for the issuer."""
    codes = [getattr(layer, "__code__", None) for layer in unwrap(handler)]
    words = {str(word) for code in codes if code for word in (*code.co_consts, *code.co_names)}
    return "identity" in words and not {"get_jwt_issuer", "iss"} & words


def find_unknown_issuers(state: AppState) -> Iterator[tuple[str, str]]:
    """Yield the endpoints whose guards accept an unknown issuer, each with the issuer."""
    settings = state.settings
    if not isinstance(settings.issuers, tuple):
        return  # a function finds them
    configured: set[object] = {settings.encode_issuer, *settings.issuers}
    configured.update(name for issuer in settings.issuers for name in issuer.names)
    for endpoint, view in state.app.view_functions.items():
        for name in _list_accepted_issuers(view):
            is_tenant = isinstance(name, str) and any(i.matches(name) for i in settings.issuers)
            if name not in configured and not is_tenant:
                yield endpoint, str(name)


def _list_accepted_issuers(view: object) -> list[object]:
    names = [
        name
        for method in getattr(view, "methods", None) or ["GET"]
        for guard in guards_of(view, method)
        for name in guard.issuers or ()
    ]
    return list(dict.fromkeys(names))
