from flask import Flask, abort, request
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required

users = {"joe": {"id": 1, "name": "joe", "password": hash_password("pass")}}
notes = {1: ["Buy milk"]}


def authenticate(username, password):
    user = users.get(username)
    correct = check_password(user["password"] if user else None, password)
    return user if correct else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(
        JWT_TOKEN_LOCATION=["cookies"],  # that scripts can't read
        JWT_STORAGE_URI="sqlite:///sessions.db",  # so that the cookies are renewed
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    jwt.init_app(app)

    @app.get("/")
    def page():
        return app.send_static_file("index.html")

    @app.get("/notes")
    @jwt_required()
    def list_notes():
        return {"user": current_identity["name"], "notes": notes[current_identity["id"]]}

    @app.post("/notes")
    @jwt_required()
    def add_note():
        note = request.get_json()
        if not isinstance(note, str):
            abort(400)
        notes[current_identity["id"]].append(note)
        return {"notes": notes[current_identity["id"]]}, 201

    return app
