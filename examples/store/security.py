"""Define the two functions that flask_jwt calls: for a login, and for a token."""

from flask_jwt import JWT, check_password

from db import db
from models import User


def authenticate(username, password):
    """Return the user with this name and password, or None; ``POST /auth`` calls this."""
    user = db.session.scalar(db.select(User).filter_by(username=username))
    # With None this takes as long as for a wrong password, so the time doesn't reveal who exists.
    correct, new_hash = check_password(user.password_hash if user else None, password)
    if new_hash:
        # Only if the hash is still the one that was read: otherwise a password that was changed
        # meanwhile would be undone.
        update = db.update(User).filter_by(id=user.id, password_hash=user.password_hash)
        db.session.execute(update.values(password_hash=new_hash))
        db.session.commit()
    return user if correct else None


def identity(payload):
    """Return the user of a valid token, or None if the user no longer exists."""
    return db.session.get(User, payload["identity"])


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)
