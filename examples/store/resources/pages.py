"""Serve the items as pages. They need no JavaScript: every action is a form."""

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from flask_jwt import get_csrf_proof, jwt_required
from werkzeug.exceptions import BadRequest, Conflict

import words
from resources.items import all_items, create_item, delete_item, find_item
from under_the_hood import describe_request
from validation import SHORTEST_PASSWORD, cents, check_string, number

HEADERS = {
    # Allow only our own style sheet and images. This forbids scripts, among others.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Not no-referrer, because browsers would then hide from the CSRF check that a form is our own.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
DONE = {
    "added": "The item was added.",
    "removed": "The item was removed.",
    "renamed": "The device was renamed.",
    "device": "The device was signed out.",
    "others": "Your other devices were signed out.",
    "everywhere": "You are signed out on all your devices.",
    "signed-out": "You are signed out.",
    "password": "Your password was changed, and your other devices were signed out.",
    "user": "The user was signed out on all devices.",
}

blueprint = Blueprint("pages", __name__)
for function in words.device_name, words.distance, words.date, words.iso, words.dollars:
    blueprint.add_app_template_filter(function)
blueprint.add_app_template_filter(words.sentence)


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
        name = check_string(request.form.get("name"), "name")
        create_item(name, cents(number(request.form.get("price"))))
    except (BadRequest, Conflict) as error:
        return rejected("items.html", error, items=all_items())
    return go_to(".items", done="added")


@blueprint.get("/remove")
@jwt_required()
def confirm_removal():
    """Ask whether to delete an item."""
    item = find_item(request.args.get("name"))
    return page("remove.html", item=item)


@blueprint.post("/remove")
@jwt_required()
def remove_item():
    """Delete an item; another user may have deleted it already."""
    delete_item(request.form.get("name"))
    return go_to(".items", done="removed")


# Used by all pages


def page(template, problem=None, field=None, **values):
    """Render a page; *problem* says what was wrong with the submitted *field* of its form."""
    return render_template(template, problem=problem, invalid_field=field, **values)


def rejected(template, error, **values):
    """Render the page of a form again, with the reason why it was rejected."""
    return page(template, error.description, getattr(error, "field", None), **values), error.code


def go_to(endpoint, **arguments):
    """Redirect after a form with 303, so that a reload doesn't submit the form again."""
    return redirect(url_for(endpoint, **arguments, proof=get_csrf_proof()), 303)


@blueprint.app_context_processor
def for_templates():
    """Return what templates need in addition to ``current_identity``."""
    return {
        "done": DONE.get(request.args.get("done")),
        "shortest_password": SHORTEST_PASSWORD,
        "is_exposed": is_exposed(),
        "describe_request": describe_request,
    }


def is_exposed():
    """Return whether the page came over plain HTTP from another machine.

    Browsers send Sec-Fetch-Mode only over HTTPS, which a proxy may hide, and to this machine.
    """
    is_local = urlsplit(request.host_url).hostname in ("localhost", "127.0.0.1", "::1")
    return not (request.is_secure or is_local or "Sec-Fetch-Mode" in request.headers)


@blueprint.after_app_request
def protect(response):
    """Set headers that protect pages in the browser and keep them out of its cache."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response
