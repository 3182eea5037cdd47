def authenticate(username, password):
    if (username, password) == ("ada", "engine"):
        return True


def identity(payload):
    return payload["identity"]
