"""Examine an application that has been imported: configuration, keys, handlers, routes, a token."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import timedelta
from inspect import getclosurevars, isfunction
from typing import Any, NamedTuple

from flask import Flask

from ..._config.settings import OPTIONS, unknown_keys
from ..._jose.claims import TIME_CLAIMS, Claims, Header
from ..._jose.codec import TokenCodec, decode_unverified
from ..._web.app_state import STATE_KEY, AppState
from ..._web.extension import JWT
from ..._web.guarded_views import GuardOptions, guards_of, unwrap
from ...errors import ConfigError, JWTError
from ...extended import JWTManager
from ..inspect import describe_kind
from ..issuers import explain
from ..output import format_time
from .findings import Finding, Kind

_FOREIGN = "flask_jwt_extended"

# Their defaults are in every configuration, so only other values are the program's choice.
_IS_SET_BY_FLASK = {"SECRET_KEY", "SECRET_KEY_FALLBACKS"}


class Route(NamedTuple):
    rule: str
    methods: str
    guard: str


class TokenReport(NamedTuple):
    """Hold what a token is and contains, and whether it is accepted.

    :param reason: why it is rejected, or None
    :param unchecked: why it could not be verified, or None
    """

    kind: str
    header: Header
    claims: Claims
    times: dict[str, str]
    reason: str | None
    unchecked: str | None


def examine_program(app: Flask) -> tuple[AppState | None, list[Finding], list[Route]]:
    """Return the state of *app* with this package, the findings, and its routes.

    An application of Flask-JWT-Extended is left as it is: its configuration and callbacks are tried
    with another application.
    """
    manager = app.extensions.get("flask-jwt-extended")
    # A program may define a subclass.
    is_foreign = any(each.__module__.startswith(_FOREIGN) for each in type(manager).__mro__)
    state: AppState | None = app.extensions.get(STATE_KEY)
    if state is not None:
        findings = [*_examine_state(app, state)]
    elif is_foreign:
        state, findings = _try_with_this_package(app, manager)
    else:
        text = "the application has no JWT, or init_app was not called"
        findings = [Finding(Kind.rejected, app.name, text, "jwt.init_app(app)")]
    return state, [*findings, *_examine_views(app, is_foreign)], [*_list_routes(app)]


def _try_with_this_package(app: Flask, manager: Any) -> tuple[AppState | None, list[Finding]]:
    trial = Flask(app.import_name)
    trial.config.update(app.config)
    jwt = JWTManager()
    for name, callback in vars(manager).items():
        is_default = getattr(callback, "__module__", "") == f"{_FOREIGN}.default_callbacks"
        if name.endswith("_callback") and callback is not None and not is_default:
            setattr(jwt, name, callback)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            jwt.init_app(trial)
        except ConfigError as error:
            return None, [
                Finding(Kind.rejected, "configuration", line.strip())
                for line in str(error).splitlines()
                if line.strip() != "Invalid configuration:"
            ]
        state: AppState = trial.extensions[STATE_KEY]
        findings = [*_examine_state(app, state)]
    return state, findings + describe_warnings(str(warning.message) for warning in caught)


def describe_warnings(messages: Iterable[str]) -> list[Finding]:
    """Return the warnings that were issued at start, without those about unknown options."""
    return [
        Finding(Kind.differs, "at start", message)
        for message in dict.fromkeys(messages)
        if "is not an option of" not in message
    ]


def _examine_state(app: Flask, state: AppState) -> Iterator[Finding]:
    settings = state.settings
    options = [name for name in OPTIONS if _is_set(app, state, name)]
    if options:
        yield Finding(Kind.works, "configuration", ", ".join(options))
    yield from _examine_keys(state)
    handlers = [*_list_handlers(state)]
    if handlers:
        yield Finding(Kind.works, "handlers", ", ".join(handlers))
    for sentence in unknown_keys(app.config):
        yield Finding(Kind.differs, sentence.partition(" ")[0], sentence)
    if "cookies" in settings.locations and not settings.cookie_secure:
        text = (
            "JWT_COOKIE_SECURE is False: a warning in production, because cookies are sent openly"
        )
        yield Finding(Kind.differs, "configuration", text, "JWT_COOKIE_SECURE = True")
    if state.sessions is None and state.handlers.blocklist_callback is not None:
        text = "the blocklist is called at each request; sessions make it unnecessary"
        yield Finding(Kind.differs, "handlers", text, 'JWT_STORAGE_URI = "sqlite:///sessions.db"')

    yield from _examine_login(state)
    if settings.issuers:
        # Imported here, because most applications trust no other issuer.
        from .issuers import examine_issuers

        yield from examine_issuers(state)


def _is_set(app: Flask, state: AppState, name: str) -> bool:
    """Return whether the program has set an option to something else than its default."""
    if name in _IS_SET_BY_FLASK:
        return False
    value = app.config.get(name)
    is_copy = name == "JWT_SECRET_KEY" and value == app.config.get("SECRET_KEY")
    default = state.profile.defaults.get(name, OPTIONS[name].default)
    # A lifetime may be a timedelta in one of them, and a number of seconds in the other.
    return value is not None and not is_copy and _seconds(value) != _seconds(default)


def _seconds(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return tuple(value) if isinstance(value, list) else value


def _examine_login(state: AppState) -> Iterator[Finding]:
    settings = state.settings
    has_login = settings.auth_url_rule is not None and state.handlers.authentication_callback
    if has_login and settings.login_limits and "JWT_LOGIN_LIMITS" not in settings.explicit:
        text = "after ten failed logins in a minute, the response is a 429"
        yield Finding(Kind.differs, settings.auth_url_rule or "", text, "JWT_LOGIN_LIMITS = None")


def _examine_keys(state: AppState) -> Iterator[Finding]:
    handlers = state.handlers
    if handlers.decode_key_callback is not None:
        yield Finding(Kind.works, "keys", "the decode_key_loader chooses the key of each token")
        text = "a token whose key the decode_key_loader doesn't find is rejected, not a 500"
        yield Finding(Kind.differs, "keys", text)
    if not state.settings.has_key:
        if state.settings.issuers:
            text = "none of its own, so only tokens of JWT_ISSUERS are accepted"
            yield Finding(Kind.works, "keys", text)
        elif handlers.decode_key_callback is None:
            text = "there is no key to verify tokens with"
            yield Finding(Kind.rejected, "keys", text, "JWT_SECRET_KEY = …  # flask jwt secret")
        return
    try:
        keys = state.codecs.access().keys
    except ConfigError as error:
        yield Finding(Kind.rejected, "keys", str(error))
        return
    names = [key.algorithm for key in keys.keys]
    yield Finding(Kind.works, "keys", ", ".join(dict.fromkeys(names)))


def _list_handlers(state: AppState) -> Iterator[str]:
    """Yield the names of the handlers that the program has set."""
    # Not the class of the object, which may be a subclass with other arguments.
    defaults = JWTManager() if isinstance(state.handlers, JWTManager) else JWT()
    for name, value in vars(state.handlers).items():
        is_callback = name.endswith("_callback") or name == "_user_lookup"
        default = getattr(defaults, name, None)
        is_default = value is default or getattr(value, "__func__", value) is getattr(
            default, "__func__", default
        )
        if is_callback and value is not None and not is_default:
            yield name.strip("_").removesuffix("_callback")


# Views


def _examine_views(app: Flask, is_foreign: bool) -> Iterator[Finding]:
    modules = {
        layer.__module__.partition(".")[0]
        for view in app.view_functions.values()
        for owner in [getattr(view, "view_class", None)]
        if owner is not None
        for layer in owner.__mro__
    }
    for module, name in (("flask_restful", "Flask-RESTful"), ("flask_restx", "Flask-RESTX")):
        if module in modules and is_foreign:
            text = f"{name}: errors that no handler catches have their own status, not 500"
            yield Finding(Kind.differs, "routes", text)


def _list_routes(app: Flask) -> Iterator[Route]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.endpoint.rpartition(".")[2] == "static":
            continue
        methods = sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"})
        view = app.view_functions.get(rule.endpoint)
        guards = list(dict.fromkeys(_describe_guard(view, method) for method in methods))
        yield Route(rule.rule, ",".join(methods), " | ".join(guards) or "-")


def _describe_guard(view: object, method: str) -> str:
    options = next(iter(guards_of(view, method)), None) or _find_foreign_guard(view)
    if options is None:
        return "-"
    if options.custom is not None:
        return options.custom
    words = [name for name in ("optional", "fresh", "refresh") if getattr(options, name)]
    return " ".join(["jwt_required", *words])


def _find_foreign_guard(view: object) -> GuardOptions | None:
    """Return the options of Flask-JWT-Extended's guard of *view*, if it has one."""
    for layer in unwrap(view):
        if not isfunction(layer) or layer.__module__.partition(".")[0] == "flask_jwt":
            continue
        names = getclosurevars(layer).nonlocals
        if {"optional", "fresh", "refresh", "locations"} <= names.keys():
            return GuardOptions(
                optional=names["optional"], fresh=names["fresh"], refresh=names["refresh"]
            )
    return None


# Tokens


def explain_token(state: AppState | None, token: str) -> TokenReport:
    """Return what *token* contains, and whether the application accepts it.

    Key loaders, the blocklist and the session store aren't called, because they may need a network.
    """
    now = time.time() if state is None else state.clock.now()
    limit = 8192 if state is None else state.settings.max_token_size
    try:
        header, claims = decode_unverified(token, limit)
    except JWTError as error:
        kind = describe_kind(token, {}, {})
        return TokenReport(kind, {}, {}, {}, str(error.description), None)
    times = _describe_times(claims, now)
    reason = unchecked = None
    if state is None:
        unchecked = "the program can't be imported, so its keys are unknown"
    elif (of_issuer := _explain_foreign(state, header, claims)) is not None:
        unchecked = of_issuer
    elif state.handlers.decode_key_callback is not None:
        unchecked = "the decode_key_loader, which may need the network, chooses the key"
    else:
        try:
            _codec_for(state, claims).verify(token, now)
        except JWTError as error:
            reason = str(error.description)
        except ConfigError as error:
            unchecked = str(error)
    kind = describe_kind(token, header, claims)
    return TokenReport(kind, header, claims, times, reason, unchecked)


def _explain_foreign(state: AppState, header: Header, claims: Claims) -> str | None:
    """Return what a token of another issuer shows without its keys, or None if it is no such token.

    Its keys aren't fetched, and a function that finds issuers isn't called.
    """
    issuers = state.codecs.issuers()
    if issuers is None:
        return None
    if issuers.lookup is not None:
        return f"the function {issuers.lookup.name} finds its issuer: flask jwt inspect asks it"
    if issuers.find(claims.get("iss")) is None:
        return None
    first, *more = explain(state, header, claims)
    return " ".join([first, *more, "flask jwt inspect fetches its keys and verifies it."])


def _describe_times(claims: Claims, now: float) -> dict[str, str]:
    times = {}
    for name in (*TIME_CLAIMS, "auth_time"):
        value: Any = claims.get(name)
        if type(value) in (int, float) and 0 <= value < 1e11:
            times[name] = f"{format_time(value)}, {_describe_distance(value - now)}"
    return times


def _codec_for(state: AppState, claims: Claims) -> TokenCodec:
    if claims.get("type") == "refresh":
        return state.codecs.refresh() if "gen" in claims else state.codecs.for_type("refresh")
    return state.codecs.access()


def _describe_distance(seconds: float) -> str:
    amount, unit = abs(seconds), "seconds"
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if amount >= 2 * size:
            amount, unit = amount / size, name
            break
    if amount < 2:
        return "now"
    return f"{int(amount)} {unit} {'from now' if seconds > 0 else 'ago'}"
