"""The things for sale: for users who are logged in."""

from flask import Blueprint, abort, url_for
from flask_jwt import jwt_required
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import Conflict

from db import db
from models import Item
from validation import cents, json_object, text

blueprint = Blueprint("items", __name__, url_prefix="/items")


@blueprint.get("")
@jwt_required()
def index():
    """All items, by name."""
    return {"items": [item.to_dict() for item in all_items()]}


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
    item = put_up(text(name, "name"), cents(json_object().get("price")))
    return item.to_dict(), 201, {"Location": url_for(".show", name=name)}


@blueprint.delete("/<name>")
@jwt_required()
def delete(name):
    """Take an item down."""
    return ("", 204) if take_down(text(name, "name")) else no_such_item()


def no_such_item():
    """Answer 404."""
    abort(404, "There is no item of this name")


# What the pages do too


def all_items():
    """All items, by name."""
    return db.session.scalars(db.select(Item).order_by(Item.name)).all()


def put_up(name, price_in_cents):
    """A new item."""
    item = Item(name=name, price_in_cents=price_in_cents)
    db.session.add(item)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise Conflict("There is an item of this name already") from None
    return item


def take_down(name):
    """Whether there was an item of this name; there is none any more."""
    deleted = db.session.execute(db.delete(Item).filter_by(name=name))
    db.session.commit()
    return deleted.rowcount > 0
