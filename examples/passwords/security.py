from flask_jwt import check_password

from models import User, db


def authenticate(username, password):
    user = db.session.scalar(db.select(User).filter_by(username=username))
    correct, new_hash = check_password(user.password_hash if user else None, password)
    if new_hash:
        is_unchanged = User.password_hash == user.password_hash
        update = db.update(User).where(User.id == user.id, is_unchanged)
        db.session.execute(update.values(password_hash=new_hash))
        db.session.commit()
    return user if correct else None


def identity(payload):
    return db.session.get(User, payload["identity"])
