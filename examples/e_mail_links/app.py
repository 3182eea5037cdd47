import re
from secrets import token_hex

from flask import Blueprint, Flask, abort, current_app, render_template_string, request, url_for
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required

from links import make_token, read_token

HOUR = 3600
users = {}  # in your application a table
accounts = Blueprint("accounts", __name__)


def find_by_id(user_id):
    return next((u for u in users.values() if u["id"] == user_id), None)


def authenticate(username, password):
    user = users.get(username.lower())
    # Nobody can log in before a password was set, which only the owner of the address can do.
    return user if check_password(user["password"] if user else None, password) else None


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


def get_bound(user):
    return user["password"] or ""


def send_link(user, subject):
    token = make_token("password", user, get_bound(user))
    link = current_app.config["PUBLIC_URL"] + url_for("accounts.set_password", token=token)
    current_app.config["SEND_MAIL"](user["address"], subject, link)


@accounts.after_request
def keep_links_private(response):
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def read_address():
    address = request.form["address"].strip().lower()
    if len(address) > 254 or not re.fullmatch(r"[\w.+'-]+@[\w.-]+", address):
        abort(400, "Enter an e-mail address.")
    return address


@accounts.post("/sign-up")
def sign_up():
    address = read_address()
    if address not in users:
        # Without a password: the one who signs up may not be the owner of the address.
        users[address] = {"id": token_hex(8), "address": address, "password": None}
    send_link(users[address], "Choose a password")
    return {"message": "We have sent you an e-mail."}


@accounts.post("/forgot-password")
def forgot_password():
    user = users.get(read_address())
    if user:
        send_link(user, "Set a new password")
    return {"message": "If you have an account, we have sent you an e-mail."}


FORM = """
<form method="post">
  <input type="hidden" name="token" value="{{ request.args.token }}">
  <label>New password <input name="password" type="password" autocomplete="new-password"></label>
  <button>Continue</button>
</form>
"""


@accounts.route("/set-password", methods=["GET", "POST"])
def set_password():
    token = request.values.get("token", "")
    user = read_token("password", token, find_by_id, get_bound, max_age=HOUR)
    if user is None:
        abort(400, "This link is no longer valid. Please ask for a new one.")
    if request.method == "GET":  # programs that examine e-mails open their links, too
        return render_template_string(FORM)
    if not 8 <= len(request.form["password"]) <= 200:
        abort(400, "Choose a password of 8 to 200 characters.")
    user["password"] = hash_password(request.form["password"])  # the link is used up now
    jwt.sessions.revoke_all(user)  # whoever knew the old password is logged out
    return {"message": "You can log in now."}


@accounts.get("/me")
@jwt_required()
def me():
    return {"address": current_identity["address"]}
