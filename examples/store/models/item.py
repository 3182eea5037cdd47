"""Define the items for sale."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db import db


class Item(db.Model):
    """Store an item and its price, in whole cents because floats don't add up exactly."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    price_in_cents: Mapped[int]

    def to_dict(self):
        """Return the fields that clients may see."""
        return {"name": self.name, "price": self.price_in_cents / 100, "currency": "USD"}
