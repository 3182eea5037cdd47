"""Check what clients send. Invalid input results in a 400 with the reason, never in a 500."""

from flask import request
from werkzeug.exceptions import BadRequest

HIGHEST_PRICE = 1_000_000
SHORTEST_PASSWORD = 8


def json_object():
    """Return the JSON object in the request's body."""
    try:
        body = request.get_json()
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object")
    return body


def check_string(value, name, *, shortest=1, longest=80):
    """Return *value*, if it is a string of printable characters."""
    # Some databases reject others, such as NUL and lone surrogates, with an error.
    if not isinstance(value, str) or not value.isprintable():
        raise BadRequest(f"{name} must be a string of printable characters")
    if not shortest <= len(value) <= longest:
        raise BadRequest(f"{name} must have {shortest} to {longest} characters")
    return value


def credentials(body):
    """Return a valid user name and password for a new user."""
    username = check_string(body.get("username"), "username")
    password = body.get("password")
    check_string(password, "password", shortest=SHORTEST_PASSWORD, longest=200)
    return username, password


def number(field):
    """Convert a form field to a number, or to None."""
    try:
        return float(field)
    except (TypeError, ValueError):
        return None


def cents(price):
    """Convert a price to whole cents."""
    is_number = isinstance(price, (int, float)) and not isinstance(price, bool)
    if not is_number or not 0 <= price <= HIGHEST_PRICE:  # also rejects NaN
        raise BadRequest(f"price must be a number from 0 to {HIGHEST_PRICE}")
    return round(price * 100)
