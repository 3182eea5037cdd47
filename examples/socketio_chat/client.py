import requests
import socketio
from socketio.exceptions import SocketIOError

URL = "http://localhost:5000"


def connect(url=URL):
    login = {"username": "joe", "password": "pass"}
    tokens = requests.post(f"{url}/auth", json=login, timeout=10).json()
    client = socketio.Client()
    client.on("said", print)
    client.connect(url, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    return client


def say(client, text, url=URL):
    """Send a message, and return the client: a new one if the server has ended the connection."""
    try:
        client.call("say", text, timeout=5)
    except SocketIOError:  # such as TimeoutError: the token has expired
        client.shutdown()
        client = connect(url)
        client.call("say", text, timeout=5)
    return client


if __name__ == "__main__":
    say(connect(), "hello").disconnect()
