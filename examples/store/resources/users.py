"""Signing up, and seeing who is logged in."""

from flask import Blueprint, abort
from flask_jwt import current_identity, hash_password, jwt_required
from sqlalchemy.exc import IntegrityError

from db import db
from models import User
from validation import credentials, json_object

blueprint = Blueprint("users", __name__)


@blueprint.post("/register")
def register():
    """Sign up with a ``username`` and a ``password``."""
    username, password = credentials(json_object())
    user = User(username=username, password_hash=hash_password(password))
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:  # asking first would leave a gap for another request to slip into
        abort(409, "This username is taken")
    return user.to_dict(), 201


@blueprint.get("/me")
@jwt_required()
def me():
    """The user whose token came with the request."""
    return current_identity.to_dict()
