"""Write and read the scopes and roles that the application has given to a session itself."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from .._jose.claims import ClaimsView
from .._jose.grants import GrantClaims, replace_grants
from ..errors import ConfigError

if TYPE_CHECKING:
    from ..stores import Session, SessionStore


def write_grants(claims: ClaimsView) -> str | None:
    """Return the claims that grant scopes and roles as :attr:`Session.grants`.

    A refresh token holds the same string. It differs from all that were written before, so a
    rotation with the token of an earlier one is rejected by a comparison that a database may make
    without case.
    """
    if not claims:
        return None
    return json.dumps({"id": secrets.token_hex(8), "claims": claims})


def read_granted(grants: str | None) -> dict[str, Any]:
    """Return the claims in :attr:`Session.grants`."""
    claims: dict[str, Any] = {} if grants is None else json.loads(grants)["claims"]
    return claims


def read_claims(session: Session, sources: GrantClaims) -> dict[str, Any]:
    """Return the claims of a session's access tokens, without those of a single token."""
    return replace_grants(json.loads(session.payload), read_granted(session.grants), sources)


def require_grants(store: SessionStore) -> None:
    """Check that the store can keep scopes and roles of sessions.

    :raises ConfigError: if it is a custom store that can't
    """
    if not hasattr(store, "set_grants"):
        raise ConfigError(
            "This session store can't keep the scopes and roles of a session, because it has no "
            "method set_grants(sid, grants, expected=…). Add it as flask_jwt.stores.SessionStore "
            "describes it, store Session.grants, and let rotate() compare its argument grants with "
            "it. Or return the scopes and roles from an additional_claims_loader."
        )
