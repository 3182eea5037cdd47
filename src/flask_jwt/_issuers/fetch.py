"""Fetch a JSON document from an issuer: one deadline for all of it, no redirects, a bounded size.

PyJWT's ``PyJWKClient`` has neither a limit of the size nor of the time: the timeout of ``urllib``
is that of a single operation on the socket, so a server that sends a byte each second can
hold a request indefinitely.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import (
    AbstractHTTPHandler,
    HTTPHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from .._jose.encoding import parse_json

MAX_BYTES = 256 * 1024
"""The maximum size of a document. The largest known key set, Microsoft's, has 20 KiB."""

_PIECE = 16 * 1024

HEADERS = {
    # Firewalls of Cloudflare and others reject "Python-urllib".
    "User-Agent": "Flask-JWT-Too",
    "Accept": "application/json, application/jwk-set+json",
    # A small compressed document may become a huge one.
    "Accept-Encoding": "identity",
}


class FetchFailed(Exception):
    """Report that a document could not be fetched. The message is for the developer.

    :param status: the HTTP status of the response, if there was one
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Fetched(NamedTuple):
    """Hold a document, and the metadata from the headers of its response."""

    document: object
    max_age: float | None = None
    """Seconds for which the document stays fresh, if the server says so."""
    date: float | None = None
    """The time of the server's clock, in seconds since the epoch."""


Fetch = Callable[[str, float, "ssl.SSLContext | None"], Fetched]
"""Takes a URL, a deadline of ``time.monotonic()``, and an SSL context or None."""


def fetch_json(url: str, deadline: float, ssl_context: ssl.SSLContext | None = None) -> Fetched:
    """Fetch the JSON document at *url*, through the proxy that the environment names, if any.

    Looking up the address of the host is not limited by the deadline: the resolver of the operating
    system has another timeout.

    :param deadline: the time by which the whole body must have arrived, as ``time.monotonic()``
        counts it
    :raises FetchFailed: if there is no such document; the message says what to do
    """
    try:
        with _open(url, deadline, ssl_context) as response:
            _check_status(url, response)
            body = _read_body(url, response)
            headers = response.headers
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(_explain(url, error)) from error
    try:
        document = parse_json(body)
    except ValueError:
        raise FetchFailed(f"{printable_url(url)} returned something that is not JSON") from None
    return Fetched(document, _read_max_age(headers), _read_date(headers))


def printable_url(url: str) -> str:
    """Return *url* without its query, which may contain a key."""
    return url.partition("?")[0]


def _open(url: str, deadline: float, ssl_context: ssl.SSLContext | None) -> HTTPResponse:
    # Made by hand, because build_opener() adds handlers that follow redirects and open files.
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        _HTTPHandler(deadline),
        _HTTPSHandler(deadline, ssl_context),
    ):
        opener.add_handler(handler)
    timeout = _remaining(deadline)
    response: HTTPResponse = opener.open(Request(url, headers=HEADERS), timeout=timeout)  # noqa: S310
    return response


def _check_status(url: str, response: HTTPResponse) -> None:
    status, shown = response.status, printable_url(url)
    if status == 200:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", ""):
            raise FetchFailed(
                f"{shown} returned a compressed document ({encoding}), although "
                "uncompressed content was requested"
            )
        return
    if 300 <= status < 400:
        host = urlsplit(response.headers.get("Location", "")).hostname or "another path of the host"
        raise FetchFailed(
            f"{shown} redirects to {host}; redirects are not followed. Write the final URL as "
            "issuer or jwks_uri",
            status,
        )
    message = f"{shown} returned status {status}"
    if status == 403:
        message += (
            "; a firewall there may reject this client. Allow the User-Agent "
            f"{HEADERS['User-Agent']!r}, or set jwks_uri to a URL that is open to programs"
        )
    elif status == 404:
        message += "; check the issuer, or set jwks_uri to the URL of its keys"
    raise FetchFailed(message, status)


def _read_body(url: str, response: HTTPResponse) -> bytes:
    pieces, size = [], 0
    while piece := response.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise FetchFailed(f"{printable_url(url)} is larger than {MAX_BYTES // 1024} KiB")
    return b"".join(pieces)


def _explain(url: str, error: Exception) -> str:
    """Return what went wrong, and what to do about it."""
    shown = printable_url(url)
    cause = getattr(error, "reason", error)  # URLError wraps the error of the socket
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {shown} is not trusted ({cause.verify_message}). If your "
            "organization has a certificate authority of its own, set the environment variable "
            "SSL_CERT_FILE to its file, or pass ssl_context to the Issuer"
        )
    if isinstance(cause, TimeoutError):
        return f"{shown} did not respond in time (JWT_ISSUER_TIMEOUT)"
    if isinstance(cause, socket.gaierror):
        return f"The host of {shown} is unknown: {cause.strerror}"
    if isinstance(cause, OSError):
        return f"{shown} can't be reached: {cause.strerror or cause}"
    # Not the message: it may quote the URL of a proxy with a password.
    return f"{shown} can't be read: {type(error).__name__}"


def _read_max_age(headers: Message) -> float | None:
    """Return for how many seconds a response stays fresh (RFC 9111 section 4.2)."""
    match = re.search(r'(?:^|[\s,])max-age="?(\d{1,9})', headers.get("Cache-Control", "").lower())
    if match is None:
        return None
    age = headers.get("Age", "0").strip()
    return max(0.0, float(match[1]) - (int(age) if re.fullmatch(r"\d{1,9}", age) else 0))


def _read_date(headers: Message) -> float | None:
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


# The deadline


def _remaining(deadline: float) -> float:
    """Return the seconds that remain, which are a valid timeout of a socket.

    :raises TimeoutError: if none remain
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds


class _DeadlineReader(RawIOBase):
    """Read from a socket until a deadline, with as many reads as necessary."""

    def __init__(self, raw: RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_remaining(self._deadline))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Read a response whose status line, headers and body must all arrive before the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        reader: Any = self.fp
        self.fp = BufferedReader(_DeadlineReader(reader.detach(), sock, deadline))


class _DeadlineConnection(HTTPConnection):
    def __init__(self, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(*args, **options)
        # http.client calls both, and both are attributes so that a subclass can replace them.
        vars(self)["response_class"] = _with_deadline(_Response, deadline)
        vars(self)["_create_connection"] = _with_deadline(_connect, deadline)


class _DeadlineHTTPSConnection(_DeadlineConnection, HTTPSConnection):
    pass


def _with_deadline(function: Callable[..., Any], deadline: float) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        return function(*args, deadline=deadline, **options)

    return call


def _connect(
    address: tuple[str, int],
    timeout: object = None,  # noqa: ARG001  the deadline replaces it
    source_address: object = None,  # noqa: ARG001
    *,
    deadline: float,
) -> socket.socket:
    """Connect to the first address of the host that accepts a connection.

    ``socket.create_connection`` would wait for the whole timeout at each address.
    """
    error: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(*address, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_remaining(deadline))
            sock.connect(place)
            sock.settimeout(_remaining(deadline))  # the TLS handshake, as a whole, has this timeout
        except OSError as reason:
            sock.close()
            error = reason
        else:
            return sock
    raise error or OSError("the host has no address")


class _HTTPHandler(HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: Request) -> HTTPResponse:
        connect: Any = _DeadlineConnection
        return self.do_open(connect, req, deadline=self._deadline)


class _HTTPSHandler(AbstractHTTPHandler):  # since Python 3.12, HTTPSHandler loads the authorities
    https_request = AbstractHTTPHandler.do_request_

    def __init__(self, deadline: float, ssl_context: ssl.SSLContext | None) -> None:
        self._ssl_context = ssl_context
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: Request) -> HTTPResponse:
        # Made here, because loading the certificate authorities takes 20 ms.
        context = self._ssl_context or ssl.create_default_context()
        connect: Any = _DeadlineHTTPSConnection
        return self.do_open(connect, req, deadline=self._deadline, context=context)
