"""Serve the pages on which users sign up and in, change the password and see their devices."""

from flask import Blueprint, abort, request
from flask_jwt import JWTError, current_identity, get_jwt, hash_password, jwt_required
from flask_jwt.errors import InvalidCredentials, TooManyLoginAttempts
from werkzeug.exceptions import BadRequest, Conflict

from db import db
from resources.pages import go_to, page, rejected
from resources.users import create_user, delete_user
from security import jwt
from validation import check_password_length, check_string, credentials

# The reasons for which flask_jwt leads to the sign-in page, and the user should know.
ENDED = {
    "refresh_reused": "Somebody used a copy of your sign-in, so you were signed out. "
    "Please sign in again",
    "token_revoked": "You were signed out from another device",
}

blueprint = Blueprint("account", __name__)


# Signing up and in. Signing out is a form that posts to flask_jwt's own /auth/logout.


@blueprint.route("/sign-up", methods=["GET", "POST"])
@jwt_required(optional=True)
def sign_up():
    """Show the sign-up form, or create a user and sign them in."""
    if current_identity:
        return go_to("pages.items")
    if request.method == "GET":
        return page("sign_up.html")
    try:
        user = create_user(*credentials(request.form))
    except (BadRequest, Conflict) as error:
        return rejected("sign_up.html", error)
    try:
        return jwt.log_in(user)
    except JWTError:  # the form is of another site, for example: it leaves no user
        delete_user(user)
        raise


@blueprint.route("/sign-in", methods=["GET", "POST"])
@jwt_required(optional=True)
def sign_in():
    """Show the sign-in form, or sign in.

    As JWT_LOGIN_VIEW, guarded pages redirect here with ``?next=``, and log_in() redirects back.
    """
    if current_identity:
        return go_to("pages.items")
    if request.method == "GET":
        return page("sign_in.html", ENDED.get(request.args.get("error")))
    try:
        user = jwt.authenticate(request.form.get("username"), request.form.get("password"))
    except InvalidCredentials as error:
        problem = "This user name and password don't match"
        return page("sign_in.html", problem, "password"), error.status_code
    except TooManyLoginAttempts as error:
        return page("sign_in.html", error.description), error.status_code, error.headers
    return jwt.log_in(user)


# Your account


@blueprint.route("/account", methods=["GET", "POST"])
@jwt_required()
def account():
    """Show the account, or change the password and sign out the other devices."""
    if request.method == "GET":
        return page("account.html")
    try:
        # Not check_password(), because this counts wrong passwords as failed logins.
        user = jwt.authenticate(current_identity.username, request.form.get("current"))
        password = check_password_length(request.form.get("password"))
    except InvalidCredentials:
        return page("account.html", "This is not your current password", "current"), 400
    except TooManyLoginAttempts as error:
        return page("account.html", error.description), error.status_code, error.headers
    except BadRequest as error:
        return rejected("account.html", error)
    # First, because the old password must stay valid for another attempt if the store is down.
    jwt.sessions.revoke_all(user, keep=get_jwt()["sid"])
    user.password_hash = hash_password(password)
    db.session.commit()
    # Again, because somebody may have signed in with the old password before the commit;
    # security.end_if_password_changed() ends a session that starts after this.
    jwt.sessions.revoke_all(user, keep=get_jwt()["sid"])
    return go_to(".account", done="password")


# Your devices


@blueprint.get("/devices")
@jwt_required()
def devices():
    """Show the user's devices: this one first, then the most recently used."""
    current = get_jwt()["sid"]
    sessions = jwt.sessions.list(current_identity)
    sessions.sort(key=lambda session: (session.sid == current, session.rotated_at), reverse=True)
    return page("devices.html", devices=sessions, current=current)


@blueprint.post("/devices/<sid>/rename")
@jwt_required()
def rename_device(sid):
    """Rename a device; an empty name restores the name of its browser."""
    name = request.form.get("name", "").strip()
    device = find_device(sid)
    label = check_string(name, "name", longest=40) if name else None
    jwt.sessions.rename(device.sid, label)
    return go_to(".devices", done="renamed")


@blueprint.get("/devices/<sid>/sign-out")
@jwt_required()
def confirm_sign_out(sid):
    """Ask whether to sign out a device."""
    return page("sign_out_device.html", device=find_device(sid))


@blueprint.post("/devices/<sid>/sign-out")
@jwt_required()
def sign_out_device(sid):
    """Sign out one device."""
    jwt.sessions.revoke(find_device(sid).sid)
    return go_to(".devices", done="device")


@blueprint.get("/devices/sign-out/<any(others, everywhere):which>")
@jwt_required()
def confirm_sign_out_of(which):
    """Ask whether to sign out several devices; the form posts to flask_jwt's /auth/logout."""
    return page("sign_out_devices.html", which=which)


def find_device(sid):
    """Return the user's device with this id, or respond 404.

    A device of another user is not found either, so that no one else can sign it out.
    """
    sessions = jwt.sessions.list(current_identity)
    session = next((session for session in sessions if session.sid == sid), None)
    return session or abort(404, "Device not found")
