"""Tokens: issue and verify (RFC 7515 compact JWS, RFC 7519), and remember what was verified."""

from __future__ import annotations

import json
import math
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from ..errors import AlgorithmNotAllowed, SignatureInvalid, TokenInvalid, TokenMalformed
from .claims import ClaimsPolicy
from .encoding import ALPHABET, b64decode, b64encode, check_depth, parse_json
from .key_set import KeySet
from .keys import Key

#: Header segments of tokens found good are looked up rather than parsed again, this many of them.
_KNOWN_HEADERS = 64

_TOKEN_CHARACTERS = ALPHABET + b"."

_SCALARS = frozenset({str, int, float, bool, type(None)})


class Token(str):
    """A token as text. It answers ``.decode()`` too, as handlers written for Flask-JWT call it."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """The token; both arguments are ignored."""
        return str(self)


def as_token(token: str | bytes) -> Token:
    """What an encode handler returned, text or bytes as PyJWT 1 did."""
    return Token(token.decode("ascii") if isinstance(token, bytes) else token)


class VerifiedToken:
    """A token found good. One that is remembered is shared by requests, so it hands out copies."""

    __slots__ = ("_claims", "_copies", "_header", "issued_at", "sid", "valid_from", "valid_until")

    def __init__(
        self,
        claims: dict[str, Any],
        header: dict[str, Any],
        valid_from: float,
        valid_until: float,
        is_shared: bool,
    ) -> None:
        self._claims = claims
        self._header = header
        self._copies: Callable[[Any], Any] | None = None
        if is_shared:
            self._copies = dict if _SCALARS.issuperset(map(type, claims.values())) else _copy
        self.sid = claims.get("sid")
        self.issued_at = claims.get("iat", -math.inf)
        self.valid_from = valid_from
        self.valid_until = valid_until

    def __repr__(self) -> str:
        return f"<VerifiedToken until {self.valid_until}>"

    @property
    def claims(self) -> dict[str, Any]:
        """The claims, the caller's to change."""
        return self._claims if self._copies is None else self._copies(self._claims)

    @property
    def header(self) -> dict[str, Any]:
        """A copy of the JOSE header."""
        header = self._header
        return dict(header if _SCALARS.issuperset(map(type, header.values())) else _copy(header))


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copy(item) for name, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value


class TokenCodec:
    """Issues and verifies tokens with one key set under one policy.

    A codec never changes its mind: when keys or policy change, the application makes a new one,
    and with it the memory of verified tokens begins empty.

    :param cache_size: how many verified tokens to remember; 0 remembers none
    :param max_size: bytes; a longer token is refused, and not issued either
    :param json_default: makes what JSON can't hold into something that it can, to be issued
    :param absent_claims: added to a verified token that lacks them
    """

    def __init__(
        self,
        keys: KeySet,
        policy: ClaimsPolicy,
        *,
        cache_size: int = 10_000,
        max_size: int = 8192,
        json_default: Callable[[Any], Any] | None = None,
        absent_claims: Mapping[str, Any] | None = None,
    ) -> None:
        self.keys = keys
        self.policy = policy
        self._absent_claims = dict(absent_claims or {})
        self._cache_size = cache_size
        self._max_size = max_size
        self._cache: dict[str | None, VerifiedToken] = {}
        self._headers: dict[bytes, tuple[dict[str, Any], tuple[Key, ...]]] = {}
        self._own_headers: dict[Key, str] = {}
        self._lock = Lock()
        self._dump = json.JSONEncoder(
            separators=(",", ":"), allow_nan=False, default=json_default
        ).encode

    def issue(
        self,
        claims: Mapping[str, Any],
        headers: Mapping[str, Any] | None = None,
        *,
        now: float,
    ) -> Token:
        """Sign *claims* with the active key.

        ``exp``, ``nbf`` and ``iat`` may be datetimes (naive ones are UTC) or seconds.

        :param headers: extra header parameters; ``alg`` is always the key's
        :raises ConfigError: without a key to sign with
        :raises TypeError: for claims that JSON can't hold
        :raises ValueError: for NaN, an infinity, or a token longer than *max_size*
        """
        key = self.keys.active(now)
        header = self._own_headers.get(key) if not headers else _encode_header(key, headers)
        if header is None:
            header = self._own_headers[key] = _encode_header(key, {})
        payload = dict(claims)
        for name in ("exp", "nbf", "iat"):
            if isinstance(moment := payload.get(name), datetime):
                payload[name] = timegm(moment.utctimetuple())
        if not _SCALARS.issuperset(map(type, payload.values())):
            check_depth(payload)
        message = f"{header}.{b64encode(self._dump(payload).encode('ascii'))}"
        token = Token(f"{message}.{b64encode(key.sign(message.encode('ascii')))}")
        if len(token) > self._max_size:
            raise ValueError(
                f"The token would be {len(token)} bytes, over JWT_MAX_TOKEN_SIZE "
                f"({self._max_size}): put less into its claims"
            )
        return token

    def get_cached(self, text: str | None, now: float) -> VerifiedToken | None:
        """What :meth:`verify` found good and remembered as *text*, if it is still good at *now*."""
        seen = self._cache.get(text)
        return seen if seen is not None and seen.valid_from <= now < seen.valid_until else None

    def verify(self, token: str, now: float, remember_as: str | None = None) -> VerifiedToken:
        """The token's claims and header, if it is good at *now* (seconds since the epoch).

        :param remember_as: what a request shows when it carries this token, such as its whole
            header, so that :meth:`get_cached` needs no parsing
        :raises TokenInvalid: or the subclass that says what is wrong
        """
        header, payload, key = self.verify_signature(token, now)
        try:
            claims = parse_json(payload)
        except ValueError as error:
            raise TokenMalformed(f"Invalid payload: {_reason(error)}") from None
        if not isinstance(claims, dict):
            raise TokenMalformed("Invalid payload: it must be a JSON object")
        try:
            valid_from, valid_until = self.policy.check(claims, now)
        except TokenInvalid as error:
            error.jwt_header, error.jwt_data = header, {**self._absent_claims, **claims}
            raise
        if self._absent_claims:
            claims = {**self._absent_claims, **claims}
        if key.verify_until is not None:
            valid_until = min(valid_until, key.verify_until)
        is_shared = self._cache_size > 0
        verified = VerifiedToken(claims, header, valid_from, valid_until, is_shared)
        if is_shared:
            self._remember(remember_as or token, verified)
        return verified

    def verify_signature(self, token: str, now: float) -> tuple[dict[str, Any], bytes, Key]:
        """The header, the payload's bytes and the key, if that key signed *token*.

        :raises TokenInvalid: or the subclass that says what is wrong
        """
        message, header_segment, payload_segment, signature_segment = self._split(token)
        known = self._headers.get(header_segment)
        if known is None:
            _check_characters(message, signature_segment)
        header, keys = known or self._read_header(header_segment)
        key = _signer(keys, message, signature_segment, now)
        if key is None:
            _check_characters(message, signature_segment)
            raise SignatureInvalid
        try:
            payload = b64decode(payload_segment)
        except ValueError as error:
            raise TokenMalformed(f"Invalid payload: {_reason(error)}") from None
        if known is None and len(self._headers) < _KNOWN_HEADERS:
            self._headers[header_segment] = header, keys
        return header, payload, key

    def decode_unverified(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of *token* without judging either: for looking, never for trusting.

        :raises TokenMalformed: if it is no compact JWS of JSON objects
        """
        message, header_segment, payload_segment, signature_segment = self._split(token)
        _check_characters(message, signature_segment)
        try:
            parts = [parse_json(b64decode(part)) for part in (header_segment, payload_segment)]
        except ValueError as error:
            raise TokenMalformed(f"Invalid token: {_reason(error)}") from None
        if not all(isinstance(part, dict) for part in parts):
            raise TokenMalformed("Header and payload must be JSON objects")
        return parts[0], parts[1]

    def _split(self, token: str) -> tuple[bytes, bytes, bytes, bytes]:
        """The signed message, its two segments, and the signature's."""
        if len(token) > self._max_size:
            raise TokenMalformed(f"Token is longer than {self._max_size} bytes")
        try:
            data = token.encode("ascii")
        except UnicodeEncodeError:
            raise TokenMalformed("Token contains characters that no token has") from None
        message, _, signature = data.rpartition(b".")
        header, dot, payload = message.partition(b".")
        if not dot or b"." in payload:
            raise TokenMalformed(f"{'Too many' if dot else 'Not enough'} segments")
        return message, header, payload, signature

    def _read_header(self, segment: bytes) -> tuple[dict[str, Any], tuple[Key, ...]]:
        header = _parse_header(segment)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str):
            raise AlgorithmNotAllowed
        if "crit" in header or header.get("b64", True) is not True:
            raise AlgorithmNotAllowed("The token asks for an extension that is not supported")
        if kid is not None and not isinstance(kid, str):
            raise TokenMalformed("Invalid header: kid must be a text")
        keys = self.keys.candidates(algorithm, kid)
        if not keys:
            if self.keys.candidates(algorithm, None):
                raise SignatureInvalid
            raise AlgorithmNotAllowed
        return header, keys

    def _remember(self, text: str, verified: VerifiedToken) -> None:
        with self._lock:
            if len(self._cache) >= self._cache_size and text not in self._cache:
                del self._cache[next(iter(self._cache))]
            self._cache[text] = verified


def _signer(keys: Iterable[Key], message: bytes, signature: bytes, now: float) -> Key | None:
    """Return the key, of those in use at *now*, that made *signature*."""
    for key in keys:
        is_in_use = key.verify_until is None or now < key.verify_until
        if is_in_use and key.verify(message, signature):
            return key
    return None


def _check_characters(message: bytes, signature: bytes) -> None:
    if message.translate(None, _TOKEN_CHARACTERS):
        raise TokenMalformed("Token contains characters that no token has")
    if signature.translate(None, ALPHABET):
        raise SignatureInvalid


def _parse_header(segment: bytes) -> dict[str, Any]:
    try:
        text = b64decode(segment)
    except ValueError:
        raise TokenMalformed("Invalid header padding") from None
    try:
        header = parse_json(text)
    except ValueError as error:
        raise TokenMalformed(f"Invalid header: {_reason(error)}") from None
    if not isinstance(header, dict):
        raise TokenMalformed("Invalid header: it must be a JSON object")
    return header


def _encode_header(key: Key, extra: Mapping[str, Any]) -> str:
    header: dict[str, Any] = {"typ": "JWT", "alg": key.algorithm}
    if key.publish_kid:
        header["kid"] = key.kid
    return b64encode(_dump({**header, **extra, "alg": key.algorithm}))


_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _dump(value: Mapping[str, Any]) -> bytes:
    return _encode_json(value).encode("ascii")


def _reason(error: ValueError) -> str:
    # A decoder's message may quote what it read, which can be a secret's neighbour in a log.
    text = str(error)
    return text if type(error) is ValueError and len(text) < 60 else "it is not valid JSON in UTF-8"
