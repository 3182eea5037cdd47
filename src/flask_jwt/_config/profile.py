"""Compatibility profiles: the defaults and strictness that differ between extension classes."""

from __future__ import annotations

from collections.abc import Mapping

from .._jose.claims import ClaimsView


class Profile:
    """Hold the defaults and the strictness that differ between ``JWT`` and ``JWTManager``.

    :param defaults: option defaults that replace the native ones
    :param algorithm_names_key: if a secret and a key pair are configured, ``JWT_ALGORITHM`` selects
        one of them; False always selects the key pair
    :param allows_weak_keys: accept a key that is too short for its algorithm, with a warning
    :param checks_issued_parties: without ``JWT_DECODE_AUDIENCE`` and ``JWT_DECODE_ISSUER``, accept
        only the ``aud`` and ``iss`` that the application itself issues
    :param any_access_type: accept every ``type`` but ``refresh`` as an access token
    :param checks_identity: reject identities that are no ids, such as True, when a token is issued
    :param rejects_unusable_cookies: stop the start, or a login, if browsers would drop or replace a
        cookie; False: report it
    :param exempt_methods: HTTP methods that guards allow without a token
    :param absent_claims: values that a verified token gets for the claims that it lacks
    :param keeps_pyjwt_errors: keep what PyJWT would have raised with the error for a rejected token
    :param more_claims: those of ``csrf`` and ``fresh`` that every token is issued with
    :param has_message_errors: errors have the statuses and the body of Flask-JWT-Extended, so that
        OpenAPI documents describe these
    """

    def __init__(
        self,
        *,
        defaults: Mapping[str, object] | None = None,
        algorithm_names_key: bool = False,
        allows_weak_keys: bool = False,
        checks_issued_parties: bool = True,
        any_access_type: bool = False,
        checks_identity: bool = True,
        rejects_unusable_cookies: bool = True,
        exempt_methods: frozenset[str] = frozenset(),
        absent_claims: ClaimsView | None = None,
        keeps_pyjwt_errors: bool = False,
        more_claims: frozenset[str] = frozenset(),
        has_message_errors: bool = False,
    ) -> None:
        self.defaults = defaults or {}
        self.algorithm_names_key = algorithm_names_key
        self.allows_weak_keys = allows_weak_keys
        self.checks_issued_parties = checks_issued_parties
        self.any_access_type = any_access_type
        self.checks_identity = checks_identity
        self.rejects_unusable_cookies = rejects_unusable_cookies
        self.exempt_methods = exempt_methods
        self.absent_claims = absent_claims or {}
        self.keeps_pyjwt_errors = keeps_pyjwt_errors
        self.more_claims = more_claims
        self.has_message_errors = has_message_errors


NATIVE = Profile()
