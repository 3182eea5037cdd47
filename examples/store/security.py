"""Define the functions that flask_jwt calls: for a login, for a token, and for a role."""

from flask import g
from flask_jwt import JWT, Grants, check_password
from flask_jwt.signals import session_started

from db import db
from models import User, name_key


def find_user(username):
    """Return the user with this name, whatever its case, or None."""
    return db.session.scalar(db.select(User).filter_by(name_key=name_key(username)))


def authenticate(username, password):
    """Return the user with this name and password, or None; ``POST /auth`` calls this."""
    user = find_user(username)
    old_hash = user.password_hash if user else None
    # With None this takes as long as for a wrong password, so the time doesn't reveal who exists.
    correct, new_hash = check_password(old_hash, password)
    if new_hash:
        # Only if the hash is still the one that was read: otherwise a password that was changed
        # meanwhile would be undone.
        update = db.update(User).filter_by(id=user.id, password_hash=old_hash)
        db.session.execute(update.values(password_hash=new_hash))
        db.session.commit()
    if not correct:
        return None
    g.checked = {"id": user.id, "password_hash": new_hash or old_hash}
    return user


def identity(payload):
    """Return the user of a valid token, or None if the user no longer exists."""
    return db.session.get(User, payload["identity"])


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


@session_started.connect
def end_if_password_changed(_, session, **details):
    """Revoke a new session if the password was changed after authenticate() had checked it.

    account() has then revoked the user's other sessions, maybe just before this one started.
    """
    if checked := g.pop("checked", None):
        db.session.rollback()  # so that the query sees what was committed meanwhile
        if not db.session.scalar(db.select(User.id).filter_by(**checked)):
            jwt.sessions.revoke(session.sid)


@jwt.grants_loader
def load_grants(user, claims):
    """Return the roles of a user as they are now, rather than as they were at the login."""
    return Grants(roles=user.roles)
