from flask import Flask, abort, request
from flask_jwt import JWT, current_identity, hash_password, jwt_required
from sqlalchemy.exc import IntegrityError

from models import Item, User, db
from security import authenticate, identity

jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite:///shop.db")
    app.config.from_prefixed_env()
    app.config.update(config)
    db.init_app(app)
    jwt.init_app(app)
    app.add_url_rule("/register", view_func=register, methods=["POST"])
    app.add_url_rule("/items", view_func=list_items)
    app.add_url_rule("/items/<name>", view_func=get_item)
    app.add_url_rule("/items/<name>", view_func=add_item, methods=["POST"])
    app.add_url_rule("/items/<name>", view_func=delete_item, methods=["DELETE"])
    with app.app_context():
        db.create_all()
    return app


def read_json():
    data = request.get_json()
    return data if isinstance(data, dict) else abort(400)


def is_text(value, shortest, longest):  # printable, because databases reject some other characters
    return isinstance(value, str) and value.isprintable() and shortest <= len(value) <= longest


def register():
    data = read_json()
    username, password = data.get("username"), data.get("password")
    if not is_text(username, 1, 80) or not is_text(password, 8, 200):
        return {"message": "Send a username, and a password of 8 to 200 characters."}, 400
    db.session.add(User(username=username, password_hash=hash_password(password)))
    try:
        db.session.commit()
    except IntegrityError:
        return {"message": "This name is taken."}, 409
    return {"message": "You can log in now."}, 201


def list_items():  # everybody may read the list
    return {"items": [item.as_json() for item in db.session.scalars(db.select(Item))]}


@jwt_required()
def get_item(name):
    return db.get_or_404(Item, name).as_json()


@jwt_required()
def add_item(name):
    price = read_json().get("price")
    # JSON's true is an int in Python, and its 1e999 is infinite.
    if type(price) not in (int, float) or not 0 <= price <= 1_000_000:
        return {"message": "Send a price from 0 to 1000000."}, 400
    if not is_text(name, 1, 80):
        return {"message": "The name is too long, or contains special characters."}, 400
    item = Item(name=name, price=price, owner_id=current_identity.id)
    db.session.add(item)
    try:
        db.session.commit()
    except IntegrityError:
        return {"message": "This item exists."}, 409
    return item.as_json(), 201


@jwt_required()
def delete_item(name):
    item = db.get_or_404(Item, name)
    if item.owner_id != current_identity.id:
        abort(403)  # who you are is known; this item is someone else's
    db.session.delete(item)
    db.session.commit()
    return "", 204
