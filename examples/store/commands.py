"""Define ``flask --app app init-db`` and ``flask --app app seed``."""

import click
from flask.cli import with_appcontext
from flask_jwt import hash_password
from werkzeug.exceptions import BadRequest

from db import db
from models import User
from validation import credentials


@click.command()
@with_appcontext
def init_db():
    """Create missing tables."""
    db.create_all()


@click.command()
@click.option("--username", default="joe", show_default=True)
@click.option("--password", prompt=True, hide_input=True, envvar="SEED_PASSWORD", show_envvar=True)
@with_appcontext
def seed(username, password):
    """Create the tables and a user, or change the password of an existing user."""
    try:
        credentials({"username": username, "password": password})
    except BadRequest as error:
        raise click.ClickException(error.description) from None
    db.create_all()
    user = db.session.scalar(db.select(User).filter_by(username=username))
    if user is None:
        user = User(username=username)
        db.session.add(user)
    user.password_hash = hash_password(password)
    db.session.commit()
    click.echo(f"User {username} can now log in.")
