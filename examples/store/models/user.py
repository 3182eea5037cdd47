"""Define the users."""

from unicodedata import normalize

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, validates

from db import db


class User(db.Model):
    """Store a user who can log in, with the hash of the password."""

    __tablename__ = "users"
    # Tokens contain the id, so SQLite must not give the id of a deleted user to a new one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80))
    name_key: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(default=False)

    @validates("username")
    def set_name_key(self, _, username):
        """Store the name as typed, and its key, which is the same for "Joe" and "joe"."""
        self.name_key = name_key(username)
        return username

    @property
    def roles(self):
        """Return the roles that guards may require."""
        return ["admin"] if self.is_admin else []

    def to_dict(self):
        """Return the fields that clients may see."""
        return {"id": self.id, "username": self.username, "roles": self.roles}


def name_key(username):
    """Return what is equal for two names that differ only in case, width or outer spaces."""
    # Databases differ in what they take for the same letter, so it isn't left to them.
    return normalize("NFKC", normalize("NFKC", username).casefold()).strip()
