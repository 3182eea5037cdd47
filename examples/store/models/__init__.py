"""Define the tables."""

from models.item import Item
from models.user import User, name_key

__all__ = ["Item", "User", "name_key"]
