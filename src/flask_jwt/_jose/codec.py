"""Issue and verify tokens (compact JWS, RFC 7515 and 7519)."""

from __future__ import annotations

import json
import math
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from ..errors import AlgorithmNotAllowed, SignatureInvalid, TokenInvalid, TokenMalformed
from .claims import Claims, ClaimsPolicy, ClaimsView, Header, HeaderView
from .encoding import ALPHABET, b64decode, b64encode, check_depth, parse_json
from .grants import DEFAULT_GRANT_CLAIMS, GrantClaims, Grants, read_grants
from .key_set import KeySet
from .keys import Key
from .malformed import explain_malformed, explain_signature
from .pyjwt_errors import keep_pyjwt_error

#: How many header segments of verified tokens are cached. An application's tokens share very few
#: headers, so most tokens need no parsing of theirs. Once the cache is full it stays as it is.
_MAX_CACHED_HEADERS = 64

_TOKEN_CHARACTERS = ALPHABET + b"."

# PyJWT's words, because programs written for Flask-JWT and Flask-JWT-Extended show them.
_NO_STRING = "Invalid token type. Token must be a <class 'bytes'>"

_NO_SUCH_KID = (
    "No key of this application has the kid of this token: the key was removed, belongs to another "
    "application, or is so new that it was not fetched yet (JWT_ISSUER_COOLDOWN)"
)

_SCALARS = frozenset({str, int, float, bool, type(None)})


def numeric_date(timestamp: datetime) -> int:
    """Return a datetime, in UTC if it is naive, as a NumericDate (RFC 7519 section 2)."""
    return timegm(timestamp.utctimetuple())


class Token(str):
    """An encoded token.

    Handlers written for Flask-JWT call ``.decode()`` on tokens, which were bytes in PyJWT 1.
    """

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """Return the token; both arguments are ignored."""
        return str(self)


def as_token(token: str | bytes) -> Token:
    """Convert the result of an encode handler, which is bytes if it comes from PyJWT 1."""
    return Token(token.decode("ascii") if isinstance(token, bytes) else token)


class VerifiedToken:
    """A token that has been verified.

    :param codec: the codec that has verified the token
    """

    __slots__ = (
        "_claims", "_grants", "_header", "codec", "copy_claims", "identity", "issued_at", "issuer",
        "sid", "valid_from", "valid_until",
    )  # fmt: skip

    def __init__(
        self,
        claims: Claims,
        header: Header,
        valid_from: float,
        valid_until: float,
        codec: TokenCodec,
    ) -> None:
        self._claims = claims
        self._header = header
        self._grants: Grants | None = None
        # dict.copy() is enough for the claims of one request, and for flat claims.
        self.copy_claims: Callable[[], Claims] = claims.copy
        """Returns the claims; the caller may change the returned dict."""
        self.codec = codec
        self.sid = claims.get("sid")
        self.issuer: str | None = None
        """The issuer, if it is another one than the application itself."""
        self.identity: Any = None
        """The identity in a token of another issuer."""
        self.issued_at = claims.get("iat", -math.inf)
        self.valid_from = valid_from
        self.valid_until = valid_until

    def __repr__(self) -> str:
        return f"<VerifiedToken until {self.valid_until}>"

    def share(self) -> None:
        """Make :attr:`copy_claims` safe for several requests, which all get this object."""
        if not _SCALARS.issuperset(map(type, self._claims.values())):
            self.copy_claims = partial(_deep_copy, self._claims)

    @property
    def claims(self) -> Claims:
        """Return the claims; the caller may change the returned dict."""
        return self.copy_claims()

    @property
    def header(self) -> Header:
        """Return a copy of the JOSE header."""
        header = self._header
        is_flat = _SCALARS.issuperset(map(type, header.values()))
        return dict(header) if is_flat else _deep_copy(header)

    @property
    def grants(self) -> Grants:
        """Return the scopes and the roles in the token, which are read once."""
        if self._grants is None:
            self._grants = read_grants(self._claims, self.codec.grant_claims)
        return self._grants


def _deep_copy(value: Any) -> Any:
    if type(value) is dict:
        return {name: _deep_copy(item) for name, item in value.items()}
    if type(value) is list:
        return [_deep_copy(item) for item in value]
    return value


class ForeignIssuer(Protocol):
    """The issuer of a token that isn't the application's own."""

    @property
    def identity_handler(self) -> Callable[[Any], Any] | None:
        """Return the handler that finds the users of its tokens, if it has one of its own."""


class TokenCodec:
    """Issue and verify tokens with one key set and one policy.

    Codecs are immutable. When a key or an option changes, the application makes a new codec.

    :param max_size: the maximum size of a token in bytes; longer tokens are rejected, and none are
        issued
    :param json_default: converts a claim that JSON can't represent to one that it can
    :param grant_claims: the claims that hold scopes and roles
    :param absent_claims: values that a verified token gets for the claims that it lacks
    :param keeps_pyjwt_errors: add PyJWT's exception for a rejected token to the error
    """

    issuer: ForeignIssuer | None = None
    """The issuer of the tokens; None for the application itself."""

    def __init__(
        self,
        keys: KeySet,
        policy: ClaimsPolicy,
        *,
        max_size: int = 8192,
        json_default: Callable[[Any], object] | None = None,
        grant_claims: GrantClaims = DEFAULT_GRANT_CLAIMS,
        absent_claims: ClaimsView | None = None,
        keeps_pyjwt_errors: bool = False,
    ) -> None:
        self.keys = keys
        self.policy = policy
        self.grant_claims = grant_claims
        self._keeps_pyjwt_errors = keeps_pyjwt_errors
        self._absent_claims = dict(absent_claims or {})
        self._max_size = max_size
        self._headers: dict[bytes, tuple[Header, tuple[Key, ...]]] = {}
        self._encoded_headers: dict[Key, str] = {}
        self._dump = json.JSONEncoder(
            separators=(",", ":"), allow_nan=False, default=json_default
        ).encode

    def issue(
        self,
        claims: ClaimsView,
        headers: HeaderView | None = None,
        *,
        now: float,
    ) -> str:
        """Sign *claims* with the active key.

        :param claims: ``exp``, ``nbf`` and ``iat`` may be seconds or datetimes; a naive datetime is
            taken for UTC
        :param headers: additional header parameters; ``alg`` is always the one of the key
        :raises ConfigError: if there is no key to sign with
        :raises TypeError: if JSON can't represent a claim
        :raises ValueError: for NaN, an infinity, or a token longer than *max_size*
        """
        key = self.keys.active(now)
        header = self._encoded_headers.get(key) if not headers else _encode_header(key, headers)
        if header is None:
            header = self._encoded_headers[key] = _encode_header(key, {})
        payload = dict(claims)
        for name in ("exp", "nbf", "iat"):
            if isinstance(timestamp := payload.get(name), datetime):
                payload[name] = numeric_date(timestamp)
        # parse_json rejects deep nesting, so a token with deeper claims could not be verified.
        if not _SCALARS.issuperset(map(type, payload.values())):
            check_depth(payload)
        message = f"{header}.{b64encode(self._dump(payload).encode('ascii'))}"
        token = f"{message}.{b64encode(key.sign(message.encode('ascii')))}"
        if len(token) > self._max_size:
            raise ValueError(
                f"The token would be {len(token)} bytes long, but JWT_MAX_TOKEN_SIZE is "
                f"{self._max_size}: remove claims, or raise the limit"
            )
        return token

    def verify(self, token: str, now: float) -> VerifiedToken:
        """Verify the signature and the claims of *token*.

        :param now: seconds since the epoch
        :raises TokenInvalid: the subclass says what is wrong
        """
        try:
            return self._verify(token, now)
        except TokenInvalid as error:
            if self._keeps_pyjwt_errors:
                keep_pyjwt_error(token, error, self._max_size, self.policy, now)
            raise

    def _verify(self, token: str, now: float) -> VerifiedToken:
        header, payload, key = self.verify_signature(token, now)
        try:
            claims = parse_json(payload)
        except ValueError as error:
            raise TokenMalformed(f"Invalid payload: {_reason(error)}") from None
        if not isinstance(claims, dict):
            raise TokenMalformed("Invalid payload: it must be a JSON object")
        try:
            valid_from, valid_until = self._check(header, claims, key, now)
        except TokenInvalid as error:
            error.jwt_header, error.jwt_data = header, self._present(claims)
            raise
        claims = self._present(claims)
        if key.verify_until is not None:
            # A cached token must not outlive the key that verified it.
            valid_until = min(valid_until, key.verify_until)
        return VerifiedToken(claims, header, valid_from, valid_until, self)

    def is_current(self) -> bool:
        """Return whether tokens that this codec has verified before are still accepted.

        The application compares its own codec itself. This is for those of other issuers, of which
        there may be many.
        """
        return False

    def _check(
        self,
        header: HeaderView,  # noqa: ARG002
        claims: ClaimsView,
        key: Key,  # noqa: ARG002
        now: float,
    ) -> tuple[float, float]:
        """Check the content of a token whose signature *key* has verified, as the policy does."""
        return self.policy.check(claims, now)

    def _present(self, claims: Claims) -> Claims:
        """Return *claims* as the application gets them."""
        return {**self._absent_claims, **claims} if self._absent_claims else claims

    def verify_signature(self, token: str, now: float) -> tuple[Header, bytes, Key]:
        """Verify only the signature of *token*.

        :returns: the header, the payload as bytes, and the key that signed the token
        :raises TokenInvalid: the subclass says what is wrong
        """
        message, header_segment, payload_segment, signature_segment = _split(token, self._max_size)
        cached = self._headers.get(header_segment)
        if cached is None:
            _check_characters(message, signature_segment)
        header, keys = cached or self._read_header(header_segment)
        key = _find_signer(keys, message, signature_segment, now)
        if key is None:
            # After a cached header, the characters are checked only here, to report the more
            # precise error. b64decode() below rejects them even if the signature is valid.
            _check_characters(message, signature_segment)
            raise SignatureInvalid(hint=explain_signature(signature_segment))
        try:
            payload = b64decode(payload_segment)
        except ValueError as error:
            raise TokenMalformed(f"Invalid payload: {_reason(error)}") from None
        # Only headers of tokens with a valid signature are cached, so that a client without a key
        # can't fill the cache.
        if cached is None and len(self._headers) < _MAX_CACHED_HEADERS:
            self._headers[header_segment] = header, keys
        return header, payload, key

    def _read_header(self, segment: bytes) -> tuple[Header, tuple[Key, ...]]:
        header = _parse_header(segment)
        check_header(header)
        algorithm, kid = header["alg"], header.get("kid")
        # The header only selects among keys of this key set, each of which has one algorithm
        # (RFC 8725 section 3.1). "jwk", "jku" and "x5u" are never read.
        keys = self.keys.candidates(algorithm, kid)
        if not keys:
            if self.keys.candidates(algorithm, None):
                raise SignatureInvalid(hint=_NO_SUCH_KID)
            raise AlgorithmNotAllowed
        return header, keys


def decode_unverified(token: str, max_size: int) -> tuple[Header, Claims]:
    """Return the header and the claims of *token* without verifying it.

    Use the result to inspect a token or to choose its key, never to authenticate a request.

    :param max_size: the maximum size of a token in bytes
    :raises TokenMalformed: if *token* is longer, or not a compact JWS of JSON objects
    """
    message, header_segment, payload_segment, signature_segment = _split(token, max_size)
    _check_characters(message, signature_segment)
    try:
        parts = [parse_json(b64decode(part)) for part in (header_segment, payload_segment)]
    except ValueError as error:
        raise TokenMalformed(f"Invalid token: {_reason(error)}") from None
    if not all(isinstance(part, dict) for part in parts):
        raise TokenMalformed("Header and payload must be JSON objects")
    return parts[0], parts[1]


def check_header(header: HeaderView) -> None:
    """Check those header parameters that decide how a token is verified.

    :raises TokenInvalid: if ``alg`` or ``kid`` has the wrong type, or an extension is required
    """
    if not isinstance(header.get("alg"), str):
        raise AlgorithmNotAllowed
    if "crit" in header or header.get("b64", True) is not True:
        raise AlgorithmNotAllowed("The token uses a JWS extension that is not supported")
    if not isinstance(header.get("kid", ""), str):
        raise TokenMalformed('Invalid header: "kid" must be a string')


def _split(token: str, max_size: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Return the signed message, its two segments and the signature segment."""
    if not isinstance(token, str):  # such as None: a program may pass on what a client sent
        raise TokenMalformed(_NO_STRING)
    if len(token) > max_size:
        raise TokenMalformed(f"Token is longer than {max_size} bytes")
    try:
        data = token.encode("ascii")
    except UnicodeEncodeError:
        reason = "Token contains invalid characters"
        raise TokenMalformed(reason, hint=explain_malformed(token)) from None
    message, _, signature = data.rpartition(b".")
    header, dot, payload = message.partition(b".")
    if not dot or b"." in payload:
        reason = f"{'Too many' if dot else 'Not enough'} segments"
        raise TokenMalformed(reason, hint=explain_malformed(token))
    return message, header, payload, signature


def _find_signer(keys: Iterable[Key], message: bytes, signature: bytes, now: float) -> Key | None:
    """Return the key that made *signature*, if it may still be used at *now*."""
    for key in keys:
        has_expired = key.verify_until is not None and now >= key.verify_until
        if not has_expired and key.verify(message, signature):
            return key
    return None


def _check_characters(message: bytes, signature: bytes) -> None:
    if message.translate(None, _TOKEN_CHARACTERS):
        hint = explain_malformed(f"{message.decode()}.{signature.decode()}")
        raise TokenMalformed("Token contains invalid characters", hint=hint)
    if signature.translate(None, ALPHABET):
        raise SignatureInvalid(hint=explain_malformed(f"{message.decode()}.{signature.decode()}"))


def _parse_header(segment: bytes) -> Header:
    try:
        data = b64decode(segment)
    except ValueError:
        raise TokenMalformed("Invalid header padding") from None
    try:
        header = parse_json(data)
    except ValueError as error:
        raise TokenMalformed(f"Invalid header: {_reason(error)}") from None
    if not isinstance(header, dict):
        raise TokenMalformed("Invalid header: it must be a JSON object")
    return header


def _encode_header(key: Key, extra: HeaderView) -> str:
    header: Header = {"typ": "JWT", "alg": key.algorithm}
    if key.publish_kid:
        header["kid"] = key.kid
    return b64encode(_dump({**header, **extra, "alg": key.algorithm}))


_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _dump(value: Mapping[str, object]) -> bytes:
    return _encode_json(value).encode("ascii")


def _reason(error: ValueError) -> str:
    # The messages of UnicodeDecodeError and JSONDecodeError may quote the token, which must not
    # reach a log. Both are subclasses of ValueError; this package raises ValueError itself.
    message = str(error)
    if type(error) is ValueError and len(message) < 60:
        return message
    return "it is not valid JSON in UTF-8"
