"""The database; create_app() binds it to an application."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """What all models have in common."""


# Rows stay readable after a commit, even if another request has deleted them by then.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
