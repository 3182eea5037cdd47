"""The things for sale: for users who are logged in."""

from flask import Blueprint, abort, url_for
from flask_jwt import jwt_required
from sqlalchemy.exc import IntegrityError

from db import db
from models import Item
from validation import cents, json_object, text

blueprint = Blueprint("items", __name__, url_prefix="/items")


@blueprint.get("")
@jwt_required()
def index():
    """All items, by name."""
    items = db.session.scalars(db.select(Item).order_by(Item.name))
    return {"items": [item.to_dict() for item in items]}


@blueprint.get("/<name>")
@jwt_required()
def show(name):
    """One item."""
    item = db.session.scalar(db.select(Item).filter_by(name=text(name, "name")))
    return item.to_dict() if item else no_such_item()


@blueprint.post("/<name>")
@jwt_required()
def create(name):
    """Put up an item for its ``price``."""
    item = Item(name=text(name, "name"), price_in_cents=cents(json_object().get("price")))
    db.session.add(item)
    try:
        db.session.commit()
    except IntegrityError:
        abort(409, "There is an item of this name already")
    return item.to_dict(), 201, {"Location": url_for(".show", name=name)}


@blueprint.delete("/<name>")
@jwt_required()
def delete(name):
    """Take an item down."""
    deleted = db.session.execute(db.delete(Item).filter_by(name=text(name, "name")))
    db.session.commit()
    return ("", 204) if deleted.rowcount else no_such_item()


def no_such_item():
    """Answer 404."""
    abort(404, "There is no item of this name")
