"""Identify the user of a session exactly, whatever a database makes of strings."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .._jose.claims import ForeignSubject


def subject_key(namespace: str, identity: Any) -> str:
    """Return the key by which stores look up the sessions of a user.

    It is the SHA-256 of the namespace and the identity as JSON, so 1, "1" and True have different
    keys, and so have "joe", "JOE" and "joe ". The subject of a token of another issuer has another
    key than an own user of that name. Equal identities have the same key, whatever the order of the
    keys of a dict.

    >>> subject_key("", 1) == subject_key("", "1")
    False
    >>> subject_key("", {"a": 1, "b": 2}) == subject_key("", {"b": 2, "a": 1})
    True

    :param namespace: distinguishes applications that share a store
    :param identity: the identity that the tokens hold, in any type that JSON has
    :raises TypeError: if JSON can't represent *identity*
    :raises ValueError: likewise, for NaN and infinities
    """
    if isinstance(identity, ForeignSubject):
        identity = {"iss": identity.issuer, "sub": str.__str__(identity)}
    elif type(identity) not in (str, int):
        # As it is in a verified token: keys of dicts are strings, and enums are their values.
        identity = json.loads(json.dumps(identity, allow_nan=False))
    exact = json.dumps([namespace, identity], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(exact.encode("ascii")).hexdigest()
