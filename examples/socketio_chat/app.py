import time
from functools import wraps

from flask import Flask, current_app, request, session
from flask_jwt import JWT, JWTError, current_identity, get_jwt, signals, verify_jwt_in_request
from flask_socketio import ConnectionRefusedError as ConnectionRejected
from flask_socketio import SocketIO, disconnect, join_room

users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)
socketio = SocketIO(async_mode="threading")


def create_app(**config):
    app = Flask(__name__)
    app.config.update(
        JWT_LEEWAY=10,  # how long a token is still accepted after it has expired
        JWT_STORAGE_URI="sqlite:///sessions.db",
        JWT_TOKEN_LOCATION=["headers", "cookies"],  # programs, and browsers
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    jwt.init_app(app)
    socketio.init_app(app)
    signals.session_revoked.connect(disconnect_session, app)
    return app


@socketio.on("connect")
def connect(auth=None):
    if isinstance(auth, dict) and "token" in auth:  # of a page, whose websocket has no headers
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {auth['token']}"
    try:
        verify_jwt_in_request()
    except JWTError as error:
        raise ConnectionRejected(error.error_code) from None
    # This session belongs to the connection, and is kept on the server.
    session["name"] = current_identity["name"]
    session["valid_until"] = get_jwt()["exp"] + current_app.config["JWT_LEEWAY"]
    join_room(f"session {get_jwt()['sid']}")


def while_valid(handler):
    """Let a connection send events only as long as its token is valid."""

    @wraps(handler)
    def handle(*args):
        if time.time() < session["valid_until"]:
            return handler(*args)
        disconnect()  # the client has to connect again, with a new token or its new cookies
        return None

    return handle


@socketio.on("say")
@while_valid
def say(text):
    socketio.emit("said", {"name": session["name"], "text": text})
    return "ok"


def disconnect_session(app, sid):
    manager = socketio.server.manager
    for connection, _ in list(manager.get_participants("/", f"session {sid}")):
        socketio.server.disconnect(connection)
