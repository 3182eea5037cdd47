from hashlib import sha256

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer


def make_token(purpose, user, bound_to):
    """Return a token for a link to *user*, which is valid as long as *bound_to* is the same."""
    return _serializer(purpose).dumps([user["id"], _fingerprint(bound_to)])


def read_token(purpose, token, find_user, get_bound, max_age):
    """Return the user of a link, or None if the link is invalid, used or older than *max_age*."""
    try:
        user_id, fingerprint = _serializer(purpose).loads(token, max_age=max_age)
    except BadSignature:  # SignatureExpired too
        return None
    user = find_user(user_id)
    return user if user and _fingerprint(get_bound(user)) == fingerprint else None


def _serializer(purpose):
    keys = [*(current_app.config["SECRET_KEY_FALLBACKS"] or []), current_app.secret_key]
    # The salt keeps a link of one purpose from being used for another.
    return URLSafeTimedSerializer(keys, salt=f"e-mail link: {purpose}")


def _fingerprint(text):
    # The link can be read by whoever sees it, so it doesn't hold the password's hash itself.
    return sha256(text.encode()).hexdigest()[:32]
