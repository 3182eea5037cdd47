"""Guards on events of Flask-SocketIO, which repeat the cookies of the handshake."""

import pytest
from flask_socketio import SocketIO
from socketio import packet

from flask_jwt import current_identity, errors, jwt_required, verify_jwt_in_request
from tests.support import Browser, make_app


@pytest.fixture(params=["guarded", "open"], ids=lambda connect: f"{connect} connect")
def connected(request, clock):
    """A browser, its Socket.IO connection, and the statuses of guards in a later namespace."""
    app = make_app(clock=clock, JWT_STORAGE_URI="memory://", JWT_TOKEN_LOCATION=["cookies"])
    sockets = SocketIO(app, async_mode="threading")
    if request.param == "guarded":
        sockets.on("connect")(jwt_required()(lambda auth=None: None))

    @sockets.on("say")
    @jwt_required()
    def say(text):
        return [current_identity.id, text]

    @sockets.on_error_default
    def describe(error):
        return error.status_code

    statuses = []

    @sockets.on("connect", namespace="/late")
    def connect_late(auth=None):
        with pytest.raises(errors.AuthError) as caught:
            verify_jwt_in_request()
        statuses.append(caught.value.status_code)

    app.add_url_rule("/me", "me", jwt_required()(lambda: "ok"))
    browser = Browser(app)
    browser.sign_in()
    client = app.test_client()
    for name, value in browser.cookies.items():
        client.set_cookie(name, value, domain="localhost")
    # Without a guard on the handshake, nothing is known of it when a namespace is connected late.
    late = statuses if request.param == "guarded" else None
    return app, browser, sockets.test_client(app, flask_test_client=client), late


def test_an_event_never_ends_the_session(connected, clock):
    app, browser, connection, late = connected
    assert connection.emit("say", "hi", callback=True) == [1, "hi"]
    clock.tick(400)
    # The access cookie of the handshake has expired, and only a page can bring the browser another.
    assert connection.emit("say", "late", callback=True) == 401
    assert browser.get("/me").status_code == 200
    clock.tick(60)  # longer than the grace period: the refresh cookie of the handshake is old
    assert connection.emit("say", "later", callback=True) == 401
    if late is not None:
        message = packet.Packet(packet.CONNECT, namespace="/late").encode()
        connection.socketio.server._handle_eio_message(connection.eio_sid, message)
        assert late == [401]
    assert browser.get("/me").status_code == 200
    with app.app_context():
        assert [session.is_active(clock()) for session in app.jwt.sessions.list(1)] == [True]
