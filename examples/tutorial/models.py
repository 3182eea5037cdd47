from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    # Tokens contain the id: SQLite must not give that of a deleted user to a new one.
    __table_args__ = {"sqlite_autoincrement": True}
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(80), unique=True, nullable=False)
    password_hash = db.Column(db.String(255), nullable=False)


class Item(db.Model):
    name = db.Column(db.String(80), primary_key=True)
    price = db.Column(db.Float, nullable=False)
    owner_id = db.Column(db.ForeignKey(User.id), nullable=False)

    def as_json(self):
        return {"name": self.name, "price": self.price}
