"""The store in a browser. Forms do everything: there is no JavaScript."""

from datetime import datetime, timezone

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_jwt import current_identity, get_jwt, jwt_required
from flask_jwt.errors import InvalidCredentials, TooManyLoginAttempts
from werkzeug.exceptions import BadRequest, Conflict

import words
from resources.items import all_items, put_up, take_down
from resources.users import create_user
from security import jwt
from validation import SHORTEST_PASSWORD, cents, credentials, number, text

HEADERS = {
    # Nothing but our own style sheet and pictures: what isn't here is forbidden, scripts first.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Not no-referrer: browsers would then keep from us that a form is our own.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
ENDED = {
    "refresh_reused": "Somebody used a copy of your sign-in, so it was ended. Please sign in again",
    "token_revoked": "You were signed out on another device",
}
DONE = {
    "added": "The item is in the store.",
    "removed": "The item is gone.",
    "renamed": "The device has its new name.",
    "device": "The device is signed out.",
    "others": "Your other devices are signed out.",
    "everywhere": "You are signed out, on all your devices.",
    "signed-out": "You are signed out.",
}

blueprint = Blueprint("pages", __name__)
for word in words.device_name, words.distance, words.sentence:
    blueprint.add_app_template_filter(word)


# Signing up and in. Signing out is a form that posts to flask_jwt's own /auth/logout.


@blueprint.route("/sign-up", methods=["GET", "POST"])
@jwt_required(optional=True)
def sign_up():
    """A form for a user name and a password; whoever fills it in is signed in at once."""
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
    """JWT_LOGIN_VIEW: guarded pages lead here, with ``?next=``, which log_in() goes back to."""
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
    """All items, and a form for one more."""
    return page("items.html", items=all_items())


@blueprint.post("/")
@jwt_required()
def add_item():
    """Put up an item."""
    try:
        price = cents(number(request.form.get("price")))
        put_up(text(request.form.get("name"), "name"), price)
    except (BadRequest, Conflict) as error:
        return page("items.html", error.description, items=all_items()), error.code
    return go_to(".items", done="added")


@blueprint.post("/remove")
@jwt_required()
def remove_item():
    """Take an item down; if somebody else just has, that's fine too."""
    take_down(text(request.form.get("name"), "name"))
    return go_to(".items", done="removed")


# Your devices


@blueprint.get("/devices")
@jwt_required()
def devices():
    """Where the user is signed in: this device first, then those used last."""
    current = get_jwt()["sid"]
    found = jwt.sessions.list(current_identity)
    found.sort(key=lambda device: (device.sid == current, device.rotated_at), reverse=True)
    return page("devices.html", devices=found, current=current)


@blueprint.post("/devices/<sid>/rename")
@jwt_required()
def rename_device(sid):
    """Give a device a name; an empty one brings back what its browser says."""
    name = request.form.get("name", "").strip()
    jwt.sessions.rename(own_device(sid).sid, text(name, "name", longest=40) if name else None)
    return go_to(".devices", done="renamed")


@blueprint.post("/devices/<sid>/sign-out")
@jwt_required()
def sign_out_device(sid):
    """Sign out one device."""
    jwt.sessions.revoke(own_device(sid).sid)
    return go_to(".devices", done="device")


def own_device(sid):
    """The user's device with this id; other people's are none of theirs."""
    own = (device for device in jwt.sessions.list(current_identity) if device.sid == sid)
    return next(own, None) or abort(404, "You have no such device")


# What all pages need


def page(template, problem=None, **values):
    """A page; *problem* is what was wrong with the form just sent."""
    return render_template(template, problem=problem, **values)


def go_to(endpoint, **arguments):
    """Answer a form: a browser that reloads what it sees now doesn't send the form again."""
    return redirect(url_for(endpoint, **arguments), 303)


@blueprint.app_context_processor
def for_templates():
    """What templates know beside ``current_identity``."""
    done = DONE.get(request.args.get("done"))
    return {"done": done, "shortest_password": SHORTEST_PASSWORD}


@blueprint.app_template_filter()
def iso(moment):
    """Seconds since the epoch as a ``<time datetime>``."""
    return datetime.fromtimestamp(int(moment), timezone.utc).isoformat()


@blueprint.after_app_request
def protect(response):
    """What browsers mustn't do with our answers, nor keep of our pages."""
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response
