"""Define the database, which create_app() binds to an application."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Register the tables of all models."""


# Objects stay readable after a commit, even if another request has deleted their rows.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
