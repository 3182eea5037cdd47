"""Compatibility profiles: what differs between the extension classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Spelling(NamedTuple):
    """How a front door differs from another before the same machine: by defaults and strictness.

    :param defaults: of options, where they differ from this package's own
    :param algorithm_names_key: ``JWT_ALGORITHM`` alone says whether the secret or the key pair is
        used, where both are configured
    :param allows_weak_keys: a key too short for its algorithm warns and works
    :param checks_issued_parties: ``aud`` and ``iss`` must be what the application itself issues,
        where ``JWT_DECODE_AUDIENCE`` and ``JWT_DECODE_ISSUER`` don't say
    :param exempt_methods: HTTP methods that guards let pass, with no claims
    :param absent_claims: what claims count as in a token that lacks them
    :param more_claims: of ``csrf`` and ``fresh``, those that every token is issued with
    """

    defaults: Mapping[str, Any] = {}
    algorithm_names_key: bool = False
    allows_weak_keys: bool = False
    checks_issued_parties: bool = True
    exempt_methods: frozenset[str] = frozenset()
    absent_claims: Mapping[str, Any] = {}
    more_claims: frozenset[str] = frozenset()


NATIVE = Spelling()
