import requests
import socketio

URL = "http://localhost:5000"


def connect(url=URL):
    login = {"username": "joe", "password": "pass"}
    tokens = requests.post(f"{url}/auth", json=login, timeout=10).json()
    client = socketio.Client()
    client.on("said", print)
    client.connect(url, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    return client


if __name__ == "__main__":
    connect().call("say", "hello")
