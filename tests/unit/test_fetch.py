"""What fetching a document from an issuer does when the server is slow, wrong or hostile."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import sys
import time
import warnings

import pytest
import trustme

from flask_jwt._issuers.fetch import MAX_BYTES, FetchFailed, fetch_json
from tests.hostile import (
    HostileServer,
    compressed,
    delayed,
    document,
    drip,
    hang,
    repeat,
    respond,
)
from tests.stopwatch import Stopwatch


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with HostileServer() as server:
        yield server


def fetch(url, timeout=5.0, context=None):
    return fetch_json(url, time.monotonic() + timeout, context)


def failure(url, timeout=5.0, context=None):
    """Return the message of the failure, which has to come before the deadline."""
    with Stopwatch() as watch:
        started = watch.now()
        with pytest.raises(FetchFailed) as caught:
            fetch(url, timeout, context)
        assert watch.now() - started < timeout + 3
    return str(caught.value)


def test_document(server):
    server.pages["/jwks"] = document({"keys": []})
    assert fetch(f"{server.url}/jwks").document == {"keys": []}
    assert server.headers["User-Agent"] == "Flask-JWT-Too"
    assert server.headers["Accept-Encoding"] == "identity"
    assert "application/json" in server.headers["Accept"]


@pytest.mark.parametrize(
    ("headers", "max_age"),
    [
        ([], None),
        (["Cache-Control: public, max-age=300, must-revalidate"], 300),
        (['Cache-Control: MAX-AGE="300"'], 300),
        (["Cache-Control: s-maxage=9"], None),
        (["Cache-Control: max-age=300", "Age: 100"], 200),
        (["Cache-Control: max-age=300", "Age: 900"], 0),
        (["Cache-Control: max-age=300", "Age: soon"], 300),
        (["Cache-Control: no-store"], None),
        (["Cache-Control: max-age=" + "9" * 400], 999_999_999),
    ],
)
def test_freshness(server, headers, max_age):
    server.pages["/jwks"] = document({}, *headers)
    assert fetch(f"{server.url}/jwks").max_age == max_age


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Thu, 01 Jan 1970 00:01:00 GMT", 60), ("yesterday", None), ("", None)],
)
def test_date(server, date, seconds):
    server.pages["/jwks"] = document({}, f"Date: {date}")
    assert fetch(f"{server.url}/jwks").date == seconds


def listen():
    """Return a socket that accepts connections and sends nothing."""
    return socket.create_server(("127.0.0.1", 0))


HEAD = b"HTTP/1.1 200 OK\r\n"

#: Each page takes longer than its deadline, although no single byte does.
SLOW = {
    "hangs": hang,
    "hangs after the status line": repeat(HEAD, b" ", limit=1),
    "drips the status line": drip(HEAD * 10),
    "drips the headers": drip(HEAD + b"X-A: b\r\n" * 50),
    "drips the body": drip(document({"keys": ["x" * 200]})),
    "drips a chunked body": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 50),
    "continues and continues": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "sends the last byte late": delayed(document({}), 4),
}


@pytest.mark.parametrize("page", SLOW.values(), ids=SLOW)
def test_one_deadline_for_everything(server, page):
    if page is SLOW["hangs after the status line"]:

        def page(connection, server):
            connection.sendall(HEAD)
            hang(connection, server)

    server.pages["/jwks"] = page
    assert "did not respond in time (JWT_ISSUER_TIMEOUT)" in failure(f"{server.url}/jwks", 0.5)


def test_tls_handshake_has_the_deadline_too():
    with listen() as listener:
        port = listener.getsockname()[1]
        assert "in time" in failure(f"https://127.0.0.1:{port}/jwks", 0.5)


def test_deadline_has_passed(server):
    assert "in time" in failure(f"{server.url}/jwks", -1)
    assert not server.requests


LARGE = b'{"keys": [' + b'"' + b"x" * 5_000_000 + b'"]}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

#: Pages, and what their failure says.
WRONG = {
    "5 MB": (respond(LARGE), "larger than 256 KiB"),
    "5 MB in chunks": (repeat(HEAD + CHUNKED, b"4000\r\n" + b" " * 0x4000 + b"\r\n"), "larger"),
    "5 MB without a length": (HEAD + b"\r\n" + LARGE, "larger"),
    "one byte more": (respond(b" " * (MAX_BYTES - 1) + b"{}"), "larger"),
    "gzip": (compressed({"keys": []}), "compressed document (gzip)"),
    "not JSON": (respond(b"<html>"), "not JSON"),
    "empty": (respond(b""), "not JSON"),
    "JSON twice": (respond(b"{}{}"), "not JSON"),
    "a member twice": (respond(b'{"keys": [], "keys": []}'), "not JSON"),
    "nested": (respond(b"[" * 100_000), "not JSON"),
    "a number of many digits": (respond(b"9" * 100_000), "not JSON"),
    "UTF-16": (respond("{}".encode("utf-16")), "not JSON"),
    "cut off": (respond(b'{"keys": []}')[:-2], "not JSON"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "can't be read: BadStatusLine"),
    "closed": (b"", "can't be reached"),
    "too many headers": (repeat(HEAD, b"X-A: b\r\n", limit=4000), "can't be read"),
    "a long header": (repeat(HEAD, b"x" * 1000, limit=200_000), "can't be read"),
    "400": (respond(b"", "400 Bad Request"), "status 400"),
    "403": (respond(b"", "403 Forbidden"), "a firewall there may reject this client. Allow the "),
    "404": (respond(b"", "404 Not Found"), "status 404; check the issuer, or set jwks_uri"),
    "500": (respond(b"", "500 Oops"), "status 500"),
    "204": (respond(b"", "204 No Content"), "status 204"),
    "206": (respond(b"{}", "206 Partial Content"), "status 206"),
    "302": (
        respond(b"", "302 Found", "Location: http://169.254.169.254/latest/meta-data/"),
        "redirects to 169.254.169.254; redirects are not followed. Write the final URL",
    ),
    "301 to a path": (respond(b"", "301 Moved", "Location: /keys"), "another path of the host"),
    "307": (respond(b"", "307 Temporary", "Location: https://www.example/"), "www.example"),
    "300 without a location": (respond(b"", "300 Multiple"), "redirects to"),
}


@pytest.mark.parametrize(("page", "message"), WRONG.values(), ids=WRONG)
def test_failures(server, page, message):
    server.pages["/jwks?appid=secret-1"] = page
    text = failure(f"{server.url}/jwks?appid=secret-1")
    assert message in text
    assert f"{server.url}/jwks" in text
    assert "secret-1" not in text
    assert sum(server.requests.values()) == 1


def test_a_redirect_is_not_followed(server):
    server.pages["/jwks"] = respond(b"", "302 Found", f"Location: {server.url}/keys")
    server.pages["/keys"] = document({})
    failure(f"{server.url}/jwks")
    assert server.requests == {"/jwks": 1}


def test_a_document_of_the_maximum_size(server):
    server.pages["/jwks"] = respond(b" " * (MAX_BYTES - 2) + b"{}")
    assert fetch(f"{server.url}/jwks").document == {}


def test_refused():
    with listen() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/jwks"
    assert "can't be reached: Connection refused" in failure(url)


@pytest.mark.parametrize("host", ["nothing.invalid", "x" * 64 + ".example", "a..example"])
def test_unknown_hosts(host):
    assert f"http://{host}/jwks" in failure(f"http://{host}/jwks", 20)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,{}", "jwks"])
def test_other_schemes(url):
    failure(url)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls_server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HostileServer(context) as server:
        server.pages["/jwks"] = document({"keys": []})
        yield server


def test_an_authority_of_its_own(tls_server, authority, monkeypatch, tmp_path):
    url = f"{tls_server.url}/jwks"
    text = failure(url)
    assert "is not trusted (" in text
    assert "SSL_CERT_FILE" in text
    assert "ssl_context" in text

    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert fetch(url, context=context).document == {"keys": []}

    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert fetch(url).document == {"keys": []}


def test_the_authorities_of_the_system_are_loaded_once_and_only_when_needed(
    server, tls_server, authority, monkeypatch
):
    """Loading them takes most of the time of a fetch."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    loaded = []
    load = ssl.SSLContext.load_default_certs
    monkeypatch.setattr(
        ssl.SSLContext, "load_default_certs", lambda *a: (loaded.append(a), load(*a))
    )
    server.pages["/jwks"] = document({"keys": []})
    fetch(f"{server.url}/jwks")
    fetch(f"{tls_server.url}/jwks", context=trusting)
    assert loaded == []
    failure(f"{tls_server.url}/jwks")
    assert len(loaded) == 1


def test_a_certificate_for_another_host(tls_server, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = tls_server.url.replace("localhost", "127.0.0.1")
    assert "is not trusted" in failure(f"{url}/jwks", context=context)


def test_https_of_a_server_that_speaks_http(server):
    # It waits for the end of a line, which the bytes of TLS seldom contain.
    failure(f"{server.url.replace('http', 'https')}/jwks", 0.5)


def test_proxy_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://joe:secret-1@127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    server.pages["http://idp.invalid/jwks"] = document({"keys": []})
    assert fetch("http://idp.invalid/jwks").document == {"keys": []}
    assert server.headers["Host"] == "idp.invalid"
    assert server.headers["Proxy-Authorization"].startswith("Basic ")

    monkeypatch.setenv("no_proxy", "idp.invalid")
    assert "unknown" in failure("http://idp.invalid/jwks", 20)


@pytest.mark.parametrize(
    "proxy", ["http://joe:secret-1@:x", "http:joe:secret-1@@", "//joe:secret-1"]
)
def test_a_proxy_that_is_no_url_is_not_quoted(proxy, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "secret-1" not in failure("http://idp.invalid/jwks")


def test_tls_through_a_proxy(tls_server, authority, monkeypatch):
    """The proxy connects to the server that the client names (RFC 9110 section 9.3.6)."""

    def connect(connection, proxy):
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", tls_server.port)) as other:
            pairs = {connection: other, other: connection}
            connection.settimeout(0.05)
            other.settimeout(0.05)
            while not proxy.closed.is_set():
                for source, target in pairs.items():
                    try:
                        data = source.recv(65536)
                    except TimeoutError:
                        continue
                    if not data:
                        return
                    target.sendall(data)

    context = ssl.create_default_context()
    authority.configure_trust(context)
    with HostileServer() as proxy:
        target = f"localhost:{tls_server.port}"
        proxy.pages[target] = connect
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert fetch(f"https://{target}/jwks", context=context).document == {"keys": []}
        assert proxy.requests[target] == 1
        proxy.pages[target] = respond(b"", "407 Proxy Authentication Required")
        assert "407" in failure(f"https://{target}/jwks", context=context)
        proxy.pages[target] = drip(b"HTTP/1.1 200 Connected\r\n" + b"X: y\r\n" * 50)
        assert "in time" in failure(f"https://{target}/jwks", 0.5, context)
    if sys.version_info < (3, 11, 4):
        # There, http.client leaves the response of such a proxy to the garbage collector.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def test_100_000_keys(server):
    """They exceed the size; as many as fit are parsed in little time."""
    key = json.dumps({"kty": "RSA", "kid": "1"}).encode()
    server.pages["/jwks"] = respond(b'{"keys": [' + b",".join([key] * 100_000) + b"]}")
    assert "larger" in failure(f"{server.url}/jwks")
