"""Serve the store as pages. They need no JavaScript: every action is a form."""

from datetime import datetime, timezone

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_jwt import current_identity, get_jwt, jwt_required
from flask_jwt.errors import InvalidCredentials, TooManyLoginAttempts
from werkzeug.exceptions import BadRequest, Conflict

import words
from resources.items import all_items, create_item, delete_item
from resources.users import create_user
from security import jwt
from validation import SHORTEST_PASSWORD, cents, check_string, credentials, number

HEADERS = {
    # Allow only our own style sheet and images. This forbids scripts, among others.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Not no-referrer, because browsers would then hide from the CSRF check that a form is our own.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
ENDED = {
    "refresh_reused": "Somebody used a copy of your sign-in, so you were signed out. "
    "Please sign in again",
    "token_revoked": "You were signed out on another device",
}
DONE = {
    "added": "The item was added.",
    "removed": "The item was removed.",
    "renamed": "The device was renamed.",
    "device": "The device was signed out.",
    "others": "Your other devices were signed out.",
    "everywhere": "You are signed out on all your devices.",
    "signed-out": "You are signed out.",
}

blueprint = Blueprint("pages", __name__)
for template_filter in words.device_name, words.distance, words.sentence:
    blueprint.add_app_template_filter(template_filter)


# Signing up and in. Signing out is a form that posts to flask_jwt's own /auth/logout.


@blueprint.route("/sign-up", methods=["GET", "POST"])
@jwt_required(optional=True)
def sign_up():
    """Show the sign-up form, or create a user and sign them in."""
    if current_identity:
        return go_to(".items")
    if request.method == "GET":
        return page("sign_up.html")
    try:
        user = create_user(*credentials(request.form))
    except (BadRequest, Conflict) as error:
        return page("sign_up.html", error.description), error.code
    return jwt.log_in(user)


@blueprint.route("/sign-in", methods=["GET", "POST"])
@jwt_required(optional=True)
def sign_in():
    """Show the sign-in form, or sign in.

    As JWT_LOGIN_VIEW, guarded pages redirect here with ``?next=``, and log_in() redirects back.
    """
    if current_identity:
        return go_to(".items")
    if request.method == "GET":
        return page("sign_in.html", ENDED.get(request.args.get("error")))
    try:
        user = jwt.authenticate(request.form.get("username"), request.form.get("password"))
    except InvalidCredentials as error:
        return page("sign_in.html", "This user name and password don't match"), error.status_code
    except TooManyLoginAttempts as error:
        return page("sign_in.html", error.description), error.status_code, error.headers
    return jwt.log_in(user)


# Items


@blueprint.get("/")
@jwt_required()
def items():
    """Show all items, and a form to add one."""
    return page("items.html", items=all_items())


@blueprint.post("/")
@jwt_required()
def add_item():
    """Create an item."""
    try:
        price = cents(number(request.form.get("price")))
        create_item(check_string(request.form.get("name"), "name"), price)
    except (BadRequest, Conflict) as error:
        return page("items.html", error.description, items=all_items()), error.code
    return go_to(".items", done="added")


@blueprint.post("/remove")
@jwt_required()
def remove_item():
    """Delete an item; another user may have deleted it already."""
    delete_item(check_string(request.form.get("name"), "name"))
    return go_to(".items", done="removed")


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


@blueprint.post("/devices/<sid>/sign-out")
@jwt_required()
def sign_out_device(sid):
    """Sign out one device."""
    jwt.sessions.revoke(find_device(sid).sid)
    return go_to(".devices", done="device")


def find_device(sid):
    """Return the user's device with this id, or respond 404.

    A device of another user is not found either, so that no one else can sign it out.
    """
    sessions = jwt.sessions.list(current_identity)
    session = next((session for session in sessions if session.sid == sid), None)
    return session or abort(404, "Device not found")


# Used by all pages


def page(template, problem=None, **values):
    """Render a page; *problem* says what was wrong with the submitted form."""
    return render_template(template, problem=problem, **values)


def go_to(endpoint, **arguments):
    """Redirect after a form with 303, so that a reload doesn't submit the form again."""
    return redirect(url_for(endpoint, **arguments), 303)


@blueprint.app_context_processor
def for_templates():
    """Return what templates need in addition to ``current_identity``."""
    done = DONE.get(request.args.get("done"))
    return {"done": done, "shortest_password": SHORTEST_PASSWORD}


@blueprint.app_template_filter()
def iso(timestamp):
    """Format seconds since the epoch for ``<time datetime>``."""
    return datetime.fromtimestamp(int(timestamp), timezone.utc).isoformat()


@blueprint.after_app_request
def protect(response):
    """Set headers that protect pages in the browser and keep them out of its cache."""
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response
