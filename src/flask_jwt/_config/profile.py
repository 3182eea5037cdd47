"""Compatibility profiles: what differs between the extension classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Profile:
    """The defaults and the strictness that differ between ``JWT`` and ``JWTManager``.

    :param defaults: of options, where they differ from this package's own
    :param algorithm_names_key: ``JWT_ALGORITHM`` alone says whether the secret or the key pair is
        used, where both are configured
    :param allows_weak_keys: a key too short for its algorithm warns and works
    :param checks_issued_parties: ``aud`` and ``iss`` must be what the application itself issues,
        where ``JWT_DECODE_AUDIENCE`` and ``JWT_DECODE_ISSUER`` don't say
    :param exempt_methods: HTTP methods that guards let pass, with no claims
    :param absent_claims: the values of claims that a token lacks
    :param more_claims: of ``csrf`` and ``fresh``, those that every token is issued with
    """

    def __init__(
        self,
        *,
        defaults: Mapping[str, Any] | None = None,
        algorithm_names_key: bool = False,
        allows_weak_keys: bool = False,
        checks_issued_parties: bool = True,
        exempt_methods: frozenset[str] = frozenset(),
        absent_claims: Mapping[str, Any] | None = None,
        more_claims: frozenset[str] = frozenset(),
    ) -> None:
        self.defaults = defaults or {}
        self.algorithm_names_key = algorithm_names_key
        self.allows_weak_keys = allows_weak_keys
        self.checks_issued_parties = checks_issued_parties
        self.exempt_methods = exempt_methods
        self.absent_claims = absent_claims or {}
        self.more_claims = more_claims


NATIVE = Profile()
