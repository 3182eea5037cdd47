"""Register users, and return the current one."""

from flask import Blueprint
from flask_jwt import current_identity, hash_password, jwt_required
from sqlalchemy.exc import IntegrityError

from db import db
from models import User
from validation import Taken, credentials, json_object

blueprint = Blueprint("users", __name__)


@blueprint.post("/register")
def register():
    """Sign up with a ``username`` and a ``password``."""
    return create_user(*credentials(json_object())).to_dict(), 201


@blueprint.get("/me")
@jwt_required()
def me():
    """Return the user of the request's token."""
    return current_identity.to_dict()


def create_user(username, password):
    """Create a user; the sign-up page calls this too."""
    user = User(username=username, password_hash=hash_password(password))
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:  # a check before would miss another request that does the same
        db.session.rollback()
        raise Taken("username", "This username is taken") from None
    return user


def delete_user(user):
    """Delete a user who has just been created."""
    db.session.delete(user)
    db.session.commit()
