"""Show how the request was verified, and what is in its token, for the panel of each page."""

from flask import request
from flask_jwt import get_csrf_proof, get_jwt, get_jwt_header, get_jwt_request_location
from flask_jwt.errors import StoreUnavailable

from security import jwt

LOCATIONS = {
    "cookies": "a cookie, which scripts can't read",
    "headers": "the header Authorization",
}
PROOFS = {
    "sec-fetch-site": "the browser's header Sec-Fetch-Site says that a page of this site sent it",
    "origin": "the browser's header Origin names this site",
    "token": "it contains this session's CSRF token, which other sites can't read",
}
MEANINGS = {
    "alg": "The algorithm of the signature",
    "kid": "The key that signed it",
    "typ": "The type: a JSON Web Token",
    "identity": "The user's id, as this store has it",
    "sub": "The user's id, as the standard has it: a string",
    "iat": "When it was issued",
    "nbf": "When it begins to be valid",
    "exp": "When it expires",
    "auth_time": "When the user signed in",
    "jti": "The id of this token",
    "sid": "The id of the session: one login on one device",
    "type": "What it may be used for",
    "csrf": "The session's CSRF token, which forms of this site send too",
}
TIMES = ("iat", "nbf", "exp", "auth_time")
HIDDEN = ("csrf",)


def describe_request():
    """Return what the panel shows of the request, or None if it has no valid token.

    The signature isn't shown. With it, everyone who sees the page could use the token.
    """
    location = get_jwt_request_location()
    if location is None:
        return None
    claims = get_jwt()
    session = find_session(claims.get("sid"))
    return {
        "location": LOCATIONS[location],
        "proof": PROOFS.get(get_csrf_proof()),
        "proof_of_form": PROOFS.get(request.args.get("proof")),  # go_to() has added it
        "header": describe(get_jwt_header()),
        "claims": describe(claims),
        "expires_at": claims["exp"],
        "session": session,
        # A token that is newer than the session's last rotation was issued for this request,
        # and the response completes the rotation.
        "is_being_renewed": session is not None and claims["iat"] > session.rotated_at + 1,
    }


def find_session(sid):
    """Return the session of the token; error pages are shown without it if the store is down."""
    try:
        return jwt.sessions.get(sid) if sid else None
    except StoreUnavailable:
        return None


def describe(members):
    """Yield the name, the value and the meaning of each member of a header, or of claims."""
    for name, value in members.items():
        yield {
            "name": name,
            "value": value,
            "is_hidden": name in HIDDEN,
            "is_time": name in TIMES,
            "meaning": MEANINGS.get(name, ""),
        }
