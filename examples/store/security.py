"""The two functions flask_jwt asks: who is logging in, and whose token is this?"""

from flask_jwt import JWT, check_password

from db import db
from models import User


def authenticate(username, password):
    """The user with this name and password, or None. ``POST /auth`` calls it."""
    user = db.session.scalar(db.select(User).filter_by(username=username))
    # A name nobody has takes as long as a wrong password, so the time doesn't tell which exist.
    correct, new_hash = check_password(user.password_hash if user else None, password)
    if new_hash:
        # Not if the hash has changed meanwhile: that would bring an old password back.
        seen = db.update(User).filter_by(id=user.id, password_hash=user.password_hash)
        db.session.execute(seen.values(password_hash=new_hash))
        db.session.commit()
    return user if correct else None


def identity(payload):
    """The user a good token belongs to, or None if there is none any more."""
    return db.session.get(User, payload["identity"])


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)
