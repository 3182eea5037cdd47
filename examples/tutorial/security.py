from flask_jwt import check_password

from models import User, db


def authenticate(username, password):
    user = db.session.scalar(db.select(User).filter_by(username=username))
    # None, for an unknown user, takes as long to check as a wrong password.
    correct = check_password(user.password_hash if user else None, password)
    return user if correct else None


def identity(payload):
    return db.session.get(User, payload["identity"])
