"""Signals (blinker). The sender is the application; no signal carries a password or a token.

Connect with ``session_revoked.connect(receiver, app)``; a receiver takes ``sender, **facts``.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = [
    "authenticated",
    "authentication_failed",
    "login_limited",
    "refresh_token_reused",
    "session_refreshed",
    "session_revoked",
    "session_started",
]

_signals = Namespace()

authenticated = _signals.signal("authenticated")
"""A login had the right password. *username*: as it was given, its printable characters; *ip*: the
client's address, or None outside of a request."""

authentication_failed = _signals.signal("authentication-failed")
"""A login was refused by the authentication handler. *username*, *ip*: as above."""

login_limited = _signals.signal("login-limited")
"""A login was not tried, because too many had failed. *username*, *ip*: as above; *retry_after*:
seconds to wait."""

session_started = _signals.signal("session-started")
"""A login began a session. *session*: the :class:`~flask_jwt.stores.Session`."""

session_refreshed = _signals.signal("session-refreshed")
"""A refresh token was rotated; not sent for a repeat within the grace. *session*: as far as its
token tells it, so without ``user_agent``, ``ip`` and ``label``."""

session_revoked = _signals.signal("session-revoked")
"""A session was ended before its time. *sid*: its id."""

refresh_token_reused = _signals.signal("refresh-token-reused")
"""A refresh token was used again after its grace; its session has been ended. *session*: the
:class:`~flask_jwt.stores.Session` as it was; *generation*: that of the token shown."""
