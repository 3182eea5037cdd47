"""Serve the items to users who are logged in."""

from flask import Blueprint, abort, url_for
from flask_jwt import jwt_required
from sqlalchemy.exc import IntegrityError

from db import db
from models import Item
from validation import Taken, cents, check_string, json_object

blueprint = Blueprint("items", __name__, url_prefix="/items")


@blueprint.get("")
@jwt_required()
def index():
    """Return all items, by name."""
    return {"items": [item.to_dict() for item in all_items()]}


@blueprint.get("/<name>")
@jwt_required()
def show(name):
    """Return one item."""
    return find_item(name).to_dict()


@blueprint.post("/<name>")
@jwt_required()
def create(name):
    """Create an item with a ``price``."""
    item = create_item(check_string(name, "name"), cents(json_object().get("price")))
    return item.to_dict(), 201, {"Location": url_for(".show", name=name)}


@blueprint.delete("/<name>")
@jwt_required()
def delete(name):
    """Delete an item."""
    return ("", 204) if delete_item(name) else no_such_item()


def no_such_item():
    """Respond 404."""
    abort(404, "There is no item with this name")


# The pages use these functions too


def find_item(name):
    """Return the item with this name, or respond 404."""
    item = db.session.scalar(db.select(Item).filter_by(name=check_string(name, "name")))
    return item or no_such_item()


def all_items():
    """Return all items, by name."""
    return db.session.scalars(db.select(Item).order_by(Item.name)).all()


def create_item(name, price_in_cents):
    """Create an item; its name must be new."""
    item = Item(name=name, price_in_cents=price_in_cents)
    db.session.add(item)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise Taken("name", "There already is an item with this name") from None
    return item


def delete_item(name):
    """Delete the item with this name, and return whether it existed."""
    deleted = db.session.execute(db.delete(Item).filter_by(name=check_string(name, "name")))
    db.session.commit()
    return deleted.rowcount > 0
