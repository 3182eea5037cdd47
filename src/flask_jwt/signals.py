"""Signals (blinker). The sender is the application; no signal carries a password or a token.

Connect with ``session_revoked.connect(receiver, app)``. A receiver takes ``sender`` and the keyword
arguments that the signal documents; accept ``**details`` too, because a later version may add some.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = [
    "authenticated",
    "authentication_failed",
    "issuer_keys_changed",
    "issuer_unavailable",
    "login_limited",
    "refresh_token_repeated",
    "refresh_token_reused",
    "session_refreshed",
    "session_revoked",
    "session_started",
]

# A namespace of this package, because names in blinker's default namespace are shared by all.
_signals = Namespace()

authenticated = _signals.signal("authenticated")
"""Sent when a login had the right password.

*username*: the submitted name, reduced to its printable characters; *ip*: the client's address, or
None outside of a request.
"""

authentication_failed = _signals.signal("authentication-failed")
"""Sent when the authentication handler rejected a login. *username*, *ip*: as above."""

login_limited = _signals.signal("login-limited")
"""Sent when a login was rejected unchecked, because too many had failed before.

*username*, *ip*: as above; *retry_after*: seconds until the next attempt is allowed.
"""

session_started = _signals.signal("session-started")
"""Sent when a login has started a session. *session*: the :class:`~flask_jwt.stores.Session`."""

session_refreshed = _signals.signal("session-refreshed")
"""Sent when a refresh token was rotated, but not when it was repeated within the grace period.

*session*: what the token says about the session, so without ``user_agent``, ``ip``, ``label`` and
``subject_key``.
"""

session_revoked = _signals.signal("session-revoked")
"""Sent when a session was revoked, but not when it expires. *sid*: the id of the session."""

issuer_keys_changed = _signals.signal("issuer-keys-changed")
"""Sent when one of ``JWT_ISSUERS`` has other keys than before.

*issuer*: the issuer; *added*, *removed*: the kids of its keys; *unknown_kids*: how many of its
tokens have named an unknown key since the last signal about it.
"""

issuer_unavailable = _signals.signal("issuer-unavailable")
"""Sent when the keys of one of ``JWT_ISSUERS`` can't be fetched, once in each outage.

*issuer*, *unknown_kids*: as above; *reason*: what went wrong; *keys_age*: the age in seconds of the
keys at hand, or None if there are none.
"""

refresh_token_repeated = _signals.signal("refresh-token-repeated")
"""Sent when a refresh token was repeated within the grace period by another client.

The client has another address or another user agent than the one that rotated the token. A client
that changes its network while it waits for the response does this too, so the session goes on.

*session*: the :class:`~flask_jwt.stores.Session`, whose ``last_ip`` and ``last_user_agent`` are
those of the rotation; *ip*, *user_agent*: those of the repetition.
"""

refresh_token_reused = _signals.signal("refresh-token-reused")
"""Sent when a refresh token was used again after its grace period, and its session revoked.

*session*: the :class:`~flask_jwt.stores.Session` before that; *generation*: the generation of the
token that was used.
"""
