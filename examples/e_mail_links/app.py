from flask import Blueprint, Flask, abort, current_app, render_template_string, request, url_for
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required

from links import make_token, read_token

HOUR, DAY = 3600, 24 * 3600
users = {}
accounts = Blueprint("accounts", __name__)


def find_by_id(user_id):
    return next((u for u in users.values() if u["id"] == user_id), None)


def authenticate(username, password):
    user = users.get(username.lower())
    correct = check_password(user["password"] if user else None, password)
    return user if correct and user["verified"] else None


def identity(payload):
    return find_by_id(payload["identity"])


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(
        JWT_STORAGE_URI="sqlite:///sessions.db",
        PUBLIC_URL="http://localhost:5000",  # not the request's Host, which a client chooses
        SEND_MAIL=print,  # a function of address, subject and text
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    jwt.init_app(app)
    app.register_blueprint(accounts)
    return app


def send_link(address, subject, endpoint, token):
    path = url_for(endpoint, token=token)
    current_app.config["SEND_MAIL"](address, subject, current_app.config["PUBLIC_URL"] + path)


def read_user(purpose, get_bound, max_age):
    token = request.values.get("token", "")
    user = read_token(purpose, token, find_by_id, get_bound, max_age)
    return user or abort(400, "This link is no longer valid. Please ask for a new one.")


def read_new_password():
    password = request.form["password"]
    return password if len(password) >= 8 else abort(400, "Choose a longer password.")


FORM = """
<form method="post">
  <input type="hidden" name="token" value="{{ request.args.token }}">
  {% if asks_password %}
  <label>New password <input name="password" type="password" autocomplete="new-password"></label>
  {% endif %}
  <button>Continue</button>
</form>
"""


@accounts.after_request
def keep_links_private(response):
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@accounts.post("/sign-up")
def sign_up():
    address, password = request.form["address"].lower(), read_new_password()
    if address not in users:
        users[address] = user = {
            "id": len(users) + 1,
            "address": address,
            "password": hash_password(password),
            "verified": False,
        }
        token = make_token("verify", user, address)
        send_link(address, "Please confirm your address", "accounts.verify", token)
    return {"message": "We have sent you an e-mail."}


@accounts.route("/verify", methods=["GET", "POST"])
def verify():
    user = read_user("verify", lambda user: user["address"], 3 * DAY)
    if request.method == "GET":  # programs that examine e-mails open their links, too
        return render_template_string(FORM)
    user["verified"] = True
    return {"message": "You can log in now."}


@accounts.post("/forgot-password")
def forgot_password():
    user = users.get(request.form["address"].lower())
    if user:
        token = make_token("reset", user, user["password"])
        send_link(user["address"], "Set a new password", "accounts.reset_password", token)
    return {"message": "If you have an account, we have sent you an e-mail."}


@accounts.route("/reset-password", methods=["GET", "POST"])
def reset_password():
    user = read_user("reset", lambda user: user["password"], HOUR)
    if request.method == "GET":
        return render_template_string(FORM, asks_password=True)
    user["password"] = hash_password(read_new_password())  # the link is used up now
    user["verified"] = True  # who has the e-mail has the address
    jwt.sessions.revoke_all(user)  # whoever knew the old password is logged out
    return {"message": "You can log in with your new password."}


@accounts.get("/me")
@jwt_required()
def me():
    return {"address": current_identity["address"]}
