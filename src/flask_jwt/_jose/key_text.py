"""Read public and private keys from PEM, X.509 certificates and OpenSSH's formats."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

# Bytes, which re compiles and keeps at the first use: few applications have such keys.
_BLOCK = rb"(?s)-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----"
_SSH_PUBLIC = rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)\S*\s"
#: Also after a byte order mark, or after the options of an authorized_keys file.
_SSH_PUBLIC_ANYWHERE = rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)\S*\s+AAAA"
_SSH_BODY = rb"(?s)\0\0\0.(?:ssh-|sk-|ecdsa-)"
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE"}

_CUT_OFF = (
    "The key has a BEGIN line and no END line, so it was cut off. An .env file may keep only the "
    'first line: put the key in double quotes, or in one line with "\\n" for each line break'
)
_NOT_A_KEY = (
    "This is not an unencrypted PEM key. Such a key begins with -----BEGIN PRIVATE KEY----- or "
    "-----BEGIN PUBLIC KEY-----. A certificate in PEM format and an OpenSSH key are accepted too."
)


def is_key_text(data: bytes) -> bool:
    """Return whether *data* is marked as a key, so that it is neither a path nor a secret."""
    start = data.lstrip()
    is_jwk = start.startswith(b"{") and b'"kty"' in start
    return b"-----BEGIN " in data or is_jwk or re.match(_SSH_PUBLIC, start) is not None


def is_encoded_public_key(data: bytes) -> bool:
    """Return whether *data* is a public key or a certificate that :func:`is_key_text` doesn't find.

    Such a key must not become an HMAC secret: anyone who knows it could sign tokens.
    """
    if re.search(_SSH_PUBLIC_ANYWHERE, data) or _is_public_der(data):
        return True
    encoded = b"".join(data.split()).translate(_TO_BASE64).rstrip(b"=")
    try:
        decoded = b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return False
    is_pem = b"-----BEGIN " in decoded and b"PRIVATE KEY" not in decoded
    return is_pem or re.match(_SSH_BODY, decoded) is not None or _is_public_der(decoded)


def _is_public_der(data: bytes) -> bool:
    """Return whether *data* is exactly one DER SEQUENCE with the start of a public key in it.

    A random secret is one with a probability below 1 in a million.
    """
    if len(data) < 44 or data[0] != 0x30:
        return False
    size = data[1] - 0x80  # of the length; a short length stands in place of its size
    start = 2 + max(0, size)
    length = data[1] if size < 0 else int.from_bytes(data[2:start], "big")
    if start + length != len(data):
        return False
    # A public key or a certificate begins with a SEQUENCE, and an RSA key of PKCS #1 with its
    # modulus. A private key begins with a version, an INTEGER of one byte.
    return data[start] == 0x30 or (data[start] == 0x02 and data[start + 1] > 0x80)


def explain_encoding(data: bytes) -> str | None:
    """Return what to do with a key whose encoding isn't accepted; None if *data* isn't one.

    Consoles of identity providers and secret managers often hold the base64 part of a PEM key, or
    a whole PEM key in base64.
    """
    if data[:1] == b"0" and not data.isascii():  # "0" is DER's SEQUENCE; a key of any size has more
        return (
            "This is a key in DER format. Convert it to PEM: openssl pkey -inform DER -in FILE, "
            "with -pubin for a public key"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "This file is in UTF-16. Save it in UTF-8 or ASCII"
    if b"-----BEGIN " in data:
        return _CUT_OFF if b"-----END " not in data else None
    return _explain_text(data)


def _explain_text(data: bytes) -> str | None:
    """Return what to do with a key in hex or base64; None if *data* isn't one."""
    if len(data) < 40 or not re.fullmatch(rb"[A-Za-z0-9+/_\s-]+=*\s*", data):
        return None
    if re.fullmatch(rb"30[0-9A-Fa-f\s]+", data):
        return (
            "This is a key in DER format, in hex. Convert it to PEM: xxd -r -p, then openssl pkey"
        )
    try:
        decoded = b64decode(b"".join(data.split()).translate(_TO_BASE64) + b"==")
    except ValueError:
        return None
    if b"-----BEGIN " in decoded:
        return "This is a PEM key in base64. Decode it first: base64 -d"
    if decoded[:1] == b"0" and not decoded.isascii():
        # A private key begins with a version, an INTEGER of one byte.
        is_private = re.match(rb"0(?:[^\x80-\xff]|\x81.|\x82..)\x02\x01", decoded, re.DOTALL)
        label = "PRIVATE KEY" if is_private else "PUBLIC KEY"
        other = "" if is_private else "; for a certificate, write CERTIFICATE instead"
        return (
            "This is the base64 part of a key without the lines around it. Write "
            f"-----BEGIN {label}----- above it and -----END {label}----- below it{other}"
        )
    return None


def load_key(data: bytes) -> PrivateKeyTypes | PublicKeyTypes:
    """Return the key object that *data* holds: a private key if there is one, or a public key.

    A backslash followed by an ``n`` counts as a line break, because ``.env`` files write it so.
    The dates and the issuer of a certificate are not checked: the developer has chosen it.

    :raises ValueError: if *data* holds no key that can be read; the message says what to do
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = data.replace(b"\\r", b"").replace(b"\\n", b"\n").strip()
    try:
        if re.match(_SSH_PUBLIC, data + b"\n"):
            return serialization.load_ssh_public_key(data)
        label, block = _choose_block(data)
        if label == b"OPENSSH PRIVATE KEY":
            return serialization.load_ssh_private_key(block, password=None)
        if label.endswith(b"PRIVATE KEY"):
            return serialization.load_pem_private_key(block, password=None)
        if label in _CERTIFICATES:
            return x509.load_pem_x509_certificate(block).public_key()
        return serialization.load_pem_public_key(block)
    except TypeError:  # raised only for a key that needs a password
        raise ValueError(
            "The private key is encrypted. Decrypt it: openssl pkey -in FILE -out FILE, or for an "
            "OpenSSH key ssh-keygen -p -N '' -f FILE"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(explain_encoding(data) or _NOT_A_KEY) from None


def _choose_block(data: bytes) -> tuple[bytes, bytes]:
    """Return the label and the text of the PEM block that holds the key."""
    blocks = [(match[1], match[0]) for match in re.finditer(_BLOCK, data)]
    # A file may hold a private key beside its certificate or, as OpenSSL writes it, below the
    # parameters of its curve. Of a certificate chain, the first is the one of the key's owner.
    private = [block for block in blocks if block[0].endswith(b"PRIVATE KEY")]
    keys = [block for block in blocks if not block[0].endswith(b"PARAMETERS")]
    if not keys:
        raise ValueError("no PEM block")
    return (private or keys)[0]
