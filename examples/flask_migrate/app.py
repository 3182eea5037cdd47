from flask import Flask
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required
from flask_jwt.stores import sql
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    # Tokens contain the id: SQLite must not give that of a deleted user to a new one.
    __table_args__ = {"sqlite_autoincrement": True}
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True, nullable=False)
    password_hash = db.Column(db.String(255), nullable=False)


# The tables of the sessions are tables of this application now, for its migrations.
for table in sql.metadata.tables.values():
    table.to_metadata(db.metadata)


def authenticate(username, password):
    user = db.session.scalar(db.select(User).filter_by(name=username))
    correct = check_password(user.password_hash if user else None, password)
    return user if correct else None


def identity(payload):
    return db.session.get(User, payload["identity"])


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite:///shop.db")
    app.config.from_prefixed_env()
    app.config.update(config)
    app.config["JWT_STORAGE_URI"] = app.config["SQLALCHEMY_DATABASE_URI"]
    db.init_app(app)
    Migrate(app, db)
    jwt.init_app(app)
    app.cli.command("add-joe")(add_joe)
    app.add_url_rule("/me", view_func=me)
    return app


def add_joe():
    db.session.add(User(name="joe", password_hash=hash_password("pass")))
    db.session.commit()


@jwt_required()
def me():
    return {"name": current_identity.name}
