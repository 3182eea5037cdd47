"""Define the users."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db import db


class User(db.Model):
    """Store a user who can log in, with the hash of the password."""

    __tablename__ = "users"
    # Tokens contain the id, so SQLite must not give the id of a deleted user to a new one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str]

    def to_dict(self):
        """Return the fields that clients may see."""
        return {"id": self.id, "username": self.username}
