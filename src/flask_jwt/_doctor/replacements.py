"""List names that programs of the two predecessors use, and what to write instead."""

from __future__ import annotations

_SERIALIZER = "from flask_jwt import create_access_token, decode_token"

REPLACEMENTS = {
    # Werkzeug
    "werkzeug.security.safe_str_cmp": (
        "from hmac import compare_digest  # compare_digest(a.encode(), b.encode())"
    ),
    "werkzeug.security.pbkdf2_hex": "from hashlib import pbkdf2_hmac",
    "werkzeug.security.pbkdf2_bin": "from hashlib import pbkdf2_hmac",
    "werkzeug.security.safe_join": "from werkzeug.utils import safe_join",
    "werkzeug.secure_filename": "from werkzeug.utils import secure_filename",
    "werkzeug.generate_password_hash": "from werkzeug.security import generate_password_hash",
    "werkzeug.check_password_hash": "from werkzeug.security import check_password_hash",
    "werkzeug.cached_property": "from werkzeug.utils import cached_property",
    "werkzeug.LocalProxy": "from werkzeug.local import LocalProxy",
    "werkzeug.FileStorage": "from werkzeug.datastructures import FileStorage",
    "werkzeug.contrib": "from werkzeug.middleware.proxy_fix import ProxyFix",
    "werkzeug.wsgi.DispatcherMiddleware": (
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware"
    ),
    "werkzeug.urls.url_quote": "from urllib.parse import quote",
    "werkzeug.urls.url_encode": "from urllib.parse import urlencode",
    "werkzeug.urls.url_decode": "from urllib.parse import parse_qs",
    "werkzeug.urls.url_parse": "from urllib.parse import urlsplit",
    "werkzeug.urls.url_unquote": "from urllib.parse import unquote",
    "werkzeug.wrappers.BaseResponse": "from werkzeug.wrappers import Response",
    "werkzeug.wrappers.BaseRequest": "from werkzeug.wrappers import Request",
    # Flask
    "flask._request_ctx_stack": "from flask.globals import request_ctx",
    "flask._app_ctx_stack": "from flask import g",
    "flask.globals._request_ctx_stack": "from flask.globals import request_ctx",
    "flask.globals._app_ctx_stack": "from flask import g",
    "flask.Markup": "from markupsafe import Markup",
    "flask.escape": "from markupsafe import escape",
    "flask.json.JSONEncoder": "from flask.json.provider import DefaultJSONProvider",
    "flask.ext": "import the extension by its own name, such as flask_sqlalchemy",
    "flask.helpers.safe_join": "from werkzeug.utils import safe_join",
    "flask.safe_join": "from werkzeug.utils import safe_join",
    # Jinja
    "jinja2.Markup": "from markupsafe import Markup",
    "jinja2.escape": "from markupsafe import escape",
    "jinja2.contextfilter": "from jinja2 import pass_context",
    "jinja2.environmentfilter": "from jinja2 import pass_environment",
    "jinja2.evalcontextfilter": "from jinja2 import pass_eval_context",
    # ItsDangerous
    "itsdangerous.JSONWebSignatureSerializer": _SERIALIZER,
    "itsdangerous.TimedJSONWebSignatureSerializer": _SERIALIZER,
    "itsdangerous.json": "import json",
    # PyJWT
    "jwt.ExpiredSignature": "from jwt import ExpiredSignatureError",
    "jwt.InvalidAudience": "from jwt import InvalidAudienceError",
    "jwt.InvalidIssuer": "from jwt import InvalidIssuerError",
    # Flask-JWT before version 0.3
    "flask_jwt.current_user": "from flask_jwt import current_identity",
    "flask_jwt.verify_jwt": "from flask_jwt import verify_jwt_in_request",
    "flask_jwt.generate_token": "from flask_jwt import create_access_token",
    # Flask-JWT-Extended before version 4
    "flask_jwt_extended.jwt_optional": "@jwt_required(optional=True)",
    "flask_jwt_extended.fresh_jwt_required": "@jwt_required(fresh=True)",
    "flask_jwt_extended.jwt_refresh_token_required": "@jwt_required(refresh=True)",
    "flask_jwt_extended.get_raw_jwt": "from flask_jwt.extended import get_jwt",
    "flask_jwt_extended.get_raw_jwt_header": "from flask_jwt.extended import get_jwt_header",
    "flask_jwt_extended.get_jwt_claims": "from flask_jwt.extended import get_jwt",
    "flask_jwt_extended.verify_jwt_in_request_optional": "verify_jwt_in_request(optional=True)",
    "flask_jwt_extended.verify_fresh_jwt_in_request": "verify_jwt_in_request(fresh=True)",
    "flask_jwt_extended.verify_jwt_refresh_token_in_request": (
        "verify_jwt_in_request(refresh=True)"
    ),
}
"""Names that are gone, and the line to write instead."""

HANDLERS = {
    # The documentation of Flask-JWT showed these two, which it never had.
    "error_handler": "jwt_error_handler",
    "payload_handler": "jwt_payload_handler",
    # Before version 0.3
    "user_handler": "identity_handler",
    "encode_handler": "jwt_encode_handler",
    "decode_handler": "jwt_decode_handler",
    "headers_handler": "jwt_headers_handler",
    "response_handler": "auth_response_handler",
    # Flask-JWT-Extended before version 4
    "user_claims_loader": "additional_claims_loader",
    "user_loader_callback_loader": "user_lookup_loader",
    "user_loader_error_loader": "user_lookup_error_loader",
    "token_in_blacklist_loader": "token_in_blocklist_loader",
    "claims_verification_loader": "token_verification_loader",
    "claims_verification_failed_loader": "token_verification_failed_loader",
}
"""Decorators that are gone, or never existed, and the ones to write instead."""

OPTIONS = {
    "JWT_BLACKLIST_ENABLED": "remove it: the token_in_blocklist_loader is called if there is one",
    "JWT_BLACKLIST_TOKEN_CHECKS": "remove it: the token_in_blocklist_loader sees the token's type",
    "JWT_USER_CLAIMS": "remove it: additional claims are claims like all others",
    "JWT_CLAIMS_IN_REFRESH_TOKEN": "remove it: refresh tokens have the additional claims, too",
}
"""Options of version 3 of Flask-JWT-Extended, and what to do about each."""
