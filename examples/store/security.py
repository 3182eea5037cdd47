"""The two functions flask_jwt asks: who is logging in, and whose token is this?"""

from werkzeug.security import check_password_hash, generate_password_hash

from db import db
from models import User

# For names nobody has: checking it takes as long as checking a real one, so that the time an
# answer takes doesn't tell which names exist.
NOBODYS_HASH = generate_password_hash("")


def authenticate(username, password):
    """The user with this name and password, or None. ``POST /auth`` calls it."""
    user = db.session.scalar(db.select(User).filter_by(username=username))
    correct = check_password_hash(user.password_hash if user else NOBODYS_HASH, password)
    return user if user and correct else None


def identity(payload):
    """The user a good token belongs to, or None if there is none any more."""
    return db.session.get(User, payload["identity"])
