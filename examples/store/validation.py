"""Checks on what clients send. What can't be used is a 400 with the reason, never a 500."""

from flask import request
from werkzeug.exceptions import BadRequest

HIGHEST_PRICE = 1_000_000
SHORTEST_PASSWORD = 8


def json_object():
    """The request's JSON object."""
    try:
        body = request.get_json()
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object")
    return body


def text(value, name, *, shortest=1, longest=80):
    """*value*, if it is a string that any database can hold: no NUL, no half of a character."""
    if not isinstance(value, str) or not value.isprintable():
        raise BadRequest(f"{name} must be a string of printable characters")
    if not shortest <= len(value) <= longest:
        raise BadRequest(f"{name} must have {shortest} to {longest} characters")
    return value


def credentials(body):
    """A user name and a password to keep."""
    username = text(body.get("username"), "username")
    password = text(body.get("password"), "password", shortest=SHORTEST_PASSWORD, longest=200)
    return username, password


def number(text):
    """What a form's field says, as a number; None if it says none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def cents(price):
    """A price as whole cents."""
    is_number = isinstance(price, (int, float)) and not isinstance(price, bool)
    if not is_number or not 0 <= price <= HIGHEST_PRICE:  # NaN isn't, nor is infinity
        raise BadRequest(f"price must be a number from 0 to {HIGHEST_PRICE}")
    return round(price * 100)
