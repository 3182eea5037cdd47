"""Things for sale."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db import db


class Item(db.Model):
    """A thing with a price. Money is counted in whole cents, which add up; floats don't."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    price_in_cents: Mapped[int]

    def to_dict(self):
        """What clients may see."""
        return {"name": self.name, "price": self.price_in_cents / 100}
