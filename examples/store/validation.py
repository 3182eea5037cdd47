"""Check what clients send. Invalid input results in a 400 with the reason, never in a 500."""

from flask import request
from werkzeug.exceptions import BadRequest, Conflict

HIGHEST_PRICE = 1_000_000
SHORTEST_PASSWORD = 8


class InvalidField(BadRequest):
    """Reject the value of one field; pages mark it."""

    def __init__(self, field, problem):
        super().__init__(f"{field} {problem}")
        self.field = field


class Taken(Conflict):
    """Reject a name that something else has; pages mark the field."""

    def __init__(self, field, description):
        super().__init__(description)
        self.field = field


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
        raise InvalidField(name, "must be a string of printable characters")
    if not shortest <= len(value) <= longest:
        raise InvalidField(name, f"must have {shortest} to {longest} characters")
    return value


def check_password_length(password):
    """Return *password*, if it may become one."""
    return check_string(password, "password", shortest=SHORTEST_PASSWORD, longest=200)


def credentials(body):
    """Return a valid user name and password for a new user."""
    username = check_string(body.get("username"), "username")
    return username, check_password_length(body.get("password"))


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
        raise InvalidField("price", f"must be a number from 0 to {HIGHEST_PRICE}")
    return round(price * 100)
