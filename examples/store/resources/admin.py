"""Serve the pages for users with the role admin; security.load_grants() says who has it."""

from flask import Blueprint
from flask_jwt import jwt_required

from db import db
from models import User
from resources.pages import go_to, page
from security import jwt

MOST_USERS = 100

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.get("")
@jwt_required(roles="admin")
def users():
    """Show the newest users, and on how many devices each is signed in."""
    newest = db.session.scalars(db.select(User).order_by(User.id.desc()).limit(MOST_USERS))
    return page("admin.html", users=[(user, len(jwt.sessions.list(user))) for user in newest])


@blueprint.get("/users/<int:user_id>/sign-out")
@jwt_required(roles="admin")
def confirm_sign_out(user_id):
    """Ask whether to sign out a user."""
    return page("sign_out_user.html", user=db.get_or_404(User, user_id))


@blueprint.post("/users/<int:user_id>/sign-out")
@jwt_required(roles="admin")
def sign_out(user_id):
    """Sign out a user on all devices; an administrator who signs out himself has to sign in."""
    jwt.sessions.revoke_all(db.get_or_404(User, user_id))
    return go_to(".users", done="user")
