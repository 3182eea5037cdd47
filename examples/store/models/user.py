"""People who may log in."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db import db


class User(db.Model):
    """Someone with a name and a password, of which only the hash is kept."""

    __tablename__ = "users"
    # Tokens carry the id, so SQLite mustn't give that of a deleted user to a new one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str]

    def to_dict(self):
        """What clients may see."""
        return {"id": self.id, "username": self.username}
