"""Describe how a request shows its token: security schemes and requirements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from .._config.settings import Settings
from .._jose.grants import Requirement
from .._web.guarded_views import GuardOptions
from .document import Document, JSONObject
from .issuers import accepts_own_tokens, describe_issuer, list_issuers

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer

SchemeNames = tuple[str, ...]
"""The schemes that a request needs together; the first is that of the token."""

SecurityRequirement = dict[str, list[str]]


class SecuritySchemes:
    """Add the security schemes that guards need to a document."""

    def __init__(self, document: Document, settings: Settings) -> None:
        self._document = document
        self._settings = settings
        self._written = dict(document.schemes())
        self._names: dict[tuple[str, bool], str] = {}
        self._issuer_names: dict[str, str | None] = {}

    def require(self, guards: Sequence[GuardOptions], method: str) -> list[SecurityRequirement]:
        """Return the ``security`` of an operation with these guards, which are one or more."""
        # Not split further: each guard narrows the same list of alternatives.
        is_optional = all(guard.optional for guard in guards)
        alternatives: list[SchemeNames] = []
        # A guard that allows requests without a token adds nothing to one that doesn't.
        for guard in [guard for guard in guards if is_optional or not guard.optional]:
            accepted = list(self._list_alternatives(guard, method))
            common = [names for names in alternatives if names in accepted]
            alternatives = common or _combine(alternatives, accepted)
        requirements: list[SecurityRequirement] = [
            _to_requirement(names, scopes)
            for names in alternatives
            for scopes in self._list_scopes(guards)
        ]
        return [{}, *requirements] if is_optional and requirements else requirements

    def _list_scopes(self, guards: Sequence[GuardOptions]) -> list[tuple[str, ...]]:
        required = [guard.scopes for guard in guards if guard.scopes is not None]
        if not self._document.is_json_schema or not required:
            return [()]
        choices = [name for scopes in required for name in _as_choices(scopes)]
        return [
            tuple(dict.fromkeys(names))
            for names in product(*[[c] if isinstance(c, str) else c for c in choices])
        ]

    def _list_alternatives(self, guard: GuardOptions, method: str) -> Iterator[SchemeNames]:
        """Yield the schemes of each location in which the guard searches for a token."""
        settings, refresh = self._settings, guard.refresh
        for location in guard.locations or settings.locations:
            if location == "headers":
                yield from self._list_bearers(guard)
            elif location == "cookies":
                names: SchemeNames = (self._add("cookie", refresh),)
                # Swagger 2.0 has no cookies: the header "Cookie" holds them all.
                if settings.csrf_protect and method in settings.csrf_methods:
                    names = (*names, self._add("csrf", refresh))
                yield names
            elif location == "query_string":
                yield (self._add("query", False),)
            # There is no scheme for a token in a JSON body.

    def _list_bearers(self, guard: GuardOptions) -> Iterator[SchemeNames]:
        """Yield the scheme of a token in a header, and that of each other issuer."""
        foreign = list_issuers(self._settings, guard)
        described = [name for issuer in foreign if (name := self._add_issuer(issuer)) is not None]
        own = accepts_own_tokens(self._settings, guard)
        if own or not described or len(described) < len(foreign):
            yield (self._add("header", guard.refresh),)
        for name in described:
            yield (name,)

    def _add_issuer(self, issuer: Issuer) -> str | None:
        """Return the name of the scheme of an issuer, if this document can describe it."""
        # The scheme stands for a token in this header, with this prefix.
        if self._document.is_swagger or not self._is_bearer:
            return None
        if issuer.issuer not in self._issuer_names:
            scheme = describe_issuer(issuer)
            name = None if scheme is None else self._find_written(scheme)
            if scheme is not None and name is None:
                number = 1 + sum(known is not None for known in self._issuer_names.values())
                name = "openIdConnect" if number == 1 else f"openIdConnect{number}"
                name = self._document.add("securitySchemes", name, scheme)
            self._issuer_names[issuer.issuer] = name
        return self._issuer_names[issuer.issuer]

    @property
    def _is_bearer(self) -> bool:
        settings = self._settings
        return "bearer" in settings.prefixes and settings.header_name == "Authorization"

    def _add(self, place: str, refresh: bool) -> str:
        if (place, refresh) not in self._names:
            name, scheme = getattr(self, f"_describe_{place}")(refresh)
            written = None if name == _REFRESH_TOKEN else self._find_written(scheme)
            name = written or self._document.add("securitySchemes", name, scheme)
            self._names[place, refresh] = name
        return self._names[place, refresh]

    def _find_written(self, scheme: JSONObject) -> str | None:
        """Return the name of the author's scheme that means the same, or None."""
        refresh = self._describe_header(True)[1]
        for name, written in self._written.items():
            if _identify(written) == _identify(scheme) and written != refresh:
                return name
        return None

    def _describe_header(self, refresh: bool) -> tuple[str, JSONObject]:
        # Not split: the name and the text of the scheme depend on the same conditions.
        settings = self._settings
        name = _REFRESH_TOKEN if refresh else "bearerAuth"
        kind = "refresh" if refresh else "access"
        is_bearer = self._is_bearer
        if is_bearer and not self._document.is_swagger:
            scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            return name, {**scheme, "description": "A refresh token"} if refresh else scheme
        prefix = "Bearer" if is_bearer else settings.canonical_prefixes[0]
        value = f"`{prefix} <{kind} token>`" if prefix else f"the {kind} token"
        if not is_bearer and not refresh:
            name = "tokenHeader"
        return name, _api_key("header", settings.header_name, f"Send {value}")

    def _describe_cookie(self, refresh: bool) -> tuple[str, JSONObject]:
        settings = self._settings
        name = settings.refresh_cookie_name if refresh else settings.access_cookie_name
        own_name = "refreshCookie" if refresh else "accessCookie"
        if self._document.is_swagger:
            return own_name, _api_key("header", "Cookie", f"Send `{name}=<token>`")
        return own_name, _api_key("cookie", name, "Set by the login")

    def _describe_csrf(self, refresh: bool) -> tuple[str, JSONObject]:
        kind = "refresh" if refresh else "access"
        header = getattr(self._settings, f"{kind}_csrf_header_name")
        cookie = getattr(self._settings, f"{kind}_csrf_cookie_name")
        text = f"The value of the cookie `{cookie}`. Pages of the same origin don't need it"
        own_name = "refreshCsrfHeader" if refresh else "csrfHeader"
        return own_name, _api_key("header", header, text)

    def _describe_query(self, _refresh: bool) -> tuple[str, JSONObject]:
        settings = self._settings
        value = f"`{settings.query_string_prefix}<token>`"
        text = f"Send {value}" if settings.query_string_prefix else "The token"
        return "tokenInQuery", _api_key("query", settings.query_string_name, text)


_REFRESH_TOKEN = "refreshToken"


def _to_requirement(names: SchemeNames, scopes: Sequence[str]) -> SecurityRequirement:
    return {name: list(scopes) if name == names[0] else [] for name in names}


def _api_key(place: str, name: str, description: str) -> JSONObject:
    return {"type": "apiKey", "in": place, "name": name, "description": description}


def _identify(scheme: Any) -> tuple[object, ...]:
    """Return a value that is equal for schemes with the same meaning."""
    name = scheme.get("name")
    # Names of headers are compared without case.
    is_header = scheme.get("in") == "header"
    name = name.lower() if is_header and isinstance(name, str) else name
    url = scheme.get("openIdConnectUrl")
    return scheme.get("type"), str(scheme.get("scheme")).lower(), scheme.get("in"), name, url


def _combine(first: list[SchemeNames], second: list[SchemeNames]) -> list[SchemeNames]:
    """Return the alternatives that satisfy two guards, each of which needs its own token."""
    if not first or not second:
        return first or second
    return [tuple(dict.fromkeys(one + other)) for one, other in product(first, second)]


def _as_choices(requirement: Requirement) -> list[Any]:
    """Return names of which all are required; a list stands for one of its names."""
    return [list(requirement.names)] if requirement.is_any else list(requirement.names)


def list_extensions(guards: Sequence[GuardOptions], *, lists_scopes: bool) -> JSONObject:
    """Return the specification extensions that state the required scopes and roles.

    :param lists_scopes: whether the ``security`` of the operation lists the scopes already
    """
    extensions: JSONObject = {}
    for name in ("roles",) if lists_scopes else ("scopes", "roles"):
        required = [getattr(guard, name) for guard in guards]
        choices = [choice for one in required if one is not None for choice in _as_choices(one)]
        if choices:
            extensions[f"x-required-{name}"] = choices
    return extensions


def list_sentences(guards: Sequence[GuardOptions], settings: Settings) -> Iterator[str]:
    """Yield the sentences about the guards that ``security`` can't express."""
    for guard in guards:
        for requirement in (guard.scopes, guard.roles):
            if requirement is not None:
                yield f"Requires {requirement}."
        if guard.fresh is True:
            yield "Requires a token that was issued by a login, not by a refresh."
        elif guard.fresh is not False:
            yield f"Requires a login at most {int(guard.fresh.total_seconds())} seconds ago."
        if "json" in (guard.locations or settings.locations):
            key = settings.refresh_json_key if guard.refresh else settings.json_key
            yield f"The token may be the member `{key}` of a JSON body."
