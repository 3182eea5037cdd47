"""Define ``flask --app app init-db`` and ``flask --app app seed``."""

import click
from flask.cli import with_appcontext
from flask_jwt import hash_password
from sqlalchemy import inspect
from werkzeug.exceptions import BadRequest

from db import db
from models import User
from security import find_user
from validation import credentials


@click.command()
@with_appcontext
def init_db():
    """Create missing tables."""
    create_tables()


@click.command()
@click.option("--username", default="joe", show_default=True)
@click.option("--password", prompt=True, hide_input=True, envvar="SEED_PASSWORD", show_envvar=True)
@click.option("--admin", is_flag=True, help="Give the user the role admin.")
@with_appcontext
def seed(username, password, admin):
    """Create the tables and a user, or change the password of an existing user."""
    try:
        credentials({"username": username, "password": password})
    except BadRequest as error:
        raise click.ClickException(error.description) from None
    create_tables()
    user = find_user(username)
    if user is None:
        user = User(username=username)
        db.session.add(user)
    user.password_hash = hash_password(password)
    user.is_admin = user.is_admin or admin
    db.session.commit()
    click.echo(f"User {user.username} can now log in.")


def create_tables():
    """Create missing tables; those of an earlier version of this example aren't changed."""
    db.create_all()
    columns = {column["name"] for column in inspect(db.engine).get_columns("users")}
    if not columns >= {column.name for column in User.__table__.columns}:
        raise click.ClickException(
            "The table users is from an earlier version of this example. Drop it; by default it is "
            "in instance/store.db, which you can delete."
        )
